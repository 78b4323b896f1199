"""Where images wait: in memory and in files, the same."""

import random

import pytest

from meterworks.devices import FleetStateError
from meterworks.devices.image_store import ImageMemory, ImagePlace, StoredImages

PLACE = ImagePlace(b"MWR\0\0\0\0\x01", 2500, 3)
OTHER = ImagePlace(b"MWR\0\0\0\0\x02", 10, 1)


@pytest.fixture(params=["memory", "files"])
def store(request, tmp_path):
    return ImageMemory() if request.param == "memory" else StoredImages(tmp_path / "images")


def test_blocks_come_in_any_order_and_are_told_apart(store):
    octets = random.Random(5).randbytes(2500)
    store.begin(PLACE)
    told = []
    for number in (2, 0, 1):
        store.put(PLACE, number, number * 1000, octets[number * 1000 : number * 1000 + 1000])
        told.append(store.arrived(PLACE))
    assert told == [b"\x20", b"\xa0", b"\xe0"]
    assert store.image(PLACE) == octets


def test_what_never_came_is_zero(store):
    store.begin(PLACE)
    store.put(PLACE, 1, 1000, b"\xff" * 1000)
    assert store.image(PLACE) == bytes(1000) + b"\xff" * 1000 + bytes(500)


def test_beginning_again_forgets(store):
    store.begin(PLACE)
    store.put(PLACE, 0, 0, b"x")
    store.begin(PLACE)
    assert store.arrived(PLACE) == b"\0"
    assert store.image(PLACE) == bytes(2500)


def test_each_meter_has_its_own(store):
    store.begin(PLACE)
    store.begin(OTHER)
    store.put(OTHER, 0, 0, b"0123456789")
    assert (store.arrived(PLACE), store.arrived(OTHER)) == (b"\0", b"\x80")
    store.drop(OTHER.title)
    store.drop(OTHER.title)
    assert store.arrived(PLACE) == b"\0"


def test_a_file_is_sparse_and_goes_when_the_image_is_dropped(tmp_path):
    store = StoredImages(tmp_path / "images")
    large = ImagePlace(b"MWR\0\0\0\0\x03", 4_000_000, 3907)
    store.begin(large)
    (file,) = (tmp_path / "images").iterdir()
    assert file.stat().st_size == 4_000_000 + 489
    assert file.stat().st_blocks * 512 < 100_000
    assert file.stat().st_mode & 0o077 == 0
    store.drop(large.title)
    assert list((tmp_path / "images").iterdir()) == []


def test_another_process_finds_what_was_written(tmp_path):
    store = StoredImages(tmp_path / "images")
    store.begin(PLACE)
    store.put(PLACE, 2, 2000, b"z" * 500)
    again = StoredImages(tmp_path / "images")
    assert again.arrived(PLACE) == b"\x20"
    assert again.image(PLACE)[2000:] == b"z" * 500


@pytest.mark.parametrize("act", ["begin", "arrived", "drop"])
def test_a_disk_that_refuses_is_told_as_such(tmp_path, act):
    (tmp_path / "images").write_bytes(b"a file where the folder should be")
    store = StoredImages(tmp_path / "images")
    with pytest.raises(FleetStateError):
        getattr(store, act)(PLACE.title if act == "drop" else PLACE)
