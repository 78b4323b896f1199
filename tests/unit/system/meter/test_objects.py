"""Finding objects by what people write, keeping them, showing them."""

import json

import pytest
from tests.unit.system.meter.fake_meter import (
    CLOCK,
    DEMAND,
    ENERGY,
    ENTRIES,
    GAS,
    OBJECT_LIST,
    PROFILE,
    FakeMeter,
    entry,
)

from meterworks.protocols.dlms import ScalerUnit
from meterworks.protocols.dlms.cosem import READ, AccessRights
from meterworks.system import ConfigurationError
from meterworks.system.meter.objects import (
    ObjectBook,
    book_of,
    explicit_attribute,
    load_dump,
    object_document,
    object_tree,
    read_book,
    rights_text,
    save_dump,
)


@pytest.fixture
def book():
    return ObjectBook(identity="x", entries=ENTRIES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.8.0", (3, ENERGY, 2)),
        ("1.8", (3, ENERGY, 2)),
        ("1-0:1.8.0.255", (3, ENERGY, 2)),
        ("1.0.1.8.0.255/3", (3, ENERGY, 3)),
        ("1.8.0/scaler_unit", (3, ENERGY, 3)),
        ("3/1.0.1.8.0.255/3", (3, ENERGY, 3)),
        ("99/1.2.3.4.5.6/1", (99, "1.2.3.4.5.6", 1)),
        ("clock", (8, CLOCK, 2)),
        ("Clock", (8, CLOCK, 2)),
        ("clock/status", (8, CLOCK, 4)),
        ("1.0.0", (8, CLOCK, 2)),
        ("99.1.0", (7, PROFILE, 2)),
        ("disconnect", (70, "0.0.96.3.10.255", 2)),
        ("24.2.1", (4, GAS, 2)),
        ("1.4.0/last_average_value", (5, DEMAND, 3)),
    ],
)
def test_an_attribute_is_found_by_what_is_written(book, text, found):
    wanted = book.find(text)
    address = wanted.address
    assert (address.class_id, str(address.obis_code), address.attribute) == found
    assert wanted.name
    assert wanted.attribute_name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("9.9.9", "shows this client no object"),
        ("clock/128", "from -128 to 127"),
        ("clock/-129", "from -128 to 127"),
        ("clock/--5", "has no attribute"),
        ("clock/1111111111111", "from -128 to 127"),
        ("power", "fits 2 objects"),
        ("", "neither"),
        ("300.1.1", "neither"),
        ("frobnicator", "neither"),
        ("1.8.0/frob", "3 scaler_unit"),
        ("3/1.0.1.8.0.255/500", "CLASS/OBIS/NUMBER"),
        ("x/1.0.1.8.0.255/2", "CLASS/OBIS/NUMBER"),
    ],
)
def test_what_is_not_found_is_told_with_what_there_is(book, text, told):
    with pytest.raises(ConfigurationError, match=told):
        book.find(text)


def test_short_codes_mean_electricity_of_the_meter_itself_first():
    entries = (entry(3, "7.1.1.8.0.255"), entry(3, "1.1.1.8.0.255"), entry(3, "0.0.1.8.0.255"), entry(3, ENERGY))
    assert str(ObjectBook("x", entries).find("1.8.0").address.obis_code) == ENERGY
    assert str(ObjectBook("x", entries[:3]).find("1.8.0").address.obis_code) == "0.0.1.8.0.255"
    with pytest.raises(ConfigurationError, match="fits 2 objects"):
        ObjectBook("x", entries[:2]).find("1.8.0")


def test_many_candidates_are_not_all_shown():
    entries = tuple(entry(3, f"1.{number}.1.8.0.255") for number in range(1, 30))
    with pytest.raises(ConfigurationError, match="and 21 more"):
        ObjectBook("x", entries).find("1.8.0")


def test_only_triples_are_explicit():
    assert explicit_attribute("1.8.0") is None
    assert explicit_attribute("1.8.0/2") is None
    assert explicit_attribute("3/1.8.0.0/2") is not None


@pytest.mark.parametrize(
    ("text", "scaler"), [("1.8.0", ScalerUnit(-2, 30)), ("clock", None), ("1.8.0/3", None), ("24.2.1", None)]
)
def test_scalers_are_asked_for_once(book, text, scaler):
    meter = FakeMeter()
    address = book.find(text).address
    assert book.scaler(meter, address) == scaler
    assert book.scaler(meter, address) == scaler
    assert len(meter.asked) <= 1


# --- keeping --------------------------------------------------------------------------------------------------------


def test_the_object_list_is_kept_per_meter_and_client(tmp_path):
    meter = FakeMeter()
    first = book_of(meter, client=2, cache=tmp_path)
    meter.asked.clear()
    again = book_of(meter, client=2, cache=tmp_path)
    assert again.entries == first.entries
    assert OBJECT_LIST not in meter.asked
    book_of(meter, client=1, cache=tmp_path)
    assert OBJECT_LIST in meter.asked
    assert len(list(tmp_path.iterdir())) == 2


def test_another_meter_at_the_same_address_is_recognised(tmp_path):
    book_of(FakeMeter(), client=2, cache=tmp_path)
    other = FakeMeter(title=b"MWR\0\0\0\0\2")
    book_of(other, client=2, cache=tmp_path)
    assert OBJECT_LIST in other.asked


def test_a_meter_that_does_not_say_who_it_is_is_always_asked(tmp_path):
    meter = FakeMeter({(1, "0.0.42.0.0.255", 2): None}, title=None)
    for _ in range(2):
        book_of(meter, client=16, cache=tmp_path)
    assert meter.asked.count(OBJECT_LIST) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    assert book_of(FakeMeter(), client=2, cache=tmp_path / "file" / "cache").entries
    assert book_of(FakeMeter(), client=2, cache=None).entries


def test_a_dump_keeps_entries_rights_and_scalers(tmp_path):
    meter = FakeMeter()
    book = read_book(meter)
    book.scaler(meter, book.find("1.8.0").address)
    book.scaler(meter, book.find("24.2.1").address)
    path = tmp_path / "dump.json"
    save_dump(book, path)
    kept = load_dump(path)
    assert (kept.identity, kept.entries, kept.scalers) == (book.identity, book.entries, book.scalers)
    assert json.loads(path.read_text())["objects"][0]["name"] == "logical device name"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": "meterworks-objects-1"}',
        '{"format": "meterworks-objects-1", "identity": "", "list": "zz", "scalers": {}}',
        '{"format": "meterworks-objects-1", "identity": "", "list": "0102", "scalers": {}}',
        '{"format": "meterworks-objects-1", "identity": "", "list": "0100", "scalers": {"a": [1]}}',
    ],
)
def test_a_file_that_is_no_dump_is_told(tmp_path, content):
    path = tmp_path / "dump.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"dump\.json"):
        load_dump(path)


# --- showing --------------------------------------------------------------------------------------------------------


def test_rights_are_told_as_ranges():
    clock = next(each for each in ENTRIES if each.class_id == 8)
    assert rights_text(clock) == "r 1-9  w 2"
    protected = entry(3, ENERGY, attributes=(1,))
    mixed = {1: READ, 2: AccessRights(1 | 4), 3: AccessRights(1 | 4), 5: READ}
    assert rights_text(type(protected)(class_id=3, version=0, obis_code=protected.obis_code, attributes=mixed)) == (
        "r 1,2-3!,5"
    )
    assert rights_text(entry(3, ENERGY, attributes=())) == ""


def test_objects_stand_by_medium_and_purpose():
    tree = object_tree(ENTRIES)
    assert list(tree) == ["abstract", "abstract, channel 1", "electricity"]
    assert set(tree["electricity"]) == {"measured values", "profiles and logs"}
    assert [each.class_id for each in tree["abstract"]["supply control"]] == [70]


def test_an_unknown_class_is_told_by_numbers():
    document = object_document(entry(8192, "0.0.128.0.0.255", 7, methods=(1,)))
    assert (document["class"], document["version"]) == (8192, 7)
    assert document["attributes"]
