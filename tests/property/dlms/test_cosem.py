"""Properties of the object model: hostile octets give values or our errors, lists come back as they were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.devices.errors import MalformedValue
from meterworks.devices.selection import parse_selection
from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import ObisCode, encode_array, encode_structure
from meterworks.protocols.dlms.cosem import (
    CLASSES,
    AccessRights,
    ObjectListEntry,
    decode_object_list,
    decode_short_name_list,
    decode_short_name_rights,
    describe,
    encode_object_list,
    encode_short_name_list,
    interface_class,
    read_association_dump,
    shape,
)
from meterworks.protocols.errors import DecodeError

octets = st.binary(max_size=200)
codes = st.binary(min_size=6, max_size=6).map(ObisCode)
numbers = st.integers(-128, 127)
rights = {
    version: st.dictionaries(
        numbers, st.integers(0, 255 if version == 3 else 7).map(lambda bits: AccessRights(bits)), max_size=6
    )
    for version in (2, 3)
}
methods = st.dictionaries(numbers, st.sampled_from([AccessRights(0), AccessRights(1), AccessRights(5)]), max_size=4)


def lawful(entries, version):
    """Rights that the version can say: without a right there is no protection, before version 3 only one kind."""
    return [
        ObjectListEntry(
            class_id=entry.class_id, version=entry.version, obis_code=entry.obis_code, methods=entry.methods,
            selectors=entry.selectors,
            attributes={number: AccessRights(held if version == 3 or held & 3 else 0)
                        for number, held in entry.attributes.items()},
        )
        for entry in entries
    ]  # fmt: skip


@pytest.mark.parametrize("version", [2, 3])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_object_list_comes_back_as_it_was(version, data):
    entry = st.builds(
        ObjectListEntry, class_id=st.integers(0, 0xFFFF), version=st.integers(0, 255), obis_code=codes,
        attributes=rights[version], methods=methods,
        selectors=st.dictionaries(numbers, st.lists(st.integers(0, 9), max_size=3).map(tuple), max_size=0),
    )  # fmt: skip
    entries = tuple(lawful(data.draw(st.lists(entry, max_size=4)), version))
    assert decode_object_list(encode_object_list(entries, version), version) == entries


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(codes, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 255)), max_size=6))
def test_a_list_by_short_names_comes_back_as_it_was(rows):
    entries = tuple(
        ObjectListEntry(obis_code=code, short_name=name, class_id=class_id, version=version)
        for code, name, class_id, version in rows
    )
    assert decode_short_name_list(encode_short_name_list(entries)) == entries


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(octets, octets.map(lambda tail: b"\x01\x01\x02\x04" + tail), octets.map(lambda tail: b"\x01\x02" + tail))
)
def test_no_octets_make_anything_but_a_list_or_our_error(encoded):
    for read in (decode_object_list, decode_short_name_list, lambda data: decode_short_name_rights(data, (), 2)):
        try:
            assert isinstance(read(encoded), tuple)
        except DecodeError as error:
            assert str(error)


@settings(max_examples=60, deadline=None)
@given(octets)
def test_no_octets_make_anything_but_a_selection_or_our_error(encoded):
    try:
        parsed = parse_selection(encoded)
    except MeterworksError as error:
        assert str(error)
    else:
        assert parsed is not None


def test_a_selection_with_more_behind_it_is_refused():
    with pytest.raises(MalformedValue):
        parse_selection(b"\x02" + encode_structure() + b"\0")


@settings(max_examples=60, deadline=None)
@given(octets, st.sampled_from(list(CLASSES.values())))
def test_a_shape_judges_any_octets(encoded, row):
    for attribute in row.attributes:
        verdict = attribute.shape.takes(encoded)
        assert verdict in (True, False)
        assert not verdict or encoded[0] in attribute.tags
    assert not shape("[u8]").takes(encode_array([]) + encoded + b"\0")


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200))
def test_no_text_makes_anything_but_a_dump_or_our_error(text):
    with pytest.raises(DecodeError):
        read_association_dump(text)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 0xFFFF), st.integers(0, 255), codes)
def test_every_class_and_every_code_has_a_row_and_a_name(class_id, version, code):
    row = interface_class(class_id, version)
    assert (row.class_id, row.version) == (class_id, version)
    assert describe(code).strip()
