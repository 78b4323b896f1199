"""What a firmware image is, and who says whether it is sound.

Our own images open with a header that names the part of the meter they replace (its metrology or its management
part) and the version, and close with the SHA-256 of everything before. An image without that header is somebody
else's: a meter may take it on the word of the management client that sent it, which proved itself, and shows the
image's identifier as its version. A verifier that asks for more, a signature for instance, is handed in.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from meterworks.devices.errors import ImageRefused

__all__ = ["ChecksumVerifier", "FirmwareImage", "FirmwarePart", "ImageVerifier", "build_image"]

FirmwarePart = Literal["metrology", "management"]

MAGIC: Final = b"MWIMG1\r\n"
DIGEST_SIZE: Final = 32
VERSION_SIZE_MAX: Final = 32
_PARTS: Final[dict[int, FirmwarePart]] = {1: "metrology", 2: "management"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareImage:
    """What a sound image changes."""

    part: FirmwarePart
    version: str  # what the firmware identifier will show
    signature: bytes  # what image_to_activate_info shows: the digest, or a signature


class ImageVerifier(Protocol):
    """Judges images before they may be activated."""

    def verify(self, identifier: bytes, image: bytes) -> FirmwareImage:
        """Give what the image changes. Raises ImageRefused for one that must not run.

        identifier: what the client called it when it began the transfer.
        """


def build_image(part: FirmwarePart, version: str, program: bytes) -> bytes:
    """Make an image of our own form. Raises ImageRefused for a version that no identifier can show."""
    text = version.encode("ascii", "replace")
    if not 0 < len(text) <= VERSION_SIZE_MAX or not version.isprintable():
        raise ImageRefused(f"a version is 1 to {VERSION_SIZE_MAX} printable characters, not {version!r}")
    number = next(number for number, name in _PARTS.items() if name == part)
    image = MAGIC + bytes((number, len(text))) + text + program
    return image + hashlib.sha256(image).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksumVerifier:
    """Checks the digest of our own images. strict: others are refused."""

    strict: bool = False

    def verify(self, identifier: bytes, image: bytes) -> FirmwareImage:
        """Give what the image changes; ImageRefused where the digest does not fit."""
        if not image.startswith(MAGIC):
            if self.strict:
                raise ImageRefused("the image has no header that says what it is")
            version = identifier[:VERSION_SIZE_MAX].decode("ascii", "replace")
            return FirmwareImage(part="metrology", version=version, signature=hashlib.sha256(image).digest())
        held, digest = image[:-DIGEST_SIZE], image[-DIGEST_SIZE:]
        header = len(MAGIC) + 2
        if len(held) < header or hashlib.sha256(held).digest() != digest:
            raise ImageRefused("the image's checksum does not fit")
        part, size = held[len(MAGIC)], held[len(MAGIC) + 1]
        text = held[header : header + size]
        if part not in _PARTS or not size or len(text) != size or not text.isascii():
            raise ImageRefused("the image's header names no part or no version")
        return FirmwareImage(part=_PARTS[part], version=text.decode("ascii"), signature=digest)
