"""Who has to originate the message of a request, and which certificate travels with it."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.companions.gb.correlate.sample import (
    BROKER,
    CARRIER,
    COUNTER,
    METER,
    USER,
    element,
    message,
    request,
    situation,
    texts,
)

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import Element
from meterworks.companions.gb.correlate.envelope import Sender, check_envelope, sender_of
from meterworks.protocols.gbcs import OtherInformation

READ = Element("ReadSupplyStatus")
BY_USER = Sender(USER, COUNTER)
FOR_USER = Sender(BROKER, 1300, USER, COUNTER)


@pytest.mark.parametrize(
    ("variant", "originator", "facts", "sender"),
    [
        ("7.4", USER, {}, BY_USER),
        ("7.4", USER, {"knows_originator": False}, FOR_USER),
        ("6.21", USER, {}, Sender(BROKER, 1300)),
        ("6.24.1", USER, {}, Sender(BROKER, 1300)),
        ("8.12.2", BROKER, {}, Sender(BROKER, COUNTER)),
        ("11.2", BROKER, {"user": USER}, FOR_USER),
        ("6.23", USER, {"change_of_supplier": CARRIER, "change_of_supplier_counter": 6}, Sender(CARRIER, 6)),
    ],
)
def test_who_sends(variant, originator, facts, sender):
    assert sender_of(request(variant, READ, originator=originator), situation(**facts), 0x0052) == sender


@pytest.mark.parametrize(
    ("variant", "code", "device", "sender"),
    [
        ("4.6.2", 0x0035, DeviceKind.ESME, FOR_USER),
        ("11.2", 0x0129, DeviceKind.HCALCS, FOR_USER),
        ("6.2.4", 0x0092, DeviceKind.CHF, FOR_USER),
        ("8.8.2", 0x000F, DeviceKind.PPMID, FOR_USER),
        ("6.15.1", 0x0102, DeviceKind.CHF, BY_USER),
    ],
)
def test_what_the_broker_alone_may_cause_it_sends_whatever_the_device_knows(variant, code, device, sender):
    assert sender_of(request(variant, READ), situation(device), code) == sender


def spoken_for(**facts: Any) -> OtherInformation:
    fields: dict[str, Any] = {"message_code": 0x0052, "supplementary_party": USER, "supplementary_counter": COUNTER}
    return OtherInformation(**(fields | facts))


def test_the_broker_speaks_for_a_user_under_both_counters():
    asked = request("7.4", READ)
    sent = message(0x0052, b"", originator=BROKER, counter=1300, other=spoken_for())
    check_envelope(asked, sent, FOR_USER)
    with pytest.raises(RequestMismatchError, match=r"supplementary counter: 1002 was asked, 1003 was found"):
        check_envelope(asked, replace(sent, other=spoken_for(supplementary_counter=1003)), FOR_USER)


def test_the_readers_certificate_travels_with_the_broker():
    certificate = bytes(range(200))
    key = texts(KAPublicSecurityCredentials=base64.b64encode(certificate).decode())
    asked = request("4.17", element("RetrieveDailyConsumptionLog", *key))
    sent = message(0x0060, b"", originator=BROKER, counter=1300, other=spoken_for(certificate=certificate))
    check_envelope(asked, sent, FOR_USER)
    with pytest.raises(RequestMismatchError, match="certificate of the reader"):
        check_envelope(asked, replace(sent, other=spoken_for(certificate=certificate[1:])), FOR_USER)
    with pytest.raises(RequestMismatchError, match="certificate of the reader"):
        check_envelope(request("4.17", READ), sent, FOR_USER)


def test_a_certificate_that_is_no_base64_is_refused():
    asked = request("4.17", element("RetrieveDailyConsumptionLog", *texts(KAPublicSecurityCredentials="?!")))
    sent = message(0x0060, b"", originator=BROKER, counter=1300, other=spoken_for())
    with pytest.raises(RequestMismatchError, match="not base64"):
        check_envelope(asked, sent, FOR_USER)


def test_a_message_to_another_device_is_refused_before_anything_else():
    with pytest.raises(RequestMismatchError) as caught:
        check_envelope(request("7.4", READ), message(0x0052, b"", recipient=bytes(8), counter=1), BY_USER)
    assert caught.value.facts == {"path": "recipient", "asked": METER, "found": bytes(8)}
