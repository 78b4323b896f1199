"""The sparse store of written values: what a client wrote survives restarts and kills, and costs others nothing."""

import os
import subprocess
import sys

import pytest

from meterworks.devices.overlay import ENTRIES_MAX, JOURNAL_SIZE_MIN, METER_SIZE_MAX, VALUE_SIZE_MAX, Overlay
from meterworks.devices.state import FleetState
from meterworks.errors import UsageError
from meterworks.protocols.dlms import ObisCode

TITLES = [b"MWR\0\0\0\0" + bytes([number]) for number in range(1, 6)]
CALENDAR = (ObisCode("0.0.13.0.0.255"), 6)
LIMIT = (ObisCode("0.0.17.0.0.255"), 4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.overlay"


def test_a_value_written_to_one_meter_is_that_meters_alone():
    overlay = Overlay(None, TITLES)
    overlay.set(2, CALENDAR, b"\x01\x00")
    assert overlay.get(2, CALENDAR) == b"\x01\x00"
    assert overlay.get(1, CALENDAR) is None
    assert overlay.get(2, LIMIT) is None
    assert list(overlay.meters()) == [2]
    assert dict(overlay.values(2)) == {CALENDAR: b"\x01\x00"}
    assert not overlay.values(1)


def test_a_value_removed_is_the_models_again():
    overlay = Overlay(None, TITLES)
    overlay.set(0, LIMIT, b"\x06\0\0\0\1")
    overlay.remove(0, LIMIT)
    overlay.remove(0, LIMIT)
    assert overlay.get(0, LIMIT) is None
    assert list(overlay.meters()) == []


def test_written_values_survive_a_restart(path):
    overlay = Overlay(path, TITLES)
    overlay.set(0, LIMIT, b"old")
    overlay.set(0, LIMIT, b"new")
    overlay.set(4, CALENDAR, b"\x01\x00")
    overlay.set(1, LIMIT, b"gone")
    overlay.remove(1, LIMIT)
    overlay.close()
    again = Overlay(path, TITLES)
    assert again.get(0, LIMIT) == b"new"
    assert again.get(4, CALENDAR) == b"\x01\x00"
    assert not again.has(1, LIMIT)
    again.close()


def test_values_follow_the_title_when_the_fleet_changes(path):
    overlay = Overlay(path, TITLES)
    overlay.set(0, LIMIT, b"zero")
    overlay.set(3, LIMIT, b"three")
    overlay.close()
    smaller = Overlay(path, [TITLES[3], TITLES[1]])
    assert smaller.get(0, LIMIT) == b"three"
    assert smaller.get(1, LIMIT) is None
    smaller.close()
    whole = Overlay(path, TITLES)
    assert whole.get(0, LIMIT) == b"zero"
    whole.close()


KILLED = """
import os, sys
from pathlib import Path
from meterworks.devices.state import FleetState
state = FleetState(Path(sys.argv[1]), [bytes.fromhex(title) for title in sys.argv[2:]])
state.overlay.set(1, (bytes(6), 2), b"written")
os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_what_was_written(tmp_path):
    titles = [title.hex() for title in TITLES]
    path = tmp_path / "state.npy"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), *titles], capture_output=True, check=False, env=os.environ
    )
    assert done.returncode == -9, done.stderr
    state = FleetState(path, TITLES)
    assert state.overlay.get(1, (bytes(6), 2)) == b"written"
    state.flush()
    state.close()


@pytest.mark.parametrize("cut", range(1, 28))
def test_a_record_cut_short_is_dropped_and_the_rest_kept(path, cut):
    overlay = Overlay(path, TITLES)
    overlay.set(0, LIMIT, b"first")
    overlay.set(0, CALENDAR, b"last")
    overlay.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = Overlay(path, TITLES)
    assert again.get(0, LIMIT) == b"first"
    assert again.get(0, CALENDAR) is None
    again.set(0, CALENDAR, b"more")
    again.close()
    assert Overlay(path, TITLES).get(0, CALENDAR) == b"more"


def test_an_altered_record_is_not_believed(path):
    overlay = Overlay(path, TITLES)
    overlay.set(0, LIMIT, b"first")
    overlay.close()
    held = bytearray(path.read_bytes())
    held[-6] ^= 1
    path.write_bytes(held)
    assert Overlay(path, TITLES).get(0, LIMIT) is None


def test_a_file_of_something_else_is_refused(path):
    path.write_bytes(b"something else")
    with pytest.raises(UsageError, match="move it away"):
        Overlay(path, TITLES)


def test_a_state_whose_written_values_are_unreadable_lets_its_lock_go(tmp_path):
    path = tmp_path / "state.npy"
    path.with_suffix(".overlay").write_bytes(b"something else")
    with pytest.raises(UsageError):
        FleetState(path, TITLES)
    path.with_suffix(".overlay").unlink()
    FleetState(path, TITLES).close()


def test_a_journal_that_is_mostly_past_is_written_afresh(path):
    overlay = Overlay(path, TITLES)
    for number in range(2 * JOURNAL_SIZE_MIN // VALUE_SIZE_MAX):
        overlay.set(0, LIMIT, bytes([number]) * VALUE_SIZE_MAX)
    overlay.close()
    grown = path.stat().st_size
    again = Overlay(path, TITLES)
    assert path.stat().st_size < grown // 8
    assert again.get(0, LIMIT) == bytes([number]) * VALUE_SIZE_MAX
    again.close()


def test_a_meter_has_bounds():
    overlay = Overlay(None, TITLES)
    with pytest.raises(UsageError):
        overlay.set(0, LIMIT, bytes(VALUE_SIZE_MAX + 1))
    for number in range(METER_SIZE_MAX // VALUE_SIZE_MAX):
        overlay.set(0, (LIMIT[0], number), bytes(VALUE_SIZE_MAX))
    with pytest.raises(UsageError):
        overlay.set(0, CALENDAR, b"\0")
    for number in range(ENTRIES_MAX):
        overlay.set(1, (LIMIT[0], number), b"")
    with pytest.raises(UsageError):
        overlay.set(1, CALENDAR, b"")
    overlay.set(1, (LIMIT[0], 0), b"again")
    assert overlay.get(1, (LIMIT[0], 0)) == b"again"


def test_a_view_writes_into_its_own_row(make_bench):
    bench = make_bench()
    bench.view.write(LIMIT, b"\x06\0\0\0\1")
    assert bench.view.written(LIMIT) == b"\x06\0\0\0\1"
    assert bench.view.written(CALENDAR) is None


# --- a disk that takes nothing ---------------------------------------------------------------------------------------


def test_a_full_disk_refuses_the_change_and_harms_nothing(path, monkeypatch):
    overlay = Overlay(path, TITLES)
    overlay.set(0, LIMIT, b"before")
    size = path.stat().st_size
    true_write = os.write
    monkeypatch.setattr(os, "write", lambda file, octets: true_write(file, octets[:10]))
    with pytest.raises(UsageError, match="full"):
        overlay.set(0, LIMIT, b"after")
    monkeypatch.undo()
    assert overlay.get(0, LIMIT) == b"before"
    assert path.stat().st_size == size
    overlay.set(0, CALENDAR, b"later")
    overlay.close()
    again = Overlay(path, TITLES)
    assert dict(again.values(0)) == {LIMIT: b"before", CALENDAR: b"later"}
    again.close()


def test_a_disk_that_fails_is_said_so(path, monkeypatch):
    overlay = Overlay(path, TITLES)

    def fail(file, octets):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(UsageError, match="Input/output"):
        overlay.set(1, LIMIT, b"value")
    assert not overlay.has(1, LIMIT)
    monkeypatch.undo()
    overlay.flush()
    overlay.close()
    overlay.flush()  # nothing to hand over any more
    overlay.close()


def test_a_folder_in_place_of_the_journal_is_refused(path):
    path.mkdir()
    with pytest.raises(UsageError, match="cannot use"):
        Overlay(path, TITLES)


def test_only_the_owner_can_read_what_was_written(path):
    Overlay(path, TITLES).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_value_may_be_empty_and_is_kept_as_such(path):
    overlay = Overlay(path, TITLES)
    overlay.set(3, LIMIT, b"")
    overlay.close()
    again = Overlay(path, TITLES)
    assert again.get(3, LIMIT) == b""
    assert list(again.meters()) == [3]
    again.close()


def test_records_of_strangers_outlive_many_restarts_of_another_fleet(path):
    overlay = Overlay(path, TITLES)
    overlay.set(2, LIMIT, b"kept")
    overlay.set(2, LIMIT, b"kept longer")
    overlay.close()
    for _ in range(3):
        other = Overlay(path, TITLES[:1])
        other.set(0, LIMIT, b"own")
        other.close()
    again = Overlay(path, TITLES)
    assert (again.get(0, LIMIT), again.get(2, LIMIT)) == (b"own", b"kept longer")
    again.close()
