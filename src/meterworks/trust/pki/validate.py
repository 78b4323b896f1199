"""Whether a certificate is accepted: path validation in full, then the rules of its profile.

A path is sought from the end entity to an anchor; the rules then run down it. Every refusal names the one rule broken.
The time that counts is the machine's, as in OpenSSL, unless the caller judges evidence of an earlier day.
Source: RFC 5280, 6.1; GBCS clause 12; BSI TR-03109-4; SECURITY fact sheet SEC-025 and SEC-026.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.pki.anatomy import Anatomy, extension_of, load_certificate
from meterworks.trust.pki.constraint import breaks_constraints
from meterworks.trust.pki.end_entity import check_end_entity
from meterworks.trust.pki.errors import CertificateRefused
from meterworks.trust.pki.policy import check_policies
from meterworks.trust.pki.profile import CertificateProfile, profile_of
from meterworks.trust.pki.reason import Reason
from meterworks.trust.pki.revocation import CrlStore, RevocationPolicy
from meterworks.trust.pki.role import PeerRole

__all__ = ["CHAIN_LENGTH_MAX", "TrustAnchor", "ValidatedPeer", "validate"]

CHAIN_LENGTH_MAX: Final = 8  # certificates a peer may send
PATHS_MAX: Final = 16  # tried before a chain with many look-alike authorities is given up
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_HASHES: Final = {256: SHA256(), 384: SHA384(), 512: SHA512()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """Whom one trusts without proof: a name and a key, and the certificate they came in, if any.

    A device keeps anchors as bare keys in numbered cells.  Source: RFC 5280, 6.1.1 (d).
    """

    name: x509.Name
    key: ec.EllipticCurvePublicKey
    certificate: x509.Certificate | None = None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "TrustAnchor":
        """The anchor of a root certificate. Raises CertificateRefused for a key on no elliptic curve."""
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise CertificateRefused("an anchor's key lies on no elliptic curve", reason=Reason.KEY_ALGORITHM)
        return cls(name=certificate.subject, key=key, certificate=certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedPeer:
    """A certificate that was accepted, and what it proves.

    path: from the end entity up, without the anchor. unit: the GB remote party role. warnings: what the interface's
    policy let pass.
    """

    certificate: x509.Certificate
    path: tuple[x509.Certificate, ...]
    anchor: TrustAnchor
    profile: str
    identity: str
    role: PeerRole | None
    unit: int | None
    warnings: tuple[str, ...]


def validate(
    chain: Sequence[bytes | x509.Certificate],
    *,
    profile: str,
    trust_anchors: Sequence[x509.Certificate | TrustAnchor],
    crls: CrlStore | None,
    at: datetime,
    identity: str | None = None,
    role: PeerRole | int | Collection[PeerRole] | None = None,
    revocation: RevocationPolicy | None = None,
) -> ValidatedPeer:
    """Accept the first certificate of a chain as one of the profile, or refuse it with a reason.

    chain: the end entity first, then those that may lead to an anchor, in any order. crls: None leaves revocation out,
    which is for devices that keep no lists; then a policy changes nothing. identity, role: who it must be; a GB
    organisation's role is its number. revocation: of the interface; by default a current list of every authority on the
    path is required. Raises CertificateRefused.
    """
    row = profile_of(profile)
    if not chain:
        raise CertificateRefused("the peer sent no certificate", reason=Reason.EMPTY_CHAIN)
    if len(chain) > CHAIN_LENGTH_MAX:
        raise CertificateRefused(
            f"the peer sent {len(chain)} certificates, more than {CHAIN_LENGTH_MAX}", reason=Reason.CHAIN_TOO_LONG
        )
    known = [load_certificate(_der(entry)) for entry in chain]
    anchors = [entry if isinstance(entry, TrustAnchor) else TrustAnchor.of(entry) for entry in trust_anchors]
    path, anchor = _accepted_path(known, anchors, row, at)
    warnings: list[str] = []
    identity_found, role_found, unit = check_end_entity(path[0], row, identity=identity, role=role, warnings=warnings)
    if crls is not None:
        _check_revocation(path, anchor, crls, (revocation or RevocationPolicy(), at), warnings)
    return ValidatedPeer(
        certificate=path[0].certificate,
        path=tuple(entry.certificate for entry in path),
        anchor=anchor,
        profile=profile,
        identity=identity_found,
        role=role_found,
        unit=unit,
        warnings=tuple(warnings),
    )


def _der(entry: bytes | x509.Certificate) -> bytes:
    return entry if isinstance(entry, bytes) else entry.public_bytes(Encoding.DER)


def _accepted_path(
    known: Sequence[Anatomy], anchors: Sequence[TrustAnchor], profile: CertificateProfile, at: datetime
) -> tuple[list[Anatomy], TrustAnchor]:
    """The first path that keeps all rules; where none does, the refusal of the first one is raised."""
    refusal: CertificateRefused | None = None
    for path, anchor in _paths(known, anchors):
        try:
            _check_path(path, anchor, profile, at)
        except CertificateRefused as error:
            refusal = refusal or error
        else:
            return path, anchor
    raise refusal or _no_path(known, anchors)


def _paths(known: Sequence[Anatomy], anchors: Sequence[TrustAnchor]) -> list[tuple[list[Anatomy], TrustAnchor]]:
    """Paths by name, the shortest first: from the end entity over what was sent to an anchor."""
    found: list[tuple[list[Anatomy], TrustAnchor]] = []
    waiting: list[list[Anatomy]] = [[known[0]]]
    while waiting and len(found) < PATHS_MAX and len(waiting) <= PATHS_MAX:  # bounded: no path visits one twice
        path = waiting.pop(0)
        top = path[-1].certificate
        found += [(path, anchor) for anchor in anchors if anchor.name == top.issuer and not _is_anchor(top, anchor)]
        waiting += [
            [*path, entry]
            for entry in known[1:]
            if entry.certificate.subject == top.issuer and entry not in path and not _is_any_anchor(entry, anchors)
        ]
    return found


def _is_anchor(certificate: x509.Certificate, anchor: TrustAnchor) -> bool:
    return certificate.subject == anchor.name and certificate.public_key() == anchor.key


def _is_any_anchor(entry: Anatomy, anchors: Sequence[TrustAnchor]) -> bool:
    return any(_is_anchor(entry.certificate, anchor) for anchor in anchors)


def _no_path(known: Sequence[Anatomy], anchors: Sequence[TrustAnchor]) -> CertificateRefused:
    """Why nothing leads to an anchor: a key that fits under another name, or nobody we know."""
    top = _highest(known)
    wanted, issuer = _authority_key(top), top.certificate.issuer
    keys = [_identifier(entry.certificate) for entry in known if entry.certificate.subject != issuer]
    keys += [_identifier(anchor.certificate) for anchor in anchors if anchor.certificate and anchor.name != issuer]
    if wanted is not None and wanted in keys and top.certificate.subject != issuer:
        return CertificateRefused(
            f"{top.subject_text} names the key of an authority that has another name than its issuer",
            reason=Reason.NAME_CHAINING,
        )
    return CertificateRefused(
        f"{top.subject_text} was issued by {issuer.rfc4514_string() or 'nobody named'}, which is not trusted here, nor "
        "is its certificate among those sent",
        reason=Reason.UNKNOWN_ISSUER,
        issuer=issuer.rfc4514_string(),
    )


def _highest(known: Sequence[Anatomy]) -> Anatomy:
    """How far up what was sent leads."""
    top = known[0]
    for _ in known:  # bounded: a ring of authorities ends it too
        above = [entry for entry in known if entry.certificate.subject == top.certificate.issuer and entry is not top]
        if not above:
            break
        top = above[0]
    return top


def _check_path(path: Sequence[Anatomy], anchor: TrustAnchor, profile: CertificateProfile, at: datetime) -> None:
    """RFC 5280, 6.1.3 to 6.1.5, from the anchor down to the end entity."""
    issuers = [*[(entry.key, entry.certificate) for entry in path[1:]], (anchor.key, anchor.certificate)]
    for entry, (key, certificate) in zip(path, issuers, strict=True):
        _check_link(entry, key, certificate, profile)
    for depth, entry in enumerate(path):
        if profile.checks_time or depth > 0:
            _check_time(entry, at)
    _check_authorities(path, anchor)
    _check_constraints(path, anchor)
    check_policies(path, profile)
    for entry, (_, certificate) in zip(path, issuers, strict=True):
        if certificate is not None:
            _check_key_use(entry, certificate)


def _check_link(
    entry: Anatomy,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    profile: CertificateProfile,
) -> None:
    if entry.curve not in profile.path_curves:
        raise CertificateRefused(
            f"{entry.subject_text} has a key on {entry.curve}, which profile {profile.name} has not on a path",
            reason=Reason.WRONG_CURVE,
            curve=entry.curve,
        )
    if entry.hash_bits < min(key.curve.key_size, 384):
        raise CertificateRefused(
            f"{entry.subject_text} is signed over {entry.hash_bits} bits of hash by a key of {key.curve.key_size}",
            reason=Reason.WEAK_HASH,
        )
    named, held = _authority_key(entry), _identifier(issuer) if issuer is not None else None
    if named is not None and held is not None and named != held:
        raise CertificateRefused(
            f"{entry.subject_text} names the key {named.hex()} of its issuer, whose key is {held.hex()}",
            reason=Reason.KEY_IDENTIFIER,
        )
    try:
        key.verify(
            entry.certificate.signature, entry.certificate.tbs_certificate_bytes, ec.ECDSA(_HASHES[entry.hash_bits])
        )
    except InvalidSignature as error:
        raise CertificateRefused(
            f"{entry.subject_text} is not signed by {entry.certificate.issuer.rfc4514_string()}, which it names",
            reason=Reason.BAD_SIGNATURE,
        ) from error


def _check_time(entry: Anatomy, at: datetime) -> None:
    starts_at, ends_at = entry.certificate.not_valid_before_utc, entry.certificate.not_valid_after_utc
    if at < starts_at:
        raise CertificateRefused(
            f"{entry.subject_text} is valid only from {starts_at:%Y-%m-%d %H:%M:%S} UTC", reason=Reason.NOT_YET_VALID
        )
    if at > ends_at:
        raise CertificateRefused(
            f"{entry.subject_text} ended on {ends_at:%Y-%m-%d %H:%M:%S} UTC", reason=Reason.EXPIRED
        )


def _check_authorities(path: Sequence[Anatomy], anchor: TrustAnchor) -> None:
    """Each one above the end entity may sign certificates, and as many levels down as stand below it."""
    above = [(entry.certificate, entry.critical) for entry in path[1:]]
    if anchor.certificate is not None:
        above.append((anchor.certificate, frozenset({_BASIC_CONSTRAINTS})))
    below = 0  # authorities between this one and the end entity that do not sign for themselves
    for certificate, critical in above:
        _check_authority(certificate, critical, below)
        below += certificate.subject != certificate.issuer


def _check_authority(certificate: x509.Certificate, critical: Collection[str], below: int) -> None:
    name = certificate.subject.rfc4514_string()
    constraints = extension_of(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise CertificateRefused(f"{name} is no authority, yet signs certificates", reason=Reason.NOT_AN_AUTHORITY)
    if _BASIC_CONSTRAINTS not in critical:
        raise CertificateRefused(
            f"{name} says that it is an authority in an extension that is not critical", reason=Reason.CRITICALITY
        )
    usage = extension_of(certificate, x509.KeyUsage)
    if usage is None or not usage.key_cert_sign:
        raise CertificateRefused(
            f"the key of {name} is not for signing certificates", reason=Reason.AUTHORITY_KEY_USAGE
        )
    if constraints.path_length is not None and below > constraints.path_length:
        raise CertificateRefused(
            f"{name} allows {constraints.path_length} authorities below it, and here are {below}",
            reason=Reason.PATH_LENGTH,
        )


def _check_constraints(path: Sequence[Anatomy], anchor: TrustAnchor) -> None:
    certificates = [entry.certificate for entry in path]
    above = [*certificates[1:], *([anchor.certificate] if anchor.certificate else [])]
    for place, authority in enumerate(above, start=1):
        constraints = extension_of(authority, x509.NameConstraints)
        if constraints is None:
            continue
        for certificate in certificates[:place]:
            name = breaks_constraints(certificate, constraints)
            if name is not None:
                raise CertificateRefused(
                    f"{authority.subject.rfc4514_string()} may not certify the name {name.value}",
                    reason=Reason.NAME_CONSTRAINTS,
                )


def _check_key_use(entry: Anatomy, issuer: x509.Certificate) -> None:
    """The issuer's private key was still in use when it signed.  Source: RFC 3280, 4.2.1.4; BSI TR-03109-4."""
    period = extension_of(issuer, x509.PrivateKeyUsagePeriod)
    signed_at = entry.certificate.not_valid_before_utc
    if period is None:
        return
    begins, ends = (time and time.replace(tzinfo=UTC) for time in (period.not_before, period.not_after))
    if (begins and signed_at < begins) or (ends and signed_at > ends):
        raise CertificateRefused(
            f"{entry.subject_text} was signed on {signed_at:%Y-%m-%d}, outside the time in which the key of "
            f"{issuer.subject.rfc4514_string()} signs",
            reason=Reason.KEY_USAGE_PERIOD,
        )


def _check_revocation(
    path: Sequence[Anatomy],
    anchor: TrustAnchor,
    crls: CrlStore,
    judged: tuple[RevocationPolicy, datetime],
    warnings: list[str],
) -> None:
    """From the top down, so that a revoked authority is named before those it certified."""
    policy, at = judged
    issuers = [*[entry.certificate for entry in path[1:]], anchor.certificate]
    for entry, issuer in reversed(list(zip(path, issuers, strict=True))):
        if issuer is None:
            warnings.append(f"the anchor {anchor.name.rfc4514_string()} is a bare key and has no revocation list")
            continue
        warning = crls.check(entry.certificate, issuer, policy, at=at)
        if warning:
            warnings.append(warning)


def _identifier(certificate: x509.Certificate) -> bytes | None:
    found = extension_of(certificate, x509.SubjectKeyIdentifier)
    return found.digest if found else None


def _authority_key(entry: Anatomy) -> bytes | None:
    found = extension_of(entry.certificate, x509.AuthorityKeyIdentifier)
    return found.key_identifier if found else None
