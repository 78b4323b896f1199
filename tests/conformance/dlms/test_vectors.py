"""Published example APDUs and security values, read and written back. Other suites and layers come with later work."""

import json
from typing import Any

import pytest
from tests.conformance.dlms.conftest import VECTORS

from meterworks.protocols.dlms import (
    ApduCipher,
    CipheredApdu,
    CountUp,
    DataNotification,
    DataValue,
    GrowingCounter,
    SecurityContext,
    Tag,
    decode_apdu,
    decode_typed,
    encode,
)
from meterworks.protocols.dlms.challenge import make_proof, open_proof
from meterworks.protocols.errors import DecodeError, TagError


def rows(name: str) -> list[dict[str, Any]]:
    path = VECTORS / name
    return json.loads(path.read_text())["vectors"] if path.is_file() else []


def row_id(row: dict[str, Any]) -> str:
    return str(row.get("id") or f"{row['decoded'].get('apdu')}-{row['apdu'][:16]}-{row['source'].split('/')[-1]}")


def pushes() -> list[Any]:
    paths = sorted((VECTORS / "push").glob("*.json")) if VECTORS.is_dir() else []
    return [
        pytest.param(message, id=f"{path.stem}-{number}")
        for path in paths
        for number, message in enumerate(json.loads(path.read_text())["messages"])
    ]


def tree(value: DataValue) -> Any:
    """Give a value as the vectors write it."""
    name = "null-data" if value.tag is Tag.NULL else value.tag.name.lower().replace("_", "-")
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return {name: [tree(item) for item in value.value]}
    return {name: value.value.hex() if isinstance(value.value, bytes) else value.value}


def trees(decoded: Any) -> list[Any]:
    """Give all data trees in a decoded vector, in the order of the octets."""
    if isinstance(decoded, list):
        return [found for item in decoded for found in trees(item)]
    if not isinstance(decoded, dict):
        return []
    if len(decoded) == 1 and next(iter(decoded)).upper().replace("-", "_").replace("_DATA", "") in Tag.__members__:
        return [decoded]
    return [found for item in decoded.values() for found in trees(item)]


def encoded_values(message: Any) -> list[bytes]:
    """Give the encoded values that a message of ours holds."""
    found: list[bytes] = []
    if isinstance(message, CipheredApdu):
        return found
    for name in ("selection", "value", "parameter", "result", "results", "values", "body", "outcome", "items"):
        part = getattr(message, name, None)
        for item in part if isinstance(part, tuple) else (part,):
            item = getattr(item, "value", item) if not isinstance(item, bytes | int) else item
            if isinstance(item, bytes):
                found.append(item[1:] if name == "selection" else item)
    return found


@pytest.mark.parametrize("row", rows("apdu.json"), ids=row_id)
def test_apdu_is_read_and_written_back(row: dict[str, Any]) -> None:
    apdu = bytes.fromhex(row["apdu"])
    assert decode_apdu(apdu).to_bytes() == apdu


@pytest.mark.parametrize("row", rows("apdu.json"), ids=row_id)
def test_apdu_means_what_the_independent_reader_says(row: dict[str, Any]) -> None:
    message: Any = decode_apdu(bytes.fromhex(row["apdu"]))
    decoded = row["decoded"]
    if "instance" in decoded:
        address = message.address
        number = getattr(address, "attribute", None) or getattr(address, "method", None)
        assert (address.class_id, str(address.obis_code)) == (decoded["class_id"], decoded["instance"])
        assert number == (decoded.get("attribute") or decoded.get("method"))
    if "invoke_id" in decoded:
        assert message.invoke & 0x0F == decoded["invoke_id"]
        assert bool(message.invoke & 0x40) == (decoded["service_class"] == "confirmed")
    if "block_number" in decoded:
        block = getattr(message, "block", message)
        assert (block.number, getattr(block, "last", None)) == (decoded["block_number"], decoded.get("last_block"))
    if "conformance_hex" in decoded:
        assert message.conformance.to_bytes(3, "big").hex() == decoded["conformance_hex"]
    if decoded.get("type") == "with-datablock":
        return  # a part of a value, not a value
    values = [decode_typed(octets) for octets in encoded_values(message)]
    assert [tree(value) for value, _ in values] == trees(decoded)


@pytest.mark.parametrize("message", pushes())
def test_push_of_a_real_meter_is_read_to_the_end(message: dict[str, Any]) -> None:
    octets = bytes.fromhex(message.get("plain_apdu") or message["apdu"])
    if "error" in message:
        with pytest.raises(DecodeError):
            decode_apdu(octets)
        return
    push = decode_apdu(octets)
    assert isinstance(push, DataNotification)
    assert push.to_bytes() == octets
    value, end = decode_typed(push.body)
    assert end == len(push.body)
    assert encode(value) == push.body
    expected = message.get("plain_decoded") or message["decoded"]
    if expected.get("apdu") == "data-notification":
        assert tree(value) == expected["body"]


def suite0() -> list[dict[str, Any]]:
    return [row for row in rows("security.json") if row["kind"] == "aes-gcm"]


def cipher_of(row: dict[str, Any]) -> ApduCipher:
    return ApduCipher(bytes.fromhex(row["guek"]), bytes.fromhex(row["gak"]))


@pytest.mark.parametrize("row", suite0(), ids=row_id)
def test_protection_gives_the_published_octets(row: dict[str, Any]) -> None:
    control, title = int(row["security_control"], 16), bytes.fromhex(row["system_title"])
    plain, counter = bytes.fromhex(row["plain"]), row["invocation_counter"]
    protected = cipher_of(row).protect(control, title, counter, plain)
    assert protected[5:].hex() == row["secured"]
    assert cipher_of(row).unprotect(control, title, counter, protected[5:]) == plain


@pytest.mark.parametrize("row", [row for row in suite0() if "glo_get_request" in row], ids=row_id)
def test_ciphered_apdu_is_opened_by_the_association(row: dict[str, Any]) -> None:
    context = SecurityContext(
        own_title=b"MWKreads",
        peer_title=bytes.fromhex(row["system_title"]),
        cipher=cipher_of(row),
        next_counter=CountUp().next,
        peer_counter=GrowingCounter(),
    )
    opened = context.unprotect(bytes.fromhex(row["glo_get_request"]), 0)
    assert opened.apdu.hex() == row["plain"]
    assert opened.counter == row["invocation_counter"]


def proofs() -> list[Any]:
    """Give (cipher, title, counter, challenge, proof) of the published and recorded proofs of mechanism 5."""
    found = [
        pytest.param(
            cipher_of(row), bytes.fromhex(row["system_title"]), row["invocation_counter"],
            bytes.fromhex(row["challenge"]), bytes.fromhex(row["result"]), id=row["id"],
        )
        for row in rows("security.json") if row["kind"] == "hls-gmac"
    ]  # fmt: skip
    recorded = ApduCipher(bytes(range(16)), bytes(range(0xD0, 0xE0)))
    for row in rows("hls.json"):
        if row["mechanism"] == 5:
            for title, challenge, proof in (
                ("client_system_title", "stoc", "f_stoc"), ("server_system_title", "ctos", "f_ctos")
            ):  # fmt: skip
                octets = bytes.fromhex(row[proof])
                found.append(
                    pytest.param(
                        recorded, bytes.fromhex(row[title]), int.from_bytes(octets[1:5], "big"),
                        bytes.fromhex(row[challenge]), octets, id=f"{row['id']}-{proof}",
                    )
                )  # fmt: skip
    return found


@pytest.mark.parametrize(("cipher", "title", "counter", "challenge", "proof"), proofs())
def test_proof_is_the_published_one(
    cipher: ApduCipher, title: bytes, counter: int, challenge: bytes, proof: bytes
) -> None:
    assert make_proof(cipher, title, counter, challenge) == proof
    assert open_proof(cipher, title, proof, challenge) == counter
    with pytest.raises(TagError):
        open_proof(cipher, title, proof[:-1] + bytes((proof[-1] ^ 1,)), challenge)
