"""An M-Bus client (class 72) with a gas meter behind it: installed, read, keyed and taken off again.

The sub-meter is emulated with the meter: its reading is a function of time and of its identity, so that it needs no
memory. What the client remembers of it is its address, the capture, the counter of accesses and the state of its key.
The captured reading is what the extended register of the channel shows.
Source: COSEM interface classes, M-Bus client (class 72 version 1); EN 13757-3 for the identification.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from meterworks.devices.access import Audience
from meterworks.devices.meter_key import keys_of
from meterworks.devices.model import Entry, Place, Source, deed, derived, entry, kept
from meterworks.devices.view import MeterView
from meterworks.errors import SecurityError
from meterworks.protocols.dlms import (
    ActionResult,
    CosemDateTime,
    ObisCode,
    PlainValue,
    ScalerUnit,
    Unit,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_enum,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    unwrap_key,
)
from meterworks.protocols.dlms.cosem import CLASSES, EXTENDED_REGISTER

__all__ = ["KeyStatus", "gas_reading_litres", "mbus_channel"]

GAS: Final = 3  # device type of EN 13757-3
MANUFACTURER: Final = 0x36EB  # "MWK" as EN 13757 packs it
MODEL_VERSION: Final = 1
ADDRESS_MAX: Final = 250
KEY_SIZE: Final = 16
YEAR_S: Final = 31_557_600
LITRES_PER_YEAR: Final = 1_200_000
STATE_KEY: Final = 0x100
_FORM: Final = struct.Struct("<BBBBBqI")


class KeyStatus(IntEnum):
    """Attribute 13."""

    NONE = 0
    SET = 1  # the client has a key
    TRANSFERRED = 2  # the sub-meter has it too
    IN_USE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel:
    """What the client remembers. address 0: nothing is installed."""

    address: int = 0
    accesses: int = 0
    status: int = 0
    alarm: int = 0
    key_status: int = KeyStatus.NONE
    captured_s: int = 0
    litres: int = 0

    def to_bytes(self) -> bytes:
        return _FORM.pack(
            self.address, self.accesses, self.status, self.alarm, self.key_status, self.captured_s, self.litres
        )

    @classmethod
    def from_bytes(cls, octets: bytes) -> "_Channel":
        address, accesses, status, alarm, key_status, captured_s, litres = _FORM.unpack(octets)
        return cls(
            address=address, accesses=accesses, status=status, alarm=alarm, key_status=key_status,
            captured_s=captured_s, litres=litres,
        )  # fmt: skip


def gas_reading_litres(title: bytes, channel: int, epoch_s: int, since_s: int) -> int:
    """Give what the sub-meter of a channel shows: a steady use that differs from home to home."""
    factor = 50 + zlib.crc32(title + bytes((channel,))) % 100  # percent of the usual
    return max(0, epoch_s - since_s) * LITRES_PER_YEAR * factor // 100 // YEAR_S


def _identification(view: MeterView, channel: int) -> int:
    """Give the sub-meter's number: eight decimal digits."""
    return zlib.crc32(view.specification.system_title + bytes((channel,))) % 100_000_000


def mbus_channel(channel: int) -> tuple[Entry, Entry]:
    """Give the rows of a model for a channel: the client 0-b:24.1.0 and the register 0-b:24.2.1."""
    name = ObisCode(f"0.{channel}.24.1.0.255")

    def held(view: MeterView) -> _Channel:
        octets = view.written((name, STATE_KEY))
        return _Channel() if octets is None else _Channel.from_bytes(octets)

    def shown(value_of: Callable[[MeterView, _Channel], bytes]) -> Source:
        return derived(lambda view, place, client_sap: value_of(view, held(view)))

    def method(step: Callable[[MeterView, _Channel, PlainValue], _Channel | ActionResult]) -> Source:
        def run(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
            del place
            after = step(view, held(view), parameter)
            if not isinstance(after, _Channel):
                return after
            view.write((name, STATE_KEY), after.to_bytes())
            return ActionResult.SUCCESS

        return deed(run)

    def installed(number: Callable[[MeterView], int], encoded: Callable[[int], bytes]) -> Source:
        return shown(lambda view, state: encoded(number(view) if state.address else 0))

    client = entry(
        str(name), CLASSES[72, 1], Audience.MANAGERS,
        mbus_port_reference=encode_octet_string(ObisCode("0.0.24.6.0.255")),
        capture_definition=kept(
            encode_array([encode_structure(encode_octet_string(b"\x04"), encode_octet_string(b"\x13"))])
        ),
        capture_period=kept(encode_double_long_unsigned(3600)),
        primary_address=shown(lambda view, state: encode_unsigned(state.address)),
        identification_number=installed(lambda view: _identification(view, channel), encode_double_long_unsigned),
        manufacturer_id=installed(lambda view: MANUFACTURER, encode_long_unsigned),
        version=installed(lambda view: MODEL_VERSION, encode_unsigned),
        device_type=installed(lambda view: GAS, encode_unsigned),
        access_number=shown(lambda view, state: encode_unsigned(state.accesses)),
        status=shown(lambda view, state: encode_unsigned(state.status)),
        alarm=shown(lambda view, state: encode_unsigned(state.alarm)), configuration=encode_long_unsigned(0),
        encryption_key_status=shown(lambda view, state: encode_enum(state.key_status)),
        slave_install=method(_install), slave_deinstall=method(_deinstall), capture=method(_capture_from(channel)),
        reset_alarm=method(lambda view, state, parameter: replace(state, alarm=0)), synchronize_clock=method(_reached),
        data_send=method(_reached), set_encryption_key=method(_set_key), transfer_key=method(_transfer_key),
    )  # fmt: skip
    register = entry(
        f"0.{channel}.24.2.1.255", EXTENDED_REGISTER, Audience.READERS,
        value=shown(lambda view, state: encode_double_long_unsigned(state.litres)),
        scaler_unit=ScalerUnit(-3, Unit.CUBIC_METRE).to_bytes(),
        status=shown(lambda view, state: encode_unsigned(state.status)),
        capture_time=shown(
            lambda view, state: encode_date_time(
                view.zone.local_time(state.captured_s) if state.captured_s else CosemDateTime()
            )
        ),
    )  # fmt: skip
    return client, register


def _install(view: MeterView, state: _Channel, parameter: PlainValue) -> _Channel | ActionResult:
    """Take a sub-meter at a primary address; at 0 the client finds it and gives it one."""
    del view
    if not isinstance(parameter, int) or not 0 <= parameter <= ADDRESS_MAX:
        return ActionResult.OTHER_REASON
    if state.address:
        return ActionResult.READ_WRITE_DENIED
    return replace(state, address=parameter or 1)


def _deinstall(view: MeterView, state: _Channel, parameter: PlainValue) -> _Channel | ActionResult:
    """Take the sub-meter off: its key, address and last reading are forgotten."""
    del view, parameter
    return _Channel() if state.address else ActionResult.OTHER_REASON


def _reached(view: MeterView, state: _Channel, parameter: PlainValue) -> _Channel | ActionResult:
    """Send something to the sub-meter, which takes it."""
    del view, parameter
    if not state.address:
        return ActionResult.OTHER_REASON
    return replace(state, accesses=(state.accesses + 1) % 256)


def _capture_from(channel: int) -> Callable[[MeterView, _Channel, PlainValue], _Channel | ActionResult]:
    def capture(view: MeterView, state: _Channel, parameter: PlainValue) -> _Channel | ActionResult:
        reached = _reached(view, state, parameter)
        if not isinstance(reached, _Channel):
            return reached
        now_s = int(view.now_epoch_s())
        title, since_s = view.specification.system_title, view.load.starts_epoch_s
        return replace(reached, captured_s=now_s, litres=gas_reading_litres(title, channel, now_s, since_s))

    return capture


def _set_key(view: MeterView, state: _Channel, parameter: PlainValue) -> _Channel | ActionResult:
    """Take the key that the client ciphers with; no octets take it away."""
    del view
    if not isinstance(parameter, bytes) or len(parameter) not in (0, KEY_SIZE):
        return ActionResult.TYPE_UNMATCHED
    if not state.address:
        return ActionResult.OTHER_REASON
    if not parameter:
        return replace(state, key_status=KeyStatus.NONE)
    known = state.key_status == KeyStatus.TRANSFERRED
    return replace(state, key_status=KeyStatus.IN_USE if known else KeyStatus.SET)


def _transfer_key(view: MeterView, state: _Channel, parameter: PlainValue) -> _Channel | ActionResult:
    """Send the sub-meter its key, wrapped under the meter's master key."""
    kek = keys_of(view).kek
    if not isinstance(parameter, bytes):
        return ActionResult.TYPE_UNMATCHED
    if kek is None or not state.address:
        return ActionResult.OTHER_REASON
    try:
        unwrap_key(kek, parameter)
    except SecurityError:
        return ActionResult.OTHER_REASON
    known = state.key_status == KeyStatus.SET
    sent = replace(state, accesses=(state.accesses + 1) % 256)
    return replace(sent, key_status=KeyStatus.IN_USE if known else KeyStatus.TRANSFERRED)
