"""Numbers of qualities and flags are stored for years: they never change."""

from meterworks.catalogue import Quality, ReadingFlag


def test_qualities_keep_their_numbers():
    assert {quality.name: quality.value for quality in Quality} == {
        "RAW": 0,
        "VALID": 1,
        "ACCEPTED": 2,
        "FAILED": 3,
        "MISSING": 4,
        "INTERPOLATED": 5,
        "ESTIMATED": 6,
        "EDITED": 7,
        "DERIVED": 8,
        "FORECAST": 9,
    }


def test_flags_keep_their_bits():
    assert {flag.name: flag.value for flag in ReadingFlag} == {
        "CRITICAL_ERROR": 1,
        "CLOCK_INVALID": 2,
        "DATA_NOT_VALID": 4,
        "DAYLIGHT_SAVING": 8,
        "CLOCK_ADJUSTED": 32,
        "RECOVERED": 64,
        "POWER_DOWN": 128,
        "CLOCK_SUSPECT": 256,
        "SHORT_INTERVAL": 512,
        "MERGED_DUPLICATE": 1024,
    }


def test_a_status_octet_of_a_meter_is_kept_whole():
    assert int(ReadingFlag(0xFF)) == 0xFF  # bit 4 has no meaning yet, and still goes through
