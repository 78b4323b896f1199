"""Communication port protection (class 124): whoever guesses secrets waits longer and longer.

In the mode "locked on failed attempts" every failed authentication counts; beyond the allowed number the meter takes
no association for the initial time, then for that time by the steepness factor with each further attempt, up to the
maximum. A client that proves itself ends the count. The mode "locked" cannot be written through the only port there is.
Source: COSEM interface classes, Communication port protection (class 124).
"""

import struct
from dataclasses import astuple, dataclass, replace
from enum import IntEnum
from typing import Final

from meterworks.devices.access import Audience
from meterworks.devices.model import Entry, Place, deed, derived, entry, kept
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    ObisCode,
    PlainValue,
    decode_all,
    encode_double_long_unsigned,
    encode_enum,
    encode_long_unsigned,
    encode_octet_string,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import CLASSES

__all__ = ["PROTECTION_NAME", "ProtectionMode", "is_locked", "note_failure", "note_success", "port_protection"]

PROTECTION_NAME: Final = ObisCode("0.0.44.2.0.255")
MODE, ALLOWED, INITIAL, STEEPNESS, MAXIMUM = 2, 3, 4, 5, 6
_STATE_KEY: Final = (bytes(PROTECTION_NAME), 0x100)
_FORM: Final = struct.Struct("<IIq")
COUNT_MAX: Final = 2**32 - 1


class ProtectionMode(IntEnum):
    """Attribute 2."""

    LOCKED = 0
    LOCKED_ON_FAILURES = 1
    UNLOCKED = 2


class ProtectionStatus(IntEnum):
    """Attribute 8."""

    UNLOCKED = 0
    LOCKED_FOR_A_TIME = 1
    LOCKED = 2


@dataclass(frozen=True, slots=True)
class _Failures:
    """What was counted. locked_until_s: by the meter's clock."""

    failed: int = 0
    cumulative: int = 0
    locked_until_s: int = 0


def port_protection(port_reference: str) -> Entry:
    """Give the row of a model; it leaves the factory unlocked."""
    return entry(
        str(PROTECTION_NAME), CLASSES[124, 0], Audience.MANAGERS,
        protection_mode=kept(encode_enum(ProtectionMode.UNLOCKED), _judge_mode),
        allowed_failed_attempts=kept(encode_long_unsigned(3)),
        initial_lockout_time=kept(encode_double_long_unsigned(60)),
        steepness_factor=kept(encode_unsigned(2), _judge_steepness),
        max_lockout_time=kept(encode_double_long_unsigned(3600)),
        port_reference=encode_octet_string(ObisCode(port_reference)), protection_status=derived(_status),
        failed_attempts=derived(lambda view, place, sap: encode_double_long_unsigned(_failures(view).failed)),
        cumulative_failed_attempts=derived(
            lambda view, place, sap: encode_double_long_unsigned(_failures(view).cumulative)
        ),
        reset=deed(_reset),
    )  # fmt: skip


def is_locked(view: MeterView) -> bool:
    """Tell whether the meter takes no association now."""
    return view.written(_STATE_KEY) is not None and _failures(view).locked_until_s > view.now_epoch_s()


def note_failure(view: MeterView) -> None:
    """Count a failed authentication, if the meter protects its port."""
    if PROTECTION_NAME not in view.objects or _number(view, MODE) != ProtectionMode.LOCKED_ON_FAILURES:
        return
    before = _failures(view)
    failed = min(before.failed + 1, COUNT_MAX)
    beyond = failed - _number(view, ALLOWED)
    lock_s = 0
    if beyond > 0:
        lock_s = min(_number(view, INITIAL) * _number(view, STEEPNESS) ** min(beyond - 1, 32), _number(view, MAXIMUM))
    until_s = int(view.now_epoch_s()) + lock_s if lock_s else before.locked_until_s
    _keep(view, _Failures(failed, min(before.cumulative + 1, COUNT_MAX), until_s))


def note_success(view: MeterView) -> None:
    """End the count: a client has proved itself."""
    if view.written(_STATE_KEY) is not None and _failures(view).failed:
        _keep(view, replace(_failures(view), failed=0))


def _failures(view: MeterView) -> _Failures:
    kept_octets = view.written(_STATE_KEY)
    return _Failures() if kept_octets is None else _Failures(*_FORM.unpack(kept_octets))


def _keep(view: MeterView, failures: _Failures) -> None:
    view.write(_STATE_KEY, _FORM.pack(*astuple(failures)))


def _number(view: MeterView, attribute: int) -> int:
    encoded = view.objects[PROTECTION_NAME].attributes[attribute - 1].value(view)
    return 0 if encoded is None else int(decode_all(encoded))


def _status(view: MeterView, place: Place, client_sap: int) -> bytes:
    del place, client_sap
    return encode_enum(ProtectionStatus.LOCKED_FOR_A_TIME if is_locked(view) else ProtectionStatus.UNLOCKED)


def _judge_mode(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del view, place
    lawful = value in (ProtectionMode.LOCKED_ON_FAILURES, ProtectionMode.UNLOCKED)
    return DataAccessResult.SUCCESS if lawful else DataAccessResult.OTHER_REASON


def _judge_steepness(view: MeterView, place: Place, value: PlainValue) -> DataAccessResult:
    del view, place
    return DataAccessResult.SUCCESS if value >= 1 else DataAccessResult.OTHER_REASON


def _reset(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Begin the count anew and open the port; the sum of all attempts stays."""
    del place, parameter
    _keep(view, _Failures(cumulative=_failures(view).cumulative))
    return ActionResult.SUCCESS
