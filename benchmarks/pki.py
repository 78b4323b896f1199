"""Certificates issued per second: file key and token key, with the ledger and without, beside the bare builder.

The limit is `cryptography`'s own builder with the same fields and a key in memory. "issued" is the whole of what an
authority does for a shipment: serial numbers and key bindings made durable, certificates built and made durable, in
batches of 2,000. Public keys are made beforehand. Prints one JSON line.

    python -m benchmarks.pki
"""

import contextlib
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust import KeyStore
from meterworks.trust.keystore import FileKeyVault, KeyVault, token_vault
from meterworks.trust.pki import (
    PROFILES,
    CertificateSubject,
    CrlStore,
    Enrolment,
    PeerRole,
    SystemPki,
    make_device_credentials,
    peer_uri,
    validate,
)
from meterworks.trust.pki.build import CertificateIssuer, build_certificate, new_serial_number

COUNT: Final = 1_000
SHIPMENT: Final = 2_000
PROFILE: Final = "dlms-1-tls"
MODULES: Final = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


def per_second(work: Callable[[], object], count: int) -> float:
    """How many of `count` things a second."""
    started = time.perf_counter()
    work()
    return round(count / (time.perf_counter() - started), 1)


def subjects(start: int) -> list[CertificateSubject]:
    return [CertificateSubject(identity=f"{start + place:016x}", role=PeerRole.DEVICE) for place in range(COUNT)]


def bare(keys: list[ec.EllipticCurvePublicKey], issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """The same certificate by the library alone."""
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    for place, public in enumerate(keys):
        identity = f"{place:016x}"
        name = x509.Name(
            [
                x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "device"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, identity),
            ]
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.subject)
            .public_key(public)
            .serial_number(secrets.randbits(126))
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.KeyUsage(True, *[False] * 8), True)
            .add_extension(
                x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in PROFILES[PROFILE].extended_usage]), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(peer_uri(PeerRole.DEVICE, identity))]),
                False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
        )
        builder.sign(key, hashes.SHA256())


def built(keys: list[ec.EllipticCurvePublicKey], issuer: CertificateIssuer) -> None:
    """By our builder, without a ledger."""
    now = datetime.now(UTC)
    for subject, public in zip(subjects(0), keys, strict=True):
        build_certificate(PROFILES[PROFILE], subject, public, issuer, now=now, serial_number=new_serial_number())


def issued(pki: SystemPki, keys: list[ec.EllipticCurvePublicKey]) -> float:
    """By an authority, ledger and all."""
    authority = pki.authority("devices")
    batch = [Enrolment(subject, key) for subject, key in zip(subjects(0), keys, strict=True)]
    return per_second(lambda: authority.issue_many(PROFILE, batch), COUNT)


def validated(pki: SystemPki) -> float:
    """Paths judged in full, lists included."""
    subject = CertificateSubject(identity=f"{99:016x}", role=PeerRole.DEVICE)
    made = pki.issue_credentials("devices", PROFILE, subject)
    chain, store = [made.certificate, *made.chain], CrlStore()
    now = datetime.now(UTC)
    lists = [entry.public_bytes(Encoding.DER) for entry in pki.crls()]
    store.accept_all(lists, [*pki.anchors, *made.chain], at=now)

    def work() -> None:
        for _ in range(200):
            validate(chain, profile=PROFILE, trust_anchors=pki.anchors, crls=store, at=now)

    return per_second(work, 200)


@contextlib.contextmanager
def token(folder: Path) -> Iterator[KeyVault | None]:
    """A vault in a SoftHSM token of its own; None where the machine has none."""
    module = next((path for path in MODULES if Path(path).exists()), None)
    if module is None:
        yield None
        return
    tokens = folder / "tokens"
    tokens.mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "bench",
        "--so-pin",
        "12345678",
        "--pin",
        "12345678",
    ]
    subprocess.run(command, check=True, capture_output=True)
    yield token_vault(module, "bench", lambda: b"12345678")


def main() -> None:
    """Measure and print."""
    keys = [ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(COUNT)]
    figures: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki = SystemPki.create(folder / "file", FileKeyVault(folder / "vault", KeyStore(bytes(32))))
        authority = pki.authority("devices").certificate
        memory = ec.generate_private_key(ec.SECP256R1())
        file_key = FileKeyVault(folder / "vault", KeyStore(bytes(32))).key("pki.devices.1").for_x509()
        figures["bare_per_s"] = per_second(lambda: bare(keys, authority, memory), COUNT)
        figures["built_file_key_per_s"] = per_second(lambda: built(keys, CertificateIssuer(authority, file_key)), COUNT)
        figures["issued_file_key_per_s"] = issued(pki, keys)
        maker, devices = pki.authority("maker"), [f"{10_000 + place:016x}" for place in range(SHIPMENT)]
        figures["devices_made_per_s"] = per_second(lambda: make_device_credentials(maker, devices), SHIPMENT)
        figures["validated_per_s"] = validated(pki)
        pki.close()
        with token(folder) as vault:
            figures["issued_token_key_per_s"] = None
            if vault is not None:
                hardware = SystemPki.create(folder / "token", vault)
                figures["issued_token_key_per_s"] = issued(hardware, keys)
                hardware.close()
    bare_rate = figures["bare_per_s"] or 1.0
    figures["issued_of_bare"] = round((figures["issued_file_key_per_s"] or 0.0) / bare_rate, 3)
    print(json.dumps({"benchmark": "pki", "certificates": COUNT, **figures}))


if __name__ == "__main__":
    main()
