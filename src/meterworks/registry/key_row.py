"""Key versions as rows of the database, and back."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.registry.key_version import KeyHand, KeyKind, KeyOrigin, KeyState, KeyVersion
from meterworks.registry.part import chunks
from meterworks.registry.tables import DeviceKeyRow
from meterworks.registry.value import DeviceId, checked_number

__all__ = ["STORE_KEY", "in_force", "read_hands", "version_row", "write_versions"]

STORE_KEY = "store"  # name of the key store's master key, in the column that says what wraps a key
_TABLE = DeviceKeyRow.__table__
_COLUMNS = tuple(_TABLE.c["key_id" if each.name == "kind" else each.name] for each in fields(KeyVersion))
_NAMES = tuple(each.name for each in fields(KeyVersion))
_KEYS = ("device_id", "key_id", "version")


def in_force() -> sa.ColumnElement[bool]:
    """The condition that a version is the one its device uses, as `KeyVersion.is_in_force` says."""
    return sa.and_(_TABLE.c.activated_at.is_not(None), _TABLE.c.ended_at.is_(None))


def version_row(version: KeyVersion) -> dict[str, Any]:
    """Give a version as a row."""
    row = {name: getattr(version, name) for name in _NAMES}
    kind = row.pop("kind")
    return {**row, "key_id": str(kind), "state": str(version.state), "origin": str(version.origin)}


def _version(row: Iterable[Any]) -> KeyVersion:
    values = dict(zip(_NAMES, row, strict=True))
    return KeyVersion(
        **{
            **values,
            "device_id": DeviceId(values["device_id"]),
            "kind": KeyKind(values["kind"]),
            "state": KeyState(values["state"]),
            "origin": KeyOrigin(values["origin"]),
        }
    )


async def read_hands(connection: AsyncConnection, device_ids: Iterable[DeviceId]) -> dict[DeviceId, KeyHand]:
    """Read all key versions of devices; of one without keys an empty hand."""
    wanted = [number for number in device_ids if checked_number(number)]
    found: dict[DeviceId, list[KeyVersion]] = {number: [] for number in wanted}
    for chunk in chunks(wanted):
        statement = (
            sa.select(*_COLUMNS).where(_TABLE.c.device_id.in_(chunk)).order_by(*(_TABLE.c[name] for name in _KEYS))
        )
        for row in await connection.execute(statement):
            version = _version(row)
            found[version.device_id].append(version)
    return {number: KeyHand(device_id=number, versions=tuple(versions)) for number, versions in found.items()}


async def write_versions(connection: AsyncConnection, versions: Iterable[KeyVersion]) -> None:
    """Write versions as they are now; counters are never lowered, whoever writes what he read earlier."""
    rows = [version_row(version) for version in versions]
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(DeviceKeyRow)
    written = {name: statement.excluded[name] for name in rows[0] if name not in _KEYS}
    written["counter"] = sa.case(
        (statement.excluded.counter > _TABLE.c.counter, statement.excluded.counter), else_=_TABLE.c.counter
    )
    await connection.execute(statement.on_conflict_do_update(index_elements=_KEYS, set_=written), rows)
