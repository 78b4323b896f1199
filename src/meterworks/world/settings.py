"""Which neighbourhood to emulate: the settings of this folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterworks.world.errors import NeighbourhoodError
from meterworks.world.replay_file import LabelMeaning, Unit

__all__ = ["METERS_DEFAULT", "NeighbourhoodSettings"]

METERS_DEFAULT: Final = 200
METERS_MAX: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourhoodSettings:
    """Which neighbourhood to emulate. Taken on the first start of a data folder; later starts must not differ."""

    meters: int | None = None
    """Number of meters; default 200, or all households of a replayed file."""
    seed: int | None = None
    """Draws the same homes for the same number; none draws one."""
    replay: Path | None = None
    """A Parquet or CSV file of interval readings to replay instead of emulated homes."""
    replay_zone: str = ""
    """IANA zone of the file's labels when they are local time; empty: UTC."""
    replay_label: LabelMeaning = "start"
    """Whether a label names the start or the end of its interval."""
    replay_unit: Unit = "auto"
    """Unit of columns whose names do not end in wh or kwh."""
    replay_shift: bool = True
    """Whether the file is moved by whole days to end today; if not, the system's clock starts at its end."""
    interval_s: int = 1800
    """Capture period of emulated meters: 900, 1800 or 3600 s; replayed ones take the file's."""
    time_zone: str = "Europe/London"
    """Where it lies: local days, tariff rates, clocks of the meters."""
    port: int = 4059
    """Port of every meter."""
    single_address: bool = False
    """Give all meters the address 127.0.0.1 and each a port of its own, from `port` on."""
    pv_share: float = 0.18
    """Share of homes with photovoltaics."""
    car_share: float = 0.15
    """Share of homes with an electric car."""
    heat_pump_share: float = 0.08
    """Share of homes with a heat pump."""
    three_phase_share: float = 0.12
    """Share of three-phase connections."""
    device_initiated_share: float = 0.0
    """Share of meters that open the connection to the head-end themselves."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no neighbourhood."""
        if self.meters is not None and not 1 <= self.meters <= METERS_MAX:
            raise NeighbourhoodError(f"a neighbourhood has 1 to {METERS_MAX} meters, not {self.meters}")
        shares = (
            self.pv_share,
            self.car_share,
            self.heat_pump_share,
            self.three_phase_share,
            self.device_initiated_share,
        )
        if not all(0 <= share <= 1 for share in shares) or self.car_share + self.heat_pump_share > 1:
            raise NeighbourhoodError("shares of homes lie between 0 and 1; cars and heat pumps together too")
