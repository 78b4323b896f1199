"""Association and release APDUs (BER) and the initiate APDUs inside them, as nodes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.dissect.name import (
    CONTEXTS,
    DIAGNOSTICS,
    MECHANISMS,
    PROVIDER_DIAGNOSTICS,
    RELEASE_REASONS,
    RELEASE_RESPONSE_REASONS,
    conformance_names,
)
from meterworks.protocols.dlms.dissect.node import Node, Walk, shown, upper
from meterworks.protocols.dlms.dissect.part import pull_optional, pull_short_name
from meterworks.protocols.dlms.dissect.service import Pull
from meterworks.protocols.errors import DecodeError

__all__ = ["INITIATE", "USER_INFORMATION", "association_pulls"]

USER_INFORMATION: Final = 0xBE
OpenInside = Callable[[Walk], None]  # takes the APDU in user-information

_IDENTIFIER: Final = b"\x60\x85\x74\x05\x08"
_NAMES: Final = {1: "application-context-name", 2: "mechanism-name"}
_MEANINGS: Final[dict[int, Mapping[int, str]]] = {1: CONTEXTS, 2: MECHANISMS}
_RELEASE_RESPONSE: Final = 0x63
_SHORT_BY_MAX: Final = 4
_CONFORMANCE_HEADS: Final = (b"\x5f\x1f\x04\x00", b"\x5f\x04\x00")  # the shorter one by some old meters
_VAA_LOGICAL: Final = 0x0007
_VAA_SHORT: Final = 0xFA00
_RESULTS: Final = {0: "accepted", 1: "rejected permanently", 2: "rejected transiently"}


def _put(walk: Walk, name: str, value: str, xml: str | None, start: int) -> Node:
    return walk.add(Node(name, value, start, walk.offset - start, xml=xml))


def _identifier(walk: Walk, start: int, octets: bytes) -> None:
    """Show an object identifier of ours by its last number, any other as octets."""
    if len(octets) != 7 or not octets.startswith(_IDENTIFIER) or octets[5] not in _NAMES:
        raise DecodeError(f"object identifier {octets.hex()} at octet {start} is none of DLMS/COSEM", offset=start)
    arc, number = octets[5], octets[6]
    meaning = _MEANINGS[arc].get(number, "unknown")
    _put(walk, _NAMES[arc], f"{meaning} ({number})", str(number), start)


def _pull_context(walk: Walk, start: int) -> None:
    if walk.raw(1) != b"\x06":
        raise DecodeError(f"object identifier expected at octet {walk.offset - 1}", offset=walk.offset - 1)
    _identifier(walk, start, walk.raw(walk.count()))


def _pull_mechanism(walk: Walk, start: int) -> None:
    _identifier(walk, start, walk.raw(walk.left))


def _wrapped(walk: Walk) -> tuple[int, bytes]:
    """Take a field inside a field; give its tag and octets."""
    tag = walk.raw(1)[0]
    return tag, walk.raw(walk.count())


def _title_field(name: str) -> Callable[[Walk, int], None]:
    def pull(walk: Walk, start: int) -> None:
        _, octets = _wrapped(walk)
        letters = octets[:3]
        text = f" ({letters.decode()})" if letters.isalpha() and letters.isascii() else ""
        _put(walk, name, octets.hex() + text, upper(octets), start)

    return pull


def _octets_field(name: str) -> Callable[[Walk, int], None]:
    def pull(walk: Walk, start: int) -> None:
        _, octets = _wrapped(walk)
        _put(walk, name, shown(octets), upper(octets), start)

    return pull


def _integer_field(name: str) -> Callable[[Walk, int], None]:
    def pull(walk: Walk, start: int) -> None:
        _, octets = _wrapped(walk)
        number = int.from_bytes(octets, "big")
        _put(walk, name, str(number), str(number), start)

    return pull


def _pull_acse_result(walk: Walk, start: int) -> None:
    _, octets = _wrapped(walk)
    number = int.from_bytes(octets, "big")
    _put(walk, "result", f"{_RESULTS.get(number, 'unknown')} ({number})", str(number), start)


def _pull_diagnostic(walk: Walk, start: int) -> None:
    with walk.group("result-source-diagnostic") as node:
        node.offset = start
        by_provider = walk.raw(1) == b"\xa2"
        walk.count()
        _, octets = _wrapped(walk)
        number = int.from_bytes(octets, "big")
        meanings = PROVIDER_DIAGNOSTICS if by_provider else DIAGNOSTICS
        name = "acse-service-provider" if by_provider else "acse-service-user"
        _put(walk, name, f"{meanings.get(number, 'unknown')} ({number})", str(number), start)


def _authentication_field(name: str) -> Callable[[Walk, int], None]:
    def pull(walk: Walk, start: int) -> None:
        with walk.group(name) as node:
            node.offset = start
            tag, octets = _wrapped(walk)
            kind = {0x80: "charstring", 0x81: "bitstring", 0x82: "external"}.get(tag, f"choice-{tag:02x}")
            _put(walk, kind, shown(octets), upper(octets), start)

    return pull


def _requirements_field(name: str) -> Callable[[Walk, int], None]:
    def pull(walk: Walk, start: int) -> None:
        octets = walk.raw(walk.left)
        asks = len(octets) == 2 and bool(octets[1] & 0x80)
        _put(walk, name, f"authentication ({octets.hex()})" if asks else octets.hex(), "1" if asks else "0", start)

    return pull


def _release_field(reasons: Mapping[int, str]) -> Callable[[Walk, int], None]:
    def pull(walk: Walk, start: int) -> None:
        number = int.from_bytes(walk.raw(walk.left), "big")
        meaning = reasons.get(number, "unknown")
        _put(walk, "reason", f"{meaning} ({number})", reasons.get(number, str(number)), start)

    return pull


def _version_field(walk: Walk, start: int) -> None:
    octets = walk.raw(walk.left)
    _put(walk, "protocol-version", octets.hex(), upper(octets), start)


_Field = Callable[[Walk, int], None]
_COMMON: Final[dict[int, _Field]] = {0x80: _version_field, 0xA1: _pull_context}
_REQUEST_FIELDS: Final[dict[int, _Field]] = _COMMON | {
    0xA2: _title_field("called-AP-title"), 0xA3: _octets_field("called-AE-qualifier"),
    0xA4: _integer_field("called-AP-invocation-id"), 0xA5: _integer_field("called-AE-invocation-id"),
    0xA6: _title_field("CallingAPTitle"), 0xA7: _octets_field("calling-AE-qualifier"),
    0xA8: _integer_field("calling-AP-invocation-id"), 0xA9: _integer_field("calling-AE-invocation-id"),
    0x8A: _requirements_field("sender-acse-requirements"), 0x8B: _pull_mechanism,
    0xAC: _authentication_field("calling-authentication-value"),
}  # fmt: skip
_RESPONSE_FIELDS: Final[dict[int, _Field]] = _COMMON | {
    0xA2: _pull_acse_result, 0xA3: _pull_diagnostic, 0xA4: _title_field("RespondingAPTitle"),
    0xA5: _octets_field("responding-AE-qualifier"), 0xA6: _integer_field("responding-AP-invocation-id"),
    0xA7: _integer_field("responding-AE-invocation-id"), 0x88: _requirements_field("responder-acse-requirements"),
    0x89: _pull_mechanism, 0xAA: _authentication_field("responding-authentication-value"),
}  # fmt: skip
_FIELDS: Final[dict[int, dict[int, _Field]]] = {
    0x60: _REQUEST_FIELDS,
    0x61: _RESPONSE_FIELDS,
    0x62: {0x80: _release_field(RELEASE_REASONS)},
    0x63: {0x80: _release_field(RELEASE_RESPONSE_REASONS)},
}


def _pull_fields(outer: Walk, fields: Mapping[int, _Field], open_inside: OpenInside) -> None:
    length = outer.count()
    # One widely used server writes the lengths of a release response too small.
    is_short = fields is _FIELDS[_RELEASE_RESPONSE] and 0 < outer.left - length <= _SHORT_BY_MAX
    if length > outer.left or is_short:
        outer.node.error = f"says {length} octets, {outer.left} are there"
        length = outer.left
    walk = Walk(outer.data, outer.node, offset=outer.offset, end=outer.offset + length)
    outer.offset = walk.end
    while walk.left:
        start = walk.offset
        tag = walk.raw(1)[0]
        size = walk.count()
        if is_short and tag == USER_INFORMATION:
            size = walk.left
        if size > walk.left:
            raise DecodeError(f"field {tag:02x} says {size} octets, {walk.left} are there", offset=start)
        inner = Walk(walk.data, walk.node, offset=walk.offset, end=walk.offset + size)
        if tag == USER_INFORMATION:
            _pull_user_information(inner, start, open_inside)
        elif tag in fields:
            fields[tag](inner, start)
        else:
            inner.octets(f"field-{tag:02x}", inner.left)
        walk.offset += size


def _pull_user_information(walk: Walk, start: int, open_inside: OpenInside) -> None:
    with walk.group("user-information") as node:
        node.offset = start
        if walk.raw(1) != b"\x04":
            raise DecodeError(f"octet string expected at octet {walk.offset - 1}", offset=walk.offset - 1)
        walk.count()
        content = walk.data[walk.offset : walk.end]
        node.xml = upper(content)
        open_inside(walk)


def association_pulls(open_inside: OpenInside) -> dict[int, Pull]:
    """Give the decoders of AARQ, AARE, RLRQ and RLRE; `open_inside` takes the APDU in user-information."""

    def of(fields: Mapping[int, _Field]) -> Pull:
        return lambda walk: _pull_fields(walk, fields, open_inside)

    return {tag: of(fields) for tag, fields in _FIELDS.items()}


# --- initiate -------------------------------------------------------------------------------------------------------


def _pull_conformance(walk: Walk, name: str) -> None:
    start = walk.offset
    head = next((head for head in _CONFORMANCE_HEADS if walk.data.startswith(head, start)), None)
    if head is None:
        raise DecodeError(f"conformance block expected at octet {start}", offset=start)
    walk.raw(len(head))
    octets = walk.raw(3)
    names = conformance_names(int.from_bytes(octets, "big"))
    node = walk.add(Node(name, f"{octets.hex()}", start, walk.offset - start, xml=" ".join(names)))
    node.children = [Node("bit", text, walk.offset - 3, 3, is_wire=True) for text in names]


def _pull_initiate_request(walk: Walk) -> None:
    pull_optional(walk, lambda inner: inner.counted("dedicated-key"))
    if not pull_optional(walk, _pull_response_allowed):
        walk.add(Node("response-allowed", "true (by default)", walk.offset, 0, xml="true"))
    pull_optional(walk, lambda inner: inner.unsigned("proposed-quality-of-service"))
    walk.unsigned("proposed-dlms-version-number")
    _pull_conformance(walk, "proposed-conformance")
    walk.unsigned("client-max-receive-pdu-size", 2)


def _pull_response_allowed(walk: Walk) -> None:
    walk.unsigned("response-allowed", names={0: "false", 1: "true", 255: "true"})


def _pull_initiate_response(walk: Walk) -> None:
    pull_optional(walk, lambda inner: inner.unsigned("negotiated-quality-of-service"))
    walk.unsigned("negotiated-dlms-version-number")
    _pull_conformance(walk, "negotiated-conformance")
    walk.unsigned("server-max-receive-pdu-size", 2)
    name = pull_short_name(walk, "vaa-name")
    referencing = {_VAA_LOGICAL: "logical names", _VAA_SHORT: "short names"}.get(name, "unknown")
    walk.node.children[-1].value = f"{referencing} ({name:04x})"


INITIATE: Final[Mapping[int, Pull]] = MappingProxyType({0x01: _pull_initiate_request, 0x08: _pull_initiate_response})
