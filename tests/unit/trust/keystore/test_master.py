"""The master key file: made once, whole, for its owner only; anything else is refused before a key is used."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from meterworks.trust import KeyFileError, KeyMaterialError, KeyStore, KeyUnwrapError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "master.key"


def test_the_first_opening_makes_a_file_only_its_owner_can_read(path):
    KeyStore.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(bytes.fromhex(path.read_text())) == 32
    assert list(path.parent.iterdir()) == [path]


def test_a_key_wrapped_before_a_restart_opens_after_it(path):
    wrapped = KeyStore.open(path).wrap(b"k" * 16)
    assert KeyStore.open(path).unwrap(wrapped) == b"k" * 16


def test_an_absent_key_is_not_made_anew_where_keys_are_kept(path):
    with pytest.raises(KeyFileError, match="put the saved copy back"):
        KeyStore.open(path, may_create=False)
    assert not path.exists()
    wrapped = KeyStore.open(path).wrap(b"k" * 16)
    assert KeyStore.open(path, may_create=False).unwrap(wrapped) == b"k" * 16


def test_processes_that_start_together_end_with_one_key(path):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: KeyStore.open(path), range(32)))
    wrapped = stores[0].wrap(b"k" * 16)
    assert {store.unwrap(wrapped) for store in stores} == {b"k" * 16}
    assert list(path.parent.iterdir()) == [path]


def test_another_store_opens_nothing(path, tmp_path):
    wrapped = KeyStore.open(path).wrap(b"k" * 16)
    with pytest.raises(KeyUnwrapError):
        KeyStore.open(tmp_path / "other.key").unwrap(wrapped)


def test_many_keys_keep_their_order(path):
    store = KeyStore.open(path)
    keys = [bytes([number]) * size for number in range(20) for size in (16, 32)]
    assert store.unwrap_many(store.wrap_many(keys)) == keys


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602, 0o610, 0o777])
def test_a_file_others_can_reach_is_refused_and_says_what_to_do(path, mode):
    KeyStore.open(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        KeyStore.open(path)


def test_a_file_of_another_user_is_refused(path, monkeypatch):
    KeyStore.open(path)
    owner = path.stat().st_uid
    if owner == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(KeyFileError, match="belongs to user"):
        KeyStore.open(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds 0 octets"),
        (b"00" * 16, "holds 16 octets"),
        (b"00" * 33, "holds 33 octets"),
        (b"00" * 4096, "not hexadecimal|holds"),
        (b"zz" * 32, "not hexadecimal"),
        (b"\xff" * 32, "not hexadecimal"),
    ],
)
def test_a_file_without_a_key_is_refused(path, content, reason):
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=reason):
        KeyStore.open(path)


def test_a_link_is_not_followed(path, tmp_path):
    KeyStore.open(tmp_path / "elsewhere.key")
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere.key")
    with pytest.raises(KeyFileError, match="cannot read the master key"):
        KeyStore.open(path)


def test_a_folder_in_place_of_the_file_is_refused(path):
    path.mkdir(parents=True)
    with pytest.raises(KeyFileError, match="not a regular file"):
        KeyStore.open(path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="cannot write the master key"):
        KeyStore.open(tmp_path / "file" / "master.key")


def test_a_master_key_has_32_octets():
    with pytest.raises(KeyFileError, match="this one has 16"):
        KeyStore(bytes(16))


def test_a_store_wraps_keys_only(path):
    with pytest.raises(KeyMaterialError):
        KeyStore.open(path).wrap(b"short")


def test_a_printed_store_shows_no_key():
    assert repr(KeyStore(b"\x5a" * 32)) == "KeyStore(...)"
