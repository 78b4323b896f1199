"""The processes of a system, each of which loads only what its own work needs."""

from meterworks.system.serving.process import STORES, Ground, answering_as_ready, run_until_stopped, wait_until_ready
from meterworks.system.serving.servant import SERVANT_MODULES, Servant, servant_of

__all__ = [
    "SERVANT_MODULES",
    "STORES",
    "Ground",
    "Servant",
    "answering_as_ready",
    "run_until_stopped",
    "servant_of",
    "wait_until_ready",
]
