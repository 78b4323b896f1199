"""Keys of devices: wrapped in the database, in clear only in the hands of who talks to the device."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import overload

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.registry.device import DeviceKeys, key_rows
from meterworks.registry.errors import UnknownRecordError
from meterworks.registry.part import RegistryPart, chunks, lock_devices
from meterworks.registry.tables import DeviceKeyRow, DeviceRow
from meterworks.registry.value import DeviceId, checked_number
from meterworks.runtime import Database, upsert
from meterworks.trust import KeyStore, KeyUnwrapError

__all__ = ["DeviceKeyring", "has_device_keys", "read_keys"]

_WrappedKeys = dict[DeviceId, dict[str, bytes]]


class DeviceKeyring(RegistryPart):
    """Reading and changing the keys of devices."""

    @overload
    async def keys(self, device_ids: DeviceId) -> DeviceKeys: ...
    @overload
    async def keys(self, device_ids: Sequence[DeviceId]) -> dict[DeviceId, DeviceKeys]: ...

    async def keys(self, device_ids: DeviceId | Sequence[DeviceId]) -> DeviceKeys | dict[DeviceId, DeviceKeys]:
        """Give the keys of one device, or of many by number; those the registry does not know are left out of many.

        Raises UnknownRecordError for one unknown device, KeyUnwrapError when keys were wrapped by another key store.
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
        """Replace those keys of a device that are given, after a key transfer. Raises UnknownRecordError."""
        async with self._database.transaction() as connection:
            await lock_devices(connection, [device_id])
            rows = key_rows(self._keystore, device_id, keys)
            await upsert(connection, DeviceKeyRow, rows, keys=["device_id", "key_id"])


async def read_keys(
    connection: AsyncConnection, keystore: KeyStore, device_ids: Iterable[DeviceId]
) -> dict[DeviceId, DeviceKeys]:
    """Read and unwrap the keys of devices; a device that has none is there with empty ones. Raises KeyUnwrapError."""
    wrapped: _WrappedKeys = {}
    for chunk in chunks([number for number in device_ids if checked_number(number)]):
        statement = (
            sa.select(DeviceRow.id, DeviceKeyRow.key_id, DeviceKeyRow.wrapped)
            .outerjoin(DeviceKeyRow, DeviceKeyRow.device_id == DeviceRow.id)
            .where(DeviceRow.id.in_(chunk))
        )
        for number, key_id, octets in await connection.execute(statement):
            held = wrapped.setdefault(DeviceId(number), {})
            if key_id is not None:
                held[key_id] = octets
    return await asyncio.to_thread(_unwrapped, keystore, wrapped)


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


async def has_device_keys(database: Database) -> bool:
    """Whether keys of devices are kept, which only the master key that wrapped them opens."""
    async with database.read() as connection:
        return (
            await connection.execute(sa.select(sa.literal(1)).select_from(DeviceKeyRow).limit(1))
        ).first() is not None
