"""Key pairs, signatures, agreed and wrapped keys."""

import pytest
from tests.unit.protocols.dlms.security.bench import SUITES_WITH_CURVES, fresh, scalar_of

from meterworks.protocols.dlms import SecuritySuite, SoftwareKeyAgreement, SoftwareSigner
from meterworks.protocols.dlms.security import (
    SUITES,
    AlgorithmArc,
    KeyUse,
    algorithm_id,
    derive_key,
    draw_ephemeral_key,
    unwrap_key,
    verify_signature,
    wrap_key,
)
from meterworks.protocols.errors import SignatureError, StateError, TagError

SUITE_0, SUITE_1, SUITE_2 = SecuritySuite


@pytest.mark.parametrize("suite", SUITES_WITH_CURVES)
def test_a_signature_is_verified_by_its_key_alone(suite: SecuritySuite) -> None:
    signer = SoftwareSigner(suite, scalar_of(suite, 1))
    signature = signer.sign(b"message")
    assert len(signature) == SUITES[suite].signature_size
    assert len(signer.public_key) == SUITES[suite].public_key_size
    verify_signature(suite, signer.public_key, b"message", signature)
    stranger = SoftwareSigner(suite, scalar_of(suite, 2))
    for key, message, octets in (
        (stranger.public_key, b"message", signature),
        (signer.public_key, b"Message", signature),
        (signer.public_key, b"message", signature[:-1] + bytes((signature[-1] ^ 1,))),
        (signer.public_key, b"message", signature[:-1]),
        (signer.public_key, b"message", bytes(len(signature))),
        (bytes(len(signer.public_key)), b"message", signature),
        (b"", b"message", signature),
    ):
        with pytest.raises(SignatureError):
            verify_signature(suite, key, message, octets)


def test_signing_needs_no_chance() -> None:
    signer = SoftwareSigner(SUITE_1, scalar_of(SUITE_1, 1))
    assert signer.sign(b"message") == signer.sign(b"message") != signer.sign(b"another")


@pytest.mark.parametrize("suite", SUITES_WITH_CURVES)
def test_both_sides_agree_on_a_secret(suite: SecuritySuite) -> None:
    ours, theirs = (SoftwareKeyAgreement(suite, scalar_of(suite, first)) for first in (1, 2))
    secret = ours.agree(theirs.public_key)
    assert secret == theirs.agree(ours.public_key)
    assert len(secret) == SUITES[suite].scalar_size


@pytest.mark.parametrize("suite", SUITES_WITH_CURVES)
@pytest.mark.parametrize("point", ["zero", "off the curve", "short", "long"])
def test_a_point_that_is_none_gives_nothing_away(suite: SecuritySuite, point: str) -> None:
    ours = SoftwareKeyAgreement(suite, scalar_of(suite, 1))
    genuine = ours.public_key
    off = genuine[:-1] + bytes((genuine[-1] ^ 1,))
    octets = {"zero": bytes(len(genuine)), "off the curve": off, "short": genuine[:-1], "long": genuine + b"\x00"}
    with pytest.raises(SignatureError):
        ours.agree(octets[point])


@pytest.mark.parametrize("suite", SUITES_WITH_CURVES)
def test_ephemeral_keys_are_made_of_what_is_drawn(suite: SecuritySuite) -> None:
    source = fresh(b"x")
    first, second = (draw_ephemeral_key(suite, source) for _ in range(2))
    assert first.public_key != second.public_key
    assert draw_ephemeral_key(suite, fresh(b"x")).public_key == first.public_key
    for drawn in (b"\x00", b"\xff"):  # the ends of the range are keys too
        draw_ephemeral_key(suite, lambda size, octet=drawn: octet * size)  # type: ignore[misc]


@pytest.mark.parametrize("make", [SoftwareSigner, SoftwareKeyAgreement])
def test_impossible_private_keys_are_refused(make: type[SoftwareSigner]) -> None:
    for suite, octets in ((SUITE_1, bytes(32)), (SUITE_1, b"\xff" * 32), (SUITE_1, bytes(31)), (SUITE_2, bytes(32))):
        with pytest.raises(StateError):
            make(suite, octets)
    with pytest.raises(StateError, match="suite 0"):
        make(SUITE_0, bytes(16))


def test_the_same_key_pair_is_equal_to_itself_however_often_it_is_made() -> None:
    first, again = (SoftwareSigner(SUITE_1, scalar_of(SUITE_1, 1)) for _ in range(2))
    assert first == again
    assert hash(first) == hash(again)
    assert first != SoftwareSigner(SUITE_1, scalar_of(SUITE_1, 2))
    assert first != SoftwareKeyAgreement(SUITE_1, scalar_of(SUITE_1, 1))


def test_suite_0_has_no_signatures() -> None:
    with pytest.raises(StateError):
        verify_signature(SUITE_0, bytes(64), b"", bytes(64))
    with pytest.raises(StateError):
        derive_key(SUITE_0, bytes(32), algorithm_id(SUITE_0), b"", b"")


def test_algorithm_ids() -> None:
    assert algorithm_id(SUITE_1).hex() == "60857405080300"
    assert algorithm_id(SUITE_2).hex() == "60857405080301"
    assert algorithm_id(SUITE_1, KeyUse.WRAPPING).hex() == "60857405080302"
    assert algorithm_id(SUITE_2, KeyUse.WRAPPING).hex() == "60857405080303"
    assert algorithm_id(SUITE_1, arc=AlgorithmArc.OLD).hex() == "60857406080300"


@pytest.mark.parametrize("suite", SUITES_WITH_CURVES)
def test_a_derived_key_depends_on_everything(suite: SecuritySuite) -> None:
    made = {
        derive_key(suite, secret, identifier, party_u, party_v)
        for secret in (b"z" * 32, b"y" * 32)
        for identifier in (algorithm_id(suite), algorithm_id(suite, arc=AlgorithmArc.OLD))
        for party_u in (b"MWK00001", b"MWK00002")
        for party_v in (b"MWK00003", b"MWK00004")
    }
    assert len(made) == 16
    assert {len(key) for key in made} == {SUITES[suite].key_size}


@pytest.mark.parametrize("size", [16, 32])
def test_a_wrapped_key_is_opened_by_its_kek_alone(size: int) -> None:
    kek, key = b"K" * size, bytes(range(size))
    wrapped = wrap_key(kek, key)
    assert len(wrapped) == size + 8
    assert unwrap_key(kek, wrapped) == key
    for other, octets in ((b"L" * size, wrapped), (kek, wrapped[:-1]), (kek, b""), (kek, wrapped[:-1] + b"?")):
        with pytest.raises(TagError):
            unwrap_key(other, octets)
    with pytest.raises(StateError):
        wrap_key(b"short", key)
