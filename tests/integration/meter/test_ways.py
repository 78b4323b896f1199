"""The same commands over UDP and through a gateway; and a person who is asked before anything is changed."""

import json
import sys

import pytest
from tests.integration.meter.conftest import GAK, GUEK, NOW, Served, command
from tests.unit.links.test_serial import OPTICAL, Bench
from typer.testing import CliRunner

from meterworks.cli.main import app
from meterworks.cli.meter_option import confirm
from meterworks.links import serve_serial, start_datagram_meter_server, start_meter_server
from meterworks.protocols.dlms.hdlc import HDLC
from meterworks.system import ConfigurationError


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"guek": GUEK.hex(), "gak": GAK.hex()}))
    return path


async def over_udp(fleet):
    return await start_datagram_meter_server(fleet.resolve, "127.0.0.1", 0)


async def behind_a_gateway(fleet):
    def behind(network, address):
        return fleet.meter(0) if (network, address) == (3, b"\x0a\x0b") else None

    return await start_meter_server(fleet.resolve, "127.0.0.1", 0, device_only=None, behind=behind)


def reads(target, keys, *words):
    return command(
        "meter",
        "read",
        target,
        "1.8.0",
        "--client",
        2,
        "--keys",
        keys,
        "--no-cache",
        "--timeout-s",
        2,
        "--json",
        *words,
    )


def test_a_meter_is_read_over_udp(keys):
    with Served(also=over_udp) as meter:
        told = reads(f"udp://127.0.0.1:{meter.also_port}", keys)
        assert told.exit_code == 0, told.errors
        assert told.json[0]["value"] == meter.fleet.meter(0).view.load.registers_at(int(NOW)).import_wh
        found = command("meter", "discover", f"udp://127.0.0.1:{meter.also_port}", "--clients", "16,2", "--json")
        assert [each["standing"] for each in found.json["associations"]] == ["open", "locked"]


def test_a_meter_behind_a_gateway_is_read(keys, tmp_path):
    with Served(also=behind_a_gateway) as meter:
        target = f"127.0.0.1:{meter.also_port}"
        told = reads(target, keys, "--gateway", "3:0a0b")
        assert told.exit_code == 0, told.errors
        assert told.json[0]["unit"] == "Wh"
        in_target = reads(f"tcp://{target}?network_id=3&meter=0a0b", keys)
        assert in_target.json[0]["value"] == told.json[0]["value"]
        assert reads(target, keys, "--gateway", "3:0a0c", "--counter", 9_000_000).exit_code in (1, 3, 4)


# --- consent --------------------------------------------------------------------------------------------------------


def test_consent_is_asked_on_a_terminal(monkeypatch):
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question, **options: asked.append((question, options)))
    confirm("Write it?", yes=False)
    assert asked == [("Write it?", {"abort": True, "err": True})]
    confirm("Write it?", yes=True)
    assert len(asked) == 1


def test_without_a_terminal_consent_must_be_given_in_the_command(monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(ConfigurationError, match="--yes"):
        confirm("Write it?", yes=False)


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("n\n", False), ("", False)])
def test_a_person_may_still_say_no(served, keys, monkeypatch, answer, written):
    words = ["--client", "1", "--keys", str(keys), "--no-cache"]
    target = f"127.0.0.1:{served.port}"
    command("meter", "write", target, "17.0.0/5", "uint32:100", "--yes", *words)
    monkeypatch.setattr("meterworks.cli.meter_option.is_attended", lambda: True)
    result = CliRunner().invoke(app, ["meter", "write", target, "17.0.0/5", "uint32:200", *words], input=answer)
    assert (result.exit_code == 0) is written
    assert "uint32 100 → uint32 200" in result.stderr
    after = command("meter", "read", target, "17.0.0/5", "--json", *words).json[0]["value"]
    assert after == (200 if written else 100)


# --- serial lines ---------------------------------------------------------------------------------------------------


class ServedLine:
    """The meter on a serial line made of two terminals; `port` is the client's end."""

    def __init__(self, fleet, framing):
        self.bench = Bench()
        self.meter = serve_serial(fleet.meter(0), self.bench.meter, framing=framing)
        self.port = self.bench.client

    async def close(self):
        self.meter.close()
        self.bench.close()


async def on_a_line(fleet):
    return ServedLine(fleet, HDLC)


async def on_an_optical_port(fleet):
    return ServedLine(fleet, OPTICAL)


@pytest.mark.parametrize(("also", "settings"), [(on_a_line, "baud=9600"), (on_an_optical_port, "mode_e=1&address=7")])
def test_a_meter_is_read_on_a_serial_line(keys, tmp_path, also, settings):
    trace = tmp_path / "line.pcap"
    with Served(also=also) as meter:
        target = f"serial://{meter.also_port}?{settings}"
        told = reads(target, keys, "--trace", trace)
        assert told.exit_code == 0, told.errors
        assert told.json[0]["unit"] == "Wh"
        assert trace.stat().st_size > 500
