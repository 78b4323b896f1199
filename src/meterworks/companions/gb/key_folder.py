"""Keys of GB parties and devices in a folder: certificates, and the private keys that are known, a file each.

A file is named by identity and usage: `<eui>-ds` (signing), `<eui>-ka` (key agreement), `<eui>-pp-ka` (top-up). It ends
in `.pem` for a certificate or a bare public key, in `.key` for a private one (PKCS#8, not encrypted). Such folders are
for tests and for laboratories; a system that runs keeps its keys in vaults.
Source: GBCS 12 (certificates); fact sheet gb/GBCS.md sections 1 and 4.1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from asn1crypto import pem
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from meterworks.errors import UsageError
from meterworks.protocols.dlms.security import SecuritySuite, SoftwareKeyAgreement, SoftwareSigner
from meterworks.protocols.gbcs import IDENTITY_SIZE, SharedSecrets
from meterworks.trust.pki import CertificateRefused, import_leniently

__all__ = ["KeyFolder", "KeyFolderError", "public_key_of"]

FILE_SIZE_MAX: Final = 64 * 1024
FILES_MAX: Final = 100_000
USAGES: Final = {"ds": "sign", "ka": "agree", "pp-ka": "top-up"}
COORDINATE_SIZE: Final = 32  # of a point of P-256


class KeyFolderError(UsageError):
    """A folder of keys, or a file in it, cannot be used. Facts: path."""

    code = "key-folder"


class KeyFolder:
    """Keys by identity (EUI-64 of 8 octets) and usage: "sign", "agree" or "top-up"."""

    def __init__(self, folder: Path) -> None:
        """Read a folder. Raises KeyFolderError, which names the file."""
        self._public: dict[tuple[bytes, str], bytes] = {}
        self._private: dict[tuple[bytes, str], bytes] = {}
        self._secrets: dict[tuple[bytes, str], SharedSecrets] = {}
        self.certificates: dict[tuple[bytes, str], bytes] = {}
        """Certificates (DER)."""
        self.units: dict[bytes, int] = {}
        """Remote party roles of organisations: 2 supplier, 3 network operator, 4 access control broker …"""
        if not folder.is_dir():
            raise KeyFolderError(f"{folder}: there is no such folder of keys", path=str(folder))
        for path, owner in _key_files(folder):
            try:
                octets = _read(path)
                if path.suffix == ".key":
                    self._private[owner] = _private_number(octets)
                else:
                    self._take_public(owner, octets)
            except (ValueError, TypeError, UnsupportedAlgorithm, OSError, CertificateRefused) as error:
                raise KeyFolderError(f"{path}: {error}", path=str(path)) from error

    def __repr__(self) -> str:
        return f"KeyFolder({len(self._public)} public, {len(self._private)} private)"

    def public_key(self, identity: bytes, usage: str) -> bytes | None:
        """The public key, x || y, or None where it is not in the folder."""
        return self._public.get((identity, usage))

    def parties(self, unit: int) -> tuple[bytes, ...]:
        """The organisations of a remote party role."""
        return tuple(identity for identity, own in self.units.items() if own == unit)

    def signer(self, identity: bytes) -> SoftwareSigner | None:
        """The signing key pair of a party, or None."""
        number = self._private.get((identity, "sign"))
        return None if number is None else SoftwareSigner(SecuritySuite.SUITE_1, number)

    def secrets(self, identity: bytes, usage: str = "agree") -> SharedSecrets | None:
        """The secrets of a party's key pair for key agreement, or None where its private key is not known."""
        owner = identity, usage
        if owner not in self._private:
            return None
        if owner not in self._secrets:
            self._secrets[owner] = SharedSecrets(SoftwareKeyAgreement(SecuritySuite.SUITE_1, self._private[owner]))
        return self._secrets[owner]

    def secret(self, one: bytes, other: bytes, usage: str = "agree") -> bytes | None:
        """What two share, from whichever private key is known; None where neither is. usage: of the first."""
        for own, own_usage, peer, peer_usage in ((one, usage, other, "agree"), (other, "agree", one, usage)):
            secrets, public = self.secrets(own, own_usage), self.public_key(peer, peer_usage)
            if secrets is not None and public is not None:
                return secrets.with_peer(public)
        return None

    def _take_public(self, owner: tuple[bytes, str], octets: bytes) -> None:
        kind, _, der = pem.unarmor(octets)
        if kind == "CERTIFICATE":
            self._public[owner] = public_key_of(der)
            self.certificates[owner] = der
            unit = import_leniently(der).unit
            if unit is not None:
                self.units[owner[0]] = unit
        else:
            self._public[owner] = _point(load_der_public_key(der))


def public_key_of(certificate: bytes) -> bytes:
    """The public key (x || y of P-256) of a certificate (DER); its path is not looked at.

    Published ones have parameters that a device refuses: they are read all the same. Raises CertificateRefused for what
    is no certificate, TypeError for a key of another curve.
    """
    return _point(import_leniently(certificate).key)


def _point(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("the key is not on P-256")
    numbers = key.public_numbers()
    return b"".join(each.to_bytes(COORDINATE_SIZE, "big") for each in (numbers.x, numbers.y))


def _key_files(folder: Path) -> Iterator[tuple[Path, tuple[bytes, str]]]:
    """The files that are named as keys are, and whose they are; others are left alone."""
    for number, path in enumerate(sorted(folder.iterdir())):
        if number >= FILES_MAX:
            raise KeyFolderError(f"{folder} holds more than {FILES_MAX} files", path=str(folder))
        name, _, usage = path.stem.partition("-")
        if path.suffix not in (".pem", ".key") or usage not in USAGES or len(name) != 2 * IDENTITY_SIZE:
            continue
        try:
            yield path, (bytes.fromhex(name), USAGES[usage])
        except ValueError:
            continue


def _read(path: Path) -> bytes:
    if path.stat().st_size > FILE_SIZE_MAX:
        raise ValueError(f"more than {FILE_SIZE_MAX} octets")
    return path.read_bytes()


def _private_number(octets: bytes) -> bytes:
    key = load_pem_private_key(octets, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("the private key is not on P-256")
    return key.private_numbers().private_value.to_bytes(COORDINATE_SIZE, "big")
