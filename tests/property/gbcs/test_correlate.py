"""The check on any octets, and on any values: what differs from the request is refused, what agrees is accepted."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.companions.gb.correlate.sample import (
    LIMITS,
    LIMITS_CODE,
    access,
    element,
    limits,
    message,
    refusal,
    request,
    situation,
    texts,
)

from meterworks.companions.gb import Element, Request
from meterworks.companions.gb.correlate import effects_of
from meterworks.companions.gb.correlate.table import load_rows
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import DataValue, Tag
from meterworks.protocols.gbcs import Message

QUICK = settings(max_examples=60, deadline=None)
KNOWN = situation()
NUMBER = st.integers(0, 2**32 - 1)
CODES = sorted(load_rows())
VARIANTS = sorted({variant for rows in load_rows().values() for row in rows for variant in row.variants})
HEADS = st.sampled_from([b"", b"\x01\x09", b"\xd9\x20\x00\x03\xea\x00"])
NAMES = st.sampled_from(["ExecutionDateTime", "Duration", "SpecialDay", "Credit", "Date", "Phase", "LoadLimitPeriod"])
TREES = st.recursive(
    st.builds(Element, NAMES, st.text(max_size=8), st.just(())),
    lambda inner: st.builds(Element, NAMES, st.just(""), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)


def limits_asked(power_w: int, period_s: int, rest_s: int) -> Request:
    leaves = texts(
        ExecutionDateTime="2030-01-15T09:00:00.00Z",
        LoadLimitPeriod=str(period_s),
        LoadLimitPowerThreshold=str(power_w),
        LoadLimitRestorationPeriod=str(rest_s),
        LoadLimitSupplyState="Disable",
    )
    return request("6.4.1", element(LIMITS.name, *leaves))


@QUICK
@given(st.tuples(NUMBER, NUMBER, NUMBER), st.tuples(NUMBER, NUMBER, NUMBER))
def test_equal_values_are_accepted_and_others_refused(asked, sent):
    refused = refusal(limits_asked(*asked), message(LIMITS_CODE, limits(*sent)).to_bytes(), KNOWN)
    assert (refused == "") == (asked == sent)


@QUICK
@given(st.data())
def test_one_altered_octet_of_a_message_is_refused(data):
    octets = bytearray(message(LIMITS_CODE, limits()).to_bytes())
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    # One octet may change and mean the same: truth as FF in place of 01.
    is_truth = bytes(octets) == message(LIMITS_CODE, limits().replace(b"\x03\x01", b"\x03\xff", 1)).to_bytes()
    assert refusal(request("6.4.1", LIMITS), bytes(octets), KNOWN) or is_truth


@QUICK
@given(st.binary(max_size=300))
def test_any_octets_are_refused_and_never_anything_else(octets):
    assert refusal(request("6.4.1", LIMITS), octets, KNOWN)


@QUICK
@given(
    st.sampled_from(CODES), st.binary(max_size=120), st.sampled_from([b"", b"\x01\x09", b"\xd9\x20\x00\x03\xea\x00"])
)
def test_effects_of_any_payload_are_facts_or_an_error(code, payload, head):
    try:
        found = effects_of(message(code, head + payload).to_bytes())
    except DecodeError:
        return
    assert found.message_code == code


@QUICK
@given(
    TREES,
    st.sampled_from(sorted({variant for rows in load_rows().values() for row in rows for variant in row.variants})),
)
def test_any_request_is_compared_or_refused(body, variant):
    """Whatever a request says, the check ends, and ends in its own error: this message serves none of them."""
    sent = message(LIMITS_CODE, limits()).to_bytes()
    assert refusal(request(variant, body), sent, KNOWN)


@QUICK
@given(TREES, st.sampled_from(CODES))
def test_any_request_with_the_code_of_its_use_case_ends_in_the_same_error(body, code):
    row = load_rows()[code][0]
    asked = request(row.variants[0], body)
    known = replace(KNOWN, device=sorted(row.devices)[0], change_of_supplier=KNOWN.broker, change_of_supplier_counter=1)
    sent = Message.from_bytes(message(code, access([("set 1 0-0:1.0.0.255 9", DataValue(Tag.NULL))])).to_bytes())
    for originator, counter in ((sent.originator, 1002), (known.broker, 1300), (known.broker, 1)):
        assert refusal(asked, replace(sent, originator=originator, counter=counter).to_bytes(), known)
