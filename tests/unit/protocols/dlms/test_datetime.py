"""COSEM dates and times."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from meterworks.protocols.dlms import ANY, ANY_YEAR, NO_DEVIATION, ClockStatus, CosemDate, CosemDateTime, CosemTime
from meterworks.protocols.errors import DecodeError, EncodeError

WINTER = timezone(timedelta(hours=1))
SUMMER = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("moment", "octets"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=WINTER), "07ea01020503040500ffc400"),  # -60
        (datetime(2026, 7, 2, 3, 4, 5, 670_000, tzinfo=SUMMER), "07ea07020403040543ff8800"),  # -120
        (datetime(2026, 11, 21, 12, 0, tzinfo=UTC), "07ea0b15060c000000000000"),
        (datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=-5))), "07ea0b15060c000000012c00"),
    ],
)
def test_moment_and_octets(moment: datetime, octets: str) -> None:
    value = CosemDateTime.from_datetime(moment)
    assert value.to_bytes().hex() == octets
    assert CosemDateTime.from_bytes(bytes.fromhex(octets)) == value
    assert value.to_datetime() == moment
    assert value.to_datetime().tzinfo is UTC


def test_missing_deviation_is_taken_from_the_caller() -> None:
    value = CosemDateTime(2026, 1, 1, ANY, 12, 0, ANY, ANY)
    assert value.deviation_min == NO_DEVIATION
    assert value.to_datetime() == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert value.to_datetime(deviation_min=-60) == datetime(2026, 1, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        CosemDateTime(),
        CosemDateTime(2026, 0xFE, 1, ANY, 2, 0),
        CosemDateTime(2026, 3, 0xFE, 7, 2, 0),
        CosemDateTime(ANY_YEAR, 3, 1, 7, 2, 0),
        CosemDateTime(2026, 2, 30, ANY, 0, 0),
        CosemDateTime(1, 1, 1, ANY, 0, 0, 0, 0, -1439),
    ],
)
def test_wildcards_and_impossible_dates_are_no_moment(value: CosemDateTime) -> None:
    with pytest.raises(DecodeError):
        value.to_datetime()
    assert CosemDateTime.from_bytes(value.to_bytes()) == value


@pytest.mark.parametrize(
    "octets",
    ["07ea0d010000000000000000", "07ea01200000000000000000", "07ea01010818000000000000", "07ea01010100003c00000000",
     "07ea010101000000647fff00", "07ea", ""],
)  # fmt: skip
def test_octets_without_meaning_are_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        CosemDateTime.from_bytes(bytes.fromhex(octets))


def test_naive_datetime_is_refused() -> None:
    with pytest.raises(EncodeError, match="aware"):
        CosemDateTime.from_datetime(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_status_octet_above_its_size_is_refused() -> None:
    with pytest.raises(EncodeError):
        CosemDateTime(status=256)


def test_date_and_time_stand_alone() -> None:
    assert CosemDate(2026, 11, 21, 6).to_bytes().hex() == "07ea0b1506"
    assert CosemTime(1, 2, 3).to_bytes().hex() == "010203ff"
    with pytest.raises(DecodeError):
        CosemTime.from_bytes(b"\x18\x00\x00\x00")
    with pytest.raises(DecodeError):
        CosemDate.from_bytes(b"\x00")


def test_daylight_saving_is_a_bit_of_the_status() -> None:
    assert ClockStatus(0x81) == ClockStatus.DAYLIGHT_SAVING | ClockStatus.INVALID
