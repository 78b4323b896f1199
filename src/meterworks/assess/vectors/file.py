"""Files of vectors as values: JSON, XML, gzip of either; everything else is text or octets that we do not run."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meterworks.assess.vectors.verdict import Mismatch, NotRun

__all__ = ["FILE_SIZE_MAX", "VectorFile", "vector_files"]

FILE_SIZE_MAX: Final = 64 << 20
_GZIP: Final = b"\x1f\x8b"
_PROSE: Final = frozenset({".md", ".rst", ".txt", ".csv", ".license"})
_BINARY_REASON: Final = "octets without a stated meaning"


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorFile:
    """A file of a folder of vectors. id: its path below the folder, with forward slashes."""

    path: Path
    id: str

    @property
    def stem(self) -> str:
        """The file's name without any of its endings."""
        return self.path.name.split(".", 1)[0]

    def content(self) -> Any:
        """Give the JSON value, or the XML as bytes.

        Raises Mismatch where the file is broken, NotRun where it holds no vector.
        """
        octets = self._octets()
        text = octets.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] == b"<":
            return text
        if text[:1] not in (b"{", b"["):
            if self.path.suffix.lower() == ".json":
                raise Mismatch("not a JSON document")
            raise NotRun("prose" if self.path.suffix.lower() in _PROSE else _BINARY_REASON)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Mismatch(f"not a JSON document: {error}") from error

    def _octets(self) -> bytes:
        try:
            if self.path.stat().st_size > FILE_SIZE_MAX:
                raise NotRun(f"more than {FILE_SIZE_MAX} octets")
            octets = self.path.read_bytes()
            if not octets.startswith(_GZIP):
                return octets
            with gzip.open(self.path) as opened:
                octets = opened.read(FILE_SIZE_MAX + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise Mismatch(f"not readable: {error}") from error
        if len(octets) > FILE_SIZE_MAX:
            raise NotRun(f"more than {FILE_SIZE_MAX} octets when unpacked")
        return octets


def vector_files(folder: Path) -> Iterator[VectorFile]:
    """Give the files of a folder at any depth, in the order of their paths; a single file stands for itself."""
    if folder.is_file():
        yield VectorFile(path=folder, id=folder.name)
        return
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield VectorFile(path=path, id=name.as_posix())
