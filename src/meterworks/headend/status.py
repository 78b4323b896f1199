"""The state of collection as JSON: what `headend.status` and `headend.missing` answer."""

from collections.abc import Iterable, Mapping

import orjson

from meterworks.catalogue import PROFILES
from meterworks.headend.capture import DAY_S, DEFAULT_STEP_S
from meterworks.headend.collection import FIRST_PROFILE, Collector
from meterworks.headend.errors import RequestError
from meterworks.headend.expectation import ExpectationTable, ExpectationTotals
from meterworks.headend.ranges import Range, Ranges
from meterworks.headend.read_rate import hour_rates, is_silent, late_before
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.slots import Lane, SessionSlots
from meterworks.headend.workbook import Workbook
from meterworks.runtime import Clock

__all__ = ["MISSING_SUBJECT", "RELEASE_SUBJECT", "STATUS_SUBJECT", "StatusDesk"]

STATUS_SUBJECT = "headend.status"
MISSING_SUBJECT = "headend.missing"
RELEASE_SUBJECT = "headend.release"
STATUS_S_MIN = 2.0
"""A status is made anew at most this often."""
RANGES_MAX = 5000


class StatusDesk:
    """Answers questions about the state of collection."""

    def __init__(
        self, collector: Collector, book: Workbook, slots: SessionSlots, *, clock: Clock, settings: HeadendSettings
    ) -> None:
        self._collector = collector
        self._book = book
        self._slots = slots
        self._clock = clock
        self._settings = settings
        self._made: tuple[float, bytes] | None = None

    async def status(self, _: bytes) -> bytes:
        """Counts, rates, queues, progress of the first fill, late and silent devices."""
        now = self._clock.epoch_s()
        if self._made is None or not 0 <= now - self._made[0] < STATUS_S_MIN:
            self._made = (now, orjson.dumps(self._status(now)))
        return self._made[1]

    async def missing(self, data: bytes) -> bytes:
        """Ranges not in the warehouse of the devices asked for: {"devices": [17], "profile": optional}."""
        try:
            body = orjson.loads(data) if data else {}
            devices = [int(each) for each in body.get("devices") or self._collector.devices]
            profiles = [body["profile"]] if body.get("profile") else list(PROFILES)
        except (orjson.JSONDecodeError, TypeError, ValueError, AttributeError) as error:
            raise RequestError("ask as JSON with devices (numbers) and, if you like, profile") from error
        found = []
        for device_id in devices:
            for profile in profiles:
                found += self._open_ranges(device_id, profile)
                if len(found) >= RANGES_MAX:
                    return orjson.dumps({"ranges": found[:RANGES_MAX], "more": True})
        return orjson.dumps({"ranges": found, "more": False})

    async def release(self, data: bytes) -> bytes:
        """End the quarantine of a device: {"device": 17}."""
        try:
            device_id = int(orjson.loads(data)["device"])
        except (orjson.JSONDecodeError, TypeError, ValueError, KeyError) as error:
            raise RequestError('name the device to release: {"device": 17}') from error
        if device_id not in self._collector.devices:
            raise RequestError(f"there is no device {device_id} to release", device=device_id)
        self._collector.release(device_id)
        return orjson.dumps({"device": device_id, "released": True})

    def _open_ranges(self, device_id: int, profile: str) -> list[dict[str, object]]:
        ledger = self._book.table.ledger((device_id, profile))
        if ledger is None:
            return []
        states: tuple[tuple[str, Ranges], ...] = (
            ("missing", ledger.missing),
            ("sent", ledger.sent_ranges()),
            ("absent", ledger.absent),
        )
        return [
            {"device": device_id, "profile": profile, "state": state, "start": start, "end": end}
            for state, ranges in states
            for start, end in ranges
        ]

    def _status(self, now: float) -> dict[str, object]:
        table = self._book.table
        first = table.totals(FIRST_PROFILE)
        devices = self._collector.devices
        memories = [self._book.memory(device_id) for device_id in devices]
        return {
            "at": now,
            "devices": len(devices),
            "quarantined": sum(each.quarantined for each in memories),
            "silent": sum(is_silent(each.last_contact_epoch_s, each.last_try_epoch_s, now) for each in memories),
            "late": self._late(now),
            "sessions_open": self._slots.open_sessions,
            "sessions_max": self._settings.sessions_max,
            "queue": {
                "scheduled": self._slots.waiting(Lane.SCHEDULED),
                "on_demand": self._slots.waiting(Lane.ON_DEMAND),
                "on_demand_max": self._settings.on_demand_queue_max,
            },
            "unconfirmed_sets": table.unconfirmed_sets,
            "unconfirmed_rows": table.unconfirmed_rows,
            "fill": _progress(FIRST_PROFILE, first),
            "profiles": [_progress(profile, table.totals(profile)) for profile in PROFILES],
            "read_rate": self._read_rate(table, now),
        }

    def _late(self, now: float) -> int:
        before = late_before(now, cycle_s=self._settings.cycle_s, grace_s=self._settings.grace_s)
        table = self._book.table
        oldest = (table.missing((device_id, FIRST_PROFILE)) for device_id in self._collector.devices)
        return sum(bool(ranges) and ranges[0][0] < before for ranges in oldest)

    def _read_rate(self, table: ExpectationTable, now: float) -> Mapping[str, object]:
        expected: list[Range] = []
        open_: list[Range] = []
        since = now - 26 * 3600
        for (_, profile), ledger in table.pairs():
            if profile == FIRST_PROFILE:
                expected += _recent(ledger.expected, since)
                open_ += _recent(ledger.missing, since)
                open_ += _recent(ledger.absent, since)
                open_ += _recent(ledger.sent_ranges(), since)
        hours = hour_rates(expected, open_, now)
        wanted = sum(hour.expected_s for hour in hours)
        return {
            "day": sum(hour.committed_s for hour in hours) / wanted if wanted else None,
            "hours": [{"start": hour.start_epoch_s, "rate": hour.rate} for hour in hours],
        }


def _recent(ranges: Ranges, since: float) -> Iterable[Range]:
    """Ranges are sorted: only the last few can be recent."""
    for pair in reversed(ranges):
        if pair[1] <= since:
            return
        yield pair


def _progress(profile: str, totals: ExpectationTotals) -> dict[str, object]:
    """Intervals of a load profile, days of registers."""
    unit_s = DEFAULT_STEP_S if PROFILES[profile].kind == "load" else DAY_S
    settled = totals.committed_s + totals.absent_s
    return {
        "profile": profile,
        "unit_s": unit_s,
        "expected": totals.expected_s // unit_s,
        "committed": totals.committed_s // unit_s,
        "missing": totals.missing_s // unit_s,
        "sent": totals.sent_s // unit_s,
        "absent": totals.absent_s // unit_s,
        "settled_share": settled / totals.expected_s if totals.expected_s else None,
    }
