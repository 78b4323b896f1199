"""An emulated meter on a socket, in a thread of its own, and the commands of the command line against it."""

import asyncio
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from tests.unit.devices.plain_load import PlainLoad
from typer.testing import CliRunner

from meterworks.cli.main import app
from meterworks.devices import FleetSettings, MeterSpecification
from meterworks.errors import MeterworksError
from meterworks.protocols.dlms import Mechanism
from meterworks.runtime import ManualClock
from meterworks.system.meter.key import MeterKeys
from meterworks.system.meter.lone import LoneFleet

INSTALLED = int(datetime(2025, 10, 1, tzinfo=UTC).timestamp())
NOW = datetime(2026, 11, 21, 10, 7, 12, tzinfo=UTC).timestamp()
GUEK = bytes(range(16))
GAK = bytes(range(16, 32))
TITLE = b"MWR\x00\x00\x00\x00\x07"


def specification(**options):
    facts = {"system_title": TITLE, "serial": "MW0000000007", "guek": GUEK, "gak": GAK, "address": "127.0.0.1:0"}
    return MeterSpecification(**(facts | options))


class Served(threading.Thread):
    """Serves one meter until `stop`. keys, mechanism: of its clients, where they are not those of the model.

    also: makes another server of the same meter, whose port is then `also_port`.
    """

    def __init__(self, *, keys=None, mechanism=Mechanism.GMAC, framing="wrapper", phases=1, also=None, **options):
        super().__init__(daemon=True)
        self.also = also
        self.also_port = 0
        self.keys = keys or MeterKeys(guek=GUEK, gak=GAK)
        self.mechanism = mechanism
        self.framing = framing
        self.phases = phases
        self.options = options
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.stopping = asyncio.Event()
        self.port = 0
        self.fleet = None

    def run(self):
        try:
            self.loop.run_until_complete(self.serve())
        finally:
            self.ready.set()
            self.loop.close()

    async def serve(self):
        self.fleet = LoneFleet(
            (specification(**self.options), PlainLoad(INSTALLED, phases=self.phases)),
            FleetSettings(framing=self.framing), ManualClock(NOW), mechanism=self.mechanism, keys=self.keys,
        )  # fmt: skip
        await self.fleet.start()
        self.port = self.fleet.ports[0]
        other = None if self.also is None else await self.also(self.fleet)
        self.also_port = 0 if other is None else other.port
        self.ready.set()
        await self.stopping.wait()
        if other is not None:
            await other.close()
        await self.fleet.stop()

    def __enter__(self):
        self.start()
        assert self.ready.wait(20)
        assert self.port
        return self

    def __exit__(self, *_exc):
        self.stop()

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.join(10)


@dataclass
class Told:
    """What a command printed and how it ended."""

    exit_code: int
    output: str
    errors: str
    error: MeterworksError | None = field(default=None)

    @property
    def json(self):
        return json.loads(self.output)

    @property
    def lines(self):
        return self.output.splitlines()


def command(*words: object) -> Told:
    """Run `meterworks ...` in this process, as `run` would: errors become exit codes."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    error = result.exception
    if isinstance(error, MeterworksError):
        return Told(error.exit_code, result.stdout, f"{result.stderr}{error}", error)
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Told(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="package")
def served():
    with Served() as meter:
        yield meter


@pytest.fixture(scope="package")
def keys_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "meter.json"
    path.write_text(json.dumps({"guek": GUEK.hex(), "gak": GAK.hex()}))
    return path


@pytest.fixture
def meter(served, keys_file, tmp_path):
    """`meter(verb, words...)` runs a command as reader against the served meter, with a cache of this test."""

    def run(verb, *words, client=2, cache=True):
        options = ["--client", client, "--timeout-s", 5]
        options += ["--keys", keys_file] if client != 16 else []
        options += ["--cache", tmp_path / "cache"] if cache else ["--no-cache"]
        return command("meter", verb, f"127.0.0.1:{served.port}", *options, *words)

    return run
