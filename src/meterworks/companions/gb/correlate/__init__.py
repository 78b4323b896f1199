"""The independent check: what the bytes of a command would make a device do, and whether a request asked for that.

It reads; it builds nothing. No code and no table is shared with the transform, so that an error or a fraud there shows.
"""

from meterworks.companions.gb.correlate.correlate import correlate, effects_of
from meterworks.companions.gb.correlate.fact import Effects, Fact

__all__ = ["Effects", "Fact", "correlate", "effects_of"]
