"""The page on security tells the truth: its tests exist, its words are recorded, its flags are there, all of them."""

import re
from pathlib import Path

from tests.conftest import REPOSITORY

from meterworks.protocols.dlms import SecurityEventKind, Tolerance

PAGE = REPOSITORY / "docs" / "security-dlms.md"


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def defined_tests() -> set[str]:
    return {
        name
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def test_every_test_that_the_page_names_exists() -> None:
    named = {word for row in rows() for word in words(row[-1]) if word.startswith("test_")}
    assert len(named) > 40
    assert named - defined_tests() == set()


def test_every_row_names_a_test() -> None:
    data = [row for row in rows() if row[-1] not in ("shown by",)]
    assert [row[0] for row in data if not any(word.startswith("test_") for word in words(row[-1]))] == []


def test_every_recorded_word_is_in_the_table_and_the_other_way_round() -> None:
    recorded = {word for row in rows() if len(row) == 4 for word in words(row[2])}
    assert recorded == {kind.value for kind in SecurityEventKind}


def test_every_tolerance_is_in_the_table() -> None:
    named = {word for row in rows() if len(row) == 3 for word in words(row[0])}
    assert named == {flag.name for flag in Tolerance}


def test_the_page_names_files_that_are_there() -> None:
    for name in re.findall(r"`(tests/[\w/]+\.py)`", PAGE.read_text()):
        assert (REPOSITORY / name).is_file()
    assert (REPOSITORY / "src/meterworks/protocols/dlms" / Path("security/general.py")).is_file()
