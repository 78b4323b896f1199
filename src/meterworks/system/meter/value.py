"""Values of COSEM attributes as people write and read them.

Written as `type:value` (`uint16:5`, `octets:0aff`, `text:hello`, `datetime:2026-01-31T12:00+00:00`), as a JSON tree
(`{"structure": [{"uint16": 5}, {"array": []}]}`), as raw octets (`raw:120005`), or bare (`5`), which takes the type
that the attribute has now. Read as plain JSON: numbers, texts, lists; octets that are printable are told as text.
Source: IEC 62056-6-2, 4.1.5; fact sheet section 1.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Final

from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.dlms import (
    DONT_CARE,
    BitString,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataValue,
    PlainValue,
    Tag,
    decode_all,
    decode_typed,
    encode,
    end_of,
)
from meterworks.system.errors import ConfigurationError

__all__ = ["TYPE_NAMES", "change_text", "instant", "plain_json", "typed_json", "typed_value", "value_from_text"]

JSON_SIZE_MAX: Final = 4 * 2**20
DEPTH_MAX: Final = 16
DATE_TIME_SIZE: Final = 12
TEXT_SIZE_MIN: Final = 2


def instant(text: str) -> datetime:
    """Read an ISO 8601 date or date-time; without an offset it is UTC. Raises ConfigurationError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{text}: write it as 2026-01-31 or 2026-01-31T12:00+00:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _integer(text: str) -> int:
    return int(text, 0)


def _boolean(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    return known[text.lower()]


def _moment(text: str) -> CosemDateTime:
    return CosemDateTime.from_datetime(instant(text))


def _date(text: str) -> CosemDate:
    day = date.fromisoformat(text)
    return CosemDate(day.year, day.month, day.day, day.isoweekday())


def _time(text: str) -> CosemTime:
    moment = time.fromisoformat(text)
    return CosemTime(moment.hour, moment.minute, moment.second, moment.microsecond // 10_000)


def _nothing(text: str) -> None:
    if text:
        raise ValueError("null has no value")


_READERS: Mapping[str, tuple[Tag, Callable[[str], PlainValue]]] = MappingProxyType(
    {
        "null": (Tag.NULL, _nothing),
        "bool": (Tag.BOOLEAN, _boolean),
        "bits": (Tag.BIT_STRING, BitString.from_text),
        "int8": (Tag.INTEGER, _integer),
        "int16": (Tag.LONG, _integer),
        "int32": (Tag.DOUBLE_LONG, _integer),
        "int64": (Tag.LONG64, _integer),
        "uint8": (Tag.UNSIGNED, _integer),
        "uint16": (Tag.LONG_UNSIGNED, _integer),
        "uint32": (Tag.DOUBLE_LONG_UNSIGNED, _integer),
        "uint64": (Tag.LONG64_UNSIGNED, _integer),
        "enum": (Tag.ENUM, _integer),
        "bcd": (Tag.BCD, _integer),
        "float32": (Tag.FLOAT32, float),
        "float64": (Tag.FLOAT64, float),
        "octets": (Tag.OCTET_STRING, bytes.fromhex),
        "ascii": (Tag.OCTET_STRING, lambda text: text.encode("ascii")),
        "text": (Tag.VISIBLE_STRING, str),
        "utf8": (Tag.UTF8_STRING, str),
        "datetime": (Tag.OCTET_STRING, lambda text: _moment(text).to_bytes()),
        "date": (Tag.OCTET_STRING, lambda text: _date(text).to_bytes()),
        "time": (Tag.OCTET_STRING, lambda text: _time(text).to_bytes()),
        "tagged-datetime": (Tag.DATE_TIME, _moment),
        "tagged-date": (Tag.DATE, _date),
        "tagged-time": (Tag.TIME, _time),
    }
)
TYPE_NAMES: Final = (*_READERS, "raw", "json")

_NAME_OF: Final[Mapping[Tag, str]] = MappingProxyType(
    {tag: name for name, (tag, _) in reversed(list(_READERS.items()))}
    | {Tag.ARRAY: "array", Tag.STRUCTURE: "structure"}
)
_NESTED: Final[Mapping[str, Tag]] = MappingProxyType({"array": Tag.ARRAY, "structure": Tag.STRUCTURE})
_SHOWN_AS: Final[Mapping[Tag, str]] = MappingProxyType(dict(_NAME_OF) | {Tag.OCTET_STRING: "octets"})


def typed_value(name: str, text: str) -> DataValue:
    """Make a typed value of a type name and its text. Raises ConfigurationError."""
    if name not in _READERS:
        raise ConfigurationError(f"{name}: no type of value; there are {', '.join(TYPE_NAMES)}", type=name)
    tag, read = _READERS[name]
    try:
        value = DataValue(tag, read(text))
        encode(value)
    except (ValueError, KeyError, EncodeError) as error:
        raise ConfigurationError(f"{name}:{text} is no value of this type: {error}", type=name) from error
    return value


def _from_json(tree: object, depth: int = 0) -> DataValue:
    """Make a typed value of a JSON tree of single-key objects."""
    if depth > DEPTH_MAX:
        raise ConfigurationError(f"a value nests at most {DEPTH_MAX} deep")
    if isinstance(tree, dict) and len(tree) == 1:
        ((name, value),) = tree.items()
        if name in _NESTED and isinstance(value, list):
            return DataValue(_NESTED[name], tuple(_from_json(item, depth + 1) for item in value))
        return typed_value(str(name), "" if value is None else _plain_text(value))
    raise ConfigurationError(
        f'{json.dumps(tree)[:60]}: write each part as one type and value, as {{"structure": [{{"uint16": 5}}]}}'
    )


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ConfigurationError(f"{json.dumps(value)[:60]} is no value of a simple type")


def value_from_text(text: str, *, present: bytes | None = None) -> bytes:
    """Encode what a person wrote.

    present: the attribute's value now; a bare number or text takes its type. Raises ConfigurationError.
    """
    name, separator, rest = text.partition(":")
    if separator and name == "raw":
        return _raw(rest)
    if (separator and name == "json") or text.lstrip().startswith("{"):
        return _json_value(rest if name == "json" else text)
    if separator and name in _READERS:
        return encode(typed_value(name, rest))
    if text == "null":
        return b"\x00"
    if present:
        return encode(_like(text, present))
    raise ConfigurationError(f"{text}: say its type, as uint16:{text}; types are {', '.join(TYPE_NAMES)}")


def _json_value(text: str) -> bytes:
    if len(text) > JSON_SIZE_MAX:
        raise ConfigurationError(f"a JSON value has at most {JSON_SIZE_MAX} characters")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"no JSON: {error}") from error
    return encode(_from_json(tree))


def _raw(text: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
        end = end_of(octets)
    except (ValueError, DecodeError) as error:
        raise ConfigurationError(f"raw:{text[:40]} is no encoded value: {error}") from error
    if end != len(octets):
        raise ConfigurationError(f"raw:{text[:40]}: {len(octets) - end} octets follow the value")
    return octets


def _like(text: str, present: bytes) -> DataValue:
    """Make a value of the type that the present one has."""
    tag = Tag(present[0])
    if tag in (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING):
        names = {Tag.OCTET_STRING: "octets", Tag.VISIBLE_STRING: "text", Tag.UTF8_STRING: "utf8"}
        return typed_value(names[tag], text)
    if tag not in _NAME_OF or tag in (Tag.ARRAY, Tag.STRUCTURE):
        raise ConfigurationError(
            f"the attribute is of type {tag.name.lower()} now: write the value as JSON or as raw:.."
        )
    try:
        return typed_value(_NAME_OF[tag], text)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error}; another type is written as type:value, of {', '.join(TYPE_NAMES)}"
        ) from error


# --- for people to read ---------------------------------------------------------------------------------------------


def _moment_text(moment: CosemDateTime) -> str:
    """A date-time in ISO 8601; with wildcards as `*`, where it is no moment."""
    try:
        local = moment.to_datetime()
    except DecodeError:
        return f"{_date_text(moment)}T{_time_text(moment)}"
    return local.isoformat().replace("+00:00", "Z")


def _part(value: int, width: int = 2) -> str:
    special = {0xFF: "*", 0xFFFF: "*", 0xFE: "last-or-dst-begin", 0xFD: "second-last-or-dst-end"}
    return special.get(value, f"{value:0{width}}")


def _date_text(day: CosemDate | CosemDateTime) -> str:
    return f"{_part(day.year, 4)}-{_part(day.month)}-{_part(day.day)}"


def _time_text(moment: CosemTime | CosemDateTime) -> str:
    return f"{_part(moment.hour)}:{_part(moment.minute)}:{_part(moment.second)}"


def _octets_text(octets: bytes) -> str:
    """Printable octets as text, a date-time as ISO 8601 where it is one, all others in hexadecimal."""
    if len(octets) >= TEXT_SIZE_MIN and all(0x20 <= octet < 0x7F for octet in octets):
        return octets.decode("ascii")
    return octets.hex()


def plain_json(value: PlainValue, *, date_times: bool = False) -> object:
    """A decoded value as JSON can say it.

    date_times: octet-strings of 12 are date-times (the attribute's class says so).
    """
    if isinstance(value, list | tuple):
        return [plain_json(inner, date_times=date_times) for inner in value]
    if isinstance(value, bytes):
        return _date_or_octets(value) if date_times else _octets_text(value)
    if isinstance(value, CosemDateTime):
        return _moment_text(value)
    if isinstance(value, CosemDate):
        return _date_text(value)
    if isinstance(value, CosemTime):
        return _time_text(value)
    if value is DONT_CARE:
        return "don't care"
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def _date_or_octets(octets: bytes) -> str:
    kinds: dict[int, Callable[[bytes], str]] = {
        12: lambda raw: _moment_text(CosemDateTime.from_bytes(raw)),
        5: lambda raw: _date_text(CosemDate.from_bytes(raw)),
        4: lambda raw: _time_text(CosemTime.from_bytes(raw)),
    }
    try:
        return kinds[len(octets)](octets)
    except (KeyError, DecodeError):
        return _octets_text(octets)


def typed_json(encoded: bytes) -> object:
    """An encoded value as the JSON tree that `value_from_text` takes. Raises DecodeError."""
    value, end = decode_typed(encoded)
    if end != len(encoded):
        raise DecodeError(f"{len(encoded) - end} octets follow the value", offset=end)
    return _tree(value)


def _tree(value: DataValue) -> object:
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return {_SHOWN_AS[value.tag]: [_tree(inner) for inner in value.value]}
    if value.tag not in _SHOWN_AS:
        return {"raw": encode(value).hex()}
    shown = value.value
    if isinstance(shown, bytes):
        return {"octets" if value.tag == Tag.OCTET_STRING else "raw": shown.hex()}
    if isinstance(shown, CosemDateTime | CosemDate | CosemTime):
        return {_SHOWN_AS[value.tag]: plain_json(shown)}
    return {_SHOWN_AS[value.tag]: shown if isinstance(shown, int | float | str | bool | None) else str(shown)}


def change_text(before: bytes | None, after: bytes) -> str:
    """What a write changes, in one line for people: `uint16 5 → uint16 6`."""
    old = "?" if before is None else _said(before)
    return f"{old} → {_said(after)}"


def _said(encoded: bytes) -> str:
    try:
        value = decode_all(encoded)
        name = _SHOWN_AS.get(Tag(encoded[0]), Tag(encoded[0]).name.lower())
    except (DecodeError, ValueError):
        return encoded.hex()
    shown = plain_json(value, date_times=isinstance(value, bytes) and len(value) == DATE_TIME_SIZE)
    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
    return f"{name} {text}" if len(text) <= 120 else f"{name} of {len(encoded)} octets"
