"""Ciphered APDUs opened with a ring of keys: which key, whose title, whether the tag was checked."""

from collections.abc import Callable

import pytest

from meterworks.protocols.dlms.dissect import Dissector, KeyRing, KeySet, Node, dissect
from meterworks.protocols.dlms.security import (
    AgreedKey,
    ApduCipher,
    GeneralCiphering,
    GeneralHeader,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    SecuritySuite,
    SoftwareKeyAgreement,
    SoftwareSigner,
    WrappedKey,
    algorithm_id,
    derive_key,
    wrap_key,
)
from meterworks.protocols.errors import EncodeError

GUEK, GAK = bytes(range(16)), bytes(range(0xD0, 0xE0))
GBEK, KEK, DEDICATED = b"B" * 16, b"K" * 16, b"D" * 16
TITLE, PEER = bytes.fromhex("4d4d4d0000bc614e"), bytes.fromhex("4d4d4d0000000001")
GET = bytes.fromhex("c0010000080000010000ff0200")
PUBLISHED = bytes.fromhex("c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b")
FULL = KeySet(guek=GUEK, gak=GAK)


def inside(tree: Node) -> Node:
    found = tree.find("deciphered")
    assert found is not None, [node.value for node in tree.walk()]
    return found


def glo(control: int = 0x30, suite: int = 0, key: bytes = GUEK, tag: int = 0xC8) -> bytes:
    protected = ApduCipher(key, GAK, suite).protect(control, TITLE, 7, GET)
    return bytes((tag, len(protected))) + protected


def test_a_published_apdu_opens_under_the_title_of_its_key() -> None:
    tree = dissect(PUBLISHED, keys=KeyRing({TITLE: FULL}))
    assert inside(tree).octets == GET
    assert "tag verified" in inside(tree).value
    assert inside(tree).find("get-request") is not None


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
@pytest.mark.parametrize("suite", [0, 1, 2])
def test_every_suite_and_protection_opens(control: int, suite: int) -> None:
    key = GUEK if suite < 2 else GUEK * 2
    tree = dissect(glo(control, suite, key), keys=KeyRing({TITLE: KeySet(guek=key, gak=GAK)}))
    assert inside(tree).octets == GET
    assert ("no tag was checked" in inside(tree).value) == (control == 0x20)


def test_parts_of_the_protection_are_told() -> None:
    tree = dissect(glo(0x30))
    told = {node.name: node.value for node in tree.walk()}
    assert told["security-control"] == "30: suite 0, authenticated, encrypted"
    assert told["invocation-counter"] == "7"
    assert len(told["authentication-tag"]) == 24


@pytest.mark.parametrize(
    ("octets", "told"),
    [("00", "00: suite 0, unprotected"), ("f2", "f2: suite 2, authenticated, encrypted, broadcast key, compressed")],
)
def test_bits_of_the_security_control_are_named(octets: str, told: str) -> None:
    node = dissect(bytes.fromhex(f"c805{octets}00000001")).find("security-control")
    assert node is not None
    assert node.value == told


def test_without_an_authentication_key_it_opens_and_is_marked() -> None:
    tree = dissect(PUBLISHED, keys=KeyRing({TITLE: KeySet(guek=GUEK)}))
    assert inside(tree).octets == GET
    assert inside(tree).value == "13 octets, no tag was checked"


@pytest.mark.parametrize(
    ("ring", "told"),
    [
        (KeyRing(), "closed: no keys given"),
        (KeyRing.of(guek=GUEK, gak=GAK), "closed: the sender's system title is not known"),
        (KeyRing({TITLE: KeySet(guek=b"x" * 16, gak=GAK)}), "no key fits"),
        (KeyRing({TITLE: KeySet(guek=b"x" * 16)}), "no key fits"),
        (KeyRing({PEER: FULL}), "no key fits"),
        (KeyRing({TITLE: KeySet(gak=GAK)}), "no key fits"),
    ],
    ids=["none", "no title", "other key", "other key unchecked", "other title", "no encryption key"],
)
def test_what_does_not_open_says_why(ring: KeyRing, told: str) -> None:
    tree = dissect(PUBLISHED, keys=ring)
    assert tree.find("deciphered") is None
    assert told in [node.value for node in tree.walk()]


def test_a_suite_that_nobody_knows_stays_closed() -> None:
    tree = dissect(PUBLISHED[:2] + b"\x37" + PUBLISHED[3:], keys=KeyRing({TITLE: FULL}))
    assert tree.find("deciphered") is None
    assert tree.errors == []


def test_a_length_that_promises_more_is_an_error_and_stays_inside() -> None:
    tree = dissect(bytes.fromhex("db084d4d4d0000bc614e7f3000000001"))
    assert all(node.offset + node.size <= 16 for node in tree.walk())
    assert [node.error for node in tree.errors] == ["protected part of 127 octets in 5"]


def test_an_altered_message_does_not_open() -> None:
    altered = PUBLISHED[:-1] + bytes((PUBLISHED[-1] ^ 1,))
    assert dissect(altered, keys=KeyRing({TITLE: FULL})).find("deciphered") is None


def test_a_general_form_names_its_title() -> None:
    protected = ApduCipher(GUEK, GAK).protect(0x30, TITLE, 7, GET)
    apdu = b"\xdb\x08" + TITLE + bytes((len(protected),)) + protected
    tree = dissect(apdu, keys=KeyRing.of(guek=GUEK, gak=GAK))
    assert inside(tree).octets == GET
    assert tree.find("system-title") is not None


def test_a_title_learnt_once_serves_the_messages_after_it() -> None:
    dissector = Dissector(KeyRing.of(guek=GUEK, gak=GAK))
    protected = ApduCipher(GUEK, GAK).protect(0x30, TITLE, 7, GET)
    dissector.dissect(b"\xdb\x08" + TITLE + bytes((len(protected),)) + protected)
    assert inside(dissector.dissect(PUBLISHED)).octets == GET


@pytest.mark.parametrize("tag", [0xD0, 0xDC])
def test_dedicated_forms_take_the_dedicated_key(tag: int) -> None:
    protected = ApduCipher(DEDICATED, GAK).protect(0x30, TITLE, 7, GET)
    head = bytes((tag,)) if tag == 0xD0 else b"\xdc\x08" + TITLE
    apdu = head + bytes((len(protected),)) + protected
    keys = KeySet(guek=GUEK, gak=GAK, dedicated=DEDICATED)
    assert inside(dissect(apdu, keys=KeyRing({TITLE: keys}))).octets == GET
    assert dissect(apdu, keys=KeyRing({TITLE: FULL})).find("deciphered") is None


def test_the_dedicated_key_is_taken_from_the_initiate_request() -> None:
    dissector = Dissector(KeyRing({TITLE: FULL}))
    request = b"\x01\x01\x10" + DEDICATED + bytes.fromhex("0000065f1f0400007e1f04b0")
    protected = ApduCipher(GUEK, GAK).protect(0x30, TITLE, 8, request)
    dissector.dissect(bytes((0x21, len(protected))) + protected)
    assert inside(dissector.dissect(glo(key=DEDICATED, tag=0xD0))).octets == GET


def test_a_broadcast_message_takes_the_broadcast_key() -> None:
    cipher = ApduCipher(GUEK, GAK, 0, broadcast_key=GBEK)
    protected = cipher.protect_broadcast(0x30, TITLE, 7, GET)
    keys = KeySet(guek=GUEK, gak=GAK, gbek=GBEK)
    tree = dissect(bytes((0xC8, len(protected))) + protected, keys=KeyRing({TITLE: keys}))
    assert inside(tree).octets == GET


# --- general-ciphering and general-signing --------------------------------------------------------------------------

HEADER = GeneralHeader(transaction_id=bytes(range(1, 9)), originator=TITLE, recipient=PEER)
OWN = SoftwareKeyAgreement(SecuritySuite.SUITE_1, bytes([1] * 32))
EPHEMERAL = SoftwareKeyAgreement(SecuritySuite.SUITE_1, bytes([2] * 32))


def general(key: bytes, info: KeyInfo | None, suite: int = 0) -> bytes:
    protected = ApduCipher(key, GAK, suite).protect(0x30, TITLE, 7, GET, HEADER.to_bytes())
    return GeneralCiphering(
        header=HEADER, key_info=info, control=protected[0], counter=7, body=protected[5:]
    ).to_bytes()


def agreed(party_u: bytes) -> bytes:
    secret = OWN.agree(EPHEMERAL.public_key)
    return derive_key(SecuritySuite.SUITE_1, secret, algorithm_id(SecuritySuite.SUITE_1), party_u, PEER)


GENERAL: list[tuple[str, Callable[[], bytes], KeySet]] = [
    ("none", lambda: general(GUEK, None), FULL),
    ("unicast", lambda: general(GUEK, IdentifiedKey(0)), FULL),
    ("broadcast", lambda: general(GBEK, IdentifiedKey(1)), KeySet(guek=GUEK, gbek=GBEK, gak=GAK)),
    ("wrapped", lambda: general(b"S" * 16, WrappedKey(wrap_key(KEK, b"S" * 16))), KeySet(kek=KEK, gak=GAK)),
    (
        "one-pass",
        lambda: general(agreed(TITLE), AgreedKey(1, EPHEMERAL.public_key + bytes(64)), 1),
        KeySet(gak=GAK, agreement_key=bytes([1] * 32)),
    ),
    (
        "static",
        lambda: general(agreed(TITLE + b"\x08" + HEADER.transaction_id), AgreedKey(2), 1),
        KeySet(gak=GAK, agreement_key=bytes([1] * 32), peer_agreement_key=EPHEMERAL.public_key),
    ),
]


@pytest.mark.parametrize(("name", "make", "keys"), GENERAL, ids=[row[0] for row in GENERAL])
def test_general_ciphering_opens_with_each_choice_of_key(name: str, make: Callable[[], bytes], keys: KeySet) -> None:
    tree = dissect(make(), keys=KeyRing({TITLE: keys}))
    assert inside(tree).octets == GET, name
    assert "tag verified" in inside(tree).value
    assert tree.errors == []


@pytest.mark.parametrize(("name", "make", "keys"), GENERAL, ids=[row[0] for row in GENERAL])
def test_general_ciphering_stays_closed_with_other_keys(name: str, make: Callable[[], bytes], keys: KeySet) -> None:
    others = KeySet(guek=b"1" * 16, gbek=b"2" * 16, gak=GAK, kek=b"3" * 16, agreement_key=bytes([3] * 32))
    assert dissect(make(), keys=KeyRing({TITLE: others})).find("deciphered") is None, (name, keys)


@pytest.mark.parametrize(
    ("info", "told"),
    [
        (IdentifiedKey(1), "global broadcast encryption key (1)"),
        (IdentifiedKey(9), "unknown (9)"),
        (AgreedKey(1, b"\x00"), "one-pass Diffie-Hellman (01)"),
        (AgreedKey(2), "static unified (02)"),
    ],
)
def test_the_choice_of_key_is_told(info: KeyInfo, told: str) -> None:
    assert told in [node.value for node in dissect(general(GUEK, info)).walk()]


def test_a_signed_apdu_shows_its_content_and_that_nobody_checked() -> None:
    apdu = GeneralSigning(header=HEADER, content=GET, signature=b"s" * 64).to_bytes()
    tree = dissect(apdu)
    assert tree.errors == []
    assert tree.find("get-request") is not None
    assert any("not checked" in node.value for node in tree.walk())


def test_a_signed_apdu_inside_a_ciphered_one_is_reached() -> None:
    signed = GeneralSigning(header=HEADER, content=GET, signature=b"s" * 64).to_bytes()
    protected = ApduCipher(GUEK, GAK).protect(0x30, TITLE, 7, signed)
    apdu = b"\xdb\x08" + TITLE + b"\x81" + bytes((len(protected),)) + protected
    assert dissect(apdu, keys=KeyRing({TITLE: FULL})).find("get-request-normal") is not None


def test_apdus_inside_apdus_have_a_bound() -> None:
    apdu = GET
    for _ in range(12):
        apdu = GeneralSigning(header=HEADER, content=apdu, signature=b"s").to_bytes()
    assert any("inside each other" in node.error for node in dissect(apdu).errors)


# --- the ring -------------------------------------------------------------------------------------------------------


def test_a_ring_is_made_of_texts() -> None:
    ring = KeyRing.from_mapping({"any": {"guek": GUEK.hex()}, TITLE.hex(): {"guek": "0x" + GBEK.hex(), "gak": None}})
    assert len(ring) == 2
    assert ring.titles == [TITLE]
    assert [keys.guek for keys in ring.candidates(TITLE)] == [GBEK, GUEK]
    assert [keys.guek for keys in ring.candidates(PEER)] == [GUEK, GBEK]


def test_the_keys_of_one_set_may_stand_alone() -> None:
    ring = KeyRing.from_mapping({"guek": GUEK.hex(), "gak": GAK.hex()})
    assert [keys.gak for keys in ring.candidates()] == [GAK]


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"any": {"guek": "zz"}}, "guek of any: hex digits expected"),
        ({"any": {"guek": 5}}, "hex digits expected"),
        ({"any": {"guek": "0011"}}, "guek has 2 octets"),
        ({"any": {"colour": "00"}}, "'colour' is none of guek"),
        ({"4d4d": {"guek": GUEK.hex()}}, "system title 4d4d has 2 octets"),
        ({"meter": {"guek": GUEK.hex()}}, "system title meter: hex digits expected"),
    ],
)
def test_a_ring_that_cannot_be_is_refused(mapping: dict[str, object], told: str) -> None:
    with pytest.raises(EncodeError, match=told):
        KeyRing.from_mapping(mapping)


def test_keys_are_never_shown() -> None:
    assert GUEK.hex() not in repr(KeySet(guek=GUEK, gak=GAK, kek=KEK, dedicated=DEDICATED))
    assert repr(GUEK) not in repr(FULL)


# --- signatures -----------------------------------------------------------------------------------------------------

SIGNER = SoftwareSigner(SecuritySuite.SUITE_1, bytes([5] * 32))


def signed(*, with_length: bool) -> bytes:
    unsigned = GeneralSigning(header=HEADER, content=GET, signature=b"")
    message = unsigned.signed_with_length if with_length else unsigned.signed
    return GeneralSigning(header=HEADER, content=GET, signature=SIGNER.sign(message)).to_bytes()


@pytest.mark.parametrize("with_length", [True, False])
def test_a_signature_is_checked_where_the_public_key_is_known(with_length: bool) -> None:
    ring = KeyRing({TITLE: KeySet(peer_signing_key=SIGNER.public_key)})
    tree = dissect(signed(with_length=with_length), keys=ring)
    assert tree.errors == []
    assert any("(verified)" in node.value for node in tree.walk())


@pytest.mark.parametrize("change", [-1, 40, -70])
def test_a_false_signature_is_an_error(change: int) -> None:
    octets = bytearray(signed(with_length=False))
    octets[change] ^= 1
    tree = dissect(bytes(octets), keys=KeyRing({TITLE: KeySet(peer_signing_key=SIGNER.public_key)}))
    assert any("made with another key" in node.error for node in tree.errors)


def test_a_signature_of_no_suite_is_an_error() -> None:
    apdu = GeneralSigning(header=HEADER, content=GET, signature=b"short").to_bytes()
    tree = dissect(apdu, keys=KeyRing({TITLE: KeySet(peer_signing_key=SIGNER.public_key)}))
    assert any("made with another key" in node.error for node in tree.errors)


def test_what_holds_the_private_key_may_stand_for_it() -> None:
    apdu = general(agreed(TITLE), AgreedKey(1, EPHEMERAL.public_key + bytes(64)), 1)
    tree = dissect(apdu, keys=KeyRing({TITLE: KeySet(gak=GAK, key_agreement=OWN)}))
    assert inside(tree).octets == GET


def test_the_text_of_a_customer_port_is_opened() -> None:
    protected = ApduCipher(GUEK, GAK).protect(0x30, TITLE, 7, b"/ISK5\r\n!ABCD\r\n")
    apdu = b"\xdb\x08" + TITLE + b"\x82" + len(protected).to_bytes(2, "big") + protected
    tree = dissect(apdu, keys=KeyRing({TITLE: FULL}))
    assert tree.errors == []
    assert tree.find("p1-telegram") is not None
