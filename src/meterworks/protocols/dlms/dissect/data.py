"""A-XDR data as nodes, with what a value probably is: a logical name, a moment, a text, a scaler with its unit."""

from datetime import datetime
from typing import Any, Final

from meterworks.protocols.dlms import data as axdr
from meterworks.protocols.dlms.data import BitString, CompactArray, Tag
from meterworks.protocols.dlms.datetime import CosemDate, CosemDateTime, CosemTime
from meterworks.protocols.dlms.dissect.annotation import annotate_structure, scaler_unit_of
from meterworks.protocols.dlms.dissect.name import TYPE_NAMES
from meterworks.protocols.dlms.dissect.node import Node, Walk, shown, upper
from meterworks.protocols.dlms.dissect.object_name import describe_name
from meterworks.protocols.errors import DecodeError

__all__ = ["moment_text", "pull_date_time", "pull_value"]

_DATE_TIME_SIZE: Final = 12
_NAME_SIZE: Final = 6
_LAST_VALUE_GROUPS: Final = frozenset({0xFF, 0x00, 0x65})
_TEXT_SIZE_MIN: Final = 2
_YEARS_LIKELY: Final = range(1990, 2100)


def pull_value(walk: Walk, depth: int = 0) -> Node:
    """Take one A-XDR value."""
    tag = walk.peek()
    name = TYPE_NAMES.get(tag)
    if name is None:
        raise DecodeError(f"tag {tag} at octet {walk.offset} is no data type", offset=walk.offset)
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        return _pull_items(walk, name, depth)
    if tag == Tag.COMPACT_ARRAY:
        return _pull_compact_array(walk, name)
    start = walk.offset
    value, end = axdr.decode(walk.data, start)
    walk.skip_to(end)
    text, xml = _leaf(tag, value)
    if isinstance(value, float):
        xml = upper(walk.data[start + 1 : end])  # an octet string by the ASN.1
    return walk.add(Node(name, text, start, end - start, xml=xml))


def _pull_items(walk: Walk, name: str, depth: int) -> Node:
    if depth >= axdr.DEPTH_MAX:
        raise DecodeError(f"nested deeper than {axdr.DEPTH_MAX} at octet {walk.offset}", offset=walk.offset)
    with walk.group(name) as node:
        walk.raw(1)
        count = walk.count()
        node.value = f"{count} element{'' if count == 1 else 's'}"
        if count > walk.left:
            raise DecodeError(
                f"{count} elements at octet {walk.offset} cannot be in {walk.left} octets", offset=walk.offset
            )
        for _ in range(count):
            pull_value(walk, depth + 1)
    unit = scaler_unit_of(walk.data[node.offset : walk.offset])
    if unit is not None:
        scaled = f"x 10^{unit.scaler} {unit.symbol}".rstrip() if unit.scaler else (unit.symbol or "no unit")
        node.value += f": {scaled}"
    elif name == "structure":
        annotate_structure(node, walk.data)
    return node


def _pull_compact_array(walk: Walk, name: str) -> Node:
    start = walk.offset
    value, end = axdr.decode_typed(walk.data, start)
    walk.skip_to(end)
    walk.offset = start
    compact: CompactArray = value.value
    with walk.group(name) as node:
        walk.raw(1)
        with walk.group("contents-description", shown(compact.description)):
            _pull_description(walk)
        walk.offset = end - len(compact.contents)
        elements = axdr.decode_all(axdr.encode(value))
        node.value = f"{len(elements)} elements"
        contents = walk.add(Node("array-contents", shown(compact.contents), walk.offset, len(compact.contents)))
        contents.xml = upper(compact.contents)
        for element in elements:
            walk.node = contents
            walk.add(Node("element", plain_text(element), contents.offset, 0, is_wire=True))
        walk.node = node
        walk.offset = end
    return node


def _pull_description(walk: Walk) -> None:
    tag = walk.peek()
    name = TYPE_NAMES.get(tag, f"type-{tag}")
    if tag == Tag.STRUCTURE:
        with walk.group(name):
            walk.raw(1)
            for _ in range(walk.count()):
                _pull_description(walk)
    elif tag == Tag.ARRAY:
        with walk.group(name):
            walk.raw(1)
            walk.unsigned("number-of-elements", 2)
            with walk.group("type-description"):
                _pull_description(walk)
    else:
        start = walk.offset
        walk.raw(1)
        walk.add(Node(name, "", start, 1))


# --- text of values -------------------------------------------------------------------------------------------------


def _leaf(tag: int, value: Any) -> tuple[str, str]:
    """Give a simple value for people and for the XML."""
    if tag == Tag.NULL or tag == Tag.DONT_CARE:
        return "", ""
    if isinstance(value, CosemDateTime | CosemDate | CosemTime):
        return moment_text(value), upper(value.to_bytes())
    if isinstance(value, BitString):
        return f"{value} ({value.size_bits} bits)", str(value)
    if tag == Tag.OCTET_STRING:
        return _octets_text(value), upper(value)
    if isinstance(value, bytes):  # a date that is none
        return f"{value.hex()} (no date)", upper(value)
    if isinstance(value, str):
        return repr(value), value
    if isinstance(value, bool):
        return ("true", "true") if value else ("false", "false")
    return str(value), str(value)


def plain_text(value: Any) -> str:
    """Give a plain value (as `data.decode` makes it) on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(plain_text, value))}]"
    if isinstance(value, tuple):
        return f"{{{', '.join(map(plain_text, value))}}}"
    if isinstance(value, bytes):
        return _octets_text(value) or "(no octets)"
    if isinstance(value, CosemDateTime | CosemDate | CosemTime):
        return moment_text(value)
    return "null" if value is None else repr(value) if isinstance(value, str) else str(value)


def _octets_text(octets: bytes) -> str:
    guess = ""
    if len(octets) == _DATE_TIME_SIZE:
        guess = _likely_moment(octets)
    elif len(octets) == _NAME_SIZE and octets[5] in _LAST_VALUE_GROUPS:
        guess = describe_name(octets)
    if not guess and len(octets) >= _TEXT_SIZE_MIN and all(0x20 <= octet < 0x7F for octet in octets):
        guess = repr(octets.decode("ascii"))
    return f"{shown(octets)} ({guess})" if guess else shown(octets)


def _likely_moment(octets: bytes) -> str:
    try:
        moment = CosemDateTime.from_bytes(octets)
    except DecodeError:
        return ""
    return moment_text(moment) if moment.year in _YEARS_LIKELY or moment.year == 0xFFFF else ""


def moment_text(moment: CosemDateTime | CosemDate | CosemTime) -> str:
    """Give a date, time or date-time for people; what is not given is `*`."""
    if isinstance(moment, CosemDate):
        return _date(moment)
    if isinstance(moment, CosemTime):
        return _time(moment)
    text = f"{_date(moment)} {_time(moment)}"
    if moment.deviation_min != -0x8000:
        sign = "-" if moment.deviation_min > 0 else "+"
        hours, minutes = divmod(abs(moment.deviation_min), 60)
        text += f" {sign}{hours:02}:{minutes:02}"
    if moment.status not in (0, 0xFF):
        text += f", status {moment.status:02x}"
    return text


def _part(value: int, width: int, absent: int = 0xFF) -> str:
    return "*" * width if value == absent else f"{value:0{width}}"


def _date(moment: CosemDateTime | CosemDate) -> str:
    special = {0xFD: "second last", 0xFE: "last"}
    month = {0xFD: "DST end", 0xFE: "DST begin"}.get(moment.month) or _part(moment.month, 2)
    day = special.get(moment.day) or _part(moment.day, 2)
    text = f"{_part(moment.year, 4, 0xFFFF)}-{month}-{day}"
    if moment.weekday == 0xFF or _weekday_fits(moment):
        return text
    return f"{text} (weekday {moment.weekday})"


def _weekday_fits(moment: CosemDateTime | CosemDate) -> bool:
    try:
        return datetime(moment.year, moment.month, moment.day).isoweekday() == moment.weekday  # noqa: DTZ001 a date
    except ValueError:
        return False


def _time(moment: CosemDateTime | CosemTime) -> str:
    text = f"{_part(moment.hour, 2)}:{_part(moment.minute, 2)}:{_part(moment.second, 2)}"
    return text if moment.hundredths in (0, 0xFF) else f"{text}.{moment.hundredths:02}"


def pull_date_time(walk: Walk, name: str = "date-time") -> bytes:
    """Take the date-time of an APDU: a length of 0 or 12, and one with a data tag before it as some meters write it."""
    start = walk.offset
    tagged = walk.peek() == Tag.OCTET_STRING and walk.left > 1 and walk.peek(1) == _DATE_TIME_SIZE
    walk.raw(1 if tagged else 0)
    octets = walk.raw(walk.count())
    if len(octets) not in (0, _DATE_TIME_SIZE):
        raise DecodeError(f"date-time of {len(octets)} octets at octet {start}; 0 or 12 are lawful", offset=start)
    text = _octets_text(octets) + (" (with a data tag before it, which the standard does not know)" if tagged else "")
    walk.add(Node(name, text or "not given", start, walk.offset - start, xml=upper(octets)))
    return octets
