"""The control octet: which frame it is, and its numbers.  Source: IEC 62056-46, 6.4.3; fact sheet section 5."""

from typing import Final

__all__ = [
    "DISC",
    "DM",
    "FRMR",
    "POLL",
    "RNR",
    "RR",
    "SNRM",
    "UA",
    "UI",
    "information_control",
    "is_information",
    "is_supervisory",
    "receive_number",
    "send_number",
    "supervisory_control",
]

POLL: Final = 0x10  # the same bit is called final in a response
MODULUS: Final = 8
SEQUENCE: Final = MODULUS - 1

RR: Final = 0x01
RNR: Final = 0x05
SUPERVISORY: Final = 0x0F

# Unnumbered frames, without the poll bit.
SNRM: Final = 0x83
UA: Final = 0x63
DISC: Final = 0x43
DM: Final = 0x0F
FRMR: Final = 0x87
UI: Final = 0x03


def is_information(control: int) -> bool:
    """Whether a frame carries numbered information."""
    return not control & 1


def is_supervisory(control: int) -> bool:
    """Whether a frame is receive ready or not ready."""
    return control & SUPERVISORY in (RR, RNR)


def send_number(control: int) -> int:
    """Give N(S) of an information frame."""
    return control >> 1 & SEQUENCE


def receive_number(control: int) -> int:
    """Give N(R) of an information or supervisory frame."""
    return control >> 5


def information_control(send: int, receive: int, *, poll: bool) -> int:
    """Give the control octet of an information frame."""
    return receive << 5 | (POLL if poll else 0) | send << 1


def supervisory_control(kind: int, receive: int) -> int:
    """Give the control octet of RR or RNR; the poll bit is always set, for nothing else follows it."""
    return receive << 5 | POLL | kind
