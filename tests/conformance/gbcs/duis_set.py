"""The DUIS documents of the reference set, and the schema beside them."""

from pathlib import Path

import pytest
from lxml import etree


def documents(shared_folder: Path, *folders: str) -> dict[str, bytes]:
    """The XML files of some folders of the set, by name."""
    root = shared_folder / "vectors" / "gb"
    paths = [path for folder in folders if (root / folder).is_dir() for path in sorted((root / folder).iterdir())]
    found = {path.name: path.read_bytes() for path in paths if path.suffix.lower() == ".xml"}
    if not found:
        pytest.skip(f"no DUIS documents in {root}")
    return found


def schema_of(shared_folder: Path) -> Path:
    """The folder of the schema."""
    folder = shared_folder / "vectors" / "gb" / "xsd"
    if not folder.is_dir():
        pytest.skip(f"no schema at {folder}")
    return folder


def canonical(xml: bytes) -> bytes:
    """Inclusive canonical form, with comments."""
    octets: bytes = etree.tostring(etree.fromstring(xml), method="c14n")
    return octets
