"""Whatever a shipment file holds, reading it gives rows or an error of our tree, never anything else."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.errors import MeterworksError
from meterworks.registry import SHIPMENT_COLUMNS, InvalidValueError, ShipmentError
from meterworks.registry.shipment_file import read_rows
from meterworks.registry.shipment_row import shipment_device
from meterworks.trust import wrap_key

TRANSPORT_KEY = bytes(range(16))
WRAPPED = wrap_key(TRANSPORT_KEY, bytes(16)).hex()
GOOD = {
    "csv": (
        "identity,serial,manufacturer,model,firmware,medium,phases,address,guek,gak\r\n"
        f'4d57530000000001,MW1,"Meter, works",MW-E1,1.0,electricity,1,127.0.0.1:4059,{WRAPPED},{WRAPPED}\r\n'
    ),
    "json": (
        '{"schema":"meterworks-shipment","version":1,"devices":[{"identity":"4d57530000000001","serial":"MW1",'
        '"manufacturer":"Meterworks","model":"MW-E1","firmware":"1.0","medium":"electricity","phases":1,'
        f'"address":"127.0.0.1:4059","guek":"{WRAPPED}","gak":"{WRAPPED}"}}]}}'
    ),
    "xml": (
        "<shipment><device><identity>4d57530000000001</identity><serial>MW1</serial><manufacturer>M</manufacturer>"
        "<model>E1</model><firmware>1</firmware><medium>electricity</medium><phases>1</phases>"
        f"<address>127.0.0.1:4059</address><guek>{WRAPPED}</guek><gak>{WRAPPED}</gak></device></shipment>"
    ),
}
formats = st.sampled_from(sorted(GOOD))


def take(data, format_):
    """Read a file as the import does, as far as no database is needed; gives how many rows were taken."""
    taken = 0
    try:
        rows = read_rows(data, format_)
    except ShipmentError:
        return taken
    for row in rows:
        if row.problem is not None:
            continue
        try:
            shipment_device(row.values, TRANSPORT_KEY)
        except InvalidValueError:
            continue
        taken += 1
    return taken


@pytest.mark.parametrize("format_", GOOD)
def test_the_files_the_mutations_start_from_are_good(format_):
    assert take(GOOD[format_].encode(), format_) == 1


@settings(max_examples=300)
@given(st.binary(max_size=400), formats)
def test_random_octets_are_refused_quietly(data, format_):
    assert take(data, format_) == 0


@settings(max_examples=500)
@given(st.data(), formats)
def test_a_good_file_with_octets_changed_is_read_or_refused(data, format_):
    octets = bytearray(GOOD[format_].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(octets)))
        end = min(len(octets), start + data.draw(st.integers(0, 20)))
        octets[start:end] = data.draw(st.binary(max_size=20))
    assert take(bytes(octets), format_) <= 2


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(SHIPMENT_COLUMNS), st.text(max_size=60)))
def test_any_text_in_any_column_is_taken_or_refused(values):
    try:
        shipment_device(values, TRANSPORT_KEY)
    except MeterworksError as error:
        assert str(error)


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["devices", "schema", "version", *SHIPMENT_COLUMNS]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_json_document_is_read_or_refused(document):
    try:
        data = orjson.dumps(document)
    except orjson.JSONEncodeError:
        return
    assert take(data, "json") == 0
    assert take(b'{"devices":' + data + b"}", "json") == 0
