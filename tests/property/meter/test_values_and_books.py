"""Properties of what people write and of what meters say: round trips, and only our own errors for anything else."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.system.meter.fake_meter import ENTRIES, FakeMeter
from tests.unit.system.meter.image_meter import INSTANCE, ImageMeter

from meterworks.errors import MeterworksError
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import AttributeAddress, BitString, DataValue, ObisCode, Tag, decode_all, encode, end_of
from meterworks.protocols.dlms.cosem import CLASSES
from meterworks.system import ConfigurationError
from meterworks.system.meter.image import ImagePlan, ImageStatus, image_steps, run_steps
from meterworks.system.meter.objects import ObjectBook, Wanted
from meterworks.system.meter.reading import ReadValue, value_document, value_row
from meterworks.system.meter.value import change_text, plain_json, typed_json, value_from_text

QUICK = settings(max_examples=80, deadline=None)


def number(tag, low, high):
    return st.builds(DataValue, st.just(tag), st.integers(low, high))


SIMPLE = st.one_of(
    st.just(DataValue(Tag.NULL)),
    st.builds(DataValue, st.just(Tag.BOOLEAN), st.booleans()),
    number(Tag.INTEGER, -128, 127),
    number(Tag.LONG, -(2**15), 2**15 - 1),
    number(Tag.DOUBLE_LONG, -(2**31), 2**31 - 1),
    number(Tag.LONG64, -(2**63), 2**63 - 1),
    number(Tag.UNSIGNED, 0, 255),
    number(Tag.LONG_UNSIGNED, 0, 2**16 - 1),
    number(Tag.DOUBLE_LONG_UNSIGNED, 0, 2**32 - 1),
    number(Tag.LONG64_UNSIGNED, 0, 2**64 - 1),
    number(Tag.ENUM, 0, 255),
    st.builds(DataValue, st.just(Tag.FLOAT64), st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(DataValue, st.just(Tag.OCTET_STRING), st.binary(max_size=20)),
    st.builds(DataValue, st.just(Tag.VISIBLE_STRING), st.text(st.characters(codec="ascii"), max_size=20)),
    st.builds(DataValue, st.just(Tag.UTF8_STRING), st.text(st.characters(codec="utf-8"), max_size=20)),
    st.builds(DataValue, st.just(Tag.BIT_STRING), st.text("01", max_size=20).map(BitString.from_text)),
)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.builds(
        DataValue, st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]), st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=12,
)


@QUICK
@given(VALUES)
def test_what_is_shown_typed_is_written_back_to_the_same_octets(value):
    encoded = encode(value)
    shown = json.dumps(typed_json(encoded))
    assert value_from_text(f"json:{shown}") == encoded
    assert value_from_text(f"raw:{encoded.hex()}") == encoded


@QUICK
@given(VALUES)
def test_any_value_is_shown_to_people_and_as_json(value):
    encoded = encode(value)
    assert json.dumps(plain_json(decode_all(encoded), date_times=True))
    assert len(change_text(encoded, encoded)) < 400


@QUICK
@given(st.text(max_size=40), st.none() | VALUES.map(encode))
def test_any_text_is_a_value_or_a_mistake(text, present):
    try:
        encoded = value_from_text(text, present=present)
    except ConfigurationError as error:
        assert str(error)
        return
    assert end_of(encoded) == len(encoded)


@QUICK
@given(st.binary(max_size=60))
def test_any_octets_are_shown_or_refused(octets):
    try:
        shown = typed_json(octets)
    except DecodeError:
        return
    assert json.dumps(shown)


@QUICK
@given(st.sampled_from(sorted(CLASSES)), st.integers(1, 20), st.binary(max_size=60))
def test_any_answer_of_any_attribute_is_shown(key, attribute, octets):
    class_id, version = key
    wanted = Wanted(AttributeAddress(class_id, ObisCode("1.0.1.8.0.255"), attribute), version, "name")
    try:
        decode_all(octets)
        error = ""
    except DecodeError as reason:
        error = str(reason)
    read = ReadValue(wanted=wanted, encoded=octets, error=error)
    assert json.dumps(value_document(read))
    assert set(value_row(read)) == {"object", "name", "attribute", "value", "unit"}


@QUICK
@given(st.text(st.sampled_from("0123456789.-:*/ abcclock"), max_size=30))
def test_any_subject_is_an_attribute_or_a_mistake(text):
    book = ObjectBook(identity="x", entries=ENTRIES)
    try:
        wanted = book.find(text)
    except ConfigurationError as error:
        assert str(error)
        return
    assert wanted.name


@settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=1, max_size=60),
    st.integers(1, 12),
    st.dictionaries(st.integers(0, 60), st.integers(1, 2), max_size=10),
    st.booleans(),
)
def test_an_image_arrives_whatever_is_lost_twice_at_most(image, block_size, lost, has_bitmap):
    meter = ImageMeter(block_size=block_size, has_bitmap=has_bitmap)
    if not has_bitmap:
        lost = dict(list(lost.items())[:2])  # each gap costs a round where only the first one is told
    meter.lost.update(lost)
    plan = ImagePlan(image=image, identifier=b"id", instance=INSTANCE)
    report = run_steps(meter, image_steps(plan), sleep=lambda _seconds: None)
    assert meter.image == image
    assert report.status is ImageStatus.ACTIVATED
    assert report.sent >= report.blocks


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=12), min_size=7, max_size=7))
def test_a_meter_that_answers_anything_ends_an_update_with_our_errors(answers):
    meter = ImageMeter()
    meter.get = lambda address, *rest: answers[address.attribute - 1]
    steps = image_steps(ImagePlan(image=bytes(20), identifier=b"id", instance=INSTANCE))
    waits = []
    try:
        run_steps(meter, steps, sleep=waits.append)
    except MeterworksError as error:
        assert str(error)
    assert len(waits) < 1000


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_an_object_list_of_anything_is_refused_with_our_errors(octets):
    from meterworks.system.meter.objects import read_book

    meter = FakeMeter({(15, "0.0.40.0.0.255", 2): octets})
    try:
        book = read_book(meter)
    except MeterworksError as error:
        assert str(error)
        return
    assert isinstance(book.entries, tuple)
