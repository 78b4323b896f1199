"""The GB reference set: its messages and keys, read plainly, never with the code that is under test."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from meterworks.protocols.dlms.security import SecuritySuite, SoftwareKeyAgreement, SoftwareSigner
from meterworks.protocols.gbcs import SharedSecrets

BROKER = "90b3d51f30000002"


@dataclass(frozen=True)
class Recorded:
    """A message of the set, and what the set says of it."""

    name: str
    octets: bytes
    facts: dict[str, str]

    def __str__(self) -> str:
        return self.name


@cache
def messages(folder: Path) -> list[Recorded]:
    """Every message that is there."""
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    paths = [(row, folder / "rtds" / row["dir"] / row["file"]) for row in rows]
    return [
        Recorded(row["file"], bytes.fromhex("".join(path.read_text().split())), row)
        for row, path in paths
        if path.exists()
    ]


class KeyStore:
    """Public keys (x || y) of all certificates, and the private keys that are published."""

    def __init__(self, folder: Path) -> None:
        self.public = {path.stem: _public_key(path.read_bytes()) for path in sorted(folder.glob("*.pem"))}
        self._private = {path.stem: _private_key(path.read_bytes()) for path in sorted(folder.glob("*.key"))}
        self._secrets: dict[str, SharedSecrets] = {}

    def secret(self, one: str, other: str) -> bytes | None:
        """What two key agreement keys share; None where neither private key is known."""
        for own, peer in ((one, other), (other, one)):
            if own in self._private and peer in self.public:
                if own not in self._secrets:
                    pair = SoftwareKeyAgreement(SecuritySuite.SUITE_1, self._private[own])
                    self._secrets[own] = SharedSecrets(pair)
                return self._secrets[own].with_peer(self.public[peer])
        return None

    def signer(self, name: str) -> SoftwareSigner:
        """The signing key pair of a party."""
        return SoftwareSigner(SecuritySuite.SUITE_1, self._private[name])


@cache
def key_store(folder: Path) -> KeyStore:
    """The key store of the set."""
    return KeyStore(folder / "keystore")


def _public_key(octets: bytes) -> bytes:
    kind, _, der = pem.unarmor(octets)
    if kind == "CERTIFICATE":  # two of them carry a NULL that a strict reader refuses
        point: bytes = asn1_x509.Certificate.load(der).public_key["public_key"].native
        return point[1:]
    key = load_pem_public_key(octets)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def _private_key(octets: bytes) -> bytes:
    key = load_pem_private_key(octets, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes(32, "big")
