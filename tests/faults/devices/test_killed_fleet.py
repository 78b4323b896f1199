"""A fleet process killed in the middle of sessions: no invocation counter of a meter is ever used twice.

The meters run in a process of their own, behind a relay that keeps what they send. The process is killed and started
again on the same state file; every protected message it ever sent must carry a counter of its own.
"""

import asyncio
import contextlib
import os
import signal
import sys

import pytest
from tests.conftest import REPOSITORY
from tests.integration.devices.conftest import READER, client_settings, specification

from meterworks.errors import MeterworksError
from meterworks.links import DlmsClient
from meterworks.protocols.dlms import AttributeAddress, CountUp, ObisCode, WrapperReader, decode_all
from meterworks.protocols.dlms.security import split_ciphered
from meterworks.protocols.errors import DecodeError

NAME = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)

SERVE = """
import asyncio, sys
from pathlib import Path
from meterworks.devices import Fleet, FleetSettings
from meterworks.runtime import SystemClock
from tests.conftest import REPOSITORY
from tests.integration.devices.conftest import INSTALLED, specification
from tests.unit.devices.plain_load import PlainLoad

async def main():
    meters = [(specification(1, address="127.0.0.1:0"), PlainLoad(INSTALLED))]
    fleet = Fleet(meters, FleetSettings(state_path=Path(sys.argv[1])), SystemClock())
    await fleet.start()
    print(fleet.ports[0], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Relay:
    """Passes bytes on between the client and the fleet of the moment, keeping the meters' counters."""

    def __init__(self):
        self.target = 0
        self.counters = []
        self.server = None

    async def start(self):
        self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def handle(self, reader, writer):
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        frames = WrapperReader()
        with contextlib.suppress(OSError):
            await asyncio.gather(self.copy(reader, inner_writer, None), self.copy(inner_reader, writer, frames))

    async def copy(self, reader, writer, frames):
        try:
            while data := await reader.read(70_000):
                if frames is not None:
                    self.keep(frames, data)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    def keep(self, frames, data):
        frames.feed(data)
        while (frame := frames.next_frame()) is not None:
            with contextlib.suppress(DecodeError):
                self.counters.append(split_ciphered(frame[2])[4])


async def start_process(path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(path), stdout=asyncio.subprocess.PIPE, env=os.environ, cwd=REPOSITORY
    )
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    return process, int(line)


async def read_until_broken(port, counter, sessions_max):
    """Read over and over; end when the meter is gone."""
    meter = specification(1)
    with contextlib.suppress(MeterworksError):
        for _ in range(sessions_max):
            client = await DlmsClient.connect(
                "127.0.0.1", port, client_settings(meter, READER), counter=counter, timeout_s=5
            )
            async with client:
                await client.associate()
                for _ in range(20):
                    assert decode_all(await client.get(NAME)) == b"MWR0000000000001"
    return counter


@pytest.mark.slow
async def test_no_counter_is_used_twice_over_kills(tmp_path):
    relay = Relay()
    port = await relay.start()
    counter = CountUp(1)
    for delay_s in (0.15, 0.05, 0.3, 0.1):
        process, relay.target = await start_process(tmp_path / "state.npy")
        reading = asyncio.create_task(read_until_broken(port, counter, sessions_max=1000))
        await asyncio.sleep(delay_s)  # the moment of the kill, anywhere in a session
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.wait_for(reading, 30)
        process._transport.close()
    relay.server.close()
    assert len(relay.counters) > 100
    assert len(relay.counters) == len(set(relay.counters))
