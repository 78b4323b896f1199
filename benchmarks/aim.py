"""What each figure should be: one row per aim, matched to the figures of a run by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["AIMS", "Aim", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Aim:
    """A limit for figures of a benchmark. figure: a pattern of dotted names; the worst one that fits is judged."""

    benchmark: str
    figure: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    text: str = ""


# Rows of a profile: null_times and full_stamps are what meters send; in random_nulls every other row changes shape.
AIMS = (
    Aim("decode", "17520_rows.[!r]*.times_best_peer", at_least=100, unit="x", text="best Python peer, 17,520 rows"),
    Aim("decode", "1440_rows.[!r]*.times_best_peer", at_least=50, unit="x", text="best Python peer, 1,440 rows"),
    Aim("decode", "48_rows.[!r]*.times_best_peer", at_least=4, unit="x", text="best Python peer, 48 rows"),
    Aim("decode", "17520_rows.random*.times_best_peer", at_least=100, unit="x", text="... rows of changing shape"),
    Aim("decode", "1440_rows.random*.times_best_peer", at_least=50, unit="x", text="... rows of changing shape"),
    Aim("decode", "48_rows.random*.times_best_peer", at_least=4, unit="x", text="... rows of changing shape"),
    Aim("decode", "17520_rows.*.meterworks_rows_per_s", at_least=500_000, unit="rows/s", text="slowest form"),
    Aim("apdu", "small.*.times_best_peer", at_least=5, unit="x", text="best Python peer, small APDUs, worst"),
    Aim("apdu", "encode.48_rows.times_best_peer", at_least=4, unit="x", text="encode 48 rows"),
    Aim("apdu", "encode.1440_rows.times_best_peer", at_least=50, unit="x", text="encode 1,440 rows"),
    Aim("apdu", "encode.17520_rows.times_best_peer", at_least=100, unit="x", text="encode 17,520 rows"),
    Aim("protection", "kib.protect_us", at_most=4, unit="us", text="1 KiB general-glo, protect"),
    Aim("protection", "kib.unprotect_us", at_most=5, unit="us", text="1 KiB general-glo, unprotect"),
    Aim("sessions", "ratio_alone", at_least=2, unit="x", text="dlms-cosem's client alone"),
    Aim("sessions", "ratio_many", at_least=2.5, unit="x", text="dlms-cosem's clients, many"),
    Aim("fleet_memory", "per_meter_read_once_kb", at_most=20, unit="kB", text="per emulated meter at 10,000"),
    Aim("warehouse", "bytes_per_reading.merged", at_most=2, unit="bytes", text="per stored reading, 2,000 meters"),
    Aim("api", "7 days, device, JSON.p99_ms", at_most=5, unit="ms", text="7 days, device, p99"),
    Aim("api", "7 days, metering point, JSON.p99_ms", at_most=5, unit="ms", text="7 days, metering point, p99"),
    Aim("api", "13 months, device, *.p99_ms", at_most=50, unit="ms", text="13 months, device, p99"),
    Aim("api", "13 months, metering point, *.p99_ms", at_most=50, unit="ms", text="13 months, point, p99"),
    Aim(
        "end_to_end",
        "load_import.readings_per_s_steady",
        at_least=300_000,
        unit="readings/s",
        text="meter to committed row",
    ),
    Aim("channels", "reading.tls_cost_365_days_percent", at_most=25, unit="%", text="TLS on reading a year, resumed"),
    Aim("channels", "reading.tls_cost_1_days_percent", at_most=25, unit="%", text="TLS on reading a day, resumed"),
    Aim("gbcs", "command_us.plain.*.build_protect", at_most=150, unit="us", text="GB command, built and MACed"),
    Aim("gbcs", "answer_us.plain.*.verify_read", at_most=250, unit="us", text="GB response, verified and read"),
    Aim(
        "gbcs",
        "command_us.signed.*.overhead_to_bare",
        at_most=1,
        unit="x",
        text="GB signed command, beyond cryptography",
    ),
    Aim("gbcs", "answer_us.signed.*.overhead_to_bare", at_most=1, unit="x", text="GB signed response, likewise"),
    Aim("end_to_end", "bytes_per_reading_compacted", at_most=2, unit="bytes", text="per stored reading, compacted"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An aim beside the figure it is judged by. ratio: 1 where just met, more where better."""

    aim: Aim
    figure: str
    value: float
    ratio: float

    @property
    def met(self) -> bool:
        """Whether the aim is met."""
        return self.ratio >= 1


def judge(benchmark: str, figures: Mapping[str, object]) -> list[Verdict]:
    """The aims of a benchmark that has run; an aim without its figure is a defect of the benchmark and raises."""
    found = []
    for aim in AIMS:
        if aim.benchmark != benchmark:
            continue
        ratios = {name: _ratio(aim, value) for name, value in figures.items() if fnmatchcase(name, aim.figure)}
        name = min(ratios, key=lambda each: ratios[each])
        found.append(Verdict(aim, name, float(str(figures[name])), ratios[name]))
    return found


def _ratio(aim: Aim, value: object) -> float:
    number = float(str(value))
    if aim.at_least is not None:
        return number / aim.at_least
    return (aim.at_most or 0.0) / number
