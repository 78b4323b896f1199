"""The key store: private keys and wrapping keys in files or in a token, used through one interface, never given out."""

from meterworks.trust.keystore.dlms_key import VaultKeyAgreement, VaultSigner
from meterworks.trust.keystore.file_vault import FileKeyVault
from meterworks.trust.keystore.master import MASTER_KEY_SIZE, KeyStore
from meterworks.trust.keystore.settings import VaultSettings, open_vault, secret_from_file, token_vault
from meterworks.trust.keystore.tls_key import new_tls_key
from meterworks.trust.keystore.vault import (
    CURVES,
    CurveName,
    KeyUsage,
    KeyVault,
    PrivateKey,
    SecretSource,
    WrappingKey,
    curve_name,
)

__all__ = [
    "CURVES",
    "MASTER_KEY_SIZE",
    "CurveName",
    "FileKeyVault",
    "KeyStore",
    "KeyUsage",
    "KeyVault",
    "PrivateKey",
    "SecretSource",
    "VaultKeyAgreement",
    "VaultSettings",
    "VaultSigner",
    "WrappingKey",
    "curve_name",
    "new_tls_key",
    "open_vault",
    "secret_from_file",
    "token_vault",
]
