"""Any octets are a message or a DecodeError; any message comes back as it was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.protocols import DecodeError
from meterworks.protocols.gbcs import COUNTER_MAX, GbzAlert, GbzMessage, Message, MessageKind, OtherInformation, Token
from meterworks.protocols.gbcs.asn1 import PAYLOADS, Asn1Payload

QUICK = settings(max_examples=120, deadline=None)
IDENTITY = st.binary(min_size=8, max_size=8)
COUNTER = st.integers(0, COUNTER_MAX)
CODE = st.integers(0, 0xFFFF)
OTHER = st.one_of(
    st.builds(OtherInformation, message_code=CODE),
    st.builds(OtherInformation, message_code=CODE, supplementary_party=IDENTITY),
    st.builds(OtherInformation, message_code=CODE, supplementary_party=IDENTITY, supplementary_counter=COUNTER),
    st.builds(
        OtherInformation,
        message_code=CODE,
        supplementary_party=IDENTITY,
        supplementary_counter=COUNTER,
        supplementary_originator_counter=COUNTER,
    ),
    st.builds(
        OtherInformation,
        message_code=CODE,
        supplementary_party=IDENTITY,
        supplementary_counter=COUNTER,
        certificate=st.binary(min_size=9, max_size=300),
    ),
)
MESSAGE = st.builds(
    Message,
    kind=st.sampled_from(MessageKind),
    counter=COUNTER,
    originator=IDENTITY,
    recipient=IDENTITY,
    other=OTHER,
    payload=st.binary(max_size=400),
    date_time=st.sampled_from([b"", bytes(12)]),
    signature=st.one_of(st.just(b""), st.binary(min_size=64, max_size=64)),
    mac=st.none() | st.binary(min_size=12, max_size=12),
)


@QUICK
@given(MESSAGE)
def test_a_message_comes_back_as_it_was(message):
    assert Message.from_bytes(message.to_bytes()) == message


@QUICK
@given(MESSAGE, st.data())
def test_a_cut_or_altered_message_is_another_or_refused(message, data):
    octets = bytearray(message.to_bytes())
    place = data.draw(st.integers(0, len(octets) - 1))
    if data.draw(st.booleans()):
        octets[place] = data.draw(st.integers(0, 255))
    else:
        del octets[place:]
    try:
        found = Message.from_bytes(bytes(octets))
    except DecodeError:
        return
    assert found.to_bytes() == octets


@QUICK
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xdf\x09\x01", b"\xdd\x00\x00\x00\x00\x00\x00"]))
def test_any_octets_are_a_message_or_refused(tail, head):
    try:
        found = Message.from_bytes(head + tail)
    except DecodeError:
        return
    assert found.to_bytes() == head + tail


@QUICK
@given(st.binary(max_size=120), st.sampled_from([b"", b"\x01\x09\x01", b"\x01\x09\x01\x8f\x66"]), st.booleans())
def test_any_octets_are_a_gas_payload_or_refused(tail, head, is_alert):
    try:
        found = (GbzAlert if is_alert else GbzMessage).from_bytes(head + tail)
    except DecodeError:
        return
    encoded = found.to_bytes()
    assert type(found).from_bytes(encoded) == found


ASN1_HEADS = (b"", b"\x30\x13\x30\x07\x02\x01\x04\x03\x02\x03\x08", b"\x30\x80", b"\x30\x82\x00\x81")


@QUICK
@given(
    st.sampled_from([*PAYLOADS, 0x9999]),
    st.sampled_from(MessageKind),
    st.sampled_from(ASN1_HEADS),
    st.binary(max_size=90),
)
def test_any_octets_are_an_asn1_payload_or_refused(code, kind, head, tail):
    try:
        found = Asn1Payload.from_bytes(code, kind, head + tail)
    except DecodeError:
        return
    assert found.to_bytes() == head + tail


@QUICK
@given(st.text(max_size=24) | st.text("0123456789", min_size=20, max_size=20))
def test_any_text_is_a_token_or_refused(text):
    try:
        token = Token.from_digits(text)
    except DecodeError:
        return
    assert token.digits == text
