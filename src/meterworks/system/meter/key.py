"""The keys file of a meter: JSON, hexadecimal texts and names of PEM files, in one place that only its owner reads.

    guek, gak, gbek, kek        hex          symmetric keys: 16 octets in suites 0 and 1, 32 in suite 2
    password, secret            hex          of mechanism 1, and of mechanisms 2, 3, 4, 6
    password_text, secret_text  text         the same, as typed
    suite                       0, 1, 2
    signing_key, agreement_key  PEM file     our private keys (suites 1 and 2)
    certificate                 PEM file     ours, sent when an association is opened
    meter_signing_key, meter_agreement_key   PEM file: the meter's public keys or certificates
    serve_signing_key           PEM file     the private key of a meter that `meter serve` is

Names of files are seen from the folder of the keys file. `meterworks meter serve` writes such a file.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from meterworks.protocols.dlms import (
    KeyAgreement,
    SecuritySuite,
    Signer,
    SoftwareKeyAgreement,
    SoftwareSigner,
)
from meterworks.system.errors import ConfigurationError

__all__ = ["MeterKeys", "aes_ecb_proof", "load_keys"]

KEY_SIZES: Final[Mapping[int, int]] = {0: 16, 1: 16, 2: 32}
SCALAR_SIZES: Final[Mapping[int, int]] = {1: 32, 2: 48}
FILE_SIZE_MAX: Final = 2**20
_HEX: Final = ("guek", "gak", "gbek", "kek", "password", "secret")
_SYMMETRIC: Final = ("guek", "gak", "gbek", "kek")
_TEXTS: Final = ("password_text", "secret_text")
_FILES: Final = (
    "signing_key",
    "agreement_key",
    "certificate",
    "meter_signing_key",
    "meter_agreement_key",
    "serve_signing_key",
)
_KNOWN: Final = frozenset((*_HEX, *_TEXTS, *_FILES, "suite"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKeys:
    """What we know of a meter's secrets. meter_signing_key, meter_agreement_key: its public keys, x || y."""

    suite: SecuritySuite = SecuritySuite.SUITE_0
    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    gbek: bytes | None = field(default=None, repr=False)
    kek: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    signer: Signer | None = field(default=None, repr=False)
    key_agreement: KeyAgreement | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    meter_signing_key: bytes | None = None
    meter_agreement_key: bytes | None = None
    serve_signer: Signer | None = field(default=None, repr=False)


def aes_ecb_proof(secret: bytes, challenge: bytes) -> bytes:
    """The commonest proof of mechanism 2: the challenge, padded with zeros, under AES-128-ECB with the secret as key.

    Raises ConfigurationError for a secret of more than 16 octets.
    """
    if len(secret) > KEY_SIZES[0]:
        raise ConfigurationError(f"the secret of mechanism 2 has {len(secret)} octets; AES-128 takes 16")
    key = secret.ljust(KEY_SIZES[0], b"\0")
    padded = challenge.ljust(-(-len(challenge) // 16) * 16, b"\0")
    encryptor = Cipher(algorithms.AES128(key), modes.ECB()).encryptor()  # noqa: S305  # the mechanism is what it is
    return encryptor.update(padded) + encryptor.finalize()


def load_keys(path: Path) -> MeterKeys:
    """Read a keys file. Raises ConfigurationError that names the file and the field, never a key."""
    try:
        if path.stat().st_size > FILE_SIZE_MAX:
            raise ConfigurationError(f"keys file {path} is larger than {FILE_SIZE_MAX} octets", path=str(path))
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"keys file {path} cannot be used: {error}", path=str(path)) from error
    if not isinstance(fields, dict):
        raise ConfigurationError(f"keys file {path}: a JSON object is expected", path=str(path))
    unknown = sorted(set(fields) - _KNOWN)
    if unknown:
        known = ", ".join(sorted(_KNOWN))
        raise ConfigurationError(f"keys file {path}: {', '.join(unknown)} unknown; known are {known}")
    return _Reader(path, fields).read()


class _Reader:
    """Reads the fields of one file."""

    def __init__(self, path: Path, fields: dict[str, Any]) -> None:
        self._path = path
        self._fields = {name: value for name, value in fields.items() if value is not None}

    def _wrong(self, name: str, why: object) -> ConfigurationError:
        return ConfigurationError(f"keys file {self._path}: {name}: {why}", path=str(self._path))

    def read(self) -> MeterKeys:
        suite = self._fields.get("suite", 0)
        if suite not in KEY_SIZES or isinstance(suite, bool):
            raise self._wrong("suite", "0, 1 or 2 expected")
        found: dict[str, Any] = {name: self._octets(name) for name in _HEX if name in self._fields}
        for name in _TEXTS:
            if name in self._fields:
                found[name.removesuffix("_text")] = str(self._fields[name]).encode()
        for name in _SYMMETRIC:
            if name in found and len(found[name]) != KEY_SIZES[suite]:
                raise self._wrong(name, f"{len(found[name])} octets; suite {suite} takes {KEY_SIZES[suite]}")
        size = SCALAR_SIZES.get(suite)
        if size is not None:
            found |= self._pairs(SecuritySuite(suite), size)
        elif any(name in self._fields for name in _FILES if name != "certificate"):
            raise self._wrong("suite", "public and private keys need suite 1 or 2")
        if "certificate" in self._fields:
            found["certificate"] = self._certificate()
        return MeterKeys(suite=SecuritySuite(suite), **found)

    def _octets(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self._fields[name])
        except (ValueError, TypeError) as error:
            raise self._wrong(name, "hexadecimal digits expected") from error

    def _pem(self, name: str) -> bytes:
        path = self._path.parent / str(self._fields[name])
        try:
            if path.stat().st_size > FILE_SIZE_MAX:
                raise self._wrong(name, f"{path} is too large")
            return path.read_bytes()
        except OSError as error:
            raise self._wrong(name, f"{path} cannot be read: {error.strerror}") from error

    def _pairs(self, suite: SecuritySuite, size: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "signing_key" in self._fields:
            found["signer"] = SoftwareSigner(suite, self._private("signing_key", size))
        if "serve_signing_key" in self._fields:
            found["serve_signer"] = SoftwareSigner(suite, self._private("serve_signing_key", size))
        if "agreement_key" in self._fields:
            found["key_agreement"] = SoftwareKeyAgreement(suite, self._private("agreement_key", size))
        for name in ("meter_signing_key", "meter_agreement_key"):
            if name in self._fields:
                found[name] = self._public(name, size)
        return found

    def _private(self, name: str, size: int) -> bytes:
        from meterworks.system.meter.pem import private_scalar  # X.509 and all: not for a hexadecimal key

        return self._read(name, lambda pem: private_scalar(pem, size))

    def _public(self, name: str, size: int) -> bytes:
        from meterworks.system.meter.pem import public_point

        return self._read(name, lambda pem: public_point(pem, size))

    def _certificate(self) -> bytes:
        from meterworks.system.meter.pem import certificate_octets

        return self._read("certificate", certificate_octets)

    def _read(self, name: str, read: Callable[[bytes], bytes]) -> bytes:
        pem = self._pem(name)
        try:
            return read(pem)
        except ConfigurationError as error:
            raise self._wrong(name, error) from error
