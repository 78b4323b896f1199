"""What a fleet must not forget: counters, clocks, switches and events survive; no counter is ever used twice."""

import os
import subprocess
import sys

import pytest

from meterworks.devices.state import CLIENTS_MAX, COUNTER_BLOCK, OWN_EVENTS_MAX, FleetState
from meterworks.errors import UsageError
from meterworks.protocols.dlms import ApduCipher

TITLES = [b"MWR\0\0\0\0" + bytes([number]) for number in range(1, 6)]
CLIENT = b"MWHES001"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "world" / "state.npy"


def test_server_counters_grow_by_one_and_begin_at_one(path):
    state = FleetState(path, TITLES)
    assert [state.next_server_counter(2) for _ in range(3)] == [1, 2, 3]
    assert state.next_server_counter(3) == 1


def test_no_server_counter_is_used_twice_over_restarts(path):
    used = set()
    for _ in range(3):
        state = FleetState(path, TITLES)
        for _ in range(COUNTER_BLOCK + 3):
            counter = state.next_server_counter(0)
            assert counter not in used
            used.add(counter)
        state.close()
    assert max(used) <= 6 * COUNTER_BLOCK


KILLED = """
import os, sys
from pathlib import Path
from meterworks.devices.state import FleetState
state = FleetState(Path(sys.argv[1]), [bytes.fromhex(title) for title in sys.argv[2:]])
for number in range(700):
    last = state.next_server_counter(1)
state.accept_client_counter(1, b"MWHES001", 4711)
state.rows["output_connected"][1] = 0
os.write(1, str(last).encode())
os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_counters_that_go_on_above_the_last_one_used(path):
    titles = [title.hex() for title in TITLES]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), *titles], capture_output=True, check=False, env=os.environ
    )
    assert done.returncode == -9, done.stderr
    state = FleetState(path, TITLES)
    assert state.next_server_counter(1) > int(done.stdout)
    assert state.lowest_acceptable_counter(1, CLIENT) == 4712
    assert not state.accept_client_counter(1, CLIENT, 4711)
    assert not state.rows["output_connected"][1]


def test_a_client_counter_is_accepted_once_and_only_growing(path):
    state = FleetState(path, TITLES)
    assert state.accept_client_counter(0, CLIENT, 0)
    assert [state.accept_client_counter(0, CLIENT, counter) for counter in (0, 5, 5, 4, 6)] == [
        False, True, False, False, True,
    ]  # fmt: skip
    assert state.highest_accepted_counter(0) == 6
    assert state.highest_accepted_counter(1) == 0


def test_titles_are_kept_apart_and_the_ninth_is_refused(path):
    state = FleetState(path, TITLES)
    clients = [bytes([65 + number]) * 8 for number in range(CLIENTS_MAX)]
    assert all(state.accept_client_counter(0, client, 10) for client in clients)
    assert not state.accept_client_counter(0, b"ZZZZZZZZ", 10)
    assert state.accept_client_counter(0, clients[0], 11)
    assert state.accept_client_counter(1, b"ZZZZZZZZ", 10)


@pytest.mark.parametrize("title", [b"", bytes(8)])
def test_an_empty_client_title_is_never_accepted(title):
    assert not FleetState(None, TITLES).accept_client_counter(0, title, 1)


def test_a_client_title_may_end_in_zero_octets():
    state = FleetState(None, TITLES)
    title = b"MWC\x01\0\0\0\0"
    assert state.accept_client_counter(0, title, 1)
    assert state.lowest_acceptable_counter(0, title) == 2


def test_rows_follow_the_title_when_the_fleet_changes(path):
    state = FleetState(path, TITLES)
    state.rows["limit_normal_w"] = [10, 20, 30, 40, 50]
    state.close()
    newcomer = b"MWR\0\0\0\0\xff"
    state = FleetState(path, [TITLES[3], newcomer, TITLES[0]])
    assert state.rows["limit_normal_w"].tolist() == [40, 0, 10]
    state.close()
    state = FleetState(path, TITLES)
    assert state.rows["limit_normal_w"].tolist() == [10, 20, 30, 40, 50]


def test_two_processes_cannot_have_one_file(path):
    state = FleetState(path, TITLES)
    with pytest.raises(UsageError, match="in use"):
        FleetState(path, TITLES)
    state.close()
    FleetState(path, TITLES).close()


@pytest.mark.parametrize("content", [b"something else", b"MWFLEET1" + bytes(100)])
def test_a_file_of_another_shape_is_refused_and_left_alone(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a fleet state"):
        FleetState(path, TITLES)
    assert path.read_bytes() == content


def test_a_folder_out_of_reach_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot open"):
        FleetState(tmp_path / "file" / "state.npy", TITLES)


def test_events_are_kept_in_order_and_bounded(path):
    state = FleetState(path, TITLES)
    for number in range(OWN_EVENTS_MAX + 5):
        assert state.record_event(0, 1000 + number * 60, 1, 46, quiet_s=60)
    kept = state.own_events(0)
    assert len(kept) == OWN_EVENTS_MAX
    assert [event.epoch_s for event in kept] == [1000 + number * 60 for number in range(5, OWN_EVENTS_MAX + 5)]
    state.close()
    assert FleetState(path, TITLES).own_events(0) == kept


def test_a_flood_of_one_event_does_not_push_out_others(path):
    state = FleetState(path, TITLES)
    state.record_event(0, 1000, 0, 62)
    for number in range(1000):
        state.record_event(0, 1001 + number // 100, 1, 49, quiet_s=60)
    assert [(event.log, event.code) for event in state.own_events(0)] == [(0, 62), (1, 49)]


def test_a_counter_at_its_end_is_refused_by_the_cipher():
    state = FleetState(None, TITLES)
    state.rows["server_counter_end"][0] = 2**32
    state._counter_next[0] = 2**32 - 2
    cipher = ApduCipher(bytes(16), bytes(16))
    cipher.protect(0x30, TITLES[0], state.next_server_counter(0), b"last")
    for _ in range(3):
        with pytest.raises(UsageError, match="used up"):
            cipher.protect(0x30, TITLES[0], state.next_server_counter(0), b"never")
        with pytest.raises(UsageError, match="used up"):
            cipher.gmac(TITLES[0], state.next_server_counter(0), b"never")


def test_a_row_stays_small():
    assert FleetState(None, TITLES).rows.itemsize < 1024


def test_a_fleet_of_no_meters_is_lawful(path):
    state = FleetState(path, [])
    assert len(state) == 0
    state.close()
