"""General-ciphering and general-signing on the wire: all of their fields, and what is refused."""

import pytest

from meterworks.protocols.dlms.security import (
    AgreedKey,
    GeneralCiphering,
    GeneralHeader,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
)
from meterworks.protocols.errors import DecodeError

HEADER = GeneralHeader(transaction_id=bytes(range(1, 9)), originator=b"MWK00001", recipient=b"MWK00002")
FULL = GeneralHeader(
    transaction_id=b"\x01", originator=b"MWK00001", recipient=b"", date_time=bytes(12), other_information=b"other"
)


def ciphering(info: KeyInfo | None, header: GeneralHeader = HEADER) -> GeneralCiphering:
    return GeneralCiphering(header=header, key_info=info, control=0x31, counter=258, body=b"body and tag")


@pytest.mark.parametrize(
    ("info", "octets"),
    [
        (None, "00"),
        (IdentifiedKey(0), "010000"),
        (IdentifiedKey(1), "010001"),
        (WrappedKey(b"wrapped!"), "01010008" + b"wrapped!".hex()),
        (AgreedKey(2), "0102010200"),
        (AgreedKey(1, bytes(128)), "010201018180" + "00" * 128),
    ],
)
@pytest.mark.parametrize("header", [HEADER, FULL])
def test_general_ciphering_is_read_and_written(info: KeyInfo | None, octets: str, header: GeneralHeader) -> None:
    message = ciphering(info, header)
    expected = "dd" + header.to_bytes().hex() + octets + "113100000102" + b"body and tag".hex()
    assert message.to_bytes().hex() == expected
    assert GeneralCiphering.from_bytes(message.to_bytes()) == message


def test_the_five_fields_have_their_lengths() -> None:
    assert (
        HEADER.to_bytes().hex() == "080102030405060708" + "08" + b"MWK00001".hex() + "08" + b"MWK00002".hex() + "0000"
    )
    assert FULL.to_bytes().hex() == "010108" + b"MWK00001".hex() + "000c" + "00" * 12 + "05" + b"other".hex()


@pytest.mark.parametrize("size", [0, 13, 127, 128, 300])
def test_general_signing_is_read_and_written(size: int) -> None:
    message = GeneralSigning(header=HEADER, content=bytes(size), signature=b"s" * 64)
    assert GeneralSigning.from_bytes(message.to_bytes()) == message
    assert message.signed == HEADER.to_bytes() + bytes(size)
    assert len(message.signed_with_length) - len(message.signed) == (1 if size < 128 else 2 if size < 256 else 3)


@pytest.mark.parametrize("reader", [GeneralCiphering.from_bytes, GeneralSigning.from_bytes])
def test_each_cut_is_refused(reader: object) -> None:
    whole = ciphering(WrappedKey(b"wrapped!")).to_bytes()
    if reader == GeneralSigning.from_bytes:
        whole = GeneralSigning(header=FULL, content=b"content", signature=b"s" * 64).to_bytes()
    for size in range(len(whole)):
        with pytest.raises(DecodeError):
            reader(whole[:size])  # type: ignore[operator]
    with pytest.raises(DecodeError):
        reader(whole + b"\x00")  # type: ignore[operator]


@pytest.mark.parametrize(
    "octets",
    [
        "db",  # another tag
        "dd0007" + "00" * 7 + "000000" + "000531000000",  # a title of seven octets
        "dd00000001" + "00" * 20,  # a date-time of one octet
        "dd0000000000" + "02" + "00" * 12,  # presence 2
        "dd0000000000" + "0103" + "00" * 12,  # a fourth kind of key
        "dd0000000000" + "010202" + "00" * 12,  # key parameters of two octets
        "dd0000000000" + "010100" + "820401" + "00" * 1025 + "053100000000",  # a wrapped key beyond all sizes
        "dd0000000000" + "00" + "0431000000",  # no room for a counter
        "dd" + "820100" + "00" * 256 + "00000000" + "00" + "053100000000",  # a field beyond its bound
    ],
)
def test_malformed_general_ciphering_is_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        GeneralCiphering.from_bytes(bytes.fromhex(octets))


def test_keys_are_not_shown() -> None:
    assert "wrapped!" not in repr(ciphering(WrappedKey(b"wrapped!")))
