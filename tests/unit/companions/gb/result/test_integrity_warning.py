"""Warnings of meters: two octets and their names."""

import pytest

from meterworks.companions.gb.result.integrity_warning import warning_name, warning_octets
from meterworks.protocols import EncodeError


@pytest.mark.parametrize(
    ("octets", "name"),
    [("0000", "other"), ("0004", "error_ram"), ("0009", "unspecified_operational_integrity_error")],
)
def test_warnings_have_names(octets, name):
    assert warning_name(bytes.fromhex(octets)) == name
    assert warning_octets(name).hex() == octets


@pytest.mark.parametrize("octets", ["000a", "ffff", "00", "", "000000"])
def test_other_octets_have_none(octets):
    assert warning_name(bytes.fromhex(octets)) is None


@pytest.mark.parametrize("name", ["", "error", 5, None])
def test_other_names_have_no_octets(name):
    with pytest.raises(EncodeError, match="is no warning"):
        warning_octets(name)
