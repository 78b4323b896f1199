"""The table reader refuses what a typing slip in a table would be."""

import pytest

from meterworks.catalogue import CatalogueError
from meterworks.catalogue._table import checked_obis_code, keyed, rows


def test_rows_are_stripped_and_empty_lines_skipped():
    assert list(rows("\n a | b \n\n c|d\n", 2)) == [("a", "b"), ("c", "d")]


def test_a_row_with_a_wrong_cell_count_is_refused():
    with pytest.raises(CatalogueError, match="3 cells, its table has 2"):
        list(rows("a | b | c", 2))


def test_a_key_standing_twice_is_refused():
    with pytest.raises(CatalogueError, match="stands in the table twice"):
        keyed("letter", ["a", "b", "a"], key=str)


def test_a_table_is_read_only_and_keeps_its_order():
    table = keyed("letter", ["b", "a"], key=str)
    assert list(table) == ["b", "a"]
    with pytest.raises(TypeError):
        table["c"] = "c"  # type: ignore[index]  # that it is refused is the point


@pytest.mark.parametrize("text", ["", "1.0.1.8.0", "1.0.1.8.0.256", "1-0:1.8.0.255", "1.0.1.8.0.255.", "a.0.1.8.0.255"])
def test_what_is_no_obis_code_is_refused(text):
    with pytest.raises(CatalogueError, match="not an OBIS code"):
        checked_obis_code(text)
