"""What an OBIS code means, in words: the names of well-known objects, and the grammar A-B:C.D.E.F of measured values.

`describe` first looks for a row of `_OBJECTS` (abstract objects: clock, associations, logs...), then reads the code by
medium: what is measured (C), how it was processed (D), which tariff, harmonic or phase (E), which billing period (F).
A code nobody standardised is named by its parts, so that the answer is never empty.

Source: OBIS (IEC 62056-6-1); fact sheet section 8.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.cosem.obis_electricity import electricity_value
from meterworks.protocols.dlms.cosem.obis_medium import MEDIUM_VALUES, MEDIUMS
from meterworks.protocols.dlms.obis import ObisCode

__all__ = ["describe"]

UNUSED: Final = 255
BILLING_PERIODS_MAX: Final = 99
MAKER_GROUPS: Final = range(128, 255)  # codes of these groups belong to the maker

#: Abstract objects and those every medium has: pattern A-B:C.D.E (`m` is 50 and above, the maker's), and the name.
_OBJECTS_TEXT: Final = """
*-b:0.0.e          | equipment number {e}
*-b:0.1.0          | billing period counter
*-b:0.1.1          | number of billing periods available
*-b:0.1.2          | time stamp of the last billing period
*-b:0.2.0          | firmware identifier, metrology part
*-b:0.2.1          | parameter record number
*-b:0.2.8          | firmware signature, metrology part
*-b:0.2.e          | program identification {e}
*-b:0.8.4          | capture period of load profile 1
*-b:0.8.5          | capture period of load profile 2
*-b:0.9.1          | local time
*-b:0.9.2          | local date
*-b:0.9.11         | clock time shift limit
*-b:0.11.1         | measurement period 1
0-b:1.0.e          | clock
0-b:1.1.e          | Unix clock
0-b:1.2.e          | high resolution clock
0-b:2.0.0          | modem configuration
0-b:2.1.0          | auto connect
0-b:2.2.0          | auto answer
0-b:2.0.1          | firmware identifier, communication module
0-b:10.0.0         | script table: global meter reset
0-b:10.0.1         | script table: end of billing period (MDI reset)
0-b:10.0.100       | script table: tariffs
0-b:10.0.101       | script table: test mode
0-b:10.0.102       | script table: normal mode
0-b:10.0.103       | script table: output signals
0-b:10.0.104       | script table: switch optical test output
0-b:10.0.105       | script table: power quality measurement
0-b:10.0.106       | script table: disconnect
0-b:10.0.107       | script table: image activation
0-b:10.0.108       | script table: push
0-b:10.0.109       | script table: load profile control
0-b:10.0.110       | script table: M-Bus profile control
0-b:10.0.111       | script table: function control
0-b:10.0.125       | script table: broadcast
0-b:10.1.e         | script table: M-Bus {e}
0-b:11.0.e         | special days
0-b:12.0.e         | schedule
0-b:13.0.e         | activity calendar
0-b:14.0.e         | register activation
0-b:15.0.0         | single action schedule: end of billing period
0-b:15.0.1         | single action schedule: disconnect
0-b:15.0.2         | single action schedule: image activation
0-b:15.0.3         | single action schedule: output
0-b:15.0.4         | single action schedule: push
0-b:15.0.5         | single action schedule: load profile control
0-b:15.0.6         | single action schedule: M-Bus profile control
0-b:15.0.7         | single action schedule: function control
0-b:15.0.e         | single action schedule {e}
0-b:15.1.e         | single action schedule {e}, second group
0-b:16.0.e         | register monitor {e}
0-b:16.1.e         | alarm monitor {e}
0-b:16.2.e         | parameter monitor {e}
0-b:17.0.e         | limiter
0-b:18.0.e         | array manager
0-b:19.e.0         | @payment
0-b:20.0.0         | optical port (IEC 62056-21)
0-b:20.0.1         | electrical port (IEC 62056-21)
0-b:21.0.e         | standard readout {e}
0-b:22.0.0         | HDLC setup
0-b:23.0.0         | twisted pair setup
0-b:24.0.0         | M-Bus slave port setup
0-b:24.1.0         | M-Bus client
0-b:24.2.e         | M-Bus value {e}
0-b:24.3.0         | M-Bus load profile
0-b:24.3.e         | M-Bus profile {e}
0-b:24.4.0         | M-Bus disconnect control (valve)
0-b:24.5.0         | M-Bus control log
0-b:24.6.0         | M-Bus master port setup
0-b:24.8.e         | DLMS/COSEM server M-Bus port setup
0-b:24.9.e         | M-Bus diagnostic
0-b:25.0.0         | TCP-UDP setup
0-b:25.1.0         | IPv4 setup
0-b:25.2.0         | MAC address setup
0-b:25.3.0         | PPP setup
0-b:25.4.0         | GPRS modem setup
0-b:25.5.0         | SMTP setup
0-b:25.6.0         | GSM diagnostic
0-b:25.7.0         | IPv6 setup
0-b:25.8.0         | FTP setup
0-b:25.9.e         | push setup {e}
0-b:25.10.0        | NTP setup
0-b:25.11.e        | LTE monitoring
0-b:25.16.0        | CoAP setup
0-b:25.17.0        | CoAP diagnostic
0-b:26.0.0         | S-FSK Phy and MAC setup
0-b:26.1.0         | S-FSK active initiator
0-b:26.2.0         | S-FSK MAC synchronisation time-outs
0-b:26.3.0         | S-FSK MAC counters
0-b:26.5.0         | IEC 61334-4-32 LLC setup
0-b:26.6.0         | S-FSK reporting system list
0-b:27.e.0         | ISO/IEC 8802-2 LLC setup, type {e}
0-b:28.0.0         | PRIME LLC SSCS setup
0-b:28.1.0         | PRIME physical layer counters
0-b:28.2.0         | PRIME MAC setup
0-b:28.3.0         | PRIME MAC functional parameters
0-b:28.4.0         | PRIME MAC counters
0-b:28.5.0         | PRIME MAC network administration data
0-b:28.6.0         | PRIME MAC address setup
0-b:28.7.0         | PRIME application identification
0-b:29.0.0         | G3-PLC MAC layer counters
0-b:29.1.0         | G3-PLC MAC setup
0-b:29.2.0         | G3-PLC 6LoWPAN adaptation layer setup
0-b:30.e.0         | ZigBee setup {e}
0-b:31.0.0         | wireless mode Q channel
0-b:33.e.0         | HS-PLC setup {e}
0-b:40.0.0         | current association
0-b:40.0.e         | association {e}
0-b:41.0.0         | SAP assignment
0-b:42.0.0         | logical device name
0-b:43.0.e         | security setup {e}
0-b:43.1.e         | invocation counter {e}
0-b:43.2.e         | data protection {e}
0-b:44.0.e         | image transfer
0-b:44.1.e         | function control
0-b:44.2.e         | communication port protection {e}
0-b:65.e.*         | utility tables
0-b:66.0.e         | compact data {e}
0-b:67.0.e         | sensor manager {e}
*-b:94.*.*         | country specific
0-b:96.1.e         | device identifier {e}
*-b:96.1.e         | device identifier {e}
0-b:96.2.0         | number of configuration changes
0-b:96.2.1         | time of the last configuration change
0-b:96.2.13        | time of the last passive calendar activation
*-b:96.2.e         | event of parameter change {e}
0-b:96.3.1         | state of the input control signals
0-b:96.3.2         | state of the output control signals
0-b:96.3.10        | disconnect control
0-b:96.3.20        | arbitrator
*-b:96.3.e         | control signals {e}
*-b:96.4.e         | internal control signals {e}
*-b:96.5.e         | internal operating status {e}
0-b:96.6.0         | battery use time
0-b:96.6.1         | battery charge
0-b:96.6.3         | battery voltage
0-b:96.6.6         | battery remaining time
*-b:96.6.e         | battery {e}
0-b:96.7.0         | number of power failures in all phases
0-b:96.7.5         | number of long power failures in all phases
0-b:96.7.9         | number of long power failures in any phase
0-b:96.7.10        | time of the last power failure in all phases
0-b:96.7.15        | duration of the last long power failure in all phases
0-b:96.7.19        | duration of the last long power failure in any phase
0-b:96.7.20        | threshold of a long power failure
0-b:96.7.21        | number of power failures in any phase
*-b:96.7.e         | power failure monitoring {e}
0-b:96.8.0         | operating time
*-b:96.8.e         | operating time of tariff {e}
*-b:96.9.0         | ambient temperature
0-b:96.10.e        | profile status {e}
*-b:96.10.e        | status register {e}
*-b:96.11.e        | event code of log {e}
*-b:96.12.5        | GSM signal strength
*-b:96.12.e        | communication port {e}
0-b:96.13.0        | consumer message text
0-b:96.13.1        | consumer message code
0-b:96.13.e        | consumer message {e}
*-b:96.14.0        | current tariff
*-b:96.14.e        | tariff register {e}
*-b:96.15.e        | event counter {e}
*-b:96.16.e        | meter tamper {e}
*-b:96.17.e        | profile entry signature {e}
*-b:96.20.e        | meter tamper event {e}
*-b:96.m.*         | maker specific
*-b:97.97.e        | error register {e}
*-b:97.98.e        | @alarm
*-b:98.1.e         | billing profile
*-b:98.2.e         | billing profile, second scheme
*-b:98.10.e        | list of registers {e}
0-b:99.1.e         | load profile 1
*-b:99.1.e         | load profile 1
*-b:99.2.e         | load profile 2
*-b:99.3.e         | load profile in test
*-b:99.4.e         | power quality profile
*-b:99.12.e        | connection profile
*-b:99.13.e        | GSM diagnostic profile
*-b:99.14.e        | charge collection profile
*-b:99.97.e        | power failure log
*-b:99.98.0        | event log: standard
*-b:99.98.1        | event log: fraud detection
*-b:99.98.2        | event log: disconnect control
*-b:99.98.3        | event log: M-Bus
*-b:99.98.4        | event log: power quality
*-b:99.98.5        | event log: communication
*-b:99.98.e        | event log {e}
*-b:99.99.e        | certification data log
0-b:128.*.*        | maker specific
"""


def _payment(parts: tuple[int, ...]) -> str:
    kinds = ("account", "credit", "charge", "token gateway")
    number = parts[3]
    return f"{kinds[number // 10] if number < 40 else kinds[3]} {number % 10}"


def _alarm(parts: tuple[int, ...]) -> str:
    kinds = ("alarm register", "alarm filter", "alarm descriptor")
    number = parts[4]
    return f"{kinds[number // 10]} {number % 10 + 1}" if number < 30 else f"alarm object {number}"


_COMPUTED: Final[Mapping[str, Callable[[tuple[int, ...]], str]]] = MappingProxyType(
    {"@payment": _payment, "@alarm": _alarm}
)


_WILD: Final[Mapping[str, str]] = MappingProxyType({"e": r"\d+", "*": r"\d+", "m": r"(?:[5-9]\d|\d{3})"})


def _rows() -> Mapping[int, tuple[tuple["re.Pattern[str]", str], ...]]:
    """Compile the patterns, by value group C: a code is held against the few rows of its group."""
    by_group: dict[int, list[tuple[re.Pattern[str], str]]] = {}
    for line in _OBJECTS_TEXT.strip().splitlines():
        pattern, name = (part.strip() for part in line.split("|"))
        medium, _, rest = pattern.partition("-b:")
        parts = [part if part.isdecimal() else _WILD[part] for part in rest.split(".")]
        first = medium if medium.isdecimal() else r"\d+"
        compiled = re.compile(rf"{first}-{'.'.join(parts)}".replace(".", r"\."))
        by_group.setdefault(int(rest.split(".")[0]), []).append((compiled, name))
    return MappingProxyType({group: tuple(rows) for group, rows in by_group.items()})


_OBJECTS: Final = _rows()


def describe(obis_code: bytes) -> str:
    """Give the name of an object in words, from its OBIS code (six octets).

    Always gives something: for a code outside the standard, its medium and parts. Raises EncodeError for anything but
    six octets.
    """
    code = ObisCode(obis_code)
    medium, channel, quantity, processing, tariff, period = code
    name = _object_name(code)
    if name is None and medium == 1:
        name = electricity_value(quantity, processing, tariff)
    elif name is None and medium in MEDIUM_VALUES:
        name = MEDIUM_VALUES[medium](quantity, processing, tariff)
    if name is None:
        maker = any(part in MAKER_GROUPS for part in (channel, quantity, processing, tariff))
        name = f"{'maker specific object' if maker else 'object'} {quantity}.{processing}.{tariff}"
    elif medium > 1:
        name = f"{MEDIUMS.get(medium, f'medium {medium}')}: {name}"
    return name + _channel(medium, channel) + _period(period)


def _object_name(code: ObisCode) -> str | None:
    parts = tuple(code)
    text = f"{parts[0]}-{parts[2]}.{parts[3]}.{parts[4]}"
    for pattern, name in _OBJECTS.get(parts[2], ()):
        if pattern.fullmatch(text):
            return _COMPUTED[name](parts) if name in _COMPUTED else name.format(e=parts[4])
    return None


def _channel(medium: int, channel: int) -> str:
    if not channel:
        return ""
    if channel in MAKER_GROUPS:
        return f", maker's channel {channel}"
    return f", channel {channel}" if medium else f" of channel {channel}"


def _period(period: int) -> str:
    if period == UNUSED:
        return ""
    return f", billing period {period}" if period <= BILLING_PERIODS_MAX else f", billing period group {period}"
