"""A small PKI in a folder, made once a module; tests that change its authorities make their own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meterworks.trust import KeyStore
from meterworks.trust.keystore import FileKeyVault, KeyVault
from meterworks.trust.pki import SystemPki

STARTED = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def new_vault(folder: Path) -> KeyVault:
    """A vault opened by a master key: no passphrase to hash, so it opens at once."""
    return FileKeyVault(folder, KeyStore(bytes(range(32))))


@pytest.fixture
def vault(tmp_path: Path) -> KeyVault:
    return new_vault(tmp_path / "vault")


@pytest.fixture
def fresh_pki(tmp_path: Path, vault: KeyVault) -> Iterator[SystemPki]:
    """A PKI of this test alone."""
    pki = SystemPki.create(tmp_path / "pki", vault, now=STARTED)
    yield pki
    pki.close()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemPki]:
    """A PKI of the module, all hierarchies: nobody renews or revokes its authorities."""
    folder = tmp_path_factory.mktemp("pki")
    made = SystemPki.create(
        folder / "pki", new_vault(folder / "vault"), hierarchies=("system", "gb", "sm-pki"), now=STARTED
    )
    yield made
    made.close()
