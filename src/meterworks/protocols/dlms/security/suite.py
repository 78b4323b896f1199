"""The three security suites: what each ciphers, signs and agrees keys with.  Source: IEC 62056-5-3 section 5."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = ["BROADCAST", "COMPRESSED", "COUNTER_MAX", "SUITES", "TAG_SIZE", "TITLE_SIZE", "SecuritySuite", "SuiteRow"]

TITLE_SIZE: Final = 8  # octets of a system title: three letters of the maker, five octets unique to it
TAG_SIZE: Final = 12  # octets of an authentication tag, in every suite
COUNTER_MAX: Final = 0xFFFF_FFFF  # the key is dead when its counter reaches this
SUITE_MASK: Final = 0x0F  # of the security control octet
BROADCAST: Final = 0x40  # bit of the security control octet: the broadcast key was used
COMPRESSED: Final = 0x80  # bit of the security control octet: the content is compressed (V.44); we refuse it


class SecuritySuite(IntEnum):
    """Number of a security suite, as in the low bits of the security control octet."""

    SUITE_0 = 0
    SUITE_1 = 1
    SUITE_2 = 2


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """What a suite uses. Sizes in octets; those of curve and hash are 0 where the suite has no public-key part."""

    key_size: int  # of encryption, authentication, key-encryption and dedicated keys
    curve: str  # name of the elliptic curve, empty in suite 0
    scalar_size: int  # of a private key and of each coordinate
    hash_name: str

    @property
    def signature_size(self) -> int:
        """Size of r || s."""
        return 2 * self.scalar_size

    @property
    def public_key_size(self) -> int:
        """Size of x || y."""
        return 2 * self.scalar_size


SUITES: Final[dict[SecuritySuite, SuiteRow]] = {
    SecuritySuite.SUITE_0: SuiteRow(16, "", 0, ""),
    SecuritySuite.SUITE_1: SuiteRow(16, "P-256", 32, "SHA-256"),
    SecuritySuite.SUITE_2: SuiteRow(32, "P-384", 48, "SHA-384"),
}
