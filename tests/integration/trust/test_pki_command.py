"""`meterworks pki` from the first authority to a refused certificate, as a person would do it."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.integration.system.authorities import quick_pki
from tests.unit.trust.pki.conftest import new_vault
from tests.unit.trust.pki.forge import DEVICE, new_key, party, world
from typer.testing import CliRunner

from meterworks.cli.pki import app
from meterworks.trust.pki import (
    CertificateRefused,
    CertificateSubject,
    ManufacturedDevice,
    Provisioning,
    Reason,
    Shipment,
    certification_request,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pki command")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No passphrase to hash at each opening, and no bus to tell: neither is what is tried here."""
    monkeypatch.setattr("meterworks.system.authorities.open_vault", lambda layout, _name: new_vault(layout.vaults))
    told: list[str] = []
    monkeypatch.setattr(
        "meterworks.system.authorities.recorded", lambda _layout, act, *_about, **_facts: told.append(act)
    )
    return told


def run(folder, *arguments):
    """What the command prints to standard output; its own errors pass through."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--data", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_certificate_from_issue_to_revocation(folder, quiet):
    run(folder, "init")
    run(
        folder,
        "issue",
        "--profile",
        "tls-service",
        "--identity",
        "headend",
        "--role",
        "headend",
        "--out",
        folder / "out",
    )
    certificate = folder / "out" / "headend.crt"
    accepted = json.loads(run(folder, "verify", certificate, "--profile", "tls-service", "--json"))
    assert accepted[0]["identity"] == "headend"
    request = folder / "meter.csr"
    request.write_bytes(certification_request(new_key(), name="x"))
    device = ("--profile", "dlms-1-tls", "--role", "device", "--identity", "4d57520000000001")
    assert run(folder, "sign-request", request, *device).count("BEGIN CERTIFICATE") == 2
    shown = json.loads(run(folder, "show", "--json"))
    assert {row["name"] for row in shown} >= {"root", "recovery", "services", "devices", "organisations", "maker"}
    assert all(row["crl_number"] == 1 for row in shown)
    run(folder, "revoke", certificate, "--reason", "superseded")
    with pytest.raises(CertificateRefused) as refused:
        run(folder, "verify", certificate, "--profile", "tls-service")
    assert refused.value.reason is Reason.REVOKED
    assert "services" in run(folder, "crl")
    run(folder, "renew", "services")
    assert "services 2" in run(folder, "show")
    other = folder / "other.pem"
    other.write_bytes(party("root", CertificateSubject(identity="else")).certificate.public_bytes(Encoding.PEM))
    assert "BEGIN CERTIFICATE" in run(folder, "cross-sign", other, "--name", "else")
    assert quiet[0] == "root.changed"
    assert set(quiet) == {"root.changed", "certificate.issued", "certificate.revoked", "crl.published"}


def test_what_a_certificate_holds_is_told(folder, tmp_path):
    path = tmp_path / "leaf.pem"
    path.write_bytes(world().leaf.certificate.public_bytes(Encoding.PEM))
    result = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    told = json.loads(result.stdout)[0]
    assert (told["identity"], told["role"], told["usage"]) == (DEVICE, "device", "digital_signature")


def test_where_devices_stand_is_shown(tmp_path):
    pki = quick_pki(tmp_path)
    device = ManufacturedDevice(serial="S1", identity=DEVICE, model="M", firmware="1", keys={})
    shipment = Shipment(number="1", maker="Acme", owner="utility", made_at=datetime.now(UTC), devices=(device,))
    Provisioning(pki.ledger).admit(shipment, b"sealed")
    pki.close()
    (row,) = json.loads(run(tmp_path, "devices", "--json"))
    assert (row["identity"], row["maker"], row["state"]) == (DEVICE, "Acme", "manufactured")
    assert json.loads(run(tmp_path, "devices", "--state", "commissioned", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("devices",), "pki init"),
        (("init", "--hierarchy", "mine"), "no hierarchy mine"),
        (("issue", "--profile", "tls", "--identity", "x", "--out", "y"), "tls"),
        (("show",), "pki init"),
        (("inspect", "absent.pem"), "absent.pem"),
        (("renew", "services", "--lost"), "--lost"),
    ],
    ids=["devices", "hierarchy", "profile", "no authorities", "file", "lost"],
)
def test_a_mistake_is_named(tmp_path, arguments, said):
    given = arguments if arguments[0] == "inspect" else (*arguments, "--data", str(tmp_path))
    result = CliRunner().invoke(app, list(given))
    assert result.exit_code != 0
    assert said in str(result.exception)
