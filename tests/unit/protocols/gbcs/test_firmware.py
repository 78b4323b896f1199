"""Firmware files: their octets, who vouches for them, and files that are none."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.protocols import DecodeError, EncodeError, SignatureError, WeakProtection
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareSigner
from meterworks.protocols.gbcs import FIRMWARE_SIZE_MAX, FirmwareFile

MAKER = SoftwareSigner(SecuritySuite.SUITE_1, (7).to_bytes(32, "big"))
OTHER = SoftwareSigner(SecuritySuite.SUITE_1, (8).to_bytes(32, "big"))
FILE = FirmwareFile(
    manufacturer=0x10B1, image_type=0x0102, file_version=0x0A0B0C0D, image=b"image of a maker", label=b"GSM 2.1",
    hardware_min=1, hardware_max=0x0203, replacement=1, signature=bytes(range(64)),
)  # fmt: skip
# Mark, header version and size, field control, maker, type, version, stack, label, size, hardware from and to.
HEADER = (
    "1ef1ee0b 0001 3c00 0400 b110 0201 0d0c0b0a 0200"
    + b"GSM 2.1".hex() + "00" * 25 + "8e000000 0100 0302"
)  # fmt: skip
ENCODED = bytes.fromhex(HEADER) + b"image of a maker" + b"\x01\x40" + bytes(range(64))


def test_a_file_has_these_octets_and_is_read_from_them():
    assert FILE.to_bytes() == ENCODED
    assert FirmwareFile.from_bytes(ENCODED) == FILE
    assert FILE.image_hash == hashlib.sha256(b"image of a maker").digest()


def test_who_signed_can_be_checked():
    signed = FILE.signed(MAKER)
    signed.check_signature(MAKER.public_key)
    with pytest.raises(SignatureError):
        signed.check_signature(OTHER.public_key)
    with pytest.raises(SignatureError):
        replace(signed, image=b"image of a thief").check_signature(MAKER.public_key)
    with pytest.raises(WeakProtection, match="sign it"):
        replace(FILE, signature=b"").check_signature(MAKER.public_key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signature": b""}, "0 octets"),
        ({"label": bytes(33)}, "label"),
        ({"label": b"ends\x00"}, "label"),
        ({"image": b""}, "an image"),
        ({"image": bytes(FIRMWARE_SIZE_MAX)}, "at most"),
        ({"manufacturer": 0x10000}, "does not fit"),
        ({"file_version": -1}, "does not fit"),
        ({"replacement": 256}, "does not fit"),
    ],
)
def test_what_has_no_form_is_refused(change, message):
    with pytest.raises(EncodeError, match=message):
        replace(FILE, **change).to_bytes()


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "0 octets"),
        (ENCODED[:126], "126 octets"),
        (b"\x00" + ENCODED[1:], "mark of an OTA file"),
        (ENCODED[:4] + b"\x01\x01" + ENCODED[6:], "version of the header"),
        (ENCODED[:6] + b"\x38\x00" + ENCODED[8:], "size of the header"),
        (ENCODED[:8] + b"\x00\x00" + ENCODED[10:], "field control"),
        (ENCODED[:18] + b"\x03\x00" + ENCODED[20:], "stack version"),
        (ENCODED + b"\x00", "size of the file"),
        (ENCODED[:-65] + b"\x41" + ENCODED[-64:], "size of the signature"),
    ],
)
def test_what_is_no_file_is_named(octets, message):
    with pytest.raises(DecodeError, match=message):
        FirmwareFile.from_bytes(octets)


@given(
    st.builds(
        FirmwareFile,
        manufacturer=st.integers(0, 0xFFFF),
        image_type=st.integers(0, 0xFFFF),
        file_version=st.integers(0, 2**32 - 1),
        image=st.binary(min_size=1, max_size=200),
        label=st.binary(max_size=32).map(lambda label: label.rstrip(b"\x00")),
        hardware_min=st.integers(0, 0xFFFF),
        hardware_max=st.integers(0, 0xFFFF),
        replacement=st.integers(0, 255),
        signature=st.binary(min_size=64, max_size=64),
    )
)
def test_every_file_comes_out_as_it_went_in(file):
    assert FirmwareFile.from_bytes(file.to_bytes()) == file
