"""The processes of a system, each of which loads only what its own work needs."""

from meterworks.system.serving.process import Ground, answering_as_ready, run_until_stopped, wait_until_ready
from meterworks.system.serving.servant import PROCESS_NAMES, SERVANT_MODULES, Servant, servant_of

__all__ = [
    "PROCESS_NAMES",
    "SERVANT_MODULES",
    "Ground",
    "Servant",
    "answering_as_ready",
    "run_until_stopped",
    "servant_of",
    "wait_until_ready",
]
