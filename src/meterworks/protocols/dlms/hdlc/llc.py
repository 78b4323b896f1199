"""The three octets before each APDU: E6 E6 00 in a command, E6 E7 00 in a response.  Source: fact sheet section 5."""

from typing import Final

__all__ = ["COMMAND", "LLC_SIZE", "RESPONSE", "begins_message", "without_llc"]

COMMAND: Final = b"\xe6\xe6\x00"
RESPONSE: Final = b"\xe6\xe7\x00"
LLC_SIZE: Final = 3


def begins_message(information: bytes) -> bool:
    """Whether information begins with this header, of either direction."""
    return information[:LLC_SIZE] in (COMMAND, RESPONSE)


def without_llc(message: bytes) -> bytes:
    """Give the APDU of a message; one that came without the header is taken as it is."""
    return message[LLC_SIZE:] if begins_message(message) else message
