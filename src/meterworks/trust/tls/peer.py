"""Who is at the other end of a channel: role and identity as its certificate names them.

They stand in one URI subjectAltName, `urn:meterworks:<role>:<identity>`. The chain was verified by the handshake; here
it is judged whether that role, and that identity, has any business at this door.
"""

import ssl
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from cryptography import x509

from meterworks.trust.pki import PeerRole
from meterworks.trust.tls.errors import PeerRefused

__all__ = ["Peer", "check_peer", "peer_of", "peer_of_certificate", "require_peer"]

PEERS_KEPT: Final = 4096  # certificates whose reading is remembered; a fleet shows the same ones again and again
_SCHEME: Final = "urn:meterworks:"
_ROLES: Final = {role.value: role for role in PeerRole}


@dataclass(frozen=True, slots=True)
class Peer:
    """One authenticated party.

    role: None where the certificate names none. identity: what follows the role, or the subject's common name.
    issuer: DER of the issuer's name; with serial_number it names the certificate in revocation lists.
    """

    role: PeerRole | None
    identity: str
    serial_number: int
    issuer: bytes = field(repr=False)
    certificate_der: bytes = field(repr=False)


def peer_of(ssl_object: ssl.SSLObject | ssl.SSLSocket) -> Peer:
    """Give who is at the other end of a channel. Raises PeerRefused where it showed no certificate."""
    der = ssl_object.getpeercert(binary_form=True)
    if not der:
        raise PeerRefused("the peer showed no certificate: give it one of its role", reason="no-certificate")
    return peer_of_certificate(der)


@lru_cache(maxsize=PEERS_KEPT)
def peer_of_certificate(der: bytes) -> Peer:
    """Read role and identity off a certificate. Raises PeerRefused where it cannot be read or names two roles."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = _names(certificate)
        common = [str(each.value) for each in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    except ValueError as error:
        raise PeerRefused(f"the peer's certificate cannot be read: {error}", reason="malformed") from error
    if len(names) > 1:
        raise PeerRefused("the peer's certificate names more than one role", reason="two-roles")
    role, identity = names[0] if names else (None, common[0] if common else "")
    issuer = certificate.issuer.public_bytes()
    return Peer(role, identity, certificate.serial_number, issuer, der)


def _names(certificate: x509.Certificate) -> list[tuple[PeerRole, str]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    found = []
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        role, _, identity = uri.removeprefix(_SCHEME).partition(":")
        if uri.startswith(_SCHEME) and role in _ROLES and identity:
            found.append((_ROLES[role], unquote(identity)))  # as `peer_uri` escapes it
    return found


def require_peer(
    ssl_object: ssl.SSLObject | ssl.SSLSocket, roles: Collection[PeerRole], identity: str | None = None
) -> Peer:
    """Give the peer if it has one of the roles and, where told, exactly this identity. Raises PeerRefused.

    Call it before any octet of the channel is used: the handshake proves a key, this proves the right to speak.
    """
    return check_peer(peer_of(ssl_object), roles, identity)


def check_peer(peer: Peer, roles: Collection[PeerRole], identity: str | None = None) -> Peer:
    """Judge a peer that was read already. Raises PeerRefused."""
    wanted = "|".join(sorted(roles))
    shown = "no role" if peer.role is None else f"role {peer.role.value}"
    if peer.role not in roles:
        raise PeerRefused(
            f"the peer's certificate ({peer.identity}) has {shown}, and {wanted} is wanted here",
            role=peer.role, identity=peer.identity, serial_number=peer.serial_number, wanted=wanted, reason="role",
        )  # fmt: skip
    if identity is not None and peer.identity != identity:
        raise PeerRefused(
            f"the peer's certificate is that of {peer.identity}, and {identity} is wanted here",
            role=peer.role, identity=peer.identity, serial_number=peer.serial_number, wanted=identity,
            reason="identity",
        )  # fmt: skip
    return peer
