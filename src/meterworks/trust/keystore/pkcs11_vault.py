"""A vault in a PKCS#11 token: a hardware security module, or SoftHSM. Private keys are made in it and never leave it.

Every key is private, sensitive, not extractable and not modifiable, with the one usage it was made for: the token
itself refuses a signature of an agreement key, and the reverse. Hashes are made here, the token signs them (CKM_ECDSA).
A key's label is its CKA_LABEL, so labels of the token are the vault's.
Source: PKCS#11 v2.40, CKM_ECDSA, CKM_ECDH1_DERIVE, CKM_AES_KEY_WRAP; SECURITY fact sheet SEC-027 and SEC-038.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import pkcs11
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm
from pkcs11 import KDF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from meterworks.trust.entropy import HealthTestedSource, random_bytes
from meterworks.trust.errors import (
    KeyExistsError,
    KeyMaterialError,
    KeyNotFoundError,
    KeyUnwrapError,
    KeyUsageError,
    TokenLostError,
)
from meterworks.trust.keystore.key_pair import VaultKeyPair, der_of_signature
from meterworks.trust.keystore.token import Token, token_of
from meterworks.trust.keystore.vault import (
    CURVES,
    CurveName,
    KeyUsage,
    SecretSource,
    check_generation,
    check_label,
    curve_name,
)
from meterworks.trust.keywrap import KEY_SIZES, OVERHEAD_SIZE

__all__ = ["Pkcs11KeyPair", "Pkcs11KeyVault", "Pkcs11WrappingKey"]

_ID_SIZE: Final = 16
_LABELS_MAX: Final = 10_000
_OID_NAMES: Final[Mapping[CurveName, str]] = {
    "P-256": "secp256r1",
    "P-384": "secp384r1",
    "brainpoolP256r1": "brainpoolp256r1",
}
_CAPABILITIES: Final = {
    KeyUsage.SIGN: MechanismFlag.SIGN | MechanismFlag.VERIFY,
    KeyUsage.AGREE: MechanismFlag.DERIVE,
    KeyUsage.WRAP: MechanismFlag.WRAP | MechanismFlag.UNWRAP,
}
_KEPT: Final = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: False}
_READABLE: Final = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True, Attribute.TOKEN: False}

_Result = TypeVar("_Result")


class _Handle:
    """Finds a key in the token, and keeps its handle as long as the session it was found in."""

    def __init__(self, token: Token, label: str, key_id: bytes, object_class: ObjectClass) -> None:
        self._token = token
        self._label = label
        self._id = key_id
        self._class = object_class
        self._found: Any = None
        self._generation = -1

    def run(self, act: Callable[[pkcs11.Session, Any], _Result]) -> _Result:
        """Do something with the key. Raises KeyNotFoundError once it is destroyed, TokenLostError."""

        def whole(session: pkcs11.Session) -> _Result:
            if self._generation != self._token.generation:
                self._found = session.get_key(object_class=self._class, label=self._label, id=self._id)
                self._generation = self._token.generation
            return act(session, self._found)

        try:
            return self._token.run(whole)
        except pkcs11.NoSuchKey as error:
            raise _absent(self._label) from error


class Pkcs11KeyPair(VaultKeyPair):
    """A key pair whose private half is in a token."""

    def __init__(self, handle: _Handle, label: str, usage: KeyUsage, public_key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(label, usage, public_key, curve_name(public_key))
        self._handle = handle

    def _sign_plain(self, message: bytes, algorithm: HashAlgorithm) -> bytes:
        digest = _digest(message, algorithm)
        try:
            return self._handle.run(lambda _, key: bytes(key.sign(digest, mechanism=Mechanism.ECDSA)))
        except PKCS11Error as error:
            raise _failed(self.label, "sign", error) from error

    def _sign_der(self, message: bytes, algorithm: HashAlgorithm) -> bytes:
        return der_of_signature(self._sign_plain(message, algorithm))

    def _agree(self, peer: ec.EllipticCurvePublicKey) -> bytes:
        point = peer.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        bits = 8 * CURVES[self.curve].scalar_size

        def derive(_: pkcs11.Session, key: Any) -> bytes:
            secret = key.derive_key(
                KeyType.GENERIC_SECRET, bits, mechanism=Mechanism.ECDH1_DERIVE, template=_READABLE,
                mechanism_param=(KDF.NULL, None, point),
            )  # fmt: skip
            return _taken(secret)

        try:
            return self._handle.run(derive)
        except PKCS11Error as error:
            raise _failed(self.label, "agree", error) from error


class Pkcs11WrappingKey:
    """A wrapping key in a token: what it wraps and unwraps is in this process's memory, the key never is."""

    def __init__(self, handle: _Handle, label: str) -> None:
        self.label = label
        self._handle = handle

    def __repr__(self) -> str:
        return f"Pkcs11WrappingKey({self.label!r})"

    def wrap(self, key: bytes) -> bytes:
        """Wrap a key of 16, 24 or 32 octets. Raises KeyMaterialError."""
        if len(key) not in KEY_SIZES:
            raise KeyMaterialError(f"a key to wrap has 16, 24, 32 octets, this one has {len(key)}", size=len(key))

        def wrapped(session: pkcs11.Session, wrapping: Any) -> bytes:
            held = session.create_object(
                {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES, Attribute.VALUE: key}
                | _READABLE
            )
            try:
                return bytes(wrapping.wrap_key(held, mechanism=Mechanism.AES_KEY_WRAP))
            finally:
                held.destroy()

        try:
            return self._handle.run(wrapped)
        except PKCS11Error as error:
            raise _failed(self.label, "wrap", error) from error

    def unwrap(self, wrapped: bytes) -> bytes:
        """Give the key of a wrapped one. Raises KeyUnwrapError, KeyMaterialError on a wrong size."""
        if len(wrapped) - OVERHEAD_SIZE not in KEY_SIZES:
            raise KeyMaterialError(
                f"a wrapped key has 24, 32, 40 octets, this one has {len(wrapped)}", size=len(wrapped)
            )

        def unwrapped(_: pkcs11.Session, wrapping: Any) -> bytes:
            return _taken(
                wrapping.unwrap_key(
                    ObjectClass.SECRET_KEY, KeyType.AES, wrapped, mechanism=Mechanism.AES_KEY_WRAP, template=_READABLE
                )
            )

        try:
            return self._handle.run(unwrapped)
        except PKCS11Error as error:  # modules name no common error for a wrong integrity value
            raise KeyUnwrapError(
                "the wrapped key does not open: it was wrapped under another key, or changed"
            ) from error


class Pkcs11KeyVault:
    """Keys in a PKCS#11 token. Safe to use from several threads; `close` lets go of the token."""

    def __init__(self, module: Path, token_label: str, pin_source: SecretSource) -> None:
        """Log in to a token. Raises VaultSettingsError without such a module or token, VaultLockedError on the PIN."""
        self._token = token_of(module, token_label, pin_source)
        self._source = HealthTestedSource(self._draw)

    def __repr__(self) -> str:
        return f"Pkcs11KeyVault({self._token.label!r})"

    def close(self) -> None:
        """End the session with the token; the next use of the vault or of a key opens one again."""
        self._token.close()

    def generate(self, label: str, usage: KeyUsage, curve: CurveName) -> Pkcs11KeyPair:
        """Make a key pair for SIGN or AGREE in the token. Raises as `KeyVault.generate`."""
        check_generation(label, usage, curve)
        self._check_new(label)
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(_OID_NAMES[curve])}
        key_id = random_bytes(_ID_SIZE)

        def make(session: pkcs11.Session) -> None:
            domain = session.create_domain_parameters(KeyType.EC, parameters, local=True)
            domain.generate_keypair(
                id=key_id, label=label, store=True, capabilities=_CAPABILITIES[usage], private_template=_KEPT,
                public_template={Attribute.MODIFIABLE: False},
            )  # fmt: skip

        self._make(label, make)
        return self.key(label)

    def generate_wrapping_key(self, label: str) -> Pkcs11WrappingKey:
        """Make a wrapping key (AES-256) in the token."""
        check_label(label)
        self._check_new(label)
        key_id = random_bytes(_ID_SIZE)

        def make(session: pkcs11.Session) -> None:
            session.generate_key(
                KeyType.AES, 256, id=key_id, label=label, store=True, capabilities=_CAPABILITIES[KeyUsage.WRAP],
                template=_KEPT,
            )  # fmt: skip

        self._make(label, make)
        return self.wrapping_key(label)

    def key(self, label: str) -> Pkcs11KeyPair:
        """Give a key pair. Raises KeyNotFoundError, KeyUsageError, TokenLostError."""
        usage, key_id = self._find(label)
        if usage is KeyUsage.WRAP:
            raise KeyUsageError(f"key {label} is a wrapping key and no key pair: ask for it as one", label=label)
        try:
            public = self._token.run(lambda session: _public_half(session, label, key_id))
        except PKCS11Error as error:
            raise _failed(label, "show its public half", error) from error
        handle = _Handle(self._token, label, key_id, ObjectClass.PRIVATE_KEY)
        return Pkcs11KeyPair(handle, label, usage, public)

    def wrapping_key(self, label: str) -> Pkcs11WrappingKey:
        """Give a wrapping key. Raises as `key`."""
        usage, key_id = self._find(label)
        if usage is not KeyUsage.WRAP:
            raise KeyUsageError(f"key {label} is a key pair and wraps nothing: ask for it as one", label=label)
        return Pkcs11WrappingKey(_Handle(self._token, label, key_id, ObjectClass.SECRET_KEY), label)

    def labels(self) -> Mapping[str, KeyUsage]:
        """Every key's label and usage, sorted by label. Raises TokenLostError."""
        try:
            found = {label: usage for label, usage, _ in self._token.run(_keys)}
        except PKCS11Error as error:
            raise _failed("(any)", "be listed", error) from error
        return dict(sorted(found.items()))

    def destroy(self, label: str) -> None:
        """Remove a key for good, its public half too. Raises KeyNotFoundError, TokenLostError."""
        _, key_id = self._find(label)

        def remove(session: pkcs11.Session) -> None:
            for found in list(session.get_objects({Attribute.LABEL: label, Attribute.ID: key_id})):
                found.destroy()

        try:
            self._token.run(remove)
        except PKCS11Error as error:
            raise _failed(label, "be destroyed", error) from error

    def _draw(self, count: int) -> bytes:
        return self._token.run(lambda session: bytes(session.generate_random(8 * count)))

    def _make(self, label: str, make: Callable[[pkcs11.Session], None]) -> None:
        """Make a key once: the token's own source of chance is tested first."""
        try:
            self._source.random_bytes(_ID_SIZE)
            self._token.run(make, repeatable=False)
        except PKCS11Error as error:
            raise _failed(label, "be made", error) from error

    def _check_new(self, label: str) -> None:
        if label in self.labels():
            raise KeyExistsError(
                f"there is a key {label} already: destroy it first, or take another label", label=label
            )

    def _find(self, label: str) -> tuple[KeyUsage, bytes]:
        check_label(label)
        try:
            found = self._token.run(lambda session: _keys(session, label))
        except PKCS11Error as error:
            raise _failed(label, "be looked up", error) from error
        if not found:
            raise _absent(label)
        _, usage, key_id = found[0]
        return usage, key_id


def _keys(session: pkcs11.Session, label: str | None = None) -> list[tuple[str, KeyUsage, bytes]]:
    """Label, usage and identifier of the keys a vault may have made; others of the token are none of ours."""
    named = {} if label is None else {Attribute.LABEL: label}
    kinds = ((ObjectClass.PRIVATE_KEY, Attribute.SIGN, KeyUsage.SIGN),
             (ObjectClass.PRIVATE_KEY, Attribute.DERIVE, KeyUsage.AGREE),
             (ObjectClass.SECRET_KEY, Attribute.UNWRAP, KeyUsage.WRAP))  # fmt: skip
    found: list[tuple[str, KeyUsage, bytes]] = []
    for object_class, attribute, usage in kinds:
        wanted = {Attribute.CLASS: object_class, attribute: True, Attribute.TOKEN: True} | named
        for key in list(session.get_objects(wanted)):
            if len(found) < _LABELS_MAX:
                found.append((str(key[Attribute.LABEL]), usage, bytes(key[Attribute.ID])))
    return found


def _public_half(session: pkcs11.Session, label: str, key_id: bytes) -> ec.EllipticCurvePublicKey:
    held: Any = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label, id=key_id)
    public = serialization.load_der_public_key(encode_ec_public_key(held))
    assert isinstance(public, ec.EllipticCurvePublicKey)  # its key type was EC
    return public


def _taken(secret: Any) -> bytes:
    """Read a session's secret and destroy it in the token: it lives no longer than its use (SEC-039)."""
    try:
        return bytes(secret[Attribute.VALUE])
    finally:
        secret.destroy()


def _digest(message: bytes, algorithm: HashAlgorithm) -> bytes:
    hashing = Hash(algorithm)
    hashing.update(message)
    return hashing.finalize()


def _absent(label: str) -> KeyNotFoundError:
    return KeyNotFoundError(f"the vault has no key {label}: see `meterworks keystore list`", label=label)


def _failed(label: str, act: str, error: PKCS11Error) -> TokenLostError:
    return TokenLostError(
        f"key {label} could not {act}: the token answered {type(error).__name__}; look after the token, then try again",
        label=label,
    )
