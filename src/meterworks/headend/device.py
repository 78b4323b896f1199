"""What the head-end must know of a device to talk to it, and where it learns it: the registry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from meterworks.catalogue import Medium, profiles_of
from meterworks.headend.ranges import Ranges, normalise
from meterworks.protocols.dlms import Mechanism, Signer
from meterworks.registry import ConnectionKind, Device, DeviceId, DeviceState, Registry

__all__ = ["OPEN_END_EPOCH_S", "DeviceDirectory", "DeviceRecord", "RegistryDirectory", "SignedTalk"]

OPEN_END_EPOCH_S = 2**40
"""End of an installation that lasts."""
PAGE = 1_000
TALKED_TO = frozenset({DeviceState.INSTALLED, DeviceState.REMOVED})


@dataclass(frozen=True, slots=True)
class SignedTalk:
    """How messages are signed, both ways. signer: ours. device_key: the device's certified key, x || y."""

    signer: Signer
    device_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """A device we collect from."""

    device_id: int
    system_title: bytes
    model: str
    firmware: str
    host: str
    port: int
    calls_us: bool
    """True where the device opens the connection."""
    medium: Medium
    phases: int
    interval_s: int
    profiles: tuple[str, ...]
    installed: Ranges
    suite: int = 0
    """Security suite of DLMS, 0 to 2."""
    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    mechanism: Mechanism = Mechanism.GMAC
    """How readers and management prove themselves."""
    secret: bytes | None = field(default=None, repr=False)
    """Of mechanisms 3, 4 and 6."""
    signed: SignedTalk | None = field(default=None, repr=False)
    """None: messages are not signed."""

    @property
    def address(self) -> str:
        """Where it answers; devices that share it share its sessions."""
        return f"{self.host}:{self.port}" if self.host else f"caller {self.device_id}"


class DeviceDirectory(Protocol):
    """Gives the devices to collect from."""

    async def devices(self) -> Mapping[int, DeviceRecord]:
        """All of them, by number."""


class RegistryDirectory:
    """The registry as a directory: installed devices with keys, read in bulk."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def devices(self) -> Mapping[int, DeviceRecord]:
        """All devices that are or were installed and have both keys."""
        found: dict[int, DeviceRecord] = {}
        after: str | None = None
        while True:
            page = await self._registry.devices(after=after, limit=PAGE)
            found.update(await self._records([placed.device for placed in page.items]))
            after = page.next_cursor
            if after is None:
                return found

    async def _records(self, devices: Sequence[Device]) -> dict[int, DeviceRecord]:
        wanted = [device for device in devices if device.state in TALKED_TO]
        ids = [device.id for device in wanted]
        if not ids:
            return {}
        keys = await self._registry.keys(ids)
        installed = await self._installed(ids)
        records = {}
        for device in wanted:
            pair = keys.get(device.id)
            if pair is None or pair.guek is None or pair.gak is None or device.id not in installed:
                continue
            records[int(device.id)] = _record(device, installed[device.id], pair.guek, pair.gak)
        return records

    async def _installed(self, ids: Sequence[DeviceId]) -> dict[DeviceId, Ranges]:
        pieces: dict[DeviceId, list[tuple[int, int]]] = {}
        for each in await self._registry.installations(device_id=ids):
            end = OPEN_END_EPOCH_S if each.ends_at is None else int(each.ends_at.timestamp())
            pieces.setdefault(each.device_id, []).append((int(each.starts_at.timestamp()), end))
        return {device_id: normalise(ranges) for device_id, ranges in pieces.items()}


def _record(device: Device, installed: Ranges, guek: bytes, gak: bytes) -> DeviceRecord:
    host, _, port = device.address.rpartition(":")
    return DeviceRecord(
        device_id=int(device.id),
        system_title=bytes.fromhex(device.identity),
        model=f"{device.manufacturer} {device.model}",
        firmware=device.firmware,
        host=host.strip("[]"),
        port=int(port or 0),
        calls_us=device.connection is ConnectionKind.DEVICE,
        medium=device.medium,
        phases=device.phases,
        interval_s=device.interval_s,
        profiles=tuple(profile.name for profile in profiles_of(device.medium)),
        installed=installed,
        suite=device.suite,
        guek=guek,
        gak=gak,
    )
