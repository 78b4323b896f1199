"""The table of structures: what its rows may say, and what the one in the wheel holds."""

import pytest

from meterworks.catalogue.gb import load_carrier_alerts, load_service_requests
from meterworks.companions.errors import SchemaError
from meterworks.companions.gb.duis import Structure, ValueType, load_table, read_table
from meterworks.companions.gb.duis.table import ElementPart, GroupPart

VALUES = "name,kind,low,high,digits,fraction,shortest,longest,pattern,choices\nn,integer,1,9,,,,,,\n"
HEAD = "name,value,attributes,content\n"


def content(text: str) -> GroupPart:
    found = read_table(VALUES, f'{HEAD}e,,,\nx,,,"{text}"\n').structures["x"].content
    assert found is not None
    return found


def test_a_content_is_read_with_order_choice_and_number():
    number = read_table(VALUES, f"{HEAD}x,,,\n").values["n"]
    assert content("A=n").parts == (ElementPart("A", number, 1, 1),)
    assert [(part.low, part.high) for part in content("A=n?, B=n*, C=n+, D=n{2..5}, E=n{3..}").parts] == [
        (0, 1), (0, None), (1, None), (2, 5), (3, None),
    ]  # fmt: skip
    nested = content("A=n?, (B=n | (C=n, D=n)){0..2}, E=n")
    choice = nested.parts[1]
    assert isinstance(choice, GroupPart)
    assert choice.is_choice
    assert (choice.low, choice.high) == (0, 2)
    assert set(nested.first) == {"A", "B", "C", "E"}
    assert set(choice.first) == {"B", "C"}
    assert nested.may_be_empty is False
    assert content("A=n? | B=n").may_be_empty is True


def test_elements_are_listed_in_order_and_those_of_a_repeated_group_repeat():
    structures = read_table(VALUES, f'{HEAD}x,,,"A=n, (B=n | C=n){{1..}}"\n').structures
    assert [(part.name, part.low, part.high) for part in structures["x"].elements] == [
        ("A", 1, 1), ("B", 0, None), ("C", 0, None),
    ]  # fmt: skip


def test_attributes_may_be_required_or_not():
    found = read_table(VALUES, f"{HEAD}x,n,a=n b=n?,\n").structures["x"]
    assert set(found.attributes) == {"a", "b"}
    assert found.required == {"a"}
    assert isinstance(found.value, ValueType)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('x,,,"A=unknown"', "unknown is no row"),
        ('x,,,"A=x"', "stands in itself"),
        ('x,,,"A=n, B=n | C=n"', "in one bracket"),
        ('x,,,"(A=n"', "ends too early"),
        ('x,,,"A=n)"', "closed"),
        ('x,,,"A=n B=n"', "is expected"),
        ('x,,,"A=n; B=n"', "cannot be read"),
        ('x,,,"A=n, A=n"', "at two places"),
        ("x,,A=n,A=n", "at two places"),
        ("x,unknown,,", "no value type"),
        ("x,,a=unknown,", "no value type"),
        ("n,,,", "value type and of a structure"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(row, fault):
    with pytest.raises(SchemaError, match=fault):
        read_table(VALUES, f"{HEAD}{row}\n")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ("name,kind\nn,integer\n", "the columns"),
        ("", "the columns"),
        (VALUES.replace("integer", "number"), "kind 'number'"),
        (VALUES.replace("integer,1", "integer,one"), "value type n"),
        (VALUES.replace(",,,,,,", ",,,,,[,"), "value type n"),
    ],
)
def test_a_value_type_that_cannot_be_right_is_refused(values, fault):
    with pytest.raises(SchemaError, match=fault):
        read_table(values, f"{HEAD}x,,,\n")


def test_the_table_has_the_body_of_every_service_request_and_the_signed_pre_command():
    bodies = {row.body for row in load_service_requests().values()}
    assert len(bodies) == 129
    assert set(load_table().bodies) == bodies | {"SignedPreCommand"}


def test_the_table_has_the_body_of_every_alert_of_the_carrier():
    names = {part.name for part in load_table().structures["DCCAlert"].elements}
    assert names == set(load_carrier_alerts())
    assert len(names) == 24


def test_every_row_of_the_table_is_reached_from_a_request_or_a_response():
    table = load_table()
    reached: set[str] = set()
    found: list[Structure | ValueType] = [table.request, table.response]
    while found:
        one = found.pop()
        if one.name in reached:
            continue
        reached.add(one.name)
        if isinstance(one, Structure):
            found += [part.type for part in one.elements]
            found += [*one.attributes.values()]
            found += [one.value] if one.value is not None else []
    assert reached - {"ds:Signature"} == set(table.values) | set(table.structures)


def test_the_table_is_read_once():
    assert load_table() is load_table()
