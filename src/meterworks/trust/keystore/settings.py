"""Which vault a system's keys are in: the section [vault] of its settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from meterworks.trust.errors import VaultSettingsError
from meterworks.trust.keystore.file_vault import FileKeyVault
from meterworks.trust.keystore.vault import KeyVault, SecretSource, WrappingKey
from meterworks.trust.secret_file import read_secret_file

__all__ = ["VaultSettings", "open_vault", "secret_from_file", "token_vault"]

_SECRET_SIZE_MAX: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Where keys of certificate authorities, signatures and agreements live. Secrets are references, never values."""

    kind: Literal["file", "pkcs11"] = "file"
    """`file`: encrypted files in the data folder; `pkcs11`: a token such as a hardware security module."""
    passphrase_reference: str = ""
    """Path of a file (mode 0600) with the passphrase of a file vault; empty: the system's master key opens it."""
    module: str = ""
    """Path of the token's PKCS#11 library."""
    token_label: str = ""
    """Label of the token."""
    pin_reference: str = ""
    """Path of a file (mode 0600) with the user PIN of the token."""


def open_vault(settings: VaultSettings, folder: Path, master: WrappingKey) -> KeyVault:
    """Open the vault of a system. folder: of a file vault. master: opens a file vault that has no passphrase.

    Raises VaultSettingsError, VaultLockedError, KeyFileError.
    """
    if settings.kind == "file":
        if settings.passphrase_reference:
            return FileKeyVault(folder, secret_from_file(Path(settings.passphrase_reference), "the vault's passphrase"))
        return FileKeyVault(folder, master)
    for name, value in (("module", settings.module), ("token_label", settings.token_label),
                        ("pin_reference", settings.pin_reference)):  # fmt: skip
        if not value:
            raise VaultSettingsError(f"vault.kind is pkcs11 and vault.{name} is empty: set it")
    pin = secret_from_file(Path(settings.pin_reference), "the token's PIN")
    return token_vault(settings.module, settings.token_label, pin)


def token_vault(module: str, token_label: str, pin: SecretSource) -> KeyVault:
    """Open the vault of a token. module: path of its PKCS#11 library. Raises VaultSettingsError, VaultLockedError."""
    from meterworks.trust.keystore.pkcs11_vault import Pkcs11KeyVault  # a library that only tokens need

    return Pkcs11KeyVault(Path(module), token_label, pin)


def secret_from_file(path: Path, what: str) -> SecretSource:
    """Give a source that reads a secret from a file of mode 0600 when it is asked, without the line end.

    what: what the secret is, for the errors' texts. The source raises KeyFileError, and VaultSettingsError on an empty
    or overlong file.
    """

    def read() -> bytes:
        content = read_secret_file(path, what, size_max=_SECRET_SIZE_MAX)
        secret = content.removesuffix(b"\n").removesuffix(b"\r")
        if not secret or len(content) > _SECRET_SIZE_MAX:
            raise VaultSettingsError(f"{what} in {path} has 1 to {_SECRET_SIZE_MAX} characters on one line")
        return secret

    return read
