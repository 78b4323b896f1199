"""The PKI of a system: OpenSSL's opinion of every profile, root change, recovery, and ten years without a gap."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.softhsm import new_token
from tests.unit.trust.pki.conftest import STARTED
from tests.unit.trust.pki.forge import new_key

from meterworks.trust.keystore import CURVES, token_vault
from meterworks.trust.pki import (
    AUTHORITIES,
    PROFILES,
    CertificateRefused,
    CertificateSubject,
    CrlStore,
    PeerRole,
    PkiExistsError,
    PkiUsageError,
    SystemPki,
    expiry_alarms,
    renewal_time,
    validate,
)

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this machine")
LEAVES = [name for name, row in PROFILES.items() if not row.is_authority]


def subject_for(profile: str) -> CertificateSubject:
    if profile.startswith("gb-"):
        return CertificateSubject(identity="90b3d51f30010000", unit=2)
    if profile.startswith("sm-"):
        return CertificateSubject(identity="Stadtwerk")
    if profile.startswith("dlms-"):
        return CertificateSubject(identity="4d57520000000001", role=PeerRole.DEVICE)
    if profile == "maker-seal":
        return CertificateSubject(identity="Acme", role=PeerRole.MAKER)
    return CertificateSubject(identity="headend", role=PeerRole.HEADEND, dns_names=("localhost",))


def authority_for(profile: str) -> str:
    return next(name for name, row in AUTHORITIES.items() if profile in row.issues)


def root_of(name: str) -> str:
    parent = AUTHORITIES[name].parent
    return name if parent is None else root_of(parent)


def openssl_verify(
    folder: Path, chain: list[x509.Certificate], roots: list[x509.Certificate], crls: bytes = b""
) -> str:
    for name, entries in (("chain", chain), ("roots", roots)):
        (folder / f"{name}.pem").write_bytes(b"".join(entry.public_bytes(Encoding.PEM) for entry in entries))
    (folder / "crl.pem").write_bytes(crls)
    revocation = ["-crl_check_all", "-CRLfile", folder / "crl.pem"] if crls else []
    anchors = ["-no-CApath", "-CAfile", folder / "roots.pem"]
    judged = ["-untrusted", folder / "chain.pem", folder / "chain.pem"]
    command = ["openssl", "verify", "-x509_strict", *revocation, *anchors, *judged]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return "OK" if run.returncode == 0 else run.stderr


@needs_openssl
@pytest.mark.parametrize("profile", LEAVES)
def test_openssl_and_we_accept_every_profile(pki, tmp_path, profile):
    """Both judge the same certificate, lists included; a device without end and one without name among them."""
    authority = authority_for(profile)
    key = new_key(CURVES[PROFILES[profile].curves[0]].curve)  # type: ignore[index]  # rows name our own curves
    made = pki.authority(authority).issue(profile, subject_for(profile), key.public_key())
    chain = [made, *pki.chain_of(authority)]
    root = pki.authority(root_of(authority)).certificate
    lists = pki.crls()
    crls = b"".join(entry.public_bytes(Encoding.PEM) for entry in lists)
    assert openssl_verify(tmp_path, chain, [root], crls) == "OK"
    store = CrlStore()
    store.accept_all([entry.public_bytes(Encoding.DER) for entry in lists], [root, *chain[1:]], at=datetime.now(UTC))
    peer = validate(chain, profile=profile, trust_anchors=[root], crls=store, at=datetime.now(UTC))
    assert len(made.public_bytes(Encoding.DER)) <= PROFILES[profile].size_max
    assert peer.warnings == ()


def test_a_gb_device_certificate_is_as_small_as_published_ones(pki):
    made = pki.authority("gb-devices").issue(
        "gb-device-signature", CertificateSubject(identity="00db123456789001"), new_key().public_key()
    )
    assert 400 <= len(made.public_bytes(Encoding.DER)) <= 460  # the samples have 419 to 421, and a shorter issuer
    assert list(made.subject) == []
    assert made.not_valid_after_utc.year == 9999


@needs_openssl
def test_a_revoked_certificate_is_refused_by_openssl_too(fresh_pki, tmp_path):
    made = fresh_pki.issue_service(PeerRole.WEB)
    fresh_pki.authority("services").revoke(made.certificate)
    crls = b"".join(entry.public_bytes(Encoding.PEM) for entry in fresh_pki.crls())
    verdict = openssl_verify(tmp_path, [made.certificate, *made.chain], list(fresh_pki.anchors), crls)
    assert "revoked" in verdict


@needs_openssl
def test_a_new_root_is_trusted_by_who_knows_the_old_one_and_the_other_way_round(fresh_pki, tmp_path):
    old_service = fresh_pki.issue_service(PeerRole.NATS)
    old_root = fresh_pki.authority("root").certificate
    fresh_pki.renew("root", now=datetime.now(UTC))
    new_service = fresh_pki.issue_service(PeerRole.HEADEND)
    new_root = fresh_pki.authority("root").certificate
    assert old_root.subject != new_root.subject
    assert openssl_verify(tmp_path, [new_service.certificate, *new_service.chain], [old_root]) == "OK"
    assert openssl_verify(tmp_path, [new_service.certificate, *new_service.chain], [new_root]) == "OK"
    back = [x509.load_der_x509_certificate(der) for der in fresh_pki.ledger.links("root", 1)]
    assert openssl_verify(tmp_path, [old_service.certificate, *old_service.chain, *back], [new_root]) == "OK"
    peer = validate(
        [new_service.certificate, *new_service.chain],
        profile="tls-service",
        trust_anchors=[old_root],
        crls=None,
        at=datetime.now(UTC),
        role=PeerRole.HEADEND,
    )
    assert len(peer.path) == 3


def test_the_loss_of_the_root_is_answered_under_the_recovery_root(fresh_pki):
    lost = fresh_pki.authority("root").certificate
    known = fresh_pki.anchors
    before = fresh_pki.issue_service(PeerRole.WEB)
    fresh_pki.recover(now=datetime.now(UTC))
    after = fresh_pki.issue_service(PeerRole.WEB)
    recovery = fresh_pki.authority("recovery").certificate
    now = datetime.now(UTC)
    assert lost in known
    assert recovery in known
    assert lost not in fresh_pki.anchors
    told = {"profile": "tls-service", "crls": None, "at": now}
    chain = [after.certificate, *after.chain]
    assert validate(chain, trust_anchors=[recovery], **told).identity == "web"
    assert validate(chain, trust_anchors=fresh_pki.anchors, **told).identity == "web"
    with pytest.raises(CertificateRefused):
        validate([before.certificate, *before.chain], trust_anchors=fresh_pki.anchors, **told)


def test_a_pki_is_never_made_over_another(fresh_pki, tmp_path, vault):
    with pytest.raises(PkiExistsError):
        SystemPki.create(tmp_path / "pki", vault)
    with pytest.raises(PkiUsageError, match="pki init"):
        SystemPki.open(tmp_path / "elsewhere", vault)
    with pytest.raises(PkiUsageError, match="no authority"):
        fresh_pki.authority("gb-root")


def test_a_creation_that_was_cut_off_is_carried_on(tmp_path, vault):
    """The key was made, the process was killed before its certificate was recorded."""
    from meterworks.trust.keystore import KeyUsage

    vault.generate("pki.root.1", KeyUsage.SIGN, "P-256")
    made = SystemPki.create(tmp_path / "pki", vault, now=STARTED)
    assert made.issue_service(PeerRole.WEB).certificate
    made.close()


def test_public_files_hold_what_peers_read_and_stay_when_nothing_changed(fresh_pki, tmp_path):
    folder = tmp_path / "public"
    fresh_pki.write_public(folder)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    fresh_pki.write_public(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert len(x509.load_pem_x509_certificates((folder / "anchors.pem").read_bytes())) == 2
    assert len(x509.load_pem_x509_certificates((folder / "enrolment.pem").read_bytes())) == 3
    assert {"root.crl", "services.crl", "maker.crl", "crl.pem"} <= set(times)
    made = fresh_pki.issue_service(PeerRole.WEB).certificate
    fresh_pki.authority("services").revoke(made)
    fresh_pki.write_public(folder)
    assert x509.load_der_x509_crl((folder / "services.crl").read_bytes()).get_revoked_certificate_by_serial_number(
        made.serial_number
    )


def test_credentials_are_written_for_their_owner_and_printed_without_the_key(fresh_pki, tmp_path):
    made = fresh_pki.issue_service(PeerRole.HEADEND)
    certificate, key = made.write(tmp_path / "out", "headend")
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(x509.load_pem_x509_certificates(certificate.read_bytes())) == 2
    assert "PRIVATE" not in repr(made)


def test_ten_years_pass_without_a_certificate_ending_unnoticed(fresh_pki):
    """A service that renews at two thirds, authorities that are looked at monthly: every day somebody's chain holds."""
    now = STARTED + timedelta(hours=1)
    service = fresh_pki.issue_service(PeerRole.HEADEND, now=now)
    known = fresh_pki.anchors  # a peer that never hears of another anchor
    renewed = 0
    for _month in range(122):
        fresh_pki.maintain(now=now)
        due = renewal_time(service.certificate, chance=0.5)
        while due <= now + timedelta(days=30):
            service = fresh_pki.issue_service(PeerRole.HEADEND, now=max(due, now))
            due = renewal_time(service.certificate, chance=0.5)
            renewed += 1
        now += timedelta(days=30)
        peer = validate(
            [service.certificate, *service.chain],
            profile="tls-service",
            trust_anchors=known,
            crls=None,
            at=now,
        )
        assert peer.identity == "headend"
        assert expiry_alarms([("headend", service.certificate)], now) == []
    assert now - STARTED > timedelta(days=3650)
    assert renewed >= 55
    assert fresh_pki.generation("services") >= 2


def test_a_token_carries_authorities_as_a_file_does(tmp_path):
    """SoftHSM signs certificates, links and lists on both kinds of curve; we and OpenSSL cannot tell the difference."""
    token = new_token()
    vault = token_vault(str(token.module), token.label, lambda: token.pin.encode())
    made = SystemPki.create(tmp_path / "pki", vault, hierarchies=("system", "sm-pki"), now=STARTED)
    for authority, profile in (("services", "tls-service"), ("sm-sub-ca", "sm-emt-tls")):
        key = new_key(CURVES[PROFILES[profile].curves[0]].curve)  # type: ignore[index]  # rows name our own curves
        leaf = made.authority(authority).issue(profile, subject_for(profile), key.public_key())
        root = made.authority(root_of(authority)).certificate
        store = CrlStore()
        lists = [entry.public_bytes(Encoding.DER) for entry in made.crls()]
        chain = [leaf, *made.chain_of(authority)]
        store.accept_all(lists, [root, *chain[1:]], at=datetime.now(UTC))
        assert validate(chain, profile=profile, trust_anchors=[root], crls=store, at=datetime.now(UTC)).identity
    made.close()


def test_an_hsm_or_file_key_is_only_used_through_its_adapter(fresh_pki):
    """What signs is the vault's adapter: nothing in the PKI asks for the private key's octets."""
    key = fresh_pki._vault.key("pki.services.1").for_x509()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with pytest.raises(Exception, match=r".+"):
        key.private_numbers()
