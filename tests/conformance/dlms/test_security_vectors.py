"""Published security values, and the handshakes of recorded conversations, recomputed from both sides.

Every row of `security.json` and `hls.json` is used by a test here or (suite 0, mechanism 5) in `test_vectors`; a test
at the end says so. The published tags of general-ciphering are not reproduced by anyone: see `security/general.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.dlms.conftest import VECTORS
from tests.integration.dlms.example_device import ExampleDevice

from meterworks.protocols.dlms import (
    ApduCipher,
    Associate,
    AssociationOpened,
    AssociationSettings,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    ClientState,
    Conformance,
    CountUp,
    GrowingCounter,
    Mechanism,
    Protection,
    SecurityContext,
    SecuritySuite,
    ServerAssociation,
    ServerState,
    SoftwareKeyAgreement,
    decode_all,
    decode_apdu,
)
from meterworks.protocols.dlms.challenge import Handshake, aes_ecb_proof
from meterworks.protocols.dlms.security import (
    GeneralHeader,
    derive_key,
    unwrap_key,
    verify_signature,
    wrap_key,
)
from meterworks.protocols.errors import SignatureError, TagError

SUITES = {"P-256": SecuritySuite.SUITE_1, "P-384": SecuritySuite.SUITE_2}
KINDS = {"aes-gcm", "hls-gmac", "aes-key-wrap", "ecdsa", "ecdh-kdf", "aes-gcm-ciphertext-only"}
GX_MECHANISMS = [Mechanism.MANUFACTURER, Mechanism.MD5, Mechanism.SHA1, Mechanism.GMAC, Mechanism.SHA256]


def rows(name: str, kind: str | None = None) -> list[Any]:
    path = VECTORS / name
    found = json.loads(path.read_text())["vectors"] if path.is_file() else []
    return [pytest.param(row, id=row["id"]) for row in found if kind is None or row["kind"] == kind]


def octets(row: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(row.get(name) or "")


@pytest.mark.parametrize("row", rows("security.json", "aes-key-wrap"))
def test_keys_wrap_as_published(row: dict[str, Any]) -> None:
    kek, key, wrapped = (octets(row, name) for name in ("kek", "key", "wrapped"))
    assert wrap_key(kek, key) == wrapped
    assert unwrap_key(kek, wrapped) == key


@pytest.mark.parametrize("row", rows("security.json", "ecdsa"))
def test_signatures_verify_as_published(row: dict[str, Any]) -> None:
    suite, key, message = SUITES[row["curve"]], octets(row, "public_key"), octets(row, "message")
    verify_signature(suite, key, message, octets(row, "signature"))
    with pytest.raises(SignatureError):
        verify_signature(suite, key, message + b"\x00", octets(row, "signature"))
    if "invalid_signature" in row:
        with pytest.raises(SignatureError):
            verify_signature(suite, key, message, octets(row, "invalid_signature"))


def secret_of(row: dict[str, Any]) -> bytes:
    """Give the agreed secret, from whichever private key the row has."""
    private = next(
        octets(row, name)
        for name in ("ephemeral_private", "ephemeral_private_server", "static_private_own", "static_private_client")
        if name in row
    )
    ours = SoftwareKeyAgreement(SUITES[row["curve"]], private)
    if "static_private_server" in row:
        return ours.agree(SoftwareKeyAgreement(SUITES[row["curve"]], octets(row, "static_private_server")).public_key)
    peer = next(
        octets(row, name)
        for name in ("static_public_peer", "ephemeral_public_peer", "ephemeral_public_client")
        if name in row
    )
    return ours.agree(peer)


@pytest.mark.parametrize("row", rows("security.json", "ecdh-kdf"))
def test_keys_are_agreed_as_published(row: dict[str, Any]) -> None:
    suite = SUITES[row["curve"]]
    secret = secret_of(row)
    assert secret.hex() == row["z"]
    if "ephemeral_public" in row:
        own = SoftwareKeyAgreement(suite, octets(row, "ephemeral_private"))
        static = SoftwareKeyAgreement(suite, octets(row, "static_private_peer"))
        assert own.public_key.hex() == row["ephemeral_public"]
        assert static.agree(own.public_key) == secret
    party_u, party_v = octets(row, "party_u"), octets(row, "party_v")
    if "transaction_id" in row:
        other = octets(row, "other_info")
        party_u, party_v = other[7:24], other[24:]
        assert party_u[8:] == b"\x08" + octets(row, "transaction_id")
    keys = row["derived_key"]
    for identifier, key in keys.items() if isinstance(keys, dict) else [(row["algorithm_id"], keys)]:
        assert derive_key(suite, secret, bytes.fromhex(identifier), party_u, party_v).hex() == key


@pytest.mark.parametrize("row", rows("security.json", "aes-gcm-ciphertext-only"))
def test_general_ciphering_gives_the_published_ciphertext(row: dict[str, Any]) -> None:
    title, plain = octets(row, "originator"), octets(row, "plain")
    header = GeneralHeader(
        transaction_id=octets(row, "transaction_id"), originator=title, recipient=octets(row, "recipient")
    ).to_bytes()
    gak = bytes(range(0xD0, 0xE0))
    cipher = ApduCipher(octets(row, "key"), gak, SecuritySuite.SUITE_1)
    protected = cipher.protect(0x31, title, row["invocation_counter"], plain, header)
    assert protected[0] == int(row["security_control"], 16)
    assert protected[5:-12].hex() == row["ciphertext"]
    # No one reproduces the published tag; if this ever fails, the layout of `general` has become the published one.
    assert protected[-12:].hex() != row["published_tag"]
    blind = ApduCipher(octets(row, "key"), None, SecuritySuite.SUITE_1)
    body = octets(row, "ciphertext") + octets(row, "published_tag")
    assert blind.unprotect(0x31, title, row["invocation_counter"], body, header) == plain


def settings_of(row: dict[str, Any], *, server: bool) -> AssociationSettings | ClientSettings:
    facts: dict[str, Any] = {"mechanism": Mechanism(row["mechanism"]), "secret": octets(row, "secret") or None}
    if row["mechanism"] == Mechanism.GMAC:
        facts |= {"guek": bytes(range(16)), "gak": bytes(range(0xD0, 0xE0))}
    if server:
        return AssociationSettings(**facts)
    return ClientSettings(**facts, system_title=octets(row, "client_system_title"), protection=Protection.NONE)


@pytest.mark.parametrize("row", rows("hls.json"))
@pytest.mark.parametrize("server", [False, True])
def test_proofs_are_those_of_the_recordings(row: dict[str, Any], server: bool) -> None:
    settings = settings_of(row, server=server)
    cipher = ApduCipher(*settings.keys) if row["mechanism"] == Mechanism.GMAC else None
    ours, theirs = ("server", "client") if server else ("client", "server")
    sent, received = ("stoc", "ctos") if server else ("ctos", "stoc")
    handshake = Handshake(settings, cipher, octets(row, f"{ours}_system_title"), octets(row, sent))
    handshake.peer_title = octets(row, f"{theirs}_system_title")
    handshake.received = octets(row, received)
    own_proof, their_proof = octets(row, f"f_{received}"), octets(row, f"f_{sent}")
    assert handshake.prove(lambda: int.from_bytes(own_proof[1:5], "big")) == own_proof
    counter = handshake.verify(their_proof)
    assert counter == (int.from_bytes(their_proof[1:5], "big") if cipher else None)
    with pytest.raises(TagError):
        handshake.verify(their_proof[:-1] + bytes((their_proof[-1] ^ 1,)))
    with pytest.raises(TagError):  # a proof that was sent back is none, where titles or challenges tell the sides apart
        handshake.verify(own_proof)


# --- the handshakes of recorded conversations ------------------------------------------------------------------------


def conversations() -> list[Any]:
    paths = sorted((VECTORS / "conversations").glob("gx-*.json")) if VECTORS.is_dir() else []
    return [pytest.param(path, id=path.stem) for path in paths]


def apdus_of(conversation: dict[str, Any]) -> list[bytes]:
    """Give the APDUs that open the association: two without a challenge, four with one."""
    found = [
        bytes.fromhex(message["apdu"] if "frame" in message else message["bytes"][16:])
        for message in conversation["messages"]
        if "wrapper" in message or message.get("apdu")
    ]
    return found[: 4 if conversation["authentication_mechanism"] > 1 else 2]


def facts_of(conversation: dict[str, Any], aarq: bytes) -> tuple[dict[str, Any], bool]:
    """Give what both settings say, and whether the association is ciphered."""
    mechanism = Mechanism(conversation["authentication_mechanism"])
    request: Any = decode_apdu(aarq)
    ciphered = request.context == 3
    facts: dict[str, Any] = {"mechanism": mechanism}
    if ciphered or mechanism is Mechanism.GMAC:
        facts |= {"guek": octets(conversation, "guek"), "gak": octets(conversation, "gak")}
    if mechanism is Mechanism.LOW:
        facts["password"] = octets(conversation, "secret")
    elif mechanism in GX_MECHANISMS and mechanism is not Mechanism.GMAC:
        facts["secret"] = octets(conversation, "secret")
    if mechanism is Mechanism.MANUFACTURER:
        facts["manufacturer_proof"] = aes_ecb_proof
    return facts, ciphered


def own_counter(conversation: dict[str, Any], apdus: list[bytes]) -> CountUp:
    """Give the counter that the recorded client began with."""
    for apdu in apdus[::2]:
        request: Any = decode_apdu(apdu)
        ciphered = getattr(request, "user_information", None) or apdu
        if ciphered[:1] == b"\x21":
            return CountUp(int.from_bytes(ciphered[3:7], "big"))
    return CountUp(int.from_bytes(bytes.fromhex(conversation["challenges"].get("f_stoc", "00"))[1:5], "big"))


@pytest.mark.parametrize("path", conversations())
def test_our_client_opens_what_the_recorded_client_opened(path: Path) -> None:
    conversation = json.loads(path.read_text())
    apdus = apdus_of(conversation)
    facts, ciphered = facts_of(conversation, apdus[0])
    request: Any = decode_apdu(apdus[0])
    titled = request.calling_title is not None
    settings = ClientSettings(
        client_sap=16,
        system_title=octets(conversation, "client_system_title") if titled else None,
        protection=Protection.BOTH if ciphered else Protection.NONE,
        ciphering=Ciphering.GENERAL,
        conformance=Conformance(0x401E5D),
        **facts,
    )
    challenge = bytes.fromhex(conversation["challenges"].get("ctos", ""))
    counter = own_counter(conversation, apdus)
    client = ClientAssociation(settings, counter, lambda _size: challenge)
    assert client.send(Associate()).hex() == apdus[0].hex()
    if settings.mechanism > Mechanism.LOW and settings.mechanism is not Mechanism.GMAC:
        counter.next()  # the recorded client takes a counter for each proof, though only that of mechanism 5 has one
    events = client.receive(apdus[1])
    if len(apdus) > 2:
        assert [apdu.hex() for apdu in client.take_output()] == [apdus[2].hex()]
        events = client.receive(apdus[3])
    assert [type(event) for event in events] == [AssociationOpened]
    assert client.state is ClientState.READY


@pytest.mark.parametrize("path", conversations())
def test_our_server_opens_for_the_recorded_client(path: Path) -> None:
    conversation = json.loads(path.read_text())
    apdus = apdus_of(conversation)
    facts, ciphered = facts_of(conversation, apdus[0])
    device = ExampleDevice()
    device.system_title = octets(conversation, "server_system_title") or device.system_title
    protection = Protection.BOTH if ciphered else Protection.NONE
    device.associations[16] = AssociationSettings(required_protection=protection, **facts)
    challenge = bytes.fromhex(conversation["challenges"].get("stoc", ""))
    server = ServerAssociation(device, 16, lambda _size: challenge)
    recorded_aare: Any = decode_apdu(apdus[1])
    response: Any = decode_apdu(server.receive(apdus[0]) or b"")
    assert (response.result, response.diagnostic) == (recorded_aare.result, recorded_aare.diagnostic)
    assert response.authentication == recorded_aare.authentication
    assert response.mechanism == recorded_aare.mechanism
    assert response.responding_title == recorded_aare.responding_title
    if len(apdus) > 2:
        answer = server.receive(apdus[2]) or b""
        assert proof_in(answer, conversation, device, ciphered=ciphered) == proof_of(conversation, device, facts)
    assert server.state is ServerState.ASSOCIATED
    assert device.events == []


def proof_in(answer: bytes, conversation: dict[str, Any], device: ExampleDevice, *, ciphered: bool) -> bytes:
    """Give the proof in our server's answer, opened as the recorded client would open it."""
    if ciphered:
        context = SecurityContext(
            own_title=octets(conversation, "client_system_title"),
            peer_title=device.system_title,
            cipher=ApduCipher(octets(conversation, "guek"), octets(conversation, "gak")),
            next_counter=CountUp().next,
            peer_counter=GrowingCounter(),
        )
        answer = context.unprotect(answer, 0x30).apdu
    message: Any = decode_apdu(answer)
    proof = decode_all(message.outcome.value)
    assert isinstance(proof, bytes)
    return proof


def proof_of(conversation: dict[str, Any], device: ExampleDevice, facts: dict[str, Any]) -> bytes:
    """Give the recorded proof of the server; with mechanism 5, the one with our server's own counter."""
    challenges = conversation["challenges"]
    if facts["mechanism"] is not Mechanism.GMAC:
        return bytes.fromhex(challenges["f_ctos"])
    cipher = ApduCipher(facts["guek"], facts["gak"])
    with_protection = 1 if conversation["decode"]["ciphered_apdus_verified"] else 0
    counter = device.counter - with_protection
    return (
        b"\x10"
        + counter.to_bytes(4, "big")
        + cipher.gmac(device.system_title, counter, bytes.fromhex(challenges["ctos"]))
    )


# --- ciphered rows of apdu.json, and that no row is left out ---------------------------------------------------------


def ciphered_apdus() -> list[Any]:
    path = VECTORS / "apdu.json"
    found = json.loads(path.read_text())["vectors"] if path.is_file() else []
    return [pytest.param(row, id=row["apdu"][:24]) for row in found if "security_control" in row["decoded"]]


@pytest.mark.parametrize("row", ciphered_apdus())
def test_ciphered_apdus_are_taken_apart(row: dict[str, Any]) -> None:
    message: Any = decode_apdu(bytes.fromhex(row["apdu"]))
    decoded = row["decoded"]
    assert message.control == int(decoded["security_control"], 16)
    assert message.counter == decoded["invocation_counter"]
    assert message.title.hex() == decoded.get("system_title", "")
    assert message.body.hex() == decoded["payload"]
    assert message.to_bytes().hex() == row["apdu"]


def test_every_published_row_has_its_test(shared_folder: Path) -> None:
    found = json.loads((shared_folder / "vectors" / "dlms" / "security.json").read_text())["vectors"]
    assert {row["kind"] for row in found} == KINDS
    handshakes = json.loads((shared_folder / "vectors" / "dlms" / "hls.json").read_text())["vectors"]
    assert {row["mechanism"] for row in handshakes} <= set(GX_MECHANISMS)
    assert len(conversations()) >= 15
