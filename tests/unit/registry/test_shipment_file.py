"""The three formats give the same rows, and what is wrong with one row stays with it."""

import pytest

from meterworks.registry import SHIPMENT_COLUMNS, SHIPMENT_ROWS_MAX, SHIPMENT_SIZE_MAX, ShipmentError
from meterworks.registry.shipment_file import RawRow, read_rows

HEADER = b"identity,serial,manufacturer,model,firmware,medium\n"
ROW = {
    "identity": "4d57530000000001",
    "serial": "MW1",
    "manufacturer": "Meter, works",
    "model": "MW-E1",
    "firmware": "1",
    "medium": "electricity",
}
CSV = HEADER + b'4d57530000000001,MW1,"Meter, works",MW-E1,1,electricity\n'
JSON = (
    b'{"schema": "meterworks-shipment", "version": 1, "devices": [{"identity": "4d57530000000001", "serial": "MW1",'
    b' "manufacturer": "Meter, works", "model": "MW-E1", "firmware": "1", "medium": "electricity", "kek": null}]}'
)
XML = (
    b"<shipment><device><identity>4d57530000000001</identity><serial>MW1</serial><manufacturer>Meter, works"
    b"</manufacturer><model>MW-E1</model><firmware>1</firmware><medium> electricity </medium></device></shipment>"
)


def xml(text):
    return b"<shipment>" + text + b"</shipment>"


@pytest.mark.parametrize(
    ("data", "format_", "line"),
    [
        (CSV, "csv", 2),
        (b"\xef\xbb\xbf" + CSV, "csv", 2),
        (CSV.replace(b"\n", b"\r\n"), "csv", 2),
        (CSV.replace(b"\n", b"\r"), "csv", 2),
        (CSV.replace(b",", b";").replace(b"Meter;", b"Meter,"), "csv", 2),
        (HEADER + b"\n \n" + CSV.removeprefix(HEADER), "csv", 4),
        (JSON, "json", 1),
        (b"\xef\xbb\xbf" + JSON, "json", 1),
        (XML, "xml", 1),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n' + XML.replace(b"><", b">\n  <"), "xml", 1),
    ],
)
def test_every_format_gives_the_same_row(data, format_, line):
    assert read_rows(data, format_) == [RawRow(line=line, values=ROW)]


@pytest.mark.parametrize(
    ("data", "format_", "reason"),
    [
        (b"", "csv", "lacks the columns identity"),
        (b"serial\n1", "csv", "lacks the columns identity, manufacturer"),
        (HEADER.replace(b"serial", b"seriall"), "csv", "'seriall', which is unknown; did you mean 'serial'"),
        (HEADER.replace(b"serial", b"?"), "csv", "known columns: identity"),
        (HEADER.replace(b"serial", b"model"), "csv", "names a column twice"),
        (b'"identity', "csv", "line 1, which names the columns, cannot be read"),
        (HEADER, "csv", "holds no devices"),
        (b"\xff" + CSV, "csv", "not UTF-8: octet 0"),
        (b"", "json", "not JSON"),
        (b"{", "json", "not JSON"),
        (b"[" * 100_000, "json", "not JSON"),
        (b"[]", "json", 'array "devices"'),
        (b"1", "json", 'array "devices"'),
        (b'{"devices": {}}', "json", 'array "devices"'),
        (b'{"devices": []}', "json", "holds no devices"),
        (b'{"devices": [], "version": 2}', "json", "'version' has to be 1"),
        (b'{"devices": [], "schema": "x"}', "json", "'schema' has to be"),
        (b'{"devices": [], "device": 1}', "json", "'device' is unknown"),
        (b'{"devices": [{"guec": "1"}]}', "json", "the column 'guec', which is unknown; did you mean 'guek'"),
        (b"", "xml", "not XML"),
        (b"<shipment>", "xml", "not XML"),
        (b"<shipment/>", "xml", "holds no devices"),
        (b"<devices/>", "xml", "root element is 'devices'"),
        (xml(b"<meter/>"), "xml", "'meter' stands among the devices"),
        (xml(b"<device><guec/></device>"), "xml", "'guec', which is unknown"),
        (xml(b"<device id='1'/>"), "xml", "has attributes"),
        (xml(b"<device><serial><b/></serial></device>"), "xml", "stands inside a column"),
        (b'<shipment xmlns="urn:x"/>', "xml", "not 'shipment'"),
        (b"<!DOCTYPE shipment><shipment/>", "xml", "not XML as described"),
        (b'<!DOCTYPE s [<!ENTITY a "b">]><shipment>&a;</shipment>', "xml", "not XML as described"),
        (b'<?xml version="1.0" encoding="nonsense"?><shipment/>', "xml", "not XML as described"),
        (b"\0\0\0", "xml", "not XML as described"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_whole_and_says_why(data, format_, reason):
    with pytest.raises(ShipmentError, match=reason):
        read_rows(data, format_)


def test_an_unknown_format_is_refused():
    with pytest.raises(ShipmentError, match="csv, json, xml, not as 'xlsx'"):
        read_rows(CSV, "xlsx")


def test_a_file_that_is_too_large_is_not_even_read():
    with pytest.raises(ShipmentError, match="split it"):
        read_rows(b"x" * (SHIPMENT_SIZE_MAX + 1), "csv")


@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (HEADER + b",,,,,a\n" * (SHIPMENT_ROWS_MAX + 1), "csv"),
        (b'{"devices": [' + b"0," * SHIPMENT_ROWS_MAX + b"0]}", "json"),
        (xml(b"<device/>" * (SHIPMENT_ROWS_MAX + 1)), "xml"),
    ],
    ids=["csv", "json", "xml"],
)
def test_a_file_with_too_many_devices_is_refused(data, format_):
    with pytest.raises(ShipmentError, match="more than 100000 devices"):
        read_rows(data, format_)


@pytest.mark.parametrize(
    ("data", "format_", "reason"),
    [
        (HEADER + b"\n" * 400_001, "csv", "more than 400000 line ends"),
        (b'{"devices": [' + b"0," * 3_800_001 + b"0]}", "json", "more than 3800000 commas"),
        (xml(b"<device>" + b"<serial/>" * 100 + b"</device>"), "xml", "a device has more than 38 columns"),
    ],
    ids=["csv", "json", "xml"],
)
def test_a_file_that_would_grow_in_memory_is_refused_before_it_does(data, format_, reason):
    with pytest.raises(ShipmentError, match=reason):
        read_rows(data, format_)


@pytest.mark.parametrize(
    ("bad", "format_", "reason"),
    [
        (b'1,"2,3,4,5,6\n', "csv", "look at its quotes"),
        (b"1,2,3\n", "csv", "3 fields, line 1 names 6 columns"),
        (b"1,2,3,4,5," + b"6" * 301 + b"\n", "csv", "medium has 301 characters"),
        (b"1,2,3,4,5," + b"6" * 200_000 + b"\n", "csv", "200010 characters long"),
        (b"17", "json", "no object of columns"),
        (b'{"serial": 17}', "json", "serial has to be text: put it in quotes"),
        (b'{"phases": true}', "json", "phases has to be a number or text"),
        (b'{"phases": [1]}', "json", "phases has to be a number or text"),
        (b'{"model": "' + b"x" * 301 + b'"}', "json", "model has 301 characters"),
        (b"<device><serial>1</serial><serial>2</serial></device>", "xml", "stands in the device twice"),
        (b"<device><model>" + b"x" * 301 + b"</model></device>", "xml", "model has 301 characters"),
    ],
)  # fmt: skip
def test_a_bad_row_keeps_its_place_and_leaves_the_next_alone(bad, format_, reason):
    good = {
        "csv": b"a,b,c,d,e,f",
        "json": b'{"serial": "b", "phases": 3}',
        "xml": b"<device><serial>b</serial></device>",
    }
    whole = {
        "csv": HEADER + bad + good["csv"],
        "json": b'{"devices": [' + bad + b"," + good["json"] + b"]}",
        "xml": xml(bad + good["xml"]),
    }
    first, second = read_rows(whole[format_], format_)
    assert reason in (first.problem or "")
    assert first.values == {}
    assert second.problem is None
    assert second.line == first.line + 1
    assert second.values["serial"] == "b"


def test_a_number_in_json_is_taken_where_a_number_belongs():
    (row,) = read_rows(b'{"devices": [{"phases": 3, "interval_s": "900"}]}', "json")
    assert row.values == {"phases": "3", "interval_s": "900"}


def test_the_columns_are_the_documented_ones():
    assert set(ROW) | {
        "scheme",
        "phases",
        "address",
        "connection",
        "interval_s",
        "guek",
        "gak",
        "kek",
        "gbek",
        "hls",
        "suite",
        "usage_point",
        "installed_at",
    } == set(SHIPMENT_COLUMNS)
