"""A system's authorities without the cost of a passphrase: their vault opens with a key store's master key."""

from pathlib import Path

from meterworks.trust import FileKeyVault, KeyStore
from meterworks.trust.pki import CertificateSubject, Credentials, PeerRole, SystemPki
from meterworks.trust.tls import TlsFiles


def quick_pki(folder: Path) -> SystemPki:
    """The authorities of a system, with what everyone may read of them in `public`."""
    pki = SystemPki.create(folder / "pki", FileKeyVault(folder / "vault", KeyStore(bytes(range(32)))))
    pki.write_public(folder / "public")
    return pki


def files_of(given: Credentials, folder: Path, name: str) -> TlsFiles:
    """The credentials as files of a process."""
    certificate, key = given.write(folder, name)
    return TlsFiles(certificate, key, folder / "public" / "anchors.pem", folder / "public" / "crl.pem")


def organisation(pki: SystemPki, identity: str) -> Credentials:
    """What an organisation shows at the market's listener."""
    subject = CertificateSubject(identity=identity, role=PeerRole.ORGANISATION)
    return pki.issue_credentials("organisations", "tls-client", subject)
