"""ASN.1 payloads as plain values: named where the use case is in the table, elements with their tags where it is not.

Octets are hex, identities of devices and parties as people write them, times ISO UTC, sets lists of names in order,
certificates and requests hex of their DER.
Source: GBCS, ASN.1 modules; ITU-T X.690; fact sheet gb/GBCS.md section 9.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import core, csr, x509

from meterworks.companions.gb.result.moment import eui_octets, eui_text
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import Asn1Payload, MessageKind, payload_type

__all__ = ["is_named", "read_asn1", "read_elements", "write_asn1", "write_elements"]

DEPTH_MAX: Final = 24
_IDENTITIES: Final = frozenset({"device", "party", "old_party", "new_party"})
_FOREIGN: Final = (x509.Certificate, csr.CertificationRequest)
_UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)  # of the library
_CONSTRUCTED: Final = 0x20
_TIME: Final = "%Y%m%d%H%M%SZ"
_GENERALIZED_TIME: Final = 0x18
_INTEGERS: Final = (0x02, 0x0A)
_LONG_TAG: Final = 0x1F


# --- named values ---------------------------------------------------------------------------------------------------


def read_asn1(message_code: int, kind: MessageKind, payload: bytes) -> tuple[Any, bool] | None:
    """The value of a payload, and whether its lengths are wide; None where no row of the table fits it."""
    if payload_type(message_code, kind) is None:
        return None
    try:
        decoded = Asn1Payload.from_bytes(message_code, kind, payload)
        value = _told(decoded.content, "")
        is_exact = write_asn1(message_code, kind, value, is_wide=decoded.has_wide_lengths) == payload
    except (DecodeError, EncodeError, *_UNREADABLE):
        return None
    return (value, decoded.has_wide_lengths) if is_exact else None


def write_asn1(message_code: int, kind: MessageKind, value: Any, *, is_wide: bool) -> bytes:
    """The octets of a value. Raises EncodeError for values that do not fit the table."""
    spec = payload_type(message_code, kind)
    if spec is None:
        raise EncodeError(f"message code {message_code:04X} has no {kind.name.lower()} in ASN.1")
    try:
        meant = bytes.fromhex(value) if spec in _FOREIGN else _meant(spec, value, "")
        made = Asn1Payload.make(message_code, kind, meant)
        return Asn1Payload(made.content, has_wide_lengths=is_wide).to_bytes()
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise EncodeError(f"these values make no {kind.name.lower()} {message_code:04X}: {error}") from error


def is_named(message_code: int, kind: MessageKind) -> bool:
    """Whether the table has a row for such a payload."""
    return payload_type(message_code, kind) is not None


def _told(element: Any, name: str) -> Any:
    """The plain value of an element of the library. name: of the field it is in."""
    if isinstance(element, core.Choice):
        return _told(element.chosen, name)
    if isinstance(element, _FOREIGN):
        return element.dump().hex()
    if isinstance(element, core.Sequence):
        names = [field[0] for field in element._fields]
        return {each: _told(element[each], each) for each in names if not isinstance(element[each], core.Void)}
    if isinstance(element, core.SequenceOf):
        return [_told(item, name) for item in element]
    native = element.native
    if isinstance(native, bytes):
        return eui_text(native) if name in _IDENTITIES and len(native) == 8 else native.hex()
    if isinstance(native, datetime):
        return native.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return sorted(native) if isinstance(native, set | frozenset) else native


def _meant(spec: Any, value: Any, name: str) -> Any:
    """What the library takes for a plain value. spec: of its type."""
    if value is None:
        return None
    if spec in _FOREIGN:
        return spec.load(bytes.fromhex(value), strict=True)
    for base, meaning in _MEANINGS:
        if issubclass(spec, base):
            return meaning(spec, value, name)
    return value


def _meant_choice(spec: Any, value: Any, name: str) -> Any:
    """Of null, a record, or a number beside a certificate or a request: the kind of the value says which."""
    alternatives = [row[1] for row in spec._alternatives]
    foreign = [inner for inner in alternatives if inner in _FOREIGN]
    if foreign and isinstance(value, str):
        return bytes.fromhex(value)
    return value if foreign else _meant(alternatives[1], value, name)


def _meant_record(spec: Any, value: Any, _name: str) -> dict[str, Any]:
    fields = {field[0]: field[1] for field in spec._fields}
    if unknown := set(value) - set(fields):
        raise ValueError(f"{sorted(unknown)[0]!r} is none of {', '.join(fields)}")
    return {each: _meant(fields[each], item, each) for each, item in value.items()}


def _meant_list(spec: Any, value: Any, name: str) -> list[Any]:
    return [_meant(spec._child_spec, item, name) for item in value]


def _meant_octets(_spec: Any, value: Any, name: str) -> bytes:
    return eui_octets(value) if name in _IDENTITIES and "-" in value else bytes.fromhex(value)


def _meant_time(_spec: Any, value: Any, _name: str) -> datetime:
    return datetime.fromisoformat(value)


def _meant_names(_spec: Any, value: Any, _name: str) -> set[str]:
    return set(value)


_MEANINGS: Final[tuple[tuple[Any, Callable[[Any, Any, str], Any]], ...]] = (
    (core.Choice, _meant_choice),
    (core.Sequence, _meant_record),
    (core.SequenceOf, _meant_list),
    (core.OctetString, _meant_octets),
    (core.GeneralizedTime, _meant_time),
    (core.BitString, _meant_names),
)


# --- elements without names -----------------------------------------------------------------------------------------


def read_elements(payload: bytes) -> tuple[Any, bool]:
    """Any ASN.1 as elements, and whether its lengths are wide (from 128 on in two octets, as many devices write them).

    {"tag": "30", "elements": […]}, {"tag": "02", "number": 5}, {"tag": "04", "octets": hex}. Raises DecodeError.
    """
    element, end = _read_element(payload, 0, 0)
    if end != len(payload):
        raise DecodeError(f"{len(payload) - end} octets behind the element that ends at octet {end}", offset=end)
    for is_wide in (False, True):
        if write_elements(element, is_wide=is_wide) == payload:
            return element, is_wide
    raise DecodeError("lengths of several forms in one payload", offset=0)


def _read_element(octets: bytes, offset: int, depth: int) -> tuple[dict[str, Any], int]:
    if depth > DEPTH_MAX:
        raise DecodeError(f"elements nested deeper than {DEPTH_MAX} at octet {offset}", offset=offset)
    if offset + 2 > len(octets):
        raise DecodeError(f"an element is cut off at octet {offset}", offset=offset)
    tag = octets[offset]
    if tag & _LONG_TAG == _LONG_TAG:
        raise DecodeError(f"a tag of several octets at octet {offset}", offset=offset)
    size, start = _length(octets, offset + 1)
    end = start + size
    if end > len(octets):
        raise DecodeError(f"{size} octets expected at octet {start}, {len(octets) - start} are there", offset=start)
    if not tag & _CONSTRUCTED:
        return {"tag": f"{tag:02x}"} | _told_content(tag, octets[start:end]), end
    elements = []
    while start < end:
        element, start = _read_element(octets[:end], start, depth + 1)
        elements.append(element)
    return {"tag": f"{tag:02x}", "elements": elements}, end


def _length(octets: bytes, offset: int) -> tuple[int, int]:
    first = octets[offset]
    if first < 0x80:
        return first, offset + 1
    end = offset + 1 + (first & 0x7F)
    if end > len(octets):
        raise DecodeError(f"a length is cut off at octet {offset}", offset=offset)
    return int.from_bytes(octets[offset + 1 : end], "big"), end


def _encoded_length(size: int, is_wide: bool) -> bytes:
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes(max((size.bit_length() + 7) // 8, 1 + is_wide), "big")
    return bytes((0x80 | len(octets),)) + octets


def _told_content(tag: int, content: bytes) -> dict[str, Any]:
    for key, value in _guesses(tag, content):
        if _content_of({key: value}) == content:
            return {key: value}
    return {"octets": content.hex()}


def _guesses(tag: int, content: bytes) -> list[tuple[str, Any]]:
    if tag in _INTEGERS and content:
        return [("number", int.from_bytes(content, "big", signed=True))]
    if tag == _GENERALIZED_TIME:
        try:
            moment = datetime.strptime(content.decode("ascii"), _TIME).replace(tzinfo=UTC)
        except ValueError:
            return []
        return [("time", moment.isoformat().replace("+00:00", "Z"))]
    return []


def write_elements(element: Any, *, is_wide: bool = False) -> bytes:
    """The octets of elements. Raises EncodeError."""
    try:
        return _write_element(element, is_wide, 0)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise EncodeError(f"{element!r:.80} is no element of ASN.1: {error}") from error


def _write_element(element: Mapping[str, Any], is_wide: bool, depth: int) -> bytes:
    if depth > DEPTH_MAX:
        raise EncodeError(f"elements nested deeper than {DEPTH_MAX}")
    tag = int(element["tag"], 16)
    if "elements" in element:
        content = b"".join(_write_element(part, is_wide, depth + 1) for part in element["elements"])
    else:
        content = _content_of(element)
    return bytes((tag,)) + _encoded_length(len(content), is_wide) + content


def _content_of(element: Mapping[str, Any]) -> bytes:
    if "number" in element:
        number: int = element["number"]
        size = (number if number >= 0 else ~number).bit_length() // 8 + 1
        return number.to_bytes(size, "big", signed=True)
    if "time" in element:
        moment = datetime.fromisoformat(element["time"]).astimezone(UTC)
        return f"{moment.year:04}{moment:%m%d%H%M%S}Z".encode()
    return bytes.fromhex(element["octets"])
