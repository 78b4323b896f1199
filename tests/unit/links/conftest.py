"""A served example meter and a listener, for the shells' limits."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from tests.integration.dlms.example_device import ExampleDevice

from meterworks.links import MeterServer, MeterServerLimits, start_meter_server

Served = Callable[..., AbstractAsyncContextManager[MeterServer]]


@pytest.fixture
def device() -> ExampleDevice:
    return ExampleDevice()


@pytest.fixture
def served(device: ExampleDevice) -> Served:
    """Serve the example meter under limits of the test's own."""

    @asynccontextmanager
    async def serve(**limits: float) -> AsyncIterator[MeterServer]:
        server = await start_meter_server(
            lambda host, _port: device if host == "127.0.0.1" else None,
            "127.0.0.1",
            0,
            device_only=None,
            limits=MeterServerLimits(**limits),  # type: ignore[arg-type]
        )
        try:
            yield server
        finally:
            await server.close()

    return serve
