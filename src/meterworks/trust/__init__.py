"""Keys, passwords and tokens: what opens a door, and how it is kept."""

from meterworks.trust.errors import KeyFileError, KeyMaterialError, KeyUnwrapError, PasswordError
from meterworks.trust.keystore import MASTER_KEY_SIZE, KeyStore
from meterworks.trust.keywrap import KEY_SIZES, unwrap_key, wrap_key
from meterworks.trust.password import (
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    hash_password,
    new_password,
    password_matches,
    password_needs_rehash,
)
from meterworks.trust.token import TOKEN_SIZE, constant_time_equal, hash_token, new_token, token_matches

__all__ = [
    "KEY_SIZES",
    "MASTER_KEY_SIZE",
    "PASSWORD_LENGTH_MAX",
    "PASSWORD_LENGTH_MIN",
    "TOKEN_SIZE",
    "KeyFileError",
    "KeyMaterialError",
    "KeyStore",
    "KeyUnwrapError",
    "PasswordError",
    "constant_time_equal",
    "hash_password",
    "hash_token",
    "new_password",
    "new_token",
    "password_matches",
    "password_needs_rehash",
    "token_matches",
    "unwrap_key",
    "wrap_key",
]
