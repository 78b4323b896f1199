"""What can go wrong at the head-end, each under one of the six of `meterworks.errors`."""

from meterworks.errors import PeerError, RefusedError, SecurityError, UnreachableError, UsageError

__all__ = [
    "CertificateUnfitError",
    "CounterExhaustedError",
    "DeviceQuarantinedError",
    "KeyAgreementFailed",
    "KeyJobError",
    "KeyTransferRefused",
    "LeaseLostError",
    "ModelMismatchError",
    "PolicyRefused",
    "QueueFullError",
    "ReplayedNotificationError",
    "RequestError",
    "RestoreMarkError",
    "UnknownDeviceError",
    "UnknownSenderError",
]


class ModelMismatchError(PeerError):
    """A device's profile does not hold the columns its catalogue row promises. Not retried before the model changes."""

    code = "model-mismatch"


class UnknownDeviceError(UsageError):
    """A device number nobody registered, or one that has no keys or no address."""

    code = "unknown-device"


class RequestError(UsageError):
    """An on-demand request that is not JSON, or asks for something no device has."""

    code = "bad-request"


class QueueFullError(RefusedError):
    """The on-demand queue holds as many requests as it may. Try again later."""

    code = "queue-full"
    retry = "safe"


class DeviceQuarantinedError(RefusedError):
    """The device refused our keys repeatedly; it is left alone until an operator releases it."""

    code = "device-quarantined"


class CounterExhaustedError(SecurityError):
    """The invocation counter reserved for a session, or the key's whole range, is used up."""

    code = "counter-exhausted"


class UnknownSenderError(SecurityError):
    """A notification names a system title that no registered device has."""

    code = "unknown-sender"


class ReplayedNotificationError(SecurityError):
    """A notification carries an invocation counter that was used before."""

    code = "replayed-notification"


class LeaseLostError(UnreachableError):
    """A session held its device longer than its lease allows and was ended."""

    code = "lease-lost"


class KeyJobError(UsageError):
    """A key job or campaign is in a state that forbids what was asked. Facts: device or campaign, state."""

    code = "key-job"


class KeyTransferRefused(RefusedError):
    """A device refused new keys although we proved that we know its present ones. Facts: device, result."""

    code = "key-transfer-refused"


class KeyAgreementFailed(SecurityError):
    """A device's answer to a key agreement is not signed with its certified key. Facts: device (system title)."""

    code = "key-agreement-failed"


class CertificateUnfitError(SecurityError):
    """A device's certification request, or the certificate it shows, is not what it should be. Facts: device, kind."""

    code = "certificate-unfit"


class PolicyRefused(SecurityError):
    """A signed policy that does not hold: signature, key, form or content. Facts: key (its digest)."""

    code = "policy-refused"


class RestoreMarkError(UsageError):
    """The file that shows whether a database was put back holds no number. Facts: path."""

    code = "restore-mark"
