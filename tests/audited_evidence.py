"""A signer with a chain of certificates and revocation lists, for evidence."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.audit import EvidenceItem

SIGNED_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


class Signer:
    """An organisation whose certificates were valid for an hour around `SIGNED_AT`, and have expired since."""

    def __init__(self, *, revoked_at=None, list_at=SIGNED_AT, authority=True):
        self.root_key, self.key = (ec.derive_private_key(secret, ec.SECP256R1()) for secret in (11, 12))
        self.root = self._certificate("root", self.root_key, "root", self.root_key, ca=authority)
        self.certificate = self._certificate("supplier", self.key, "root", self.root_key, ca=False)
        self.revocation = self._list(revoked_at, list_at)

    def _certificate(self, subject, key, issuer, issuer_key, *, ca):
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(len(subject))
            .not_valid_before(SIGNED_AT - timedelta(minutes=30))
            .not_valid_after(SIGNED_AT + timedelta(minutes=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(issuer_key, SHA256())
        )

    def _list(self, revoked_at, list_at):
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name("root"))
            .last_update(list_at - timedelta(minutes=5))
            .next_update(list_at + timedelta(minutes=25))
        )
        if revoked_at is not None:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(self.certificate.serial_number)
                .revocation_date(revoked_at)
                .build()
            )
        return builder.sign(self.root_key, SHA256())

    def item(self, number=0, **changes):
        """A signed request."""
        content = f"<Request id='{number}'/>".encode()
        fields = {
            "kind": "request",
            "subject": f"request:{number}",
            "sender": "organisation:17",
            "content": content,
            "signature": self.key.sign(content, ec.ECDSA(SHA256())),
            "signature_form": "der",
            "certificates": [entry.public_bytes(Encoding.DER) for entry in (self.certificate, self.root)],
            "revocation": [self.revocation.public_bytes(Encoding.DER)],
        }
        return EvidenceItem(**fields | changes)


def raw(der):
    """r||s of a DER signature."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32) + s.to_bytes(32)


def malleated(der):
    """The other signature that fits: (r, n-s)."""
    r, s = decode_dss_signature(der)
    return encode_dss_signature(r, P256_ORDER - s)
