"""All data of a consumer, as they may take it away: one JSON document and the same as CSV tables, in one ZIP archive.

The document holds who the consumer is to the system, where they lived, their consents, who read their data for which
purpose, and their readings: only of the time they lived there, as every other look of theirs. What was erased before is
there as monthly sums.

Source: GDPR articles 15 (1) c, 15 (3) and 20; requirement base SEC-141.
"""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import orjson

from meterworks.catalogue import CHANNELS, Role, data_class_of
from meterworks.market.access_view import AccessView
from meterworks.market.consent import Consents
from meterworks.market.document import access_document, consent_document
from meterworks.market.principal import Principal
from meterworks.market.question import SeriesQuestion
from meterworks.market.reading_access import ReadingAccess
from meterworks.market.series import Columns, TimeRange
from meterworks.market.services import MarketServices
from meterworks.market.timestamp import format_utc
from meterworks.registry import ConsumerId, Occupancy, OrganisationId, UnknownRecordError

__all__ = ["DataPackage", "SubjectExport"]

EXPORT_FORMAT = "meterworks-consumer-data"
EXPORT_VERSION = 1
ACCESSES_MAX = 10_000
SLICE = timedelta(days=92)  # readings are taken a quarter at a time, so that no question is too large
_EARLIEST_DAYS = 3_660  # no reading is kept longer than ten years

Rows = Sequence[Mapping[str, object]]


class DataPackage:
    """A consumer's data: `document` for programs, `archive` with CSV tables beside it for people."""

    def __init__(self, document: Mapping[str, object], tables: Mapping[str, Rows]) -> None:
        self.document = document
        self._tables = tables

    def archive(self) -> bytes:
        """A ZIP archive: `data.json`, and one CSV file a table."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            whole = {**self.document, **self._tables}
            archive.writestr("data.json", orjson.dumps(whole, option=orjson.OPT_INDENT_2))
            for name, rows in self._tables.items():
                archive.writestr(f"{name}.csv", _csv(rows))
        return packed.getvalue()

    def json(self) -> bytes:
        """Everything as one JSON document."""
        return orjson.dumps({**self.document, **self._tables})


def _csv(rows: Rows) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """Lists as words. A text a spreadsheet would take for a formula gets a quote before it."""
    text = " ".join(map(str, value)) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@") else text


class SubjectExport:
    """Puts packages together."""

    def __init__(
        self, services: MarketServices, consents: Consents, access_view: AccessView, reading_access: ReadingAccess
    ) -> None:
        self._services = services
        self._consents = consents
        self._access_view = access_view
        self._reading_access = reading_access

    async def package(self, consumer_id: int, *, by: Principal, request_id: str) -> DataPackage:
        """All data of a consumer. Raises UnknownRecordError. Each look at readings is in the access log, as by `by`."""
        registry, now = self._services.registry, self._services.clock.now()
        consumer = await registry.consumer(ConsumerId(consumer_id))
        occupancies = await registry.occupancies(consumer_id=ConsumerId(consumer_id))
        viewer = _as_consumer(by, consumer_id)
        document = {
            "format": EXPORT_FORMAT,
            "version": EXPORT_VERSION,
            "made_at": format_utc(now),
            "consumer": {"id": consumer.id, "name": consumer.name, "email": consumer.email},
        }
        tables: dict[str, Rows] = {
            "homes": [_home(entry) for entry in occupancies],
            "consents": await self._consent_rows(consumer_id, now),
            "accesses": await self._access_rows(viewer, occupancies),
            "readings": await self._reading_rows(viewer, occupancies, now, request_id),
        }
        return DataPackage(document, tables)

    async def _consent_rows(self, consumer_id: int, now: datetime) -> Rows:
        rows = []
        for consent in await self._consents.of(consumer_id=consumer_id):
            try:
                name = (await self._services.registry.organisation(OrganisationId(consent.organisation_id))).name
            except UnknownRecordError:
                name = ""
            entry = consent_document(consent, name, now)
            entry["evidence"] = consent.evidence_reference
            rows.append(entry)
        return rows

    async def _access_rows(self, viewer: Principal, occupancies: Sequence[Occupancy]) -> Rows:
        rows: list[Mapping[str, object]] = []
        for point in sorted({str(entry.usage_point_id) for entry in occupancies}):
            entries, _ = await self._access_view.of_usage_point(viewer, point, limit=ACCESSES_MAX)
            recipients = await self._access_view.recipients(entries)
            rows += [
                {
                    "metering_point": point,
                    **access_document(entry, recipients[entry.role, entry.organisation_id], with_person=False),
                }
                for entry in entries
            ]
        return rows

    async def _reading_rows(
        self, viewer: Principal, occupancies: Sequence[Occupancy], now: datetime, request_id: str
    ) -> Rows:
        rows: list[Mapping[str, object]] = []
        oldest = now - timedelta(days=_EARLIEST_DAYS)
        for entry in occupancies:
            installed = await self._services.registry.installations(
                usage_point_id=entry.usage_point_id, from_=entry.starts_at, to=entry.ends_at
            )
            if not installed:
                continue
            numbers = {
                channel.channel_id
                for stay in installed
                for channel in await self._services.registry.channels(stay.device_id)
            }
            since = max(entry.starts_at, oldest, min(stay.starts_at for stay in installed))
            until = min(entry.ends_at or now, now)
            for number in sorted(numbers):
                kept = data_class_of(CHANNELS[number]).cutoff(now) or since
                for asked in _slices(max(since, kept), until):
                    question = _question(number, asked, request_id)
                    rows += await self._slice(viewer, str(entry.usage_point_id), question)
        return rows

    async def _slice(self, viewer: Principal, point: str, question: SeriesQuestion) -> Rows:
        result = await self._reading_access.of_usage_point(viewer, point, question)
        found: list[Mapping[str, object]] = []
        for series in result.series:
            assert isinstance(series.rows, Columns)
            starts, values = series.rows.start_epoch_s.tolist(), series.rows.value.tolist()
            found += [
                {
                    "metering_point": point,
                    "channel": series.channel.code,
                    "start": format_utc(datetime.fromtimestamp(start, UTC)),
                    "value": value,
                    "scaler": series.channel.scaler,
                    "unit": series.channel.unit,
                    "quality": quality,
                }
                for start, value, quality in zip(starts, values, series.rows.quality.tolist(), strict=True)
            ]
        return found


def _as_consumer(by: Principal, consumer_id: int) -> Principal:
    """Who the readings are looked at as: the consumer, so that no package holds another one's time."""
    return Principal(
        user_id=by.user_id,
        name=by.name,
        role=Role.CONSUMER,
        organisation_id=None,
        consumer_id=consumer_id,
        token_hash=by.token_hash,
        expires_at=by.expires_at,
    )


def _home(entry: Occupancy) -> dict[str, object]:
    return {
        "metering_point": entry.usage_point_id,
        "from": format_utc(entry.starts_at),
        "to": None if entry.ends_at is None else format_utc(entry.ends_at),
    }


def _slices(from_: datetime, to: datetime) -> list[TimeRange]:
    found = []
    while from_ < to:
        found.append(TimeRange(from_, min(from_ + SLICE, to)))
        from_ += SLICE
    return found


def _question(channel: int, asked: TimeRange, request_id: str) -> SeriesQuestion:
    return SeriesQuestion(
        channels=[CHANNELS[channel]],
        asked=asked,
        as_of=None,
        resolution="interval",
        zone_name=None,
        row_limit=None,
        cursor=None,
        purpose="",
        request_id=request_id,
    )
