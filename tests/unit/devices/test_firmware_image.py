"""Firmware images: made, verified, refused."""

import hashlib

import pytest

from meterworks.devices import ChecksumVerifier, ImageRefused, build_image

PROGRAM = bytes(range(256)) * 3


@pytest.mark.parametrize("part", ["metrology", "management"])
def test_an_image_says_its_part_and_version(part):
    image = build_image(part, "MWM-2.0.0", PROGRAM)
    sound = ChecksumVerifier(strict=True).verify(b"any name", image)
    assert (sound.part, sound.version) == (part, "MWM-2.0.0")
    assert sound.signature == hashlib.sha256(image[:-32]).digest()


@pytest.mark.parametrize("place", [8, 9, 10, 30, 100, -40, -1])
def test_one_wrong_bit_is_enough_to_refuse(place):
    image = bytearray(build_image("metrology", "MWM-2.0.0", PROGRAM))
    image[place] ^= 1
    with pytest.raises(ImageRefused):
        ChecksumVerifier().verify(b"name", bytes(image))


def resealed(head):
    return head + hashlib.sha256(head).digest()


@pytest.mark.parametrize(
    "image",
    [
        b"MWIMG1\r\n",
        b"MWIMG1\r\n" + bytes(20),
        resealed(b"MWIMG1\r\n"),
        resealed(b"MWIMG1\r\n\x03\x01x"),
        resealed(b"MWIMG1\r\n\x01\x00"),
        resealed(b"MWIMG1\r\n\x01\x20short"),
        resealed(b"MWIMG1\r\n\x01\x02\xff\xfe"),
    ],
    ids=["bare", "zeros", "no-header", "no-such-part", "no-version", "version-cut", "version-not-text"],
)
def test_a_header_that_says_nothing_is_refused(image):
    with pytest.raises(ImageRefused):
        ChecksumVerifier().verify(b"name", image)


def test_somebody_elses_image_is_taken_unless_that_is_forbidden():
    sound = ChecksumVerifier().verify(b"ACME-3.1", PROGRAM)
    assert (sound.part, sound.version, sound.signature) == ("metrology", "ACME-3.1", hashlib.sha256(PROGRAM).digest())
    with pytest.raises(ImageRefused):
        ChecksumVerifier(strict=True).verify(b"ACME-3.1", PROGRAM)


@pytest.mark.parametrize("version", ["", "x" * 33, "two\nlines"])
def test_a_version_that_cannot_be_shown_makes_no_image(version):
    with pytest.raises(ImageRefused):
        build_image("metrology", version, PROGRAM)
