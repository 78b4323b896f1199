"""The security policy of a security setup object (class 64) as the bits of protection that requests and responses need.

Version 0 is an enumeration (0 none, 1 authenticated, 2 encrypted, 3 both, for both directions); from version 1 on it is
a field of bits: 2 request authenticated, 3 encrypted, 4 signed, 5 to 7 the same of the response.
Source: COSEM interface classes, Security setup (class 64), security_policy; fact sheet section 6.
"""

from typing import Final

from meterworks.protocols.errors import DecodeError

__all__ = ["is_weaker_policy", "policy_of_protection", "protection_of_policy"]

_POLICY_MAX_0: Final = 3
_BITS: Final = 0xFC  # those of version 1; the two lowest are reserved
_PROTECTIONS: Final = (0x10, 0x20, 0x100)  # authenticated, encrypted, signed: as in `settings.Protection`


def protection_of_policy(policy: int, version: int) -> tuple[int, int]:
    """Give the bits of protection of requests and of responses. DecodeError for a policy the version does not have."""
    if version == 0:
        if not 0 <= policy <= _POLICY_MAX_0:
            raise DecodeError(f"security policy {policy} of version 0", offset=0)
        return policy << 4, policy << 4
    if not 0 <= policy <= 0xFF or policy & ~_BITS:
        raise DecodeError(f"security policy {policy:#04x}", offset=0)
    return _protection(policy >> 2), _protection(policy >> 5)


def policy_of_protection(request: int, response: int, version: int) -> int:
    """Give the policy that asks for these bits of protection; version 0 can say of both directions the same only."""
    if version == 0:
        if request != response or request & ~0x30:
            raise DecodeError("a policy of version 0 is the same both ways, and knows no signatures", offset=0)
        return request >> 4
    return _bits(request) << 2 | _bits(response) << 5


def is_weaker_policy(new: int, old: int, version: int) -> bool:
    """Whether a policy would ask for less than another: a security setup never takes such a one."""
    pairs = zip(protection_of_policy(new, version), protection_of_policy(old, version), strict=True)
    return any(theirs & ours != ours for theirs, ours in pairs)


def _protection(bits: int) -> int:
    return sum(value for number, value in enumerate(_PROTECTIONS) if bits >> number & 1)


def _bits(protection: int) -> int:
    return sum(1 << number for number, value in enumerate(_PROTECTIONS) if protection & value)
