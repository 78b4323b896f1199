"""Shipment import: devices with their keys from a maker's file into the registry, each row with a result of its own."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.registry.device import DeviceKeys, device_ids, insert_devices
from meterworks.registry.errors import InvalidValueError, ShipmentError
from meterworks.registry.installation import (
    Installation,
    InstalledTimeline,
    insert_installations,
    installed_timeline,
)
from meterworks.registry.key import read_first_keys
from meterworks.registry.part import RegistryPart, chunks
from meterworks.registry.shipment_file import RawRow, ShipmentFormat, read_rows
from meterworks.registry.shipment_row import ShipmentDevice, shipment_device
from meterworks.registry.shipment_seal import ShipmentSeal, open_sealed
from meterworks.registry.tables import UsagePointRow
from meterworks.registry.value import DeviceId, UsagePointId
from meterworks.runtime import get_logger
from meterworks.trust import KeyRegister, constant_time_equal, known_key

__all__ = ["RowOutcome", "RowResult", "ShipmentNotice", "ShipmentResult", "Shipments"]

TRANSPORT_KEY_SIZES = (16, 32)
ROWS_PER_TRANSACTION = 2_000  # keeps the database's write lock short: others write between two of them

_log = get_logger(__name__)


class RowOutcome(StrEnum):
    """What became of a row."""

    ADDED = "added"
    ALREADY_THERE = "already-there"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of one row of a shipment, and why."""

    line: int  # line of the file (CSV), or number of the device from 1 (JSON, XML)
    identity: str | None  # None when the row does not even say
    outcome: RowOutcome
    device_id: DeviceId | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentNotice:
    """A shipment that can be read and whose seal holds, before any device of it is taken in.

    maker, number, seal: empty where it has no seal; the seal as it came. digest: SHA-256 (hex) of all octets of the
    shipment. devices: how many the file names.
    """

    maker: str
    number: str
    seal: bytes
    digest: str
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentResult:
    """What became of a shipment, in the order of its rows."""

    rows: tuple[RowResult, ...]
    sealed_by: str = ""  # the maker whose seal it has; empty: it has none

    def count(self, outcome: RowOutcome) -> int:
        """Count the rows of an outcome."""
        return sum(row.outcome is outcome for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    line: int
    shipped: ShipmentDevice

    @property
    def identity(self) -> str:
        return self.shipped.device.identity


class Shipments(RegistryPart):
    """Importing shipment files."""

    async def import_shipment(
        self,
        data: bytes,
        format_: ShipmentFormat,
        *,
        transport_key: bytes,
        before: Callable[[ShipmentNotice], Awaitable[None]] | None = None,
    ) -> ShipmentResult:
        """Import a shipment file, sealed or not (format: docs/shipment.md). Importing it again changes nothing.

        before: told once of what is about to be imported; what it raises stops the import, and nothing was taken in.
        A bad row is a result, never an error, and stops no other row. Raises ShipmentError when the file as a whole
        cannot be read, or the transport key has no lawful size, ShipmentSealError for a seal that does not hold or is
        missing where one is needed: then nothing was imported.
        """
        if len(transport_key) not in TRANSPORT_KEY_SIZES:
            raise ShipmentError(f"a transport key has 16 or 32 octets, this one has {len(transport_key)}")
        seal, content = await asyncio.to_thread(self._opened, data)
        results, candidates = await asyncio.to_thread(_parse, content, format_, transport_key, seal)
        if before is not None:
            await before(_notice(data, seal, len(results) + len(candidates)))
        for chunk in chunks(candidates, ROWS_PER_TRANSACTION):
            results += await self._import_rows(chunk)
        sealed_by = "" if seal is None else seal.maker
        result = ShipmentResult(rows=tuple(sorted(results, key=lambda row: row.line)), sealed_by=sealed_by)
        counts = {outcome.name.lower(): result.count(outcome) for outcome in RowOutcome}
        _log.info("shipment imported", sealed_by=sealed_by, number="" if seal is None else seal.number, **counts)
        return result

    def _opened(self, data: bytes) -> tuple[ShipmentSeal | None, bytes]:
        return open_sealed(data, None if self._seals is None else self._seals())

    async def _import_rows(self, candidates: Sequence[_Candidate]) -> list[RowResult]:
        """Take a piece of a shipment in one transaction."""
        async with self._database.transaction() as connection:
            known = await _known(connection, candidates)
            held_keys = await read_first_keys(connection, self._keystore, list(known.values()))
            places = await _Places.read(connection, candidates)
            results: list[RowResult] = []
            accepted: dict[str, _Candidate] = {}
            repeated: list[_Candidate] = []
            for candidate in candidates:
                if candidate.identity in known:
                    number = known[candidate.identity]
                    results.append(_compared(candidate, number, held_keys[number]))
                elif candidate.identity in accepted:
                    repeated.append(candidate)
                elif (problem := places.claim(candidate.shipped)) is not None:
                    results.append(_refused(candidate.line, candidate.identity, problem))
                else:
                    accepted[candidate.identity] = candidate
            numbers = await self._insert_accepted(connection, list(accepted.values()))
        results += [
            _result(accepted[identity], RowOutcome.ADDED, number, "added") for identity, number in numbers.items()
        ]
        results += [
            _compared(entry, numbers[entry.identity], accepted[entry.identity].shipped.device.keys)
            for entry in repeated
        ]
        return results

    async def _insert_accepted(
        self, connection: AsyncConnection, accepted: Sequence[_Candidate]
    ) -> dict[str, DeviceId]:
        if not accepted:
            return {}
        devices = [candidate.shipped.device for candidate in accepted]
        numbers = await insert_devices(connection, self._keystore, devices, self._clock.now())
        placed = [
            installation
            for candidate, number in zip(accepted, numbers, strict=True)
            if (installation := _installation(candidate.shipped, number)) is not None
        ]
        if placed:
            await insert_installations(connection, placed)
        return {device.identity: number for device, number in zip(devices, numbers, strict=True)}


def _notice(data: bytes, seal: ShipmentSeal | None, devices: int) -> ShipmentNotice:
    return ShipmentNotice(
        maker="" if seal is None else seal.maker,
        number="" if seal is None else seal.number,
        seal=b"" if seal is None else seal.octets,
        digest=hashlib.sha256(data).hexdigest(),
        devices=devices,
    )


class _Places:
    """Whether a shipped device can stand where its row says."""

    def __init__(self, known: set[str], timeline: InstalledTimeline) -> None:
        self._known = known
        self._timeline = timeline

    @classmethod
    async def read(cls, connection: AsyncConnection, candidates: Sequence[_Candidate]) -> "_Places":
        wanted = {point for entry in candidates if (point := entry.shipped.usage_point_id) is not None}
        known: set[str] = set()
        for chunk in chunks(wanted):
            statement = sa.select(UsagePointRow.id).where(UsagePointRow.id.in_(chunk)).order_by(UsagePointRow.id)
            known.update(await connection.scalars(statement.with_for_update()))
        return cls(known, await installed_timeline(connection, [], [UsagePointId(point) for point in known]))

    def claim(self, shipped: ShipmentDevice) -> str | None:
        """Take the place of a row if it is free; otherwise tell why it is not."""
        point = shipped.usage_point_id
        installation = _installation(shipped, _NUMBER_TO_COME)
        if installation is None:
            return None
        if point not in self._known:
            return f"there is no usage point {point!r}: add it first, or leave usage_point and installed_at empty"
        return self._timeline.claim_place(installation, shipped.device.medium)


_NUMBER_TO_COME = DeviceId(0)  # a shipped device gets its number when it is inserted


def _installation(shipped: ShipmentDevice, number: DeviceId) -> Installation | None:
    if shipped.usage_point_id is None or shipped.installed_at is None:
        return None
    return Installation(device_id=number, usage_point_id=shipped.usage_point_id, starts_at=shipped.installed_at)


def _parse(
    data: bytes, format_: ShipmentFormat, transport_key: bytes, seal: ShipmentSeal | None
) -> tuple[list[RowResult], list[_Candidate]]:
    """Read the file and open its keys; gives the results of rows that end here, and the others."""
    results: list[RowResult] = []
    candidates: list[_Candidate] = []
    register = KeyRegister()
    for row in read_rows(data, format_):
        try:
            shipped = _device(row, transport_key, seal)
            _refuse_known(shipped)
            _refuse_shared(register, shipped)
            candidates.append(_Candidate(line=row.line, shipped=shipped))
        except InvalidValueError as error:
            results.append(_refused(row.line, row.values.get("identity") or None, str(error)))
    return results, candidates


def _refuse_known(shipped: ShipmentDevice) -> None:
    """Raise InvalidValueError for a key that is published, a default of a tool, or a pattern (SEC-019)."""
    for name, key in shipped.device.keys.present().items():
        reason = known_key(key)
        if reason:
            raise InvalidValueError(f"{name} is {reason}, which everyone knows: each device needs keys made for it")


def _refuse_shared(register: KeyRegister, shipped: ShipmentDevice) -> None:
    """Raise InvalidValueError for a key that another device of the shipment has: who opened one would open both."""
    for name, key in shipped.device.keys.present().items():
        holder = register.holder(key, shipped.device.identity)
        if holder:
            raise InvalidValueError(f"{name} is a key of device {holder} too: each device needs keys of its own")


def _device(row: RawRow, transport_key: bytes, seal: ShipmentSeal | None) -> ShipmentDevice:
    if row.problem is not None:
        raise InvalidValueError(row.problem)
    if seal is None:
        return shipment_device(row.values, transport_key)
    shipped = shipment_device(row.values, transport_key, sealed_by=seal.maker)
    seal.check(shipped.device)
    return shipped


async def _known(connection: AsyncConnection, candidates: Sequence[_Candidate]) -> Mapping[str, DeviceId]:
    return await device_ids(connection, [candidate.identity for candidate in candidates])


def _compared(candidate: _Candidate, number: DeviceId, held: DeviceKeys | None) -> RowResult:
    """Tell apart a device shipped twice and another device, or other keys, under its identity.

    held: the keys it came with, None where they were destroyed since: then nothing is left to compare, or to change.
    """
    if held is None:
        return _result(candidate, RowOutcome.ALREADY_THERE, number, "already there, with keys of ours: nothing changed")
    shipped = candidate.shipped.device.keys.present()
    mine = held.present()
    if shipped.keys() == mine.keys() and all(constant_time_equal(shipped[name], mine[name]) for name in mine):
        return _result(candidate, RowOutcome.ALREADY_THERE, number, "already there with the same keys: nothing changed")
    return _result(
        candidate,
        RowOutcome.REFUSED,
        number,
        f"device {number} has this identity and other keys: check the identity; keys are changed by key transfer only",
    )


def _result(candidate: _Candidate, outcome: RowOutcome, number: DeviceId, message: str) -> RowResult:
    return RowResult(
        line=candidate.line, identity=candidate.identity, outcome=outcome, device_id=number, message=message
    )


def _refused(line: int, identity: str | None, message: str) -> RowResult:
    return RowResult(line=line, identity=identity, outcome=RowOutcome.REFUSED, device_id=None, message=message)
