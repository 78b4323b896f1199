"""COSEM data as plain values beside the form that makes their octets again.

The value is for readers: numbers, texts, times as ISO UTC, objects and lists. The form is what the value leaves out:
types, presentations, names in their order. Together they give back every octet; whoever changes the value changes the
octets. Forms are JSON:

    "double-long-unsigned", "octet-string date-time", "octet-string date-time:03008000ff" (the rest of a date-time)
    {"structure": [["scaler", "integer"], ["unit", "enum"]]}    names make an object of the value; forms alone, a list
    {"array": form} of equal elements, or {"array": [form, ...]}
    {"compact-array": form}, and inside it {"array": form, "size": elements}
    "boolean ff": true is FF, not 01
    "octets": what has several encodings and came in an unusual one, as hex with its tag

Source: IEC 62056-6-2, 4.1.5; GBCS 7.2 (attribute values).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from meterworks.companions.gb.result.moment import PRESENTATIONS, seconds_of, seconds_text
from meterworks.companions.gb.result.schema import NOTHING_KNOWN, Schema
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.dlms import (
    BitString,
    CompactArray,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataValue,
    Tag,
    decode,
    decode_typed,
    encode,
    encode_array,
    encode_structure,
)

__all__ = ["OCTETS", "Form", "PlainJson", "Told", "read_value", "write_value"]

Form: TypeAlias = Any  # "type presentation" or one of the objects above: recursive
PlainJson: TypeAlias = Any  # what JSON holds: recursive

DEPTH_MAX: Final = 20
OCTETS: Final = "octets"
TRUE_IS_FF: Final = "boolean ff"  # as many GB devices write it
_NAMES: Final = {tag: tag.name.lower().replace("_", "-") for tag in Tag}
_TAGS: Final = {name: tag for tag, name in _NAMES.items()}
_FLOATS: Final = (Tag.FLOAT32, Tag.FLOAT64)
_DATES: Final = (Tag.DATE_TIME, Tag.DATE, Tag.TIME)
_DATE_TIME_MARK: Final = bytes.fromhex("8000ff")  # ends the date-times of GBCS: known without a table
_YEARS_LIKELY: Final = range(2000, 2200)


class Told(NamedTuple):
    """A value and its form."""

    form: Form
    value: PlainJson


def read_value(octets: bytes, schema: Schema = NOTHING_KNOWN) -> Told:
    """Tell one encoded value to its last octet. schema: its names, where known. Raises DecodeError."""
    data, end = decode_typed(octets)
    if end != len(octets):
        raise DecodeError(f"{len(octets) - end} octets follow the value that ends at octet {end}", offset=end)
    try:
        form, value = _tell(data, schema)
        exact = next((each for each in (form, _with_true_ff(form)) if write_value(each, value) == octets), None)
    except (DecodeError, EncodeError, ValueError, IndexError):  # lawful, and nothing that a plain value can say
        exact = None
    return Told(OCTETS, octets.hex()) if exact is None else Told(exact, value)


def _with_true_ff(form: Form) -> Form:
    if isinstance(form, list):
        return [_with_true_ff(part) for part in form]
    if isinstance(form, dict):
        return {kind: _with_true_ff(below) for kind, below in form.items()}
    return TRUE_IS_FF if form == "boolean" else form


def write_value(form: Form, value: PlainJson) -> bytes:
    """The octets of a value. Raises EncodeError where the value does not fit its form, or the form is none."""
    if form == OCTETS:
        return _hex(value)
    try:
        return _octets(form, value, 0)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, DecodeError) as error:
        raise EncodeError(f"{value!r:.80} does not fit the form {form!r:.80}: {error}") from error


# --- telling --------------------------------------------------------------------------------------------------------


def _tell(data: DataValue, schema: Schema) -> Told:
    if data.tag is Tag.STRUCTURE:
        return _joined([_tell(part, below) for part, below in _parts(data.value, schema)], schema)
    if data.tag is Tag.ARRAY:
        parts = [_tell(part, schema.element or NOTHING_KNOWN) for part in data.value]
        forms = [part.form for part in parts]
        is_even = bool(forms) and all(form == forms[0] for form in forms)
        return Told({"array": forms[0] if is_even else forms}, [part.value for part in parts])
    if data.tag is Tag.COMPACT_ARRAY:
        column, _ = _type_at(data.value.description, 0, 0)
        told = _tell_column(column, decode(encode(data))[0], schema.element or NOTHING_KNOWN)
        return Told({"compact-array": told.form}, told.value)
    told = _tell_column((data.tag, ()), [data.value], schema)
    return Told(told.form, told.value[0])


def _parts(items: Sequence[Any], schema: Schema) -> list[tuple[Any, Schema]]:
    fields = schema.names(len(items))
    return [(item, fields[place].schema if fields else NOTHING_KNOWN) for place, item in enumerate(items)]


def _joined(parts: Sequence[Told], schema: Schema) -> Told:
    fields = schema.names(len(parts))
    if not fields:
        return Told({"structure": [part.form for part in parts]}, [part.value for part in parts])
    names = [field.name for field in fields]
    form = {"structure": [[name, part.form] for name, part in zip(names, parts, strict=True)]}
    return Told(form, dict(zip(names, (part.value for part in parts), strict=True)))


_Type: TypeAlias = tuple[Tag, tuple[Any, ...]]  # parts of a structure; element and size of an array


def _type_at(octets: bytes, offset: int, depth: int) -> tuple[_Type, int]:
    """The type that a description of a compact array begins with, and the offset behind it."""
    if depth > DEPTH_MAX:
        raise DecodeError(f"type description nested deeper than {DEPTH_MAX}", offset=offset)
    tag = Tag(octets[offset])
    offset += 1
    if tag is Tag.ARRAY:
        size = int.from_bytes(octets[offset : offset + 2], "big")
        element, offset = _type_at(octets, offset + 2, depth + 1)
        return (tag, (element, size)), offset
    if tag is Tag.STRUCTURE:
        count, offset = octets[offset], offset + 1
        parts = []
        for _ in range(count):
            part, offset = _type_at(octets, offset, depth + 1)
            parts.append(part)
        return (tag, tuple(parts)), offset
    return (tag, ()), offset


def _tell_column(column: _Type, values: Sequence[Any], schema: Schema) -> Told:
    """Tell values of one type; they share one form, so a presentation is used where all of them allow it."""
    tag, parts = column
    if tag is Tag.STRUCTURE:
        below = [
            _tell_column(part, [value[place] for value in values], inner)
            for place, (part, inner) in enumerate(_parts(parts, schema))
        ]
        rows = list(zip(*(part.value for part in below), strict=True))
        told = [_joined([Told(None, cell) for cell in row], schema).value for row in rows]
        return Told(_joined(below, schema).form, told)
    if tag is Tag.ARRAY:
        element, size = parts
        flat = _tell_column(element, [item for value in values for item in value], schema.element or NOTHING_KNOWN)
        rows_of = [flat.value[place * size : (place + 1) * size] for place in range(len(values))]
        return Told({"array": flat.form, "size": size}, rows_of)
    return _tell_leaves(tag, values, schema.hint)


def _tell_leaves(tag: Tag, values: Sequence[Any], hint: str) -> Told:
    name = _NAMES[tag]
    if tag is Tag.OCTET_STRING:
        wanted = hint or ("date-time" if all(map(_is_likely_moment, values)) else "")
        if wanted in PRESENTATIONS:
            told = [PRESENTATIONS[wanted].tell(octets) for octets in values]
            known = [each for each in told if each is not None]
            residues = {residue for _, residue in known}
            if len(known) == len(told) and len(residues) == 1:
                residue = residues.pop()
                form = f"{name} {wanted}:{residue}" if residue else f"{name} {wanted}"
                return Told(form, [text for text, _ in known])
    if tag is Tag.DOUBLE_LONG_UNSIGNED and hint == "seconds":
        return Told(f"{name} seconds", [seconds_text(value) for value in values])
    return Told(name, [_plain(tag, value) for value in values])


def _is_likely_moment(octets: bytes) -> bool:
    is_shaped = len(octets) == 12 and octets.endswith(_DATE_TIME_MARK)
    return is_shaped and int.from_bytes(octets[:2], "big") in _YEARS_LIKELY


def _plain(tag: Tag, value: Any) -> PlainJson:
    if tag in _FLOATS:
        return encode(DataValue(tag, value))[1:].hex()
    if isinstance(value, CosemDateTime | CosemDate | CosemTime):
        return value.to_bytes().hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, BitString):
        return str(value)
    if isinstance(value, str):
        value.encode()  # what is no text refuses here, and is told as octets
        return value
    return value if isinstance(value, bool) else None if tag in (Tag.NULL, Tag.DONT_CARE) else int(value)


# --- writing --------------------------------------------------------------------------------------------------------


def _octets(form: Form, value: PlainJson, depth: int) -> bytes:
    if depth > DEPTH_MAX:
        raise EncodeError(f"a form nested deeper than {DEPTH_MAX}")
    if isinstance(form, str):
        return _leaf(form, value)
    kind, below = _kind(form)
    if kind == "compact-array":
        contents = b"".join(_contents(below, item, depth + 1) for item in value)
        return encode(DataValue(Tag.COMPACT_ARRAY, CompactArray(_description(below, depth + 1), contents)))
    if kind == "array":
        forms = below if isinstance(below, list) else [below] * len(value)
        return encode_array(_octets(part, item, depth + 1) for part, item in zip(forms, value, strict=True))
    return encode_structure(*(_octets(part, item, depth + 1) for part, item in _pairs(below, value)))


def _kind(form: Form) -> tuple[str, Any]:
    for kind in ("structure", "array", "compact-array"):
        if isinstance(form, Mapping) and kind in form:
            return kind, form[kind]
    raise EncodeError(f"{form!r:.80} is no form")


def _pairs(forms: Any, value: PlainJson) -> list[tuple[Form, PlainJson]]:
    """The parts of a structure with their values. Named parts are all there, and there are no others."""
    if not isinstance(forms, list):
        raise EncodeError("the parts of a structure are a list")
    if forms and isinstance(forms[0], list):
        if set(value) != {name for name, _ in forms}:
            raise EncodeError(f"the parts {', '.join(name for name, _ in forms)} are expected")
        return [(form, value[name]) for name, form in forms]
    return list(zip(forms, value, strict=True))


def _leaf(form: str, value: PlainJson) -> bytes:
    name, _, presented = form.partition(" ")
    tag = _TAGS[name]
    if form == TRUE_IS_FF and value is True:
        return bytes((tag, 0xFF))
    if presented == "seconds":
        return encode(DataValue(tag, seconds_of(value)))
    if presented and form != TRUE_IS_FF:
        presentation, _, residue = presented.partition(":")
        return encode(DataValue(tag, PRESENTATIONS[presentation].octets(value, residue)))
    read = _READERS.get(tag)
    return encode(DataValue(tag, value if read is None else read(value)))


def _contents(form: Form, value: PlainJson, depth: int) -> bytes:
    """An element of a compact array: its leaves without tags."""
    if depth > DEPTH_MAX:
        raise EncodeError(f"a form nested deeper than {DEPTH_MAX}")
    if isinstance(form, str):
        return _leaf(form, value)[1:]
    kind, below = _kind(form)
    if kind == "array":
        if len(value) != form["size"]:
            raise EncodeError(f"{form['size']} elements expected, not {len(value)}")
        return b"".join(_contents(below, item, depth + 1) for item in value)
    return b"".join(_contents(part, item, depth + 1) for part, item in _pairs(below, value))


def _description(form: Form, depth: int) -> bytes:
    if depth > DEPTH_MAX:
        raise EncodeError(f"a form nested deeper than {DEPTH_MAX}")
    if isinstance(form, str):
        return bytes((_TAGS[form.partition(" ")[0]],))
    kind, below = _kind(form)
    if kind == "array":
        return bytes((Tag.ARRAY,)) + int(form["size"]).to_bytes(2, "big") + _description(below, depth + 1)
    parts = [part[1] if isinstance(part, list) else part for part in below]
    return bytes((Tag.STRUCTURE, len(parts))) + b"".join(_description(part, depth + 1) for part in parts)


def _hex(value: PlainJson) -> bytes:
    if not isinstance(value, str):
        raise EncodeError(f"hex digits expected, not {value!r:.80}")
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise EncodeError(f"hex digits expected, not {value!r:.80}") from error


def _float(tag: Tag) -> Callable[[PlainJson], Any]:
    return lambda value: decode(bytes((tag,)) + _hex(value))[0]


def _nothing(value: PlainJson) -> None:
    if value is not None:
        raise EncodeError(f"null expected, not {value!r:.80}")


def _flag(value: PlainJson) -> bool:
    if not isinstance(value, bool):
        raise EncodeError(f"true or false expected, not {value!r:.80}")
    return value


_READERS: Final[Mapping[Tag, Callable[[PlainJson], Any]]] = {
    Tag.OCTET_STRING: _hex,
    Tag.BIT_STRING: BitString.from_text,
    Tag.BOOLEAN: _flag,
    Tag.NULL: _nothing,
    Tag.DONT_CARE: _nothing,
    **{tag: _float(tag) for tag in _FLOATS},
    **dict.fromkeys(_DATES, _hex),
}
