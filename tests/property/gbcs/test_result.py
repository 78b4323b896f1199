"""Any value has a form that gives it back; any response is a result that is the response again, or one DecodeError."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.companions.gb.result.messages import message

from meterworks.companions.gb.result import read_result, result_from_json, result_to_json, write_result
from meterworks.companions.gb.result.asn1_value import read_elements, write_elements
from meterworks.companions.gb.result.form import read_value, write_value
from meterworks.companions.gb.result.moment import PRESENTATIONS
from meterworks.companions.gb.result.zcl import read_payload, write_payload
from meterworks.companions.gb.result.zcl_table import ATTRIBUTES, COMMANDS
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import BitString, DataValue, Tag, encode
from meterworks.protocols.gbcs import MessageKind, ZclFrame

QUICK = settings(max_examples=80, deadline=None)
LEAF = st.one_of(
    st.just(DataValue(Tag.NULL, None)),
    st.booleans().map(lambda flag: DataValue(Tag.BOOLEAN, flag)),
    st.integers(-(2**31), 2**31 - 1).map(lambda number: DataValue(Tag.DOUBLE_LONG, number)),
    st.integers(0, 2**32 - 1).map(lambda number: DataValue(Tag.DOUBLE_LONG_UNSIGNED, number)),
    st.integers(0, 255).map(lambda number: DataValue(Tag.ENUM, number)),
    st.binary(max_size=20).map(lambda octets: DataValue(Tag.OCTET_STRING, octets)),
    st.text("01", max_size=20).map(lambda bits: DataValue(Tag.BIT_STRING, BitString.from_text(bits))),
    st.text(max_size=10).map(lambda text: DataValue(Tag.UTF8_STRING, text)),
    st.floats(width=32).map(lambda number: DataValue(Tag.FLOAT32, number)),
)
VALUE = st.recursive(
    LEAF,
    lambda inner: st.tuples(st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]), st.lists(inner, max_size=4)).map(
        lambda pair: DataValue(pair[0], tuple(pair[1]))
    ),
    max_leaves=12,
)
STRANGE = st.binary(max_size=60)


@QUICK
@given(VALUE)
def test_a_value_comes_back_through_json(value):
    octets = encode(value)
    assert write_value(*json.loads(json.dumps(read_value(octets)))) == octets


@QUICK
@given(st.binary(max_size=40), st.sampled_from([b"", b"\x13\x02\x02\x06\x06", b"\x02\x02", b"\x01\x03", b"\x09\x0c"]))
def test_any_octets_are_a_value_or_refused(tail, head):
    try:
        told = read_value(head + tail)
    except DecodeError:
        return
    assert write_value(*json.loads(json.dumps(told))) == head + tail


@QUICK
@given(st.sampled_from(sorted(PRESENTATIONS)), st.binary(max_size=14) | st.binary(min_size=12, max_size=12))
def test_a_presentation_tells_exactly_or_not_at_all(name, octets):
    told = PRESENTATIONS[name].tell(octets)
    if told is not None:
        assert PRESENTATIONS[name].octets(*told) == octets


@QUICK
@given(st.sampled_from([*COMMANDS, (0x0702, True, 0xEE)]), st.binary(max_size=80))
def test_any_command_of_a_cluster_comes_back(command, payload):
    cluster, from_server, number = command
    frame = ZclFrame(control=0x19 if from_server else 0x11, sequence=0, command=number)
    assert write_payload(cluster, frame, json.loads(json.dumps(read_payload(cluster, frame, payload)))) == payload


@QUICK
@given(st.lists(st.tuples(st.sampled_from(sorted(ATTRIBUTES)), st.binary(min_size=1, max_size=6)), max_size=4), STRANGE)
def test_any_attributes_come_back(rows, tail):
    frame = ZclFrame(control=0x18, sequence=0, command=1)
    payload = b"".join(number.to_bytes(2, "little") + octets for (_, number), octets in rows) + tail
    assert write_payload(0x0702, frame, json.loads(json.dumps(read_payload(0x0702, frame, payload)))) == payload


@QUICK
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"\x30\x08", b"\x02\x01", b"\x18\x0f2015010100", b"\x30\x82\x00\x81"])
)
def test_any_elements_come_back_or_are_refused(tail, head):
    try:
        told, is_wide = read_elements(head + tail)
    except DecodeError:
        return
    assert write_elements(json.loads(json.dumps(told)), is_wide=is_wide) == head + tail


PAYLOAD_HEADS = (b"", b"\xda\x20\x00\x03\xe8\x00\x00", b"\x0f\x20\x00\x03\xe8\x00\x02\x03\x12\x8f\x66\x09\x0c",
                 b"\x01\x09\x01", b"\x01\x09\x01\x8f\x66", b"\x30")  # fmt: skip


@QUICK
@given(
    st.sampled_from([0x0026, 0x0027, 0x0061, 0x00CC, 0x0012, 0x0102, 0x9999]),
    st.sampled_from([MessageKind.RESPONSE, MessageKind.ALERT]),
    st.sampled_from(PAYLOAD_HEADS),
    STRANGE,
)
def test_any_payload_is_a_result_or_refused(code, kind, head, tail):
    octets = message(code, head + tail, kind).to_bytes()
    try:
        result = read_result(octets)
    except DecodeError:
        return
    assert write_result(result) == octets
    assert write_result(result_from_json(json.loads(json.dumps(result_to_json(result))))) == octets
