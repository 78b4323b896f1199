"""Sans-I/O protocol cores: bytes and commands in, events and bytes out. No sockets, clocks, chance, logs or stores.

Each protocol is a package of its own below this one; their errors are common and stand here.
"""

from meterworks.protocols.errors import (
    AssociationRefused,
    CounterError,
    DecodeError,
    EncodeError,
    LinkLost,
    ProtectionError,
    ServiceRefused,
    SignatureError,
    StateError,
    SuiteError,
    TagError,
    TitleError,
    UnlawfulMessage,
    WeakProtection,
)

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
    "SuiteError",
    "TagError",
    "TitleError",
    "UnlawfulMessage",
    "WeakProtection",
]
