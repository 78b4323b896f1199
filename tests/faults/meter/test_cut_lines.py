"""Lines that are cut in the midst of a read, a change or an update of a real (emulated) meter."""

import json

import pytest
from tests.faults.meter.cutting_proxy import CuttingProxy
from tests.integration.meter.conftest import GAK, GUEK, Served, command

from meterworks.devices import build_image
from meterworks.system.meter import update as meter_update


@pytest.fixture(scope="module")
def meter():
    with Served() as served:
        yield served


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"guek": GUEK.hex(), "gak": GAK.hex()}))
    return path


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(meter_update, "PAUSE_S", 0.0)


def through(proxy, verb, *words, keys, client=1):
    options = ("--client", client, "--keys", keys, "--no-cache", "--timeout-s", 3)
    return command("meter", verb, proxy.address, *words, *options)


PUBLIC_SIZE = 100_000  # of the connection that asks for the counter: never cut


@pytest.mark.parametrize("cut", [0, 5, 40, 110, 200])
def test_a_read_that_is_cut_anywhere_is_told_as_unreachable(meter, keys, cut):
    with CuttingProxy(meter.port, [PUBLIC_SIZE, cut]) as proxy:
        told = through(proxy, "read", "3/1.0.1.8.0.255/2", keys=keys)
        assert told.exit_code == 4
        assert "Traceback" not in told.errors
        assert through(proxy, "read", "3/1.0.1.8.0.255/2", keys=keys).exit_code == 0


def test_a_cut_at_the_release_spoils_nothing(meter, keys):
    with CuttingProxy(meter.port, [PUBLIC_SIZE, 265]) as proxy:
        assert through(proxy, "read", "3/1.0.1.8.0.255/2", keys=keys).exit_code == 0


def test_a_counter_question_that_is_cut_is_told(meter, keys):
    with CuttingProxy(meter.port, [20]) as proxy:
        assert through(proxy, "read", "3/1.0.1.8.0.255/2", keys=keys).exit_code == 4


def test_a_write_whose_answer_is_lost_is_of_unknown_outcome(meter, keys):
    before = json.dumps({"uint32": 5})
    with CuttingProxy(meter.port) as proxy:
        assert through(proxy, "write", "71/0.0.17.0.0.255/6", "uint32:5", "--yes", keys=keys).exit_code == 0
    sizes = []
    with CuttingProxy(meter.port) as proxy:
        told = through(proxy, "write", "71/0.0.17.0.0.255/6", "uint32:6", "--yes", "--json", keys=keys)
        assert json.dumps(told.json["before"]) == before
        sizes.append(proxy.connections)
    assert sizes == [2]


def test_an_update_goes_on_behind_cuts_and_every_block_goes_once(meter, keys, tmp_path):
    image = tmp_path / "firmware.bin"
    image.write_bytes(build_image("management", "MWC-7.7.7", bytes(range(256)) * 40))
    cuts = [PUBLIC_SIZE, 4000, PUBLIC_SIZE, 5000]
    with CuttingProxy(meter.port, cuts) as proxy:
        told = through(proxy, "update", image, "--identifier", "FW-7", "--yes", "--json", keys=keys)
        assert told.exit_code == 0, told.errors
        assert told.json["status"] == "activated"
        assert told.json["connections"] == 3
        assert told.json["blocks_kept"] > 0
        assert told.json["blocks_sent"] + told.json["blocks_kept"] == told.json["blocks"]
        assert "MWC-7.7.7" in told.json["firmware_after"].values()


def test_an_update_over_a_line_that_always_breaks_is_given_up_with_what_to_do(meter, keys, tmp_path):
    image = tmp_path / "firmware.bin"
    image.write_bytes(build_image("management", "MWC-8.8.8", bytes(20_000)))
    with CuttingProxy(meter.port, [PUBLIC_SIZE, 3000] * 10) as proxy:
        told = through(proxy, "update", image, "--yes", keys=keys)
        assert told.exit_code in (4, 5)
        assert proxy.connections <= 2 * meter_update.ATTEMPTS
    with CuttingProxy(meter.port) as proxy:
        again = through(proxy, "update", image, "--yes", "--json", keys=keys)
        assert again.exit_code == 0
        assert again.json["blocks_kept"] > 0


def test_a_profile_that_is_cut_writes_no_file(meter, keys, tmp_path):
    path = tmp_path / "profile.csv"
    with CuttingProxy(meter.port, [PUBLIC_SIZE, 270]) as proxy:
        told = through(proxy, "read", "--profile", "1.0.99.1.0.255", "--output", path, keys=keys)
        assert told.exit_code == 4
    assert not path.exists()


def test_an_object_list_that_is_cut_is_not_kept(meter, keys, tmp_path):
    cache = tmp_path / "cache"
    with CuttingProxy(meter.port, [PUBLIC_SIZE, 240]) as proxy:
        options = ("--client", 1, "--keys", keys, "--cache", cache, "--timeout-s", 3)
        assert command("meter", "read", proxy.address, "1.8.0", *options).exit_code == 4
        assert not list(cache.glob("*.json"))
        assert command("meter", "read", proxy.address, "1.8.0", *options).exit_code == 0
        assert len(list(cache.glob("*.json"))) == 1
