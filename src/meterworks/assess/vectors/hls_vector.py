"""Handshakes of high-level security: both proofs made and verified by our client and our server."""

from dataclasses import dataclass
from typing import Final

from meterworks.assess.vectors.field import first, needed, number, octets, title_or_empty
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.verdict import Document, Mismatch, NotRun, expect
from meterworks.errors import MeterworksError, PeerError, SecurityError
from meterworks.protocols.dlms import ClientSettings, Handshake, Mechanism, Protection, aes_ecb_proof
from meterworks.protocols.dlms.security import SUITES, ApduCipher, SecuritySuite, SoftwareSigner

__all__ = ["check_handshake"]

_SUITE_MASK: Final = 0x0F
_NO_TITLE: Final = bytes(8)
_ONE: Final = 1  # a private key that signs nothing here: settings with mechanism 7 must have one


@dataclass(frozen=True, slots=True)
class Side:
    """What one side has: title, challenge, public key."""

    title: bytes
    challenge: bytes
    public_key: bytes | None


def check_handshake(document: Document, lookup: Lookup) -> None:
    """A row of both challenges and both proofs."""
    row = lookup.completed(document)
    mechanism = Mechanism(number(first(row, "mechanism", "authentication_mechanism")))
    if mechanism <= Mechanism.LOW:
        raise NotRun(f"mechanism {int(mechanism)} has no proofs")
    suite = _suite(row, mechanism)
    client, server = _side(row, "client", "ctos", suite), _side(row, "server", "stoc", suite)
    # f(StoC) is the client's proof, made of the server's challenge; f(CtoS) the server's.
    for name, maker, other in (("f_stoc", client, server), ("f_ctos", server, client)):
        proof = octets(row, name)
        if proof is not None:
            _check_proof(name, _settings(row, mechanism, suite, maker, other), proof, maker, other)


def _side(row: Document, name: str, challenge: str, suite: SecuritySuite) -> Side:
    public = octets(row, f"{name}_public_key", f"{name}_signing_key", f"{name}_public")
    private = octets(row, f"{name}_private_key", f"{name}_private")
    if public is None and private is not None:
        public = SoftwareSigner(suite, private).public_key
    return Side(title_or_empty(row, f"{name}_system_title", f"{name}_title"), needed(row, challenge), public)


def _suite(row: Document, mechanism: Mechanism) -> SecuritySuite:
    """Give the suite stated, or the one that the proofs show."""
    if row.get("suite") is not None:
        return SecuritySuite(number(row["suite"]))
    proof = octets(row, "f_stoc", "f_ctos") or b""
    if mechanism == Mechanism.GMAC:
        return SecuritySuite(proof[0] & _SUITE_MASK)
    if mechanism == Mechanism.ECDSA:
        sizes = {SUITES[suite].signature_size: suite for suite in SecuritySuite if suite}
        if len(proof) not in sizes:
            raise Mismatch(f"a signature of {len(proof)} octets is of no suite")
        return sizes[len(proof)]
    return SecuritySuite.SUITE_0


def _settings(row: Document, mechanism: Mechanism, suite: SecuritySuite, maker: Side, other: Side) -> ClientSettings:
    is_keyed = mechanism == Mechanism.GMAC
    signs = mechanism == Mechanism.ECDSA
    return ClientSettings(
        mechanism=mechanism,
        suite=suite,
        secret=octets(row, "secret", "password"),
        guek=needed(row, "guek") if is_keyed else None,
        gak=needed(row, "gak") if is_keyed else None,
        protection=Protection.NONE,
        system_title=other.title or _NO_TITLE,
        signer=SoftwareSigner(suite, _ONE.to_bytes(SUITES[suite].scalar_size, "big")) if signs else None,
        peer_signing_key=maker.public_key,
        manufacturer_proof=aes_ecb_proof if mechanism == Mechanism.MANUFACTURER else None,
    )


def _check_proof(name: str, settings: ClientSettings, proof: bytes, maker: Side, other: Side) -> None:
    cipher = None
    if settings.mechanism == Mechanism.GMAC:
        cipher = ApduCipher(*settings.keys, settings.suite)
    verifier = Handshake(settings, cipher, other.title, other.challenge)
    verifier.received, verifier.peer_title = maker.challenge, maker.title
    try:
        verifier.verify(proof)
    except PeerError as error:
        raise Mismatch(f"{name}: {error}") from error
    except SecurityError as error:
        raise Mismatch(f"{name}: the proof does not follow from challenges and keys: {error}") from error
    if settings.mechanism != Mechanism.ECDSA:
        prover = Handshake(settings, cipher, maker.title, maker.challenge)
        prover.received, prover.peer_title = other.challenge, other.title
        expect(name, prover.prove(lambda: int.from_bytes(proof[1:5], "big")), proof)
    _check_altered(name, verifier, proof)


def _check_altered(name: str, verifier: Handshake, proof: bytes) -> None:
    try:
        verifier.verify(proof[:-1] + bytes((proof[-1] ^ 1,)))
    except MeterworksError:
        return
    raise Mismatch(f"{name}: an altered proof was taken")
