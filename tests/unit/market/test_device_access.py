"""Latest values as the head-end writes them, and events with their meaning."""

from datetime import UTC, datetime

import pytest

from meterworks.headend import Event, SeenEvent
from meterworks.market.device_access import _values, event_document

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_values_come_in_order_of_channel_with_time_and_unit() -> None:
    found = _values({"100": [AT.timestamp(), 230_400], "16": [AT.timestamp() - 60.5, 7]})
    assert [latest.channel.id for latest in found] == [16, 100]
    assert found[1].document() == {
        "channel": "electricity.voltage.l1",
        "channel_id": 100,
        "unit": "V",
        "scaler": -3,
        "at": "2026-11-21T12:00:00Z",
        "value": 230_400,
    }


@pytest.mark.parametrize("pairs", [{}, {"9999": [0, 1]}, {"16": [0, None]}, {"16": [0, "7"]}, {"16": [None, 7]}])
def test_what_this_version_does_not_know_is_left_out(pairs: dict[str, list[object]]) -> None:
    assert _values(pairs) == []


@pytest.mark.parametrize(
    ("code", "name", "severity"), [(1, "power down", "information"), (999, "event 999", "unknown")]
)
def test_an_event_says_what_its_number_means(code: int, name: str, severity: str) -> None:
    document = event_document(SeenEvent(Event(device_id=7, log="standard", at=AT, code=code), AT))
    assert (document["device"], document["name"], document["severity"]) == (7, name, severity)
    assert document["at"] == document["seen_at"] == "2026-11-21T12:00:00Z"
