"""Proofs of every mechanism as values: who made them, over what."""

from typing import Any

import pytest
from tests.unit.protocols.dlms.security.bench import SECRET, common, key_pairs

from meterworks.protocols.dlms import ApduCipher, AssociationSettings, CountUp, Mechanism, Protection, SecuritySuite
from meterworks.protocols.dlms.challenge import Handshake, aes_ecb_proof, make_proof, open_proof
from meterworks.protocols.errors import DecodeError, ProtectionError, StateError, TagError

CLIENT, METER = b"MWKclien", b"MWKmeter"
CTOS, STOC = b"c" * 16, b"s" * 16
HIGH = [mechanism for mechanism in Mechanism if mechanism > Mechanism.LOW]
SUITE = SecuritySuite.SUITE_1


def side(mechanism: Mechanism, *, client: bool, **changes: Any) -> Handshake:
    facts = common(SUITE, mechanism, Protection.BOTH) | key_pairs(SUITE, client=client) | changes
    settings = AssociationSettings(**facts)
    cipher = ApduCipher(*settings.keys, SUITE)
    handshake = Handshake(settings, cipher, CLIENT if client else METER, CTOS if client else STOC)
    handshake.peer_title = METER if client else CLIENT
    handshake.received = STOC if client else CTOS
    return handshake


@pytest.mark.parametrize("mechanism", HIGH)
def test_each_side_proves_itself_to_the_other(mechanism: Mechanism) -> None:
    client, meter = side(mechanism, client=True), side(mechanism, client=False)
    counter = CountUp(77)
    for maker, checker, number in ((client, meter, 77), (meter, client, 78)):
        proof = maker.prove(counter.next)
        assert checker.verify(proof) == (number if mechanism is Mechanism.GMAC else None)
        with pytest.raises((ProtectionError, DecodeError)):
            checker.verify(proof[:-1])
        with pytest.raises((ProtectionError, DecodeError)):
            checker.verify(b"")


@pytest.mark.parametrize("mechanism", HIGH)
def test_a_proof_of_another_challenge_is_false(mechanism: Mechanism) -> None:
    client, meter = side(mechanism, client=True), side(mechanism, client=False)
    client.received = b"x" * 16
    with pytest.raises(ProtectionError):
        meter.verify(client.prove(CountUp(1).next))


@pytest.mark.parametrize("mechanism", [Mechanism.GMAC, Mechanism.SHA256, Mechanism.ECDSA])
def test_a_proof_in_another_name_is_false(mechanism: Mechanism) -> None:
    client, meter = side(mechanism, client=True), side(mechanism, client=False)
    client.own_title = b"MWKother"
    with pytest.raises(ProtectionError):
        meter.verify(client.prove(CountUp(1).next))


def test_a_proof_is_not_compared_with_a_shorter_one() -> None:
    meter = side(Mechanism.MD5, client=False)
    with pytest.raises(TagError):
        meter.verify(side(Mechanism.MD5, client=True).prove(CountUp().next)[:8])


def test_without_the_peers_key_no_signature_is_believed() -> None:
    meter = side(Mechanism.ECDSA, client=False, peer_signing_key=None)
    with pytest.raises(TagError, match="not known"):
        meter.verify(side(Mechanism.ECDSA, client=True).prove(CountUp().next))


@pytest.mark.parametrize("suite", [0, 1])
def test_the_proof_of_mechanism_5_tells_its_suite(suite: int) -> None:
    cipher = ApduCipher(bytes(16), bytes(16), suite)
    proof = make_proof(cipher, CLIENT, 5, STOC)
    assert proof[0] == 0x10 | suite
    assert open_proof(cipher, CLIENT, proof, STOC) == 5


def test_a_proof_of_a_higher_suite_may_tell_suite_0() -> None:
    """Stacks differ; the tag covers the octet, so neither form can be made of the other."""
    suite_0, suite_1 = (ApduCipher(bytes(16), bytes(16), suite) for suite in (0, 1))
    proof = make_proof(suite_0, CLIENT, 5, STOC)
    assert open_proof(suite_1, CLIENT, proof, STOC) == 5
    with pytest.raises(TagError):
        open_proof(suite_1, CLIENT, b"\x11" + proof[1:], STOC)
    with pytest.raises(TagError):
        open_proof(suite_1, CLIENT, b"\x10" + make_proof(suite_1, CLIENT, 5, STOC)[1:], STOC)
    with pytest.raises(DecodeError):
        open_proof(suite_0, CLIENT, make_proof(suite_1, CLIENT, 5, STOC), STOC)


def test_handshakes_without_what_they_need_say_so() -> None:
    no_keys = Handshake(side(Mechanism.GMAC, client=True)._settings, None, CLIENT, CTOS)
    with pytest.raises(StateError):
        no_keys.prove(CountUp().next)
    none = Handshake(AssociationSettings(), None, CLIENT, CTOS)
    with pytest.raises(StateError):
        none.prove(CountUp().next)


def test_secrets_are_filled_up_for_aes() -> None:
    assert aes_ecb_proof(b"secret", bytes(16)) == aes_ecb_proof(b"secret".ljust(16, b"\x00"), bytes(16))
    assert len(aes_ecb_proof(SECRET, bytes(20))) == 32
    with pytest.raises(StateError):
        aes_ecb_proof(bytes(17), bytes(16))
