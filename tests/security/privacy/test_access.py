"""Who may read what, why and how fine: registration, consent, purpose; and what the consumer sees of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.security.privacy.conftest import GONE, MOVED, NOW, START, Street

from meterworks.errors import MeterworksError
from meterworks.market import NotFound, document
from meterworks.market.errors import PurposeExceeded

DAY = timedelta(days=1)
RECENT = (NOW - DAY, NOW)


async def _refusal(reading: Any) -> tuple[type[MeterworksError], str]:
    with pytest.raises(MeterworksError) as caught:
        await reading
    return type(caught.value), str(caught.value)


@pytest.mark.requirement("SEC-065")
async def test_what_is_outside_the_right_is_like_an_unknown_meter(street: Street) -> None:
    unknown = await _refusal(street.read(street.supplier, "MP9", *RECENT))
    after_loss = await _refusal(street.read(street.supplier, "MP1", GONE, GONE + DAY))
    others = await _refusal(street.read(street.supplier, "MP2", *RECENT))
    assert unknown[0] is after_loss[0] is others[0] is NotFound
    assert unknown[1].replace("MP9", "MP1") == after_loss[1] == others[1].replace("MP2", "MP1")
    assert len(await street.read(street.supplier, "MP1", GONE - DAY, GONE)) == 48, "its own time it sees"


@pytest.mark.requirement("SEC-068")
async def test_only_a_consent_of_this_purpose_meter_and_time_opens_readings(street: Street) -> None:
    missing = await _refusal(street.read(street.service, "MP1", *RECENT))
    unknown = await _refusal(street.read(street.service, "MP9", *RECENT))
    assert missing[0] is NotFound
    assert missing[1] == unknown[1].replace("MP9", "MP1")
    await street.consent(ends_at=NOW + DAY)
    assert len(await street.read(street.service, "MP1", *RECENT)) == 48
    for point, purpose in (("MP1", "research"), ("MP2", "advice")):
        assert (await _refusal(street.read(street.service, point, *RECENT, purpose=purpose)))[0] is NotFound
    street.clock.advance(DAY.total_seconds())
    assert (await _refusal(street.read(street.service, "MP1", *RECENT)))[0] is NotFound, "it has expired"


@pytest.mark.requirement("SEC-068")
async def test_a_read_under_way_is_not_given_out_after_a_withdrawal(street: Street) -> None:
    reference = await street.consent(purpose="energy-service")

    async def withdraw() -> None:
        await street.consents._set(reference, {"ended_at": NOW, "ended_by": "consumer"})

    asked = {"purpose": "energy-service", "request_id": "r"}
    assert (await street.devices.read_now(street.service, 1, **asked)).device_id == 1
    street.bus.meanwhile = withdraw
    assert (await _refusal(street.devices.read_now(street.service, 1, **asked)))[0] is NotFound


@pytest.mark.requirement("SEC-102")
async def test_a_withdrawal_holds_from_the_next_access_on(street: Street) -> None:
    reference = await street.consent()
    assert len(await street.read(street.service, "MP1", *RECENT)) == 48
    number = street.numbers["bea"]
    await street.consents.end(reference, by="consumer", actor="account:bea", consumer_id=number)
    assert (await _refusal(street.read(street.service, "MP1", *RECENT)))[0] is NotFound
    assert [consent.ended_by for consent in await street.consents.of(consumer_id=number)] == ["consumer"]


@pytest.mark.requirement("SEC-136")
async def test_a_daily_purpose_is_refused_half_hours(street: Street) -> None:
    asked = ("MP1", GONE - 2 * DAY, GONE)
    refused = await _refusal(street.read(street.supplier, *asked, purpose="billing"))
    assert refused[0] is PurposeExceeded
    elsewhere = await _refusal(street.read(street.supplier, "MP9", *asked[1:], purpose="billing"))
    assert elsewhere == refused, "the refusal says nothing of the meter"


@pytest.mark.requirement("SEC-136")
async def test_a_daily_sum_cannot_be_cut_into_its_half_hours(street: Street) -> None:
    day = datetime(2026, 4, 10, tzinfo=UTC)

    async def days(from_: datetime, to: datetime) -> list[int]:
        rows = await street.read(street.supplier, "MP1", from_, to, purpose="billing", resolution="day")
        return list(rows.value.tolist())

    assert await days(day, day + 2 * DAY) == [48, 48]
    assert await days(day + timedelta(minutes=30), day + 2 * DAY) == [48]
    assert await days(day, day + timedelta(minutes=30)) == []
    today = NOW.replace(hour=0)
    rows = await street.read(street.bea, "MP1", today, NOW, resolution="day")
    assert rows.value.tolist() == [24], "one's own days may be cut"


@pytest.mark.requirement("SEC-041")
async def test_a_new_tenant_sees_nothing_of_before(street: Street) -> None:
    rows = await street.read(street.bea, "MP1", MOVED - 2 * DAY, MOVED + DAY)
    assert int(rows.start_epoch_s.min()) == int(MOVED.timestamp())
    assert (await _refusal(street.read(street.bea, "MP1", START, MOVED)))[0] is NotFound
    before = await street.read(street.ann, "MP1", MOVED - 2 * DAY, MOVED + DAY)
    assert int(before.start_epoch_s.max()) < int(MOVED.timestamp())


@pytest.mark.requirement("SEC-092")
async def test_the_consumer_sees_who_received_what_and_why(street: Street) -> None:
    await street.read(street.supplier, "MP1", MOVED, MOVED + DAY)
    entries, _ = await street.view.of_usage_point(street.bea, "MP1")
    assert [(entry.role, entry.purpose, entry.range_start) for entry in entries] == [("supplier", "settlement", MOVED)]
    assert (await _refusal(street.view.of_usage_point(street.ann, "MP3")))[0] is NotFound


@pytest.mark.requirement("SEC-092")
async def test_a_reader_is_shown_by_organisation_and_role_not_by_person(street: Street) -> None:
    reference = await street.consent()
    await street.read(street.service, "MP1", *RECENT)
    entries, _ = await street.view.of_usage_point(street.bea, "MP1")
    recipients = await street.view.recipients(entries)
    shown = [
        document.access_document(entry, recipients[entry.role, entry.organisation_id], with_person=False)
        for entry in entries
    ]
    assert all("eva.person" not in str(row) for row in shown)
    assert all(row["consent"] == reference for row in shown)
