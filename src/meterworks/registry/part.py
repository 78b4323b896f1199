"""What every part of the registry stands on: the database, the key store and the clock."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from meterworks.registry.errors import AlreadyThereError, UnknownRecordError
from meterworks.registry.seal_rule import SealRule
from meterworks.registry.tables import DeviceRow, UsagePointRow
from meterworks.registry.value import DeviceId, UsagePointId, checked_number, storable
from meterworks.runtime import Clock, Database, SystemClock
from meterworks.trust import KeyStore

__all__ = ["RegistryPart", "chunks", "lock_devices", "lock_usage_points", "refuse_twice"]

CHUNK_SIZE = 5_000  # values in one IN list: under the limits of both databases (32,766 and 32,767)

_Item = TypeVar("_Item")


class RegistryPart:
    """Base of the parts `Registry` is put together from."""

    def __init__(
        self,
        database: Database,
        keystore: KeyStore,
        *,
        clock: Clock | None = None,
        seals: Callable[[], SealRule] | None = None,
    ) -> None:
        """seals: which seals of shipments are honoured now; read at each import, off the event loop."""
        self._database = database
        self._keystore = keystore
        self._clock = clock or SystemClock()
        self._seals = seals


def chunks(items: Iterable[_Item], size: int = CHUNK_SIZE) -> Iterator[Sequence[_Item]]:
    """Give the items in pieces that fit one statement."""
    held = list(items)
    for start in range(0, len(held), size):
        yield held[start : start + size]


async def lock_devices(connection: AsyncConnection, device_ids: Iterable[DeviceId]) -> dict[DeviceId, str]:
    """Hold devices until the transaction ends; gives the medium of each. Raises UnknownRecordError.

    Taken in order of number, and devices before usage points, so that two transactions never wait for one another.
    """
    wanted = sorted(set(device_ids))
    found: dict[DeviceId, str] = {}
    for chunk in chunks(number for number in wanted if checked_number(number)):
        statement = sa.select(DeviceRow.id, DeviceRow.medium).where(DeviceRow.id.in_(chunk)).order_by(DeviceRow.id)
        for number, medium in await connection.execute(statement.with_for_update()):
            found[DeviceId(number)] = medium
    _refuse_missing("device", [number for number in wanted if number not in found])
    return found


async def lock_usage_points(connection: AsyncConnection, usage_point_ids: Iterable[UsagePointId]) -> None:
    """Hold usage points until the transaction ends, so that dated facts about them are checked and written as one.

    Raises UnknownRecordError.
    """
    wanted = sorted(set(usage_point_ids))
    found: set[str] = set()
    for chunk in chunks(storable(wanted)):
        statement = sa.select(UsagePointRow.id).where(UsagePointRow.id.in_(chunk)).order_by(UsagePointRow.id)
        found.update((await connection.scalars(statement.with_for_update())).all())
    _refuse_missing("usage point", [number for number in wanted if number not in found])


def _refuse_missing(kind: str, missing: Sequence[object]) -> None:
    if missing:
        others = f" (and {len(missing) - 1} others)" if len(missing) > 1 else ""
        raise UnknownRecordError(f"there is no {kind} {missing[0]!r}{others}: add it first", kind=kind, id=missing[0])


def refuse_twice(kind: str, keys: Iterable[str]) -> None:
    """Raise AlreadyThereError when a key stands in a list twice."""
    key, count = max(Counter(keys).items(), key=lambda entry: entry[1], default=("", 0))
    if count > 1:
        raise AlreadyThereError(f"the {kind} {key!r} stands in the list {count} times", kind=kind, id=key)
