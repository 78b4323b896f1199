"""Our own key pairs toward meters: made in the vault, certified for our system title, renewed before they end.

A meter verifies what we sign with the certificate it holds of us, which may still be that of the generation before: so
the keys of the two newest generations are kept. Certificates are files of a folder; the keys never leave the vault.
Times are the machine's clock, as of all certificates.  Source: Green Book 9.2.3.4; SEC-027, SEC-127.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterworks.errors import MeterworksError, UnreachableError
from meterworks.headend.errors import CertificateUnfitError
from meterworks.protocols.dlms import SecuritySuite, Signer
from meterworks.runtime import get_logger, write_atomically
from meterworks.trust import CurveName, KeyUsage, KeyVault, VaultSigner
from meterworks.trust.pki import PeerRole, peer_uri, renewal_time

__all__ = ["CERTIFIED_SUITES", "Certifier", "OwnCredentials", "OwnKeys", "public_point"]

log = get_logger("headend.key_identity")

CERTIFIED_SUITES: Final = (SecuritySuite.SUITE_1, SecuritySuite.SUITE_2)
GENERATIONS_KEPT: Final = 2
RETRY_S: Final = 60.0  # visits of meters must not wait, one after the other, for an authority that is away
_CURVES: Final[dict[SecuritySuite, CurveName]] = {SecuritySuite.SUITE_1: "P-256", SecuritySuite.SUITE_2: "P-384"}


class Certifier(Protocol):
    """Has keys certified by the authority for devices: the system's enrolment server, behind `trust.pki.EstClient`."""

    async def certify(self, request: bytes, profile: str) -> x509.Certificate:
        """Give the certificate for a request (PKCS #10, DER); the same request again gives the same one.

        Raises RefusedError, UnreachableError.
        """


class OwnKeys(Protocol):
    """Our certified keys, as those who talk to meters use them: `OwnCredentials` has them."""

    @property
    def system_title(self) -> bytes:
        """Who we are to meters."""

    async def ready(self, suite: SecuritySuite, *, now: datetime | None = None) -> bool:
        """See that there is a key pair of a suite; True where there is a new one. Raises as `OwnCredentials.ready`."""

    def signers(self, suite: SecuritySuite) -> Sequence[Signer]:
        """Our signing keys of a suite, the newest first; none before `ready`."""

    def certificates(self, suite: SecuritySuite) -> Sequence[bytes]:
        """The certificates of these keys (DER), in the same order."""


def public_point(certificate: bytes) -> bytes:
    """Give the certified key of a certificate (DER) as x || y. Raises CertificateUnfitError where it has none."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError as error:
        raise CertificateUnfitError("a certificate of the registry cannot be read: put the right one in") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateUnfitError("a certificate of the registry is for a key on no elliptic curve")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


class OwnCredentials:
    """Our signing key pairs and certificates, by suite and generation."""

    def __init__(
        self, vault: Callable[[], KeyVault], folder: Path, certifier: Certifier, *, system_title: bytes
    ) -> None:
        """vault: opens that of this process, once a key is wanted. folder: of the certificates."""
        self.system_title = system_title
        self._open_vault = vault
        self._folder = folder
        self._certifier = certifier
        self._turn = asyncio.Lock()
        self._patience_s: dict[SecuritySuite, float] = {}
        self._held: dict[SecuritySuite, list[tuple[Signer, bytes]]] = {}

    def signers(self, suite: SecuritySuite) -> Sequence[Signer]:
        """Our signing keys of a suite, the newest first; none before `ready`."""
        return [signer for signer, _ in self._held.get(suite, [])]

    def certificates(self, suite: SecuritySuite) -> Sequence[bytes]:
        """The certificates of these keys (DER), in the same order."""
        return [certificate for _, certificate in self._held.get(suite, [])]

    @cached_property
    def _vault(self) -> KeyVault:
        return self._open_vault()

    async def ready(self, suite: SecuritySuite, *, now: datetime | None = None) -> bool:
        """Make the key pair of a suite if there is none, and its successor once two thirds of its time are over.

        True where there is a new one, which meters have to be given. Raises RefusedError, UnreachableError: what there
        is stays in use.
        """
        async with self._turn:
            loop = asyncio.get_running_loop()
            if suite not in self._held and loop.time() < self._patience_s.get(suite, 0.0):
                raise UnreachableError(
                    f"no key of suite {int(suite)} was certified a moment ago: it is tried again later"
                )
            try:
                return await self._ready(suite, now)
            except MeterworksError:
                self._patience_s[suite] = loop.time() + RETRY_S
                raise

    async def _ready(self, suite: SecuritySuite, now: datetime | None) -> bool:
        await asyncio.to_thread(lambda: self._vault)
        generation = self._newest(suite)
        generation = max(generation, 1)
        made = await self._load(suite, generation)
        newest = x509.load_der_x509_certificate(self.certificates(suite)[0])
        if renewal_time(newest) > (now or datetime.now(UTC)):
            return made and generation > 1
        await self._load(suite, generation + 1)
        return True

    def expiring(self) -> list[tuple[str, x509.Certificate]]:
        """The newest certificate of each suite with its name, for alarms."""
        return [
            (f"head-end, suite {int(suite)}", x509.load_der_x509_certificate(held[0][1]))
            for suite, held in self._held.items()
            if held
        ]

    async def _load(self, suite: SecuritySuite, generation: int) -> bool:
        """Have the key pairs up to a generation at hand; True where one was certified just now."""
        made = False
        found: list[tuple[Signer, bytes]] = []
        for number in range(max(1, generation - GENERATIONS_KEPT + 1), generation + 1):
            certificate, is_new = await self._certificate(suite, number)
            signer = VaultSigner(await asyncio.to_thread(self._vault.key, _label(suite, number)))
            found.insert(0, (signer, certificate))
            made = made or is_new
        self._held[suite] = found
        return made

    async def _certificate(self, suite: SecuritySuite, number: int) -> tuple[bytes, bool]:
        label = _label(suite, number)
        path = self._folder / f"{label}.crt"
        if label not in self._vault.labels():
            await asyncio.to_thread(self._vault.generate, label, KeyUsage.SIGN, _CURVES[suite])
            path.unlink(missing_ok=True)
        if path.exists():
            return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER), False
        made = await self._certifier.certify(await asyncio.to_thread(self._request, label), _profile(suite))
        await asyncio.to_thread(write_atomically, path, made.public_bytes(Encoding.PEM))
        log.info("own key certified", suite=int(suite), generation=number)
        return made.public_bytes(Encoding.DER), True

    def _request(self, label: str) -> bytes:
        """A request that names us and proves that we have the key."""
        key = self._vault.key(label).for_x509()
        identity = self.system_title.hex()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, identity)])
        named = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(peer_uri(PeerRole.HEADEND, identity))])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(named, critical=False)
        digest = SHA384() if key.key_size > SHA256.digest_size * 8 else SHA256()
        return builder.sign(key, digest).public_bytes(Encoding.DER)

    def _newest(self, suite: SecuritySuite) -> int:
        prefix = _label(suite, 0).removesuffix("0")
        numbers = [int(label.removeprefix(prefix)) for label in self._vault.labels() if label.startswith(prefix)]
        return max(numbers, default=0)


def _label(suite: SecuritySuite, number: int) -> str:
    return f"{_profile(suite)}.{number}"


def _profile(suite: SecuritySuite) -> str:
    return f"dlms-{int(suite)}-signature"
