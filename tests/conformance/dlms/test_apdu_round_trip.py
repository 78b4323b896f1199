"""Every APDU of the recorded conversations and pushes, read and written back; general blocks of real pushes joined."""

import json
from typing import Any

import pytest
from tests.conformance.dlms.conftest import VECTORS

from meterworks.protocols.dlms import BlockReceiver, GeneralBlock, UnknownApdu, decode_apdu
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.errors import DecodeError


def recorded() -> list[Any]:
    """Give each APDU once, plain and ciphered, with where it is from."""
    if not VECTORS.is_dir():
        return []
    found: dict[str, str] = {}
    for folder in ("conversations", "push"):
        for path in sorted((VECTORS / folder).glob("*.json")):
            for message in json.loads(path.read_text()).get("messages", []):
                for name in ("apdu", "plain", "plain_apdu"):
                    if message.get(name) and "error" not in message:
                        found.setdefault(message[name], path.stem)
                if message.get("wrapper"):
                    found.setdefault(message["bytes"][16:], path.stem)
    return [pytest.param(octets, id=f"{stem}-{octets[:12]}") for octets, stem in found.items()]


# A widely used server writes a length octet 4 too small in its release response; see the fact sheet.
def is_malformed_release(apdu: bytes) -> bool:
    return apdu[0] == ApduTag.RLRE and len(apdu) > 5


PROTECTED_ACCESS_UNDER_NO_TAG = 0x00  # one open stack writes it so; nobody else knows what it is


@pytest.mark.parametrize("octets", recorded())
def test_recorded_apdu_is_written_back_as_it_came(octets: str) -> None:
    apdu = bytes.fromhex(octets)
    try:
        message = decode_apdu(apdu)
    except DecodeError:
        assert is_malformed_release(apdu)
        return
    assert isinstance(message, UnknownApdu) == (apdu[0] == PROTECTED_ACCESS_UNDER_NO_TAG)
    assert message.to_bytes() == apdu


def streams() -> list[Any]:
    paths = sorted((VECTORS / "push").glob("*.json")) if VECTORS.is_dir() else []
    found = [(path.stem, json.loads(path.read_text())) for path in paths]
    return [pytest.param(vector, id=stem) for stem, vector in found if vector.get("gbt")]


def frame_blocks(vector: dict[str, Any]) -> list[bytes]:
    """Give the blocks of a push: what stands in its frames behind the LLC, from the tag E0 on."""
    found = []
    octets = bytes.fromhex(vector["bytes"])
    offset = 0
    while (start := octets.find(0x7E, offset)) >= 0 and start + 3 < len(octets):
        size = int.from_bytes(octets[start + 1 : start + 3], "big") & 0x7FF
        if octets[start + 1] >> 4 != 0xA or octets[start + 1 + size : start + 2 + size] != b"\x7e":
            offset = start + 1
            continue
        information = octets[start + 1 : start - 1 + size]
        at = information.find(b"\xe0", 5)
        if at >= 0:
            found.append(information[at:])
        offset = start + 1 + size
    return found


@pytest.mark.parametrize("vector", streams())
def test_blocks_of_a_real_push_give_its_apdu(vector: dict[str, Any]) -> None:
    receiver = BlockReceiver()
    expected = [message["apdu"] for message in vector["messages"] if "error" not in message]
    stated = [block for group in vector["gbt"] for block in group]
    apdus = []
    for octets, facts in zip(frame_blocks(vector), stated, strict=True):
        block = GeneralBlock.from_bytes(octets)
        assert block.to_bytes() == octets
        assert (block.number, block.last, block.streaming) == (facts["block"], facts["last"], facts["streaming"])
        assert (block.window, block.acknowledged, len(block.octets)) == (facts["window"], facts["ack"], facts["len"])
        whole = receiver.receive(block)
        apdus += [] if whole is None else [whole.hex()]
    assert apdus == expected
    is_irregular = "expect" in vector
    assert (receiver.dropped > 0) == is_irregular
