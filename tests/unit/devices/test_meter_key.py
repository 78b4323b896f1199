"""The keys of a meter: one record waits, one is in force, and a file of an earlier version is taken over."""

import pytest
from tests.security.device_keys.bench import new_meter

from meterworks.devices import FleetState
from meterworks.devices.meter_key import (
    SECURITY_NAME,
    KeyKind,
    has_own_keys,
    keys_of,
    put_keys_in_force,
    store_keys,
    suite_of,
)

TITLE = b"SEC\0\0\0\0\1"
NEW = {KeyKind.GUEK: b"g" * 16, KeyKind.GAK: b"a" * 16, KeyKind.KEK: b"k" * 16}


@pytest.fixture
def view():
    return new_meter(1).view


def test_new_keys_wait_whole_and_come_in_force_whole(view):
    made = keys_of(view)
    assert store_keys(view, NEW)
    assert keys_of(view) == made
    assert put_keys_in_force(view)
    now = keys_of(view)
    assert (now.guek, now.gak, now.kek, now.gbek) == (b"g" * 16, b"a" * 16, b"k" * 16, None)
    assert not put_keys_in_force(view)
    assert has_own_keys(view)


def test_a_key_of_a_wrong_size_keeps_all_out(view):
    assert not store_keys(view, {**NEW, KeyKind.GAK: b"a" * 32})
    assert not has_own_keys(view)


def test_client_counters_begin_anew_with_another_encryption_key_only(view):
    state = view.state
    state.accept_client_counter(0, b"CLIENT01", 700)
    store_keys(view, {KeyKind.GUEK: keys_of(view).guek, KeyKind.GAK: b"a" * 16})
    put_keys_in_force(view)
    assert state.lowest_acceptable_counter(0, b"CLIENT01") == 701  # or old messages could be sent again
    store_keys(view, NEW)
    put_keys_in_force(view)
    assert state.lowest_acceptable_counter(0, b"CLIENT01") == 0


def test_a_meter_that_counted_far_begins_anew_with_a_new_key(view):
    view.state._counter_next[0] = view.state._counter_end[0] = 2**31
    store_keys(view, NEW)
    put_keys_in_force(view)
    assert view.state.next_server_counter(0) == 1


def test_keys_outlive_the_process_and_leave_the_written_values_empty(tmp_path):
    for round_ in range(2):
        state = FleetState(tmp_path / "fleet.state", [TITLE])
        view = new_meter(1).view
        view.state, view.index = state, 0
        if not round_:
            store_keys(view, NEW)
            put_keys_in_force(view)
        assert keys_of(view).guek == b"g" * 16
        assert not state.overlay.values(0)
        state.close()


def test_keys_kept_one_by_one_by_an_earlier_version_are_taken_over(tmp_path):
    state = FleetState(tmp_path / "fleet.state", [TITLE])
    state.overlay.set(0, (SECURITY_NAME, 0x110), b"g" * 16)
    state.overlay.set(0, (SECURITY_NAME, 0x122), b"a" * 16)  # a key that waited
    state.close()
    state = FleetState(tmp_path / "fleet.state", [TITLE])
    view = new_meter(1).view
    view.state, view.index = state, 0
    assert not state.overlay.values(0)
    assert keys_of(view).guek == b"g" * 16
    assert put_keys_in_force(view)
    assert keys_of(view).gak == b"a" * 16
    assert suite_of(view) == 0
    state.close()
