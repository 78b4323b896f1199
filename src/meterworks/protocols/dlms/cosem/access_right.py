"""What a client may do with one attribute or method: one representation for all versions of the association object.

Association LN versions 0 to 2 (and association SN) write an enumeration; version 3 writes a bit field that also says
which protection a request must carry and a response will carry. `AccessRights` holds the bits of version 3, which can
say everything the others can. It is an int, so that a server compares it without arithmetic on enumerations.

Source: COSEM interface classes, Association LN (class 15), access_right; fact sheet section 7.
"""

from typing import Final, Self

from meterworks.protocols.errors import DecodeError

__all__ = [
    "ACCESS", "AUTHENTICATED_REQUEST", "AUTHENTICATED_RESPONSE", "ENCRYPTED_REQUEST", "ENCRYPTED_RESPONSE",
    "NO_RIGHTS", "READ", "READ_WRITE", "SIGNED_REQUEST", "SIGNED_RESPONSE", "WRITE", "AccessRights",
]  # fmt: skip

BITS: Final = 0xFF
BIT_FIELD_VERSION: Final = 3  # from this version of class 15 on the bits themselves are written
MODE_READ: Final = 1
MODE_WRITE: Final = 2
MODE_AUTHENTICATED: Final = 3  # added to modes 1..3: authenticated read, write, read and write
MODE_MAX: Final = 6
METHOD_MODE_MAX: Final = 2


class AccessRights(int):
    """Rights to one attribute or method as the bits of association LN version 3.

    0 read (of a method: access), 1 write, 2..4 request authenticated, encrypted, signed, 5..7 the same of the response.
    """

    __slots__ = ()

    @property
    def readable(self) -> bool:
        """Whether the attribute may be read."""
        return self & 1 != 0

    @property
    def writable(self) -> bool:
        """Whether the attribute may be written."""
        return self & 2 != 0

    @property
    def executable(self) -> bool:
        """Whether the method may be invoked."""
        return self & 1 != 0

    @property
    def request_protection(self) -> int:
        """What a request must carry at least: 1 authenticated, 2 encrypted, 4 signed, added up."""
        return self >> 2 & 7

    @property
    def response_protection(self) -> int:
        """What the response will carry at least: 1 authenticated, 2 encrypted, 4 signed, added up."""
        return self >> 5 & 7

    @classmethod
    def from_attribute_mode(cls, mode: int, version: int) -> Self:
        """Read the access mode of an attribute as association LN `version` writes it.

        Raises DecodeError for a mode that the version does not have.
        """
        if version >= BIT_FIELD_VERSION:
            return cls._from_bits(mode)
        if not 0 <= mode <= MODE_MAX:
            raise DecodeError(f"an attribute's access mode is 0 to {MODE_MAX} before version 3, not {mode}")
        if mode > MODE_AUTHENTICATED:
            return cls(mode - MODE_AUTHENTICATED | AUTHENTICATED_REQUEST)
        return cls(mode)

    @classmethod
    def from_method_mode(cls, mode: int, version: int) -> Self:
        """Read the access mode of a method (version 0 writes a boolean: 0 or 1). Raises DecodeError as above."""
        if version >= BIT_FIELD_VERSION:
            return cls._from_bits(mode)
        if not 0 <= mode <= METHOD_MODE_MAX:
            raise DecodeError(f"a method's access mode is 0 to {METHOD_MODE_MAX} before version 3, not {mode}")
        return cls(ACCESS | AUTHENTICATED_REQUEST if mode == METHOD_MODE_MAX else mode)

    @classmethod
    def _from_bits(cls, mode: int) -> Self:
        if not 0 <= mode <= BITS:
            raise DecodeError(f"access rights are one octet of bits, not {mode}")
        return cls(mode)

    def attribute_mode(self, version: int) -> int:
        """Give the access mode to write; before version 3 all that can be said of protection is "authenticated"."""
        if version >= BIT_FIELD_VERSION:
            return int(self)
        mode = self & READ_WRITE
        return mode + MODE_AUTHENTICATED if mode and version and self & ~READ_WRITE else mode

    def method_mode(self, version: int) -> int:
        """Give the access mode of a method to write; version 0 knows yes and no only."""
        if version >= BIT_FIELD_VERSION:
            return int(self)
        mode = self & ACCESS
        return METHOD_MODE_MAX if mode and version and self & ~READ_WRITE else mode

    def __repr__(self) -> str:
        """Name the bits."""
        return f"AccessRights({'|'.join(self.names) or '0'})"

    @property
    def names(self) -> tuple[str, ...]:
        """The bits that are set, in words."""
        return tuple(name for bit, name in enumerate(_NAMES) if self >> bit & 1)


_NAMES: Final = (
    "read", "write", "authenticated request", "encrypted request", "signed request", "authenticated response",
    "encrypted response", "signed response",
)  # fmt: skip

NO_RIGHTS: Final = AccessRights(0)
READ: Final = AccessRights(1)
ACCESS: Final = AccessRights(1)  # of a method
WRITE: Final = AccessRights(2)
READ_WRITE: Final = AccessRights(3)
AUTHENTICATED_REQUEST: Final = AccessRights(4)
ENCRYPTED_REQUEST: Final = AccessRights(8)
SIGNED_REQUEST: Final = AccessRights(16)
AUTHENTICATED_RESPONSE: Final = AccessRights(32)
ENCRYPTED_RESPONSE: Final = AccessRights(64)
SIGNED_RESPONSE: Final = AccessRights(128)
