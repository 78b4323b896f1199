"""Where firmware images wait in a meter until they are activated: one sparse file per meter that is being updated.

A file holds the image and, behind it, one bit per block that arrived. A block is written before its bit, so that a
process killed in between has lost nothing but that block; the bits that are there after a restart are true. The file
goes when the image is activated or another one is begun.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from meterworks.devices.errors import FleetStateError

__all__ = ["IMAGE_SIZE_MAX", "ImageMemory", "ImagePlace", "ImageStore", "StoredImages"]

IMAGE_SIZE_MAX: Final = 4 * 1024 * 1024  # octets of one image


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Whose image, how many octets it has, and how many blocks it comes in. Blocks are numbered from 0."""

    title: bytes
    size: int
    blocks: int

    @property
    def bits_size(self) -> int:
        """Octets of a bit per block."""
        return -(-self.blocks // 8)


class ImageStore(Protocol):
    """The images of a fleet's meters. Every method raises FleetStateError where the disk refuses."""

    def begin(self, place: ImagePlace) -> None:
        """Make room for an image; one that was there is gone."""

    def put(self, place: ImagePlace, number: int, offset: int, block: bytes) -> None:
        """Keep a block of the image at an offset."""

    def arrived(self, place: ImagePlace) -> bytes:
        """Give a bit per block, the first in the top bit of the first octet: set where the block is there."""

    def image(self, place: ImagePlace) -> bytes:
        """Give the whole image; what never arrived is zero."""

    def drop(self, title: bytes) -> None:
        """Forget the image of a meter."""


def _bit(number: int) -> tuple[int, int]:
    """Give octet and mask of a block's bit."""
    return number // 8, 0x80 >> number % 8


class ImageMemory:
    """Images of a fleet that forgets everything at its end."""

    def __init__(self) -> None:
        self._held: dict[bytes, bytearray] = {}

    def begin(self, place: ImagePlace) -> None:
        """Make room for an image; one that was there is gone."""
        self._held[place.title] = bytearray(place.size + place.bits_size)

    def put(self, place: ImagePlace, number: int, offset: int, block: bytes) -> None:
        """Keep a block of the image at an offset."""
        held = self._held[place.title]
        held[offset : offset + len(block)] = block
        octet, mask = _bit(number)
        held[place.size + octet] |= mask

    def arrived(self, place: ImagePlace) -> bytes:
        """Give a bit per block."""
        return bytes(self._held[place.title][place.size :])

    def image(self, place: ImagePlace) -> bytes:
        """Give the whole image."""
        return bytes(self._held[place.title][: place.size])

    def drop(self, title: bytes) -> None:
        """Forget the image of a meter."""
        self._held.pop(title, None)


class StoredImages:
    """Images in files of one folder, named by the meter's system title."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first image comes."""
        self._folder = folder

    def _path(self, title: bytes) -> Path:
        return self._folder / f"{title.hex()}.image"

    @contextmanager
    def _opened(self, title: bytes, flags: int) -> Iterator[int]:
        try:
            descriptor = os.open(self._path(title), flags | os.O_CLOEXEC, 0o600)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise FleetStateError(f"image of meter {title.hex()}: {error.strerror}", path=str(self._folder)) from error

    def begin(self, place: ImagePlace) -> None:
        """Make a sparse file."""
        _guarded(lambda: self._folder.mkdir(parents=True, exist_ok=True))
        with self._opened(place.title, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
            os.ftruncate(descriptor, place.size + place.bits_size)

    def put(self, place: ImagePlace, number: int, offset: int, block: bytes) -> None:
        """Write the block, then its bit."""
        octet, mask = _bit(number)
        with self._opened(place.title, os.O_RDWR) as descriptor:
            os.pwrite(descriptor, block, offset)
            held = os.pread(descriptor, 1, place.size + octet)[0]
            os.pwrite(descriptor, bytes((held | mask,)), place.size + octet)

    def arrived(self, place: ImagePlace) -> bytes:
        """Read the bits."""
        with self._opened(place.title, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, place.bits_size, place.size).ljust(place.bits_size, b"\0")

    def image(self, place: ImagePlace) -> bytes:
        """Read the whole image."""
        with self._opened(place.title, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, place.size, 0)

    def drop(self, title: bytes) -> None:
        """Remove the file."""
        _guarded(lambda: self._path(title).unlink(missing_ok=True))


def _guarded(act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:
        raise FleetStateError(f"the folder of images cannot be used: {error.strerror}") from error
