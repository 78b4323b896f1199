"""Last values: the newest value of each register of a device, in the key-value bucket `last`.

Key: the device's number. Value: JSON, channel to [epoch seconds, value]. Written in batches; an older value never
replaces a newer one.
"""

import asyncio

import orjson

from meterworks.errors import MeterworksError
from meterworks.headend.session import LastValues
from meterworks.runtime import Bus, get_logger

__all__ = ["LAST_BUCKET", "LastValueWriter"]

log = get_logger("headend.last_value")

LAST_BUCKET = "last"
DEVICES_PER_BATCH = 1000
DEVICES_WAITING_MAX = 20_000
PAUSE_S = 0.5


class LastValueWriter:
    """Collects values and writes them to the bucket. `run()` until cancelled."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[int, LastValues] = {}
        self._some = asyncio.Event()

    def add(self, device_id: int, values: LastValues) -> None:
        """Take values over. Beyond the limit of waiting devices the oldest are dropped: the next read brings newer."""
        if device_id not in self._waiting and len(self._waiting) >= DEVICES_WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
        merge(self._waiting.setdefault(device_id, {}), values)
        self._some.set()

    async def run(self) -> None:
        """Write what comes, a batch at a time."""
        while True:
            await self._some.wait()
            self._some.clear()
            await asyncio.sleep(PAUSE_S)  # gather what comes together
            try:
                await self.flush()
            except MeterworksError as error:
                log.warning("last values could not be written", error=str(error))

    async def flush(self) -> None:
        """Write all that waits."""
        while self._waiting:
            batch = dict(list(self._waiting.items())[:DEVICES_PER_BATCH])
            keys = [str(device_id) for device_id in batch]
            known = await self._bus.get_many(LAST_BUCKET, keys)
            values = {str(device_id): _merged(known.get(str(device_id)), new) for device_id, new in batch.items()}
            await self._bus.put_many(LAST_BUCKET, values)
            for device_id, written in batch.items():
                if self._waiting.get(device_id) is written:
                    del self._waiting[device_id]


def merge(into: LastValues, values: LastValues) -> None:
    """Take over values that are not older."""
    for channel, (at, value) in values.items():
        if channel not in into or into[channel][0] <= at:
            into[channel] = (at, value)


def _merged(stored: bytes | None, new: LastValues) -> bytes:
    known: LastValues = {}
    if stored is not None:
        try:
            known = {int(channel): (float(at), int(value)) for channel, (at, value) in orjson.loads(stored).items()}
        except (ValueError, TypeError, AttributeError):
            known = {}
    merge(known, new)
    return orjson.dumps({str(channel): [at, value] for channel, (at, value) in sorted(known.items())})
