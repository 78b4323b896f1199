"""The JSON form: numbers, lists, attributes and choices; and what is no request in it."""

import json

import pytest
from tests.unit.companions.gb.duis.sample import request

from meterworks.companions.errors import RequestError
from meterworks.companions.gb import Element
from meterworks.companions.gb.duis import (
    Response,
    request_from_json,
    request_to_json,
    response_from_json,
    response_to_json,
)

SCHEDULE = {
    "schemaVersion": "5.4",
    "Header": {
        "RequestID": "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1000",
        "CommandVariant": 8,
        "ServiceReference": "5.2",
        "ServiceReferenceVariant": "5.2",
    },
    "Body": {"ReadSchedule": {"DSPScheduleID": 123}},
}
BOOST = Element(
    "AddAuxiliaryLoadToBoostButton",
    children=tuple(Element("AddToBoostButton", "1", (), {"index": str(number)}) for number in range(1, 6)),
)


def test_a_request_has_a_json_form_and_comes_back_from_it():
    assert request_to_json(request()) == SCHEDULE
    assert request_from_json(json.loads(json.dumps(SCHEDULE))) == request()


def test_repeated_leaves_with_attributes_are_a_list_of_objects():
    asked = request(BOOST, reference="7.9", variant="7.9", command_variant=1)
    form = request_to_json(asked)
    assert form["Body"] == {
        "AddAuxiliaryLoadToBoostButton": {
            "AddToBoostButton": [{"index": number, "value": True} for number in range(1, 6)]
        }
    }
    back = request_from_json(form)
    assert [child.text for child in back.body.children] == ["true"] * 5
    assert request_to_json(back) == form


def test_the_order_of_the_keys_means_nothing():
    turned = {key: SCHEDULE[key] for key in ("Body", "schemaVersion", "Header")}
    assert request_from_json(turned) == request()


def test_a_version_is_no_number():
    assert request_to_json(request(schema_version="5.10"))["schemaVersion"] == "5.10"
    with pytest.raises(RequestError, match="in quotes"):
        request_from_json(SCHEDULE | {"schemaVersion": 5.4})


def changed(**body) -> dict:
    return SCHEDULE | {"Body": body}


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        (None, "an object"),
        ([], "an object"),
        ({}, "an object"),
        ({"schemaVersion": "5.4"}, "Header is missing"),
        (SCHEDULE | {"more": 1}, "Request/more: more is not known"),
        (SCHEDULE | {"Header": []}, "Request/Header: an object"),
        (changed(), "is missing"),
        (changed(ReadSchedule=None), "ReadSchedule: an object"),
        (changed(ReadSchedule={}), "DSPScheduleID or DeviceID is missing"),
        (changed(ReadSchedule={"DSPScheduleID": "123"}), "DSPScheduleID: a whole number is expected"),
        (changed(ReadSchedule={"DSPScheduleID": 1.5}), "DSPScheduleID: a whole number is expected"),
        (changed(ReadSchedule={"DSPScheduleID": True}), "DSPScheduleID: a whole number is expected"),
        (changed(ReadSchedule={"DSPScheduleID": -1}), "-1 is not a number from 0"),
        (changed(ReadSchedule={"DSPScheduleID": [1]}), "a whole number is expected"),
        (
            changed(ReadSchedule={"DSPScheduleID": 1, "DeviceID": "00-DB-12-34-56-78-90-A0"}),
            "DeviceID stands too often, out of order or beside",
        ),
        (changed(ReadSchedule={"DSPScheduleID": 1, "index": 1}), "index is not known"),
        (changed(ReadSchedule={"DSPScheduleID": 1}, DeleteSchedule={"DSPScheduleID": 1}), "no place|too often"),
        (changed(AddAuxiliaryLoadToBoostButton={"AddToBoostButton": {}}), "a list is expected"),
        (changed(AddAuxiliaryLoadToBoostButton={"AddToBoostButton": []}), "is missing"),
        (changed(AddAuxiliaryLoadToBoostButton={"AddToBoostButton": [{"index": 1}]}), "value: true or false"),
        (changed(AddAuxiliaryLoadToBoostButton={"AddToBoostButton": [{"value": True}]}), "attribute index is missing"),
        (changed(AddAuxiliaryLoadToBoostButton={"AddToBoostButton": [True]}), r"AddToBoostButton\[1\]: an object"),
    ],
)
def test_what_is_no_request_is_refused_with_its_path(form, fault):
    with pytest.raises(RequestError, match=fault) as refused:
        request_from_json(form)
    assert str(refused.value.facts["path"]).startswith("Request")


def test_a_request_that_is_none_has_no_json_form():
    with pytest.raises(RequestError, match="is missing"):
        request_to_json(request(Element("ReadSchedule")))


def test_a_signature_inside_a_response_is_xml_in_a_string():
    signature = Element("ds:Signature", children=(Element("ds:SignatureValue", "QUJD"),))
    alert = Element(
        "S1SPAlert",
        children=(Element("S1SPAlertCode", "1"), Element("DateTime", "2030-01-31T10:00:00Z"), signature),
        attributes={"schemaVersion": "5.4"},
    )
    body = Element(
        "DCCAlertMessage",
        children=(
            Element("DCCAlertCode", "N42"),
            Element("DCCAlert", children=(Element("S1SPAlertDSP", children=(alert,)),)),
        ),
    )
    said = Response(code="I0", time="2030-01-31T10:00:00Z", body=body)
    form = response_to_json(said)
    assert response_from_json(form) == said
    assert "SignatureValue" in json.dumps(form)
    with pytest.raises(RequestError, match="XML in a string"):
        response_from_json(json.loads(json.dumps(form).replace('"ds:Signature": "', '"ds:Signature": 1, "x": "')))
