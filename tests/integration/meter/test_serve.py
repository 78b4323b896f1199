"""A lone meter in every mechanism, suite, framing and style it offers, read by the command line; and over HDLC."""

import json

import pytest
from tests.integration.meter.conftest import NOW, Served, command

from meterworks.devices import build_image
from meterworks.protocols.dlms import Mechanism, SecuritySuite
from meterworks.system import ConfigurationError
from meterworks.system.meter.key import KEY_SIZES, MeterKeys
from meterworks.system.meter.lone import SERVED_MECHANISMS, LoneMeter, announced, describe, make_keys


def keys_of(suite=0, folder=None):
    size = KEY_SIZES[suite]
    keys = {
        "guek": bytes(range(size)),
        "gak": bytes(range(100, 100 + size)),
        "password": b"12345678",
        "secret": b"s" * 16,
    }
    path = folder / "keys.json"
    path.write_text(json.dumps({"suite": suite} | {name: value.hex() for name, value in keys.items()}))
    return MeterKeys(suite=SecuritySuite(suite), **keys), path


def read(port, path, *words, target="127.0.0.1:{port}"):
    options = ("--client", 2, "--keys", path, "--no-cache", "--timeout-s", 5, "--json")
    return command("meter", "read", target.format(port=port), "1.8.0", *options, *words)


@pytest.mark.parametrize("name", [name for name in SERVED_MECHANISMS if name != "ecdsa"])
def test_each_mechanism_is_served_and_read(tmp_path, name):
    keys, path = keys_of(folder=tmp_path)
    with Served(keys=keys, mechanism=SERVED_MECHANISMS[name], guek=keys.guek, gak=keys.gak) as meter:
        told = read(meter.port, path, "--mechanism", name)
        assert told.exit_code == 0
        assert told.json[0]["value"] == meter.fleet.meter(0).view.load.registers_at(int(NOW)).import_wh
        other = "md5" if name != "md5" else "sha1"
        assert read(meter.port, path, "--mechanism", other).exit_code == 3


@pytest.mark.parametrize("suite", [1, 2])
def test_signatures_prove_both_sides(tmp_path, suite):
    path = tmp_path / "keys.json"
    chosen = LoneMeter(keys_file=path, suite=suite, mechanism=Mechanism.ECDSA)
    keys = make_keys(chosen)
    assert make_keys(chosen).guek == keys.guek
    with Served(keys=keys, mechanism=Mechanism.ECDSA, suite=keys.suite, guek=keys.guek, gak=keys.gak) as meter:
        told = read(meter.port, path, "--mechanism", "ecdsa")
        assert told.exit_code == 0, told.errors
        assert told.json[0]["unit"] == "Wh"
        (tmp_path / "other").mkdir()
        stranger = tmp_path / "other" / "keys.json"
        make_keys(LoneMeter(keys_file=stranger, suite=suite))
        fields = json.loads(stranger.read_text()) | {"guek": (keys.guek or b"").hex(), "gak": (keys.gak or b"").hex()}
        stranger.write_text(json.dumps(fields))
        assert read(meter.port, stranger, "--mechanism", "ecdsa").exit_code != 0


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_each_suite_is_served_and_read(tmp_path, suite):
    keys, path = keys_of(suite, tmp_path)
    with Served(keys=keys, suite=keys.suite, guek=keys.guek, gak=keys.gak) as meter:
        for words in ([], ["--dedicated"], ["--ciphering", "general"]):
            told = read(meter.port, path, *words)
            assert told.exit_code == 0, words
            assert told.json[0]["unit"] == "Wh"


def test_a_meter_over_hdlc_is_read_and_traced(tmp_path):
    keys, path = keys_of(folder=tmp_path)
    trace = tmp_path / "hdlc.pcap"
    with Served(keys=keys, framing="hdlc", guek=keys.guek, gak=keys.gak) as meter:
        told = read(meter.port, path, "--trace", trace, target="hdlc+tcp://127.0.0.1:{port}?physical=17")
        assert told.exit_code == 0
        assert told.json[0]["unit"] == "Wh"
        found = command("meter", "discover", f"hdlc+tcp://127.0.0.1:{meter.port}", "--clients", "16,2", "--json")
        assert [each["standing"] for each in found.json["associations"]] == ["open", "locked"]
        replayed = command("meter", "replay", trace, f"127.0.0.1:{meter.port}", "--timeout-s", 5, "--json")
        assert replayed.json["same"] > 0  # SNRM and the public client's part; what is ciphered cannot be repeated


@pytest.mark.parametrize(("style", "phases"), [("idis", 1), ("dsmr", 3)])
def test_a_model_of_a_companion_style_is_read(tmp_path, style, phases):
    keys, path = keys_of(folder=tmp_path)
    with Served(keys=keys, style=style, phases=phases, guek=keys.guek, gak=keys.gak) as meter:
        told = read(meter.port, path)
        assert told.exit_code == 0
        assert told.json[0]["unit"] == "Wh"


def test_an_update_reaches_the_meter(tmp_path):
    keys, path = keys_of(folder=tmp_path)
    image = tmp_path / "firmware.bin"
    image.write_bytes(build_image("management", "MWC-9.9.9", bytes(3000)))
    with Served(keys=keys, guek=keys.guek, gak=keys.gak) as meter:
        words = ("--client", 1, "--keys", path, "--no-cache", "--timeout-s", 5)
        target = f"127.0.0.1:{meter.port}"
        looked = command("meter", "update", target, image, *words, "--dry-run")
        assert looked.exit_code == 0
        assert "nothing was sent" in looked.errors
        assert command("meter", "update", target, image, *words).exit_code == 2
        half = command("meter", "update", target, image, *words, "--yes", "--no-activate", "--json")
        assert half.exit_code == 0
        assert half.json["status"] == "verified"
        assert half.json["blocks_sent"] == half.json["blocks"] == 3
        told = command("meter", "update", target, image, *words, "--yes", "--json")
        assert told.exit_code == 0
        assert told.json["status"] == "activated"
        assert told.json["blocks_sent"] == 3  # a verified image that is initiated again begins anew
        assert "MWC-9.9.9" in told.json["firmware_after"].values()
        assert "MWC-9.9.9" not in told.json["firmware_before"].values()
        wrong = command("meter", "update", target, image, *words, "--yes", "--channel", 2)
        assert wrong.exit_code == 3
        assert "0-0:44.0.0.255" in wrong.errors


# --- keys and choices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_fresh_keys_are_written_once(tmp_path, suite):
    meter = LoneMeter(keys_file=tmp_path / "keys.json", suite=suite, mechanism=Mechanism.SHA256)
    keys = make_keys(meter)
    assert len(keys.guek or b"") == KEY_SIZES[suite]
    again = make_keys(meter)
    assert (again.guek, again.gak, again.secret) == (keys.guek, keys.gak, keys.secret)
    assert (keys.serve_signer is None) == (suite == 0)
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "fields", "told"),
    [
        ({"guek": "00" * 16}, {}, "gak"),
        ({"guek": "00" * 16, "gak": "00" * 16}, {"suite": 1}, "suite 0, not 1"),
        ({"guek": "00" * 16, "gak": "00" * 16}, {"mechanism": Mechanism.LOW}, "password"),
        ({"guek": "00" * 16, "gak": "00" * 16}, {"mechanism": Mechanism.MD5}, "secret"),
    ],
)
def test_a_keys_file_that_lacks_something_is_told(tmp_path, content, fields, told):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match=told):
        make_keys(LoneMeter(keys_file=path, **fields))


@pytest.mark.parametrize("fields", [{"phases": 2}, {"seed": -1}, {"suite": 3}, {"mechanism": Mechanism.ECDSA}])
def test_a_meter_that_cannot_be_is_refused(fields):
    with pytest.raises(ConfigurationError):
        LoneMeter(**fields)


@pytest.mark.parametrize(
    "words", [["--mechanism", "ecdsa"], ["--mechanism", "none"], ["--framing", "udp"], ["--phases", 2]]
)
def test_choices_that_are_none_are_told(words):
    assert command("meter", "serve", *words).exit_code == 2


def test_what_is_announced_is_what_a_client_needs(tmp_path):
    meter = LoneMeter(model="idis-3", mechanism=Mechanism.LOW, framing="hdlc")
    specification, load, keys = describe(meter, tmp_path)
    facts = announced(meter, specification, keys)
    assert (specification.style, load.phases) == ("idis", 3)
    assert bytes.fromhex(facts["password"]) == keys.password
    assert facts["model"] == "idis-3"
    assert "mechanism 1 low" in facts["clients"]
    hls = LoneMeter(mechanism=Mechanism.SHA1)
    assert announced(hls, specification, keys)["secret"] == (keys.secret or b"").hex()


# --- short names ----------------------------------------------------------------------------------------------------


def test_a_meter_of_short_names_is_read_changed_and_learnt_as_others_are(tmp_path):
    keys, path = keys_of(folder=tmp_path)
    with Served(keys=keys, guek=keys.guek, gak=keys.gak, short_names=True) as meter:
        target = f"127.0.0.1:{meter.port}"
        shared = ("--client", 1, "--keys", path, "--no-cache", "--timeout-s", 5, "--short-names")
        values = command("meter", "read", target, "1.8.0", "clock", "1.8.0/scaler_unit", *shared, "--json")
        assert values.exit_code == 0, values.errors
        assert values.json[0]["value"] == meter.fleet.meter(0).view.load.registers_at(int(NOW)).import_wh
        assert values.json[0]["unit"] == "Wh"
        assert values.json[1]["value"] == "2026-11-21T10:07:12Z"
        rows = command("meter", "read", target, "99.1.0", "--last", 3, *shared, "--json")
        assert len(rows.json) == 3
        written = command("meter", "write", target, "17.0.0/4", "uint32:4321", "--yes", *shared, "--json")
        assert written.json["after"] == {"uint32": 4321}
        off = command("meter", "act", target, "0-0:96.3.10.255/remote_disconnect", "--yes", *shared)
        assert off.exit_code == 0, off.errors
        assert command("meter", "read", target, "0-0:96.3.10.255/2", *shared, "--json").json[0]["value"] is False
        tree = command("meter", "objects", target, *shared)
        assert any("Association SN" in line for line in tree.lines)
        assert command("meter", "read", target, "3/9.9.9.9.9.9/2", *shared).exit_code == 3
        assert command("meter", "read", target, "clock", *shared[:-1]).exit_code != 0
