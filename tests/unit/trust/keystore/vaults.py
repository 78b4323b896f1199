"""What stands behind the tests of a vault: one of each kind, and a way to open it again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.softhsm import SoftToken, new_token

from meterworks.trust import FileKeyVault, KeyStore, KeyVault, open_vault
from meterworks.trust.keystore import VaultSettings

MASTER = KeyStore(bytes(range(100, 132)))


@dataclass
class Bench:
    """One vault. `reopen`: another object on the same keys."""

    vault: KeyVault
    reopen: Callable[[], KeyVault]
    close: Callable[[], None]


def file_bench(folder: Path) -> Bench:
    vault = FileKeyVault(folder, MASTER)
    return Bench(vault, lambda: FileKeyVault(folder, MASTER), lambda: None)


def settings_of(token: SoftToken) -> VaultSettings:
    return VaultSettings(
        kind="pkcs11", module=str(token.module), token_label=token.label, pin_reference=str(token.pin_path)
    )


def token_bench(token: SoftToken | None = None) -> Bench:
    from meterworks.trust.keystore.pkcs11_vault import Pkcs11KeyVault

    settings = settings_of(token or new_token())
    vault = open_vault(settings, Path(), MASTER)
    assert isinstance(vault, Pkcs11KeyVault)

    def reopen() -> KeyVault:
        vault.close()
        return open_vault(settings, Path(), MASTER)

    return Bench(vault, reopen, vault.close)
