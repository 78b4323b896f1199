"""Keys of devices: wrapped in the database, in clear only in the hands of who talks to the device."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.registry.device import DeviceKeys
from meterworks.registry.errors import UnknownRecordError
from meterworks.registry.key_row import STORE_KEY, in_force, read_hands, write_versions
from meterworks.registry.key_version import (
    COUNTER_JUMP,
    SYMMETRIC_KINDS,
    KeyHand,
    KeyKind,
    KeyOrigin,
    KeyState,
    KeyVersion,
    NewKey,
)
from meterworks.registry.part import RegistryPart, chunks, lock_devices
from meterworks.registry.tables import DeviceKeyRow, DeviceRow
from meterworks.registry.value import DeviceId, checked_number
from meterworks.runtime import Database
from meterworks.trust import KeyStore, KeyUnwrapError

__all__ = ["DeviceKeyring", "KeyChange", "KeySelection", "has_device_keys", "read_first_keys", "read_keys"]

_WrappedKeys = dict[DeviceId, dict[str, bytes]]

KeyChange = Callable[[KeyHand], KeyHand]
"""What happens to the keys of a device: their present hand in, the new one out."""
INVENTORY_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySelection:
    """Which devices a key campaign is for. What is given must all hold; nothing given: every device with keys."""

    device_ids: tuple[DeviceId, ...] = ()
    model: str | None = None
    origin: KeyOrigin | None = None  # a key in force comes from there: `transport` for those that only came by now
    compromised: bool = False  # a key in force is known to others
    older_than: datetime | None = None  # a key in force was activated before
    kinds: tuple[KeyKind, ...] = SYMMETRIC_KINDS  # the keys these conditions look at


class DeviceKeyring(RegistryPart):
    """Reading and changing the keys of devices."""

    @overload
    async def keys(self, device_ids: DeviceId) -> DeviceKeys: ...
    @overload
    async def keys(self, device_ids: Sequence[DeviceId]) -> dict[DeviceId, DeviceKeys]: ...

    async def keys(self, device_ids: DeviceId | Sequence[DeviceId]) -> DeviceKeys | dict[DeviceId, DeviceKeys]:
        """Give the keys in force of one device, or of many by number; suspended ones are left out.

        Those the registry does not know are left out of many. Raises UnknownRecordError for one unknown device,
        KeyUnwrapError when keys were wrapped by another key store.
        """
        if not isinstance(device_ids, int):
            async with self._database.read() as connection:
                return await read_keys(connection, self._keystore, device_ids)
        async with self._database.read() as connection:
            found = await read_keys(connection, self._keystore, [device_ids])
        if device_ids not in found:
            raise UnknownRecordError(f"there is no device {device_ids}", kind="device", id=device_ids)
        return found[device_ids]

    async def set_keys(self, device_id: DeviceId, keys: DeviceKeys) -> None:
        """Replace those keys of a device that are given: what an operator knows to be in force there.

        The keys before stay as replaced. Raises UnknownRecordError.
        """
        now = self._clock.now()
        fresh = {KeyKind(name): NewKey(wrapped=self._keystore.wrap(key)) for name, key in keys.present().items()}

        def change(hand: KeyHand) -> KeyHand:
            return hand.prepared(fresh, KeyOrigin.IMPORTED, STORE_KEY, now).put_in_force(fresh, now)

        await self.change_keys({device_id: change})

    async def key_hands(self, device_ids: Sequence[DeviceId]) -> dict[DeviceId, KeyHand]:
        """Give all key versions of devices, wrapped; of one without keys an empty hand."""
        async with self._database.read() as connection:
            return await read_hands(connection, device_ids)

    async def change_keys(self, changes: "dict[DeviceId, KeyChange]") -> dict[DeviceId, KeyHand]:
        """Change the keys of devices in one transaction; gives the new hands. Raises UnknownRecordError."""
        async with self._database.transaction() as connection:
            return await self.change_keys_within(connection, changes)

    async def change_keys_within(
        self, connection: AsyncConnection, changes: "dict[DeviceId, KeyChange]"
    ) -> dict[DeviceId, KeyHand]:
        """As `change_keys`, in a transaction that does more than that."""
        await lock_devices(connection, changes)
        before = await read_hands(connection, list(changes))
        after = {number: change(before[number]) for number, change in changes.items()}
        await write_versions(
            connection, (version for number, hand in after.items() for version in hand.changed_from(before[number]))
        )
        return after

    async def set_suites_within(self, connection: AsyncConnection, suites: Mapping[DeviceId, int]) -> None:
        """Note the security suites that devices turned out to have, in a transaction that does more than that."""
        for number, suite in suites.items():
            statement = sa.update(DeviceRow).where(DeviceRow.id == checked_number(number)).values(suite=suite)
            await connection.execute(statement)

    def wrap_key(self, key: bytes) -> NewKey:
        """Wrap a key to be stored. Raises KeyMaterialError."""
        return NewKey(wrapped=self._keystore.wrap(key))

    def open_key(self, version: KeyVersion) -> bytes:
        """Give a key in clear: handle briefly, never log. Raises KeyUnwrapError, UnknownRecordError for none."""
        if version.wrapped is None:
            raise UnknownRecordError(
                f"{version.kind} version {version.version} of device {version.device_id} is {version.state}: we hold"
                " no key of it",
                kind=str(version.kind),
                id=version.device_id,
            )
        return self._keystore.unwrap(version.wrapped)

    async def declare_compromised(
        self, device_ids: Iterable[DeviceId], kinds: Collection[KeyKind] = SYMMETRIC_KINDS
    ) -> int:
        """Mark keys in force as known to others; gives of how many devices. They work until they are rotated."""
        return await self._change_all(device_ids, lambda hand: hand.compromised(kinds))

    async def suspend_keys(self, device_ids: Iterable[DeviceId], *, suspended: bool = True) -> int:
        """Stop using the keys of devices, or use them again; gives of how many devices."""
        return await self._change_all(device_ids, lambda hand: hand.suspended(suspended=suspended))

    async def jump_counters(self) -> int:
        """After a restore: move every counter under a key that can still be opened forward. Gives how many keys."""
        table = DeviceKeyRow.__table__
        statement = (
            sa.update(DeviceKeyRow)
            .where(table.c.wrapped.is_not(None), table.c.counter > 0)
            .values(counter=table.c.counter + COUNTER_JUMP)
        )
        async with self._database.transaction() as connection:
            return int((await connection.execute(statement)).rowcount)

    async def devices_of_keys(self, selection: KeySelection) -> list[DeviceId]:
        """Give the devices that a selection finds, by number."""
        statement = _selected(selection)
        found: list[DeviceId] = []
        async with self._database.read() as connection:
            for chunk in chunks(selection.device_ids) if selection.device_ids else [None]:
                limited = statement if chunk is None else statement.where(DeviceRow.id.in_(chunk))
                found += [DeviceId(number) for (number,) in await connection.execute(limited)]
        return sorted(found)

    async def key_inventory(self, *, certified: bool = False) -> AsyncIterator[Sequence[KeyHand]]:
        """Give the hands of all devices that have keys, in pages: what an escrow copy is made of, keys wrapped.

        certified: only of those that have a certificate in force.
        """
        after = 0
        held = sa.select(DeviceKeyRow.device_id)
        if certified:
            held = held.where(in_force(), DeviceKeyRow.certificate.is_not(None))
        while True:
            statement = (
                sa.select(DeviceRow.id)
                .where(DeviceRow.id > after, DeviceRow.id.in_(held))
                .order_by(DeviceRow.id)
                .limit(INVENTORY_PAGE)
            )
            async with self._database.read() as connection:
                numbers = [DeviceId(number) for number in await connection.scalars(statement)]
                hands = await read_hands(connection, numbers)
            if not numbers:
                return
            yield list(hands.values())
            after = numbers[-1]

    async def _change_all(self, device_ids: Iterable[DeviceId], change: KeyChange) -> int:
        changed = 0
        for chunk in chunks(sorted(set(device_ids))):
            changed += len(await self.change_keys(dict.fromkeys(chunk, change)))
        return changed


def _selected(selection: KeySelection) -> sa.Select[Any]:
    table = DeviceKeyRow.__table__
    held = [in_force(), table.c.device_id == DeviceRow.id, table.c.key_id.in_([str(kind) for kind in selection.kinds])]
    if selection.origin is not None:
        held.append(table.c.origin == str(selection.origin))
    if selection.compromised:
        held.append(table.c.state == str(KeyState.COMPROMISED))
    if selection.older_than is not None:
        held.append(table.c.activated_at < selection.older_than)
    statement = sa.select(DeviceRow.id).where(sa.exists().where(*held))
    if selection.model is not None:
        statement = statement.where(DeviceRow.model == selection.model)
    return statement


async def read_keys(
    connection: AsyncConnection, keystore: KeyStore, device_ids: Iterable[DeviceId]
) -> dict[DeviceId, DeviceKeys]:
    """Read and unwrap the keys in force; a device that has none is there with empty ones. Raises KeyUnwrapError."""
    found: _WrappedKeys = {}
    used = (in_force(), DeviceKeyRow.wrapped.is_not(None), DeviceKeyRow.state != str(KeyState.SUSPENDED))
    for chunk in chunks([number for number in device_ids if checked_number(number)]):
        statement = (
            sa.select(DeviceRow.id, DeviceKeyRow.key_id, DeviceKeyRow.wrapped)
            .outerjoin(DeviceKeyRow, sa.and_(DeviceKeyRow.device_id == DeviceRow.id, *used))
            .where(DeviceRow.id.in_(chunk))
        )
        for number, key_id, octets in await connection.execute(statement):
            held = found.setdefault(DeviceId(number), {})
            if key_id is not None and octets is not None:
                held[key_id] = octets
    return await asyncio.to_thread(_unwrapped, keystore, found)


def _unwrapped(keystore: KeyStore, wrapped: _WrappedKeys) -> dict[DeviceId, DeviceKeys]:
    opened: dict[DeviceId, DeviceKeys] = {}
    for number, keys in wrapped.items():
        try:
            opened[number] = DeviceKeys(**{name: keystore.unwrap(octets) for name, octets in keys.items()})
        except KeyUnwrapError as error:
            raise KeyUnwrapError(
                f"the keys of device {number} were wrapped under another master key: put the saved key file back",
                device=number,
            ) from error
    return opened


async def read_first_keys(
    connection: AsyncConnection, keystore: KeyStore, device_ids: Iterable[DeviceId]
) -> dict[DeviceId, DeviceKeys | None]:
    """Read the keys that devices came with, whatever they have now; None where one of them was destroyed since."""
    hands = await read_hands(connection, device_ids)
    found: dict[DeviceId, DeviceKeys | None] = {}
    for number, hand in hands.items():
        first = [each for each in hand.versions if each.version == 1 and not each.kind.is_certificate]
        gone = any(each.wrapped is None for each in first)
        opened = {str(each.kind): keystore.unwrap(each.wrapped) for each in first if each.wrapped is not None}
        found[number] = None if gone else DeviceKeys(**opened)
    return found


async def has_device_keys(database: Database) -> bool:
    """Whether keys of devices are kept, which only the master key that wrapped them opens."""
    async with database.read() as connection:
        statement = sa.select(sa.literal(1)).select_from(DeviceKeyRow).where(DeviceKeyRow.wrapped.is_not(None))
        return (await connection.execute(statement.limit(1))).first() is not None
