"""What A-XDR data means in the words of the vectors: {type: content}, octets as hex, bits as text."""

from typing import Any

from meterworks.assess.vectors.compare import Either
from meterworks.protocols import dlms
from meterworks.protocols.dlms import CompactArray, DataValue, Tag
from meterworks.protocols.errors import DecodeError

__all__ = ["data_meaning", "date_time_fields", "value_meaning"]

Meaning = dict[str, Any]


def value_meaning(encoded: bytes) -> Meaning:
    """Give the meaning of one encoded value. Raises DecodeError."""
    value, end = dlms.decode_typed(encoded)
    if end != len(encoded):
        raise DecodeError(f"{len(encoded) - end} octets follow the value", offset=end)
    return data_meaning(value)


def data_meaning(value: DataValue) -> Meaning:
    """Give the meaning of a value: {type: content}."""
    name = "null-data" if value.tag is Tag.NULL else value.tag.name.lower().replace("_", "-")
    return {name: _content(value)}


def _content(value: DataValue) -> Any:
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return [data_meaning(item) for item in value.value]
    if isinstance(value.value, CompactArray):
        return _compact_content(value)
    if isinstance(value.value, dlms.BitString):
        return Either(str(value.value), value.value.octets)
    if isinstance(value.value, dlms.CosemDateTime):
        return Either(value.value.to_bytes(), date_time_fields(value.value.to_bytes()))
    if isinstance(value.value, dlms.CosemDate | dlms.CosemTime):
        return Either(value.value.to_bytes())
    if value.value is dlms.DONT_CARE:
        return None
    if isinstance(value.value, str):
        octets = value.value.encode("utf-8" if value.tag is Tag.UTF8_STRING else "latin-1", "surrogateescape")
        return Either(value.value, octets)
    return value.value


def _compact_content(value: DataValue) -> Either:
    compact: CompactArray = value.value
    encoded = dlms.encode(value)
    elements = [_plain(item) for item in dlms.decode_all(encoded)]
    parts = {"type_description": compact.description, "contents": compact.contents, "array_contents": compact.contents}
    return Either(elements, {**parts, "elements": elements, "values": elements}, compact.contents, encoded)


def _plain(value: Any) -> Any:
    """Give a plain value so that it compares with typed and with untyped forms."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dlms.CosemDateTime | dlms.CosemDate | dlms.CosemTime):
        return value.to_bytes()
    if isinstance(value, dlms.BitString):
        return Either(str(value), value.octets)
    return int(value) if isinstance(value, dlms.Delta) else value


def date_time_fields(octets: bytes) -> Meaning:
    """Give the parts of a date-time; a part that is not given is None."""
    try:
        moment = dlms.CosemDateTime.from_bytes(octets)
    except DecodeError:
        return {}
    return {
        "year": _given(moment.year, dlms.ANY_YEAR),
        "month": Either(_given(moment.month), moment.month),
        "day": Either(_given(moment.day), moment.day),
        "weekday": _given(moment.weekday),
        "hour": _given(moment.hour),
        "minute": _given(moment.minute),
        "second": _given(moment.second),
        "hundredths": _given(moment.hundredths),
        "deviation_min": _given(moment.deviation_min, dlms.NO_DEVIATION),
        "status": Either(_given(moment.status), moment.status),
    }


def _given(value: int, absent: int = dlms.ANY) -> int | None:
    return None if value == absent else value
