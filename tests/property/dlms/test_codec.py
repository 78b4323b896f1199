"""Properties of the codecs: what is encoded comes back, and no octets make anything but a value or a DecodeError."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meterworks.protocols.dlms import (
    BitString,
    CosemDateTime,
    DataValue,
    ObisCode,
    Tag,
    decode,
    decode_all,
    decode_apdu,
    decode_selection,
    decode_typed,
    encode,
    end_of,
)
from meterworks.protocols.dlms.length import decode_length, encode_length
from meterworks.protocols.errors import DecodeError, EncodeError

SIGNED = {Tag.INTEGER: 8, Tag.LONG: 16, Tag.DOUBLE_LONG: 32, Tag.LONG64: 64, Tag.BCD: 8, Tag.DELTA_INTEGER: 8}
UNSIGNED = {Tag.UNSIGNED: 8, Tag.LONG_UNSIGNED: 16, Tag.DOUBLE_LONG_UNSIGNED: 32, Tag.LONG64_UNSIGNED: 64, Tag.ENUM: 8}


def signed(tag: Tag, bits: int) -> st.SearchStrategy[DataValue]:
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1).map(lambda value: DataValue(tag, value))


def unsigned(tag: Tag, bits: int) -> st.SearchStrategy[DataValue]:
    return st.integers(0, (1 << bits) - 1).map(lambda value: DataValue(tag, value))


leaves = st.one_of(
    *(signed(tag, bits) for tag, bits in SIGNED.items()),
    *(unsigned(tag, bits) for tag, bits in UNSIGNED.items()),
    st.binary(max_size=300).map(lambda value: DataValue(Tag.OCTET_STRING, value)),
    st.text(st.characters(max_codepoint=127), max_size=40).map(lambda value: DataValue(Tag.VISIBLE_STRING, value)),
    st.text(max_size=40).map(lambda value: DataValue(Tag.UTF8_STRING, value)),
    st.text("01", max_size=40).map(lambda bits: DataValue(Tag.BIT_STRING, BitString.from_text(bits))),
    st.booleans().map(lambda value: DataValue(Tag.BOOLEAN, value)),
    st.floats(width=32, allow_nan=False).map(lambda value: DataValue(Tag.FLOAT32, value)),
    st.floats(allow_nan=False).map(lambda value: DataValue(Tag.FLOAT64, value)),
    st.just(DataValue(Tag.NULL)),
)
values = st.recursive(
    leaves,
    lambda inner: st.builds(
        DataValue, st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]), st.lists(inner, max_size=5).map(tuple)
    ),
    max_leaves=20,
)


@given(values, st.binary(max_size=8))
def test_values_come_back_and_end_where_they_end(value: DataValue, behind: bytes) -> None:
    octets = encode(value)
    assert decode_typed(octets + behind) == (value, len(octets))
    assert end_of(octets + behind) == len(octets)
    assert decode(octets + behind)[1] == len(octets)


def outcome(read: Any, octets: bytes) -> int | None:
    """Give where a reader ends, or None where it refuses."""
    try:
        return int(read(octets)[1])
    except DecodeError:
        return None


@given(st.binary(max_size=400))
def test_garbage_is_a_value_or_refused_and_both_views_agree(octets: bytes) -> None:
    assert outcome(decode, octets) in (outcome(decode_typed, octets), None)
    typed = outcome(decode_typed, octets)
    if typed is not None:
        assert end_of(octets) == typed


@given(values, st.data())
def test_truncated_values_are_refused(value: DataValue, data: st.DataObject) -> None:
    octets = encode(value)
    cut = data.draw(st.integers(0, len(octets) - 1))
    for read in (decode, decode_typed):
        assert outcome(read, octets[:cut]) is None


@given(st.binary(min_size=1, max_size=400))
def test_any_apdu_is_a_message_or_refused(octets: bytes) -> None:
    try:
        message = decode_apdu(octets)
    except DecodeError:
        return
    assert decode_apdu(message.to_bytes()) == message


@given(st.binary(max_size=100))
def test_any_selection_is_one_or_refused(octets: bytes) -> None:
    try:
        selection = decode_selection(octets)
    except DecodeError:
        return
    assert decode_selection(selection.to_bytes()) == selection


@given(st.binary(min_size=12, max_size=12))
def test_date_times_come_back(octets: bytes) -> None:
    try:
        moment = CosemDateTime.from_bytes(octets)
    except DecodeError:
        return
    assert moment.to_bytes() == octets


@given(st.integers(0, 0xFFFF_FFFF))
def test_lengths_come_back(length: int) -> None:
    octets = encode_length(length)
    assert decode_length(octets, 0) == (length, len(octets))


@given(st.text(max_size=30))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    try:
        code = ObisCode(text)
    except EncodeError:
        return
    assert ObisCode(str(code)) == code == ObisCode(code.text)


@given(st.lists(st.integers(0, 255), min_size=3, max_size=60))
def test_compact_arrays_never_run_away(octets: list[int]) -> None:
    try:
        value = decode_all(b"\x13" + bytes(octets))
    except DecodeError:
        return
    assert len(value) <= len(octets)
