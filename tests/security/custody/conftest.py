"""What the checks of custody work on: a vault that opens at once."""

from pathlib import Path

import pytest
from tests.security.keys.conftest import MASTER

from meterworks.trust import FileKeyVault, KeyStore


@pytest.fixture
def vault(tmp_path: Path) -> FileKeyVault:
    return FileKeyVault(tmp_path / "vault", KeyStore(MASTER))
