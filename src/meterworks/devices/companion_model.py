"""Meters in the style of two companion profiles: IDIS (package 2) and the Dutch requirements (DSMR, later SMR).

They are styles, not certified models: the objects and columns that public descriptions of these profiles name, with our
own meter's behaviour behind them, and kept values where nobody emulates an object yet (M-Bus channels, modem).

Facts: IDIS package 2 as public clients read it (load profiles 1-0:99.1 and 99.2, billing 0-0:98.1, logs 0-0:99.98.0 to
.5 and .7, power failure log 1-0:99.97, push set-ups 0-b:25.9 by purpose, alarm register, filter and descriptor
0-0:97.98); DSMR P3 companion (interval, daily and monthly profile by rates, AMR profile status 0-0:96.10.2, four M-Bus
channels, consumer messages, sags and swells, power failures).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from meterworks.devices.errors import ModelError
from meterworks.devices.meter_model import METER_MODELS
from meterworks.devices.model import DeviceModel
from meterworks.devices.model_table import build_model
from meterworks.devices.prepayment_part import prepayment_model

__all__ = ["MODELS", "OWN_STYLE", "STYLES", "model_of"]

OWN_STYLE: Final = "meterworks"
PREPAYMENT_STYLE: Final = "prepayment"
PHASES_MANY: Final = 3

#: Objects every companion model takes over from our own meter.
_COMMON: Final = """
0-0:42.0.0.255       *    everyone  meter
0-0:41.0.0.255       *    everyone  meter
0-0:43.0.0.255       *    readers   meter
0-0:43.1.0.255       *    everyone  meter
0-0:1.0.0.255        *    everyone  meter
0-0:96.1.0.255       1.0  readers   data serial
1-0:0.2.0.255        *    everyone  meter
1-0:0.2.8.255        *    everyone  meter
0-0:25.9.0.255       *    managers  meter
0-0:25.9.1.255       *    managers  meter
0-0:25.9.2.255       *    managers  meter
0-0:15.0.4.255       *    managers  meter
0-0:10.0.108.255     *    managers  meter
0-0:10.0.106.255     *    managers  meter
0-0:10.0.107.255     *    managers  meter
0-0:10.0.100.255     *    managers  meter
0-0:44.0.0.255       *    managers  meter
0-0:96.3.10.255      *    readers   meter
0-0:17.0.0.255       *    readers   meter
0-0:13.0.0.255       *    readers   meter
0-0:11.0.0.255       *    readers   meter
0-0:14.0.0.255       *    readers   meter
0-0:96.14.0.255      *    readers   meter
0-0:15.0.1.255       22.0 managers  kept    # disconnect schedule
0-0:15.0.2.255       *    managers  meter
0-0:99.98.0.255      *    readers   meter
0-0:99.98.1.255      *    readers   meter
0-0:96.11.0.255      *    readers   meter
0-0:96.11.1.255      *    readers   meter
0-0:96.11.20.255     *    readers   meter
0-0:96.11.21.255     *    readers   meter
0-0:99.98.5.255      7.1  readers   profile log_communication
0-0:96.11.5.255      1.0  readers   kept
0-0:97.97.0.255      *    readers   meter
1-0:99.97.0.255      7.1  readers   profile log_power_failure
0-0:96.7.19.255      1.0  readers   kept
0-0:96.7.21.255      1.0  readers   kept
0-0:96.13.0.255      1.0  readers   kept    # consumer message text
0-0:96.13.1.255      1.0  readers   kept    # consumer message code
1-0:1.8.0.255        3.0  readers   register import_wh Wh
1-0:1.8.1.255        3.0  readers   register import_rate_1_wh Wh
1-0:1.8.2.255        3.0  readers   register import_rate_2_wh Wh
1-0:2.8.0.255        3.0  readers   register export_wh Wh
1-0:2.8.1.255        3.0  readers   register export_rate_1_wh Wh
1-0:2.8.2.255        3.0  readers   register export_rate_2_wh Wh
1-0:1.7.0.255        3.0  readers   register import_power W
1-0:2.7.0.255        3.0  readers   register export_power W
1-0:32.7.0.255       3.0  readers   register voltage_l1 mV
1-0:31.7.0.255       3.0  readers   register current_l1 mA
1-0:32.32.0.255      1.0  readers   kept    # sags
1-0:32.36.0.255      1.0  readers   kept    # swells
"""

_COMMON_PHASES: Final = """
1-0:52.7.0.255       3.0  readers   register voltage_l2 mV
1-0:51.7.0.255       3.0  readers   register current_l2 mA
1-0:72.7.0.255       3.0  readers   register voltage_l3 mV
1-0:71.7.0.255       3.0  readers   register current_l3 mA
1-0:52.32.0.255      1.0  readers   kept
1-0:72.32.0.255      1.0  readers   kept
1-0:52.36.0.255      1.0  readers   kept
1-0:72.36.0.255      1.0  readers   kept
"""

_IDIS: Final = """
0-0:40.0.0.255       15.2 everyone  association
0-0:40.0.1.255       15.2 everyone  association
0-0:40.0.2.255       15.2 readers   association
0-0:40.0.3.255       15.2 managers  association
0-0:96.1.1.255       *    readers   meter
0-0:96.1.2.255       1.0  readers   kept
0-0:96.1.3.255       1.0  readers   kept
0-0:96.1.4.255       1.0  readers   kept
1-1:0.2.0.255        1.0  everyone  data management_firmware
1-1:0.2.8.255        1.0  everyone  data management_checksum
1-0:0.9.11.255       3.0  managers  kept    # clock time shift limit
1-0:0.4.2.255        1.0  readers   kept
1-0:0.4.3.255        1.0  readers   kept
1-0:99.1.0.255       7.1  readers   profile idis_load_1
1-0:99.2.0.255       7.1  readers   profile idis_load_2
0-0:98.1.0.255       7.1  readers   profile idis_billing
0-0:96.10.1.255      *    readers   meter
0-0:96.10.2.255      1.0  readers   data profile_status
0-0:99.98.2.255      7.1  readers   profile log_disconnect
0-0:96.11.2.255      1.0  readers   kept
0-0:99.98.3.255      7.1  readers   profile log_mbus
0-0:96.11.3.255      1.0  readers   kept
0-0:99.98.4.255      *    readers   meter
0-0:96.11.4.255      *    readers   meter
0-0:99.98.7.255      7.1  readers   profile log_security
0-0:96.11.7.255      1.0  readers   kept
0-0:97.98.0.255      1.0  readers   kept    # alarm register 1
0-0:97.98.10.255     1.0  readers   kept    # alarm filter 1
0-0:97.98.20.255     1.0  readers   kept    # alarm descriptor 1
0-0:97.98.1.255      1.0  readers   kept
0-0:97.98.11.255     1.0  readers   kept
0-0:97.98.21.255     1.0  readers   kept
0-1:25.9.0.255       40.0 managers  kept    # push on interval 1
0-4:25.9.0.255       40.0 managers  kept    # push on alarm
0-7:25.9.0.255       40.0 managers  kept    # push on installation
0-0:10.0.0.255       9.0  managers  kept    # global reset
0-0:10.0.1.255       *    managers  meter
0-0:15.0.0.255       *    managers  meter
0-0:98.10.0.255      *    readers   meter
0-0:12.0.0.255       *    managers  meter
0-0:16.0.0.255       *    managers  meter
0-0:16.1.0.255       21.0 managers  kept    # alarm monitor 1
0-0:21.0.5.255       7.1  readers   kept    # standard readout
0-0:21.0.6.255       7.1  readers   kept
1-0:99.14.0.255      7.1  readers   kept    # power quality profile
1-0:99.4.0.255       *    readers   meter
1-0:3.8.0.255        3.0  readers   register import_varh varh
1-0:4.8.0.255        3.0  readers   register export_varh varh
1-0:1.6.0.255        *    readers   meter
1-0:1.4.0.255        *    readers   meter
1-0:14.7.0.255       3.0  readers   register frequency mHz
1-0:12.31.0.255      3.0  managers  kept    # threshold of a sag
1-0:12.35.0.255      3.0  managers  kept    # threshold of a swell
1-0:12.43.0.255      3.0  managers  kept
1-0:12.44.0.255      3.0  managers  kept
0-0:96.7.9.255       1.0  readers   kept
0-0:20.0.0.255       19.1 managers  kept
0-0:22.0.0.255       23.1 managers  kept
0-0:25.0.0.255       41.0 managers  kept
0-0:25.1.0.255       42.0 managers  kept
0-0:25.4.0.255       45.0 managers  kept
0-0:25.6.0.255       47.0 managers  kept
0-1:24.1.0.255       72.1 managers  kept
0-1:24.2.1.255       4.0  readers   kept
0-1:24.2.2.255       4.0  readers   kept
0-1:24.3.0.255       7.1  readers   kept
0-2:24.1.0.255       72.1 managers  kept
0-2:24.2.1.255       4.0  readers   kept
0-2:24.3.0.255       7.1  readers   kept
"""

_DSMR: Final = """
0-0:40.0.0.255       15.1 everyone  association
0-0:40.0.1.255       15.1 everyone  association
0-0:40.0.2.255       15.1 readers   association
0-0:40.0.3.255       15.1 managers  association
0-0:96.1.1.255       *    readers   meter
1-1:0.2.0.255        1.0  everyone  data management_firmware
1-0:99.1.0.255       7.1  readers   profile dsmr_interval
1-0:99.2.0.255       7.1  readers   profile dsmr_daily
0-0:98.1.0.255       7.1  readers   profile dsmr_monthly
0-0:96.10.2.255      1.0  readers   data profile_status    # AMR profile status
0-0:96.7.9.255       1.0  readers   kept    # long power failures in any phase
1-0:21.7.0.255       3.0  readers   register import_power W
0-0:94.31.0.255      1.0  managers  kept    # country specific: administrative status
0-1:94.31.6.255      7.1  readers   kept    # definable load profile
0-0:25.4.0.255       45.0 managers  kept
0-0:25.6.0.255       47.0 managers  kept
0-1:24.1.0.255       72.1 managers  kept
0-1:24.2.1.255       4.0  readers   kept
0-1:24.3.0.255       7.1  readers   kept
0-1:24.4.0.255       70.0 managers  kept
0-2:24.1.0.255       72.1 managers  kept
0-2:24.2.1.255       4.0  readers   kept
0-2:24.3.0.255       7.1  readers   kept
0-3:24.1.0.255       72.1 managers  kept
0-3:24.2.1.255       4.0  readers   kept
0-4:24.1.0.255       72.1 managers  kept
0-4:24.2.1.255       4.0  readers   kept
0-0:24.6.0.255       74.0 managers  kept
0-0:99.98.3.255      7.1  readers   profile log_mbus
0-0:96.11.3.255      1.0  readers   kept
"""


_TABLES: Final[Mapping[str, str]] = MappingProxyType({"idis": _COMMON + _IDIS, "dsmr": _COMMON + _DSMR})
STYLES: Final = (OWN_STYLE, PREPAYMENT_STYLE, *_TABLES)


class _Models(Mapping[str, DeviceModel]):
    """The models by name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._names = tuple(f"{style}-{phases}" for style in STYLES for phases in METER_MODELS)
        self._made: dict[str, DeviceModel] = {}

    def __getitem__(self, name: str) -> DeviceModel:
        made = self._made.get(name)
        if made is None:
            if name not in self._names:
                raise KeyError(name)  # what a mapping owes its users
            style, _, phases = name.rpartition("-")
            made = self._made[name] = _make(style, int(phases))
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _make(style: str, phases: int) -> DeviceModel:
    if style == OWN_STYLE:
        return METER_MODELS[phases]
    if style == PREPAYMENT_STYLE:
        return prepayment_model(phases)
    table = _TABLES[style] + (_COMMON_PHASES if phases == PHASES_MANY else "")
    return build_model(f"{style} style, {phases} phase{'s' if phases > 1 else ''}", table, phases=phases)


#: Device models by name: style and number of phases, `idis-3`.
MODELS: Final[Mapping[str, DeviceModel]] = _Models()


def model_of(style: str, phases: int) -> DeviceModel:
    """Give the model of a style (one of `STYLES`) for a number of phases; ModelError where there is none."""
    found = MODELS.get(f"{style}-{phases}")
    if found is None:
        raise ModelError(f"no model of the style {style!r} with {phases} phases: there are {sorted(MODELS)}")
    return found
