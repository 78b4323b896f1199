"""A vault of files: what is on the disk, what opens it, and every way in which a file can be wrong."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.errors import MeterworksError
from meterworks.trust import (
    EntropyError,
    FileKeyVault,
    KeyExistsError,
    KeyFileError,
    KeyNotFoundError,
    KeyStore,
    KeyUnwrapError,
    KeyUsage,
    VaultLockedError,
    VaultSettings,
    VaultSettingsError,
    entropy,
    new_tls_key,
    open_vault,
)
from meterworks.trust.keystore import passphrase as passphrase_module
from meterworks.trust.keystore.file_vault import _header

MASTER = KeyStore(bytes(range(32)))
PASSPHRASE = b"correct horse battery staple"


@pytest.fixture(autouse=True)
def cheap_passphrase(monkeypatch):
    """Argon2id with a sixty-fourth of its memory: its cost is not what is tested here."""
    monkeypatch.setattr(passphrase_module, "_MEMORY_KIB", 1024)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "vault"


@pytest.fixture
def vault(folder):
    return FileKeyVault(folder, MASTER)


def test_every_file_is_its_owners_alone(folder, vault):
    vault.generate("a", KeyUsage.SIGN, "P-256")
    vault.generate_wrapping_key("b")
    assert sorted(path.name for path in folder.iterdir()) == ["a.key", "b.key", "vault.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_file_holds_a_key_in_clear(folder, vault):
    private = vault.generate("a", KeyUsage.SIGN, "P-256")._held()
    key = vault.generate_wrapping_key("b")._held()
    on_disk = b"".join(path.read_bytes() for path in folder.iterdir())
    pkcs8 = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    scalar = private.private_numbers().private_value.to_bytes(32, "big")
    for secret in (pkcs8, scalar, key):
        assert secret not in on_disk
        assert secret.hex().encode() not in on_disk


def test_another_master_key_opens_nothing(folder, vault):
    vault.generate("a", KeyUsage.SIGN, "P-256")
    with pytest.raises(VaultLockedError, match="does not open"):
        FileKeyVault(folder, KeyStore(bytes(32)))


def test_a_passphrase_opens_what_it_closed(folder):
    made = FileKeyVault(folder, lambda: PASSPHRASE).generate("a", KeyUsage.SIGN, "P-256")
    assert FileKeyVault(folder, lambda: PASSPHRASE).key("a").public_key == made.public_key
    with pytest.raises(VaultLockedError):
        FileKeyVault(folder, lambda: PASSPHRASE + b"!")
    with pytest.raises(KeyFileError, match="with its passphrase, not with a master key"):
        FileKeyVault(folder, MASTER)


def test_a_vault_under_a_master_key_takes_no_passphrase(folder, vault):
    with pytest.raises(KeyFileError, match="not with a passphrase"):
        FileKeyVault(folder, lambda: PASSPHRASE)


def test_a_short_passphrase_is_refused(folder):
    with pytest.raises(VaultSettingsError, match="at least 12 characters, this one has 11"):
        FileKeyVault(folder, lambda: b"x" * 11)
    assert not folder.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"passes": 0},
        {"lanes": 65},
        {"memory_kib": 1 << 30},
        {"memory_kib": "1"},
        {"salt": "zz"},
        {"salt": ""},
        {"kind": "none"},
    ],
)
def test_parameters_of_a_passphrase_out_of_their_bounds_are_refused(folder, changed):
    FileKeyVault(folder, lambda: PASSPHRASE)
    facts = json.loads((folder / "vault.json").read_text())
    facts["opener"] |= changed
    (folder / "vault.json").write_text(json.dumps(facts))
    with pytest.raises(KeyFileError, match="put the saved copy back"):
        FileKeyVault(folder, lambda: PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"format": "other"}'])
def test_a_lock_that_is_none_is_refused(folder, vault, content):
    (folder / "vault.json").write_bytes(content)
    with pytest.raises(KeyFileError, match="is no vault's lock"):
        FileKeyVault(folder, MASTER)


def test_a_lost_lock_is_not_made_anew_where_keys_are_kept(folder, vault):
    vault.generate("a", KeyUsage.SIGN, "P-256")
    (folder / "vault.json").unlink()
    with pytest.raises(KeyFileError, match="put the saved copy back"):
        FileKeyVault(folder, MASTER)


@pytest.mark.parametrize("name", ["vault.json", "a.key"])
def test_a_file_others_can_reach_is_refused(folder, vault, name):
    vault.generate("a", KeyUsage.SIGN, "P-256")
    (folder / name).chmod(0o640)
    with pytest.raises(KeyFileError, match=r"has mode 0640.*chmod 600"):
        FileKeyVault(folder, MASTER).key("a")


def test_a_file_of_another_user_is_refused(folder, vault, monkeypatch):
    vault.generate("a", KeyUsage.SIGN, "P-256")
    if os.geteuid() == 0:
        os.chown(folder / "a.key", 12345, -1)
    else:
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(KeyFileError, match="belongs to user"):
        FileKeyVault(folder, MASTER).key("a")


def test_a_renamed_key_or_one_of_another_usage_does_not_open(folder, vault):
    vault.generate("a", KeyUsage.AGREE, "P-256")
    content = (folder / "a.key").read_bytes()
    (folder / "b.key").write_bytes(content)
    (folder / "b.key").chmod(0o600)
    with pytest.raises(KeyFileError, match="no key file of that label"):
        FileKeyVault(folder, MASTER).key("b")
    (folder / "b.key").write_bytes(content.replace(b'"label": "a"', b'"label": "b"'))
    with pytest.raises(KeyUnwrapError):
        FileKeyVault(folder, MASTER).key("b")
    (folder / "a.key").write_bytes(content.replace(b'"usage": "agree"', b'"usage": "sign"'))
    with pytest.raises(KeyUnwrapError, match="put the saved copy back"):
        FileKeyVault(folder, MASTER).key("a")


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200) | st.sampled_from([b'{"format":"meterworks-key-1"}\n', b"null\n", b"[1]\n"]))
def test_garbage_is_no_key_file(content):
    with pytest.raises(MeterworksError):
        _header("a", content)


def test_two_processes_that_make_one_label_end_with_one_key(folder):
    def make(_: int) -> bool:
        try:
            FileKeyVault(folder, MASTER).generate("a", KeyUsage.SIGN, "P-256")
        except KeyExistsError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(8))) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a.key", "vault.json"]


def test_a_destroyed_key_leaves_no_file(folder, vault):
    vault.generate("a", KeyUsage.SIGN, "P-256")
    other = FileKeyVault(folder, MASTER)
    vault.destroy("a")
    assert not (folder / "a.key").exists()
    with pytest.raises(KeyNotFoundError):
        other.key("a")


def test_an_ill_source_of_chance_makes_no_key(folder, vault, monkeypatch):
    stuck = entropy.HealthTestedSource(lambda count: bytes(count))
    monkeypatch.setattr(entropy, "system_source", lambda: stuck)
    for act in (
        lambda: vault.generate("a", KeyUsage.SIGN, "P-256"),
        lambda: vault.generate_wrapping_key("a"),
        lambda: new_tls_key(folder / "tls.pem"),
    ):
        with pytest.raises(EntropyError, match="no key is made"):
            act()
    assert dict(vault.labels()) == {}
    assert not (folder / "tls.pem").exists()


def test_a_tls_key_is_a_file_of_its_owners_alone(tmp_path):
    path = tmp_path / "tls" / "web.pem"
    first = new_tls_key(path)
    second = new_tls_key(path, "P-384")
    read = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(read, ec.EllipticCurvePrivateKey)
    assert read.public_key() == second.public_key() != first.public_key()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["web.pem"]


def test_settings_lead_to_a_vault_of_files(folder, tmp_path):
    made = open_vault(VaultSettings(), folder, MASTER).generate("a", KeyUsage.SIGN, "P-256")
    assert FileKeyVault(folder, MASTER).key("a").public_key == made.public_key
    secret = tmp_path / "passphrase"
    secret.touch(0o600)
    secret.write_bytes(PASSPHRASE + b"\r\n")
    other = VaultSettings(passphrase_reference=str(secret))
    assert open_vault(other, tmp_path / "other", MASTER).labels() == {}
    assert FileKeyVault(tmp_path / "other", lambda: PASSPHRASE).labels() == {}


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [(b"\n", 0o600, "has 1 to"), (b"x" * 2000, 0o600, "has 1 to"), (PASSPHRASE, 0o644, "mode 0644")],
)
def test_a_file_of_a_passphrase_is_as_closed_as_a_key(folder, tmp_path, content, mode, reason):
    secret = tmp_path / "passphrase"
    secret.write_bytes(content)
    secret.chmod(mode)
    with pytest.raises(MeterworksError, match=reason):
        open_vault(VaultSettings(passphrase_reference=str(secret)), folder, MASTER)


@pytest.mark.parametrize("missing", ["module", "token_label", "pin_reference"])
def test_a_token_needs_all_its_settings(folder, missing):
    given = {"module": "m", "token_label": "t", "pin_reference": "p"} | {missing: ""}
    with pytest.raises(VaultSettingsError, match=f"vault.{missing} is empty"):
        open_vault(VaultSettings(kind="pkcs11", **given), folder, MASTER)
