"""What the checks of keys work on: vaults that open at once."""

from pathlib import Path

import pytest
from tests.softhsm import new_token

from meterworks.trust import FileKeyVault, KeyStore
from meterworks.trust.keystore.pkcs11_vault import Pkcs11KeyVault
from meterworks.trust.keystore.settings import secret_from_file

MASTER = bytes.fromhex("9b1f6a0cd2e8473f5a60b7c41d928ef30c6b5a7e81f2d439a8e7610b5cf43d22")


@pytest.fixture
def vault(tmp_path: Path) -> FileKeyVault:
    return FileKeyVault(tmp_path / "vault", KeyStore(MASTER))


@pytest.fixture(scope="session")
def token() -> Pkcs11KeyVault:
    """One token for all runs; labels are of one run each."""
    made = new_token()
    return Pkcs11KeyVault(made.module, made.label, secret_from_file(made.pin_path, "the token's PIN"))
