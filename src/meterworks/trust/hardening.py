"""A process that holds keys leaves no image of its memory behind and lets no other process of its account look in.

Core dumps are off, for good and for its children. On Linux it is made non-dumpable as well: the kernel then refuses
ptrace and /proc/<pid>/mem to all but root, and gives the files below /proc/<pid> to root. Memory is not locked: that
would take rights and a limit that a container seldom gives; encrypt the swap of such a machine, or use none.
Source: SECURITY fact sheet SEC-037; prctl(2) PR_SET_DUMPABLE; setrlimit(2) RLIMIT_CORE.
"""

import ctypes
import resource
import sys
from dataclasses import dataclass
from typing import Final

__all__ = ["Hardening", "harden_process", "hardening_of_process"]

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4


@dataclass(frozen=True, slots=True)
class Hardening:
    """What is in force in this process. non_dumpable: None where the operating system knows no such thing."""

    core_dumps_off: bool
    non_dumpable: bool | None


def harden_process() -> Hardening:
    """Harden this process; gives what is in force afterwards. Safe to repeat; a child started by exec does it again."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 0)
    return hardening_of_process()


def hardening_of_process() -> Hardening:
    """What is in force in this process."""
    dumpable = _prctl(_PR_GET_DUMPABLE, 0) if sys.platform == "linux" else None
    return Hardening(
        core_dumps_off=resource.getrlimit(resource.RLIMIT_CORE) == (0, 0),
        non_dumpable=None if dumpable is None else dumpable == 0,
    )


def _prctl(option: int, value: int) -> int:
    """Call prctl(2); -1 where the C library refuses or lacks it, which counts as not hardened."""
    try:
        function = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return -1
    return int(function(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))
