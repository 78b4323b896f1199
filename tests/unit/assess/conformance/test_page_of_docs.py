"""The page about the suite lists every test as it is."""

from pathlib import Path

from meterworks.assess.conformance import CLIENT_ROWS, ROWS, Outcome

PAGE = Path(__file__).parents[4] / "docs" / "conformance.md"


def test_the_page_lists_every_test_and_none_besides() -> None:
    listed = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "-" in line[:9]
    ]
    assert sorted(listed) == sorted(f"| {row.id} | {row.title} | {row.clause} |" for row in (*ROWS, *CLIENT_ROWS))


def test_the_page_explains_each_outcome() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [outcome.value for outcome in Outcome if f"| {outcome.value} |" not in text] == []
