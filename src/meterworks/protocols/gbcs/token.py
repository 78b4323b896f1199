"""Prepayment tokens: the twenty digits that a person types into a meter (UTRN) and the 64 bits behind them (PTUT).

The digits carry ten bits of the counter; the meter finds the others from the highest one it has seen. The check digit
is the dihedral one of Verhoeff, run from left to right with its permutations begun at the fourth.
Source: GBCS 14 (prepayment top up token); fact sheet gb/GBCS.md section 11.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq

from meterworks.protocols.errors import DecodeError, EncodeError, TagError
from meterworks.protocols.gbcs.protection import KeyPurpose, message_key

__all__ = ["COUNTER_STEP", "TOKEN_LENGTH", "VALUE_MAX", "Token", "ValueClass", "check_digit", "has_check_digit"]

TOKEN_LENGTH: Final = 20
VALUE_MAX: Final = 8_191
COUNTER_STEP: Final = 2**32  # counters of top-ups have nothing in their lower half
_WINDOW: Final = 1_024  # counters that the ten bits of a token tell apart
_OFFSET: Final = 7_394_156_990_786_306_048  # what makes nineteen digits of 64 bits
_MAC_SIZE: Final = 4
_HEADER: Final = b"\x11\x00\x00\x00\x00\x00"  # as in a MAC

_PERMUTATION: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_FIRST_PERMUTATION: Final = 4


class ValueClass(IntEnum):
    """The unit of a token's value."""

    PENCE = 0
    POUNDS = 1


def _powers() -> tuple[tuple[int, ...], ...]:
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(_PERMUTATION[digit] for digit in rows[-1]))
    return tuple(rows)


_POWERS: Final = _powers()


def _product(left: int, right: int) -> int:
    """Multiply in the dihedral group of ten: digits below five turn, the others turn and flip."""
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right) % 5
    return 5 + (left - right) % 5 if right < 5 else (left - right) % 5


def _state(digits: str) -> int:
    state = 0
    for place, digit in enumerate(digits, start=_FIRST_PERMUTATION):
        state = _product(state, _POWERS[place % 8][int(digit)])
    return state


def check_digit(digits: str) -> str:
    """The digit that belongs behind these, so that all together come to nought."""
    return next(digit for digit in "0123456789" if has_check_digit(digits + digit))


def has_check_digit(digits: str) -> bool:
    """Whether the last digit belongs to those before it."""
    return _state(digits) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A top-up of a meter's credit.

    counter_bits: the ten bits of the counter's upper half. value: 0..8191 of its class. mac: 4 octets.
    """

    counter_bits: int
    value_class: ValueClass
    value: int
    mac: bytes

    @classmethod
    def make(
        cls, secret: bytes, *, supplier: bytes, meter: bytes, counter: int, value: int, value_class: ValueClass
    ) -> Self:
        """Make the token of an originator counter, which is a multiple of 2**32. Raises EncodeError.

        secret: shared by the supplier's top-up key and the meter's key agreement key. supplier, meter: EUI-64.
        """
        if counter % COUNTER_STEP or not 0 <= counter < COUNTER_STEP**2:
            raise EncodeError(f"the counter of a top-up is a multiple of 2**32 below 2**64, not {counter}")
        if not 0 <= value <= VALUE_MAX:
            raise EncodeError(f"a token carries 0 to {VALUE_MAX}, not {value}: send it as several")
        bits = counter // COUNTER_STEP % _WINDOW
        mac = _mac(secret, supplier, meter, counter, _upper(bits, value_class, value))
        return cls(counter_bits=bits, value_class=value_class, value=value, mac=mac)

    @classmethod
    def from_digits(cls, digits: str) -> Self:
        """Read the twenty digits of a UTRN. Raises DecodeError for a slip of the finger or what is no token."""
        if len(digits) != TOKEN_LENGTH or not (digits.isascii() and digits.isdecimal()):
            raise DecodeError(f"a token has {TOKEN_LENGTH} digits", offset=0)
        if not has_check_digit(digits):
            raise DecodeError("the check digit does not fit: a digit is wrong, or two changed places", offset=0)
        number = int(digits[:-1]) - _OFFSET
        if not 0 <= number < 2**57:
            raise DecodeError("these digits are no top-up", offset=0)
        upper, lower = divmod(number, 2**32)
        value_class = upper >> 13 & 0b11
        if value_class > max(ValueClass):
            raise DecodeError(f"value class {value_class} is not in use", offset=0)
        return cls(
            counter_bits=upper >> 15,
            value_class=ValueClass(value_class),
            value=upper & VALUE_MAX,
            mac=lower.to_bytes(_MAC_SIZE, "big"),
        )

    @property
    def digits(self) -> str:
        """The twenty digits."""
        number = int.from_bytes(_upper(self.counter_bits, self.value_class, self.value) + self.mac, "big")
        text = str(number + _OFFSET)
        return text + check_digit(text)

    @property
    def value_pence(self) -> int:
        """What it is worth."""
        return self.value * (100 if self.value_class is ValueClass.POUNDS else 1)

    def counter(self, highest_seen: int) -> int:
        """The originator counter, the one nearest to the highest that the meter has seen (both multiples of 2**32)."""
        known = highest_seen // COUNTER_STEP
        place = known % _WINDOW
        bits = self.counter_bits
        if bits < place - _WINDOW // 2:
            bits += _WINDOW
        elif bits > place + _WINDOW // 2:
            bits -= _WINDOW
        return max(known - place + bits, 0) * COUNTER_STEP

    def check(self, secret: bytes, *, supplier: bytes, meter: bytes, counter: int) -> None:
        """Raise TagError where the supplier did not make this token for this meter and counter."""
        made = _mac(secret, supplier, meter, counter, _upper(self.counter_bits, self.value_class, self.value))
        if not bytes_eq(made, self.mac):
            raise TagError("the token was not made for this meter and counter, or a digit was altered")


def _upper(counter_bits: int, value_class: ValueClass, value: int) -> bytes:
    return (counter_bits << 15 | value_class << 13 | value).to_bytes(4, "big")


def _mac(secret: bytes, supplier: bytes, meter: bytes, counter: int, upper: bytes) -> bytes:
    key = message_key(secret, KeyPurpose.COMMAND_MAC, originator=supplier, counter=counter, recipient=meter)
    covered = b"".join((_HEADER, supplier, meter, b"\x01", counter.to_bytes(8, "big"), upper))
    return AESGCM(key).encrypt(supplier + bytes(4), b"", covered)[-_MAC_SIZE:]
