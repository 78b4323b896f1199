"""What an association needs of the device behind it, and what a client needs of its counter."""

from enum import Enum
from typing import Protocol, runtime_checkable

from meterworks.protocols.dlms.cosem import AccessRights
from meterworks.protocols.dlms.descriptor import AttributeAddress, MethodAddress
from meterworks.protocols.dlms.result import ActionResult, DataAccessResult
from meterworks.protocols.dlms.settings import AssociationSettings

__all__ = ["AdoptableCounter", "BaseLogicalDevice", "InvocationCounter", "LogicalDevice", "SecurityEventKind"]


class SecurityEventKind(Enum):
    """What a server records about a client that did not do as it must."""

    AUTHENTICATION_FAILED = "authentication-failed"
    UNKNOWN_CLIENT = "unknown-client"
    WEAKER_MECHANISM = "weaker-mechanism"
    WRONG_CONTEXT = "wrong-context"
    WRONG_TITLE = "wrong-title"
    BAD_TAG = "bad-tag"
    REPLAYED_COUNTER = "replayed-counter"
    UNPROTECTED_REQUEST = "unprotected-request"
    WRONG_SUITE = "wrong-suite"
    BAD_SIGNATURE = "bad-signature"
    ACCESS_DENIED = "access-denied"
    UNAUTHENTICATED_REQUEST = "unauthenticated-request"
    MALFORMED_MESSAGE = "malformed-message"


class LogicalDevice(Protocol):
    """A logical device as its associations see it.

    Nothing here may block for long: it is called from the event loop of the server.
    """

    @property
    def system_title(self) -> bytes:
        """Eight octets, unique to the device."""

    def association(self, client_sap: int) -> AssociationSettings | None:
        """Give what this client must bring, or None where the device knows no such client."""

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        """Give the attribute as encoded A-XDR data, or why not.

        selection: selector and parameters as received, well formed, or None.
        """

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        """Write the attribute; `value` is one well-formed A-XDR value."""

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke a method; give the result and the encoded return value, if the method has one."""

    def next_invocation_counter(self) -> int:
        """Give the next counter of the device under its global key. It is stored ahead, so that none is used twice."""

    def lowest_acceptable_counter(self, client_title: bytes) -> int:
        """Give the smallest counter that this client may still use under the global key."""

    def accept_invocation_counter(self, client_title: bytes, counter: int) -> bool:
        """Store a counter whose tag was verified, before anything acts on the message; False where it was used."""

    def security_event(self, kind: str, client_sap: int) -> None:
        """Record what a client did; `kind` is a value of `SecurityEventKind`."""


class BaseLogicalDevice:
    """What a logical device may offer beyond `LogicalDevice`: a device that derives from this overrides what it has.

    A device that does not derive from it is served as if it had these defaults.
    """

    __slots__ = ()

    def access_rights(self, client_sap: int, address: AttributeAddress | MethodAddress) -> AccessRights | None:
        """Give what this client may do with an attribute or a method; None leaves it to the device's own answers.

        With rights, the association refuses what they do not allow, and requests with less protection than they ask
        for; it protects the response as they say.
        """
        return None

    def attribute_of(self, client_sap: int, base_name: int) -> AttributeAddress | None:
        """Give the attribute with a short name (the object's base name + 8 x (attribute - 1)), or None."""
        return None

    def method_of(self, client_sap: int, base_name: int) -> MethodAddress | None:
        """Give the method with a short name, or None."""
        return None

    def signing_key_of(self, client_sap: int, client_title: bytes, certificate: bytes) -> bytes | None:
        """Give the public signing key (x || y) of a client that brought a certificate (DER), after checking it.

        The default trusts no certificate; the key of the settings is used then.
        """
        return None

    def association_opened(self, client_sap: int, user_id: int | None) -> None:
        """Take note that a client is associated (and proved, where its mechanism asks for a proof)."""


class InvocationCounter(Protocol):
    """The counter of a client under its global key; stored ahead by whoever implements it."""

    def next(self) -> int:
        """Give a number that was never given before, growing."""


@runtime_checkable
class AdoptableCounter(InvocationCounter, Protocol):
    """A client's counter that can be moved ahead when the server expects a higher one."""

    def peek(self) -> int:
        """Give the number that `next` would give, without taking it."""

    def skip_to(self, counter: int) -> None:
        """Go on with `counter`, where it is higher than the number that `next` would give; never go back."""
