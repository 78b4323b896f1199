"""What a meter says unasked: data notification (push) with its confirmation, and event notification.

Source: IEC 62056-5-3; fact sheet 4, 9. The confirmation (tag 16: long invoke id and date-time) is of a newer edition
than the sheet; two independent open implementations of it agree.
"""

from dataclasses import dataclass
from typing import Self

from meterworks.protocols.dlms.access import LongInvoke, decode_head, encode_head
from meterworks.protocols.dlms.block import check_end
from meterworks.protocols.dlms.data import end_of
from meterworks.protocols.dlms.datetime import CosemDateTime
from meterworks.protocols.dlms.descriptor import DESCRIPTOR_SIZE, AttributeAddress
from meterworks.protocols.dlms.length import take, unsigned_at
from meterworks.protocols.errors import DecodeError

__all__ = ["DataNotification", "DataNotificationConfirm", "EventNotification"]


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class DataNotification:
    """A push. long_invoke: id and priority, four octets. date_time: octets as sent, 12 or none. body: encoded data.

    is_tagged: the date-time came with a data tag before it, which some meters write and the standard does not know.
    """

    long_invoke: int
    date_time: bytes
    body: bytes
    is_tagged: bool

    def __init__(self, *, long_invoke: int, date_time: bytes, body: bytes, is_tagged: bool = False) -> None:
        _set_long_invoke(self, long_invoke)
        _set_date_time(self, date_time)
        _set_body(self, body)
        _set_is_tagged(self, is_tagged)

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        head = b"\x0f" + self.long_invoke.to_bytes(4, "big")
        length = bytes((9, 12)) if self.is_tagged else bytes((len(self.date_time),))
        return b"".join((head, length, self.date_time, self.body))

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if len(apdu) < 6 or apdu[0] != 0x0F:
            raise DecodeError(f"data notification expected, got {apdu[:6].hex()}", offset=0)
        is_tagged = apdu[5:7] == b"\x09\x0c"
        offset = 6 if is_tagged else 5
        length = apdu[offset]
        if length and length != 12:
            raise DecodeError(f"date-time of {length} octets at octet {offset}", offset=offset)
        body = offset + 1 + length
        check_end(apdu, end_of(apdu, body))
        return cls(
            long_invoke=int.from_bytes(apdu[1:5], "big"),
            date_time=apdu[offset + 1 : body],
            body=apdu[body:],
            is_tagged=is_tagged,
        )

    @property
    def moment(self) -> CosemDateTime | None:
        """When it was made, if the sender says so."""
        return CosemDateTime.from_bytes(self.date_time) if self.date_time else None

    @property
    def wants_confirmation(self) -> bool:
        """Whether the sender waits for a confirmation (service class "confirmed" of its long invoke id)."""
        return self.long_invoke & LongInvoke.CONFIRMED != 0

    def confirmation(self) -> "DataNotificationConfirm":
        """Give what confirms it; the sender knows it by the long invoke id."""
        return DataNotificationConfirm(long_invoke=self.long_invoke, date_time=b"")


# As in `get`: what a frozen dataclass does, at half the price.
_set_long_invoke, _set_date_time, _set_body, _set_is_tagged = (
    getattr(DataNotification, name).__set__ for name in ("long_invoke", "date_time", "body", "is_tagged")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataNotificationConfirm:
    """Confirms a push. long_invoke: that of the push. date_time: octets as sent, 12 or none."""

    long_invoke: int
    date_time: bytes = b""

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        return encode_head(0x10, self.long_invoke, self.date_time)

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        long_invoke, date_time, end = decode_head(apdu, 0x10)
        check_end(apdu, end)
        return cls(long_invoke=long_invoke, date_time=date_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNotification:
    """An attribute that the server sends by itself. date_time: octets as sent, 12 or none. value: encoded data."""

    address: AttributeAddress
    value: bytes
    date_time: bytes = b""

    def to_bytes(self) -> bytes:
        """Encode the APDU."""
        moment = b"\x01\x0c" + self.date_time if self.date_time else b"\x00"
        return b"\xc2" + moment + self.address.to_bytes() + self.value

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Self:
        """Decode the APDU."""
        if take(apdu, 0, 1) != b"\xc2":
            raise DecodeError(f"event notification expected, got {apdu[:1].hex()}", offset=0)
        date_time = b""
        offset = 2
        if unsigned_at(apdu, 1, 1):
            if unsigned_at(apdu, 2, 1) != 12:
                raise DecodeError(f"date-time of {apdu[2]} octets at octet 2", offset=2)
            date_time = take(apdu, 3, 12)
            offset = 15
        address = AttributeAddress.from_bytes(apdu, offset)
        offset += DESCRIPTOR_SIZE
        check_end(apdu, end_of(apdu, offset))
        return cls(address=address, value=apdu[offset:], date_time=date_time)
