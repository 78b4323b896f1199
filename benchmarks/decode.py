"""Profile decode against its peers: the same bytes, time stamps included, results compared before anything is timed.

Peers: gurux-dlms (octets to lists, then `updateValue` of the profile object, which fills in times) and dlms-cosem
(`ProfileGenericBufferParser.parse_bytes`). The floor is bare numpy: columns taken by a strided view at offsets known
beforehand, without a look at a single tag. Run with `python -m benchmarks.decode`; prints one JSON object on one line.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any

import numpy as np
from dlms_cosem import cosem, enumerations
from dlms_cosem.parsers import ProfileGenericBufferParser
from gurux_dlms import GXByteBuffer, GXDLMSClient
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo
from gurux_dlms.objects import GXDLMSCaptureObject, GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister

from meterworks.protocols.dlms.descriptor import CLOCK_OBJECT, CaptureObject
from meterworks.protocols.dlms.obis import ObisCode
from meterworks.protocols.dlms.profile import ProfileTable, decode_profile
from meterworks.protocols.dlms.profile_encode import TimeColumn, ValueColumn, encode_profile
from meterworks.protocols.dlms.profile_layout import CaptureLayout

PERIOD_S = 1800
START = 1_704_067_200  # 2024-01-01, UTC
SIZES = (48, 1_440, 17_520)
SECONDS_PER_MEASUREMENT = 0.6
STATUS = CaptureObject(1, ObisCode("0-0:96.10.1"), 2)
ENERGY = CaptureObject(3, ObisCode("1-0:1.29.0"), 2)

Rows = list[tuple[int, int | None, int]]


def buffers(rows: int, *, seed: int = 1) -> dict[str, bytes]:
    """Make the same profile in the forms that meters send it."""
    rng = np.random.default_rng(seed)
    times = START + PERIOD_S * np.arange(rows)
    energy = rng.integers(0, 4_000, rows)
    quiet, restless = np.zeros(rows, np.int64), rng.integers(0, 2, rows) * 8

    def encoded(status: Any, *, compress: bool) -> bytes:
        return encode_profile(
            [
                TimeColumn(epoch_s=times, compress=compress),
                ValueColumn(values=status, tag=17, repeat_as_null=compress),
                ValueColumn(values=energy, tag=6),
            ],
            capture_period_s=PERIOD_S,
        )

    return {
        "null_times": encoded(quiet, compress=True),
        "full_stamps": encoded(quiet, compress=False),
        "random_nulls": encoded(restless, compress=True),
    }


class DlmsCosem:
    """dlms-cosem's parser: datetimes and a `ColumnValue` per cell."""

    def __init__(self) -> None:
        interfaces = enumerations.CosemInterface
        columns = [
            cosem.CosemAttribute(interfaces.CLOCK, cosem.Obis(0, 0, 1, 0, 0, 255), 2),
            cosem.CosemAttribute(interfaces.DATA, cosem.Obis(0, 0, 96, 10, 1, 255), 2),
            cosem.CosemAttribute(interfaces.REGISTER, cosem.Obis(1, 0, 1, 29, 0, 255), 2),
        ]
        self._parser = ProfileGenericBufferParser(capture_objects=columns, capture_period=PERIOD_S // 60)

    def decode(self, buffer: bytes) -> Any:
        """Parse; the library leaves null columns other than the time out of a row."""
        return self._parser.parse_bytes(buffer)

    @staticmethod
    def rows(parsed: Any) -> Rows:
        """Give rows as integers, for the comparison."""
        found: Rows = []
        for row in parsed:
            moment = row[0].value
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            found.append((int(moment.timestamp()), None, row[-1].value))
        return found


class Gurux:
    """gurux-dlms: octets to nested lists, then the profile object's own treatment of time."""

    def __init__(self) -> None:
        self._client = GXDLMSClient(True)
        self._profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
        self._profile.capturePeriod = PERIOD_S
        for item in (GXDLMSClock("0.0.1.0.0.255"), GXDLMSData("0.0.96.10.1.255"), GXDLMSRegister("1.0.1.29.0.255")):
            self._profile.captureObjects.append((item, GXDLMSCaptureObject(2, 0)))

    def decode(self, buffer: bytes) -> Any:
        """Parse and let the profile object fill in its buffer."""
        self._profile.buffer = []
        value = _GXCommon.getData(self._client.settings, GXByteBuffer(buffer), _GXDataInfo())
        self._client.updateValue(self._profile, 2, value)
        return self._profile.buffer

    @staticmethod
    def rows(parsed: Any) -> Rows:
        """Give rows as integers, for the comparison."""
        found: Rows = []
        for row in parsed:
            moment = row[0].value
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            found.append((int(moment.timestamp()), None, row[2]))
        return found


def bare_numpy(buffer: bytes, rows: int, form: str) -> tuple[Any, ...] | None:
    """Take the columns at offsets known beforehand; None where rows have no fixed offsets."""
    if form == "random_nulls":
        return None
    header = 2 if rows < 128 else 4
    if form == "full_stamps":
        dtype = np.dtype(
            {"names": ["t", "s", "e"], "formats": ["V12", "u1", ">u4"], "offsets": [4, 17, 19], "itemsize": 23}
        )
        table = np.frombuffer(buffer, dtype, rows, header)
        return table["t"].copy(), table["s"].astype(np.int64), table["e"].astype(np.int64)
    dtype = np.dtype({"names": ["e"], "formats": [">u4"], "offsets": [5], "itemsize": 9})
    table = np.frombuffer(buffer, dtype, rows - 1, header + 23)
    return (START + PERIOD_S * np.arange(rows), np.zeros(rows, np.int64), table["e"].astype(np.int64))


def seconds_per_call(call: Callable[[], object]) -> float:
    """Give the best of several calls within a fixed time, at least three."""
    best, spent, calls = float("inf"), 0.0, 0
    while calls < 3 or spent < SECONDS_PER_MEASUREMENT:
        started = time.perf_counter()
        call()
        took = time.perf_counter() - started
        best, spent, calls = min(best, took), spent + took, calls + 1
    return best


def check_equal(table: ProfileTable, peer: str, rows: Rows) -> None:
    """Refuse to time what does not give the same times and energies."""
    mine = list(zip(table.time_epoch_s.tolist(), table.columns[2].tolist(), strict=True))
    theirs = [(epoch_s, energy) for epoch_s, _, energy in rows]
    if mine != theirs:
        different = next(index for index, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1])
        raise SystemExit(f"{peer} disagrees with us at row {different}: {mine[different]} and {theirs[different]}")


def measure_form(form: str, buffer: bytes, rows: int) -> dict[str, float]:
    """Time one buffer: rows a second of each decoder, and our ratio to the best peer."""
    layout = CaptureLayout.compile([CLOCK_OBJECT, STATUS, ENERGY], PERIOD_S)
    peers: dict[str, DlmsCosem | Gurux] = {"dlms_cosem": DlmsCosem(), "gurux_dlms": Gurux()}
    for name, peer in peers.items():
        check_equal(decode_profile(buffer, layout), name, peer.rows(peer.decode(buffer)))
    calls: dict[str, Callable[[], object]] = {name: partial(peer.decode, buffer) for name, peer in peers.items()}
    calls["meterworks"] = partial(decode_profile, buffer, layout)
    if bare_numpy(buffer, rows, form) is not None:
        calls["bare_numpy"] = partial(bare_numpy, buffer, rows, form)
    rates = {f"{name}_rows_per_s": round(rows / seconds_per_call(call)) for name, call in calls.items()}
    best_peer = max(rates[f"{name}_rows_per_s"] for name in peers)
    return {"octets": len(buffer), **rates, "times_best_peer": round(rates["meterworks_rows_per_s"] / best_peer, 1)}


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """Measure every size in every form."""
    return {
        f"{rows}_rows": {form: measure_form(form, buffer, rows) for form, buffer in buffers(rows).items()}
        for rows in SIZES
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
