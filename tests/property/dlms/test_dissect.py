"""Whatever the octets: the dissector gives a tree whose nodes lie inside them, in bounded time, and never raises."""

import json
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.dlms.conftest import VECTORS

from meterworks.protocols.capture import Packet, read_capture, read_chunks
from meterworks.protocols.dlms import decode_typed, encode, encode_wrapper
from meterworks.protocols.dlms.dissect import (
    Dissector,
    KeyRing,
    Node,
    data_from_json,
    data_to_json,
    dissect,
    messages_of,
    render_text,
    render_xml,
    trace_capture,
    tree_to_json,
)
from meterworks.protocols.dlms.dissect.name import APDU_NAMES
from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame
from meterworks.protocols.errors import DecodeError

RING = KeyRing.of(guek=bytes(range(16)), gak=bytes(range(0xD0, 0xE0)))
HEADS = [bytes((tag,)) for tag in APDU_NAMES] + [b"\x7e\xa0", b"\x7e\xa8", b"\x00\x01", b"\x68", b"\xe6\xe6\x00"]
BOUNDED = settings(max_examples=120, deadline=None)


def check_tree(tree: Node, octets: bytes) -> None:
    """Every node lies in the octets that its offset counts in; the renderings work."""
    pending = [(tree, octets)]
    while pending:
        node, base = pending.pop()
        base = node.octets or base
        assert 0 <= node.offset
        assert node.offset + node.size <= len(base), node.name
        pending.extend((child, base) for child in node.children)
    assert render_text(tree)
    json.dumps(tree_to_json(tree))
    ET.fromstring(f"<all>{render_xml(tree)}</all>")
    assert all(apdu for _, apdu in messages_of(tree))


@cache
def published() -> tuple[bytes, ...]:
    """Whole telegrams and APDUs to alter; a few of our own where the shared folder is absent."""
    found = [bytes.fromhex("c001c100080000010000ff0200"), bytes.fromhex("0f00000001000202110109060100010800ff")]
    for path in sorted(VECTORS.glob("push/*.json")):
        found.append(bytes.fromhex(json.loads(path.read_text())["bytes"]))
    if VECTORS.is_dir():
        found += [bytes.fromhex(row["apdu"]) for row in json.loads((VECTORS / "apdu.json").read_text())["vectors"]]
    return tuple(found)


@BOUNDED
@given(st.binary(max_size=300))
def test_any_octets_give_a_tree(octets: bytes) -> None:
    check_tree(dissect(octets, keys=RING), octets)


@BOUNDED
@given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_any_octets_behind_a_known_head_give_a_tree(head: bytes, octets: bytes) -> None:
    check_tree(dissect(head + octets, keys=RING), head + octets)


@BOUNDED
@given(st.data())
def test_an_altered_message_gives_a_tree(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from(published())))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(octets)))
    check_tree(dissect(bytes(octets[:cut]), keys=RING), bytes(octets[:cut]))


@BOUNDED
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6), st.booleans())
def test_a_conversation_of_any_octets_gives_trees(messages: list[bytes], wrapped: bool) -> None:
    dissector = Dissector(RING)
    for octets in messages:
        framed = encode_wrapper(16, 1, octets) if wrapped else octets
        check_tree(dissector.dissect(framed), framed)


@BOUNDED
@given(st.binary(min_size=1, max_size=200), st.integers(1, 40))
def test_a_message_in_any_segments_is_the_same_message(content: bytes, size: int) -> None:
    message = b"\xe6\xe6\x00\x0f\x00\x00\x00\x01\x00\x09" + bytes((0x81, len(content))) + content
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    frames = b"".join(
        HdlcFrame(HdlcAddress(1), HdlcAddress(16), 2 * number % 16, part, number < len(parts) - 1).to_bytes()
        for number, part in enumerate(parts)
    )
    assert [apdu for _, apdu in messages_of(dissect(frames))] == [message[3:]]


def values() -> st.SearchStrategy[dict[str, Any]]:
    leaves = st.one_of(
        st.builds(lambda number: {"unsigned": number}, st.integers(0, 255)),
        st.builds(lambda number: {"double-long": number}, st.integers(-(1 << 31), (1 << 31) - 1)),
        st.builds(lambda octets: {"octet-string": octets.hex()}, st.binary(max_size=20)),
        st.builds(lambda bits: {"bit-string": bits}, st.text("01", max_size=20)),
        st.builds(lambda text: {"utf8-string": text}, st.text(max_size=8).filter(str.isprintable)),
        st.just({"null-data": None}),
    )
    return st.recursive(
        leaves, lambda inner: st.builds(lambda items: {"structure": items}, st.lists(inner, max_size=4)), max_leaves=12
    )


@BOUNDED
@given(values())
def test_data_in_json_goes_to_octets_and_back(told: dict[str, Any]) -> None:
    encoded = encode(data_from_json(told))
    assert data_to_json(decode_typed(encoded)[0]) == told
    tree = dissect(bytes.fromhex("0f0000000100") + encoded)
    assert tree.errors == []


# --- captures -------------------------------------------------------------------------------------------------------


@BOUNDED
@given(
    st.sampled_from([b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a"]),
    st.binary(max_size=200),
)
def test_any_octets_behind_the_magic_number_of_a_capture_are_read_or_refused(magic: bytes, octets: bytes) -> None:
    try:
        capture = read_capture(magic + octets)
    except DecodeError:
        return
    assert all(len(packet.octets) <= len(octets) for packet in capture.packets)


@BOUNDED
@given(st.lists(st.binary(max_size=80), max_size=8), st.sampled_from([0, 1, 101, 113, 276]))
def test_any_packets_give_chunks_and_messages(octets: list[bytes], link: int) -> None:
    packets = [Packet(number, link, packet) for number, packet in enumerate(octets)]
    assert sum(len(chunk.octets) for chunk in read_chunks(packets)) <= sum(map(len, octets))
    for message in trace_capture(packets, RING):
        check_tree(message.node, message.octets)
