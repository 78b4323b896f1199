"""What system tests ask of a running system, over its public API only."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pa_parquet
from tests.replay_file import present_values
from tests.running import RunningSystem

HALF_HOURS = "electricity.import.active.30min"
DAY_S = 86_400
Reading = tuple[int, int, str, int, int]  # start epoch s, value, quality, flags, version


def readings_of(system: RunningSystem, metering_point: str, channel: str = HALF_HOURS) -> list[Reading]:
    """All readings of a metering point, from the beginning of time, by time."""
    body = system.get(
        f"/metering-points/{metering_point}/readings?channel={channel}&from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z",
        accept="application/vnd.apache.parquet",
    )
    table = pa_parquet.read_table(io.BytesIO(body))
    starts = table.column("start").cast(pa.timestamp("s")).cast(pa.int64()).to_pylist()
    rest = [table.column(name).to_pylist() for name in ("value", "quality", "flags", "version")]
    return sorted(zip(starts, *rest, strict=True))


def filled(system: RunningSystem) -> bool:
    """Whether nothing of the half-hourly import is missing or on its way any more."""
    progress = {row["profile"]: row for row in system.get("/collection/summary")["progress"]}
    found = progress.get("load_import", {"expected_s": 0})
    return found["expected_s"] > 0 and found["missing_s"] == 0 and found["sent_s"] == 0


def differences(system: RunningSystem, table: pa.Table, homes: Sequence[str]) -> list[str]:
    """Homes whose readings are not the file's, shifted by one number of whole days."""
    faults = []
    for home in homes:
        wanted = present_values(table, home)
        found = readings_of(system, home)
        shift = found[0][0] - wanted[0][0] if found and wanted else 0
        same = [(start - shift, value) for start, value, *_ in found] == wanted
        versions = {version for *_, version in found}
        if not same or shift % DAY_S or len(versions) > 1:
            faults.append(f"{home}: {len(found)} of {len(wanted)} readings, shift {shift} s, versions {versions}")
    return faults
