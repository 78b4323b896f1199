"""What two ends of a link agree on with SNRM and UA.  Source: IEC 62056-46, 6.4.4.4; fact sheet section 5."""

from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.hdlc.frame import INFORMATION_SIZE_MAX
from meterworks.protocols.errors import EncodeError

__all__ = ["DEFAULT_PARAMETERS", "INFORMATION_SIZE_MIN", "WINDOW_MAX", "LinkParameters", "read_parameters"]

FORMAT: Final = b"\x81\x80"
INFORMATION_TRANSMIT: Final = 5
INFORMATION_RECEIVE: Final = 6
WINDOW_TRANSMIT: Final = 7
WINDOW_RECEIVE: Final = 8
INFORMATION_DEFAULT: Final = 128
INFORMATION_SIZE_MIN: Final = 32
WINDOW_MAX: Final = 7
ONE_OCTET: Final = 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParameters:
    """Sizes of one end: octets of information in a frame (32 to 2030), frames in a window (1 to 7)."""

    information_transmit_max: int = INFORMATION_DEFAULT
    information_receive_max: int = INFORMATION_DEFAULT
    window_transmit: int = 1
    window_receive: int = 1

    def __post_init__(self) -> None:
        """Refuse what no frame can hold."""
        for size in (self.information_transmit_max, self.information_receive_max):
            if not INFORMATION_SIZE_MIN <= size <= INFORMATION_SIZE_MAX:
                raise EncodeError(f"{size} octets of information; {INFORMATION_SIZE_MIN} to {INFORMATION_SIZE_MAX} are")
        for window in (self.window_transmit, self.window_receive):
            if not 1 <= window <= WINDOW_MAX:
                raise EncodeError(f"a window of {window} frames; lawful are 1 to {WINDOW_MAX}")

    def to_bytes(self) -> bytes:
        """Give the information field of SNRM or UA."""
        sizes = (
            (INFORMATION_TRANSMIT, self.information_transmit_max),
            (INFORMATION_RECEIVE, self.information_receive_max),
        )
        parts = [
            bytes((name, 1, size)) if size <= ONE_OCTET else bytes((name, 2)) + size.to_bytes(2, "big")
            for name, size in sizes
        ]
        for name, window in ((WINDOW_TRANSMIT, self.window_transmit), (WINDOW_RECEIVE, self.window_receive)):
            parts.append(bytes((name, 4)) + window.to_bytes(4, "big"))
        body = b"".join(parts)
        return FORMAT + bytes((len(body),)) + body

    def agreed_with(self, other: "LinkParameters") -> "LinkParameters":
        """Give what holds for us: what we send is bounded by what the other receives, and the other way round."""
        return LinkParameters(
            information_transmit_max=min(self.information_transmit_max, other.information_receive_max),
            information_receive_max=min(self.information_receive_max, other.information_transmit_max),
            window_transmit=min(self.window_transmit, other.window_receive),
            window_receive=min(self.window_receive, other.window_transmit),
        )


DEFAULT_PARAMETERS: Final = LinkParameters()


def read_parameters(information: bytes) -> LinkParameters:
    """Read the information field of SNRM or UA; what is missing, unknown or senseless has its default.

    Senders leave out the field, single parameters or the group's head; none of it is a reason to refuse a link.
    """
    values: dict[int, int] = {}
    offset = 3 if information[:2] == FORMAT else 0
    while offset + 2 <= len(information):  # bounded: each parameter has a head of two octets
        name, size = information[offset], information[offset + 1]
        values[name] = int.from_bytes(information[offset + 2 : offset + 2 + size], "big")
        offset += 2 + size
    return LinkParameters(
        information_transmit_max=_size(values.get(INFORMATION_TRANSMIT, 0)),
        information_receive_max=_size(values.get(INFORMATION_RECEIVE, 0)),
        window_transmit=min(values.get(WINDOW_TRANSMIT, 1) or 1, WINDOW_MAX),
        window_receive=min(values.get(WINDOW_RECEIVE, 1) or 1, WINDOW_MAX),
    )


def _size(value: int) -> int:
    if not value:
        return INFORMATION_DEFAULT
    return min(max(value, INFORMATION_SIZE_MIN), INFORMATION_SIZE_MAX)
