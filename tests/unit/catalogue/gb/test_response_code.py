"""Response codes: the table is whole, and says no more than is known."""

import pytest

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import ResponseKind, load_response_codes, load_service_requests

HEAD = "code,kind,reference,meaning,verified\n"


def test_kinds_and_references_follow_the_codes():
    rows = load_response_codes()
    references = {row.reference for row in load_service_requests().values()}
    assert len(rows) == 194
    assert {code for code, row in rows.items() if row.kind is ResponseKind.WARNING} == {
        code for code in rows if code.startswith("W")
    }
    assert rows["I0"].kind is ResponseKind.SUCCESS
    assert rows["I99"].kind is ResponseKind.ACKNOWLEDGED
    assert all(row.kind is ResponseKind.ERROR for code, row in rows.items() if code.startswith("E"))
    assert rows["E050108"].reference == "5.1"
    assert {row.reference for row in rows.values()} - {""} <= references


def test_what_no_two_sources_say_is_not_verified():
    rows = load_response_codes()
    assert {code for code, row in rows.items() if row.verified} == {"I0", "I99"}
    assert all(row.meaning for row in rows.values() if row.verified)
    assert rows["E1011"].meaning == ""


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("M1,error,,ours,maybe", "neither yes nor no"),
        ("M1,error,,ours,", "yes or no"),
        (",error,,ours,yes", "never empty"),
        ("M1,fatal,,ours,yes", "fatal"),
        ("I0,success,,ours,yes", "stands in the table already"),
    ],
)
def test_a_row_of_a_maker_is_checked(tmp_path, row, fault):
    (tmp_path / "response_codes.csv").write_text(f"{HEAD}{row}\n")
    with pytest.raises(CatalogueError, match=fault):
        load_response_codes([tmp_path])


def test_a_maker_may_add_a_code(tmp_path):
    (tmp_path / "response_codes.csv").write_text(f"{HEAD}M1,error,,the maker's own,yes\n")
    assert load_response_codes([tmp_path])["M1"].meaning == "the maker's own"
