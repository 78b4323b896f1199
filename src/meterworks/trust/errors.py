"""Errors of the trust folder."""

from meterworks.errors import SecurityError, UnreachableError, UsageError

__all__ = [
    "CeremonyProtocolError",
    "EntropyError",
    "EnvelopeError",
    "EscrowError",
    "KeyExistsError",
    "KeyFileError",
    "KeyMaterialError",
    "KeyNameError",
    "KeyNotFoundError",
    "KeyUnwrapError",
    "KeyUsageError",
    "KnownKeyError",
    "PasswordError",
    "QuorumError",
    "SharedKeyError",
    "TokenLostError",
    "VaultLockedError",
    "VaultSettingsError",
]


class CeremonyProtocolError(SecurityError):
    """The sealed protocol of key ceremonies was changed: an entry is false, missing or moved. Facts: path, number."""

    code = "ceremony-protocol"


class EntropyError(SecurityError):
    """The random source failed a health test: no key is made until a process starts with a sound one. Facts: test."""

    code = "entropy"


class EnvelopeError(SecurityError):
    """A sealed file does not open: it is another recipient's, was changed, or ends too early."""

    code = "envelope"


class EscrowError(UsageError):
    """What was given for escrow may not leave the house, or cannot be used again as it is. Facts: device."""

    code = "escrow"


class KeyExistsError(UsageError):
    """A key of this label is there already, and is never written over. Facts: label."""

    code = "key-exists"


class KeyNameError(UsageError):
    """A text cannot be a key's label."""

    code = "key-name"


class KeyNotFoundError(UsageError):
    """The vault has no key of this label, or no longer. Facts: label."""

    code = "key-not-found"


class KeyUsageError(UsageError):
    """A key was asked for what its usage forbids: signing keys only sign, agreement keys only agree. Facts: label."""

    code = "key-usage"


class KnownKeyError(SecurityError):
    """A key that is published, a sample or a default, and so is everyone's. Facts: where, name."""

    code = "known-key"


class QuorumError(SecurityError):
    """Too few holders, false shares, or no lawful number of them. Facts: threshold."""

    code = "quorum"


class SharedKeyError(SecurityError):
    """Two devices have one key, so who opens one opens both. Facts: where, other."""

    code = "shared-key"


class TokenLostError(UnreachableError):
    """The token that holds the keys cannot be reached: removed, reset or out of order. Facts: token."""

    code = "token-lost"


class VaultLockedError(SecurityError):
    """The passphrase or the PIN of a vault is wrong, or the token has locked it."""

    code = "vault-locked"


class VaultSettingsError(UsageError):
    """The settings of a vault do not lead to one: no module, no such token, no file of the PIN."""

    code = "vault-settings"


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
