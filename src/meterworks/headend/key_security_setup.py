"""Key pairs and certificates of a device over the wire: the methods of its security setup, seen from the client.

Source: Security setup (class 64), attribute 6 certificates and methods 4 to 8.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography import x509

from meterworks.errors import PeerError
from meterworks.headend.session import DeviceClient
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    MethodAddress,
    ObisCode,
    decode_all,
    encode_enum,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.errors import ServiceRefused
from meterworks.registry import KeyKind

__all__ = ["CertificateOwner", "ListedCertificate", "MeterCertificates", "pair_use"]

_SETUP: Final = ObisCode("0.0.43.0.0.255")
_LIST: Final = AttributeAddress(64, _SETUP, 6)
GENERATE, REQUEST, IMPORT, EXPORT, REMOVE = (MethodAddress(64, _SETUP, number) for number in range(4, 9))
_BY_ENTITY: Final = 0
_BY_SERIAL: Final = 1
_USES: Final = {KeyKind.SIGNING: 0, KeyKind.AGREEMENT: 1, KeyKind.TLS: 2}


class CertificateOwner(IntEnum):
    """Whose certificate it is (certificate_entity)."""

    DEVICE = 0
    CLIENT = 1


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """A certificate as the device lists it: whose, for what (0 signing, 1 agreement, 2 TLS), number, names in DER."""

    owner: int
    use: int
    serial: bytes
    issuer: bytes
    subject: bytes

    def is_of(self, certificate: x509.Certificate) -> bool:
        """Whether it is this one."""
        same = int.from_bytes(self.serial, "big") == certificate.serial_number
        return same and self.issuer == certificate.issuer.public_bytes()


def pair_use(kind: KeyKind) -> int:
    """The number of the key pair that a kind of certificate is for."""
    return _USES[kind]


class MeterCertificates:
    """What is asked of a device over an association of the management client.

    All raise ServiceRefused where the device refuses, PeerError for an answer that is none, and what the link raises.
    """

    def __init__(self, link: DeviceClient) -> None:
        self._link = link

    async def generate(self, use: int) -> None:
        """Have it make a key pair, which waits for its certificate."""
        await self._link.action(GENERATE, encode_enum(use))

    async def request(self, use: int) -> bytes:
        """A certification request (PKCS #10, DER) for the pair that waits, else for the one in force."""
        return _octets(await self._link.action(REQUEST, encode_enum(use)), "a certification request")

    async def bring(self, certificate: bytes) -> None:
        """Import a certificate (DER)."""
        await self._link.action(IMPORT, encode_octet_string(certificate))

    async def shown(self, owner: CertificateOwner, use: int, title: bytes) -> bytes | None:
        """The certificate it holds of somebody (DER); None where it says that it has none."""
        named = encode_structure(encode_enum(owner), encode_enum(use), encode_octet_string(title))
        try:
            answer = await self._link.action(EXPORT, encode_structure(encode_enum(_BY_ENTITY), named))
        except ServiceRefused as error:
            if error.facts.get("result") in (ActionResult.OBJECT_UNAVAILABLE, ActionResult.OBJECT_UNDEFINED):
                return None
            raise
        return _octets(answer, "a certificate")

    async def listed(self) -> list[ListedCertificate]:
        """All certificates it holds."""
        return list(_rows(decode_all(await self._link.get(_LIST))))

    async def remove(self, listed: ListedCertificate) -> None:
        """Have it forget one."""
        named = encode_structure(encode_octet_string(listed.serial), encode_octet_string(listed.issuer))
        await self._link.action(REMOVE, encode_structure(encode_enum(_BY_SERIAL), named))


def _octets(answer: bytes | None, what: str) -> bytes:
    value = decode_all(answer or b"")
    if not isinstance(value, bytes):
        raise PeerError(f"the device answered {type(value).__name__} where {what} was asked for")
    return value


def _rows(value: object) -> Iterator[ListedCertificate]:
    for row in value if isinstance(value, list) else ():
        match row:
            case (int(owner), int(use), bytes(serial), bytes(issuer), bytes(subject), *_):
                yield ListedCertificate(owner, use, serial, issuer, subject)
            case _:
                raise PeerError("the device's list of certificates has a row that is none (class 64, attribute 6)")
