"""What a meter pushes, as bytes: a data-notification in general-glo-ciphering, in wrapper frames.

The notification carries the meter's clock in its header and one structure as its body: the values of the push set-up's
object list, see `push_setup`. It is authenticated and encrypted under the meter's global keys and takes its next
invocation counter. The system title in front of it is the meter's identity. A long one goes out as general blocks, one
frame each, without waiting: a push has no back channel.
Source: data-notification (IEC 62056-5-3), general-glo-ciphering, general-block-transfer; fact sheet sections 4 and 6.
"""

from dataclasses import dataclass
from typing import Final

from meterworks.devices.access import Client
from meterworks.devices.meter import ElectricityMeter
from meterworks.devices.meter_key import keys_of, suite_of
from meterworks.devices.push_setup import OperationMethod, PushColumn, operation_method, push_columns
from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms import (
    MANAGEMENT_DEVICE,
    ApduCipher,
    AttributeAddress,
    CipherForm,
    DataNotification,
    DataNotificationConfirm,
    EntrySelection,
    GrowingCounter,
    Protection,
    SecurityContext,
    cut_stream,
    decode_all,
    encode_null,
    encode_structure,
    encode_wrapper,
)

__all__ = ["PUSH_APDU_SIZE_MAX", "PushMessage", "confirms", "make_push", "push_frame"]

INVOKE_ID_MASK: Final = 0x00FF_FFFF
CONFIRMED: Final = 1 << 30
PUSH_APDU_SIZE_MAX: Final = 4096  # a longer APDU goes out in general blocks of this size
ENTRIES_IN_USE: Final = 7
GENERAL_GLO: Final = b"\xdb\x08"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMessage:
    """One push: wrapper frames back to back, and by what its confirmation is known."""

    octets: bytes
    long_invoke: int

    @property
    def wants_confirmation(self) -> bool:
        """Whether the meter waits for the receiver to confirm it."""
        return bool(self.long_invoke & CONFIRMED)


def push_frame(meter: ElectricityMeter, instance: int) -> bytes:
    """Give the octets of a push by this set-up (E of 0-0:25.9.E), with the meter's values of this moment.

    Raises UsageError when the meter's invocation counters are used up.
    """
    return make_push(meter, instance).octets


def make_push(meter: ElectricityMeter, instance: int) -> PushMessage:
    """Make a push by this set-up. Raises UsageError when the meter's invocation counters are used up."""
    view = meter.view
    meter.catch_up()
    confirmed = operation_method(view, instance) is OperationMethod.CONFIRMED
    notification = DataNotification(
        long_invoke=int(view.system_epoch_s()) & INVOKE_ID_MASK | (CONFIRMED if confirmed else 0),
        date_time=view.zone.local_time(view.now_epoch_s()).to_bytes(),
        body=_body(meter, instance),
    )
    apdu = _context(meter, b"").protect(notification.to_bytes(), CipherForm.GENERAL_GLO, Protection.BOTH)
    pieces = [apdu] if len(apdu) <= PUSH_APDU_SIZE_MAX else cut_stream(apdu, PUSH_APDU_SIZE_MAX)
    frames = (encode_wrapper(MANAGEMENT_DEVICE, Client.MANAGEMENT, piece) for piece in pieces)
    return PushMessage(octets=b"".join(frames), long_invoke=notification.long_invoke)


def confirms(meter: ElectricityMeter, message: PushMessage, apdu: bytes) -> bool:
    """Tell whether an APDU confirms a push: protected under the meter's keys, with a fresh counter, for this push.

    Without that anybody could make a meter believe that its alarms arrive.
    """
    if not apdu.startswith(GENERAL_GLO):
        return False
    title = apdu[2:10]
    context = _context(meter, title, meter.lowest_acceptable_counter(title))
    try:
        opened = context.unprotect(apdu, Protection.BOTH)
        if opened.form is not CipherForm.GENERAL_GLO or not meter.accept_invocation_counter(title, opened.counter):
            return False
        return DataNotificationConfirm.from_bytes(opened.apdu).long_invoke == message.long_invoke
    except (SecurityError, PeerError):
        return False


def _context(meter: ElectricityMeter, peer_title: bytes, lowest_counter: int = 0) -> SecurityContext:
    keys, specification = keys_of(meter.view), meter.view.specification
    return SecurityContext(
        own_title=specification.system_title,
        peer_title=peer_title,
        cipher=ApduCipher(keys.guek, keys.gak, suite_of(meter.view)),
        next_counter=meter.next_invocation_counter,
        peer_counter=GrowingCounter(lowest_counter),
    )


def _body(meter: ElectricityMeter, instance: int) -> bytes:
    values = []
    for column in push_columns(meter.view, instance):
        value = meter.get(Client.MANAGEMENT, column.address, _selection(meter, column))
        values.append(value if isinstance(value, bytes) else encode_null())
    return encode_structure(*values)


def _selection(meter: ElectricityMeter, column: PushColumn) -> bytes | None:
    """Give the selection of a column; of so many newest entries the range of numbers that they have now."""
    if not column.newest:
        return column.selection
    address = AttributeAddress(column.address.class_id, column.address.obis_code, ENTRIES_IN_USE)
    in_use = meter.get(Client.MANAGEMENT, address, None)
    count = decode_all(in_use) if isinstance(in_use, bytes) else 0
    return EntrySelection(from_entry=max(1, count - column.newest + 1)).to_bytes()
