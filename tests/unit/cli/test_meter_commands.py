"""What the `meter` commands print, apart from any meter: the work behind them is put aside."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from tests.unit.system.meter.fake_meter import CLOCK, ENERGY, ENTRIES, FakeMeter, ProfileMeter
from typer.testing import CliRunner

from meterworks.cli import meter_act, meter_learn, meter_objects, meter_read, meter_update, meter_write
from meterworks.cli.main import app
from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import Conformance
from meterworks.system.meter.image import ImageReport, ImageStatus
from meterworks.system.meter.update import UpdateReport


class WritableMeter(FakeMeter):
    """Takes what is written to the clock, and hides it behind the write where it is told to."""

    hides = False

    def set(self, address, value):
        super().set(address, value)
        if self.hides:
            del self.values[(address.class_id, str(address.obis_code), address.attribute)]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """`run(meter, verb, words...)` gives what a command prints when its session is with this meter."""

    def run_with(meter, verb, *words):
        @contextmanager
        def session(access):
            yield SimpleNamespace(client=meter, agreed=SimpleNamespace(conformance=Conformance.GET), access=access)

        for module in (meter_read, meter_objects, meter_learn, meter_write, meter_act):
            monkeypatch.setattr(module, "meter_session", session)
        options = ["--cache", str(tmp_path / "cache")]
        result = CliRunner().invoke(app, ["meter", verb, "127.0.0.1", *map(str, words), *options])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            assert isinstance(result.exception, MeterworksError), result.exception
        return result

    return run_with


def test_values_are_rows_of_a_table_when_piped(run):
    told = run(FakeMeter(), "read", "1.8.0", "1.7.0", "clock")
    assert told.stdout.splitlines() == [
        "object,name,attribute,value,unit",
        '1-0:1.8.0.255,"active energy import, total",2 value,1234.56,Wh',
        '1-0:1.7.0.255,"active power import, instantaneous",2 value,500,W',
        "0-0:1.0.0.255,clock,2 time,2026-01-31T12:00:00Z,",
    ]


def test_values_in_json_keep_what_the_meter_sent(run):
    (value,) = json.loads(run(FakeMeter(), "read", "1.8.0", "--json").stdout)
    assert (value["value"], value["unit"], value["typed"]) == ("1234.56", "Wh", {"uint32": 123456})


def test_the_object_list_has_names(run):
    lines = run(FakeMeter(), "read").stdout.splitlines()
    assert lines[0] == "class,version,obis_code,name"
    assert "8,0,0-0:1.0.0.255,clock" in lines
    assert len(lines) == len(ENTRIES) + 1


def test_a_profile_is_scaled_or_raw_as_asked(run):
    def energies(*words):
        rows = json.loads(run(ProfileMeter(), "read", *words, "--json").stdout)
        return [row["1-0:1.8.0.255"] for row in rows][:2]

    assert energies("99.1.0") == ["10.0", "10.1"]
    assert energies("99.1.0", "--raw") == [100, 101]
    assert energies("--profile", "1.0.99.1.0.255") == [100, 101]
    assert energies("99.1.0", "--last", "2") == ["10.4", "10.5"]


def test_an_empty_profile_is_told(run):
    told = run(ProfileMeter(rows=[]), "read", "99.1.0")
    assert told.exit_code == 0
    assert "nothing found" in told.stderr


def test_the_buffer_of_a_profile_can_be_read_as_an_attribute(run):
    (value,) = json.loads(run(ProfileMeter(), "read", "7/1.0.99.1.0.255/2", "--json").stdout)
    assert len(value["value"]) == ProfileMeter.ROWS


def test_scalers_are_kept_with_the_object_list(run, tmp_path):
    run(FakeMeter(), "read", "1.8.0")
    again = FakeMeter()
    run(again, "read", "1.8.0")
    assert (3, ENERGY, 3) not in again.asked
    assert (15, "0.0.40.0.0.255", 2) not in again.asked


def test_the_tree_shows_medium_purpose_and_rights(run):
    lines = run(FakeMeter(), "objects").stdout.splitlines()
    assert lines[0].startswith("127.0.0.1: 9 objects")
    assert lines[1].endswith("abstract")
    (clock,) = (line for line in lines if "0-0:1.0.0.255" in line)
    assert clock.rstrip().endswith("clock  · Clock 8 v0  · r 1-9  w 2")


def test_a_write_tells_before_and_after(run):
    told = run(WritableMeter(), "write", "clock", "datetime:2026-02-01T00:00+00:00", "--yes")
    assert told.exit_code == 0
    assert "octets 2026-01-31T12:00:00Z → octets 2026-02-01T00:00:00Z" in told.stderr
    assert "the meter now says octets 2026-02-01T00:00:00Z" in told.stderr
    assert told.stdout == ""


def test_a_write_that_cannot_be_read_back_is_told_as_such(run):
    meter = WritableMeter()
    meter.hides = True
    told = run(meter, "write", "clock", "datetime:2026-02-01T00:00+00:00", "--yes")
    assert "does not let it be read back" in told.stderr
    assert (8, CLOCK, 2) not in meter.values


def test_a_method_tells_what_it_returned(run):
    told = run(FakeMeter(), "act", "disconnect/1", "--yes")
    assert "method 1 remote_disconnect with int8 0" in told.stderr
    assert "done; it returned uint8 7" in told.stderr
    assert json.loads(run(FakeMeter(), "act", "disconnect/1", "--yes", "--json").stdout)["returned"] == {"uint8": 7}
    looked = json.loads(run(FakeMeter(), "act", "disconnect/1", "--dry-run", "--json").stdout)
    assert (looked["done"], looked["returned"]) == (False, None)


def test_a_learnt_model_is_a_table(run):
    told = run(FakeMeter(), "learn", "--name", "mine")
    assert told.stdout.startswith("# mine: ")
    assert f"{len(told.stdout.splitlines()) - 1} objects" in told.stderr


@pytest.mark.parametrize(
    ("after", "shown"), [({"1-0:0.2.0.255": "2.0"}, "1.0 → 2.0"), ({}, "1.0 → ?"), (None, "1.0 → ?")]
)
def test_an_update_tells_the_firmware_before_and_after(monkeypatch, tmp_path, after, shown):
    image = ImageReport(blocks=5, block_size=4, kept=2, sent=3, status=ImageStatus.ACTIVATED)
    report = UpdateReport(image=image, before={"1-0:0.2.0.255": "1.0"}, after=after, connections=1)
    plans = []

    def update(access, plan, *, tell):
        plans.append(plan)
        return report

    monkeypatch.setattr(meter_update, "update_meter", update)
    path = tmp_path / "FW2.bin"
    path.write_bytes(bytes(20))
    words = ["meter", "update", "127.0.0.1", str(path), "--yes", "--no-cache", "--channel", "3"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    assert "activated: 3 blocks sent, 2 of 5 were there" in told.stderr
    assert f"firmware 1-0:0.2.0.255: {shown}" in told.stderr
    assert (plans[0].identifier, plans[0].instance.text) == (b"FW2", "0-3:44.0.0.255")
    told = CliRunner().invoke(app, [*words, "--identifier", "hex:0aff", "--instance", "0.0.44.0.1.255", "--json"])
    assert json.loads(told.stdout)["firmware_after"] == after
    assert (plans[1].identifier, plans[1].instance.text) == (b"\x0a\xff", "0-0:44.0.1.255")


@pytest.mark.parametrize(
    "words", [["absent.bin"], ["FW2.bin", "--identifier", "hex:zz"], ["FW2.bin", "--channel", "99"], ["empty.bin"]]
)
def test_an_image_that_cannot_be_is_told_before_anything_is_sent(monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FW2.bin").write_bytes(bytes(20))
    (tmp_path / "empty.bin").write_bytes(b"")
    told = CliRunner().invoke(app, ["meter", "update", "127.0.0.1:1", *words, "--yes", "--no-cache"])
    assert isinstance(told.exception, MeterworksError)
    assert told.exception.exit_code == 2
