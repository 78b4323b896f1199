"""The supply of a meter: interruptions, voltage, frequency, and the events that a meter writes about them.

Interruptions come by feeder (one fault takes all its homes), by home (fuse, work), and as momentary dips. Rates are
those of Britain: 0.35 feeder faults a year, restored after an hour or so; see the load facts sheet, sections 4 and 5.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from meterworks.devices import MeterEvents, ZoneTable
from meterworks.world.climate import DAY_S
from meterworks.world.noise import WordArray, lane_normals, lane_uniforms, stream_key, uniforms, words

__all__ = ["Interruptions", "Supply", "join_events"]

IntArray = npt.NDArray[np.int64]

LOG_STANDARD, LOG_TAMPER, LOG_POWER_QUALITY = 0, 1, 4  # E of 0-0:99.98.E
POWER_DOWN, POWER_UP, DAYLIGHT_SAVING_SWITCHED = 1, 2, 3
COVERS: Final = ((40, 41), (44, 45))  # removed, closed: terminal cover, meter cover
MAGNET: Final = (42, 43)
UNDERVOLTAGE, OVERVOLTAGE, VOLTAGE_NORMAL = 76, 79, 85  # of L1; L2 and L3 follow
_FEEDER, _HOME, _DIP, _SAG, _TAMPER = range(41, 46)
FEEDER_FAULTS_PER_DAY: Final = 0.35 / 365
HOME_FAULTS_PER_DAY: Final = 0.05 / 365
DIPS_PER_DAY: Final = 3.0 / 365
SAGS_PER_DAY: Final = 9.0 / 365
SWELLS_PER_DAY: Final = 4.0 / 365
COVERS_PER_DAY: Final = 0.006 / 365
MAGNETS_PER_DAY: Final = 0.002 / 365
RESTORATION_MEDIAN_S, RESTORATION_SPREAD, RESTORATION_MAX_S = 4500, 0.9, DAY_S


@dataclass(frozen=True, slots=True, eq=False)
class Interruptions:
    """Stretches without voltage, rising, not overlapping: (n,) begin inclusive, end exclusive, epoch seconds."""

    begin_s: IntArray
    end_s: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """The supply of one meter: keys of its feeder's and its own chance, number of phases."""

    feeder_key: int
    home_key: int
    phases: int = 1

    def interruptions(self, from_epoch_s: int, to_epoch_s: int) -> Interruptions:
        """Give the interruptions that touch [from, to), whole."""
        # One may have begun up to its longest length before the range.
        first, last = (from_epoch_s - RESTORATION_MAX_S) // DAY_S, (to_epoch_s - 1) // DAY_S + 1
        pairs = [
            *_interruptions(stream_key(self.feeder_key, _FEEDER), first, last, FEEDER_FAULTS_PER_DAY),
            *_interruptions(stream_key(self.home_key, _HOME), first, last, HOME_FAULTS_PER_DAY),
            *_dips(stream_key(self.home_key, _DIP), first, last),
        ]
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(pairs):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        touching = [pair for pair in merged if pair[0] < to_epoch_s and pair[1] > from_epoch_s]
        table = np.array(touching, np.int64).reshape(-1, 2)
        return Interruptions(table[:, 0], table[:, 1])

    def events(self, from_epoch_s: int, to_epoch_s: int, zone: ZoneTable) -> MeterEvents:
        """Give the events of [from, to): interruptions, voltage, covers, magnets, changes to and from summer time."""
        interruptions = self.interruptions(from_epoch_s - 1, to_epoch_s)  # one that ends at `from` counts too
        found = [(int(begin), LOG_STANDARD, POWER_DOWN) for begin in interruptions.begin_s]
        found += [(int(end), LOG_STANDARD, POWER_UP) for end in interruptions.end_s]
        changes = zone.change_epoch_s[(zone.change_epoch_s >= from_epoch_s) & (zone.change_epoch_s < to_epoch_s)]
        found += [(change, LOG_STANDARD, DAYLIGHT_SAVING_SWITCHED) for change in changes.tolist()]
        first, last = from_epoch_s // DAY_S - 1, (to_epoch_s - 1) // DAY_S + 1
        found += self._voltage_events(first, last)
        found += self._tamper_events(first, last)
        return join_events([event for event in found if from_epoch_s <= event[0] < to_epoch_s])

    def _voltage_events(self, first: int, last: int) -> list[tuple[int, int, int]]:
        noise = words(stream_key(self.home_key, _SAG), first, last)
        chance, moment, length, phase = (lane_uniforms(noise, lane) for lane in range(4))
        found = []
        for day in (chance < SAGS_PER_DAY + SWELLS_PER_DAY).nonzero()[0].tolist():
            begin = (first + day) * DAY_S + int(moment[day] * DAY_S)
            end = begin + 1 + int(length[day] * 90)
            line = int(phase[day] * self.phases)
            code = UNDERVOLTAGE if chance[day] < SAGS_PER_DAY else OVERVOLTAGE
            found += [(begin, LOG_POWER_QUALITY, code + line), (end, LOG_POWER_QUALITY, VOLTAGE_NORMAL + line)]
        return found

    def _tamper_events(self, first: int, last: int) -> list[tuple[int, int, int]]:
        chance = uniforms(stream_key(self.home_key, _TAMPER), first, last)
        noise = words(stream_key(self.home_key, _TAMPER, 1), first, last)
        moment, length = lane_uniforms(noise, 0), lane_uniforms(noise, 1)
        found = []
        for day in (chance < COVERS_PER_DAY + MAGNETS_PER_DAY).nonzero()[0].tolist():
            magnet = chance[day] >= COVERS_PER_DAY
            hour = moment[day] * 24 if magnet else 8 + moment[day] * 9  # covers are mostly opened by fitters
            begin = (first + day) * DAY_S + int(hour * 3600)
            end = begin + 300 + int(length[day] * 3300)
            opened, closed = MAGNET if magnet else COVERS[int(chance[day] * 2 / COVERS_PER_DAY)]
            found += [(begin, LOG_TAMPER, opened), (end, LOG_TAMPER, closed)]
        return found


def join_events(found: list[tuple[int, int, int]]) -> MeterEvents:
    """Make columns of (epoch_s, log, code), rising in time."""
    table = np.array(sorted(found), np.int64).reshape(-1, 3)
    return MeterEvents(epoch_s=table[:, 0].copy(), log=table[:, 1].astype(np.uint8), code=table[:, 2].astype(np.uint16))


def _interruptions(key: int, first: int, last: int, per_day: float) -> list[tuple[int, int]]:
    happens = (uniforms(key, first, last) < per_day).nonzero()[0]
    if not len(happens):
        return []
    noise: WordArray = words(stream_key(key, 1), first, last)[happens]
    normals = lane_normals(noise, 1).tolist()
    length_s = np.array([RESTORATION_MEDIAN_S * math.exp(RESTORATION_SPREAD * normal) for normal in normals])
    begin = (first + happens) * DAY_S + (lane_uniforms(noise, 0) * DAY_S).astype(np.int64)
    end = begin + np.clip(length_s, 200, RESTORATION_MAX_S).astype(np.int64)
    return list(zip(begin.tolist(), end.tolist(), strict=True))


def _dips(key: int, first: int, last: int) -> list[tuple[int, int]]:
    noise = words(key, first, last)
    happens = (lane_uniforms(noise, 0) < DIPS_PER_DAY).nonzero()[0]
    begin = (first + happens) * DAY_S + (lane_uniforms(noise, 1)[happens] * DAY_S).astype(np.int64)
    end = begin + 1 + (lane_uniforms(noise, 2)[happens] * 120).astype(np.int64)
    return list(zip(begin.tolist(), end.tolist(), strict=True))
