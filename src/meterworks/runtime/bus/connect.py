"""Which bus an address means."""

from meterworks.runtime.bus.contract import Bus, BusSettings
from meterworks.runtime.bus.jetstream import NatsBus
from meterworks.runtime.bus.memory import MemoryBus
from meterworks.runtime.errors import SettingsError

__all__ = ["connect_bus"]


async def connect_bus(settings: BusSettings | str | None = None) -> Bus:
    """Connect to the bus of the settings, or of an address.

    nats://HOST:PORT (tls:// with TLS; several joined by commas): raises BusUnreachableError when none answers in time.
    memory://: a new in-process bus; hand the object to all who shall meet on it.
    """
    if isinstance(settings, str):
        settings = BusSettings(url=settings)
    settings = settings or BusSettings()
    scheme = settings.url.partition("://")[0]
    if scheme == "memory":
        return MemoryBus()
    if scheme not in ("nats", "tls"):
        raise SettingsError(f"bus {scheme!r} is unknown: give nats://HOST:PORT or memory://", value=scheme)
    bus = NatsBus(settings)
    await bus.connect()
    return bus
