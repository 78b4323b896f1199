"""The errors of emulated devices, each under one of the six of the error tree."""

from meterworks.errors import PeerError, RefusedError, UnreachableError, UsageError

__all__ = [
    "CertificateRefused",
    "FleetStateError",
    "ImageRefused",
    "MalformedValue",
    "ModelError",
    "NotPersonalised",
    "PushFailed",
]


class ModelError(UsageError):
    """A device model or interface class table does not hold together: a name that resolves to nothing, a double row."""

    code = "device-model"


class FleetStateError(UsageError):
    """The fleet's state file cannot be used: another program has it, or it is of another shape or out of reach."""

    code = "device-state"


class MalformedValue(PeerError):
    """A client wrote a value, or gave a parameter, whose parts are not those of the attribute or method."""

    code = "malformed-value"


class PushFailed(UnreachableError):
    """The head-end's push port took no message; the meter tries again later."""

    code = "push-failed"


class NotPersonalised(UnreachableError):
    """The meter has no certificate of its operator, and could not get one now; it asks again at its next contact."""

    code = "not-personalised"


class ImageRefused(RefusedError):
    """A firmware image that must not be activated."""

    code = "image-refused"


class CertificateRefused(RefusedError):
    """A certificate, key pair or request that the meter cannot take, make or give."""

    code = "certificate-refused"
