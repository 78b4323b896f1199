"""The electricity meters we emulate, object by object: a single-phase and a three-phase one.

Choices where the standard leaves one: distortion is E = 124 of the voltage (C = 12, 32, 52, 72) and current (C = 11,
31, 51, 71) objects; firmware identifiers are 1-0:0.2.0 with checksum 1-0:0.2.8 for the metrology part and 1-0:0.2.1
with 1-0:0.2.9 for the management part; the newest event of any log is 0-0:96.11.21 (its log: 0-0:96.11.20).
"""

from collections.abc import Callable, Mapping
from typing import Final

from meterworks.devices import (
    clock_object,
    disconnect_control,
    identity_object,
    image_transfer,
    limiter,
    push_object,
    register_object,
    security_setup,
)
from meterworks.devices.access import CLIENTS, Audience
from meterworks.devices.association_object import association_entry
from meterworks.devices.history import HISTORIES, HistoryTable, encode_capture_objects
from meterworks.devices.image_transfer import IMAGE_BLOCK_SIZE
from meterworks.devices.model import (
    Bindings,
    DeviceModel,
    Entry,
    command,
    entry,
    history,
    kept,
    setting,
    state,
)  # fmt: skip
from meterworks.devices.push_object import PUSH_SETUPS
from meterworks.devices.push_setup import push_entry
from meterworks.devices.tariff_part import TARIFF_PART, TARIFF_WATCHES
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    ObisCode,
    ScalerUnit,
    Unit,
    encode_array,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import (
    CLASSES,
    CLOCK,
    DATA,
    DEMAND_REGISTER,
    DISCONNECT_CONTROL,
    EXTENDED_REGISTER,
    IMAGE_TRANSFER,
    LIMITER,
    PROFILE_GENERIC,
    REGISTER,
    SAP_ASSIGNMENT,
    SCRIPT_TABLE,
    SINGLE_ACTION_SCHEDULE,
)

__all__ = ["METER_MODELS", "SINGLE_PHASE_METER", "THREE_PHASE_METER"]

EVERYONE: Final = Audience.EVERYONE
MANAGERS: Final = Audience.MANAGERS
ASSOCIATION_VERSION: Final = 3

WATT_HOUR: Final = ScalerUnit(0, Unit.WATT_HOUR).to_bytes()
VAR_HOUR: Final = ScalerUnit(0, Unit.VAR_HOUR).to_bytes()
WATT: Final = ScalerUnit(0, Unit.WATT).to_bytes()
MILLIVOLT: Final = ScalerUnit(-3, Unit.VOLT).to_bytes()
MILLIAMPERE: Final = ScalerUnit(-3, Unit.AMPERE).to_bytes()
MILLIHERTZ: Final = ScalerUnit(-3, Unit.HERTZ).to_bytes()
PERMILLE: Final = ScalerUnit(-3, Unit.NONE).to_bytes()
HUNDREDTH_PERCENT: Final = ScalerUnit(-2, Unit.PERCENT).to_bytes()

SORT_FIFO: Final = 1
CLOCK_CRYSTAL: Final = 1
SERVICE_EXECUTE: Final = 2  # of a script's action
TYPE_SINGLE_TIME: Final = 1
TYPE_LIST_OF_TIMES: Final = 5  # class 22: several times, dates with wildcards
NOTHING: Final = encode_structure()


def _profile(name: str) -> Entry:
    """Write the row of a profile: everything but its buffer follows from the history's own row."""
    table = HISTORIES[name]
    return entry(
        str(table.obis_code), PROFILE_GENERIC,
        buffer=history(name), capture_objects=encode_capture_objects(table),
        capture_period=state(f"{name}_capture_period"), sort_method=encode_enum(SORT_FIFO),
        sort_object=CLOCK_OBJECT.to_bytes(), entries_in_use=state(f"{name}_entries_in_use"),
        profile_entries=state(f"{name}_profile_entries"), reset=command(f"{name}_reset"),
    )  # fmt: skip


def _script(number: int, class_id: int, obis_code: str, method: int) -> bytes:
    """Encode a script of one action: execute a method with integer 0."""
    action = encode_structure(
        encode_enum(SERVICE_EXECUTE), encode_long_unsigned(class_id), encode_octet_string(ObisCode(obis_code)),
        encode_integer(method), encode_integer(0),
    )  # fmt: skip
    return encode_structure(encode_long_unsigned(number), encode_array([action]))


def _registers(table: str) -> tuple[Entry, ...]:
    """Write rows of registers: OBIS code, name of the state, unit."""
    rows = (line.split() for line in table.strip().splitlines())
    return tuple(entry(code, REGISTER, value=state(name), scaler_unit=_UNITS[unit]) for code, name, unit in rows)


_UNITS: Final = {
    "Wh": WATT_HOUR, "varh": VAR_HOUR, "W": WATT, "mV": MILLIVOLT, "mA": MILLIAMPERE, "mHz": MILLIHERTZ,
    "permille": PERMILLE, "0.01%": HUNDREDTH_PERCENT,
}  # fmt: skip

MANAGEMENT_PART: Final = (
    entry("0.0.42.0.0.255", DATA, EVERYONE, value=state("logical_device_name")),
    entry(
        "0.0.41.0.0.255", SAP_ASSIGNMENT, EVERYONE, sap_assignment_list=state("sap_list"),
        connect_logical_device=command("connect_logical_device"),
    ),
    association_entry("0.0.40.0.0.255", EVERYONE, version=ASSOCIATION_VERSION),
    *(
        association_entry(f"0.0.40.0.{client.association_index}.255", audience, version=ASSOCIATION_VERSION)
        for client, audience in zip(CLIENTS.values(), (EVERYONE, Audience.READERS, MANAGERS), strict=True)
    ),
    entry("0.0.43.1.0.255", DATA, EVERYONE, value=state("invocation_counter")),
    entry(
        "0.0.43.0.0.255", CLASSES[64, 1],
        security_policy=state("security_policy"), security_suite=setting("security_suite"),
        client_system_title=encode_octet_string(b""), server_system_title=state("system_title"),
        certificates=state("certificates"), security_activate=command("security_activate"),
        key_transfer=command("key_transfer"), key_agreement=command("key_agreement"),
        generate_key_pair=command("generate_key_pair"),
        generate_certificate_request=command("generate_certificate_request"),
        import_certificate=command("import_certificate"), export_certificate=command("export_certificate"),
        remove_certificate=command("remove_certificate"),
    ),
    entry("0.0.96.1.0.255", DATA, value=state("serial")),
    entry("0.0.96.1.1.255", DATA, value=encode_octet_string(b"Meterworks emulated electricity meter")),
    entry("1.0.0.2.1.255", DATA, EVERYONE, value=state("management_firmware")),
    entry("1.0.0.2.9.255", DATA, EVERYONE, value=state("management_checksum")),
    *(push_entry(instance) for instance in PUSH_SETUPS),
    entry(
        "0.0.15.0.4.255", SINGLE_ACTION_SCHEDULE, MANAGERS,
        executed_script=encode_structure(
            encode_octet_string(ObisCode("0.0.10.0.108.255")), encode_long_unsigned(1)
        ),
        type=encode_enum(TYPE_LIST_OF_TIMES), execution_time=setting("push_execution_time"),
    ),
    entry(
        "0.0.10.0.108.255", SCRIPT_TABLE, MANAGERS, execute=command("execute_push_script"),
        scripts=encode_array(_script(number + 1, 40, str(PUSH_SETUPS[number].obis_code), 1) for number in PUSH_SETUPS),
    ),
    entry(
        "0.0.10.0.106.255", SCRIPT_TABLE, MANAGERS, execute=command("execute_switch_script"),
        scripts=encode_array(_script(number, 70, "0.0.96.3.10.255", number) for number in (1, 2)),
    ),
    entry(
        "0.0.44.0.0.255", IMAGE_TRANSFER, MANAGERS,
        image_block_size=encode_double_long_unsigned(IMAGE_BLOCK_SIZE),
        image_transferred_blocks_status=state("image_transferred_blocks"),
        image_first_not_transferred_block_number=state("image_first_not_transferred"),
        image_transfer_enabled=setting("image_enabled"), image_transfer_status=state("image_status"),
        image_to_activate_info=state("image_to_activate"), image_transfer_initiate=command("image_initiate"),
        image_block_transfer=command("image_block_transfer"), image_verify=command("image_verify"),
        image_activate=command("image_activate"),
    ),
    entry(
        "0.0.15.0.2.255", SINGLE_ACTION_SCHEDULE, MANAGERS,
        executed_script=encode_structure(encode_octet_string(ObisCode("0.0.10.0.107.255")), encode_long_unsigned(1)),
        type=encode_enum(TYPE_SINGLE_TIME), execution_time=kept(encode_array([])),
    ),
    entry(
        "0.0.10.0.107.255", SCRIPT_TABLE, MANAGERS, execute=command("execute_activation_script"),
        scripts=encode_array([_script(1, 18, "0.0.44.0.0.255", 4)]),
    ),
    entry(
        "0.0.96.3.10.255", DISCONNECT_CONTROL,
        output_state=state("output_state"), control_state=state("control_state"), control_mode=setting("control_mode"),
        remote_disconnect=command("disconnect"), remote_reconnect=command("reconnect"),
    ),
    entry(
        "0.0.17.0.0.255", LIMITER,
        monitored_value=setting("limit_monitored"), threshold_active=state("limit_active"),
        threshold_normal=setting("limit_normal"),
        threshold_emergency=setting("limit_emergency"), min_over_threshold_duration=setting("limit_over"),
        min_under_threshold_duration=setting("limit_under"),
        emergency_profile=setting("limit_emergency_profile"),
        emergency_profile_group_id_list=setting("limit_emergency_groups"),
        emergency_profile_active=state("limit_emergency_active"), actions=setting("limit_actions"),
    ),
)  # fmt: skip

METROLOGY_PART: Final = (
    entry("1.0.0.2.0.255", DATA, EVERYONE, value=state("metrology_firmware")),
    entry("1.0.0.2.8.255", DATA, EVERYONE, value=state("metrology_checksum")),
    entry(
        "0.0.1.0.0.255", CLOCK, EVERYONE,
        time=setting("clock_time"), time_zone=setting("clock_time_zone"), status=state("clock_status"),
        daylight_savings_begin=setting("clock_saving_begins"), daylight_savings_end=setting("clock_saving_ends"),
        daylight_savings_deviation=setting("clock_saving_deviation"),
        daylight_savings_enabled=setting("clock_saving_enabled"), clock_base=encode_enum(CLOCK_CRYSTAL),
        adjust_to_quarter=command("clock_adjust_to_quarter"),
        adjust_to_measuring_period=command("clock_adjust_to_measuring_period"),
        adjust_to_minute=command("clock_adjust_to_minute"), adjust_to_preset_time=command("clock_adjust_to_preset"),
        preset_adjusting_time=command("clock_preset"), shift_time=command("clock_shift"),
    ),
    *_registers("""
        1.0.1.8.0.255     import_wh             Wh
        1.0.1.8.1.255     import_rate_1_wh      Wh
        1.0.1.8.2.255     import_rate_2_wh      Wh
        1.0.2.8.0.255     export_wh             Wh
        1.0.2.8.1.255     export_rate_1_wh      Wh
        1.0.2.8.2.255     export_rate_2_wh      Wh
        1.0.3.8.0.255     import_varh           varh
        1.0.4.8.0.255     export_varh           varh
        1.0.1.29.0.255    import_wh_interval    Wh
        1.0.2.29.0.255    export_wh_interval    Wh
        1.0.3.29.0.255    import_varh_interval  varh
        1.0.4.29.0.255    export_varh_interval  varh
        1.0.1.7.0.255     import_power          W
        1.0.2.7.0.255     export_power          W
        1.0.13.7.0.255    power_factor          permille
        1.0.14.7.0.255    frequency             mHz
        1.0.12.7.124.255  voltage_thd           0.01%
        1.0.11.7.124.255  current_thd           0.01%
        1.0.32.7.0.255    voltage_l1            mV
        1.0.31.7.0.255    current_l1            mA
        1.0.32.7.124.255  voltage_thd_l1        0.01%
        1.0.31.7.124.255  current_thd_l1        0.01%
    """),
    entry(
        "1.0.1.6.0.255", EXTENDED_REGISTER,
        value=state("maximum_demand"), scaler_unit=WATT, status=encode_unsigned(0),
        capture_time=state("maximum_demand_at"),
    ),
    entry(
        "1.0.1.4.0.255", DEMAND_REGISTER,
        current_average_value=state("demand_running"), last_average_value=state("demand_last"), scaler_unit=WATT,
        status=encode_unsigned(0), capture_time=state("demand_last_at"), start_time_current=state("demand_last_at"),
        period=state("demand_period"), number_of_periods=encode_long_unsigned(1),
    ),
    *(_profile(name) for name in HISTORIES),
    entry("0.0.96.10.1.255", DATA, value=state("profile_status")),
    entry("0.0.96.11.0.255", DATA, value=state("event_standard")),
    entry("0.0.96.11.1.255", DATA, value=state("event_tamper")),
    entry("0.0.96.11.4.255", DATA, value=state("event_power_quality")),
    entry("0.0.96.11.20.255", DATA, value=state("event_newest_log")),
    entry("0.0.96.11.21.255", DATA, value=state("event_newest")),
    entry("0.0.97.97.0.255", DATA, value=encode_double_long_unsigned(0)),
)  # fmt: skip

FURTHER_PHASES: Final = _registers("""
    1.0.52.7.0.255    voltage_l2            mV
    1.0.51.7.0.255    current_l2            mA
    1.0.52.7.124.255  voltage_thd_l2        0.01%
    1.0.51.7.124.255  current_thd_l2        0.01%
    1.0.72.7.0.255    voltage_l3            mV
    1.0.71.7.0.255    current_l3            mA
    1.0.72.7.124.255  voltage_thd_l3        0.01%
    1.0.71.7.124.255  current_thd_l3        0.01%
""")


def _profile_states(table: HistoryTable) -> dict[str, Callable[[MeterView, int], bytes]]:
    return {
        f"{table.name}_capture_period": lambda view, client_sap: encode_double_long_unsigned(table.period_s(view)),
        f"{table.name}_entries_in_use": lambda view, client_sap: encode_double_long_unsigned(
            table.entries_in_use(view)
        ),
        f"{table.name}_profile_entries": lambda view, client_sap: encode_double_long_unsigned(
            table.profile_entries(view)
        ),
    }


_PROFILE_STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    name: getter for table in HISTORIES.values() for name, getter in _profile_states(table).items()
}

METER_BINDINGS: Final = Bindings(
    states={
        **clock_object.STATES, **register_object.STATES, **identity_object.STATES, **disconnect_control.STATES,
        **limiter.STATES, **image_transfer.STATES, **security_setup.STATES, **push_object.STATES, **_PROFILE_STATES,
    },
    settings={
        **clock_object.SETTINGS, **disconnect_control.SETTINGS, **limiter.SETTINGS, **image_transfer.SETTINGS,
        **push_object.SETTINGS, **security_setup.SETTINGS,
    },
    histories={name: table.read for name, table in HISTORIES.items()},
    commands={
        **clock_object.COMMANDS, **identity_object.COMMANDS, **disconnect_control.COMMANDS, **image_transfer.COMMANDS,
        **security_setup.COMMANDS, **push_object.COMMANDS,
        **{f"{name}_reset": table.reset for name, table in HISTORIES.items()},
    },
    watches=(image_transfer.IMAGE_WATCH, limiter.LIMITER_WATCH, *TARIFF_WATCHES),
)  # fmt: skip

SINGLE_PHASE_METER: Final = DeviceModel(
    name="single-phase meter", phases=1, entries=MANAGEMENT_PART + METROLOGY_PART + TARIFF_PART,
    bindings=METER_BINDINGS,
)  # fmt: skip
THREE_PHASE_METER: Final = DeviceModel(
    name="three-phase meter", phases=3, entries=MANAGEMENT_PART + METROLOGY_PART + FURTHER_PHASES + TARIFF_PART,
    bindings=METER_BINDINGS,
)  # fmt: skip

METER_MODELS: Final[Mapping[int, DeviceModel]] = {
    model.phases: model for model in (SINGLE_PHASE_METER, THREE_PHASE_METER)
}
