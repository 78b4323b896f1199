"""A message bus server of the test's own, and both kinds of bus for the tests of the common contract."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from meterworks.runtime import BusSettings, MemoryBus, NatsServer, NatsServerSettings, connect_bus


@asynccontextmanager
async def running_server(folder: Path) -> AsyncIterator[NatsServer]:
    """A server with an empty store on a free port."""
    async with NatsServer(
        NatsServerSettings(folder=folder / "nats", port=0, output_path=folder / "nats.log")
    ) as server:
        yield server


@pytest.fixture
async def nats_server(tmp_path):
    """A running server with an empty store on a free port."""
    async with running_server(tmp_path) as server:
        yield server


@pytest.fixture(params=["memory", "nats"])
async def bus(request, tmp_path):
    """A bus of either kind, little patient."""
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            bus = MemoryBus()
        else:
            server = await stack.enter_async_context(running_server(tmp_path))
            bus = await connect_bus(BusSettings(url=server.url, patience_s=3.0))
        stack.push_async_callback(bus.close)
        yield bus


@pytest.fixture
async def log_bus(bus):
    """A bus with the stream `LOG` on `log.>`."""
    await bus.ensure_stream("LOG", ["log.>"], max_bytes=4 * 2**20)
    return bus
