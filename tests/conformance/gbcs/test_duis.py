"""DUIS documents of the reference set: read, judged by table and schema, written again, turned into JSON and back."""

import json
import random
from importlib import resources
from pathlib import Path

import jsonschema_rs
import pytest
from tests.conformance.gbcs.duis_maker import any_request, any_response
from tests.conformance.gbcs.duis_set import canonical, documents, schema_of

from meterworks.catalogue.gb import load_response_codes, load_service_requests
from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis import (
    Document,
    compile_table,
    load_table,
    openapi_components,
    read_document,
    read_request,
    read_response,
    request_from_json,
    request_to_json,
    response_from_json,
    response_to_json,
    validate_schema,
    write_document,
    write_request,
    write_response,
)

SEEDS = 2
RESPONSES = {"ResponseMessage": 12, "DeviceAlertMessage": 2, "DCCAlertMessage": 24, "SMETS1ResponseMessage": 20}


@pytest.fixture(scope="module")
def requests(shared_folder) -> dict[str, bytes]:
    return documents(shared_folder, "duis")


@pytest.fixture(scope="module")
def everything(shared_folder) -> dict[str, bytes]:
    return documents(shared_folder, "duis", "duis_signed")


@pytest.fixture(scope="module")
def schema(shared_folder) -> Path:
    return schema_of(shared_folder)


def test_every_document_comes_out_with_the_same_canonical_form(everything):
    for name, xml in everything.items():
        assert canonical(write_document(read_document(xml))) == canonical(xml), name


def test_every_document_is_valid_by_the_schema_as_it_came_and_as_we_write_it(everything, schema):
    for xml in everything.values():
        validate_schema(xml, schema)
        found = read_document(xml)
        again = write_request(read_request(xml)) if found.root.name == "Request" else write_response(read_response(xml))
        validate_schema(again, schema)
        assert read_document(again).root.children[1] == found.root.children[1]


def test_every_request_is_the_same_when_it_is_written_and_read_again(requests):
    for name, xml in requests.items():
        request = read_request(xml)
        assert read_request(write_request(request)) == request, name
        assert write_document(Document(root=read_document(xml).root)) == write_request(request), name


def test_every_request_is_of_its_service_reference_variant(requests):
    rows = load_service_requests()
    for name, xml in requests.items():
        request = read_request(xml)
        assert rows[request.variant].body == request.body.name, name
        assert (request.command_variant == 4) == rows[request.variant].critical, name


def test_the_table_in_the_wheel_is_the_one_of_the_schema(schema):
    values, structures = compile_table(schema)
    folder = resources.files("meterworks.companions.gb.duis")
    assert (folder / "value_types.csv").read_text() == values
    assert (folder / "structures.csv").read_text() == structures


def test_the_response_codes_are_those_of_the_schema():
    assert list(load_response_codes()) == list(load_table().values["ResponseCode"].choices)


def test_every_request_has_a_json_form_that_the_description_allows_and_that_means_the_same(requests):
    components = openapi_components()
    allowed = jsonschema_rs.Draft202012Validator({"$ref": "#/components/schemas/Request", "components": components})
    for name, xml in requests.items():
        request = read_request(xml)
        form = json.loads(json.dumps(request_to_json(request)))
        assert allowed.is_valid(form), name
        back = request_from_json(form)
        assert request_to_json(back) == form, name
        assert (back.request_id, back.variant, back.body.name) == (
            request.request_id,
            request.variant,
            request.body.name,
        )


def test_every_body_that_the_table_allows_the_schema_allows_too(schema):
    """Also the bodies and branches that no example shows; and what is read is what was written."""
    table = load_table()
    allowed = {
        root: jsonschema_rs.Draft202012Validator(
            {"$ref": f"#/components/schemas/{root}", "components": openapi_components()}
        )
        for root in ("Request", "Response")
    }
    for seed in range(SEEDS):
        chance = random.Random(seed)
        roots = [any_request(table, body, chance) for body in table.bodies]
        roots += [any_response(table, body, chance) for body, count in RESPONSES.items() for _ in range(count)]
        for root in roots:
            xml = write_document(Document(root=root))
            validate_schema(xml, schema)
            assert read_document(xml).root == root
            if root.name == "Response":
                form = json.loads(json.dumps(response_to_json(read_response(xml))))
                assert response_to_json(response_from_json(form)) == form
                assert allowed["Response"].is_valid(form)


def test_a_body_below_the_wrong_variant_is_refused_though_the_schema_allows_it(schema):
    table = load_table()
    root = any_request(table, "ReadSchedule", random.Random(1))
    xml = write_document(Document(root=root))
    validate_schema(xml, schema)
    with pytest.raises(RequestError):
        read_request(xml)
