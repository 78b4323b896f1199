"""A vault of files: one encrypted file a key, all under one vault key, which a passphrase or a master key opens.

`vault.json` holds the vault key, wrapped (RFC 3394) under what opens the vault. A key's file is a line of JSON (format,
label, usage, curve), a line end, 12 octets of nonce and the AES-256-GCM ciphertext, the line being authenticated with
it: PKCS#8 of a key pair, or the 32 octets of a wrapping key. So a file renamed, or its usage changed, does not open.
Every file has mode 0600, appears whole and durable under its name, and is never written over.
"""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from meterworks.trust.entropy import random_bytes
from meterworks.trust.errors import (
    KeyExistsError,
    KeyFileError,
    KeyNotFoundError,
    KeyUnwrapError,
    KeyUsageError,
    VaultLockedError,
)
from meterworks.trust.keystore.key_pair import VaultKeyPair, signature_of_der
from meterworks.trust.keystore.passphrase import PassphraseLock
from meterworks.trust.keystore.vault import (
    CurveName,
    CurveRow,
    KeyUsage,
    SecretSource,
    WrappingKey,
    check_generation,
    check_label,
)
from meterworks.trust.keywrap import unwrap_key, wrap_key
from meterworks.trust.secret_file import read_secret_file, remove_secret_file, write_secret_once

__all__ = ["FileKeyPair", "FileKeyVault", "FileWrappingKey", "draw_private_key"]

KEY_FORMAT: Final = "meterworks-key-1"
VAULT_FORMAT: Final = "meterworks-vault-1"
_SUFFIX: Final = ".key"
_NONCE_SIZE: Final = 12
_WRAPPING_KEY_SIZE: Final = 32
_FILE_SIZE_MAX: Final = 4096
_EXTRA_OCTETS: Final = 8  # beyond a scalar's size: the remainder is then as good as even (FIPS 186-5 A.2.1)
_HEX: Final = re.compile(r"[0-9a-f]+")


class FileKeyPair(VaultKeyPair):
    """A key pair in this process's memory, read from its file."""

    _private: ec.EllipticCurvePrivateKey | None

    def __init__(self, label: str, usage: KeyUsage, curve: CurveName, private: ec.EllipticCurvePrivateKey) -> None:
        super().__init__(label, usage, private.public_key(), curve)
        self._private = private

    def forget(self) -> None:
        """Let go of the private half: the key is destroyed."""
        self._private = None

    def _held(self) -> ec.EllipticCurvePrivateKey:
        if self._private is None:
            raise _absent(self.label)
        return self._private

    def _sign_plain(self, message: bytes, algorithm: HashAlgorithm) -> bytes:
        return signature_of_der(self._sign_der(message, algorithm), self.curve)

    def _sign_der(self, message: bytes, algorithm: HashAlgorithm) -> bytes:
        # Deterministic (RFC 6979): a signature then never hangs on the random source's health.
        return self._held().sign(message, ec.ECDSA(algorithm, deterministic_signing=True))

    def _agree(self, peer: ec.EllipticCurvePublicKey) -> bytes:
        return self._held().exchange(ec.ECDH(), peer)


class FileWrappingKey:
    """A wrapping key in this process's memory, read from its file."""

    def __init__(self, label: str, key: bytes) -> None:
        self.label = label
        self._key: bytes | None = key

    def __repr__(self) -> str:
        return f"FileWrappingKey({self.label!r})"

    def forget(self) -> None:
        """Let go of the key: it is destroyed."""
        self._key = None

    def _held(self) -> bytes:
        if self._key is None:
            raise _absent(self.label)
        return self._key

    def wrap(self, key: bytes) -> bytes:
        """Wrap a key of 16, 24 or 32 octets. Raises KeyMaterialError."""
        return wrap_key(self._held(), key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Give the key of a wrapped one. Raises KeyUnwrapError."""
        return unwrap_key(self._held(), wrapped)


_Key = TypeVar("_Key", FileKeyPair, FileWrappingKey)


class FileKeyVault:
    """Keys in encrypted files of one folder. Holds opened keys in memory; safe to use from several threads."""

    def __init__(self, folder: Path, opener: SecretSource | WrappingKey) -> None:
        """Open the vault of a folder, made if there is none.

        opener: gives the passphrase (Argon2id), or is a wrapping key such as the `KeyStore`. Raises KeyFileError on a
        file others can reach or that is gone, VaultLockedError when the passphrase or the wrapping key is another one.
        """
        self._folder = folder
        self._lock = Lock()
        self._opened: dict[str, FileKeyPair | FileWrappingKey] = {}
        self._aead = AESGCM(_vault_key(folder, opener))

    def __repr__(self) -> str:
        return f"FileKeyVault({str(self._folder)!r})"

    def generate(self, label: str, usage: KeyUsage, curve: CurveName) -> FileKeyPair:
        """Make a key pair for SIGN or AGREE; durable when this returns. Raises as `KeyVault.generate`."""
        row = check_generation(label, usage, curve)
        private = draw_private_key(row)
        encoded = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._write(label, {"usage": usage.value, "curve": curve}, encoded)
        return self._keep(FileKeyPair(label, usage, curve, private))

    def generate_wrapping_key(self, label: str) -> FileWrappingKey:
        """Make a wrapping key (AES-256); durable when this returns."""
        check_label(label)
        key = random_bytes(_WRAPPING_KEY_SIZE)
        self._write(label, {"usage": KeyUsage.WRAP.value}, key)
        return self._keep(FileWrappingKey(label, key))

    def key(self, label: str) -> FileKeyPair:
        """Give a key pair. Raises KeyNotFoundError, KeyUsageError, and KeyUnwrapError where its file was changed."""
        found = self._open(label)
        if not isinstance(found, FileKeyPair):
            raise KeyUsageError(f"key {label} is a wrapping key and no key pair: ask for it as one", label=label)
        return found

    def wrapping_key(self, label: str) -> FileWrappingKey:
        """Give a wrapping key. Raises as `key`."""
        found = self._open(label)
        if not isinstance(found, FileWrappingKey):
            raise KeyUsageError(f"key {label} is a key pair and wraps nothing: ask for it as one", label=label)
        return found

    def labels(self) -> Mapping[str, KeyUsage]:
        """Every key's label and usage, sorted by label. Reads the files' first lines; opens none."""
        names = sorted(path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return {name: _header(name, self._read(name))[0] for name in names}

    def destroy(self, label: str) -> None:
        """Remove a key for good; who still holds it in this process cannot use it. Raises KeyNotFoundError."""
        check_label(label)
        with self._lock:
            if not self._path(label).exists():
                raise _absent(label)
            remove_secret_file(self._path(label), f"key {label}")
            opened = self._opened.pop(label, None)
            if opened is not None:
                opened.forget()

    def forget(self) -> None:
        """Let go of every key that was opened; who still holds one cannot use it. The files stay."""
        with self._lock:
            for key in self._opened.values():
                key.forget()
            self._opened.clear()

    def _keep(self, key: _Key) -> _Key:
        with self._lock:
            self._opened[key.label] = key
        return key

    def _path(self, label: str) -> Path:
        return self._folder / f"{label}{_SUFFIX}"

    def _read(self, label: str) -> bytes:
        if not os.path.lexists(self._path(label)):
            raise _absent(label)
        return read_secret_file(self._path(label), f"key {label}", size_max=_FILE_SIZE_MAX)

    def _write(self, label: str, facts: Mapping[str, str], secret: bytes) -> None:
        header = json.dumps({"format": KEY_FORMAT, "label": label, **facts}).encode() + b"\n"
        nonce = secrets.token_bytes(_NONCE_SIZE)
        content = header + nonce + self._aead.encrypt(nonce, secret, header)
        if not write_secret_once(self._path(label), content, f"key {label}"):
            raise KeyExistsError(
                f"there is a key {label} already: destroy it first, or take another label", label=label
            )

    def _open(self, label: str) -> FileKeyPair | FileWrappingKey:
        check_label(label)
        with self._lock:
            found = self._opened.get(label)
            if found is None:
                found = self._opened[label] = self._decipher(label, self._read(label))
            return found

    def _decipher(self, label: str, content: bytes) -> FileKeyPair | FileWrappingKey:
        usage, curve, size = _header(label, content)
        header, body = content[:size], content[size:]
        try:
            secret = self._aead.decrypt(body[:_NONCE_SIZE], body[_NONCE_SIZE:], header)
        except (InvalidTag, ValueError) as error:
            raise KeyUnwrapError(
                f"the file of key {label} does not open: it was changed, or is another vault's; put the saved copy back"
            ) from error
        if curve is None:
            return FileWrappingKey(label, secret)
        private = serialization.load_der_private_key(secret, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return FileKeyPair(label, usage, curve, private)


def _absent(label: str) -> KeyNotFoundError:
    return KeyNotFoundError(f"the vault has no key {label}: see `meterworks keystore list`", label=label)


def draw_private_key(row: CurveRow) -> ec.EllipticCurvePrivateKey:
    """Make a private key of octets that the health-tested source gave. Raises EntropyError."""
    drawn = int.from_bytes(random_bytes(row.scalar_size + _EXTRA_OCTETS), "big")
    return ec.derive_private_key(drawn % (row.curve.group_order - 1) + 1, row.curve)


def _header(label: str, content: bytes) -> tuple[KeyUsage, CurveName | None, int]:
    """Usage, curve (None of a wrapping key) and size of a key file's first line. Raises KeyFileError."""
    size = content.find(b"\n") + 1
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        facts = json.loads(content[:size])
        usage, curve = KeyUsage(facts["usage"]), facts.get("curve")
        if facts["format"] == KEY_FORMAT and facts["label"] == label and len(content) <= _FILE_SIZE_MAX:
            if usage is KeyUsage.WRAP and curve is None:
                return usage, None, size
            if usage in (KeyUsage.SIGN, KeyUsage.AGREE) and curve in get_args(CurveName):
                return usage, curve, size
    raise KeyFileError(f"the file of key {label} is no key file of that label: put the saved copy back", label=label)


def _vault_key(folder: Path, opener: SecretSource | WrappingKey) -> bytes:
    """Read the vault key, made at the first opening."""
    path = folder / "vault.json"
    what = "the vault's lock"
    if not os.path.lexists(path):
        if any(folder.glob(f"*{_SUFFIX}")):
            raise KeyFileError(
                f"{path} is gone, and keys are kept that only it opens: put the saved copy back", path=str(path)
            )
        key = random_bytes(_WRAPPING_KEY_SIZE)
        facts, lock = _new_lock(opener)
        content = json.dumps({"format": VAULT_FORMAT, "opener": facts, "wrapped": lock.wrap(key).hex()})
        write_secret_once(path, content.encode(), what)
    facts, wrapped = _vault_facts(path, read_secret_file(path, what, size_max=_FILE_SIZE_MAX))
    try:
        return _lock_of(path, facts, opener).unwrap(wrapped)
    except KeyUnwrapError as error:
        raise VaultLockedError(
            f"the vault {folder} does not open: the passphrase or the master key is not its own", path=str(folder)
        ) from error


def _vault_facts(path: Path, content: bytes) -> tuple[Mapping[str, object], bytes]:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        facts = json.loads(content)
        if facts["format"] == VAULT_FORMAT and isinstance(facts["opener"], dict) and _HEX.fullmatch(facts["wrapped"]):
            return facts["opener"], bytes.fromhex(facts["wrapped"])
    raise KeyFileError(f"{path} is no vault's lock: put the saved copy back", path=str(path))


def _new_lock(opener: SecretSource | WrappingKey) -> tuple[Mapping[str, object], WrappingKey]:
    if not callable(opener):
        return {"kind": "wrapping-key"}, opener
    lock = PassphraseLock.new(opener())
    return lock.facts, lock


def _lock_of(path: Path, facts: Mapping[str, object], opener: SecretSource | WrappingKey) -> WrappingKey:
    by_passphrase: Callable[[], bytes] | None = opener if callable(opener) else None
    if facts.get("kind") == "wrapping-key":
        if by_passphrase is not None:
            raise KeyFileError(f"the vault of {path} opens with its master key, not with a passphrase", path=str(path))
        assert not callable(opener)
        return opener
    if by_passphrase is None:
        raise KeyFileError(f"the vault of {path} opens with its passphrase, not with a master key", path=str(path))
    return PassphraseLock.read(facts, by_passphrase())
