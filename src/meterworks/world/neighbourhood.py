"""The neighbourhood: a number of emulated meters with homes, places, addresses and keys, the same after every restart.

It is drawn from one seed; the seed and the keys are kept in a folder (see `neighbourhood_store`), what can be computed
is not stored.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.catalogue import Medium
from meterworks.devices import MeterLoad, MeterSpecification
from meterworks.registry import UsagePoint, UsagePointId
from meterworks.trust import wrap_key
from meterworks.world.accumulation import HistoryCache
from meterworks.world.address import meter_address
from meterworks.world.climate import Calendar, Climate
from meterworks.world.household import Household, HouseholdKind, draw_household
from meterworks.world.metering_fault import Accuracy, MeteringFault
from meterworks.world.noise import lane_normals, lane_uniforms, stream_key, words
from meterworks.world.place import Place, place_of
from meterworks.world.replay import ReplayLoad
from meterworks.world.replay_file import ReplayFile
from meterworks.world.settings import NeighbourhoodSettings
from meterworks.world.stochastic import MeterSetting, StochasticLoad
from meterworks.world.supply import Supply

__all__ = ["MadeNeighbourhood", "Neighbourhood"]

MANUFACTURER: Final = "Meterworks"
MODELS: Final = {1: "MW-E1", 3: "MW-E3"}
FIRMWARE: Final = "1.0.0"
TITLE_MAKER: Final = b"MWK"
_KIND, _METER, _FEEDER, _NUMBER = range(71, 75)
ACCURACY_SPREAD_PPM, ACCURACY_MAX_PPM = 3000, 9000  # class B of EN 50470 allows 10,000
DRIFT_SPREAD_PPM, DRIFT_MAX_PPM = 400, 1500
CLOCK_DRIFT_SPREAD_PPM: Final = 1.5
OPENING_MAX_WH: Final = 2000  # what the factory's test left in the import register


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeNeighbourhood:
    """What was settled on the first start and holds ever after."""

    seed: int
    meters: int
    starts_epoch_s: int  # installation of all meters
    replay_digest: str = ""  # SHA-256 of the file, empty for emulated homes
    replay_shift_s: int = 0


class Neighbourhood:
    """The meters of one folder. Loads and specifications are made when asked for and hold little."""

    def __init__(
        self,
        made: MadeNeighbourhood,
        keys: npt.NDArray[np.uint8],
        settings: NeighbourhoodSettings,
        file: ReplayFile | None,
    ) -> None:
        """Made by `open_neighbourhood`."""
        self._made = made
        self._keys = keys
        self._settings = settings
        self._file = file
        self._cache = HistoryCache()
        self._calendar = Calendar(settings.time_zone)
        self._climate = Climate(made.seed, calendar=self._calendar, interval_s=settings.interval_s)

    def __len__(self) -> int:
        """Give the number of meters."""
        return self._made.meters

    @property
    def seed(self) -> int:
        """What everything was drawn from."""
        return self._made.seed

    @property
    def installed_at(self) -> datetime:
        """When all meters were installed: their histories start then."""
        return datetime.fromtimestamp(self._made.starts_epoch_s, UTC)

    @property
    def interval_s(self) -> int:
        """Capture period of the meters."""
        return self._settings.interval_s if self._file is None else self._file.interval_s

    @property
    def clock_starts_epoch_s(self) -> int | None:
        """Where the system's clock must start: at the end of a file replayed unshifted; None: at the machine's time."""
        return None if self._file is None or self._settings.replay_shift else self._file.end_epoch_s

    def place(self, index: int) -> Place:
        """Give where meter `index` stands."""
        return place_of(self._made.seed, index)

    def household(self, index: int) -> Household | None:
        """Give who lives there; None for a replayed household, of whom only the readings are known."""
        return None if self._file is not None else draw_household(self._made.seed, index, self._kind(index))

    def phases(self, index: int) -> int:
        """Give 1 or 3."""
        chance = lane_uniforms(words(stream_key(self._made.seed, _METER), index, index + 1), 0)
        return 3 if float(chance[0]) < self._settings.three_phase_share else 1

    def usage_point_id(self, index: int) -> str:
        """Give the usage point's identity: invented, or the replayed household's column name."""
        return f"MP{index + 1:010d}" if self._file is None else self._file.homes[index].name

    def specification(self, index: int) -> MeterSpecification:
        """Give who meter `index` is, keys included."""
        noise = words(stream_key(self._made.seed, _METER), index, index + 1)
        guek, gak = (self._keys[index, which].tobytes() for which in range(2))
        return MeterSpecification(
            system_title=self._title(index),
            serial=self._serial(index),
            guek=guek,
            gak=gak,
            # Of the other two, so that a folder made before meters had master keys still opens; their owner has all.
            kek=hashlib.sha256(b"meterworks master key" + guek + gak).digest()[: len(guek)],
            address=meter_address(index, port=self._settings.port, single_address=self._settings.single_address),
            connection="device"
            if float(lane_uniforms(noise, 1)[0]) < self._settings.device_initiated_share
            else "head-end",
            time_zone=self._settings.time_zone,
            clock_drift_ppm=CLOCK_DRIFT_SPREAD_PPM * float(lane_normals(noise, 2)[0]),
        )

    def load(self, index: int, *, faults: Sequence[MeteringFault] = ()) -> MeterLoad:
        """Give the load of meter `index`, with faults between truth and registers if wanted."""
        place = self.place(index)
        if self._file is not None:
            return ReplayLoad(
                self._file,
                self._file.homes[index],
                shift_s=self._made.replay_shift_s,
                calendar=self._calendar,
                cache=self._cache,
                key=stream_key(self._made.seed, _METER, index),
                phases=self.phases(index),
            )
        return self.emulated_load(index, place, faults=faults)

    def emulated_load(
        self, index: int, place: Place | None = None, *, faults: Sequence[MeteringFault] = ()
    ) -> StochasticLoad:
        """Give the load of an emulated home, with the truth beside what is registered."""
        place = place or self.place(index)
        key = stream_key(self._made.seed, _METER, index)
        normals = lane_normals(words(key, 0, 1), 0), lane_normals(words(key, 0, 1), 1)
        error, drift = (float(normal[0]) for normal in normals)
        opening = int(float(lane_uniforms(words(key, 0, 1), 2)[0]) * OPENING_MAX_WH)
        setting = MeterSetting(
            starts_epoch_s=self._made.starts_epoch_s,
            accuracy=Accuracy(
                error_ppm=round(max(-ACCURACY_MAX_PPM, min(ACCURACY_MAX_PPM, ACCURACY_SPREAD_PPM * error))),
                drift_ppm_per_year=round(max(-DRIFT_MAX_PPM, min(DRIFT_MAX_PPM, DRIFT_SPREAD_PPM * drift))),
            ),
            faults=tuple(faults),
            opening_wh=(opening, 0, opening // 8, 0),
        )
        supply = Supply(
            feeder_key=stream_key(self._made.seed, _FEEDER, place.feeder_number),
            home_key=key,
            phases=self.phases(index),
        )
        household = draw_household(self._made.seed, index, self._kind(index))
        return StochasticLoad(household, setting, climate=self._climate, supply=supply, cache=self._cache)

    def meters(self) -> list[tuple[MeterSpecification, MeterLoad]]:
        """Give all meters, as a fleet takes them."""
        return [(self.specification(index), self.load(index)) for index in range(len(self))]

    def usage_points(self) -> list[UsagePoint]:
        """Give the usage points of all meters, as the registry takes them."""
        points = []
        for index in range(len(self)):
            place = self.place(index)
            points.append(
                UsagePoint(
                    id=UsagePointId(self.usage_point_id(index)),
                    medium=Medium.ELECTRICITY,
                    name=place.address.split(",")[0],
                    address=place.address,
                    postcode=place.postcode,
                    feeder=place.feeder,
                    transformer=place.transformer,
                    time_zone=self._settings.time_zone,
                    created_at=self.installed_at,
                )
            )
        return points

    def shipment(self, transport_key: bytes) -> bytes:
        """Give the shipment file (JSON) of all meters, keys wrapped under the transport key. See docs/shipment.md."""
        installed_at = self.installed_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        devices = []
        for index in range(len(self)):
            specification = self.specification(index)
            assert specification.kek is not None  # all of ours have one
            devices.append(
                {
                    "identity": specification.system_title.hex(),
                    "serial": specification.serial,
                    "manufacturer": MANUFACTURER,
                    "model": MODELS[self.phases(index)],
                    "firmware": FIRMWARE,
                    "medium": Medium.ELECTRICITY.value,
                    "phases": self.phases(index),
                    "address": specification.address,
                    "connection": specification.connection,
                    "interval_s": self.interval_s,
                    "guek": wrap_key(transport_key, specification.guek).hex(),
                    "gak": wrap_key(transport_key, specification.gak).hex(),
                    "kek": wrap_key(transport_key, specification.kek).hex(),
                    "usage_point": self.usage_point_id(index),
                    "installed_at": installed_at,
                }
            )
        return json.dumps({"schema": "meterworks-shipment", "version": 1, "devices": devices}, indent=1).encode()

    def _kind(self, index: int) -> HouseholdKind:
        noise = words(stream_key(self._made.seed, _KIND), index, index + 1)
        pv = float(lane_uniforms(noise, 0)[0]) < self._settings.pv_share
        other = float(lane_uniforms(noise, 1)[0])
        car = other < self._settings.car_share
        heat_pump = not car and other < self._settings.car_share + self._settings.heat_pump_share
        names = [name for name, there in (("pv", pv), ("ev", car), ("heat-pump", heat_pump)) if there]
        return HouseholdKind("+".join(names) or "plain")

    def _number(self) -> int:
        """Tell this neighbourhood's meters from another's: 16 bits of its seed."""
        return stream_key(self._made.seed, _NUMBER) & 0xFFFF

    def _title(self, index: int) -> bytes:
        return TITLE_MAKER + (self._number() << 24 | index + 1).to_bytes(5, "big")

    def _serial(self, index: int) -> str:
        return f"MW{self._number():05d}{index + 1:06d}"
