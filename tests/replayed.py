"""Comparing what the API of a running system gives for a household with what the replayed file holds."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pa_parquet
from tests.running import RunningSystem
from tests.system_checks import DAY_S

IntArray = npt.NDArray[np.int64]
EVER = "from=1970-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"
PERIOD = {900: "15min", 1800: "30min", 3600: "60min"}


@dataclass(frozen=True, eq=False)
class Household:
    """The readings a file has of a household: interval starts, rising, and whole Wh. export_wh: None where none."""

    start_epoch_s: IntArray
    import_wh: IntArray
    export_wh: IntArray | None = None


def settled(system: RunningSystem, *profiles: str) -> bool:
    """Whether nothing of these profiles is missing or on its way any more."""
    progress = {row["profile"]: row for row in system.get("/collection/summary")["progress"]}
    found = [progress.get(profile, {"expected_s": 0}) for profile in profiles]
    return all(row["expected_s"] > 0 and row["missing_s"] == 0 and row["sent_s"] == 0 for row in found)


def readings(
    system: RunningSystem, home: str, interval_s: int, direction: str = "import"
) -> tuple[IntArray, IntArray, IntArray]:
    """Starts, values and versions of a household."""
    channel = f"electricity.{direction}.active.{PERIOD[interval_s]}"
    body = system.get(
        f"/metering-points/{quote(home, safe='')}/readings?channel={channel}&{EVER}",
        accept="application/vnd.apache.parquet",
    )
    table = pa_parquet.read_table(io.BytesIO(body))
    starts = table["start"].cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
    return starts, table["value"].to_numpy(), table["version"].to_numpy()


def differences(system: RunningSystem, home: str, interval_s: int, wanted: Household) -> Iterator[str]:
    """Say what is not as in the file; one number of whole days may lie between the two."""
    shift_s: int | None = None
    for direction, values in (("import", wanted.import_wh), ("export", wanted.export_wh)):
        if values is None:
            continue
        starts, found, versions = readings(system, home, interval_s, direction)
        if shift_s is None and len(starts) and len(values):
            shift_s = int(starts[0] - wanted.start_epoch_s[0])
        same = np.array_equal(starts - (shift_s or 0), wanted.start_epoch_s) and np.array_equal(found, values)
        if not same or (shift_s or 0) % DAY_S or not (versions == 1).all():
            yield f"{home} {direction}: {len(starts)} of {len(values)} readings, shift {shift_s} s"
