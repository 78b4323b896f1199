"""Signed policies: who answers for the security of meters says, signed, to which suite and policy they are raised.

No operator and no process raises a meter on its own: the head-end takes a statement, verifies it with the public keys
that were put into its folder, and records whose it was. A statement only ever raises. It is a JWS in compact form with
ES256 or ES384: header {"alg", "kid", "typ"}, payload JSON; kid is the SHA-256 of the key's SubjectPublicKeyInfo.
Source: SEC-131; RFC 7515, 7.1.
"""

import base64
import binascii
import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterworks.headend.errors import PolicyRefused
from meterworks.headend.key_job import SecurityLevel
from meterworks.protocols.dlms import SUITES, protection_of_policy
from meterworks.protocols.errors import DecodeError
from meterworks.trust import PrivateKey, read_recipient

__all__ = ["PolicyStatement", "key_id_of", "open_statement", "policy_keys", "sign_statement"]

TYPE: Final = "meterworks-policy-1"
STATEMENT_SIZE_MAX: Final = 8192
_ALGORITHMS: Final[Mapping[str, tuple[str, SHA256 | SHA384]]] = {
    "ES256": ("secp256r1", SHA256()),
    "ES384": ("secp384r1", SHA384()),
}
_REFUSED: Final = "the signed policy does not hold: "


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatement:
    """What is asked of meters. models: which ones, all where empty. signed_at: by the signer's clock.

    key_id: of who signed, in what was opened.
    """

    level: SecurityLevel
    reason: str
    signed_at: datetime
    models: tuple[str, ...] = ()
    key_id: str = ""


def sign_statement(statement: PolicyStatement, key: PrivateKey) -> str:
    """Sign a statement with a key on P-256 or P-384. Raises PolicyRefused for a level that is none."""
    _check_level(statement.level)
    algorithm = {"P-256": "ES256", "P-384": "ES384"}[key.curve]
    header = {"alg": algorithm, "kid": key_id_of(key.public_key), "typ": TYPE}
    payload = {
        "suite": statement.level.suite,
        "policy": statement.level.policy,
        "models": list(statement.models),
        "reason": statement.reason,
        "signed_at": statement.signed_at.isoformat(),
    }
    signed = f"{_encoded(header)}.{_encoded(payload)}"
    return f"{signed}.{_text(key.sign(signed.encode()))}"


def open_statement(text: str, keys: Iterable[ec.EllipticCurvePublicKey]) -> PolicyStatement:
    """Verify a statement with the public keys that count here, and give it. Raises PolicyRefused."""
    if len(text) > STATEMENT_SIZE_MAX:
        raise PolicyRefused(f"{_REFUSED}it has {len(text)} characters")
    try:
        head, body, tail = text.strip().split(".")
        header, payload = json.loads(_octets(head)), json.loads(_octets(body))
        known = {key_id_of(key): key for key in keys}
        key_id, algorithm = str(header["kid"]), _ALGORITHMS[header["alg"]]
        if header["typ"] != TYPE:
            raise PolicyRefused(f"{_REFUSED}it is of another kind")
        if key_id not in known:
            raise PolicyRefused(f"{_REFUSED}its key {key_id[:16]} is none of those that count here", key=key_id[:64])
        _verify(known[key_id], algorithm, f"{head}.{body}".encode(), _octets(tail))
        return _statement(payload, key_id)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise PolicyRefused(f"{_REFUSED}it is no JWS of a policy") from error


def policy_keys(folder: Path | None) -> list[ec.EllipticCurvePublicKey]:
    """The public keys of those whose statements count: the PEM files of a folder. None where there is none.

    Raises KeyMaterialError for a file that holds no such key.
    """
    return [] if folder is None else [read_recipient(path.read_bytes()) for path in sorted(folder.glob("*.pem"))]


def key_id_of(key: ec.EllipticCurvePublicKey) -> str:
    """Name a key by the SHA-256 of its SubjectPublicKeyInfo, hexadecimal."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _statement(payload: Mapping[str, Any], key_id: str) -> PolicyStatement:
    level = SecurityLevel(suite=_whole(payload["suite"]), policy=_whole(payload["policy"]))
    _check_level(level)
    return PolicyStatement(
        level=level,
        reason=str(payload["reason"])[:200],
        signed_at=datetime.fromisoformat(payload["signed_at"]),
        models=tuple(str(each) for each in payload["models"]),
        key_id=key_id,
    )


def _check_level(level: SecurityLevel) -> None:
    """Refuse what is no suite and no policy of version 1, and what asks for nothing."""
    if level.suite is None and level.policy is None:
        raise PolicyRefused(f"{_REFUSED}it asks for nothing: give a suite or a policy")
    if level.suite is not None and level.suite not in tuple(SUITES):
        raise PolicyRefused(f"{_REFUSED}there is no suite {level.suite}")
    if level.policy is not None:
        with contextlib.suppress(DecodeError):
            protection_of_policy(level.policy, 1)
            return
        raise PolicyRefused(f"{_REFUSED}there is no policy {level.policy:#x} of version 1")


def _whole(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError("a whole number, or null")


def _verify(
    key: ec.EllipticCurvePublicKey, algorithm: tuple[str, SHA256 | SHA384], signed: bytes, signature: bytes
) -> None:
    curve, digest = algorithm
    size = -(-key.curve.key_size // 8)
    if key.curve.name != curve or len(signature) != 2 * size:
        raise PolicyRefused(f"{_REFUSED}its algorithm is not its key's")
    numbers = (int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
    try:
        key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(digest))
    except InvalidSignature as error:
        raise PolicyRefused(f"{_REFUSED}its signature is false") from error


def _encoded(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
