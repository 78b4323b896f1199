"""What a meter's terminals show at one moment: voltages, currents, powers, distortion, frequency.

Voltage: 240 V, less what the home's own load and the evening's load of the feeder take, more what the sun lifts, and an
autoregressive wander. Figures: load facts sheet, section 4 (a house near Paris, EN 50160).
"""

import math
from dataclasses import dataclass
from typing import Final

from meterworks.devices import Instant
from meterworks.world.noise import AUTOREGRESSION_REACH, autoregressive, lane_normals, lane_uniforms, stream_key, words

__all__ = ["TerminalLoad", "terminals"]

VOLTAGE_V: Final = 240.0
OWN_LOAD_DROP_V_PER_KW: Final = 0.42
EVENING_DROP_V: Final = 3.0
SUN_LIFT_V: Final = 5.0
WANDER_V: Final = 1.5
EVENING_HOUR, EVENING_WIDTH_H = 19.0, 3.0
VOLTAGE_STEP_S, WAVER_STEP_S = 600, 5
FREQUENCY_MHZ, FREQUENCY_WANDER_MHZ = 50_000, 22.0
_VOLTAGE, _WAVER, _FREQUENCY, _SHARES = range(51, 55)


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalLoad:
    """What flows: net active and reactive power (import positive), local time as a part of the day, sun, supply off."""

    net_w: float
    net_var: float
    evening: float
    sun_kw: float
    off: bool


def terminals(load: TerminalLoad, *, key: int, climate_key: int, phases: int, epoch_s: float) -> Instant:
    """Give the values of one moment; they hold for some seconds."""
    if load.off:
        zeros = (0,) * phases
        return Instant(
            voltage_mv=zeros, current_ma=zeros, voltage_thd_permille=zeros, current_thd_permille=zeros,
            import_power_w=0, export_power_w=0, power_factor_permille=1000, frequency_mhz=0,
        )  # fmt: skip
    step = int(epoch_s) // WAVER_STEP_S
    noise = words(stream_key(key, _WAVER), step, step + 1)
    waver = 0.97 + 0.06 * float(lane_uniforms(noise, 0)[0])
    power_w, reactive_var = load.net_w * waver, load.net_var * waver
    apparent_va = math.hypot(power_w, reactive_var)
    shares = _phase_shares(key, phases)
    voltages = [_voltage_v(load, key, line, power_w * shares[line] / 1000, epoch_s) for line in range(phases)]
    frequency_noise = _wander(stream_key(climate_key, _FREQUENCY), int(epoch_s) // WAVER_STEP_S, 0.9)
    # Small loads are mostly electronics, large ones mostly resistors: the current's distortion falls with the load.
    current_thd = 60 + 260 / (1 + apparent_va / 400)
    return Instant(
        voltage_mv=tuple(round(voltage * 1000) for voltage in voltages),
        current_ma=tuple(
            round(apparent_va * share / voltage * 1000) for share, voltage in zip(shares, voltages, strict=True)
        ),
        voltage_thd_permille=tuple(
            round(24 + 7 * _bell(load.evening) + 4 * float(lane_uniforms(noise, 1)[0])) for _ in range(phases)
        ),
        current_thd_permille=tuple(round(current_thd * (0.9 + 0.1 * line)) for line in range(phases)),
        import_power_w=max(0, round(power_w)),
        export_power_w=max(0, round(-power_w)),
        power_factor_permille=round(1000 * abs(power_w) / apparent_va) if apparent_va else 1000,
        frequency_mhz=round(FREQUENCY_MHZ + FREQUENCY_WANDER_MHZ * frequency_noise),
    )


def _phase_shares(key: int, phases: int) -> list[float]:
    if phases == 1:
        return [1.0]
    noise = words(stream_key(key, _SHARES), 0, phases)
    weights = (0.4 + lane_uniforms(noise, 0)).tolist()
    return [weight / sum(weights) for weight in weights]


def _bell(part_of_day: float) -> float:
    """The evening's load of the feeder: 1 at its top."""
    hours = abs(part_of_day * 24 - EVENING_HOUR)
    return math.exp(-((min(hours, 24 - hours) / EVENING_WIDTH_H) ** 2) / 2)


def _wander(key: int, step: int, correlation: float) -> float:
    noise = words(key, step - AUTOREGRESSION_REACH, step + 1)
    return float(autoregressive(lane_normals(noise, 0), correlation)[0])


def _voltage_v(load: TerminalLoad, key: int, line: int, power_kw: float, epoch_s: float) -> float:
    wander = _wander(stream_key(key, _VOLTAGE, line), int(epoch_s) // VOLTAGE_STEP_S, 0.8)
    drop = OWN_LOAD_DROP_V_PER_KW * power_kw + EVENING_DROP_V * _bell(load.evening)
    return VOLTAGE_V - drop + SUN_LIFT_V * load.sun_kw + WANDER_V * wander
