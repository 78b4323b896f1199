"""What a device model's profiles capture, checked once against the catalogue and compiled for decoding.

The first session with a device of a model and firmware reads capture objects, capture period and the scalers of the
captured registers; every later one decodes with the plan made of them. New firmware means a new check, because firmware
changes what is captured.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from meterworks.catalogue import PROFILES, Channel, CollectionProfile, ColumnRole, ProfileColumn
from meterworks.errors import MeterworksError
from meterworks.headend.errors import ModelMismatchError
from meterworks.headend.expectation import ProfileRule
from meterworks.headend.profile_rows import ProfileRows, RowRule
from meterworks.protocols.dlms import (
    CaptureLayout,
    ObisCode,
    ProfileTable,
    Unit,
    decode_capture_objects,
)

__all__ = [
    "DAY_S",
    "DEFAULT_STEP_S",
    "CapturePlan",
    "ModelCheck",
    "expectation_rule",
    "memory_depth_s",
    "plan_of",
    "rows_of",
    "rows_per_day",
]

DAY_S = 86_400
DEFAULT_STEP_S = 1800
"""Interval length taken for granted before a model was checked."""
REGISTER_STEP_S = 3600
DAILY_SPACING_S = 25 * 3600
"""Longest time between two local midnights."""
MONTHLY_SPACING_S = 31 * DAY_S + 3600
SCALE_MAX = 9

UNITS: Mapping[str, frozenset[Unit]] = {
    "Wh": frozenset({Unit.WATT_HOUR}),
    "varh": frozenset({Unit.VAR_HOUR}),
    "W": frozenset({Unit.WATT}),
    "V": frozenset({Unit.VOLT}),
    "A": frozenset({Unit.AMPERE}),
    "Hz": frozenset({Unit.HERTZ}),
}
"""Units a device may give for a catalogue unit; a unit that is not listed here is not checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What a device said about one of its profiles."""

    capture_objects: bytes
    capture_period_s: int
    entries_max: int
    scalers: Mapping[str, tuple[int, int]]
    """Scaler and unit of captured registers by OBIS code, of those that gave one."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class CapturePlan:
    """How one profile of one device model is decoded and turned into readings."""

    profile: CollectionProfile
    layout: CaptureLayout
    rule: RowRule
    time_index: int
    status_index: int | None
    value_indexes: tuple[int, ...]
    multipliers: tuple[tuple[int, int], ...]
    """Numerator and denominator per value column, from the device's scaler to the catalogue's."""
    interval_s: int


def memory_depth_s(profile: CollectionProfile, check: ModelCheck | None = None) -> int:
    """How far back a device remembers: its entries times its capture period, or what the catalogue takes for granted.

    check: what the device said; None before it was asked. Captures that are not periodic tell no depth.
    """
    said_s = 0 if check is None else check.entries_max * check.capture_period_s
    return said_s if said_s > 0 else profile.depth_days * DAY_S


def expectation_rule(
    profile: CollectionProfile, interval_s: int = DEFAULT_STEP_S, *, depth_s: int | None = None
) -> ProfileRule:
    """How a profile is expected. interval_s: capture period of the device's load profile. depth_s: of its memory."""
    on_grid = profile.kind == "load"
    return ProfileRule(
        profile=profile.name,
        step_s=interval_s if on_grid else REGISTER_STEP_S,
        depth_s=memory_depth_s(profile) if depth_s is None else depth_s,
        on_grid=on_grid,
    )


REGISTERS_PER_DAY = {"daily": 1.0, "monthly": 1 / 28}


def rows_per_day(profile: CollectionProfile, interval_s: int = DEFAULT_STEP_S) -> float:
    """Readings a day of a profile, all its columns together. interval_s: 0 for a profile that is not periodic."""
    entries = DAY_S / interval_s if profile.kind == "load" else REGISTERS_PER_DAY[profile.kind]
    return entries * len(profile.value_columns)


def plan_of(profile_name: str, check: ModelCheck) -> CapturePlan:
    """Compile a plan; the same answer of a device gives the same plan.

    Raises ModelMismatchError when the profile lacks its clock or all of its values, has a unit or an interval length
    the catalogue does not know.
    """
    scalers = tuple(sorted(check.scalers.items()))
    return _plan(profile_name, check.capture_objects, check.capture_period_s, scalers)


@lru_cache(maxsize=512)
def _plan(
    profile_name: str,
    capture_objects: bytes,
    capture_period_s: int,
    scalers: tuple[tuple[str, tuple[int, int]], ...],
) -> CapturePlan:
    profile = PROFILES[profile_name]
    layout = CaptureLayout.compile(decode_capture_objects(capture_objects), capture_period_s)
    if layout.time_index is None:
        raise ModelMismatchError(f"profile {profile_name} captures no clock", profile=profile_name)
    found = [(column, index) for column in profile.value_columns if (index := _index_of(layout, column)) is not None]
    if not found:
        raise ModelMismatchError(
            f"profile {profile_name} captures none of the catalogue's columns: {layout.names}", profile=profile_name
        )
    channels = tuple(_channel(profile, column, capture_period_s) for column, _ in found)
    status = next((c for c in profile.columns if c.role is ColumnRole.STATUS), None)
    known = dict(scalers)
    return CapturePlan(
        profile=profile,
        layout=layout,
        time_index=layout.time_index,
        rule=RowRule(
            channels=tuple(channel.id for channel in channels),
            step_s=_spacing_s(profile, capture_period_s),
            on_grid=profile.kind == "load",
        ),
        status_index=_index_of(layout, status) if status else None,
        value_indexes=tuple(index for _, index in found),
        multipliers=tuple(
            _multiplier(channel, known.get(column.obis_code))
            for (column, _), channel in zip(found, channels, strict=True)
        ),
        interval_s=capture_period_s,
    )


def _index_of(layout: CaptureLayout, column: ProfileColumn) -> int | None:
    name = bytes(ObisCode(column.obis_code))
    for index, captured in enumerate(layout.objects):
        if captured.obis_code == name and captured.attribute == column.attribute and captured.data_index == 0:
            return index
    return None


def _channel(profile: CollectionProfile, column: ProfileColumn, interval_s: int) -> Channel:
    try:
        return profile.channel_of(column, interval_s)
    except MeterworksError as error:
        raise ModelMismatchError(
            f"profile {profile.name} captures every {interval_s} s, which no channel has", profile=profile.name
        ) from error


def _spacing_s(profile: CollectionProfile, capture_period_s: int) -> int:
    return {"load": capture_period_s, "daily": DAILY_SPACING_S, "monthly": MONTHLY_SPACING_S}[profile.kind]


def _multiplier(channel: Channel, scaler_unit: tuple[int, int] | None) -> tuple[int, int]:
    if scaler_unit is None:
        return 1, 1
    scaler, unit = scaler_unit
    accepted = UNITS.get(channel.unit)
    if accepted is not None and unit not in accepted:
        raise ModelMismatchError(f"channel {channel.code} is in {channel.unit}, the device's register has unit {unit}")
    exponent = scaler - channel.scaler
    if abs(exponent) > SCALE_MAX:
        raise ModelMismatchError(f"channel {channel.code}: scaler {scaler} is out of all proportion")
    return (10**exponent, 1) if exponent >= 0 else (1, 10**-exponent)


def scaled(value: int, scaler_unit: tuple[int, int], channel: Channel) -> int:
    """One register's value in the channel's own power of ten."""
    numerator, denominator = _multiplier(channel, scaler_unit)
    return value * numerator // denominator


def rows_of(table: ProfileTable, plan: CapturePlan) -> ProfileRows:
    """The columns of a decoded buffer that become readings."""
    columns = []
    for index, (numerator, denominator) in zip(plan.value_indexes, plan.multipliers, strict=True):
        values, present = table.columns[index], table.present[index]
        if values.dtype != np.int64:
            raise ModelMismatchError(f"column {plan.layout.names[index]} of {plan.profile.name} holds no whole numbers")
        if numerator != 1 or denominator != 1:
            values = values * numerator // denominator
        columns.append((values, None if present is None else ~present))
    status = None if plan.status_index is None else table.columns[plan.status_index]
    return ProfileRows(
        stamps=table.time_epoch_s,
        stamps_valid=table.present[plan.time_index],
        status=status if status is not None and status.dtype == np.int64 else None,
        columns=columns,
    )
