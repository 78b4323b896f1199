"""Shipment files as rows of text: CSV, JSON and XML read into one form, nothing believed yet.

What is wrong with a row stays with the row; only a file that is none of its format, too large, or with columns
nobody knows is refused whole.
"""

import csv
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

import orjson
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from meterworks.registry.errors import ShipmentError

__all__ = ["SHIPMENT_COLUMNS", "SHIPMENT_ROWS_MAX", "SHIPMENT_SIZE_MAX", "RawRow", "ShipmentFormat", "read_rows"]

ShipmentFormat = Literal["csv", "json", "xml"]

SHIPMENT_SIZE_MAX = 32 * 1024 * 1024  # octets of a file
SHIPMENT_ROWS_MAX = 100_000
FIELD_LENGTH_MAX = 300  # characters of a value; the longest lawful one is a host name with its port
REQUIRED_COLUMNS = ("identity", "serial", "manufacturer", "model", "firmware", "medium")
SHIPMENT_COLUMNS = (
    *REQUIRED_COLUMNS,
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
)
_NUMBERS = frozenset({"phases", "interval_s", "suite"})
_JSON_MEMBERS: Mapping[str, object] = {"schema": "meterworks-shipment", "version": 1}
# Limits checked before a parser takes memory many times the size of the file.
_LINE_ENDS_MAX = 4 * SHIPMENT_ROWS_MAX
_LINE_LENGTH_MAX = 2 * len(SHIPMENT_COLUMNS) * FIELD_LENGTH_MAX
_COMMAS_MAX = 2 * len(SHIPMENT_COLUMNS) * SHIPMENT_ROWS_MAX
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """One row as text by column; or, with `problem`, why it is none."""

    line: int  # line of the file (CSV), or number of the device from 1 (JSON, XML)
    values: Mapping[str, str]
    problem: str | None = None


def read_rows(data: bytes, format_: ShipmentFormat) -> list[RawRow]:
    """Read a shipment file. Raises ShipmentError when it cannot be read as a whole; says where."""
    if len(data) > SHIPMENT_SIZE_MAX:
        raise ShipmentError(f"the file has {len(data)} octets, at most {SHIPMENT_SIZE_MAX} are read: split it")
    reader = _READERS.get(format_)
    if reader is None:
        raise ShipmentError(f"shipments come as {', '.join(_READERS)}, not as {format_!r}")
    rows: list[RawRow] = []
    for row in reader(data):
        if len(rows) == SHIPMENT_ROWS_MAX:
            raise ShipmentError(f"the file has more than {SHIPMENT_ROWS_MAX} devices: split it")
        rows.append(row)
    if not rows:
        raise ShipmentError("the file holds no devices")
    return rows


def _checked_columns(where: str, columns: Iterable[str]) -> None:
    for column in columns:
        if column not in SHIPMENT_COLUMNS:
            near = difflib.get_close_matches(column[:FIELD_LENGTH_MAX], SHIPMENT_COLUMNS, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"known columns: {', '.join(SHIPMENT_COLUMNS)}"
            raise ShipmentError(f"{where} has the column {column[:40]!r}, which is unknown; {advice}")


def _row(line: int, values: Mapping[str, str]) -> RawRow:
    for column, value in values.items():
        if len(value) > FIELD_LENGTH_MAX:
            problem = f"{column} has {len(value)} characters, at most {FIELD_LENGTH_MAX} are read: shorten it"
            return RawRow(line=line, values={}, problem=problem)
    return RawRow(line=line, values={column: value.strip() for column, value in values.items()})


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ShipmentError(f"the file is not UTF-8: octet {error.start} cannot be read; save it as UTF-8") from error


def _csv_rows(data: bytes) -> Iterator[RawRow]:
    """Each line is read by itself, so that a quote left open spoils its own line only."""
    if data.count(b"\n") + data.count(b"\r") > _LINE_ENDS_MAX:
        raise ShipmentError(f"the file has more than {_LINE_ENDS_MAX} line ends: leave empty lines out, or split it")
    lines = _LINE_END.split(_text(data))
    delimiter = ";" if ";" in lines[0] and "," not in lines[0] else ","
    header = _csv_fields(lines[0], delimiter)
    if isinstance(header, str):
        raise ShipmentError(f"line 1, which names the columns, cannot be read: {header}")
    columns = [column.strip() for column in header]
    _check_header(columns)
    for line, text in enumerate(lines[1:], start=2):
        if text.strip():
            yield _csv_row(line, columns, _csv_fields(text, delimiter))


def _check_header(columns: Sequence[str]) -> None:
    _checked_columns("line 1", columns)
    if len(set(columns)) < len(columns):
        raise ShipmentError("line 1 names a column twice: keep one of them")
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        raise ShipmentError(f"line 1 lacks the columns {', '.join(missing)}: the first line names the columns")


def _csv_fields(text: str, delimiter: str) -> list[str] | str:
    """Give the fields of a line, or what is wrong with it."""
    if len(text) > _LINE_LENGTH_MAX:
        return f"{len(text)} characters long"
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return str(error)


def _csv_row(line: int, columns: Sequence[str], cells: list[str] | str) -> RawRow:
    if isinstance(cells, str):
        return RawRow(line=line, values={}, problem=f"the line cannot be read ({cells}): look at its quotes")
    if len(cells) != len(columns):
        problem = f"the line has {len(cells)} fields, line 1 names {len(columns)} columns"
        return RawRow(line=line, values={}, problem=problem)
    return _row(line, dict(zip(columns, cells, strict=True)))


def _json_rows(data: bytes) -> Iterator[RawRow]:
    if data.count(b",") > _COMMAS_MAX:
        raise ShipmentError(f"the file has more than {_COMMAS_MAX} commas: split it")
    try:
        document = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise ShipmentError(f"the file is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("devices"), list):
        raise ShipmentError('a shipment in JSON is an object with an array "devices"')
    for member, lawful in _JSON_MEMBERS.items():
        if document.get(member, lawful) != lawful:
            raise ShipmentError(f"{member!r} has to be {lawful!r}: this file is of another kind or version")
    _refuse_members(document)
    for number, entry in enumerate(document["devices"], start=1):
        yield _json_row(number, entry)


def _refuse_members(document: Mapping[str, object]) -> None:
    for member in document:
        if member != "devices" and member not in _JSON_MEMBERS:
            raise ShipmentError(f"the member {member[:40]!r} is unknown beside {', '.join(_JSON_MEMBERS)} and devices")


def _json_row(number: int, entry: object) -> RawRow:
    if not isinstance(entry, dict):
        return RawRow(line=number, values={}, problem="the entry is no object of columns")
    _checked_columns(f"device {number}", entry)
    values: dict[str, str] = {}
    for column, value in entry.items():
        if value is None:
            continue
        if column in _NUMBERS and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            kind = "a number or text" if column in _NUMBERS else "text: put it in quotes"
            return RawRow(line=number, values={}, problem=f"{column} has to be {kind}")
        values[column] = value
    return _row(number, values)


_COLUMN_DEPTH = 3  # shipment, device, column


def _xml_rows(data: bytes) -> Iterator[RawRow]:
    """The tree is dropped device by device, so that a large file takes little memory."""
    number = 0
    depth = 0
    columns = 0  # of the device being read
    root: Element | None = None
    try:
        for event, element in iterparse(BytesIO(data), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                depth += 1
                columns = columns + 1 if depth == _COLUMN_DEPTH else 0
                root = _checked_root(element) if root is None else root
                _refuse_nesting(depth, columns, element)
                continue
            depth -= 1
            if depth == 1 and root is not None:
                number += 1
                yield _xml_row(number, element)
                root.clear()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ShipmentError(f"the file is not XML as described for shipments: {error}") from error


def _checked_root(element: Element) -> Element:
    if element.tag != "shipment":
        raise ShipmentError(f"the root element is {element.tag[:40]!r}, not 'shipment'")
    return element


def _refuse_nesting(depth: int, columns: int, element: Element) -> None:
    if columns > 2 * len(SHIPMENT_COLUMNS):
        raise ShipmentError(f"a device has more than {2 * len(SHIPMENT_COLUMNS)} columns")
    if depth > _COLUMN_DEPTH:
        raise ShipmentError(f"the element {element.tag[:40]!r} stands inside a column: columns hold text only")
    if element.attrib:
        raise ShipmentError(f"the element {element.tag[:40]!r} has attributes: columns are elements of their own")


def _xml_row(number: int, device: Element) -> RawRow:
    if device.tag != "device":
        raise ShipmentError(f"the element {device.tag[:40]!r} stands among the devices")
    columns = [child.tag for child in device]
    _checked_columns(f"device {number}", columns)
    if len(set(columns)) < len(columns):
        return RawRow(line=number, values={}, problem="a column stands in the device twice: keep one of them")
    return _row(number, {child.tag: child.text or "" for child in device})


_READERS: Mapping[str, Callable[[bytes], Iterator[RawRow]]] = {"csv": _csv_rows, "json": _json_rows, "xml": _xml_rows}
