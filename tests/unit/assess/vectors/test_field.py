"""Fields of vectors: several names, several writings, and what is no field."""

from pathlib import Path

import pytest

from meterworks.assess.vectors.field import first, key_ring, needed, number, octets, octets_of, title_or_empty
from meterworks.assess.vectors.file import FILE_SIZE_MAX, VectorFile, vector_files
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.verdict import Mismatch, NotRun

KEY = "00" * 16


@pytest.mark.parametrize("text", ["01ff", "01 FF", "0x01ff", " 01ff\n"])
def test_octets_in_hex(text: str) -> None:
    assert octets_of(text) == b"\x01\xff"


@pytest.mark.parametrize("text", [None, 5, "xyz", "0", ["00"]])
def test_what_is_no_hex_is_told(text: object) -> None:
    with pytest.raises(Mismatch, match="hex digits expected"):
        octets_of(text)


def test_the_first_name_that_is_there_counts() -> None:
    row = {"a": None, "b": "01", "c": "02"}
    assert first(row, "a", "b", "c") == "01"
    assert octets(row, "a", "c", "b") == b"\x02"
    assert octets(row, "a", "x") is None
    assert title_or_empty(row, "a") == b""
    assert needed(row, "x", "c") == b"\x02"
    with pytest.raises(Mismatch, match="no x or y"):
        needed(row, "x", "y")


@pytest.mark.parametrize(("value", "expected"), [(5, 5), ("30", 0x30), ("01ff", 0x1FF)])
def test_numbers(value: object, expected: int) -> None:
    assert number(value) == expected


@pytest.mark.parametrize("value", [None, True, "x", [1]])
def test_what_is_no_number_is_told(value: object) -> None:
    with pytest.raises(Mismatch):
        number(value)


def test_a_ring_holds_the_keys_for_the_titles_named_and_for_any_other() -> None:
    ring = key_ring({"guek": KEY, "gak": None, "client_system_title": "11" * 8, "server_system_title": None})
    assert len(ring) == 2
    assert ring.titles == [b"\x11" * 8]
    assert len(key_ring({"guek": None})) == 0


def test_keys_are_found_in_the_document_of_the_same_name_and_else_published_ones_hold() -> None:
    lookup = Lookup()
    lookup.learn("session", {"guek": KEY, "id": "also", "messages": []})
    lookup.learn("list", [1, 2])
    assert lookup.completed({"id": "session"})["guek"] == KEY
    assert lookup.completed({"id": "also"})["guek"] == KEY
    assert lookup.completed({"id": "other"})["guek"] == bytes(range(16)).hex()
    assert lookup.completed({"id": "session", "guek": "11"})["guek"] == "11"
    assert lookup.completed({"id": 5, "gak": None})["gak"] == bytes(range(0xD0, 0xE0)).hex()


# --- files ----------------------------------------------------------------------------------------------------------


def file_of(path: Path) -> VectorFile:
    return VectorFile(path=path, id=path.name)


def test_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/2.json", "a.json", "b/1.json", ".hidden/x.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    assert [file.id for file in vector_files(tmp_path)] == ["a.json", "b/1.json", "b/2.json"]
    assert [file.stem for file in vector_files(tmp_path / "a.json")] == ["a"]


def test_a_mark_of_the_order_of_octets_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf {}")
    assert file_of(path).content() == {}
    path.write_bytes(b" <a/>")
    assert file_of(path).content() == b"<a/>"


def test_a_file_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="not readable"):
        file_of(tmp_path / "gone.json").content()


def test_nesting_beyond_all_reason_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" * 100_000)
    with pytest.raises(Mismatch, match="not a JSON document"):
        file_of(path).content()


def test_a_file_of_too_many_octets_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as opened:
        opened.truncate(FILE_SIZE_MAX + 1)
    with pytest.raises(NotRun, match="more than"):
        file_of(path).content()
