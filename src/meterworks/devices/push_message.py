"""What a meter pushes, as bytes: a data-notification in general-glo-ciphering, in a wrapper frame.

The notification carries the meter's clock in its header and one structure as its body: the values of the push set-up's
object list, see `push_object`. It is authenticated and encrypted under the meter's global keys and takes its next
invocation counter. The system title in front of it is the meter's identity.
Source: data-notification (IEC 62056-5-3), general-glo-ciphering; fact sheet sections 4 and 6.
"""

from typing import Final

from meterworks.devices.access import Client
from meterworks.devices.meter import ElectricityMeter
from meterworks.devices.meter_key import keys_of
from meterworks.devices.push_object import PUSH_SETUPS
from meterworks.protocols.dlms import (
    MANAGEMENT_DEVICE,
    AttributeAddress,
    CipherForm,
    DataNotification,
    GrowingCounter,
    Protection,
    SecurityContext,
    Suite0Cipher,
    encode_null,
    encode_structure,
    encode_wrapper,
)

__all__ = ["push_frame"]

INVOKE_ID_MASK: Final = 0x00FF_FFFF


def push_frame(meter: ElectricityMeter, instance: int) -> bytes:
    """Give the wrapper frame of a push by this set-up (E of 0-0:25.9.E), with the meter's values of this moment.

    Raises UsageError when the meter's invocation counters are used up.
    """
    view = meter.view
    specification, keys = view.specification, keys_of(view)
    context = SecurityContext(
        own_title=specification.system_title,
        peer_title=b"",
        cipher=Suite0Cipher(keys.guek, keys.gak, specification.suite),
        next_counter=meter.next_invocation_counter,
        peer_counter=GrowingCounter(),
    )
    notification = DataNotification(
        long_invoke=int(view.system_epoch_s()) & INVOKE_ID_MASK,
        date_time=view.zone.local_time(view.now_epoch_s()).to_bytes(),
        body=_body(meter, instance),
    )
    apdu = context.protect(notification.to_bytes(), CipherForm.GENERAL_GLO, Protection.BOTH)
    return encode_wrapper(MANAGEMENT_DEVICE, Client.MANAGEMENT, apdu)


def _body(meter: ElectricityMeter, instance: int) -> bytes:
    values = []
    for column in PUSH_SETUPS[instance].objects:
        address = AttributeAddress(column.class_id, column.obis_code, column.attribute)
        value = meter.get(Client.MANAGEMENT, address, None)
        values.append(value if isinstance(value, bytes) else encode_null())
    return encode_structure(*values)
