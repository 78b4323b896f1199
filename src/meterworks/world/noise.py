"""Chance that is a function of where it is asked: noise at any index, without making what stands before it.

A word of 64 bits is mixed from a key and an index (the finaliser of SplitMix64), so a year or an hour of the same
meter gives the same noise, in any order and after any restart. Everything that follows is done by look-up tables and
by additions and multiplications element by element: results depend neither on the length of an array nor on the
processor's vector unit, which libraries' exponentials and dot products do.
"""

from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["AUTOREGRESSION_REACH", "autoregressive", "lane_normals", "lane_uniforms", "stream_key", "uniforms", "words"]

FloatArray = npt.NDArray[np.float64]
WordArray = npt.NDArray[np.uint64]

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB
_W_GOLDEN, _W_MIX_1, _W_MIX_2 = np.uint64(_GOLDEN), np.uint64(_MIX_1), np.uint64(_MIX_2)
_W_11, _W_27, _W_30, _W_31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
_LANES: Final = 4  # 16-bit lanes of a word
_LEVELS: Final = 1 << 16
# Normal quantiles of the 65,536 values of a lane.
_NORMALS: Final[FloatArray] = np.fromiter(
    map(NormalDist().inv_cdf, ((np.arange(_LEVELS) + 0.5) / _LEVELS).tolist()), np.float64, _LEVELS
)
_STAGES: Final = 4
AUTOREGRESSION_REACH: Final = (1 << _STAGES) - 1  # so many values before the first are needed


def stream_key(*parts: int) -> int:
    """Mix integers (seed, number of a meter, name of a stream) into the key of a stream."""
    key = 0
    for part in parts:
        key = _mix((key + part * _GOLDEN + _GOLDEN) & _MASK)
    return key


def _mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * _MIX_1) & _MASK
    word = ((word ^ (word >> 27)) * _MIX_2) & _MASK
    return word ^ (word >> 31)


def words(key: int, first: int, last: int) -> WordArray:
    """Give the words of the stream at the indexes first to last - 1; indexes may be negative."""
    word = np.arange(first, last, dtype=np.int64).view(np.uint64)
    word *= _W_GOLDEN
    word += np.uint64(key)
    word ^= word >> _W_30
    word *= _W_MIX_1
    word ^= word >> _W_27
    word *= _W_MIX_2
    word ^= word >> _W_31
    return word


def _lane(noise: WordArray, lane: int) -> npt.NDArray[np.uint16]:
    return noise.view("<u2").reshape(-1, _LANES)[:, lane]


def lane_normals(noise: WordArray, lane: int) -> FloatArray:
    """Give standard normal values from one of the four lanes of each word."""
    normals: FloatArray = _NORMALS.take(_lane(noise, lane))
    return normals


def lane_uniforms(noise: WordArray, lane: int) -> FloatArray:
    """Give values evenly spread over [0, 1), in steps of 1/65,536, from one of the four lanes of each word."""
    uniform: FloatArray = _lane(noise, lane).astype(np.float64) * (1.0 / _LEVELS)
    return uniform


def uniforms(key: int, first: int, last: int) -> FloatArray:
    """Give values evenly spread over [0, 1), in fine steps, at these indexes of the stream."""
    fine: FloatArray = (words(key, first, last) >> _W_11).astype(np.float64) * 2.0**-53
    return fine


def autoregressive(white: FloatArray, correlation: float) -> FloatArray:
    """Give first-order autoregressive values of variance 1 from white noise; AUTOREGRESSION_REACH values fewer.

    The sum over the past is cut after 16 terms and doubled up stage by stage, so each value depends on its own past
    only.
    """
    values, factor, reach = white, correlation, 1
    for _ in range(_STAGES):
        values = values[reach:] + factor * values[:-reach]
        factor *= factor
        reach *= 2
    variance = (1 - correlation ** (2 * reach)) / (1 - correlation**2)
    values *= variance**-0.5
    return values
