"""Enrolment over secure transport, sans-I/O: requests and answers as values, octets in and octets out.

A first enrolment shows the maker's certificate or a one-time token; a renewal shows the certificate in use; the
head-end brings the requests of meters that speak DLMS only. What is to be certified is planned first and done after the
plan is on record, so the shell can write its audit line between.
Key generation for the client is refused by policy: a private key never crosses this interface.
Source: RFC 7030; SECURITY fact sheet SEC-122 and SEC-127.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from meterworks.errors import MeterworksError
from meterworks.trust.pki.anatomy import load_certificate
from meterworks.trust.pki.authority import read_request
from meterworks.trust.pki.errors import (
    CertificateRefused,
    CertificateRequestError,
    EnrolmentRefused,
    PkiUsageError,
)
from meterworks.trust.pki.hierarchy import AUTHORITIES
from meterworks.trust.pki.name import CertificateSubject, certificate_identity, certificate_role
from meterworks.trust.pki.profile import PROFILES, KeyPurpose, SubjectForm
from meterworks.trust.pki.provisioning import Provisioning
from meterworks.trust.pki.relay import certified_before, is_relay, relayed_subject
from meterworks.trust.pki.role import PeerRole
from meterworks.trust.pki.system import SystemPki
from meterworks.trust.pki.validate import validate

__all__ = [
    "EST_PATH",
    "EnrolmentPlan",
    "EstRequest",
    "EstResponse",
    "EstService",
    "certificates_of",
    "encode_certificates",
]

EST_PATH: Final = "/.well-known/est/"
BODY_SIZE_MAX: Final = 16 * 1024
PKCS10: Final = "application/pkcs10"
CERTS_ONLY: Final = "application/pkcs7-mime; smime-type=certs-only"
CSR_ATTRIBUTES: Final = "application/csrattrs"
_TEXT: Final = "text/plain; charset=utf-8"
_BASE64: Final = MappingProxyType({"Content-Transfer-Encoding": "base64"})
_OIDS: Final = {
    # ecdsa-with-SHA256, and id-ecPublicKey with the set of the curve: what a client is to make.
    "P-256": bytes.fromhex("06082a8648ce3d040302301506072a8648ce3d0201310a06082a8648ce3d030107"),
    "P-384": bytes.fromhex("06082a8648ce3d040303301206072a8648ce3d0201310706052b81040022"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EstRequest:
    """A request as the shell received it. peer: the TLS client's certificate and those it sent along, DER."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    authorization: str = ""
    peer: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EstResponse:
    """An answer. identity, cause: whom it concerned and why it was refused, for the log and never for the peer."""

    status: int
    body: bytes = b""
    content_type: str = _TEXT
    headers: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentPlan:
    """A certificate that is about to be issued: nothing is signed or used up yet. token: redeemed when it is done.

    relayed: the head-end asks for a meter, and may ask again.
    """

    profile: str
    authority: str
    subject: CertificateSubject
    key: ec.EllipticCurvePublicKey
    first: bool
    token: str | None = None
    relayed: bool = False

    @property
    def identity(self) -> str:
        """Who is to be certified."""
        return self.subject.identity


class EstService:
    """The answers of an enrolment server on the authorities of a system.

    maker_anchors: whose certificates open a first enrolment of a device. service_lifetime: of certificates of the
    system's processes, where they are to live shorter than their profile says.
    """

    def __init__(
        self,
        pki: SystemPki,
        provisioning: Provisioning,
        *,
        maker_anchors: Sequence[x509.Certificate] = (),
        service_lifetime: timedelta | None = None,
    ) -> None:
        self._service_lifetime = service_lifetime
        self._pki = pki
        self._provisioning = provisioning
        self._maker_anchors = tuple(maker_anchors)
        self._operations: Mapping[str, tuple[str, Callable[..., EstResponse | EnrolmentPlan]]] = MappingProxyType(
            {
                "cacerts": ("GET", self._cacerts),
                "csrattrs": ("GET", self._csrattrs),
                "simpleenroll": ("POST", self._simpleenroll),
                "simplereenroll": ("POST", self._simplereenroll),
                "serverkeygen": ("POST", self._serverkeygen),
            }
        )

    def prepare(self, request: EstRequest, *, now: datetime) -> EstResponse | EnrolmentPlan:
        """The answer, or the plan of an enrolment to be recorded and then completed. Raises nothing of the tree."""
        label, _, operation = request.path.removeprefix(EST_PATH).rpartition("/")
        row = self._operations.get(operation) if request.path.startswith(EST_PATH) else None
        if row is None:
            return _answer(404, f"there is no {request.path}: it is {EST_PATH}[PROFILE/]OPERATION")
        method, work = row
        if request.method != method:
            return _answer(405, f"{operation} is asked for with {method}", headers={"Allow": method})
        if len(request.body) > BODY_SIZE_MAX:
            return _answer(413, f"a request has at most {BODY_SIZE_MAX} octets")
        try:
            return work(request, label, now)
        except MeterworksError as error:
            return _refusal(error)

    def complete(self, plan: EnrolmentPlan, *, now: datetime) -> EstResponse:
        """Use up the token, certify the key, and answer with the certificate and those above it."""
        try:
            if plan.token is not None:
                self._provisioning.redeem(plan.token, plan.identity, plan.key, now=now)
            authority = self._pki.authority(plan.authority)
            if plan.first and plan.authority == "devices":
                role = plan.subject.role or PeerRole.DEVICE
                made = self._provisioning.personalise(
                    authority, plan.profile, plan.identity, plan.key, role=role, now=now
                )
            else:
                names = (plan.authority, plan.profile, plan.identity)
                held = certified_before(self._pki, *names, plan.key) if plan.relayed else None
                lifetime = self._service_lifetime if plan.authority == "services" else None
                made = held or authority.issue(plan.profile, plan.subject, plan.key, now=now, lifetime=lifetime)
        except MeterworksError as error:
            return _refusal(error, identity=plan.identity)
        chain = (made, *self._pki.chain_of(plan.authority))
        return EstResponse(
            status=200,
            body=encode_certificates(chain),
            content_type=CERTS_ONLY,
            headers=_BASE64,
            identity=plan.identity,
        )

    def _cacerts(self, _request: EstRequest, _label: str, _now: datetime) -> EstResponse:
        """The anchors and the sub-CAs, which is what a client needs to judge everybody.  Source: RFC 7030, 4.1."""
        below = [self._pki.authority(row.name).certificate for row in AUTHORITIES.values() if row.parent == "root"]
        return EstResponse(
            status=200,
            body=encode_certificates((*self._pki.anchors, *below)),
            content_type=CERTS_ONLY,
            headers=_BASE64,
        )

    def _csrattrs(self, _request: EstRequest, label: str, _now: datetime) -> EstResponse:
        """The curve and the signature that a request should have.  Source: RFC 7030, 4.5."""
        content = _OIDS[PROFILES[_profile(label)].curves[0]]
        body = base64.encodebytes(bytes((0x30, len(content))) + content)
        return EstResponse(status=200, body=body, content_type=CSR_ATTRIBUTES, headers=_BASE64)

    def _serverkeygen(self, _request: EstRequest, _label: str, _now: datetime) -> EstResponse:
        return _answer(403, "keys are made where they are used: make a key pair and send a request to simpleenroll")

    def _simpleenroll(self, request: EstRequest, label: str, now: datetime) -> EstResponse | EnrolmentPlan:
        """A first certificate, for who shows a token or the maker's certificate.  Source: RFC 7030, 4.2.1."""
        key, requested = _requested(request)
        profile = _profile(label)
        authority = _authority(profile)
        token: str | None = None
        if request.authorization:
            identity, token = _credentials(request.authorization)
            role = PeerRole.DEVICE if authority == "devices" else PeerRole.ORGANISATION
        elif request.peer and is_relay(request.peer[0]):
            subject = relayed_subject(self._pki, self._provisioning, request.peer, requested, profile, now=now)
            return EnrolmentPlan(
                profile=profile, authority=authority, subject=subject, key=key, first=False, relayed=True
            )
        elif request.peer:
            identity, role = self._maker_peer(request.peer, now)
        else:
            return _answer(
                401,
                "show a one-time token or the certificate of your maker",
                headers={"WWW-Authenticate": 'Basic realm="enrolment"'},
            )
        _check_names(requested, identity)
        if authority == "devices":
            self._provisioning.admits_maker(identity)
        elif token is None:
            raise EnrolmentRefused(f"a maker's certificate opens no enrolment for {profile}", identity=identity)
        return EnrolmentPlan(
            profile=profile,
            authority=authority,
            subject=CertificateSubject(identity=identity, role=role),
            key=key,
            first=True,
            token=token,
        )

    def _simplereenroll(self, request: EstRequest, label: str, now: datetime) -> EstResponse | EnrolmentPlan:
        """The successor of a certificate, for who shows the one in use.  Source: RFC 7030, 4.2.2."""
        key, requested = _requested(request)
        if not request.peer:
            return _answer(401, "show the certificate that is to be renewed")
        authority, held_profile = self._issued_here(request.peer[0])
        peer = validate(
            [*request.peer, *self._pki.chain_of(authority)],
            profile=held_profile,
            trust_anchors=self._pki.anchors,
            crls=None,  # the ledger knew of a revocation before any list does
            at=now,
        )
        held = peer.certificate
        if requested.subject != held.subject or not _same_names(requested, held):
            raise EnrolmentRefused(
                "a renewal asks for the names of the certificate in use, and for no other (RFC 7030, 4.2.2)",
                identity=peer.identity,
            )
        profile = _profile(label) if label else held_profile
        if AUTHORITIES[authority].issues and profile not in AUTHORITIES[authority].issues:
            raise EnrolmentRefused(f"the authority of this certificate does not issue {profile}")
        return EnrolmentPlan(profile=profile, authority=authority, subject=_subject_of(held), key=key, first=False)

    def _maker_peer(self, peer: Sequence[bytes], now: datetime) -> tuple[str, PeerRole]:
        """Who shows a maker's certificate. The device's own record says whether that still counts."""
        suite = "dlms-2-tls" if load_certificate(peer[0]).key.key_size > 256 else "dlms-1-tls"
        found = validate(peer, profile=suite, trust_anchors=self._maker_anchors, crls=None, at=now)
        key = found.certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # validated
        rows = self._pki.ledger.certificates(identity=found.identity)
        if any(row.der == peer[0] and row.revoked_at is not None for row in rows):
            raise EnrolmentRefused("this certificate of the maker was replaced", identity=found.identity)
        if found.role is None or not found.role.is_equipment:
            raise EnrolmentRefused("a maker's certificate speaks for equipment only", identity=found.identity)
        self._provisioning.admits_first_credential(found.identity, key)
        return found.identity, found.role

    def _issued_here(self, der: bytes) -> tuple[str, str]:
        """Authority and profile of a certificate that this PKI issued and did not revoke."""
        identity = certificate_identity(load_certificate(der).certificate)
        for row in self._pki.ledger.certificates(identity=identity):
            if row.der == der and row.revoked_at is None and row.authority != "maker":
                return row.authority, row.profile
        raise EnrolmentRefused("the certificate shown is not one of this PKI, or was revoked", identity=identity)


def encode_certificates(certificates: Sequence[x509.Certificate]) -> bytes:
    """Certificates as EST sends them: PKCS #7 with nothing signed, DER in base 64, lines of 76 signs."""
    return base64.encodebytes(pkcs7.serialize_certificates(list(certificates), Encoding.DER))


def certificates_of(body: bytes) -> list[x509.Certificate]:
    """The certificates of an answer of EST, in no order that counts. Raises CertificateRequestError."""
    try:
        return pkcs7.load_der_pkcs7_certificates(_unwrapped(body))
    except (ValueError, TypeError) as error:
        raise CertificateRequestError(f"the server's answer holds no certificates in PKCS #7 ({error})") from error


def _requested(request: EstRequest) -> tuple[ec.EllipticCurvePublicKey, x509.CertificateSigningRequest]:
    if request.content_type.partition(";")[0].strip().lower() != PKCS10:
        raise CertificateRequestError(f"the request's type is {request.content_type or 'not said'}: it is {PKCS10}")
    der = _unwrapped(request.body)
    return read_request(der), x509.load_der_x509_csr(der)


def _unwrapped(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CertificateRequestError("the body is not in base 64 (RFC 8951)") from error


def _profile(label: str) -> str:
    profile = label or "dlms-1-tls"
    _authority(profile)
    return profile


def _authority(profile: str) -> str:
    """Who issues a profile to those that enrol here. Raises CertificateRequestError where nobody does."""
    row = PROFILES.get(profile)
    if row is not None and row.subject is SubjectForm.PEER and row.purpose is not KeyPurpose.SEAL:
        for name in ("devices", "organisations"):
            if profile in AUTHORITIES[name].issues:
                return name
    raise CertificateRequestError(f"nobody enrols for {profile} here")


def _credentials(authorization: str) -> tuple[str, str]:
    """Identity and token of the header Authorization.  Source: RFC 7617."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise CertificateRequestError("the header Authorization is not of the kind Basic") from error
    identity, separator, token = text.partition(":")
    if scheme.lower() != "basic" or not separator or not identity:
        raise CertificateRequestError("the header Authorization is not of the kind Basic")
    return identity, token


def _check_names(requested: x509.CertificateSigningRequest, identity: str) -> None:
    """A request may leave its names out; what it says must be who was authenticated (SEC-026)."""
    common = [entry.value for entry in requested.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    if common and common != [identity]:
        raise EnrolmentRefused(
            f"the request is for {common[0]!r}, the one who asks is {identity}",
            identity=identity,
            claimed=str(common[0]),
        )


def _same_names(requested: x509.CertificateSigningRequest, held: x509.Certificate) -> bool:
    try:
        asked = requested.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return True  # it asks for what it has
    return list(asked) == list(held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _subject_of(held: x509.Certificate) -> CertificateSubject:
    names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return CertificateSubject(
        identity=certificate_identity(held),
        role=certificate_role(held),
        dns_names=tuple(names.get_values_for_type(x509.DNSName)),
        ip_addresses=tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )


def _answer(status: int, text: str, *, headers: Mapping[str, str] | None = None) -> EstResponse:
    return EstResponse(status=status, body=text.encode() + b"\n", headers=headers or {}, cause=text)


_STATUS: Final[tuple[tuple[type[MeterworksError], int], ...]] = (
    (CertificateRequestError, 400),
    (EnrolmentRefused, 403),
    (CertificateRefused, 403),
    (PkiUsageError, 400),
)


def _refusal(error: MeterworksError, *, identity: str = "") -> EstResponse:
    """A refusal. Of a certificate the peer hears only that it is not accepted: its reason is for our log."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    text = "the certificate shown is not accepted here" if isinstance(error, CertificateRefused) else str(error)
    concerned = identity or str(error.facts.get("identity", ""))
    return EstResponse(status=status, body=text.encode() + b"\n", identity=concerned, cause=str(error))
