"""GB messages as annotated trees for people: every field of the frame, names of items, protection checked.

Nothing here fails: what is malformed is told once, with its octet, and what was understood before it stays.
Source: GBCS 7.2 (message structure); fact sheet gb/GBCS.md sections 2 to 4.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, Final

from meterworks.catalogue.gb import UseCase, load_use_cases
from meterworks.companions.gb.key_folder import KeyFolder
from meterworks.companions.gb.result.asn1_value import read_asn1, read_elements
from meterworks.companions.gb.result.certificate_text import certificate_text
from meterworks.companions.gb.result.cosem import item_size
from meterworks.companions.gb.result.form import read_value
from meterworks.companions.gb.result.gas import component_size, read_gas
from meterworks.companions.gb.result.item_name import asked_by
from meterworks.companions.gb.result.json_form import alert_name, result_to_json
from meterworks.companions.gb.result.message import result_of
from meterworks.companions.gb.result.moment import PRESENTATIONS, eui_text, seconds_text
from meterworks.companions.gb.result.quantity import quantities_of
from meterworks.companions.gb.result.result import Item, PayloadKind, Result
from meterworks.protocols import DecodeError, ProtectionError
from meterworks.protocols.dlms import AccessRequest
from meterworks.protocols.dlms.dissect import Node
from meterworks.protocols.gbcs import (
    Message,
    MessageKind,
    check_mac,
    check_signature,
    joined_message,
)

__all__ = ["annotate", "is_gb_message", "message_to_json"]

ROWS_SHOWN_MAX: Final = 200  # of one list, and of the parts of one value
DEPTH_SHOWN_MAX: Final = 12
_BROKER_UNIT: Final = 4
_CIPHERING_HEAD: Final = b"\xdd" + bytes(6)
_SECURITY_HEADER: Final = b"\x11\x00\x00\x00\x00\xdf"
_KINDS: Final = tuple(MessageKind)
_ACCESSES: Final = ("", "get", "set", "action", "get with selection", "set with selection")
_CERTIFICATE_MARK: Final = "3082"  # hex of a long sequence
_EVENTS: Final = frozenset({"log_code", "event"})
_ACCESS_REQUEST: Final = 0xD9
_GBZ: Final = b"\x01\x09"


@cache
def _use_cases() -> Mapping[int, UseCase]:
    return load_use_cases()


def is_gb_message(octets: bytes) -> bool:
    """Whether octets look like a GB message, whole or in blocks: then `annotate` says what is wrong with them."""
    try:
        octets = joined_message(octets)
    except DecodeError:
        return False
    if octets.startswith(_CIPHERING_HEAD):
        return _SECURITY_HEADER in octets[7:20]
    sizes = octets[:1] + octets[1:2] + octets[11:12] + octets[20:21]
    return sizes == b"\xdf\x09\x08\x08" and octets[2] in _KINDS and octets[29:30] in (b"\x00", b"\x0c")


def annotate(octets: bytes, keys: KeyFolder | None = None) -> Node:
    """The annotated tree of a GB message. keys: to verify and decrypt with, as far as they go."""
    root = Node("gb-message", f"{len(octets)} octets", 0, len(octets), octets=octets)
    try:
        whole = joined_message(octets)
        message = Message.from_bytes(whole)
    except DecodeError as error:
        root.error = str(error)
        return root
    inside = root
    if whole is not octets:
        inside = Node("joined", f"{len(whole)} octets of several blocks", 0, len(whole), is_wire=True, octets=whole)
        root.children.append(inside)
    _Annotator(whole, message, keys).tell(inside)
    return root


def message_to_json(octets: bytes, keys: KeyFolder | None = None) -> dict[str, Any] | None:
    """What a response or an alert says, as JSON; None for commands and for what cannot be read."""
    try:
        message = Message.from_bytes(joined_message(octets))
        if message.kind is MessageKind.COMMAND:
            return None
        return result_to_json(_result(message, keys))
    except (DecodeError, ProtectionError):
        return None


def _result(message: Message, keys: KeyFolder | None) -> Result:
    return result_of(message, secret=None if keys is None else keys.secret)


class _Annotator:
    """Makes the nodes of one message, field by field from its first octet on."""

    def __init__(self, octets: bytes, message: Message, keys: KeyFolder | None) -> None:
        self._octets = octets
        self._message = message
        self._keys = keys
        self._offset = 0
        self._into: Node = Node("")

    def tell(self, root: Node) -> None:
        message = self._message
        self._into = root
        if message.mac is not None:
            start = self._octets.index(_SECURITY_HEADER)
            self._add("general-ciphering", f"{len(self._octets) - start} octets", start, is_wire=True)
            self._add("security-header", "authentication only, suite 1", len(_SECURITY_HEADER) - 1, is_wire=True)
        end = len(self._octets) - (0 if message.mac is None else len(message.mac))
        body = Node("general-signing", self._title(), self._offset, end - self._offset)
        root.children.append(body)
        self._into = body
        self._offset += 1
        self._tell_header()
        self._tell_payload()
        self._tell_signature(end)
        if message.mac is not None:
            self._into = root
            verdict, error = self._mac_verdict()
            self._add("mac", f"{message.mac.hex()} ({verdict})", len(message.mac)).error = error

    def _title(self) -> str:
        message = self._message
        row = _use_cases().get(message.message_code)
        kind = "pre-command" if message.ends_behind_payload else message.kind.name.lower()
        return f"{kind} {row.use_case}".rstrip() + f": {row.title}" if row else f"{kind} of an unknown use case"

    def _add(self, name: str, value: str, size: int, *, is_wire: bool = False) -> Node:
        node = Node(name, value, self._offset, size, is_wire=is_wire)
        self._into.children.append(node)
        self._offset += size
        return node

    def _tell_header(self) -> None:
        message, other = self._message, self._message.other
        self._offset += 1  # the length of the transaction
        self._add("kind", f"{message.kind.name.lower()} ({int(message.kind)})", 1)
        self._add("counter", str(message.counter), 8)
        self._offset += 1
        self._add("originator", self._party(message.originator), 8)
        self._offset += 1
        self._add("recipient", self._party(message.recipient), 8)
        told = PRESENTATIONS["date-time"].tell(message.date_time)
        self._add("date-time", told[0] if told else message.date_time.hex() or "none", 1 + len(message.date_time))
        self._offset += _length_size(len(other.to_bytes()))
        self._add("message-code", f"{message.message_code:04X}", 2)
        if other.supplementary_party is not None:
            self._add("supplementary-party", self._party(other.supplementary_party), 8)
        if other.supplementary_counter is not None:
            self._add("supplementary-counter", str(other.supplementary_counter), 8)
        if other.supplementary_originator_counter is not None:
            self._add("supplementary-originator-counter", str(other.supplementary_originator_counter), 8)
        if other.certificate:
            size = len(other.certificate)
            self._add("certificate", certificate_text(other.certificate) or f"{size} octets, which are none", size)

    def _party(self, identity: bytes) -> str:
        unit = None if self._keys is None else self._keys.units.get(identity)
        return eui_text(identity) if unit is None else f"{eui_text(identity)} (remote party role {unit})"

    def _tell_payload(self) -> None:
        payload = self._message.payload
        self._offset += _length_size(len(payload))
        node = self._add("payload", f"{len(payload)} octets", len(payload))
        try:
            node.children.extend(_payload_nodes(self._message, self._keys, node.offset))
        except (DecodeError, ProtectionError) as error:
            within = error.facts.get("offset")
            where = "" if not isinstance(within, int) else f"; octet {node.offset + within} of the message"
            node.error = f"payload: {error}{where}"

    def _tell_signature(self, end: int) -> None:
        signature = self._message.signature
        self._offset = end - len(signature)
        if not signature:
            if not self._message.ends_behind_payload:
                self._offset -= 1
                self._add("signature", "none", 1)
            return
        verdict, error = self._signature_verdict()
        self._add("signature", f"{signature.hex()} ({verdict})", len(signature)).error = error

    def _signature_verdict(self) -> tuple[str, str]:
        key = None if self._keys is None else self._keys.public_key(self._message.originator, "sign")
        if key is None:
            return "not checked: no public key of the originator", ""
        try:
            check_signature(self._message, key)
        except ProtectionError as error:
            return "false", str(error)
        return "verified", ""

    def _mac_verdict(self) -> tuple[str, str]:
        error: ProtectionError | None = None
        for secret in self._mac_secrets():
            try:
                check_mac(self._message, secret)
            except ProtectionError as raised:
                error = raised
            else:
                return "verified", ""
        if error is None or not self._is_checkable():
            return "not checked: no key of either end", ""
        return "false", str(error)

    def _is_checkable(self) -> bool:
        """Whether one of our keys must have made the MAC: not where two devices speak, whose keys nobody else has."""
        ends = self._message.originator, self._message.recipient
        return self._keys is not None and (
            self._keys.secret(*ends) is not None or not self._keys.units.keys().isdisjoint(ends)
        )

    def _mac_secrets(self) -> Iterator[bytes]:
        """Secrets that may have made the MAC: of the two parties, or of the broker in the place of one."""
        if self._keys is None:
            return
        originator, recipient = self._message.originator, self._message.recipient
        brokers = self._keys.parties(_BROKER_UNIT)
        ends = [(originator, recipient), *((each, recipient) for each in brokers)]
        ends += [(originator, each) for each in brokers]
        for one, other in ends:
            secret = self._keys.secret(one, other) if one != other else None
            if secret is not None:
                yield secret


def _length_size(size: int) -> int:
    return 1 if size < 0x80 else 2 if size <= 0xFF else 3


# --- payloads -------------------------------------------------------------------------------------------------------


def _payload_nodes(message: Message, keys: KeyFolder | None, offset: int) -> Iterator[Node]:
    if message.kind is MessageKind.COMMAND:
        for name, value, place in _asked_values(message):
            yield _value_node(name, value, offset + place, 0)
        return
    result = _result(message, keys)
    if result.alert is not None:
        head = result.alert
        name = alert_name(head.code) or "unknown"
        yield Node("alert", f"{head.code:04X} {name}, at {head.time}", offset)
    for item, place in zip(result.items, _places(result, len(message.payload)), strict=True):
        yield _item_node(item, offset + place)
    for name, each in quantities_of(result).items():
        yield Node("quantity", f"{name} = {each.value} {each.unit}".rstrip(), offset)


def _places(result: Result, size: int) -> list[int]:
    """Where in a payload of a size each item begins."""
    kind, items = result.frame.kind, result.items
    if kind in (PayloadKind.ACCESS_RESPONSE, PayloadKind.DATA_NOTIFICATION):
        is_alert = kind is PayloadKind.DATA_NOTIFICATION
        behind = 0 if is_alert else _length_size(len(items)) + 2 * len(items)  # the list of results
        return _starts([item_size(item, is_alert=is_alert) for item in items], size - behind)
    if all(item.gas is not None for item in items):
        return _starts([component_size(item) for item in items], size)
    return [0] * len(items)


def _starts(sizes: Sequence[int], end: int) -> list[int]:
    """Where parts begin that stand one behind the other and end at an octet."""
    return [end - sum(sizes) + before for before in accumulate((0, *sizes[:-1]))] if sizes else []


def _asked_values(message: Message) -> Iterator[tuple[str, Any, int]]:
    """What a command asks: names of items with the values it carries, and where they begin."""
    payload = message.payload
    if payload[:1] == bytes((_ACCESS_REQUEST,)):
        request = AccessRequest.from_bytes(payload)
        asked = asked_by(message.message_code, request.specifications)
        sizes = [len(specification.to_bytes()) for specification in request.specifications]
        data = _length_size(len(sizes)) + sum(map(len, request.values))
        rows = zip(asked, request.specifications, request.values, _starts(sizes, len(payload) - data), strict=True)
        for each, specification, value, place in rows:
            yield f"{_ACCESSES[specification.kind]} {each.name}", read_value(value, each.schema).value, place
    elif payload.startswith(_GBZ):
        _, items = read_gas(payload, lambda _: None)
        for item, place in zip(items, _starts([component_size(item) for item in items], len(payload)), strict=True):
            time_s = None if item.gas is None else item.gas.time_s
            told = item.value if time_s is None else {"from_time": seconds_text(time_s), "value": item.value}
            yield item.name, told, place
    elif payload:
        named = read_asn1(message.message_code, message.kind, payload)
        yield "content", named[0] if named is not None else read_elements(payload)[0], 0
    else:
        raise DecodeError("the message has no payload", offset=0)


def _item_node(item: Item, offset: int) -> Node:
    place = f" ({item.place})" if item.place else ""
    access = f"{item.access} " if item.access else ""
    node = _value_node(f"{access}{item.name}{place}", item.value, offset, 0)
    if item.code or item.value is None:
        node.value = item.status if item.value is None else f"{item.status}, {node.value}"
    if item.sealed is not None:
        sealed = item.sealed
        state = "decrypted" if sealed.is_open else "sealed: no key of its reader"
        node.children.append(Node("encrypted", f"{len(sealed.octets)} octets ({state})", offset))
        if sealed.is_open:
            node.children.append(_value_node("content", sealed.value, offset, 0))
    return node


def _value_node(name: str, value: Any, offset: int, depth: int) -> Node:
    """A value as a line, or as a line for each of its parts."""
    if isinstance(value, str) and value.startswith(_CERTIFICATE_MARK):
        return Node(name, _certificate_of(value) or value, offset)
    if not isinstance(value, dict | list) or _is_short(value) or depth >= DEPTH_SHOWN_MAX:
        return Node(name, _text(value), offset)
    parts = list(value.items()) if isinstance(value, dict) else list(enumerate(value, start=1))
    node = Node(name, f"{len(parts)} parts" if isinstance(value, dict) else f"{len(parts)} entries", offset)
    shown = parts[:ROWS_SHOWN_MAX]
    node.children = [_value_node(str(key), part, offset, depth + 1) for key, part in shown]
    if len(parts) > len(shown):
        node.children.append(Node("...", f"{len(parts) - len(shown)} more", offset))
    return node


def _certificate_of(text: str) -> str | None:
    try:
        return certificate_text(bytes.fromhex(text))
    except ValueError:  # another text that begins so
        return None


def _is_short(value: Any) -> bool:
    """Whether all parts are plain: such a value fits on one line."""
    parts = value.values() if isinstance(value, dict) else value
    return not any(isinstance(part, dict | list) or str(part).startswith(_CERTIFICATE_MARK) for part in parts)


def _event_text(code: Any) -> str:
    """An event of a log by its code and what it stands for."""
    return f"{code:04X} {alert_name(code)}".rstrip() if isinstance(code, int) else _text(code)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_event_text(part) if key in _EVENTS else _text(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return str(value)
