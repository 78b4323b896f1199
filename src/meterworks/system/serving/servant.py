"""Which module does the work of which process. Each is loaded in its own process only: they have little in common."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, cast

from meterworks.system.serving.process import Ground

__all__ = ["SERVANT_MODULES", "Servant", "servant_of"]

Servant = Callable[[Ground, asyncio.Event], Awaitable[None]]

# The portal stands above this floor: the web's module is named by the command.
SERVANT_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "audit": "meterworks.system.serving.audit",
        "fleet": "meterworks.system.serving.fleet",
        "headend": "meterworks.system.serving.headend",
        "pki": "meterworks.system.serving.pki",
        "writer": "meterworks.system.serving.writer",
    }
)


def servant_of(module: str) -> Servant:
    """Load a process's module and give its `serve`."""
    return cast("Servant", importlib.import_module(module).serve)
