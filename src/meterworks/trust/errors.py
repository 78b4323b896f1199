"""Errors of the trust folder."""

from meterworks.errors import SecurityError, UsageError

__all__ = ["KeyFileError", "KeyMaterialError", "KeyUnwrapError", "PasswordError"]


class KeyFileError(UsageError):
    """The file of the master key cannot be used: wrong permissions, owner or content. Facts: path."""

    code = "key-file"


class KeyMaterialError(UsageError):
    """What was given as a key, or as a wrapped key, has a size no key has. Facts: size."""

    code = "key-material"


class KeyUnwrapError(SecurityError):
    """A wrapped key does not belong to this wrapping key, or was changed."""

    code = "key-unwrap"


class PasswordError(UsageError):
    """A password is too short or too long to be set."""

    code = "password"
