"""Items of use cases: every row is read and checked, and fits the use cases; makers add theirs."""

import pytest

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import PayloadKind, Presence, load_use_case_choices, load_use_case_items, load_use_cases

HEAD = (
    "use_case,order,item,protocol,class_id,obis,access,index,member,type,presence,constant,cluster,command,response,"
    "verified\n"
)
ROW = "MAK01,1,Lamp: value,dlms,1,0-0:94.44.200.1,attribute,2,value,boolean,,,,,,no"


def test_every_item_belongs_to_a_use_case_and_stands_in_order():
    cases = {case.use_case for case in load_use_cases().values()}
    items = load_use_case_items()
    assert set(items) <= cases
    assert sum(map(len, items.values())) == 1136
    for rows in items.values():
        assert [row.order for row in rows] == sorted({row.order for row in rows})


def test_every_electricity_command_has_items():
    items = load_use_case_items()
    for rows in load_use_case_choices().values():
        for row in rows:
            if row.payload is PayloadKind.DLMS:
                assert items[row.use_case], row.use_case


def test_a_row_says_where_a_member_stands_and_what_it_is():
    season = load_use_case_items()["ECS01a"][0]
    assert (season.class_id, season.obis, season.index, season.is_method) == (20, "0-0:13.0.0.255", 7, False)
    assert season.member == "season_profile_passive[1..4].season.season_profile_name"
    assert (season.type, season.size_max, season.constant) == ("octet-string", 8, "")
    arm = load_use_case_items()["ECS44"][0]
    assert (arm.is_method, arm.constant) == (True, "54")


def test_presence_tells_optional_members_and_those_of_a_second_element():
    assert load_use_case_items()["ECS57"][0].presence is Presence.OPTIONAL
    twin = [row for row in load_use_case_items()["ECS17d"] if row.presence is Presence.TWIN]
    assert [row.member for row in twin] == ["TOU_register_collection.TOU_secondary_registers[1..4].value"]


def test_makers_add_items(tmp_path):
    (tmp_path / "use_case_items.csv").write_text(HEAD + ROW + "\n")
    assert load_use_case_items([tmp_path])["MAK01"][0].type == "boolean"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("boolean", "truth", "type 'truth'"),
        ("boolean", "octet-string(x)", "type"),
        ("attribute", "event", "attribute or a method"),
        ("boolean,,,", "boolean,,perhaps,", "constant 'perhaps'"),
        ("boolean,,,", "boolean,seldom,,", "seldom"),
        ("Lamp: value", "", "a name"),
        (",no", ",maybe", "neither yes nor no"),
        ("dlms,1,", "dlms,one,", "one"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(old, new, why, tmp_path):
    (tmp_path / "use_case_items.csv").write_text(HEAD + ROW.replace(old, new) + "\n")
    with pytest.raises(CatalogueError, match=why):
        load_use_case_items([tmp_path])
