"""What ZigBee clusters of the GB system say: commands with their fields, attributes, statuses, types. Pure tables.

A command is known by cluster, direction (s: from the server, c: to it) and number. Attributes that come in families
(tiers, blocks, debts) are rows with a step. A number in no row stays a number.
Source: ZigBee smart energy profile 1.2b and 1.4 (price, metering, messaging, prepayment, calendar, device management,
events); GBCS annex on ZigBee; fact tables (clusters and commands by use case).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from meterworks.companions.gb.result.zcl_field import Layout, layout_of

__all__ = [
    "ATTRIBUTES",
    "CLUSTERS",
    "COMMANDS",
    "DEFAULT_RESPONSE",
    "READ_ATTRIBUTES",
    "READ_ATTRIBUTES_RESPONSE",
    "SNAPSHOTS",
    "STATUSES",
    "TYPES",
    "CommandRow",
    "attribute_name",
    "command_name",
]

READ_ATTRIBUTES: Final = 0x00
READ_ATTRIBUTES_RESPONSE: Final = 0x01
DEFAULT_RESPONSE: Final = 0x0B

CLUSTERS: Final[Mapping[int, str]] = MappingProxyType({
    0x0000: "basic", 0x0700: "price", 0x0702: "metering", 0x0703: "messaging", 0x0705: "prepayment",
    0x0707: "calendar", 0x0708: "device_management", 0x0709: "events",
})  # fmt: skip

STATUSES: Final[Mapping[int, str]] = MappingProxyType({
    0x00: "success", 0x01: "failure", 0x7E: "not_authorised", 0x80: "malformed_command",
    0x81: "unsupported_cluster_command", 0x82: "unsupported_general_command",
    0x83: "unsupported_manufacturer_cluster_command", 0x84: "unsupported_manufacturer_general_command",
    0x85: "invalid_field", 0x86: "unsupported_attribute", 0x87: "invalid_value", 0x88: "read_only",
    0x89: "insufficient_space", 0x8A: "duplicate_exists", 0x8B: "not_found", 0x8C: "unreportable_attribute",
    0x8D: "invalid_data_type", 0x8E: "invalid_selector", 0x8F: "write_only", 0x90: "inconsistent_startup_state",
    0x91: "defined_out_of_band", 0x94: "timeout", 0xC0: "hardware_failure", 0xC1: "software_failure",
    0xC2: "calibration_error", 0xC3: "unsupported_cluster",
})  # fmt: skip

# Types of attributes: name, and how a value is read (see `zcl_field`).
TYPES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {0x08 + size: (f"data{8 * size + 8}", f"u{8 * size + 8}") for size in range(8)}
    | {0x10: ("boolean", "u8")}
    | {0x18 + size: (f"bitmap{8 * size + 8}", f"u{8 * size + 8}") for size in range(8)}
    | {0x20 + size: (f"uint{8 * size + 8}", f"u{8 * size + 8}") for size in range(8)}
    | {0x28 + size: (f"int{8 * size + 8}", f"i{8 * size + 8}") for size in range(8)}
    | {0x30: ("enum8", "u8"), 0x31: ("enum16", "u16"), 0x41: ("octet_string", "text"), 0x42: ("string", "text")}
    | {0xE1: ("date", "date"), 0xE2: ("utc", "utc")}
)


class CommandRow(NamedTuple):
    """A command of a cluster and the fields of its payload: the forms that devices write, the usual one first."""

    name: str
    layouts: tuple[Layout, ...]


_ISSUED = "provider:u32 issuer_event:u32 "
_PARTS = "command_index:u8 commands:u8 "
_SNAPSHOT = "snapshot:u32 time:utc snapshots_found:u8 " + _PARTS + "cause:u32 payload_type:u8 payload:hex"

# cluster, direction, command, name, fields; another form of the payload stands behind a bar
_ROWS: Final = (
    (0x0700, "c", 0x00, "get_current_price", "options:u8"),
    (0x0700, "c", 0x0B, "get_billing_period", "earliest_start:utc min_issuer_event:u32 periods:u8 tariff_type:u8"),
    (0x0700, "s", 0x00, "publish_price",
     "provider:u32 rate_label:text issuer_event:u32 time:utc unit_of_measure:u8 currency:u16 "
     "price_trailing_digit_and_tier:u8 price_tiers_and_register_tier:u8 start:utc duration_min:u16 price:u32"
     "|provider:u32 rate_label:text issuer_event:u32 time:utc unit_of_measure:u8 currency:u16 "
     "price_trailing_digit_and_tier:u8 price_tiers_and_register_tier:u8 start:utc duration_min:u16 price:u32 "
     "not_used:hex"),
    (0x0700, "s", 0x01, "publish_block_period",
     _ISSUED + "start:utc duration:u24 control:u8 duration_type:u8 tariff_type:u8 tariff_resolution_period:u8"),
    (0x0700, "s", 0x02, "publish_conversion_factor", "issuer_event:u32 start:utc factor:u32 trailing_digit:u8"),
    (0x0700, "s", 0x03, "publish_calorific_value", "issuer_event:u32 start:utc value:u32 unit:u8 trailing_digit:u8"),
    (0x0700, "s", 0x04, "publish_tariff_information",
     _ISSUED + "tariff:u32 start:utc tariff_type_and_charging_scheme:u8 label:text price_tiers:u8 "
     "block_thresholds:u8 unit_of_measure:u8 currency:u16 price_trailing_digit:u8 standing_charge:u32 "
     "tier_block_mode:u8 block_threshold_multiplier:u24 block_threshold_divisor:u24"),
    (0x0700, "s", 0x05, "publish_price_matrix",
     _ISSUED + "start:utc tariff:u32 " + _PARTS + "sub_payload_control:u8 prices:(tier_and_block:u8,price:u32)*"),
    (0x0700, "s", 0x06, "publish_block_thresholds",
     _ISSUED + "start:utc tariff:u32 " + _PARTS + "sub_payload_control:u8 thresholds:u48#"),
    (0x0700, "s", 0x09, "publish_billing_period", _ISSUED + "start:utc duration:u24 duration_type:u8 tariff_type:u8"),
    (0x0702, "c", 0x06, "get_snapshot", "earliest_start:utc latest_end:utc offset:u8 cause:u32"),
    (0x0702, "c", 0x07, "start_sampling", "issuer_event:u32 start:utc sample_type:u8 interval_s:u16 samples_max:u16"),
    (0x0702, "c", 0x08, "get_sampled_data", "sample:u16 earliest:utc sample_type:u8 samples_max:u16"),
    (0x0702, "c", 0x0B, "change_supply",
     _ISSUED + "requested:utc implementation:utc proposed_status:u8 control:u8"),
    (0x0702, "c", 0x0D, "set_supply_status",
     "issuer_event:u32 tamper_state:u8 depletion_state:u8 uncontrolled_flow_state:u8 load_limit_state:u8"),
    (0x0702, "c", 0x0E, "set_uncontrolled_flow_threshold",
     _ISSUED + "threshold:u16 unit_of_measure:u8 multiplier:u16 divisor:u16 stabilisation_period:u8 "
     "measurement_period:u16"),
    (0x0702, "s", 0x06, "publish_snapshot", _SNAPSHOT),
    (0x0702, "s", 0x07, "get_sampled_data_response",
     "sample:u16 start:utc sample_type:u8 interval_s:u16 samples_count:u16 samples:u24*"),
    (0x0702, "s", 0x0C, "supply_status_response", _ISSUED + "implementation:utc supply_status:u8"),
    (0x0702, "s", 0x0D, "start_sampling_response", "sample:u16"),
    (0x0703, "s", 0x00, "display_message",
     "message:u32 control:u8 start:utc duration_min:u16 text:text"
     "|message:u32 control:u8 start:utc duration_min:u16 text:text extended_control:u8"),
    (0x0705, "c", 0x00, "select_available_emergency_credit",
     "time:utc originating_device:u8"),
    (0x0705, "c", 0x02, "change_debt",
     "issuer_event:u32 label:text amount:i32 recovery_method:u8 amount_type:u8 start:utc collection_time_min:u16 "
     "recovery_frequency:u8 recovery_amount:i32 recovery_percentage:u16"),
    (0x0705, "c", 0x03, "emergency_credit_setup", "issuer_event:u32 start:utc limit:u32 threshold:u32"),
    (0x0705, "c", 0x04, "consumer_top_up", "originating_device:u8 token:text"),
    (0x0705, "c", 0x05, "credit_adjustment", "issuer_event:u32 start:utc adjustment_type:u8 value:i32"),
    (0x0705, "c", 0x06, "change_payment_mode", _ISSUED + "implementation:utc control:u16 cut_off_value:i32"),
    (0x0705, "c", 0x07, "get_prepay_snapshot", "earliest_start:utc latest_end:utc offset:u8 cause:u32"),
    (0x0705, "c", 0x08, "get_top_up_log", "latest_end:utc records:u8"),
    (0x0705, "c", 0x09, "set_low_credit_warning_level", "level:u32"),
    (0x0705, "c", 0x0A, "get_debt_repayment_log", "latest_end:utc records:u8 debt_type:u8"),
    (0x0705, "c", 0x0B, "set_maximum_credit_limit",
     _ISSUED + "implementation:utc credit_limit:u32 credit_per_top_up_max:u32"),
    (0x0705, "c", 0x0C, "set_overall_debt_cap", _ISSUED + "implementation:utc debt_cap:i32"),
    (0x0705, "s", 0x01, "publish_prepay_snapshot", _SNAPSHOT),
    (0x0705, "s", 0x02, "change_payment_mode_response",
     "friendly_credit:u8 friendly_credit_calendar:u32 emergency_credit_limit:u32 emergency_credit_threshold:u32"),
    (0x0705, "s", 0x03, "consumer_top_up_response",
     "result_type:u8 top_up_value:i32 source_of_top_up:u8 credit_remaining:i32"),
    (0x0705, "s", 0x05, "publish_top_up_log", _PARTS + "entries:(token:text,amount:i32,time:utc)*"),
    (0x0705, "s", 0x06, "publish_debt_log",
     _PARTS + "entries:(time:utc,amount_collected:u32,debt_type:u8,outstanding_debt:u32)*"),
    (0x0707, "c", 0x01, "get_day_profiles", "provider:u32 calendar:u32 first_day:u8 days:u8"),
    (0x0707, "c", 0x02, "get_week_profiles", "provider:u32 calendar:u32 first_week:u8 weeks:u8"),
    (0x0707, "c", 0x03, "get_seasons", "provider:u32 calendar:u32"),
    (0x0707, "c", 0x04, "get_special_days", "start:utc events:u8 calendar_type:u8 provider:u32 calendar:u32"),
    (0x0707, "s", 0x00, "publish_calendar",
     _ISSUED + "calendar:u32 start:utc calendar_type:u8 time_reference:u8 name:text seasons:u8 week_profiles:u8 "
     "day_profiles:u8"),
    (0x0707, "s", 0x01, "publish_day_profile",
     _ISSUED + "calendar:u32 day:u8 entries_total:u8 " + _PARTS
     + "calendar_type:u8 entries:(start_min:u16,action:u8)*"),
    (0x0707, "s", 0x02, "publish_week_profile",
     _ISSUED + "calendar:u32 week:u8 monday:u8 tuesday:u8 wednesday:u8 thursday:u8 friday:u8 saturday:u8 sunday:u8"),
    (0x0707, "s", 0x03, "publish_seasons", _ISSUED + "calendar:u32 " + _PARTS + "entries:(start:date,week:u8)*"),
    (0x0707, "s", 0x04, "publish_special_days",
     _ISSUED + "calendar:u32 start:utc calendar_type:u8 entries_total:u8 " + _PARTS + "entries:(date:date,day:u8)*"),
    (0x0708, "c", 0x04, "report_event_configuration", _PARTS + "settings:(event:u16,configuration:u8)*"),
    (0x0708, "s", 0x00, "publish_change_of_tenancy",
     _ISSUED + "tariff_type:u8 implementation:utc control:u32"),
    (0x0708, "s", 0x01, "publish_change_of_supplier",
     "current_provider:u32 issuer_event:u32 tariff_type:u8 proposed_provider:u32 implementation:utc control:u32 "
     "proposed_name:text proposed_contact:text"),
    (0x0708, "s", 0x02, "request_new_password_response",
     "issuer_event:u32 implementation:utc duration_min:u16 password_type:u8 password:text"),
    (0x0708, "s", 0x03, "update_site_id", "issuer_event:u32 site_time:utc provider:u32 site:text"),
    (0x0708, "s", 0x04, "set_event_configuration",
     "issuer_event:u32 start:utc configuration:u8 configuration_control:u8 events:u16#"),
    (0x0708, "s", 0x05, "get_event_configuration", "event:u16"),
    (0x0708, "s", 0x06, "update_cin", "issuer_event:u32 implementation:utc provider:u32 number:text"),
    (0x0709, "c", 0x00, "get_event_log", "control:u8 event:u16 start:utc end:utc events_max:u8 offset:u16"),
    (0x0709, "c", 0x01, "clear_event_log_request", "log:u8"),
    (0x0709, "s", 0x01, "publish_event_log",
     "events_total:u16 " + _PARTS + "log_control:u8 entries:(log:u8,event:u16,time:utc,data:text)*"),
    (0x0709, "s", 0x02, "clear_event_log_response", "cleared_logs:u8"),
)  # fmt: skip

COMMANDS: Final[Mapping[tuple[int, bool, int], CommandRow]] = MappingProxyType(
    {
        (cluster, way == "s", number): CommandRow(name, tuple(map(layout_of, forms.split("|"))))
        for cluster, way, number, name, forms in _ROWS
    }
)

_DELIVERED: Final = "bill_to_date:u32 bill_time:utc projected_bill:u32 projected_bill_time:utc bill_trailing_digit:u8 "
_SNAPSHOT_ROWS: Final = (
    (0x0702, 0x00, "current_summation:u48 " + _DELIVERED + "tiers:u48#"),
    (0x0702, 0x02, "current_summation:u48 " + _DELIVERED + "tiers:u48# tiers_and_blocks:u8 blocks:u48*"),
    (0x0702, 0x04, "current_summation:u48 tiers:u48#"),
    (0x0702, 0x06, "current_summation:u48 tiers:u48# tiers_and_blocks:u8 blocks:u48*"),
    (0x0705, 0x00,
     "accumulated_debt:i32 debt_1_remaining:u32 debt_2_remaining:u32 debt_3_remaining:u32 "
     "emergency_credit_remaining:i32 credit_remaining:i32"),
)  # fmt: skip

# What stands in the payload of a snapshot, by cluster and type of the payload.
SNAPSHOTS: Final[Mapping[tuple[int, int], Layout]] = MappingProxyType(
    {(cluster, kind): layout_of(fields) for cluster, kind, fields in _SNAPSHOT_ROWS}
)

# cluster, first attribute, names of consecutive ones
_ATTRIBUTE_ROWS: Final = (
    (0x0000, 0x0000, "zcl_version application_version stack_version hardware_version manufacturer_name "
     "model_identifier date_code power_source"),
    (0x0700, 0x0200, "block_period_start block_period_duration_min threshold_multiplier threshold_divisor "
     "block_period_duration_type"),
    (0x0700, 0x0300, "commodity_type standing_charge conversion_factor conversion_factor_trailing_digit "
     "calorific_value calorific_value_unit calorific_value_trailing_digit"),
    (0x0700, 0x0610, "tariff_label price_tiers_in_use block_thresholds_in_use tier_block_mode"),
    (0x0700, 0x0615, "unit_of_measure currency price_trailing_digit"),
    (0x0700, 0x0619, "tariff_resolution_period"),
    (0x0702, 0x0000, "current_summation_delivered current_summation_received current_max_demand_delivered "
     "current_max_demand_received dft_summation daily_freeze_time power_factor reading_snapshot_time "
     "current_max_demand_delivered_time current_max_demand_received_time default_update_period "
     "fast_poll_update_period current_block_period_consumption daily_consumption_target current_block "
     "profile_interval_period interval_read_reporting_period preset_reading_time volume_per_report "
     "flow_restriction supply_status"),
    (0x0702, 0x0200, "status remaining_battery_life hours_in_operation hours_in_fault extended_status "
     "remaining_battery_life_in_days current_meter_id ambient_consumption_indicator"),
    (0x0702, 0x0300, "unit_of_measure multiplier divisor summation_formatting demand_formatting "
     "historical_consumption_formatting metering_device_type site_id meter_serial_number"),
    (0x0702, 0x0607, "supply_tamper_state supply_depletion_state supply_uncontrolled_flow_state"),
    (0x0702, 0x0A00, "bill_to_date_delivered bill_to_date_time_delivered projected_bill_delivered "
     "projected_bill_time_delivered bill_delivered_trailing_digit"),
    (0x0702, 0x0B10, "uncontrolled_flow_threshold uncontrolled_flow_threshold_unit_of_measure "
     "uncontrolled_flow_multiplier uncontrolled_flow_divisor flow_stabilisation_period flow_measurement_period"),
    (0x0705, 0x0000, "payment_control credit_remaining emergency_credit_remaining credit_status "
     "credit_remaining_time accumulated_debt overall_debt_cap"),
    (0x0705, 0x0010, "emergency_credit_limit emergency_credit_threshold"),
    (0x0705, 0x0020, "total_credit_added max_credit_limit max_credit_per_top_up"),
    (0x0705, 0x0030, "friendly_credit_warning low_credit_warning ihd_low_credit_warning interrupt_suspend_time "
     "remaining_friendly_credit_time next_friendly_credit_period"),
    (0x0705, 0x0040, "cut_off_value"),
    (0x0705, 0x0080, "token_carrier"),
)  # fmt: skip

_DEBT: Final = ("label", "amount", "recovery_method", "recovery_start", "collection_time", "",
                "recovery_frequency", "recovery_amount", "", "recovery_percentage")  # fmt: skip


def _attributes() -> Mapping[tuple[int, int], str]:
    table: dict[tuple[int, int], str] = {}
    for cluster, first, names in _ATTRIBUTE_ROWS:
        table |= {(cluster, first + place): name for place, name in enumerate(names.split())}
    for debt in (1, 2, 3):
        table |= {
            (0x0705, 0x0200 + 16 * debt + place): f"debt_{debt}_{name}" for place, name in enumerate(_DEBT) if name
        }
    for tier in range(1, 49):
        table[0x0702, 0x0100 + 2 * (tier - 1)] = f"current_tier_{tier}_summation_delivered"
        table[0x0702, 0x0101 + 2 * (tier - 1)] = f"current_tier_{tier}_summation_received"
    for block in range(1, 17):
        table[0x0700, 0x00FF + block] = f"block_{block}_threshold"
        table[0x0700, 0x03FF + block] = f"block_{block}_price"
        table[0x0702, 0x06FF + block] = f"current_block_{block}_summation_delivered"
        for tier in range(1, 16):
            table[0x0700, 0x03FF + 16 * tier + block] = f"tier_{tier}_block_{block}_price"
            table[0x0702, 0x06FF + 16 * tier + block] = f"current_tier_{tier}_block_{block}_summation_delivered"
    return MappingProxyType(table)


ATTRIBUTES: Final = _attributes()


def attribute_name(cluster: int, attribute: int) -> str:
    """The name of an attribute; its number where no row has it."""
    return ATTRIBUTES.get((cluster, attribute), f"attribute_{attribute:04x}")


def command_name(cluster: int, is_from_server: bool, number: int) -> str:
    """The name of a command of a cluster, with the cluster; numbers where no row has it."""
    row = COMMANDS.get((cluster, is_from_server, number))
    return f"{CLUSTERS.get(cluster, f'cluster_{cluster:04x}')}.{row.name if row else f'command_{number:02x}'}"
