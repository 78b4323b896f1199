"""The OpenAPI description: whole, and of the same mind as the table."""

import jsonschema_rs
import pytest
from tests.unit.companions.gb.duis.sample import request
from tests.unit.companions.gb.duis.test_json_form import SCHEDULE, changed

from meterworks.companions.gb.duis import load_table, openapi_components, read_table, request_to_json

COMPONENTS = openapi_components()
VALIDATOR = jsonschema_rs.Draft202012Validator({"$ref": "#/components/schemas/Request", "components": COMPONENTS})
VALUES = "name,kind,low,high,digits,fraction,shortest,longest,pattern,choices\nn,integer,1,9,,,,,,\n"


def of_content(content: str) -> jsonschema_rs.Draft202012Validator:
    """A validator for elements A to E of a content of our own."""
    roots = '"Request","","",""\n"Response","","",""\n'
    table = read_table(VALUES, f'name,value,attributes,content\n{roots}x,,,"{content}"\n')
    schema = {"$ref": "#/components/schemas/x", "components": openapi_components(table)}
    return jsonschema_rs.Draft202012Validator(schema)


def test_every_row_has_a_schema_and_every_reference_resolves():
    schemas = COMPONENTS["schemas"]
    table = load_table()
    assert len(schemas) == len(table.values) + len(table.structures) + 1
    named = set(schemas)
    found = [part for schema in schemas.values() for part in schema.get("properties", {}).values()]
    references = {str(part.get("$ref", part.get("items", {}).get("$ref", ""))) for part in found}
    assert {name.removeprefix("#/components/schemas/") for name in references if name} <= named
    assert all(name.replace("-", "").replace(".", "").replace("_", "").isalnum() for name in named)


def test_a_request_is_valid():
    assert VALIDATOR.is_valid(SCHEDULE)
    assert VALIDATOR.is_valid(request_to_json(request()))


@pytest.mark.parametrize(
    "form",
    [
        {},
        SCHEDULE | {"more": 1},
        SCHEDULE | {"schemaVersion": 5.4},
        {"schemaVersion": "5.4", "Header": SCHEDULE["Header"]},
        changed(),
        changed(ReadSchedule={}),
        changed(ReadSchedule={"DSPScheduleID": -1}),
        changed(ReadSchedule={"DSPScheduleID": "1"}),
        changed(ReadSchedule={"DSPScheduleID": 1, "DeviceID": "00-DB-12-34-56-78-90-A0"}),
        changed(ReadSchedule={"DeviceID": "00-DB"}),
        changed(ReadSchedule={"DSPScheduleID": 1}, DeleteSchedule={"DSPScheduleID": 1}),
    ],
)
def test_what_the_table_refuses_the_description_refuses(form):
    assert not VALIDATOR.is_valid(form)


@pytest.mark.parametrize(
    ("content", "lawful", "unlawful"),
    [
        ("A=n, B=n?", ["A", "AB"], ["", "B", "AC"]),
        ("A=n | B=n", ["A", "B"], ["", "AB"]),
        ("A=n, (B=n | C=n)", ["AB", "AC"], ["A", "ABC", "B"]),
        ("A=n, (B=n | C=n)?", ["A", "AB", "AC"], ["ABC", "B"]),
        ("(A=n, B=n) | (C=n, D=n?)", ["AB", "C", "CD"], ["A", "AC", "ABD", "ABC", ""]),
        ("A=n?, (B=n, C=n)?", ["", "A", "BC", "ABC"], ["B", "AC"]),
        ("A=n?, (B=n, (C=n | D=n))?", ["", "A", "BC", "ABD"], ["B", "C", "BCD"]),
    ],
)
def test_choices_and_groups_are_described(content, lawful, unlawful):
    validator = of_content(content)
    assert [text for text in lawful if not validator.is_valid(dict.fromkeys(text, 1))] == []
    assert [text for text in unlawful if validator.is_valid(dict.fromkeys(text, 1))] == []


def test_repeated_elements_are_lists_of_so_many():
    validator = of_content("A=n{2..3}, B=n*")
    assert validator.is_valid({"A": [1, 2]})
    assert validator.is_valid({"A": [1, 2, 3], "B": []})
    assert not validator.is_valid({"A": [1]})
    assert not validator.is_valid({"A": [1, 2, 3, 4]})
    assert not validator.is_valid({"A": [1, 10]})
    assert not validator.is_valid({"A": 1})
