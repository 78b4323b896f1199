"""Folders of keys: what openssl wrote is found by identity and usage, and what is broken is named."""

import shutil
import subprocess

import pytest

from meterworks.companions.gb import KeyFolder, KeyFolderError

SUPPLIER, METER = bytes.fromhex("90b3d51f30999999"), bytes.fromhex("00db1234567890ff")

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path):
    """Two parties: of the supplier all keys, of the meter the public ones."""
    for identity in (SUPPLIER, METER):
        for usage in ("ds", "ka"):
            stem = tmp_path / f"{identity.hex()}-{usage}"
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{stem}.key")
            subject = "/OU=02/CN=a supplier" if identity == SUPPLIER else "/CN=a meter"
            openssl(
                *("req", "-x509", "-key", f"{stem}.key", "-subj", subject, "-days", "3", "-sha256"),
                *("-out", f"{stem}.pem"),
            )
    (tmp_path / f"{METER.hex()}-ds.key").unlink()
    (tmp_path / "readme.txt").write_text("left alone")
    return tmp_path


def test_keys_are_found_by_identity_and_usage(folder):
    keys = KeyFolder(folder)
    signer = keys.signer(SUPPLIER)
    assert signer is not None
    assert signer.public_key == keys.public_key(SUPPLIER, "sign") != keys.public_key(SUPPLIER, "agree")
    assert keys.signer(METER) is None
    assert keys.units == {SUPPLIER: 2}
    assert keys.parties(2) == (SUPPLIER,)
    assert set(keys.certificates) == {(each, usage) for each in (SUPPLIER, METER) for usage in ("sign", "agree")}
    assert "PRIVATE" not in repr(keys)


def test_a_secret_comes_from_whichever_private_key_is_known(folder):
    both = KeyFolder(folder).secret(SUPPLIER, METER)
    (folder / f"{METER.hex()}-ka.key").unlink()
    assert KeyFolder(folder).secret(METER, SUPPLIER) == KeyFolder(folder).secret(SUPPLIER, METER) == both is not None
    (folder / f"{SUPPLIER.hex()}-ka.key").unlink()
    assert KeyFolder(folder).secret(SUPPLIER, METER) is None
    assert KeyFolder(folder).secrets(SUPPLIER) is None


@pytest.mark.parametrize("content", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_file_is_named(folder, content):
    broken = folder / f"{METER.hex()}-ka.pem"
    broken.write_bytes(content)
    with pytest.raises(KeyFolderError, match=broken.name):
        KeyFolder(folder)


def test_keys_of_another_curve_are_refused(folder):
    path = folder / f"{METER.hex()}-ka.key"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", str(path))
    with pytest.raises(KeyFolderError, match="P-256"):
        KeyFolder(folder)


def test_there_has_to_be_a_folder(tmp_path):
    with pytest.raises(KeyFolderError, match="no such folder"):
        KeyFolder(tmp_path / "none")
