"""Addresses of one, two and four octets."""

import pytest

from meterworks.protocols.dlms.hdlc import HdlcAddress
from meterworks.protocols.errors import DecodeError, EncodeError

ADDRESSES = [
    ("03", HdlcAddress(1)),
    ("21", HdlcAddress(16)),
    ("ff", HdlcAddress(127)),
    ("01", HdlcAddress(0)),
    ("0223", HdlcAddress(1, 17, 2)),
    ("feff", HdlcAddress(127, 127, 2)),
    ("00020023", HdlcAddress(1, 17, 4)),
    ("002254d3", HdlcAddress(17, 5481, 4)),
    ("fefefeff", HdlcAddress(16383, 16383, 4)),
]


@pytest.mark.parametrize(("octets", "address"), ADDRESSES)
def test_address_has_its_octets(octets: str, address: HdlcAddress) -> None:
    assert address.to_bytes().hex() == octets
    assert HdlcAddress.from_bytes(bytes.fromhex(octets)) == address


@pytest.mark.parametrize("octets", ["", "02", "020305", "03 03", "00000000", "0002 0022", "0001 0023"])
def test_what_is_no_address_is_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        HdlcAddress.from_bytes(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("upper", "lower", "size"),
    [(128, None, 1), (-1, None, 1), (1, 128, 2), (16384, 1, 4), (1, 1, 3), (1, 1, 1), (1, None, 2)],
)
def test_what_does_not_fit_is_refused(upper: int, lower: int | None, size: int) -> None:
    with pytest.raises(EncodeError):
        HdlcAddress(upper, lower, size)


@pytest.mark.parametrize(
    ("logical", "physical", "size", "octets"),
    [
        (1, None, None, "03"),
        (1, 17, None, "0223"),
        (1, 200, None, "00020291"),
        (1, 17, 4, "00020023"),
        (1, 17, 1, "03"),
        (1, None, 2, "0201"),
    ],
)
def test_server_gets_as_few_octets_as_it_takes(
    logical: int, physical: int | None, size: int | None, octets: str
) -> None:
    assert HdlcAddress.of_server(logical, physical, size).to_bytes().hex() == octets


@pytest.mark.parametrize(
    ("address", "physical", "named"),
    [
        (HdlcAddress(1), 17, True),
        (HdlcAddress(2), 17, False),
        (HdlcAddress(1, 17, 2), 17, True),
        (HdlcAddress(1, 18, 2), 17, False),
        (HdlcAddress(1, 18, 2), None, True),
        (HdlcAddress(127, 127, 2), 17, True),
        (HdlcAddress(127, 127, 4), 17, False),  # all ones are longer there
        (HdlcAddress(16383, 16383, 4), 17, True),
        (HdlcAddress(0), 17, False),  # no station
    ],
)
def test_server_knows_whether_it_is_meant(address: HdlcAddress, physical: int | None, named: bool) -> None:
    assert address.names(1, physical) is named
