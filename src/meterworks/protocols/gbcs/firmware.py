"""Firmware files for devices at a consumer's premises: ZigBee's header, the maker's image, and who vouches for it.

The hub hands the file on as it is. A device that has it whole reports the SHA-256 of the maker's image; the command
that activates it (CS06) has to name the same hash. The signature covers the maker's image alone.
Numbers are little-endian, as in all of ZigBee.
Source: ZigBee cluster library, OTA upgrade file format; GBCS 11 (firmware); fact sheet gb/GBCS.md section 12.
"""

import hashlib
import struct
from dataclasses import dataclass, replace
from typing import Final, Self

from meterworks.protocols.dlms.security.key import Signer, verify_signature
from meterworks.protocols.dlms.security.suite import SecuritySuite
from meterworks.protocols.errors import DecodeError, EncodeError, WeakProtection
from meterworks.protocols.gbcs.message import SIGNATURE_SIZE

__all__ = ["FIRMWARE_SIZE_MAX", "FirmwareFile"]

FIRMWARE_SIZE_MAX: Final = 2**24  # octets of a file; devices refuse far smaller ones
LABEL_SIZE: Final = 32

_HEADER: Final = struct.Struct("<IHHHHHIH32sIHH")
_MAGIC: Final = 0x0BEE_F11E
_HEADER_VERSION: Final = 0x0100
_HAS_HARDWARE_VERSIONS: Final = 0x0004
_STACK: Final = 0x0002  # ZigBee Pro
_TRAILER_SIZE: Final = 2 + SIGNATURE_SIZE  # the replacement octet, the signature's length, the signature


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareFile:
    """A firmware file (OTA).

    manufacturer, image_type, hardware_min, hardware_max: 0..65535. file_version: 0..2**32-1, the version that a device
    reports and a request names. label: at most 32 octets, for people. image: what the maker delivered.
    replacement: the octet that says whether an older version may take the place of a newer one (0 where it may not).
    signature: r || s, empty where nobody has signed yet.
    """

    manufacturer: int
    image_type: int
    file_version: int
    image: bytes
    label: bytes = b""
    hardware_min: int = 0
    hardware_max: int = 0xFFFF
    replacement: int = 0
    signature: bytes = b""

    @property
    def image_hash(self) -> bytes:
        """SHA-256 of the maker's image: what a device reports, and what its activation has to name."""
        return hashlib.sha256(self.image).digest()

    def signed(self, signer: Signer) -> Self:
        """The same file, vouched for by the holder of a key."""
        return replace(self, signature=signer.sign(self.image))

    def check_signature(self, public_key: bytes) -> None:
        """Raise WeakProtection where nobody signed, SignatureError where the holder of the public key did not.

        public_key: x || y of P-256.
        """
        if not self.signature:
            raise WeakProtection("nobody has signed this firmware: sign it with `signed` first")
        verify_signature(SecuritySuite.SUITE_1, public_key, self.image, self.signature)

    def to_bytes(self) -> bytes:
        """Encode the file. Raises EncodeError for what has no form, and for a file that nobody signed."""
        if len(self.signature) != SIGNATURE_SIZE:
            raise EncodeError(f"signature of {len(self.signature)} octets; a firmware file carries {SIGNATURE_SIZE}")
        if len(self.label) > LABEL_SIZE or self.label.endswith(b"\x00"):
            raise EncodeError(f"a label has at most {LABEL_SIZE} octets and does not end in a zero")
        size = _HEADER.size + len(self.image) + _TRAILER_SIZE
        if not self.image or size > FIRMWARE_SIZE_MAX:
            raise EncodeError(f"file of {size} octets; an image and at most {FIRMWARE_SIZE_MAX} in all expected")
        try:
            header = _HEADER.pack(
                _MAGIC, _HEADER_VERSION, _HEADER.size, _HAS_HARDWARE_VERSIONS, self.manufacturer, self.image_type,
                self.file_version, _STACK, self.label, size, self.hardware_min, self.hardware_max,
            )  # fmt: skip
            trailer = bytes((self.replacement, SIGNATURE_SIZE))
        except (struct.error, ValueError) as error:
            raise EncodeError(f"a number of the firmware's header does not fit: {error}") from error
        return header + self.image + trailer + self.signature

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """Decode a file to its last octet. Raises DecodeError."""
        if not _HEADER.size + _TRAILER_SIZE < len(octets) <= FIRMWARE_SIZE_MAX:
            raise DecodeError(f"no firmware file has {len(octets)} octets", offset=0)
        magic, version, header_size, flags, manufacturer, kind, file_version, stack, label, size, low, high = (
            _HEADER.unpack_from(octets)
        )
        for found, expected, offset, what in (
            (magic, _MAGIC, 0, "mark of an OTA file"),
            (version, _HEADER_VERSION, 4, "version of the header"),
            (header_size, _HEADER.size, 6, "size of the header"),
            (flags, _HAS_HARDWARE_VERSIONS, 8, "field control"),
            (stack, _STACK, 18, "stack version"),
            (size, len(octets), 52, "size of the file"),
            (octets[-SIGNATURE_SIZE - 1], SIGNATURE_SIZE, len(octets) - SIGNATURE_SIZE - 1, "size of the signature"),
        ):
            if found != expected:
                raise DecodeError(f"{what} is {found:#x} at octet {offset}; {expected:#x} expected", offset=offset)
        return cls(
            manufacturer=manufacturer,
            image_type=kind,
            file_version=file_version,
            image=octets[_HEADER.size : -_TRAILER_SIZE],
            label=label.rstrip(b"\x00"),
            hardware_min=low,
            hardware_max=high,
            replacement=octets[-_TRAILER_SIZE],
            signature=octets[-SIGNATURE_SIZE:],
        )
