"""DUIS requests of the reference set: each is read, validated by our table and by the schema, and written again."""

from importlib import resources
from pathlib import Path

import pytest
from lxml import etree

from meterworks.companions.gb.duis import (
    Document,
    compile_table,
    read_document,
    read_request,
    write_document,
    write_request,
)

XSD = Path("vectors") / "gb" / "xsd"


def documents(shared_folder: Path, *folders: str) -> dict[str, bytes]:
    """The XML files of some folders of the set, by name."""
    root = shared_folder / "vectors" / "gb"
    found = {path.name: path.read_bytes() for folder in folders for path in sorted((root / folder).iterdir())
             if path.suffix.lower() == ".xml"}  # fmt: skip
    if not found:
        pytest.skip(f"no DUIS documents in {root}")
    return found


def canonical(xml: bytes) -> bytes:
    """Inclusive canonical form, with comments."""
    octets: bytes = etree.tostring(etree.fromstring(xml), method="c14n")
    return octets


@pytest.fixture(scope="module")
def requests(shared_folder) -> dict[str, bytes]:
    return documents(shared_folder, "duis")


@pytest.fixture(scope="module")
def all_documents(shared_folder) -> dict[str, bytes]:
    return documents(shared_folder, "duis", "duis_signed")


@pytest.fixture(scope="module")
def schema_folder(shared_folder) -> Path:
    folder: Path = shared_folder / XSD
    if not folder.is_dir():
        pytest.skip(f"no schema at {folder}")
    return folder


def test_every_document_comes_out_with_the_same_canonical_form(all_documents):
    for name, xml in all_documents.items():
        assert canonical(write_document(read_document(xml))) == canonical(xml), name


def test_every_request_is_the_same_when_it_is_written_and_read_again(requests):
    for name, xml in requests.items():
        request = read_request(xml)
        assert read_request(write_request(request)) == request, name
        assert write_document(Document(root=read_document(xml).root)) == write_request(request), name


def test_the_table_in_the_wheel_is_the_one_of_the_schema(schema_folder):
    values, structures = compile_table(schema_folder)
    folder = resources.files("meterworks.companions.gb.duis")
    assert (folder / "value_types.csv").read_text() == values
    assert (folder / "structures.csv").read_text() == structures
