"""`meterworks up` as a newcomer meets it: start, fill, stop, go on, and a second copy beside it."""

import os
import time
from datetime import UTC, datetime

import pytest
from tests.replay_file import write_replay_file
from tests.running import RunningSystem, port_offset, running_system
from tests.system_checks import DAY_S, differences, filled, readings_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
MONTHS_13_HALF_HOURS = 19_056


def test_a_first_start_reads_thirteen_months_and_a_second_goes_on(tmp_path):
    data = tmp_path / "var"
    with port_offset() as offset:
        first = RunningSystem(data, offset, "--meters", "4")
        try:
            first.start()
            first.wait(lambda: filled(first), "filled")
            points = [row["id"] for row in first.get("/metering-points")["metering_points"]]
            before = {point: readings_of(first, point) for point in points}
            assert first.interrupt() == 0
        finally:
            first.stop()
        assert len(points) == 4
        assert all(len(rows) >= MONTHS_13_HALF_HOURS for rows in before.values())
        assert "stopped" in first.output

        second = RunningSystem(data, offset, "--meters", "4")
        try:
            second.start()
            second.wait(lambda: filled(second), "filled again")
            after = {point: readings_of(second, point) for point in points}
        finally:
            second.stop()
    assert "passwords are shown" not in second.output
    assert all(after[point][: len(before[point])] == before[point] for point in points)


@pytest.mark.skipif(not os.environ.get("SOAK_REPLAYS"), reason="make soak replays it")
def test_a_replayed_file_comes_out_as_it_went_in(tmp_path):
    table = write_replay_file(tmp_path / "homes.parquet", homes=6, days=20, seed=7)
    homes = table.column_names[1:]
    with running_system(tmp_path / "var", "--replay", str(tmp_path / "homes.parquet")) as system:
        system.wait(lambda: filled(system), "filled")
        assert differences(system, table, homes) == []
        last = max(start for start, *_ in readings_of(system, homes[0]))
        assert 0 <= time.time() - last < 2 * DAY_S, "the replayed file ends today"


@pytest.mark.skipif(not os.environ.get("SOAK_REPLAYS"), reason="make soak replays it")
def test_an_unshifted_file_keeps_its_dates_and_sets_the_clock(tmp_path):
    table = write_replay_file(tmp_path / "homes.parquet", homes=2, days=5, seed=8)
    with running_system(tmp_path / "var", "--replay", str(tmp_path / "homes.parquet"), "--unshifted") as system:
        system.wait(lambda: filled(system), "filled")
        found = readings_of(system, "HOME000")
    assert datetime.fromtimestamp(found[0][0], UTC).year == 2013
    assert differences_of_dates(found, table) == []


def differences_of_dates(found, table):
    from tests.replay_file import present_values

    return sorted(set(present_values(table, "HOME000")) ^ {(start, value) for start, value, *_ in found})
