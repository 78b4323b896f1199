"""Single vectors of every kind made here: what holds passes, what was changed fails, what is not known is skipped."""

import json
from pathlib import Path
from typing import Any

import pytest

from meterworks.assess.vectors import Outcome, Verdict, run_vectors
from meterworks.protocols.dlms import encode_wrapper
from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame
from meterworks.protocols.dlms.security import (
    ApduCipher,
    GeneralCiphering,
    GeneralHeader,
    IdentifiedKey,
    SecuritySuite,
    SoftwareKeyAgreement,
    SoftwareSigner,
    algorithm_id,
    derive_key,
    wrap_key,
)

GUEK, GAK, TITLE = bytes(range(16)), bytes(range(0xD0, 0xE0)), bytes.fromhex("4d4d4d0000bc614e")
GET = bytes.fromhex("c0010000080000010000ff0200")
GET_NAMED = {"apdu": "get-request", "class_id": 8, "instance": "0.0.1.0.0.255"}


def verdict_of(tmp_path: Path, document: Any) -> Verdict:
    (tmp_path / "a.json").write_text(json.dumps(document))
    verdicts = run_vectors(tmp_path).verdicts
    assert len(verdicts) == 1
    return verdicts[0]


def outcome_of(tmp_path: Path, document: Any) -> Outcome:
    return verdict_of(tmp_path, document).outcome


# --- security -------------------------------------------------------------------------------------------------------


def gcm(control: int, suite: int, *, broadcast: bool = False) -> dict[str, Any]:
    key = GUEK if suite < 2 else GUEK + GUEK
    cipher = ApduCipher(key, GAK, suite, broadcast_key=b"B" * len(key))
    protect = cipher.protect_broadcast if broadcast else cipher.protect
    protected = protect(control, TITLE, 7, GET)
    return {
        "kind": "aes-gcm", "guek": key.hex(), "gak": GAK.hex(), "gbek": (b"B" * len(key)).hex(),
        "system_title": TITLE.hex(), "invocation_counter": 7, "security_control": protected[:1].hex(),
        "plain": GET.hex(), "secured": protected[5:].hex(),
        "glo_get_request": (bytes((0xC8, len(protected))) + protected).hex(),
    }  # fmt: skip


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("broadcast", [False, True])
def test_gcm_of_every_suite(control: int, suite: int, broadcast: bool, tmp_path: Path) -> None:
    row = gcm(control, suite, broadcast=broadcast)
    assert verdict_of(tmp_path, row).reason == ""
    assert outcome_of(tmp_path, row | {"secured": "00" * len(row["secured"])}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"invocation_counter": 8}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"guek": GAK.hex() * (1 + (suite == 2)), "gbek": GAK.hex()}) is Outcome.FAILED


def test_gcm_with_the_header_of_general_ciphering(tmp_path: Path) -> None:
    header = GeneralHeader(transaction_id=b"12345678", originator=TITLE, recipient=b"MMM00001")
    protected = ApduCipher(GUEK, GAK).protect(0x30, TITLE, 7, GET, header.to_bytes())
    whole = GeneralCiphering(
        header=header, key_info=IdentifiedKey(0), control=0x30, counter=7, body=protected[5:]
    ).to_bytes()
    row = {
        "kind": "aes-gcm", "key": GUEK.hex(), "gak": GAK.hex(), "originator": TITLE.hex(),
        "recipient": b"MMM00001".hex(), "transaction_id": b"12345678".hex(),
        "invocation_counter": 7, "security_control": "30", "plain": GET.hex(),
        "ciphertext": protected[5:-12].hex(), "tag": protected[-12:].hex(), "general_ciphering": whole.hex(),
    }  # fmt: skip
    assert verdict_of(tmp_path, row).reason == ""
    assert outcome_of(tmp_path, row | {"recipient": TITLE.hex()}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"tag": "00" * 12}) is Outcome.FAILED


@pytest.mark.parametrize(("curve", "suite"), [("P-256", SecuritySuite.SUITE_1), ("P-384", SecuritySuite.SUITE_2)])
def test_signatures(curve: str, suite: SecuritySuite, tmp_path: Path) -> None:
    signer = SoftwareSigner(suite, bytes([7]) * (32 if suite == 1 else 48))
    row = {
        "kind": "ecdsa", "curve": curve, "public_key": signer.public_key.hex(), "message": "0102",
        "signature": signer.sign(b"\x01\x02").hex(),
    }  # fmt: skip
    assert verdict_of(tmp_path, row).reason == ""
    assert outcome_of(tmp_path, row | {"private_key": ("07" * (len(signer.public_key) // 2))}) is Outcome.PASSED
    assert outcome_of(tmp_path, row | {"message": "0103"}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"invalid_signature": row["signature"]}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"curve": "P-521"}) is Outcome.SKIPPED


@pytest.mark.parametrize(("curve", "suite"), [("P-256", SecuritySuite.SUITE_1), ("P-384", SecuritySuite.SUITE_2)])
def test_key_agreement(curve: str, suite: SecuritySuite, tmp_path: Path) -> None:
    size = 32 if suite == 1 else 48
    one, other = SoftwareKeyAgreement(suite, bytes([1]) * size), SoftwareKeyAgreement(suite, bytes([2]) * size)
    secret = one.agree(other.public_key)
    row = {
        "kind": "ecdh-kdf", "curve": curve, "private_one": "01" * size, "public_other": other.public_key.hex(),
        "z": secret.hex(), "party_u": TITLE.hex(), "party_v": GAK.hex(),
        "derived_key": derive_key(suite, secret, algorithm_id(suite), TITLE, GAK).hex(),
    }  # fmt: skip
    assert verdict_of(tmp_path, row).reason == ""
    assert outcome_of(tmp_path, row | {"private_other": "02" * size}) is Outcome.PASSED
    assert outcome_of(tmp_path, row | {"private_one": "03" * size}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"party_v": TITLE.hex()}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"z": "00" * size}) is Outcome.FAILED


def test_key_wrap(tmp_path: Path) -> None:
    row = {"kind": "aes-key-wrap", "kek": GAK.hex(), "key": GUEK.hex(), "wrapped": wrap_key(GAK, GUEK).hex()}
    assert outcome_of(tmp_path, row) is Outcome.PASSED
    assert outcome_of(tmp_path, row | {"key": GAK.hex()}) is Outcome.FAILED


def test_values_of_an_unknown_kind_are_skipped(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, [{"kind": "tea leaves"}]) is Outcome.SKIPPED


# --- handshakes -----------------------------------------------------------------------------------------------------


def handshake(mechanism: int, **more: Any) -> dict[str, Any]:
    return {
        "mechanism": mechanism, "ctos": "11" * 32, "stoc": "22" * 32, "client_system_title": TITLE.hex(),
        "server_system_title": b"MMM00001".hex(), "secret": "00", **more,
    }  # fmt: skip


def test_signed_handshakes(tmp_path: Path) -> None:
    client = SoftwareSigner(SecuritySuite.SUITE_1, bytes([1]) * 32)
    server = SoftwareSigner(SecuritySuite.SUITE_1, bytes([2]) * 32)
    titles = TITLE + b"MMM00001"
    row = handshake(
        7,
        client_public_key=client.public_key.hex(),
        server_private_key="02" * 32,
        f_stoc=client.sign(titles + b"\x22" * 32 + b"\x11" * 32).hex(),
        f_ctos=server.sign(titles[8:] + titles[:8] + b"\x11" * 32 + b"\x22" * 32).hex(),
    )
    assert verdict_of(tmp_path, row).reason == ""
    assert outcome_of(tmp_path, row | {"ctos": "12" * 32}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"f_stoc": "00"}) is Outcome.FAILED


def test_gmac_handshake_with_keys_of_its_own(tmp_path: Path) -> None:
    cipher = ApduCipher(GAK, GUEK)
    proof = b"\x10" + bytes(3) + b"\x09" + cipher.gmac(TITLE, 9, b"\x22" * 32)
    row = handshake(5, guek=GAK.hex(), gak=GUEK.hex(), f_stoc=proof.hex())
    assert verdict_of(tmp_path, row).reason == ""
    assert outcome_of(tmp_path, row | {"guek": None}) is Outcome.FAILED


def test_a_mechanism_without_proofs_is_skipped(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, handshake(1)) is Outcome.SKIPPED


# --- APDUs, data, telegrams, conversations --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data", "axdr", "encoded", "bytes"])
def test_data(name: str, tmp_path: Path) -> None:
    row = {name: "0201110 5".replace(" ", ""), "decoded": {"structure": [{"unsigned": 5}]}}
    assert outcome_of(tmp_path, row) is Outcome.PASSED
    assert outcome_of(tmp_path, row | {"decoded": {"structure": [{"unsigned": 6}]}}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {name: "020111"}) is Outcome.FAILED


def ciphered() -> bytes:
    protected = ApduCipher(GUEK, GAK).protect(0x30, TITLE, 7, GET)
    return b"\xdb\x08" + TITLE + bytes((len(protected),)) + protected


def test_a_ciphered_apdu_with_its_plaintext(tmp_path: Path) -> None:
    row = {
        "apdu": ciphered().hex(), "decoded": {"apdu": "general-glo-ciphering", "invocation_counter": 7},
        "guek": GUEK.hex(), "gak": GAK.hex(), "plain": GET.hex(), "plain_decoded": GET_NAMED,
    }  # fmt: skip
    assert verdict_of(tmp_path, row).reason == ""
    assert outcome_of(tmp_path, row | {"gak": GUEK.hex()}) is Outcome.FAILED
    assert outcome_of(tmp_path, row | {"plain_decoded": GET_NAMED | {"class_id": 9}}) is Outcome.FAILED


def test_an_apdu_without_its_last_octet_is_taken_as_tolerated(tmp_path: Path) -> None:
    row = {"apdu": "c701c103", "decoded": {"apdu": "action-response", "type": "normal", "action_result": 3}}
    assert outcome_of(tmp_path, row) is Outcome.PASSED


FRAME = HdlcFrame(HdlcAddress(1), HdlcAddress(16), 0x13, b"\xe6\xe7\x00" + ciphered())


def telegram(**more: Any) -> dict[str, Any]:
    message = {
        "apdu": ciphered().hex(), "ciphering": {"tag": "db", "system_title": TITLE.hex(), "tag_verified": True},
        "plain_apdu": GET.hex(), "decoded": GET_NAMED,
    }  # fmt: skip
    return {
        "bytes": FRAME.to_bytes().hex(), "transport": "hdlc", "guek": GUEK.hex(), "gak": GAK.hex(),
        "messages": [message], **more,
    }  # fmt: skip


def test_a_telegram(tmp_path: Path) -> None:
    assert verdict_of(tmp_path, telegram()).reason == ""


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": "7e"},
        {"bytes": (FRAME.to_bytes() * 2).hex()},
        {"guek": GAK.hex()},
        {"gak": None},
        {"transport": "mbus"},
        {"messages": [{"apdu": GET.hex()}]},
        {"frames": [{"raw": "7ea0"}]},
        {"messages": [{"apdu": ciphered().hex(), "error": "whatever"}]},
        {"gbt": [[{"block": 1}]]},
    ],
    ids=["nothing", "twice", "key", "no tag checked", "transport", "message", "frame", "not broken", "no blocks"],
)
def test_a_telegram_of_which_something_else_is_said(change: dict[str, Any], tmp_path: Path) -> None:
    assert outcome_of(tmp_path, telegram(**change)) is Outcome.FAILED


def test_a_telegram_that_is_broken_on_purpose(tmp_path: Path) -> None:
    octets = bytearray(FRAME.to_bytes())
    octets[-5] ^= 1  # in the tag: neither the frame's sum nor the message's holds
    row = telegram(
        bytes=octets.hex(), expect="irregular", messages=[{"apdu": octets[11:-3].hex(), "error": "tag does not fit"}]
    )
    assert verdict_of(tmp_path, row).reason == ""


def conversation(**more: Any) -> dict[str, Any]:
    wrapper = {"version": 1, "source": 16, "destination": 1, "length": len(ciphered())}
    message = {
        "dir": "client", "bytes": encode_wrapper(16, 1, ciphered()).hex(), "wrapper": wrapper,
        "decoded": {"apdu": "general-glo-ciphering"}, "plain": GET.hex(), "tag_verified": True,
        "plain_decoded": GET_NAMED, **more,
    }  # fmt: skip
    return {"transport": "wrapper", "guek": GUEK.hex(), "gak": GAK.hex(), "messages": [message]}


def test_a_conversation(tmp_path: Path) -> None:
    assert verdict_of(tmp_path, conversation()).reason == ""
    assert verdict_of(tmp_path, conversation(plain_error="index", plain_decoded=None)).reason == ""


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": encode_wrapper(16, 1, ciphered())[:-1].hex()},
        {"wrapper": {"source": 17, "destination": 1, "length": len(ciphered())}},
        {"wrapper": {"source": 16, "destination": 1, "length": 5}},
        {"decoded": {"apdu": "glo-get-request"}},
        {"plain": "c0"},
        {"tag_verified": False},
        {"plain_decoded": GET_NAMED | {"class_id": 9}},
        {"apdu": GET.hex()},
    ],
)
def test_a_conversation_of_which_something_else_is_said(change: dict[str, Any], tmp_path: Path) -> None:
    assert outcome_of(tmp_path, conversation(**change)) is Outcome.FAILED


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ([{"frame": "6803036808017279", "expected": {}}], "mbus"),
        ([{"frame": "5c442d2c", "expected": {}}], "wmbus"),
        ({"frames": [], "frame_count": 0}, "sml"),
        ([{"telegram": "/ISK5", "expected": {}}], "p1"),
        ([{"frame": "7ea0", "layer": "hdlc"}], "p1"),
        ([{"utrn": "123"}], "gb"),
    ],
)
def test_vectors_of_later_protocols_are_told_by_their_shape(content: Any, kind: str, tmp_path: Path) -> None:
    verdict = verdict_of(tmp_path, content)
    assert (verdict.kind, verdict.outcome) == (kind, Outcome.SKIPPED)


def test_rows_of_no_shape_among_others_are_told(tmp_path: Path) -> None:
    row = {"apdu": GET.hex(), "decoded": GET_NAMED}
    (tmp_path / "a.json").write_text(json.dumps([row, {"colour": "blue"}]))
    assert [verdict.outcome.value for verdict in run_vectors(tmp_path).verdicts] == ["passed", "skipped"]
