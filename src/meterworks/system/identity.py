"""The system's own PKI: made on the first start, and asked for the first certificate of each process.

The supervisor does this before anything runs, with the authorities' keys open for as long as it takes; afterwards only
the process `pki` opens them, and certificates are renewed there. All times are the machine's clock, by which
certificates are judged.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterworks.runtime import NatsTls, get_logger
from meterworks.system.configuration import Layout
from meterworks.system.privilege import IDENTITIES, PRIVILEGES, bus_rights
from meterworks.system.vault import make_secrets, open_vault
from meterworks.trust.pki import PeerRole, PkiExistsError, SystemPki
from meterworks.trust.tls import TlsFiles, TlsFilesError

__all__ = ["BusAdmission", "certificate_of", "is_due", "open_pki", "prepared_identities"]

RENEWED_AFTER: Final = 2 / 3  # of its lifetime, a certificate is replaced
SERVICES: Final = "services"

log = get_logger("system.identity")


def open_pki(layout: Layout) -> SystemPki:
    """Open the system's authorities, made on the first start; a making that was cut short goes on."""
    vault = open_vault(layout, "pki")
    try:
        return SystemPki.create(layout.pki, vault)
    except PkiExistsError:
        return SystemPki.open(layout.pki, vault)


@contextlib.contextmanager
def prepared_identities(layout: Layout) -> Iterator[SystemPki]:
    """Give every process of the system a certificate that is good for now, and publish anchors and revocation lists.

    Inside, the authorities are open for what else is to be certified at a start.
    """
    make_secrets(layout)
    pki = open_pki(layout)
    try:
        now = datetime.now(UTC)
        revoked = {entry.serial_number for entry in pki.ledger.revocations(SERVICES, now)}
        issuer = pki.authority(SERVICES).certificate.subject
        lifetime = timedelta(hours=layout.configuration.tls.lifetime_h)
        for name in IDENTITIES:
            shown = _certificate(layout.tls(name))
            if shown is None or shown.issuer != issuer or shown.serial_number in revoked or is_due(shown, now):
                given = pki.issue_service(PeerRole(name), lifetime=lifetime, now=now)
                given.write(layout.tls_folder(name), name)
                log.info("certificate issued", process=name, until=given.certificate.not_valid_after_utc.isoformat())
        pki.write_public(layout.pki_public, now=now)
        yield pki
    finally:
        pki.close()


def is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether a certificate is to be renewed, or not valid yet or any more."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return not start <= now < start + (end - start) * RENEWED_AFTER


def certificate_of(files: TlsFiles) -> x509.Certificate:
    """The own certificate of a process. Raises TlsFilesError."""
    try:
        return x509.load_pem_x509_certificate(files.certificate_pem())
    except ValueError as error:
        raise TlsFilesError(
            f"{files.certificate}: is no certificate ({error}): start the system again, and it is made anew",
            path=str(files.certificate),
        ) from error


def _certificate(files: TlsFiles) -> x509.Certificate | None:
    """The certificate, if both it and its key are there and can be read."""
    try:
        return certificate_of(files) if files.key is not None and files.key.stat().st_size else None
    except (TlsFilesError, OSError):
        return None


@dataclass(slots=True)
class BusAdmission:
    """Whom the bus's server lets in at the moment: the public keys of the processes' certificates, less the revoked."""

    layout: Layout
    _stamp: tuple[object, ...] = ()

    def news(self) -> NatsTls | None:
        """What the server is to be told, None where nothing has changed since the last time.

        While a file is being replaced it may be missing for a moment: then what was told stays.
        """
        stamp = tuple(_stamp_of(path) for path in self._paths())
        if stamp == self._stamp:
            return None
        try:
            made = self.current()
        except (TlsFilesError, ValueError) as error:
            log.warning("the bus keeps whom it admits: a file cannot be read", reason=str(error))
            return None
        self._stamp = stamp
        return made

    def current(self) -> NatsTls:
        """What the server is to be told now. Raises TlsFilesError."""
        own = self.layout.tls(PeerRole.NATS.value)
        assert own.certificate is not None
        assert own.key is not None
        revoked = _revoked(own.crl_pem())
        shown = (certificate_of(self.layout.tls(name)) for name in PRIVILEGES)
        pins = tuple(_pin(each) for each in shown if (each.issuer, each.serial_number) not in revoked)
        return NatsTls(certificate=own.certificate, key=own.key, anchors=own.anchors, rights=bus_rights(), pins=pins)

    def _paths(self) -> Iterable[Path | None]:
        yield self.layout.tls(PeerRole.NATS.value).crl
        for name in (*PRIVILEGES, PeerRole.NATS.value):
            yield self.layout.tls(name).certificate


def _pin(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key's DER (SubjectPublicKeyInfo), as the bus's server wants it."""
    encoded = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _revoked(crl_pem: bytes) -> set[tuple[x509.Name, int]]:
    end = b"-----END X509 CRL-----"
    lists = [x509.load_pem_x509_crl(block + end) for block in crl_pem.split(end)[:-1]]
    return {(each.issuer, entry.serial_number) for each in lists for entry in each}


def _stamp_of(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
