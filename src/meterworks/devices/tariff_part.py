"""The objects by which a meter is told what to do when: tariffs, schedules, monitors, and profiles it captures itself.

As it leaves the factory a meter has one tariff all year, no schedule, no threshold and empty profiles. Everything here
is a setting of management; what is written survives a restart.
"""

from typing import Final

from meterworks.devices import tariff_method
from meterworks.devices.access import Audience
from meterworks.devices.captured_profile import CAPTURE_WATCH, captured_profile
from meterworks.devices.model import Entry, Place, deed, derived, entry, kept
from meterworks.devices.register_monitor import REGISTER_MONITOR_WATCH
from meterworks.devices.script import execute_script
from meterworks.devices.tariff import (
    ACTION_SCHEDULE_WATCH,
    CALENDAR_WATCH,
    SCHEDULE_WATCH,
    activate_passive,
    judge_days,
    judge_entries,
)
from meterworks.devices.view import MeterView
from meterworks.devices.watch import Watch
from meterworks.protocols.dlms import (
    ANY,
    ANY_YEAR,
    CLOCK_OBJECT,
    CaptureObject,
    CosemDateTime,
    CosemTime,
    ObisCode,
    encode_array,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import (
    ACTIVITY_CALENDAR,
    DATA,
    REGISTER_ACTIVATION,
    REGISTER_MONITOR,
    SCHEDULE,
    SCRIPT_TABLE,
    SINGLE_ACTION_SCHEDULE,
    SPECIAL_DAYS,
)

__all__ = ["TARIFF_PART", "TARIFF_WATCHES", "encode_script"]

MANAGERS: Final = Audience.MANAGERS
READERS: Final = Audience.READERS

ACTIVATION: Final = ObisCode("0.0.14.0.0.255")
TARIFF_SCRIPTS: Final = ObisCode("0.0.10.0.100.255")
BILLING_SCRIPTS: Final = ObisCode("0.0.10.0.1.255")
SNAPSHOT: Final = ObisCode("0.0.98.10.0.255")
RATES: Final = ("1.0.1.8.1.255", "1.0.1.8.2.255", "1.0.2.8.1.255", "1.0.2.8.2.255")
MASK_NAMES: Final = (b"T1", b"T2")
ACTIVE_MASK: Final = 4
SERVICE_WRITE: Final = 1
SERVICE_EXECUTE: Final = 2
EVERY_DAY: Final = 1  # id of the one day profile
LIST_OF_TIMES: Final = 5
NOWHERE: Final = bytes(6)


def encode_script(number: int, service: int, class_id: int, name: bytes, index: int, parameter: bytes) -> bytes:
    """Encode a script of one action: service 1 writes attribute `index`, 2 calls method `index`."""
    action = encode_structure(
        encode_enum(service), encode_long_unsigned(class_id), encode_octet_string(name), encode_integer(index),
        parameter,
    )  # fmt: skip
    return encode_structure(encode_long_unsigned(number), encode_array([action]))


def _run(table: bytes, selector: int) -> bytes:
    return encode_structure(encode_octet_string(table), encode_long_unsigned(selector))


def _mask(name: bytes, *indices: int) -> bytes:
    return encode_structure(encode_octet_string(name), encode_array(map(encode_unsigned, indices)))


def _text(text: bytes) -> bytes:
    return encode_octet_string(text)


_YEAR_BEGINS: Final = encode_octet_string(CosemDateTime(ANY_YEAR, 1, 1, ANY, 0, 0, 0, 0).to_bytes())
_SEASON: Final = encode_structure(_text(b"S1"), _YEAR_BEGINS, _text(b"W1"))
_WEEK: Final = encode_structure(_text(b"W1"), *(encode_unsigned(EVERY_DAY) for _ in range(7)))
_MIDNIGHT: Final = encode_octet_string(CosemTime(0, 0, 0, 0).to_bytes())
_DAY: Final = encode_structure(
    encode_unsigned(EVERY_DAY),
    encode_array([encode_structure(_MIDNIGHT, encode_octet_string(TARIFF_SCRIPTS), encode_long_unsigned(1))]),
)
_UNSET: Final = encode_octet_string(CosemDateTime().to_bytes())


def _current_tariff(view: MeterView, place: Place, client_sap: int) -> bytes:
    """Give the number of the active mask among the masks, from 1; 0 where none is active."""
    del place, client_sap
    activation = view.objects.get(ACTIVATION)
    if activation is None:
        return encode_unsigned(0)
    masks = tariff_method.kept_rows(view, ACTIVATION, 3)
    active = activation.attributes[ACTIVE_MASK - 1].value(view)
    names = [encode_octet_string(row[0].value) for row in masks if isinstance(row[0].value, bytes)]
    return encode_unsigned(names.index(active) + 1 if active in names else 0)


TARIFF_PART: Final[tuple[Entry, ...]] = (
    entry(
        str(TARIFF_SCRIPTS), SCRIPT_TABLE, MANAGERS, execute=deed(execute_script),
        scripts=kept(
            encode_array(
                encode_script(number, SERVICE_WRITE, 6, ACTIVATION, ACTIVE_MASK, encode_octet_string(name))
                for number, name in enumerate(MASK_NAMES, 1)
            )
        ),
    ),
    entry(
        str(BILLING_SCRIPTS), SCRIPT_TABLE, MANAGERS, execute=deed(execute_script),
        scripts=kept(encode_array([encode_script(1, SERVICE_EXECUTE, 7, SNAPSHOT, 2, encode_integer(0))])),
    ),
    entry(
        str(ACTIVATION), REGISTER_ACTIVATION,
        register_assignment=kept(
            encode_array(
                encode_structure(encode_long_unsigned(3), encode_octet_string(ObisCode(code))) for code in RATES
            )
        ),
        mask_list=kept(encode_array([_mask(MASK_NAMES[0], 1, 3), _mask(MASK_NAMES[1], 2, 4)])),
        active_mask=kept(encode_octet_string(MASK_NAMES[0]), tariff_method.judge_mask),
        add_register=deed(tariff_method.add_register), add_mask=deed(tariff_method.add_mask),
        delete_mask=deed(tariff_method.delete_mask),
    ),
    entry(
        "0.0.11.0.0.255", SPECIAL_DAYS, entries=kept(encode_array([])),
        insert=deed(tariff_method.insert_day), delete=deed(tariff_method.delete_day),
    ),
    entry(
        "0.0.12.0.0.255", SCHEDULE, MANAGERS, entries=kept(encode_array([]), judge_entries),
        enable_disable=deed(tariff_method.enable_disable), insert=deed(tariff_method.insert_entry),
        delete=deed(tariff_method.delete_entries),
    ),
    entry(
        "0.0.13.0.0.255", ACTIVITY_CALENDAR,
        calendar_name_active=kept(_text(b"factory")), season_profile_active=kept(encode_array([_SEASON])),
        week_profile_table_active=kept(encode_array([_WEEK])),
        day_profile_table_active=kept(encode_array([_DAY]), judge_days),
        calendar_name_passive=kept(_text(b"")), season_profile_passive=kept(encode_array([])),
        week_profile_table_passive=kept(encode_array([])), day_profile_table_passive=kept(encode_array([]), judge_days),
        activate_passive_calendar_time=kept(_UNSET), activate_passive_calendar=deed(activate_passive),
    ),
    entry("0.0.96.14.0.255", DATA, value=derived(_current_tariff)),
    entry(
        "0.0.15.0.0.255", SINGLE_ACTION_SCHEDULE, MANAGERS, executed_script=kept(_run(BILLING_SCRIPTS, 1)),
        type=kept(encode_enum(LIST_OF_TIMES)), execution_time=kept(encode_array([])),
    ),
    *(
        entry(
            f"0.0.16.0.{number}.255", REGISTER_MONITOR, MANAGERS, thresholds=kept(encode_array([])),
            monitored_value=kept(
                encode_structure(
                    encode_long_unsigned(3), encode_octet_string(ObisCode(monitored)), encode_integer(2)
                )
            ),
            actions=kept(encode_array([])),
        )
        for number, monitored in enumerate(("1.0.1.7.0.255", "1.0.32.7.0.255"))
    ),
    captured_profile(
        str(SNAPSHOT),
        (CLOCK_OBJECT, *(CaptureObject(3, ObisCode(code), 2) for code in ("1.0.1.8.0.255", "1.0.2.8.0.255"))),
        entries=12,
    ),
    captured_profile(
        "1.0.99.4.0.255",
        (CaptureObject(3, ObisCode("1.0.32.7.0.255"), 2), CLOCK_OBJECT, CaptureObject(3, ObisCode("1.0.1.7.0.255"), 2)),
        entries=200,
    ),
)  # fmt: skip

#: In the order in which they act at one instant: who decides the tariff comes before who captures it.
TARIFF_WATCHES: Final[tuple[Watch, ...]] = (
    CALENDAR_WATCH, SCHEDULE_WATCH, ACTION_SCHEDULE_WATCH, REGISTER_MONITOR_WATCH, CAPTURE_WATCH,
)  # fmt: skip
