"""A meter of short names behind the verbs of logical names, with a client made of a table."""

import pytest
from tests.unit.system.meter.fake_meter import CLOCK, ENERGY, SWITCH

from meterworks.protocols import ServiceRefused
from meterworks.protocols.dlms import (
    AttributeAddress,
    DataAccessResult,
    EntrySelection,
    MethodAddress,
    ObisCode,
    Parameterised,
    Variable,
    encode_array,
    encode_enum,
    encode_integer,
    encode_long,
    encode_null,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import ObjectListEntry, encode_short_name_list
from meterworks.system.meter.objects import ObjectBook, read_book
from meterworks.system.meter.reading import read_values
from meterworks.system.meter.short_name import ShortNameMeter

BASES = {(12, "0.0.40.0.0.255", 2): 0xFA00, (3, ENERGY, 0): 0x1000, (8, CLOCK, 0): 0x2BC0, (70, SWITCH, 0): 0x3000}
LISTED = tuple(
    ObjectListEntry(class_id=class_id, version=version, obis_code=ObisCode(code), short_name=base)
    for (class_id, code, version), base in BASES.items()
)
ENERGY_VALUE = AttributeAddress(3, ObisCode(ENERGY), 2)


def rights_of(base, attributes):
    rows = [encode_structure(encode_integer(number), encode_enum(mode), encode_null()) for number, mode in attributes]
    return encode_structure(
        encode_long(base - 0x10000 if base >= 0x8000 else base), encode_array(rows), encode_array([])
    )


class TableClient:
    """Answers READ and WRITE by short name out of a table; asked: what it was asked for."""

    server_title = b"MWR\0\0\0\0\1"

    def __init__(self, *, rights=True):
        self.values = {
            0xFA08: encode_short_name_list(LISTED),
            0x1008: encode_unsigned(7),
            0x1010: b"\x02\x02\x0f\x01\x16\x1e",
        }
        if rights:
            self.values[0xFA10] = encode_array([rights_of(0x1000, [(2, 1), (3, 1)]), rights_of(0x2BC0, [(2, 3)])])
        self.asked = []

    def read(self, names, *, progress=None):
        self.asked += names
        return [self.values.get(name.name, DataAccessResult.OBJECT_UNDEFINED) for name in names]

    def write(self, items, *, progress=None):
        results = []
        for name, value in items:
            self.asked.append((name, value))
            self.values[name.name] = value
            results.append(DataAccessResult.SUCCESS if name.name < 0xF000 else DataAccessResult.READ_WRITE_DENIED)
        return results

    def release(self):
        return True


@pytest.fixture
def client():
    return TableClient()


@pytest.fixture
def meter(client):
    return ShortNameMeter(client)


def test_attributes_lie_at_the_base_name_plus_eight_each(meter, client):
    assert meter.get(ENERGY_VALUE) == encode_unsigned(7)
    assert client.asked[-1] == Variable(0x1008)
    assert meter.server_title == client.server_title
    assert meter.release()


def test_the_object_list_is_asked_for_once_and_given_by_logical_names(meter, client):
    book = read_book(meter)
    assert {(entry.class_id, str(entry.obis_code)) for entry in book.entries} == {key[:2] for key in BASES}
    energy = book.entry(ObisCode(ENERGY))
    assert energy is not None
    assert energy.attribute_rights(2).readable
    assert not energy.attribute_rights(2).writable
    meter.get(ENERGY_VALUE)
    assert sum(name == Variable(0xFA08) for name in client.asked) == 1


def test_a_meter_that_hides_its_rights_is_read_all_the_same():
    client = TableClient(rights=False)
    book = read_book(ShortNameMeter(client))
    assert book.find("1.8.0").address == ENERGY_VALUE


def test_values_come_in_their_units_and_together(meter, client):
    book = ObjectBook(identity="x", entries=read_book(meter).entries)
    alone = read_values(meter, [book.find("1.8.0")], book)
    assert (alone[0].number, alone[0].scaler.unit) == (70, 30)
    client.asked.clear()
    assert meter.get_list([ENERGY_VALUE, AttributeAddress(3, ObisCode(ENERGY), 3)]) == [
        encode_unsigned(7), b"\x02\x02\x0f\x01\x16\x1e",
    ]  # fmt: skip


def test_a_selection_goes_as_a_parameterised_name(meter, client):
    selection = EntrySelection(from_entry=1, to_entry=2)
    meter.get(ENERGY_VALUE, selection)
    name = client.asked[-1]
    assert isinstance(name, Parameterised)
    assert (name.name, name.selector, bytes((name.selector,)) + name.parameter) == (0x1008, 2, selection.to_bytes())


def test_writes_and_methods_go_to_their_names(meter, client):
    meter.set(AttributeAddress(8, ObisCode(CLOCK), 2), encode_unsigned(1))
    assert client.asked[-1] == (Variable(0x2BC8), encode_unsigned(1))
    assert meter.action(MethodAddress(3, ObisCode(ENERGY), 1), encode_integer(0)) is None
    assert client.asked[-1] == (Variable(0x1028), encode_integer(0))
    meter.action(MethodAddress(8, ObisCode(CLOCK), 1))
    assert client.asked[-1] == (Variable(0x2BC0 + 0x60), b"\x00")


@pytest.mark.parametrize(
    "work",
    [
        lambda meter: meter.get(AttributeAddress(3, ObisCode("9.9.9.9.9.9"), 2)),
        lambda meter: meter.get(AttributeAddress(8, ObisCode(CLOCK), 2)),
        lambda meter: meter.action(MethodAddress(3, ObisCode(ENERGY), 9)),
        lambda meter: meter.set(AttributeAddress(12, ObisCode("0.0.40.0.0.255"), 2), b"\x00"),
    ],
)
def test_what_has_no_name_or_is_refused_is_a_refusal_with_its_number(meter, work):
    with pytest.raises(ServiceRefused) as caught:
        work(meter)
    assert isinstance(caught.value.facts["result"], int)


@pytest.mark.parametrize("results", [[], [b"\x00", b"\x00"]])
def test_answers_of_another_number_are_refused(meter, client, results):
    meter.entries()
    client.read = lambda names, *, progress=None: results
    client.write = lambda items, *, progress=None: [DataAccessResult.SUCCESS] * len(results)
    with pytest.raises(ServiceRefused, match="results"):
        meter.get(ENERGY_VALUE)
    with pytest.raises(ServiceRefused, match="results"):
        meter.set(ENERGY_VALUE, b"\x00")
