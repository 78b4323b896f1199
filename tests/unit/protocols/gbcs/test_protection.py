"""MACs, signatures and encrypted attributes between two parties made here; the reference set judges the octets."""

import pytest

from meterworks.protocols import DecodeError, SignatureError, TagError, WeakProtection
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareKeyAgreement, SoftwareSigner
from meterworks.protocols.gbcs import (
    KeyPurpose,
    Message,
    MessageKind,
    OtherInformation,
    SharedSecrets,
    check_mac,
    check_signature,
    decrypt_attribute,
    encrypt_attribute,
    message_key,
    with_mac,
    with_signature,
)

SUITE = SecuritySuite.SUITE_1
SUPPLIER, METER = bytes(range(8)), bytes(range(8, 16))
ENDS = {"originator": METER, "counter": 5, "recipient": SUPPLIER}


def draft(**changes):
    facts = {
        "kind": MessageKind.COMMAND, "counter": 5, "originator": SUPPLIER, "recipient": METER,
        "other": OtherInformation(message_code=0x19), "payload": b"\xd9\x00", "ends_behind_payload": True,
    }  # fmt: skip
    return Message(**{**facts, **changes})


@pytest.fixture(scope="module")
def secret():
    meter = SoftwareKeyAgreement(SUITE, bytes(31) + b"\x02")
    return SharedSecrets(SoftwareKeyAgreement(SUITE, bytes(31) + b"\x03")).with_peer(meter.public_key)


def test_both_ends_agree_on_one_secret(secret):
    supplier = SoftwareKeyAgreement(SUITE, bytes(31) + b"\x03")
    assert SharedSecrets(SoftwareKeyAgreement(SUITE, bytes(31) + b"\x02")).with_peer(supplier.public_key) == secret


def test_a_secret_is_agreed_once_and_the_longest_unused_goes_first():
    class Counting:
        public_key = bytes(64)

        def __init__(self):
            self.asked = []

        def agree(self, peer_public_key):
            self.asked.append(peer_public_key)
            return peer_public_key[:32]

    own = Counting()
    secrets = SharedSecrets(own, secrets_max=2)
    one, two, three = (bytes((number,)) * 64 for number in (1, 2, 3))
    for peer in (one, two, one, three, one, two):
        secrets.with_peer(peer)
    assert own.asked == [one, two, three, two]
    secrets.forget(two)
    secrets.with_peer(two)
    assert own.asked[-1] == two
    assert len(own.asked) == 5
    assert secrets.public_key == bytes(64)
    assert repr(secrets) == "SharedSecrets(2 peers)"


def test_a_pre_command_gets_a_mac_and_keeps_its_octets(secret):
    protected = with_mac(draft(), secret)
    assert not protected.ends_behind_payload
    check_mac(Message.from_bytes(protected.to_bytes()), secret)


@pytest.mark.parametrize(
    "changes", [{"counter": 6}, {"recipient": bytes(8)}, {"payload": b"\xd9\x01"}, {"kind": MessageKind.ALERT}]
)
def test_a_mac_holds_for_its_message_alone(secret, changes):
    mac = with_mac(draft(), secret).mac
    with pytest.raises(TagError):
        check_mac(draft(**changes, ends_behind_payload=False, mac=mac), secret)


def test_what_carries_no_protection_has_none():
    with pytest.raises(WeakProtection):
        check_mac(draft(), bytes(32))
    with pytest.raises(WeakProtection):
        check_signature(draft(), bytes(64))


def test_a_signature_holds_for_its_signer_and_octets():
    signer, other = (SoftwareSigner(SUITE, bytes(31) + bytes((number,))) for number in (5, 6))
    signed = with_signature(draft(), signer)
    check_signature(signed, signer.public_key)
    with pytest.raises(SignatureError):
        check_signature(signed, other.public_key)
    with pytest.raises(SignatureError):
        check_signature(draft(counter=9).signed(signed.signature), signer.public_key)


def test_keys_differ_by_purpose_identity_and_counter():
    keys = {
        message_key(bytes(32), purpose, originator=one, counter=counter, recipient=two)
        for purpose in KeyPurpose
        for counter in (1, 2)
        for one, two in ((SUPPLIER, METER), (METER, SUPPLIER))
    }
    assert len(keys) == 16


def test_an_attribute_opens_for_its_reader_alone(secret):
    sealed = encrypt_attribute(b"consumption", secret, **ENDS)
    assert b"consumption" not in sealed
    assert decrypt_attribute(sealed, secret, **ENDS) == b"consumption"
    for wrong in ({"counter": 6}, {"recipient": bytes(8)}, {"originator": SUPPLIER}):
        with pytest.raises(TagError):
            decrypt_attribute(sealed, secret, **{**ENDS, **wrong})
    with pytest.raises(TagError):
        decrypt_attribute(sealed, bytes(32), **ENDS)
    with pytest.raises(TagError):
        decrypt_attribute(sealed[:-1] + bytes((sealed[-1] ^ 1,)), secret, **ENDS)
    for malformed in (b"", sealed[:16], b"\x11" + sealed[1:]):
        with pytest.raises(DecodeError):
            decrypt_attribute(malformed, secret, **ENDS)
