"""Requests that the head-end brings for meters which cannot speak to an enrolment server: it stands for them.

The head-end shows its own certificate. The request names the meter and proves possession of its key; whether the meter
is one that the head-end knows, the head-end has seen. So it may ask for equipment and, for what it signs itself, for
its own system title, and for nobody else. The same key again is given the certificate it has.
Source: RFC 7030, 3.7 (registration authority); SEC-018, SEC-122.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.trust.pki.anatomy import load_certificate
from meterworks.trust.pki.errors import EnrolmentRefused
from meterworks.trust.pki.hierarchy import AUTHORITIES
from meterworks.trust.pki.name import CertificateSubject, certificate_role
from meterworks.trust.pki.profile import KeyPurpose, profile_of
from meterworks.trust.pki.provisioning import DeviceState, Provisioning
from meterworks.trust.pki.role import PeerRole
from meterworks.trust.pki.system import SystemPki
from meterworks.trust.pki.validate import validate

__all__ = ["certified_before", "is_relay", "relayed_subject"]

_IDENTITY: Final = re.compile("[0-9a-f]{16}")


def is_relay(peer: bytes) -> bool:
    """Whether a certificate (DER) names the head-end; whether it holds is judged by `relayed_subject`."""
    return certificate_role(load_certificate(peer).certificate) is PeerRole.HEADEND


def relayed_subject(
    pki: SystemPki,
    provisioning: Provisioning,
    peer: Sequence[bytes],
    requested: x509.CertificateSigningRequest,
    profile: str,
    *,
    now: datetime,
) -> CertificateSubject:
    """Whom the head-end asks for. Raises CertificateRefused for what it shows, EnrolmentRefused for what it asks."""
    validate(
        [*peer, *pki.chain_of("services")],
        profile="tls-service",
        trust_anchors=pki.anchors,
        crls=None,  # the ledger knew of a revocation before any list does
        at=now,
        role=PeerRole.HEADEND,
    )
    shown = [row for row in pki.ledger.certificates(identity=PeerRole.HEADEND.value) if row.der == peer[0]]
    if not any(row.authority == "services" and row.revoked_at is None for row in shown):
        raise EnrolmentRefused("the certificate shown is not one of this PKI, or was revoked", identity="headend")
    names = requested.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    identity = str(names[0].value).lower() if len(names) == 1 else ""
    if not _IDENTITY.fullmatch(identity):
        raise EnrolmentRefused("the request names no device: its common name is a system title of 16 hex digits")
    role = certificate_role(cast(x509.Certificate, requested)) or PeerRole.DEVICE  # both have extensions alike
    _check_role(role, identity, profile)
    _check_living(provisioning, identity)
    return CertificateSubject(identity=identity, role=role)


def _check_living(provisioning: Provisioning, identity: str) -> None:
    """A scrapped device gets nothing; one that came in no sealed shipment is the registry's to know."""
    try:
        state = provisioning.device(identity).state
    except EnrolmentRefused:
        return
    if state is DeviceState.SCRAPPED:
        raise EnrolmentRefused(f"the device {identity} was scrapped: no key of it is certified", identity=identity)


def _check_role(role: PeerRole, identity: str, profile: str) -> None:
    """Equipment may have each kind of key; our own system title no TLS key, with which it would be the head-end."""
    named = role.is_equipment or (role is PeerRole.HEADEND and profile_of(profile).purpose is not KeyPurpose.TLS)
    if not named or profile not in AUTHORITIES["devices"].issues:
        raise EnrolmentRefused(f"the head-end asks for no {profile} of a {role.value}", identity=identity)


def certified_before(
    pki: SystemPki, authority: str, profile: str, identity: str, key: ec.EllipticCurvePublicKey
) -> x509.Certificate | None:
    """The certificate that this key has already, in force and of this profile; None where it has none."""
    for row in pki.ledger.certificates(authority=authority, identity=identity):
        if row.profile == profile and row.revoked_at is None:
            held = x509.load_der_x509_certificate(row.der)
            if held.public_key() == key:
                return held
    return None
