"""Authorities: what they certify, what they refuse, what their lists say, and what a kill leaves behind."""

import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.trust.pki.conftest import STARTED
from tests.unit.trust.pki.forge import new_key

from meterworks.trust.pki import (
    PROFILES,
    REASONS,
    CertificateRequestError,
    CertificateSubject,
    Enrolment,
    EnrolmentRefused,
    PeerRole,
    PkiUsageError,
    SystemPki,
    certificate_identity,
    certificate_role,
    certificate_unit,
    read_request,
)
from meterworks.trust.pki.ledger import Ledger, Reservation
from meterworks.trust.pki.profile import KeyPurpose

DEVICE = CertificateSubject(identity="4d57520000000001", role=PeerRole.DEVICE)
SERVICE = CertificateSubject(identity="headend", role=PeerRole.HEADEND, dns_names=("localhost",))


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "whoever") -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_certificate_is_made_from_a_request_and_takes_no_name_from_it(pki):
    made = pki.authority("services").sign_request("tls-service", SERVICE, request(new_key()))
    assert certificate_role(made) is PeerRole.HEADEND
    assert certificate_identity(made) == "headend"
    assert b"whoever" not in made.public_bytes(Encoding.DER)


def test_a_request_in_pem_serves_as_well(pki):
    key = new_key()
    pem = x509.load_der_x509_csr(request(key)).public_bytes(Encoding.PEM)
    assert read_request(pem) == key.public_key()


def test_a_request_signed_with_another_key_proves_nothing(pki):
    octets = bytearray(request(new_key()))
    octets[-1] ^= 1
    with pytest.raises(EnrolmentRefused, match="possession"):
        pki.authority("services").sign_request("tls-service", SERVICE, bytes(octets))


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x30\x00", b"-----BEGIN CERTIFICATE REQUEST-----", bytes(9000)],
    ids=["none", "empty", "cut", "long"],
)
def test_what_is_no_request_is_said_to_be_none(octets):
    with pytest.raises(CertificateRequestError):
        read_request(octets)


def test_a_request_for_a_key_on_no_curve_is_refused():
    with pytest.raises(CertificateRequestError, match="no elliptic curve"):
        read_request(request(rsa.generate_private_key(65537, 2048)))


def test_a_key_serves_one_identity_only(pki):
    key = new_key().public_key()
    devices = pki.authority("devices")
    devices.issue("dlms-1-tls", CertificateSubject(identity="00000000000000a1", role=PeerRole.DEVICE), key)
    with pytest.raises(EnrolmentRefused, match="00000000000000a1"):
        devices.issue("dlms-1-tls", CertificateSubject(identity="00000000000000a2", role=PeerRole.DEVICE), key)


def test_a_key_serves_one_purpose_only(pki):
    key = new_key().public_key()
    subject = CertificateSubject(identity="00000000000000a3", role=PeerRole.DEVICE)
    pki.authority("devices").issue("dlms-1-signature", subject, key)
    with pytest.raises(EnrolmentRefused, match="signature"):
        pki.authority("devices").issue("dlms-1-agreement", subject, key)


def test_a_duplicate_within_one_batch_refuses_it_before_anything_is_signed(pki):
    key, other = new_key().public_key(), new_key().public_key()
    before = len(pki.ledger.certificates(authority="devices"))
    batch = [
        Enrolment(CertificateSubject(identity=f"00000000000000b{place}", role=PeerRole.DEVICE), entry)
        for place, entry in enumerate((other, key, key))
    ]
    with pytest.raises(EnrolmentRefused):
        pki.authority("devices").issue_many("dlms-1-tls", batch)
    assert len(pki.ledger.certificates(authority="devices")) == before


def test_another_authority_may_certify_the_same_key_of_the_same_device(pki):
    key = new_key().public_key()
    first = pki.authority("maker").issue("dlms-1-tls", DEVICE, key)
    second = pki.authority("devices").issue("dlms-1-tls", DEVICE, key)
    assert first.issuer != second.issuer


def test_an_authority_issues_its_own_profiles_only(pki):
    with pytest.raises(PkiUsageError, match="does not issue dlms-1-tls"):
        pki.authority("services").issue("dlms-1-tls", DEVICE, new_key().public_key())


def test_a_profile_that_is_not_there_is_named_with_those_that_are(pki):
    with pytest.raises(PkiUsageError, match="tls-service"):
        pki.authority("services").issue("tls", SERVICE, new_key().public_key())


def test_a_curve_that_the_profile_has_not_is_refused(pki):
    with pytest.raises(PkiUsageError, match="P-256"):
        pki.authority("devices").issue("dlms-1-tls", DEVICE, new_key(ec.SECP384R1()).public_key())


def test_a_lifetime_is_cut_to_the_profile_and_to_the_authority(pki):
    services = pki.authority("services")
    long = services.issue("tls-service", SERVICE, new_key().public_key(), lifetime=timedelta(days=9999))
    short = services.issue("tls-service", SERVICE, new_key().public_key(), lifetime=timedelta(hours=1))
    assert long.not_valid_after_utc - long.not_valid_before_utc == PROFILES["tls-service"].lifetime
    assert short.not_valid_after_utc - short.not_valid_before_utc == timedelta(hours=1)
    late = services.issue(
        "tls-service",
        SERVICE,
        new_key().public_key(),
        now=services.certificate.not_valid_after_utc - timedelta(days=1),
    )
    assert late.not_valid_after_utc == services.certificate.not_valid_after_utc


def test_an_authority_that_ended_certifies_nobody(pki):
    services = pki.authority("services")
    with pytest.raises(PkiUsageError, match="next generation"):
        services.issue(
            "tls-service",
            SERVICE,
            new_key().public_key(),
            now=services.certificate.not_valid_after_utc + timedelta(days=1),
        )


def test_a_key_signs_for_the_time_its_profile_allows(pki):
    authority = pki.authority("sm-sub-ca")
    subject = CertificateSubject(identity="Stadtwerk")
    key = new_key(ec.BrainpoolP256R1()).public_key()
    assert authority.issue("sm-emt-tls", subject, key, now=STARTED + timedelta(days=700))
    with pytest.raises(PkiUsageError, match="signs no certificates since"):
        authority.issue("sm-emt-tls", subject, key, now=STARTED + timedelta(days=800))


def test_serial_numbers_have_sixteen_octets_and_never_repeat(pki):
    batch = [
        Enrolment(CertificateSubject(identity=f"{place:016x}", role=PeerRole.DEVICE), new_key().public_key())
        for place in range(200)
    ]
    numbers = [entry.serial_number for entry in pki.authority("devices").issue_many("dlms-1-tls", batch)]
    assert len(set(numbers)) == 200
    assert {(number.bit_length() + 7) // 8 for number in numbers} == {16}


def test_a_revoked_certificate_stands_in_the_next_list_with_its_reason(fresh_pki):
    services = fresh_pki.authority("services")
    made = fresh_pki.issue_service(PeerRole.WRITER).certificate
    first = services.crl()
    services.revoke(made, "keyCompromise")
    services.revoke(made, "superseded")  # the first reason stands
    second = services.crl()
    assert first.get_revoked_certificate_by_serial_number(made.serial_number) is None
    entry = second.get_revoked_certificate_by_serial_number(made.serial_number)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert number_of(second) == number_of(first) + 1
    assert services.current_crl() == second


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_the_current_list_is_made_anew_at_half_its_time(fresh_pki):
    services = fresh_pki.authority("services")
    first = services.current_crl()
    assert services.current_crl() == first
    later = first.last_update_utc + timedelta(days=4)
    assert number_of(services.current_crl(now=later)) == number_of(first) + 1


def test_a_list_names_all_reasons_that_the_standard_has():
    assert {"keyCompromise", "cACompromise", "superseded", "cessationOfOperation"} <= set(REASONS)
    assert "removeFromCRL" not in REASONS


def test_an_unknown_number_or_reason_is_refused(pki):
    with pytest.raises(PkiUsageError, match="has issued no certificate"):
        pki.authority("services").revoke(12345)
    made = pki.issue_service(PeerRole.WEB).certificate
    with pytest.raises(PkiUsageError, match="no reason"):
        pki.authority("services").revoke(made, "a whim")


def test_a_number_whose_signing_was_killed_is_listed_after_an_hour(fresh_pki):
    reservation = Reservation(
        serial_number=77, profile="tls-service", purpose=KeyPurpose.TLS, identity="x", role="web", key_digest=b"x" * 32
    )
    fresh_pki.ledger.reserve("services", [reservation], STARTED)
    services = fresh_pki.authority("services")
    soon = services.crl(now=STARTED + timedelta(minutes=5))
    later = services.crl(now=STARTED + timedelta(hours=2))
    assert soon.get_revoked_certificate_by_serial_number(77) is None
    assert later.get_revoked_certificate_by_serial_number(77) is not None


def test_a_number_is_on_the_disk_before_its_certificate_is_signed(fresh_pki, tmp_path):
    """A process killed while it signs: the number is in the ledger, nobody has the certificate, work goes on."""
    script = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        sys.path[:0] = {sys.path!r}
        from tests.unit.trust.pki.conftest import new_vault
        import meterworks.trust.pki.authority as module
        from meterworks.trust.pki import CertificateSubject, PeerRole, SystemPki
        folder = Path({str(tmp_path)!r})
        pki = SystemPki.open(folder / "pki", new_vault(folder / "vault"))
        def killed(*arguments, **more):
            os.kill(os.getpid(), signal.SIGKILL)
        module.build_certificate = killed
        pki.issue_service(PeerRole.AUDIT)
    """)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, env={**os.environ})
    assert run.returncode == -signal.SIGKILL, run.stderr
    unfinished = fresh_pki.ledger.rows("SELECT role FROM certificate WHERE der IS NULL")
    assert unfinished == [("audit",)]
    assert fresh_pki.issue_service(PeerRole.AUDIT).certificate
    listed = fresh_pki.ledger.certificates(identity="audit")
    assert len(listed) == 1


def test_a_gb_organisation_names_its_role_and_entity(pki):
    subject = CertificateSubject(identity="90b3d51f30010000", unit=0x87, common_name="EXAMPLE")
    made = pki.authority("gb-organisations").issue("gb-organisation-signature", subject, new_key().public_key())
    assert certificate_unit(made) == 0x87
    assert certificate_identity(made) == "90b3d51f30010000"
    assert certificate_role(made) is None


@pytest.mark.parametrize(
    ("profile", "authority", "subject"),
    [
        ("gb-organisation-signature", "gb-organisations", CertificateSubject(identity="90b3d51f30010000")),
        ("gb-organisation-signature", "gb-organisations", CertificateSubject(identity="90b3", unit=2)),
        ("gb-device-signature", "gb-devices", CertificateSubject(identity="not hex")),
        ("tls-service", "services", CertificateSubject(identity="nobody")),
    ],
    ids=["no unit", "a short entity", "a device without EUI-64", "no role"],
)
def test_a_subject_that_lacks_what_its_profile_takes_is_refused(pki, profile, authority, subject):
    with pytest.raises(PkiUsageError):
        pki.authority(authority).issue(profile, subject, new_key().public_key())


@pytest.mark.parametrize("identity", ["", "x" * 65, "line\nend"])
def test_an_identity_that_no_name_can_carry_is_refused(identity):
    with pytest.raises(PkiUsageError):
        CertificateSubject(identity=identity)


def test_equipment_has_sixteen_hex_digits():
    with pytest.raises(PkiUsageError, match="16 lower-case hex"):
        CertificateSubject(identity="meter 7", role=PeerRole.DEVICE)


def test_two_processes_share_a_ledger(fresh_pki, tmp_path, vault):
    again = SystemPki.open(tmp_path / "pki", vault)
    made = again.issue_service(PeerRole.NATS).certificate
    fresh_pki.authority("services").revoke(made)
    assert [row.revoked_at is not None for row in again.ledger.certificates(identity="nats")] == [True]
    again.close()


def test_the_ledger_is_readable_by_its_owner_only(fresh_pki, tmp_path):
    mode = (tmp_path / "pki" / "ledger.sqlite3").stat().st_mode & 0o777
    assert mode == 0o600


def test_a_ledger_takes_no_number_twice(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    entry = Reservation(
        serial_number=5, profile="p", purpose=KeyPurpose.TLS, identity="a", role="", key_digest=b"k" * 32
    )
    ledger.reserve("a", [entry], STARTED)
    with pytest.raises(Exception, match="UNIQUE"):
        ledger.reserve("a", [entry], STARTED)
    ledger.close()
