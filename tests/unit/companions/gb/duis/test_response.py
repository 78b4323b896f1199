"""Responses in and out, of each kind of body."""

import pytest
from tests.unit.companions.gb.duis.sample import METER, SUPPLIER, document

from meterworks.companions.errors import RequestError
from meterworks.companions.gb import Element, RequestId
from meterworks.companions.gb.duis import Response, read_request, read_response, write_response
from meterworks.companions.gb.duis.document import read_document

PAYLOAD = Element("GBCSPayload", "3wkB")
DEVICE = Element("DeviceID", "00-DB-12-34-56-78-90-A0")
REFERENCES = (Element("ServiceReference", "5.2"), Element("ServiceReferenceVariant", "5.2"))


def message(*children: Element) -> Element:
    return Element("ResponseMessage", children=(*REFERENCES, *children))


def response(body: Element, **changes) -> Response:
    facts = {
        "request_id": RequestId(SUPPLIER, METER, 1000),
        "response_id": RequestId(METER, SUPPLIER, 1000),
        "code": "I0",
        "time": "2030-01-31T10:00:00.000Z",
        "body": body,
    }
    return Response(**(facts | changes))


BODIES = {
    "payload": (message(PAYLOAD), b"\xdf\x09\x01"),
    "nothing": (message(), None),
    "pre-command": (
        message(Element("PreCommand", children=(Element("GBCSVersion", "4.3"), PAYLOAD))),
        b"\xdf\x09\x01",
    ),
    "local": (message(Element("LocalCommand", children=(PAYLOAD,))), b"\xdf\x09\x01"),
    "dated": (
        message(
            Element(
                "FutureDatedDeviceAlertMessage",
                children=(
                    Element("FutureDatedAlertCode", "8F66"),
                    PAYLOAD,
                    Element("InstructionNumber", "1"),
                    Element("TotalCommandInstructions", "6"),
                ),
            )
        ),
        b"\xdf\x09\x01",
    ),
    "schedule": (message(Element("DSPScheduleID", "12")), None),
    "alert": (
        Element(
            "DeviceAlertMessage",
            children=(Element("AlertCode", "8F12"), Element("ThrottledAlertCount", "7"), PAYLOAD),
        ),
        b"\xdf\x09\x01",
    ),
    "carrier": (
        Element(
            "DCCAlertMessage",
            children=(
                Element("DCCAlertCode", "N1"),
                Element(
                    "DCCAlert",
                    children=(Element("DSPScheduleRemoval", children=(DEVICE, Element("DSPScheduleID", "12"))),),
                ),
            ),
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_response_is_the_same_when_it_is_written_and_read_again(name):
    body, payload = BODIES[name]
    assert read_response(write_response(response(body))) == response(body)
    assert response(body).payload == payload


def test_what_nobody_asked_has_no_request():
    alert = response(BODIES["alert"][0], request_id=None, response_id=None)
    assert read_response(write_response(alert)) == alert
    assert alert.request_id is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"code": "E9999"}, "'E9999' is none of"),
        ({"time": "yesterday"}, "date and time"),
        ({"schema_version": ""}, "attribute schemaVersion"),
        ({"body": message(PAYLOAD, PAYLOAD)}, "too often|no place"),
        ({"body": Element("OtherMessage")}, "OtherMessage"),
    ],
)
def test_what_the_table_does_not_know_is_not_written(changes, fault):
    with pytest.raises(RequestError, match=fault):
        write_response(response(**({"body": message()} | changes)))


def test_requests_and_responses_are_told_apart():
    with pytest.raises(RequestError, match="Response expected"):
        read_response(document())
    with pytest.raises(RequestError, match="Request expected"):
        read_request(write_response(response(message())))
    assert read_document(write_response(response(message()))).root.name == "Response"
