"""The PKI of one system: its authorities, their keys in a vault, and what relying parties are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meterworks.runtime import write_atomically
from meterworks.trust.keystore import CURVES, CurveName, KeyUsage, KeyVault
from meterworks.trust.pki.authority import Authority
from meterworks.trust.pki.build import CertificateIssuer, build_certificate, key_digest, new_serial_number
from meterworks.trust.pki.errors import PkiExistsError, PkiUsageError
from meterworks.trust.pki.hierarchy import AUTHORITIES, Hierarchy, authority_subject
from meterworks.trust.pki.ledger import AuthorityRow, Ledger, Reservation
from meterworks.trust.pki.name import CertificateSubject
from meterworks.trust.pki.profile import profile_of
from meterworks.trust.pki.renewal import renewal_time
from meterworks.trust.pki.role import PeerRole

__all__ = ["LEDGER_FILE", "Credentials", "SystemPki"]

LEDGER_FILE: Final = "ledger.sqlite3"


_ROLE_AUTHORITY: Final = "services"
MAKER_AUTHORITY: Final = "maker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate, the sub-CAs above it, and its key. Its text shows no key."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"Credentials({self.certificate.subject.rfc4514_string()!r})"

    @property
    def certificate_pem(self) -> bytes:
        """The certificate and the sub-CAs above it, as TLS sends them."""
        return b"".join(entry.public_bytes(Encoding.PEM) for entry in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """The private key, PKCS #8 in the clear: for a file of mode 0600 and nothing else."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write `<name>.crt` and `<name>.key` (mode 0600), each whole or not at all; gives both paths."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        write_atomically(key, self.key_pem, mode=0o600)
        write_atomically(certificate, self.certificate_pem)
        return certificate, key


class SystemPki:
    """The authorities of a system. Open it in the processes that certify; all others need its public files only."""

    def __init__(self, folder: Path, vault: KeyVault, ledger: Ledger) -> None:
        self.folder = folder
        self.ledger = ledger
        self._vault = vault

    @classmethod
    def create(
        cls,
        folder: Path,
        vault: KeyVault,
        *,
        hierarchies: Sequence[Hierarchy] = ("system",),
        curves: Mapping[str, CurveName] | None = None,
        now: datetime | None = None,
    ) -> "SystemPki":
        """Make the authorities of the hierarchies, keys and all, and open them.

        curves: of authorities that take another one than their row's. A creation that was cut off is carried on: an
        authority that is there stays. Raises PkiExistsError where all of them are there already.
        """
        pki = cls(folder, vault, Ledger(folder / LEDGER_FILE))
        at = now or datetime.now(UTC)
        made = 0
        for spec in AUTHORITIES.values():
            if spec.hierarchy in hierarchies and pki.generation(spec.name) == 0:
                pki.found(spec.name, curve=(curves or {}).get(spec.name), now=at)
                made += 1
        if not made:
            pki.close()
            raise PkiExistsError(
                f"{folder} holds this PKI already: open it, or choose another folder", path=str(folder)
            )
        return pki

    @classmethod
    def open(cls, folder: Path, vault: KeyVault) -> "SystemPki":
        """Open the PKI of a folder. Raises PkiUsageError where there is none."""
        if not (folder / LEDGER_FILE).exists():
            raise PkiUsageError(f"{folder} holds no PKI: make one with `meterworks pki init`", path=str(folder))
        return cls(folder, vault, Ledger(folder / LEDGER_FILE))

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def generation(self, name: str) -> int:
        """The newest generation of an authority, 0 where it was never founded."""
        return max((row.generation for row in self.ledger.authorities() if row.name == name), default=0)

    def authority(self, name: str, generation: int | None = None) -> Authority:
        """An authority, its newest generation unless one is named. Raises PkiUsageError where it is not there."""
        row = self._row(name, generation)
        return Authority(
            name,
            x509.load_der_x509_certificate(row.der),
            self._vault.key(row.label).for_x509(),
            self.ledger,
            generation=row.generation,
            profiles=AUTHORITIES[name].issues,
        )

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """The roots in which peers of the system anchor: the everyday one, the recovery one, and older trusted ones."""
        return tuple(x509.load_der_x509_certificate(row.der) for row in self.ledger.authorities() if row.trusted)

    @property
    def maker_anchors(self) -> tuple[x509.Certificate, ...]:
        """The makers' own roots: what they signed opens a first enrolment, and nothing else."""
        return tuple(
            x509.load_der_x509_certificate(row.der) for row in self.ledger.authorities() if row.name == MAKER_AUTHORITY
        )

    def chain_of(self, name: str) -> tuple[x509.Certificate, ...]:
        """The certificates that who is certified by this authority sends along: sub-CAs, and a newer root's links."""
        found: list[x509.Certificate] = []
        row = self._row(name)
        parent = AUTHORITIES[name].parent
        if parent is not None:
            found += [x509.load_der_x509_certificate(row.der), *self.chain_of(parent)]
        else:
            older = [x509.load_der_x509_certificate(der) for der in self.ledger.links(name, row.generation)]
            found += [link for link in older if link.issuer != link.subject]
        return tuple(found)

    def found(self, name: str, *, curve: CurveName | None = None, now: datetime | None = None) -> Authority:
        """Found the next generation of an authority: a new key in the vault, a certificate of its parent or itself."""
        spec = AUTHORITIES[name]
        at = now or datetime.now(UTC)
        generation = self.generation(name) + 1
        label = f"pki.{name}.{generation}"
        if label in self._vault.labels():  # a founding that was cut off before it was recorded
            self._vault.destroy(label)
        key = self._vault.generate(label, KeyUsage.SIGN, curve or spec.curve).for_x509()
        subject = authority_subject(name, generation)
        if spec.parent is None:
            certificate = self._self_signed(name, subject, key, at)
        else:
            certificate = self.authority(spec.parent).issue(spec.profile, subject, key.public_key(), now=at)
        self.ledger.save_authority(
            AuthorityRow(
                name=name,
                generation=generation,
                label=label,
                der=certificate.public_bytes(Encoding.DER),
                trusted=spec.trusted,
            )
        )
        return self.authority(name, generation)

    def renew(self, name: str, *, now: datetime | None = None) -> Authority:
        """Found the next generation of an authority, while the one before still serves.

        A new root is linked to the one before and that one to it, so that peers who know only one of them accept both;
        the sub-CAs below it follow, since what they sign must chain to it when the old root ends.
        """
        at = now or datetime.now(UTC)
        before = self.authority(name)
        made = self.found(name, now=at)
        if AUTHORITIES[name].parent is None:
            self._link(made, before, at)
            self._link(before, made, at)
        for spec in AUTHORITIES.values():
            if spec.parent == name and self.generation(spec.name):
                self.found(spec.name, now=at)
        return made

    def recover(self, *, now: datetime | None = None) -> Authority:
        """Answer the loss of the everyday root: it is trusted no more, and a new one stands under the recovery root.

        Peers have trusted the recovery root from the first day: they accept what the new sub-CAs sign by its link
        certificate, and refuse the lost root once they read the new anchors.
        """
        at = now or datetime.now(UTC)
        made = self.found("root", now=at)
        for row in self.ledger.authorities():
            if row.name == "root" and row.generation != made.generation:
                self.ledger.save_authority(replace(row, trusted=False))
        self._link(made, self.authority("recovery"), at)
        for spec in AUTHORITIES.values():
            if spec.parent == "root":
                self.found(spec.name, now=at)
        return made

    def due(self, *, now: datetime | None = None) -> list[str]:
        """The authorities whose next generation is due: two thirds of the time in which their key signs are over."""
        at = now or datetime.now(UTC)
        founded = [name for name in AUTHORITIES if self.generation(name)]
        return [name for name in founded if renewal_time(self.authority(name).certificate) <= at]

    def maintain(self, *, now: datetime | None = None) -> list[str]:
        """Found the next generation of every authority that is due, roots first; gives their names."""
        renewed: list[str] = []
        for _ in AUTHORITIES:  # bounded: a root's renewal renews its sub-CAs
            waiting = self.due(now=now)
            if not waiting:
                break
            self.renew(waiting[0], now=now)
            renewed.append(waiting[0])
        return renewed

    def issue_service(
        self,
        role: PeerRole,
        identity: str | None = None,
        *,
        dns_names: Sequence[str] = ("localhost",),
        ip_addresses: Sequence[str] = ("127.0.0.1", "::1"),
        lifetime: timedelta | None = None,
        now: datetime | None = None,
    ) -> Credentials:
        """Make a key and a TLS certificate for a process of the system, server and client alike.

        identity: the role's name where the system has one process of it.
        """
        subject = CertificateSubject(
            identity=identity or role.value, role=role, dns_names=tuple(dns_names), ip_addresses=tuple(ip_addresses)
        )
        return self.issue_credentials(_ROLE_AUTHORITY, "tls-service", subject, now=now, lifetime=lifetime)

    def issue_credentials(
        self,
        authority: str,
        profile: str,
        subject: CertificateSubject,
        *,
        now: datetime | None = None,
        lifetime: timedelta | None = None,
    ) -> Credentials:
        """Make a key on the profile's first curve and certify it: for TLS keys of this machine."""
        curve: CurveName = profile_of(profile).curves[0]  # type: ignore[assignment]  # rows name our own curves
        key = ec.generate_private_key(CURVES[curve].curve)
        certificate = self.authority(authority).issue(profile, subject, key.public_key(), now=now, lifetime=lifetime)
        return Credentials(certificate=certificate, chain=self.chain_of(authority), key=key)

    def crls(self, *, now: datetime | None = None) -> list[x509.CertificateRevocationList]:
        """The current list of every generation of every authority that has not ended."""
        return [authority.current_crl(now=now) for authority in self._living(now)]

    def write_public(self, folder: Path, *, now: datetime | None = None) -> list[str]:
        """Write what relying parties read: anchors.pem, crl.pem, and .pem and .crl of each authority by name.

        enrolment.pem and enrolment-crl.pem have the makers' roots and lists too: for the listener of first enrolments
        alone. Everybody else trusts no maker, and each device that was commissioned makes the maker's list longer.
        Files that have not changed are left as they are, so that whoever watches them is not woken. Gives the names of
        the authorities that have a new list.
        """
        _publish(folder / "anchors.pem", _pem(self.anchors))
        _publish(folder / "enrolment.pem", _pem((*self.anchors, *self.maker_anchors)))
        living = self._living(now)
        lists = [authority.current_crl(now=now) for authority in living]
        texts = {place: entry.public_bytes(Encoding.PEM) for place, entry in enumerate(lists)}
        ours = [place for place, authority in enumerate(living) if authority.name != MAKER_AUTHORITY]
        _publish(folder / "crl.pem", b"".join(texts[place] for place in ours))
        _publish(folder / "enrolment-crl.pem", b"".join(texts.values()))
        renewed: list[str] = []
        for authority, entry in zip(living, lists, strict=True):
            name = authority.file_name
            _publish(folder / f"{name}.pem", _pem([authority.certificate]))
            if _publish(folder / f"{name}.crl", entry.public_bytes(Encoding.DER)):
                renewed.append(name)
        return renewed

    def _living(self, now: datetime | None) -> list[Authority]:
        at = now or datetime.now(UTC)
        found = [self.authority(row.name, row.generation) for row in self.ledger.authorities()]
        return [authority for authority in found if authority.certificate.not_valid_after_utc > at]

    def _link(self, subject: Authority, issuer: Authority, now: datetime) -> None:
        """Certify one root's key by another root, so that who trusts this one accepts what that one signed."""
        profile = AUTHORITIES[subject.name].profile
        link = issuer.cross_sign(
            subject.certificate, profile, authority_subject(subject.name, subject.generation), now=now
        )
        self.ledger.save_link(
            (subject.name, subject.generation), (issuer.name, issuer.generation), link.public_bytes(Encoding.DER)
        )

    def _row(self, name: str, generation: int | None = None) -> AuthorityRow:
        rows = [row for row in self.ledger.authorities() if row.name == name and generation in (None, row.generation)]
        if not rows:
            known = ", ".join(sorted({row.name for row in self.ledger.authorities()}))
            raise PkiUsageError(f"this PKI has no authority {name}: it has {known}", authority=name)
        return max(rows, key=lambda entry: entry.generation)

    def _self_signed(
        self, name: str, subject: CertificateSubject, key: ec.EllipticCurvePrivateKey, now: datetime
    ) -> x509.Certificate:
        profile = profile_of(AUTHORITIES[name].profile)
        number = new_serial_number()
        reservation = Reservation(
            serial_number=number,
            profile=profile.name,
            purpose=profile.purpose,
            identity=subject.identity,
            role="",
            key_digest=key_digest(key.public_key()),
        )
        self.ledger.reserve(name, [reservation], now)
        made = build_certificate(
            profile, subject, key.public_key(), CertificateIssuer(None, key), now=now, serial_number=number
        )
        self.ledger.record(name, [(number, made.public_bytes(Encoding.DER), made.not_valid_after_utc)])
        return made


def _publish(path: Path, data: bytes) -> bool:
    """Write a file that has changed; tell whether it had."""
    try:
        same = path.read_bytes() == data
    except OSError:
        same = False
    if not same:
        write_atomically(path, data)
    return not same


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
