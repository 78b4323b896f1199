"""What can go wrong in a protocol core: each class stands under one of the six of `meterworks.errors`."""

from meterworks.errors import PeerError, RefusedError, SecurityError, UnreachableError, UsageError

__all__ = [
    "AssociationRefused",
    "CounterError",
    "DecodeError",
    "EncodeError",
    "LinkLost",
    "ProtectionError",
    "ServiceRefused",
    "SignatureError",
    "StateError",
    "TableError",
    "TagError",
    "TitleError",
    "UnlawfulMessage",
    "WeakProtection",
]


class DecodeError(PeerError):
    """Bytes that are not what they claim to be. Facts: offset, expected."""

    code = "malformed"


class UnlawfulMessage(PeerError):
    """A well-formed message that the state of the conversation does not allow."""

    code = "unlawful-message"


class EncodeError(UsageError):
    """A value of ours that the wire format cannot carry."""

    code = "not-encodable"


class StateError(UsageError):
    """A command of ours that the state of the connection does not allow."""

    code = "wrong-state"


class TableError(UsageError):
    """A table of ours that does not hold together: a number out of order, a name used twice or known to no row."""

    code = "table"


class ProtectionError(SecurityError):
    """A message whose protection is missing, too weak or false."""

    code = "protection"


class TagError(ProtectionError):
    """A message whose authentication tag does not fit: altered, or made with another key."""

    code = "bad-tag"


class SignatureError(ProtectionError):
    """A signature that does not fit, or a public key that is none: altered, or made with another key."""

    code = "bad-signature"


class WeakProtection(ProtectionError):
    """A message with less protection than the association asks for, or with a suite or key that it does not have."""

    code = "weak-protection"


class SuiteError(WeakProtection):
    """A message of another security suite than that of the association."""

    code = "wrong-suite"


class TitleError(ProtectionError):
    """A message in the name of another system title than that of the association."""

    code = "wrong-title"


class CounterError(ProtectionError):
    """A protected message with an invocation counter that was already used or left behind."""

    code = "counter"

    def __init__(self, message: str, *, lowest: int) -> None:
        super().__init__(message, lowest=lowest)
        self.lowest = lowest


class AssociationRefused(RefusedError):
    """The server refused the association. Facts: result, diagnostic."""

    code = "association-refused"


class ServiceRefused(RefusedError):
    """The server answered a service with an error. Facts: result (number of the data access or action result)."""

    code = "service-refused"


class LinkLost(UnreachableError):
    """The other end of a data link ended it, or did not answer any of its repetitions."""

    code = "link-lost"
