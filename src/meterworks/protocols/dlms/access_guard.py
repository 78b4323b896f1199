"""Access rights enforced: a device as one association may see it.

A device that tells rights (see `BaseLogicalDevice.access_rights`) is served through a guard. It lets pass what the
rights allow, with at least the protection they ask of the request, and gathers what they ask of the response; the
association protects the response accordingly. Attribute 0, which means all attributes, is checked by the device.
Source: COSEM interface classes, Association LN (class 15) version 3, access_right; IEC 62056-5-3, 5.2.
"""

from collections.abc import Callable
from typing import Final

from meterworks.protocols.dlms.cosem import AccessRights
from meterworks.protocols.dlms.descriptor import AttributeAddress, MethodAddress
from meterworks.protocols.dlms.device import BaseLogicalDevice, LogicalDevice, SecurityEventKind
from meterworks.protocols.dlms.result import ActionResult, DataAccessResult
from meterworks.protocols.dlms.settings import AssociationSettings

__all__ = ["AccessGuard", "tells_rights"]

_READ: Final = 1
_WRITE: Final = 2
_SIGNED: Final = 0x100  # of the bits of protection, see `settings.Protection`
_RIGHT_SIGNED: Final = 4  # of the bits of rights
_NEXT_BLOCKS: Final = (b"\xc0\x02", b"\xc3\x02")  # requests for the next block of an answer


def tells_rights(device: LogicalDevice) -> bool:
    """Whether a device overrides the default, which leaves rights to its own answers."""
    return isinstance(device, BaseLogicalDevice) and type(device).access_rights is not BaseLogicalDevice.access_rights


def _right_bits(protection: int) -> int:
    """Turn bits of protection into those of rights: 1 authenticated, 2 encrypted, 4 signed."""
    return (protection >> 4 & 3) | (_RIGHT_SIGNED if protection & _SIGNED else 0)


class AccessGuard(BaseLogicalDevice):
    """A `LogicalDevice` around another. available: bits of protection (10, 20, 100) that responses can have."""

    __slots__ = ("_available", "_base", "_device", "_protection", "_response")

    def __init__(self, device: LogicalDevice, available: int) -> None:
        self._device = device
        self._available = _right_bits(available)
        self._base = device if isinstance(device, BaseLogicalDevice) else BaseLogicalDevice()
        self._protection = 0
        self._response = 0

    def begin(self, protection: int, apdu: bytes) -> None:
        """Take the bits of protection of the request that comes now. One for the next block touches nothing anew."""
        self._protection = _right_bits(protection)
        if apdu[:2] not in _NEXT_BLOCKS:
            self._response = 0

    @property
    def response_protection(self) -> int:
        """Bits of protection that the response must have, by the rights of all that was touched since `begin`."""
        return (self._response & 3) << 4 | (_SIGNED if self._response & _RIGHT_SIGNED else 0)

    def _allows(self, client_sap: int, address: AttributeAddress | MethodAddress, needed: int) -> bool:
        """Whether the rights allow what is `needed` with the protection that the request had."""
        rights = self._base.access_rights(client_sap, address)
        if rights is None:
            return True
        asked = rights.request_protection
        missing = rights.response_protection & ~self._available
        if not rights & needed or self._protection & asked != asked or missing:
            self._device.security_event(SecurityEventKind.ACCESS_DENIED.value, client_sap)
            return False
        self._response |= rights.response_protection
        return True

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        """Read an attribute, if the rights allow it."""
        if not self._allows(client_sap, address, _READ):
            return DataAccessResult.READ_WRITE_DENIED
        return self._device.get(client_sap, address, selection)

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        """Write an attribute, if the rights allow it."""
        if not self._allows(client_sap, address, _WRITE):
            return DataAccessResult.READ_WRITE_DENIED
        return self._device.set(client_sap, address, value)

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke a method, if the rights allow it."""
        if not self._allows(client_sap, address, _READ):
            return ActionResult.READ_WRITE_DENIED, None
        return self._device.action(client_sap, address, parameter)

    # --- what passes through ----------------------------------------------------------------------------------------

    @property
    def system_title(self) -> bytes:
        """Eight octets, unique to the device."""
        return self._device.system_title

    @property
    def association(self) -> Callable[[int], AssociationSettings | None]:
        """What a client must bring."""
        return self._device.association

    @property
    def next_invocation_counter(self) -> Callable[[], int]:
        """The device's counter."""
        return self._device.next_invocation_counter

    @property
    def lowest_acceptable_counter(self) -> Callable[[bytes], int]:
        """The device's memory of a client's counter."""
        return self._device.lowest_acceptable_counter

    @property
    def accept_invocation_counter(self) -> Callable[[bytes, int], bool]:
        """The device's memory of a client's counter."""
        return self._device.accept_invocation_counter

    @property
    def security_event(self) -> Callable[[str, int], None]:
        """The device's record."""
        return self._device.security_event

    def access_rights(self, client_sap: int, address: AttributeAddress | MethodAddress) -> AccessRights | None:
        """Give the device's rights."""
        return self._base.access_rights(client_sap, address)

    def attribute_of(self, client_sap: int, base_name: int) -> AttributeAddress | None:
        """Give the attribute with a short name."""
        return self._base.attribute_of(client_sap, base_name)

    def method_of(self, client_sap: int, base_name: int) -> MethodAddress | None:
        """Give the method with a short name."""
        return self._base.method_of(client_sap, base_name)
