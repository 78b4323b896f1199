"""Operations of the key store a second: files and a token of SoftHSM, beside bare `cryptography` in the same run.

Signatures and agreements on P-256 and P-384, unwrapping of a 16 octet key (RFC 3394), and certificates signed through
`for_x509`. The limit is `cryptography` with the key in its hands; its signatures are deterministic, as the file vault's
are. Without SoftHSM the token's figures are absent. Prints one JSON line.

    python -m benchmarks.keystore
"""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from cryptography.x509.oid import NameOID

from benchmarks.decode import seconds_per_call
from meterworks.trust import CURVES, CurveName, FileKeyVault, KeyStore, KeyUsage, KeyVault, VaultSettings, open_vault

CURVE_NAMES: Final[tuple[CurveName, ...]] = ("P-256", "P-384")
MODULE: Final = Path("/usr/lib/softhsm/libsofthsm2.so")
MESSAGE: Final = bytes(range(256))
NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
START: Final = datetime(2026, 11, 21, tzinfo=UTC)


def rate(act: Callable[[], object]) -> float:
    """Operations a second."""
    return round(1 / seconds_per_call(act), 1)


def certificate(signer: ec.EllipticCurvePrivateKey, curve: CurveName) -> x509.Certificate:
    """One certificate, built and signed."""
    builder = (
        x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(signer.public_key())
        .serial_number(7).not_valid_before(START).not_valid_after(START + timedelta(days=1))
    )  # fmt: skip
    return builder.sign(signer, CURVES[curve].digest)


def of_vault(vault: KeyVault) -> dict[str, float]:
    """The rates of one vault."""
    found: dict[str, float] = {}
    for curve in CURVE_NAMES:
        signing = vault.generate(f"sign-{curve}", KeyUsage.SIGN, curve)
        agreeing = vault.generate(f"agree-{curve}", KeyUsage.AGREE, curve)
        peer = ec.generate_private_key(CURVES[curve].curve).public_key()
        signer = signing.for_x509()
        found[f"sign_{curve}"] = rate(lambda key=signing: key.sign(MESSAGE))  # type: ignore[misc]
        found[f"agree_{curve}"] = rate(lambda key=agreeing, peer=peer: key.agree(peer))  # type: ignore[misc]
        found[f"certificate_{curve}"] = rate(lambda key=signer, curve=curve: certificate(key, curve))  # type: ignore[misc]
    wrapping = vault.generate_wrapping_key("wrap")
    wrapped = wrapping.wrap(bytes(16))
    found["unwrap"] = rate(lambda: wrapping.unwrap(wrapped))
    return found


def limit() -> dict[str, float]:
    """The same with the key in the hands of `cryptography`."""
    found: dict[str, float] = {}
    for curve in CURVE_NAMES:
        row = CURVES[curve]
        key, peer = ec.generate_private_key(row.curve), ec.generate_private_key(row.curve).public_key()
        algorithm = ec.ECDSA(row.digest, deterministic_signing=True)
        found[f"sign_{curve}"] = rate(lambda key=key, algorithm=algorithm: key.sign(MESSAGE, algorithm))  # type: ignore[misc]
        found[f"agree_{curve}"] = rate(lambda key=key, peer=peer: key.exchange(ec.ECDH(), peer))  # type: ignore[misc]
        found[f"certificate_{curve}"] = rate(lambda key=key, curve=curve: certificate(key, curve))  # type: ignore[misc]
    key_octets = secrets.token_bytes(32)
    wrapped = aes_key_wrap(key_octets, bytes(16))
    found["unwrap"] = rate(lambda: aes_key_unwrap(key_octets, wrapped))
    return found


@contextmanager
def token(folder: Path) -> Iterator[KeyVault]:
    """A vault in a fresh token of SoftHSM."""
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    pin, officer_pin = secrets.token_hex(8), secrets.token_hex(8)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "benchmark", "--so-pin", officer_pin, "--pin", pin],
        check=True, capture_output=True,
    )  # fmt: skip
    path = folder / "pin"
    path.touch(0o600)
    path.write_text(pin)
    yield open_vault(
        VaultSettings(kind="pkcs11", module=str(MODULE), token_label="benchmark", pin_reference=str(path)),
        folder, KeyStore(secrets.token_bytes(32)),
    )  # fmt: skip


def measure() -> dict[str, Any]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found: dict[str, Any] = {"limit_per_s": limit()}
        found["file_per_s"] = of_vault(FileKeyVault(folder / "vault", KeyStore(secrets.token_bytes(32))))
        if MODULE.exists() and shutil.which("softhsm2-util"):
            with token(folder) as vault:
                found["token_per_s"] = of_vault(vault)
        bare = found["limit_per_s"]
        found["file_share_of_limit"] = {
            name: round(value / bare[name], 3) for name, value in found["file_per_s"].items()
        }
    return found


if __name__ == "__main__":
    print(json.dumps(measure()))
