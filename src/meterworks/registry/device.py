"""Devices: field equipment with an identity, a model, a way to reach it and keys."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.catalogue import INTERVAL_S_BY_PERIOD, Medium
from meterworks.registry.errors import AlreadyThereError, InvalidValueError, UnknownRecordError
from meterworks.registry.key_row import STORE_KEY, version_row
from meterworks.registry.key_version import KeyHand, KeyKind, KeyOrigin, NewKey
from meterworks.registry.part import RegistryPart, chunks, refuse_twice
from meterworks.registry.tables import DeviceKeyRow, DeviceRow
from meterworks.registry.value import DeviceId, checked_identity, checked_number, checked_text
from meterworks.runtime import insert_many
from meterworks.trust import KEY_SIZES, KeyStore

__all__ = [
    "DEVICE_COLUMNS",
    "ConnectionKind",
    "Device",
    "DeviceKeys",
    "DeviceState",
    "Devices",
    "IdentityScheme",
    "NewDevice",
    "device_from_row",
    "device_ids",
    "first_hand",
    "insert_devices",
]

_ADDRESS = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")
SUITE_KEY_SIZES: Mapping[int, int] = {0: 16, 1: 16, 2: 32}  # octets of a key of each security suite
_KEYS_REF = "store"  # keys are wrapped in our own table; a hardware module will have names of its own
_INTERVALS_S = frozenset(INTERVAL_S_BY_PERIOD.values())


class IdentityScheme(StrEnum):
    """What the eight octets of an identity are."""

    DLMS = "dlms"  # system title: three letters of the maker, five octets
    EUI64 = "eui64"
    MBUS = "mbus"  # secondary address


class ConnectionKind(StrEnum):
    """Who opens the connection."""

    HEAD_END = "head-end"
    DEVICE = "device"


class DeviceState(StrEnum):
    """Where a device is in its life."""

    STOCK = "stock"
    INSTALLED = "installed"
    REMOVED = "removed"
    QUARANTINED = "quarantined"  # nobody talks to it until a person has looked
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKeys:
    """The keys of a device, in clear: handle briefly, never log. None: the device has no such key."""

    guek: bytes | None = field(default=None, repr=False)  # global unicast encryption key
    gak: bytes | None = field(default=None, repr=False)  # authentication key
    kek: bytes | None = field(default=None, repr=False)  # key encryption key, the meter's master key
    gbek: bytes | None = field(default=None, repr=False)  # global broadcast encryption key
    hls: bytes | None = field(default=None, repr=False)  # secret of the reader's association

    def __post_init__(self) -> None:
        for name, key in self.present().items():
            if len(key) not in KEY_SIZES:
                raise InvalidValueError(f"{name} has {len(key)} octets: a key has 16, 24 or 32", what=name)

    def present(self) -> dict[str, bytes]:
        """Give the keys there are, by name."""
        named = {"guek": self.guek, "gak": self.gak, "kek": self.kek, "gbek": self.gbek, "hls": self.hls}
        return {name: key for name, key in named.items() if key is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A device to add. Texts come out trimmed, the identity as 16 lower-case digits."""

    identity: str  # 8 octets as 16 hexadecimal digits
    serial: str
    manufacturer: str
    model: str
    firmware: str
    medium: Medium
    phases: int = 0  # 1 to 3 for electricity, 0 for other media
    address: str = ""  # host:port; needed when the head-end connects
    connection: ConnectionKind = ConnectionKind.HEAD_END
    scheme: IdentityScheme = IdentityScheme.DLMS
    interval_s: int = 1800  # of the load profile
    suite: int = 0  # security suite of DLMS, 0 to 2
    keys: DeviceKeys = field(default_factory=DeviceKeys)
    key_origin: KeyOrigin = KeyOrigin.IMPORTED
    certificates: Mapping[KeyKind, bytes] = field(default_factory=dict)  # of pairs the device made, DER
    state: DeviceState = DeviceState.STOCK
    sealed_by: str = ""  # the maker under whose seal it came; empty: it came without

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", checked_identity(self.identity))
        for name in ("serial", "manufacturer", "model", "firmware"):
            object.__setattr__(self, name, checked_text(name, getattr(self, name), length_max=64))
        object.__setattr__(self, "address", checked_address(self.address, self.connection))
        _check_phases(self.medium, self.phases)
        if self.interval_s not in _INTERVALS_S:
            raise InvalidValueError(f"interval_s is {self.interval_s}: give 900, 1800 or 3600", what="interval_s")
        if self.suite not in SUITE_KEY_SIZES:
            raise InvalidValueError(f"suite is {self.suite}: give 0, 1 or 2", what="suite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the registry."""

    id: DeviceId
    scheme: IdentityScheme
    identity: str
    serial: str
    manufacturer: str
    model: str
    firmware: str
    medium: Medium
    phases: int
    address: str
    connection: ConnectionKind
    interval_s: int
    keys_ref: str  # where its keys are; "store": in our own key store
    state: DeviceState
    created_at: datetime
    suite: int = 0  # security suite of DLMS
    sealed_by: str = ""  # the maker under whose seal it came; empty: it came without


DEVICE_COLUMNS = tuple(DeviceRow.__table__.c[column.name] for column in fields(Device))


def checked_address(address: str, connection: ConnectionKind) -> str:
    """Give `host:port` back. Empty is enough for a device that connects itself. Raises InvalidValueError."""
    address = address.strip()
    if not address and connection is ConnectionKind.DEVICE:
        return address
    match = _ADDRESS.fullmatch(address)
    if match is None or not 1 <= int(match.group(1)) <= 65535:
        raise InvalidValueError(
            "address is no host:port: write 192.0.2.7:4059, meter.example:4059 or [2001:db8::7]:4059", what="address"
        )
    return address


def _check_phases(medium: Medium, phases: int) -> None:
    lawful = (1, 2, 3) if medium is Medium.ELECTRICITY else (0,)
    if phases not in lawful:
        wanted = "1, 2 or 3" if medium is Medium.ELECTRICITY else "0 or nothing"
        raise InvalidValueError(f"phases is {phases}: give {wanted} for {medium.value}", what="phases")


def device_from_row(row: Sequence[Any]) -> Device:
    """Build a device from the columns of DEVICE_COLUMNS, in their order."""
    values = dict(zip(_FIELD_NAMES, row, strict=True))
    return Device(**{name: _CONVERT[name](value) if name in _CONVERT else value for name, value in values.items()})


_FIELD_NAMES = tuple(column.name for column in fields(Device))
_CONVERT: Mapping[str, Any] = {
    "scheme": IdentityScheme,
    "medium": Medium,
    "connection": ConnectionKind,
    "state": DeviceState,
}


async def insert_devices(
    connection: AsyncConnection, keystore: KeyStore, devices: Sequence[NewDevice], now: datetime
) -> list[DeviceId]:
    """Insert devices and their keys; gives their numbers in order. No identity may be there yet."""
    await insert_many(connection, DeviceRow, [_device_row(device, now) for device in devices])
    numbers = await device_ids(connection, [device.identity for device in devices])
    ids = [numbers[device.identity] for device in devices]
    rows = [
        version_row(version)
        for number, device in zip(ids, devices, strict=True)
        for version in first_hand(keystore, number, device, now).versions
    ]
    if rows:
        await insert_many(connection, DeviceKeyRow, rows)
    return ids


async def device_ids(connection: AsyncConnection, identities: Sequence[str]) -> dict[str, DeviceId]:
    """Give the numbers of those identities that are there."""
    found: dict[str, DeviceId] = {}
    for chunk in chunks(identities):
        statement = sa.select(DeviceRow.identity, DeviceRow.id).where(DeviceRow.identity.in_(chunk))
        found.update((identity, DeviceId(number)) for identity, number in await connection.execute(statement))
    return found


def _device_row(device: NewDevice, now: datetime) -> dict[str, Any]:
    row = {name: getattr(device, name) for name in _FIELD_NAMES if name in _NEW_FIELD_NAMES}
    return {**row, "keys_ref": _KEYS_REF, "created_at": now}


_NEW_FIELD_NAMES = frozenset(column.name for column in fields(NewDevice))


def first_hand(keystore: KeyStore, device_id: DeviceId, device: NewDevice, now: datetime) -> KeyHand:
    """Give the keys a device comes with, in force, wrapped under the master key."""
    keys = {KeyKind(name): NewKey(wrapped=keystore.wrap(key)) for name, key in device.keys.present().items()}
    made = {kind: NewKey(certificate=certificate) for kind, certificate in device.certificates.items()}
    hand = KeyHand(device_id=device_id).prepared(keys, device.key_origin, STORE_KEY, now)
    hand = hand.prepared(made, KeyOrigin.CERTIFIED, "", now)
    return hand.put_in_force((*keys, *made), now)


class Devices(RegistryPart):
    """Adding, finding and changing single devices."""

    async def add_devices(self, devices: Sequence[NewDevice]) -> list[DeviceId]:
        """Add devices with their keys; gives their numbers in order. All or none.

        Raises AlreadyThereError when an identity is known or stands twice in the list.
        """
        identities = [device.identity for device in devices]
        refuse_twice("device", identities)
        async with self._database.transaction() as connection:
            known = await device_ids(connection, identities)
            if known:
                identity = next(iter(known))
                raise AlreadyThereError(
                    f"a device of identity {identity} is there already: nothing was added", kind="device", id=identity
                )
            return await insert_devices(connection, self._keystore, devices, self._clock.now())

    async def device(self, device_id: DeviceId) -> Device:
        """Give a device. Raises UnknownRecordError."""
        found = await self._find_device(DeviceRow.id == checked_number(device_id))
        if found is None:
            raise _unknown(device_id)
        return found

    async def device_by_identity(self, identity: str | bytes) -> Device | None:
        """Give the device of an identity (octets or hexadecimal digits); None when there is none."""
        return await self._find_device(DeviceRow.identity == checked_identity(identity))

    async def set_state(self, device_id: DeviceId, state: DeviceState) -> None:
        """Change where a device is in its life. Raises UnknownRecordError."""
        await self._change_device(device_id, state=state)

    async def set_firmware(self, device_id: DeviceId, firmware: str) -> None:
        """Note which firmware a device runs. Raises UnknownRecordError, InvalidValueError."""
        await self._change_device(device_id, firmware=checked_text("firmware", firmware, length_max=64))

    async def set_address(self, device_id: DeviceId, address: str, connection: ConnectionKind) -> None:
        """Change how a device is reached. Raises UnknownRecordError, InvalidValueError."""
        await self._change_device(device_id, address=checked_address(address, connection), connection=connection)

    async def _find_device(self, condition: sa.ColumnElement[bool]) -> Device | None:
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(*DEVICE_COLUMNS).where(condition))).one_or_none()
        return None if row is None else device_from_row(row)

    async def _change_device(self, device_id: DeviceId, **values: object) -> None:
        statement = sa.update(DeviceRow).where(DeviceRow.id == checked_number(device_id)).values(**values)
        async with self._database.transaction() as connection:
            if (await connection.execute(statement)).rowcount == 0:
                raise _unknown(device_id)


def _unknown(device_id: int) -> UnknownRecordError:
    return UnknownRecordError(f"there is no device {device_id}", kind="device", id=device_id)
