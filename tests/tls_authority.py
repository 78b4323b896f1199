"""A small certificate authority for tests of channels, apart from the product's own: keys of P-256 unless told."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meterworks.trust.tls import TlsFiles, TlsMemory

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """One certificate with its key, and PEM of both."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, first: datetime, last: datetime):
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
    )


@dataclass
class SmallAuthority:
    """A root that issues end entities and lists of revoked ones."""

    name: str = "root of tests"
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)
    revoked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        self.key = ec.generate_private_key(self.curve)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        self.certificate = (
            _builder(self.name, subject, self.key.public_key(), now - DAY, now + 10 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def anchors_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        role: str | None,
        identity: str,
        *,
        curve: ec.EllipticCurve | None = None,
        ends: timedelta = DAY,
        more_roles: tuple[str, ...] = (),
    ) -> Issued:
        """Issue a certificate for TLS at both ends. ends: from now; negative for one that has ended."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(curve or ec.SECP256R1())
        roles = [*([] if role is None else [role]), *more_roles]
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(f"urn:meterworks:{each}:{identity}") for each in roles
        ]
        builder = (
            _builder(identity, self.certificate.subject, key.public_key(), now - 2 * DAY, now + ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Issued(builder.sign(self.key, hashes.SHA256()), key)

    def revoke(self, issued: Issued) -> None:
        self.revoked.append(issued.certificate.serial_number)

    def crl_pem(self) -> bytes:
        """Give the list of what was revoked so far, good for a day."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - timedelta(minutes=1))
            .next_update(now + DAY)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(len(self.revoked) + 1), critical=False)
        )
        for serial_number in self.revoked:
            row = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(now - DAY).build()
            builder = builder.add_revoked_certificate(row)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def memory(self, issued: Issued, *, has_crl: bool = False) -> TlsMemory:
        """Give a credential in memory."""
        crl = self.crl_pem() if has_crl else b""
        return TlsMemory(issued.certificate_pem, issued.key_pem, self.anchors_pem, crl)

    def files(self, folder: Path, issued: Issued, *, has_crl: bool = True) -> TlsFiles:
        """Write a credential into a folder, and give it."""
        folder.mkdir(parents=True, exist_ok=True)
        files = TlsFiles(
            folder / "certificate.pem", folder / "key.pem", folder / "anchors.pem",
            folder / "crl.pem" if has_crl else None,
        )  # fmt: skip
        write(folder / "certificate.pem", issued.certificate_pem)
        write(folder / "key.pem", issued.key_pem)
        write(folder / "anchors.pem", self.anchors_pem)
        if has_crl:
            write(folder / "crl.pem", self.crl_pem())
        return files


def write(path: Path, octets: bytes) -> None:
    """Put a file in place at once, as whoever renews certificates does."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(octets)
    fresh.chmod(0o600)
    fresh.replace(path)


@cache
def authority() -> SmallAuthority:
    """Give an authority that all tests may share who revoke nothing."""
    return SmallAuthority()


@cache
def issued(role: str, identity: str) -> Issued:
    """Give a certificate of the shared authority."""
    return authority().issue(role, identity)
