"""Telegrams of real meters and whole conversations, read to the end as a receiver would.

What stands in frames, blocks and ciphered APDUs is taken out by the dissector, which uses the decoders and ciphers of
client and server; each APDU is then read by the decoder that they use.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meterworks.assess.vectors.compare import check_meaning
from meterworks.assess.vectors.field import key_ring, octets, octets_of
from meterworks.assess.vectors.field import number as number_of
from meterworks.assess.vectors.hdlc_vector import check_frame
from meterworks.assess.vectors.hls_vector import check_handshake
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.meaning import meaning_of
from meterworks.assess.vectors.verdict import Document, Mismatch, expect
from meterworks.errors import PeerError
from meterworks.protocols import dlms
from meterworks.protocols.dlms.dissect import Dissector, Node, messages_of

__all__ = ["check_conversation", "check_telegram"]

VERIFIED: Final = "tag verified"
_CLOSED: Final = "no key fits"


_FLAGS: Final = b"\x7e"
_MBUS_FIELDS: Final = {
    "control": "c", "address": "a", "control-information": "ci", "source": "stsap", "destination": "dtsap",
}  # fmt: skip
_TRANSPORTS: Final = {"hdlc": "hdlc", "mbus": "m-bus", "m-bus": "m-bus", "wrapper": "wrapper", "llc": "llc", "none": ""}
_LAYERS: Final = frozenset({"hdlc", "m-bus", "wrapper", "llc"})


# --- telegrams ------------------------------------------------------------------------------------------------------


def check_telegram(document: Document, _lookup: Lookup) -> None:
    """A telegram as received, its frames and the messages in it."""
    received = octets_of(document["bytes"])
    _check_stated_frames(document.get("frames") or [], received)
    tree = Dissector(key_ring(document)).dissect(received)
    _check_layers(document, tree)
    found = list(messages_of(tree))
    stated = document["messages"]
    position = 0
    for number, message in enumerate(stated):
        name = f"messages[{number}]"
        if "error" in message:
            _check_irregular(name, tree, message)
            continue
        apdu = octets_of(message["apdu"])
        place = next((place for place in range(position, len(found)) if found[place][1] == apdu), None)
        if place is None:
            raise Mismatch(f"{name}: the receiver does not find this APDU in the octets")
        position = place + 1
        _check_message(name, message, apdu, found[place][0])
    if not tree.errors and not any("error" in message for message in stated):
        expect("messages", len(found), len(stated))


def _check_stated_frames(frames: list[Document], received: bytes) -> None:
    """Each frame stands in the octets, behind the one before it, and is what is said of it."""
    place = 0
    for number, frame in enumerate(frames):
        raw = octets(frame, "raw", "bytes")
        if raw is None:
            continue
        found = received.find(raw.strip(_FLAGS), place)
        if found < 0:
            raise Mismatch(f"frames[{number}] does not stand in the octets of the telegram")
        place = found + 1
        if "dest" in frame:
            check_frame(raw, frame)
        else:
            _check_mbus_frame(raw, frame)


def _check_mbus_frame(raw: bytes, frame: Document) -> None:
    tree = Dissector().dissect(raw)
    data = tree.find("data")
    if data is None:
        raise Mismatch("a frame of the telegram is not recognised")
    expect("information", raw[data.offset : data.offset + data.size], octets_of(frame["information"]))
    expect("check sum is right", not any("check sum" in node.error for node in tree.walk()), frame["checksum_ok"])
    for name, field in _MBUS_FIELDS.items():
        node = tree.find(name)
        if node is not None and frame.get(field) is not None:
            expect(name, raw[node.offset], number_of(frame[field]))


def _check_layers(document: Document, tree: Node) -> None:
    """The layer below the messages, and the blocks of general block transfers, are those stated."""
    transport = _TRANSPORTS.get(str(document.get("transport", "")).split(" ")[0])
    if transport is not None:
        names = [child.name for child in tree.children]
        expect("transport", transport in names or (not transport and not _LAYERS.intersection(names)), True)
    stated = [block for run in document.get("gbt") or [] for block in run]
    blocks = [node for node in tree.walk() if node.name == "general-block-transfer"]
    if stated:
        expect("general blocks", len(blocks), len(stated))
    for block, (node, octets_) in zip(stated, _general_blocks(tree), strict=False):
        check_meaning(f"block {node.value}", meaning_of(dlms.decode_apdu(octets_)), block)


def _general_blocks(tree: Node) -> Iterator[tuple[Node, bytes]]:
    for node in tree.walk():
        if node.name == "general-block-transfer":
            yield node, tree.octets[node.offset : node.offset + node.size]


def _check_irregular(name: str, tree: Node, message: Document) -> None:
    """What is broken on purpose: the receiver tells of it, or the decoder refuses it, or it does not open."""
    closed = any(node.value == _CLOSED for node in tree.walk())
    if not tree.errors and not closed:
        raise Mismatch(f"{name}: nothing is reported, though {message['error']!r} is to be met")
    apdu = octets(message, "apdu") or b""
    if closed or any(node.errors for node, octets_ in messages_of(tree) if octets_ == apdu):
        return
    try:
        dlms.decode_apdu(apdu)
    except PeerError:
        return
    if apdu in [octets_ for _, octets_ in messages_of(tree)]:
        raise Mismatch(f"{name}: a message that is broken ({message['error']}) was taken")


def _check_message(name: str, message: Document, apdu: bytes, node: Node) -> None:
    if node.errors:
        raise Mismatch(f"{name}: the dissector does not understand octet {node.first_error}: {node.errors[0].error}")
    decoded = message.get("decoded")
    plain = octets(message, "plain_apdu", "plain")
    if plain is None:
        _check_decoded(name, apdu, decoded)
        return
    _check_ciphering(name, message.get("ciphering") or {}, apdu)
    verified = (message.get("ciphering") or message).get("tag_verified")
    _check_opened(name, node, plain, verified)
    inner = message.get("plain_decoded") or decoded
    if isinstance(inner, Mapping):
        _check_decoded(name, plain, inner)


def _check_decoded(name: str, apdu: bytes, decoded: Any) -> None:
    read = dlms.decode_apdu(apdu)
    if decoded is not None:
        check_meaning(f"{name}.decoded", meaning_of(read), decoded)


def _check_ciphering(name: str, stated: Mapping[str, Any], apdu: bytes) -> None:
    ours = meaning_of(dlms.decode_apdu(apdu))
    ours["length"] = len(apdu) - _protected_at(apdu)
    for field in ("tag", "system_title", "security_control", "invocation_counter", "length"):
        if stated.get(field) is not None:
            check_meaning(f"{name}.ciphering.{field}", ours.get(field), stated[field])


def _protected_at(apdu: bytes) -> int:
    """Give where SC, IC and body begin: behind the last length before them."""
    content = Dissector().dissect(apdu).find("security-control")
    return 0 if content is None else content.offset


def _check_opened(name: str, node: Node, plain: bytes, verified: bool | None) -> None:
    inside = node.find("deciphered")
    if inside is None:
        raise Mismatch(f"{name}: the message does not open with the keys given")
    expect(f"{name}, deciphered", inside.octets, plain)
    if verified is not None:
        expect(f"{name}, tag is verified", VERIFIED in inside.value, verified)


# --- conversations --------------------------------------------------------------------------------------------------


def check_conversation(document: Document, lookup: Lookup) -> None:
    """A whole exchange between a client and a server, over frames of any kind."""
    dissector = Dissector(key_ring(document))
    for number, message in enumerate(document["messages"]):
        _check_exchanged(f"messages[{number}]", message, dissector)
    challenges = document.get("challenges") or {}
    if "f_stoc" in challenges or "f_ctos" in challenges:
        row = {key: value for key, value in document.items() if not isinstance(value, list | Mapping)}
        check_handshake({**row, **challenges}, lookup)


def _check_exchanged(name: str, message: Document, dissector: Dissector) -> None:
    received = octets_of(message["bytes"])
    for frame in _frames(message):
        check_frame(octets(frame, "raw") or received, frame)
    tree = dissector.dissect(received, direction=str(message.get("dir", "")))
    found = list(messages_of(tree))
    stated = octets(message, "apdu")
    if stated is None and "wrapper" in message:
        stated = _check_wrapper(name, message["wrapper"], received)
    elif stated is None and ("decoded" in message or "plain" in message):
        stated = found[-1][1] if found else received
    if stated is None:
        return
    node = next((node for node, apdu in found if apdu == stated), None)
    if "error" in message:
        _try_decode(stated)
        return
    if node is None:
        raise Mismatch(f"{name}: the receiver does not find the APDU in the octets")
    _check_exchanged_apdu(name, message, stated, node)


def _frames(message: Document) -> Iterator[Document]:
    if isinstance(message.get("frame"), Mapping):
        yield message["frame"]
    yield from message.get("frames") or []


def _check_wrapper(name: str, stated: Document, received: bytes) -> bytes:
    reader = dlms.WrapperReader()
    reader.feed(received)
    frame = reader.next_frame()
    if frame is None:
        raise Mismatch(f"{name}: the wrapper's frame is not whole")
    source, destination, apdu = frame
    expect(f"{name}, version", int.from_bytes(received[:2], "big"), stated.get("version", 1))
    expect(f"{name}, source", source, stated["source"])
    expect(f"{name}, destination", destination, stated["destination"])
    expect(f"{name}, length", len(apdu), stated["length"])
    expect(f"{name}, frame written back", dlms.encode_wrapper(source, destination, apdu), received[: 8 + len(apdu)])
    return apdu


def _try_decode(apdu: bytes) -> None:
    """What the recording's own reader failed on: we may read it or refuse it, with an error of ours."""
    try:
        meaning_of(dlms.decode_apdu(apdu))
    except PeerError:
        return


def _check_exchanged_apdu(name: str, message: Document, apdu: bytes, node: Node) -> None:
    decoded = message.get("decoded")
    if isinstance(decoded, Mapping) and "length_mismatch" in decoded:
        _check_misshapen(name, decoded, apdu, node)
    else:
        _check_decoded(name, apdu, decoded)
    plain = octets(message, "plain", "plain_apdu")
    if plain is None:
        return
    _check_opened(name, node, plain, message.get("tag_verified"))
    if "plain_error" in message:
        _try_decode(plain)
    else:
        _check_decoded(f"{name}.plain", plain, message.get("plain_decoded"))


def _check_misshapen(name: str, decoded: Document, apdu: bytes, node: Node) -> None:
    """A release response whose length is wrong: shown as what it is with its fault, taken or refused by the decoder."""
    expect(f"{name}, APDU", node.name, decoded["apdu"])
    expect(f"{name}, fault is told", bool(node.errors), True)
    try:
        read = dlms.decode_apdu(apdu)
    except PeerError:
        return
    expect(f"{name}, reason", getattr(read, "reason", None), decoded.get("reason"))
