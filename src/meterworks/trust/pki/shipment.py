"""A maker's shipment: what was made for whom, under the maker's quality seal.

The manifest binds each device's serial number, system title and firmware to the digests of its public keys, and all of
it to one owner. It holds no key. It travels as a JWS in compact form whose header carries the seal's certificate and
those above it, so any JOSE library reads it.  Source: RFC 7515; RFC 7518, 3.4; SECURITY fact sheet SEC-122.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.pki.errors import PkiUsageError, ShipmentRefused
from meterworks.trust.pki.revocation import CrlStore, RevocationPolicy
from meterworks.trust.pki.role import PeerRole
from meterworks.trust.pki.validate import validate

__all__ = ["ManufacturedDevice", "Shipment", "open_shipment", "seal_shipment"]

SHIPMENT_SIZE_MAX: Final = 64 * 1024 * 1024  # octets: some 100,000 devices
DEVICES_MAX: Final = 100_000
MEDIA_TYPE: Final = "meterworks-shipment"
_HASHES: Final = {"ES256": SHA256(), "ES384": SHA384()}
_SCALAR_SIZES: Final = {"ES256": 32, "ES384": 48}
_CURVE_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384"}
_SYSTEM_TITLE: Final = re.compile(r"[0-9a-f]{16}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManufacturedDevice:
    """A device as the maker describes it.

    identity: system title or EUI-64, 16 lower-case hex digits. keys: SHA-256 of each public key as hex digits, by the
    profile of its first certificate.
    """

    serial: str
    identity: str
    model: str
    firmware: str
    keys: Mapping[str, str]

    def __post_init__(self) -> None:
        texts = (self.serial, self.model, self.firmware)
        if not all(isinstance(text, str) and 1 <= len(text) <= 64 for text in texts):
            raise PkiUsageError("a device has a serial number, a model and a firmware of 1 to 64 characters")
        if not isinstance(self.identity, str) or not _SYSTEM_TITLE.fullmatch(self.identity):
            raise PkiUsageError(f"the identity {self.identity!r} is not 16 lower-case hex digits")
        if not all(isinstance(digest, str) and _DIGEST.fullmatch(digest) for digest in self.keys.values()):
            raise PkiUsageError(f"device {self.identity}: a key's digest is not 64 lower-case hex digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """What a maker sends to an owner.

    file_digest: SHA-256 (hex) of the file of wrapped keys that goes along, empty without one.
    """

    number: str
    maker: str
    owner: str
    made_at: datetime
    devices: tuple[ManufacturedDevice, ...]
    file_digest: str = ""

    def __post_init__(self) -> None:
        if len(self.devices) > DEVICES_MAX:
            raise PkiUsageError(f"a shipment has at most {DEVICES_MAX} devices, this one {len(self.devices)}: split it")
        for name, values in (
            ("identity", [device.identity for device in self.devices]),
            ("serial number", [device.serial for device in self.devices]),
            ("public key", [digest for device in self.devices for digest in device.keys.values()]),
        ):
            if len(values) != len(set(values)):
                raise PkiUsageError(f"shipment {self.number}: two devices have one {name} (SEC-018)")


def seal_shipment(shipment: Shipment, key: ec.EllipticCurvePrivateKey, chain: Sequence[x509.Certificate]) -> bytes:
    """Sign a shipment with the maker's quality seal; `chain`: the seal's certificate and those above it, no root.

    Raises PkiUsageError for a key on a curve that JOSE has not.
    """
    algorithm = _CURVE_ALGORITHMS.get(key.curve.name)
    if algorithm is None:
        raise PkiUsageError(f"a quality seal has a key on P-256 or P-384, not on {key.curve.name}")
    certificates = [base64.b64encode(entry.public_bytes(Encoding.DER)).decode() for entry in chain]
    header = _canonical({"alg": algorithm, "typ": MEDIA_TYPE, "x5c": certificates})
    signed = _encoded(header) + b"." + _encoded(_canonical(_as_fields(shipment)))
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(_HASHES[algorithm])))
    size = _SCALAR_SIZES[algorithm]
    return signed + b"." + _encoded(r.to_bytes(size) + s.to_bytes(size))


def open_shipment(
    data: bytes,
    *,
    maker_anchors: Sequence[x509.Certificate],
    owner: str,
    at: datetime,
    crls: CrlStore | None = None,
    revocation: RevocationPolicy | None = None,
) -> Shipment:
    """Read a shipment whose seal is a known maker's and whose owner this is.

    The encoding must be the canonical one that was sealed (SEC-011). Raises ShipmentRefused; CertificateRefused where
    the seal's certificate is not accepted.
    """
    if len(data) > SHIPMENT_SIZE_MAX:
        raise ShipmentRefused(f"the shipment has {len(data)} octets, more than {SHIPMENT_SIZE_MAX}")
    parts = data.split(b".")
    if len(parts) != 3:
        raise ShipmentRefused("this is no sealed shipment: it has not the three parts of a JWS")
    header = _parsed(_decoded(parts[0]), "header")
    seal, maker = _seal_of(header, maker_anchors, at, crls, revocation)
    _check_seal(seal, str(header.get("alg")), parts[0] + b"." + parts[1], _decoded(parts[2]))
    shipment = _from_fields(_parsed(_decoded(parts[1]), "manifest"))
    if shipment.maker != maker:
        raise ShipmentRefused(f"the seal is of {maker}, the shipment names {shipment.maker} as its maker", maker=maker)
    if shipment.owner != owner:
        raise ShipmentRefused(f"the shipment is for {shipment.owner}, not for {owner}", owner=shipment.owner)
    return shipment


def _seal_of(
    header: Mapping[str, Any],
    anchors: Sequence[x509.Certificate],
    at: datetime,
    crls: CrlStore | None,
    revocation: RevocationPolicy | None,
) -> tuple[ec.EllipticCurvePublicKey, str]:
    entries = header.get("x5c")
    if set(header) != {"alg", "typ", "x5c"} or header["typ"] != MEDIA_TYPE or not isinstance(entries, list):
        raise ShipmentRefused("the seal's header does not name algorithm, type and certificates, and those alone")
    try:
        chain = [base64.b64decode(entry, validate=True) for entry in entries]
    except (binascii.Error, TypeError, ValueError) as error:
        raise ShipmentRefused("the seal's certificates are not in base 64") from error
    peer = validate(
        chain,
        profile="maker-seal",
        trust_anchors=anchors,
        crls=crls,
        at=at,
        role=PeerRole.MAKER,
        revocation=revocation,
    )
    key = peer.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # validated
    return key, peer.identity


def _check_seal(key: ec.EllipticCurvePublicKey, algorithm: str, signed: bytes, signature: bytes) -> None:
    if _CURVE_ALGORITHMS.get(key.curve.name) != algorithm or len(signature) != 2 * _SCALAR_SIZES[algorithm]:
        raise ShipmentRefused("the seal is not made with the algorithm of its certificate's key")
    size = _SCALAR_SIZES[algorithm]
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_HASHES[algorithm]))
    except InvalidSignature as error:
        raise ShipmentRefused("the shipment is not as its maker sealed it: ask the maker for it again") from error


def _as_fields(shipment: Shipment) -> dict[str, Any]:
    fields = asdict(shipment)
    return {**fields, "made_at": shipment.made_at.astimezone(UTC).isoformat()}


def _from_fields(fields: Mapping[str, Any]) -> Shipment:
    try:
        devices = tuple(ManufacturedDevice(**entry) for entry in fields["devices"])
        made_at = datetime.fromisoformat(fields["made_at"])
        if made_at.tzinfo is None:
            raise ShipmentRefused("the shipment's time has no zone")
        return Shipment(**{**fields, "devices": devices, "made_at": made_at})
    except (TypeError, KeyError, ValueError, AttributeError, PkiUsageError) as error:
        raise ShipmentRefused(f"the sealed manifest makes no sense: {error}") from error


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _parsed(data: bytes, what: str) -> dict[str, Any]:
    """JSON in its one canonical form: no name twice, no space, names in order."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ShipmentRefused(f"the shipment's {what} is no JSON") from error
    if not isinstance(value, dict) or _canonical(value) != data:
        raise ShipmentRefused(f"the shipment's {what} is not in canonical form")
    return value


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(data: bytes) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError) as error:
        raise ShipmentRefused("a part of the shipment is not in base 64") from error
    if _encoded(decoded) != data:
        raise ShipmentRefused("a part of the shipment is in base 64 with signs that mean nothing")
    return decoded
