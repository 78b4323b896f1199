"""Requests in and out: the header, and what the schema cannot say of it."""

import pytest
from tests.unit.companions.gb.duis.sample import HEADER, METER, SUPPLIER, document, request

from meterworks.catalogue.gb import load_service_requests
from meterworks.companions.errors import RequestError
from meterworks.companions.gb import CommandVariant, Element, RequestId
from meterworks.companions.gb.duis import check_request, read_request, write_request

SEQUENCE = "<sr:FirstInSequence>1</sr:FirstInSequence>"
PRECEDING = (
    "<sr:PrecedingServiceRequestID>90-b3-d5-1f-30-01-00-00:00-DB-12-34-56-78-90-A0:999</sr:PrecedingServiceRequestID>"
)


def test_a_request_is_read():
    assert read_request(document()) == request()


def test_the_order_of_requests_is_read_and_written():
    xml = document(header=HEADER.replace("<sr:CommandVariant>", f"{SEQUENCE}{PRECEDING}<sr:CommandVariant>"))
    found = read_request(xml)
    assert found.is_first_in_sequence is True
    assert found.preceding == RequestId(SUPPLIER, METER, 999)
    assert read_request(write_request(found)) == found
    with pytest.raises(RequestError, match="FirstInSequence"):
        read_request(
            document(header=HEADER.replace("<sr:CommandVariant>", f"{PRECEDING}{SEQUENCE}<sr:CommandVariant>"))
        )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"is_first_in_sequence": False},
        {"preceding": RequestId(METER, SUPPLIER, 2**64 - 1)},
        {"schema_version": "5.10"},
        {"request_id": RequestId(bytes(8), b"\xff" * 8, 0)},
    ],
)
def test_a_request_is_the_same_when_it_is_written_and_read_again(changes):
    assert read_request(write_request(request(**changes))) == request(**changes)


def test_every_variant_goes_with_a_signed_pre_command_and_its_own_body_only():
    signed = Element("SignedPreCommand", children=(Element("GBCSPayload", "3wkB"),))
    for variant, row in load_service_requests().items():
        facts = {"reference": row.reference, "variant": variant}
        asked = request(signed, **facts, command_variant=CommandVariant.SEND_SIGNED)
        assert read_request(write_request(asked)) == asked
        with pytest.raises(RequestError, match="command variant 1 does not go"):
            check_request(request(signed, **facts, command_variant=CommandVariant.SEND))
        with pytest.raises(RequestError, match=f"the one of {variant} is {row.body}"):
            check_request(request(Element("Other"), **facts))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"variant": "5.3", "reference": "5.3"}, "ReadSchedule stands in the body; the one of 5.3 is DeleteSchedule"),
        ({"reference": "5.3"}, "does not belong"),
        ({"variant": "99.9"}, "does not belong"),
        ({"command_variant": CommandVariant.SEND_SIGNED}, "command variant 5"),
        ({"schema_version": "x"}, "schema version"),
        ({"body": Element("ReadSchedule")}, "is missing"),
        ({"body": Element("ReadSchedule", children=(Element("DSPScheduleID", "-1"),))}, "-1 is not a number"),
    ],
)
def test_a_request_at_odds_with_itself_is_refused_both_ways(changes, fault):
    with pytest.raises(RequestError, match=fault):
        write_request(request(**changes))
    with pytest.raises(RequestError, match=fault):
        check_request(request(**changes))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">5.2</sr:ServiceReferenceVariant", ">5.3</sr:ServiceReferenceVariant"),
        (">8<", ">5<"),
        (">8<", ">10<"),
        (":1000<", ":18446744073709551616<"),
        (":1000<", ":01<"),
        ("90-B3", "90B3"),
        ('schemaVersion="5.4"', 'schemaVersion="1e2"'),
        ('schemaVersion="5.4"', 'schemaVersion="-5.4"'),
        ('schemaVersion="5.4"', ""),
    ],
)
def test_a_header_that_says_nonsense_is_refused(old, new):
    assert old.encode() in document()
    with pytest.raises(RequestError):
        read_request(document().replace(old.encode(), new.encode()))


def test_a_response_is_no_request():
    xml = document().replace(b"sr:Request ", b"sr:Response ").replace(b"/sr:Request>", b"/sr:Response>")
    with pytest.raises(RequestError):
        read_request(xml)
