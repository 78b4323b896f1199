"""The record of a request: what it says, and that it only grows."""

import json
from datetime import UTC, datetime

import pytest
from tests.unit.companions.gb.duis.sample import METER, SUPPLIER, request
from tests.unit.companions.gb.duis.test_response import message, response

from meterworks.catalogue import Role
from meterworks.companions.errors import RequestError
from meterworks.companions.gb import RequestId
from meterworks.companions.gb.duis import AnomalyDecision, IssuerSerial, RecordedResponse, ServiceAudit

SIGNER = IssuerSerial("CN=U1,OU=07", 2**100)
AT = datetime(2030, 1, 31, 10, tzinfo=UTC)


def opened() -> ServiceAudit:
    return ServiceAudit.of(request(), role=Role.IMPORT_SUPPLIER, signer=SIGNER, received_at=AT)


def test_a_record_is_opened_with_the_request_and_grows_with_its_responses():
    first = opened()
    second = first.with_response(response(message(), code="I99"), time=AT)
    third = second.with_response(response(message()), time=AT, message_hash=b"\x01" * 32)
    assert first.responses == ()
    assert [one.code for one in third.responses] == ["I99", "I0"]
    assert third.responses[1] == RecordedResponse(code="I0", time=AT, message_hash=b"\x01" * 32)
    assert third.anomaly is AnomalyDecision.NOT_CHECKED


def test_a_response_to_another_request_is_not_recorded():
    other = response(message(), request_id=RequestId(METER, SUPPLIER, 1))
    with pytest.raises(RequestError, match="answers 00-DB"):
        opened().with_response(other, time=AT)


def test_a_time_without_a_zone_is_refused():
    naive = AT.replace(tzinfo=None)
    with pytest.raises(RequestError, match="zone"):
        ServiceAudit.of(request(), role=Role.IMPORT_SUPPLIER, signer=SIGNER, received_at=naive)
    with pytest.raises(RequestError, match="zone"):
        opened().with_response(response(message()), time=naive)


def test_a_record_says_all_of_it_in_json():
    record = opened().with_response(response(message()), time=AT, message_hash=b"\x0a" * 32)
    form = json.loads(json.dumps(record.to_json()))
    assert form == {
        "request_id": "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1000",
        "originator": "90-B3-D5-1F-30-01-00-00",
        "role": "import_supplier",
        "certificate_issuer": "CN=U1,OU=07",
        "certificate_serial": str(2**100),
        "variant": "5.2",
        "command_variant": 8,
        "received_at": "2030-01-31T10:00:00+00:00",
        "responses": [{"code": "I0", "time": "2030-01-31T10:00:00+00:00", "message_hash": "0a" * 32}],
        "anomaly": "not-checked",
        "message_hashes": [],
        "pre_command": None,
        "command": None,
    }
