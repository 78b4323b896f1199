"""Object lists by logical and by short names: decoded with rights, encoded to the same octets, hostile ones refused."""

import pytest

from meterworks.devices import METER_MODELS
from meterworks.protocols.dlms import (
    ObisCode,
    encode_array,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import (
    READ,
    READ_WRITE,
    AccessRights,
    ObjectListEntry,
    decode_object_list,
    decode_short_name_list,
    decode_short_name_rights,
    encode_object_list,
    encode_short_name_list,
)
from meterworks.protocols.errors import DecodeError

CLOCK = ObjectListEntry(
    class_id=8, version=0, obis_code=ObisCode("0.0.1.0.0.255"),
    attributes={1: READ, 2: READ_WRITE, 3: AccessRights(READ_WRITE | 4)},
    methods={1: AccessRights(1), 6: AccessRights(5)},
)  # fmt: skip
PROFILE = ObjectListEntry(
    class_id=7, version=1, obis_code=ObisCode("1.0.99.1.0.255"), attributes={1: READ, 2: READ, -1: READ},
    methods={2: AccessRights(0)}, selectors={2: (1, 2)},
)  # fmt: skip


def association(version):
    return ObjectListEntry(class_id=15, version=version, obis_code=ObisCode("0.0.40.0.0.255"), attributes={2: READ})


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_list_comes_back_as_it_was_with_the_version_it_names(version):
    entries = (CLOCK, PROFILE, association(version))
    encoded = encode_object_list(entries, version)
    assert decode_object_list(encoded) == entries
    assert decode_object_list(encoded, version) == entries


def test_version_0_writes_methods_as_booleans():
    encoded = encode_object_list([CLOCK], 0)
    assert encoded.endswith(bytes.fromhex("0102 02020f010301 02020f060301".replace(" ", "")))
    (entry,) = decode_object_list(encoded, 0)
    assert entry.method_rights(6).executable
    assert entry.attribute_rights(3) == READ_WRITE


def test_version_3_keeps_what_protection_a_request_needs():
    signed = ObjectListEntry(
        class_id=70, version=0, obis_code=ObisCode("0.0.96.3.10.255"), attributes={2: AccessRights(0b00100101)},
        methods={1: AccessRights(0b10010001)},
    )  # fmt: skip
    (entry, _) = decode_object_list(encode_object_list([signed, association(3)], 3))
    assert entry == signed
    assert entry.method_rights(1).request_protection == 4
    assert entry.attribute_rights(2).response_protection == 1
    assert entry.attribute_rights(9) == 0
    assert entry.interface_class.name == "Disconnect control"


@pytest.mark.parametrize("model", METER_MODELS.values(), ids=lambda model: model.name)
def test_lists_of_our_models_are_read_and_written_alike(model):
    for encoded in model.object_lists.values():
        entries = decode_object_list(encoded)
        version = next(entry.version for entry in entries if entry.class_id == 15)
        assert encode_object_list(entries, version) == encoded
        assert all(not entry.interface_class.generic for entry in entries)


ROW = (encode_long_unsigned(8), encode_unsigned(0), encode_octet_string(bytes(6)))
NO_ONE_S_RIGHTS = encode_structure(encode_array([]), encode_array([]))
MODE_9 = encode_structure(encode_integer(1), encode_enum(9), encode_null())


@pytest.mark.parametrize(
    "encoded",
    [
        encode_null(),
        encode_array([encode_null()]),
        encode_array([encode_structure(*ROW)]),
        encode_array([encode_structure(*ROW, encode_structure(encode_null(), encode_null()))]),
        encode_array([encode_structure(*ROW[:2], encode_octet_string(b"short"), NO_ONE_S_RIGHTS)]),
        encode_array([encode_structure(*ROW, encode_structure(encode_array([encode_null()]), encode_array([])))]),
        encode_array([encode_structure(*ROW, encode_structure(encode_array([]), encode_array([encode_null()])))]),
        encode_array([encode_structure(*ROW, encode_structure(encode_array([MODE_9]), encode_array([])))]),
        b"\x01\x85\xff\xff\xff\xff\xff",
        b"",
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_object_list_is_refused(encoded):
    with pytest.raises(DecodeError):
        decode_object_list(encoded)
    with pytest.raises(DecodeError):
        decode_short_name_list(encoded)


SHORT = ObjectListEntry(class_id=8, version=0, obis_code=ObisCode("0.0.1.0.0.255"), short_name=0x2BC0)
OWN = ObjectListEntry(class_id=12, version=2, obis_code=ObisCode("0.0.40.0.0.255"), short_name=0xFA00)


def test_short_names_are_written_signed_and_read_unsigned():
    encoded = encode_short_name_list([SHORT, OWN, CLOCK])
    assert bytes.fromhex("10fa00") in encoded
    assert decode_short_name_list(encoded) == (SHORT, OWN)


@pytest.mark.parametrize(("version", "mode", "rights"), [(2, 3, 3), (3, 6, 7), (4, 0x27, 0x27)])
def test_rights_by_short_names_join_the_list(version, mode, rights):
    attribute = encode_structure(encode_integer(2), encode_enum(mode), encode_null())
    method = encode_structure(encode_integer(1), encode_enum(1))
    row = encode_structure(bytes.fromhex("102bc0"), encode_array([attribute]), encode_array([method]))
    clock, own = decode_short_name_rights(encode_array([row]), (SHORT, OWN), version)
    assert clock.attribute_rights(2) == rights
    assert clock.method_rights(1).executable
    assert clock.short_name == SHORT.short_name
    assert own == OWN
    for wrong in (encode_null(), encode_array([encode_null()])):
        with pytest.raises(DecodeError):
            decode_short_name_rights(wrong, (SHORT,), version)
