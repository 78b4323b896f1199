"""The vaults of a system's processes: private keys in encrypted files by default, in tokens by setting.

Each vault has a secret of its own: the passphrase of its files, or the PIN of its token. The secrets lie in a folder,
one file of mode 0600 a vault, which only the supervisor and a person at the machine read. A process that the supervisor
starts gets the secret of its own vault through a pipe, its standard input: never by argument or environment, which
others can see.
"""

import json
import secrets
from pathlib import Path
from typing import IO, Final

from meterworks.system.configuration import Layout
from meterworks.system.errors import ConfigurationError, PrivilegeError
from meterworks.system.privilege import PRIVILEGES
from meterworks.trust import FileKeyVault, KeyStore, KeyVault, read_secret_file, token_vault, write_secret_once

__all__ = ["Secrets", "as_handed", "handed_secrets", "make_secrets", "open_keystore", "open_vault", "secrets_for"]

SECRET_SIZE: Final = 32  # octets of chance, written in hexadecimal
SECRET_SIZE_MAX: Final = 1024
HANDED_SIZE_MAX: Final = 16_384


class Secrets(dict[str, bytes]):
    """The secrets of vaults, by the vault's name. Its text names the vaults only."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self)})"


def make_secrets(layout: Layout) -> None:
    """Make the passphrases that are not there yet. The PINs of tokens are for the operator to write."""
    if layout.configuration.vault.kind == "file":
        for name in {row.vault for row in PRIVILEGES.values() if row.vault is not None}:
            write_secret_once(_path(layout, name), secrets.token_hex(SECRET_SIZE).encode(), _what(name))


def secrets_for(layout: Layout, process: str) -> Secrets:
    """What a process is handed: the secret of its own vault, or nothing. Raises KeyFileError."""
    vault = PRIVILEGES[process].vault
    return Secrets() if vault is None else Secrets({vault: read_secret(layout, vault)})


def read_secret(layout: Layout, vault: str) -> bytes:
    """The secret of a vault. Raises KeyFileError where the file is absent or others can read it."""
    return read_secret_file(_path(layout, vault), _what(vault), size_max=SECRET_SIZE_MAX).strip()


def as_handed(secrets_of_process: Secrets) -> bytes:
    """The octets that go through the pipe."""
    return json.dumps({name: secret.hex() for name, secret in secrets_of_process.items()}).encode()


def handed_secrets(pipe: IO[bytes]) -> Secrets:
    """Take what the supervisor wrote, up to the pipe's end. Raises ConfigurationError where it is no such thing."""
    content = pipe.read(HANDED_SIZE_MAX)
    try:
        handed = json.loads(content)
        return Secrets({str(name): bytes.fromhex(secret) for name, secret in handed.items()})
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError("standard input holds no secrets of a supervisor: leave out --secrets-on-input") from (
            error
        )


def open_vault(layout: Layout, name: str, given: Secrets | None = None) -> KeyVault:
    """Open a vault, with the secret that was handed over or, for a person at the machine, the one in its file.

    Raises KeyFileError, VaultLockedError, and PrivilegeError where this process was handed no secret of it.
    """
    if given is not None and name not in given:
        raise PrivilegeError(f"this process was handed no secret of the vault {name}", vault=name)

    def secret() -> bytes:
        return given[name] if given is not None else read_secret(layout, name)

    section = layout.configuration.vault
    if section.kind == "pkcs11":
        return token_vault(section.module, f"{section.token_prefix}-{name}", secret)
    return FileKeyVault(layout.vaults / name, secret)


def open_keystore(layout: Layout, *, may_create: bool = False) -> KeyStore:
    """Open what wraps the keys of devices: a file of its own. Raises KeyFileError where it is gone, or open to others.

    may_create: say no where keys are wrapped already.
    """
    return KeyStore.open(layout.master_key, may_create=may_create)


def _path(layout: Layout, vault: str) -> Path:
    return layout.secrets / f"{vault}.secret"


def _what(vault: str) -> str:
    return f"the secret of the vault {vault}"
