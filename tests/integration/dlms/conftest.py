"""A served example meter."""

from collections.abc import AsyncIterator, Callable

import pytest
from tests.integration.dlms.example_device import CLIENT_TITLE, GAK, GUEK, PASSWORD, ExampleDevice

from meterworks.links import MeterServer, start_meter_server
from meterworks.protocols.dlms import ClientSettings, Mechanism, Protection


@pytest.fixture
def device() -> ExampleDevice:
    return ExampleDevice()


@pytest.fixture
async def server(device: ExampleDevice) -> AsyncIterator[MeterServer]:
    running = await start_meter_server(lambda _host, _port: device, "127.0.0.1", 0, device_only=None)
    yield running
    await running.close()


def settings_for(client_sap: int, **changes: object) -> ClientSettings:
    """Give the settings with which a client of the example meter associates."""
    facts: dict[str, object] = {"client_sap": client_sap}
    if client_sap in (1, 2):
        facts |= {"mechanism": Mechanism.GMAC, "system_title": CLIENT_TITLE, "guek": GUEK, "gak": GAK}
    if client_sap == 3:
        facts |= {"mechanism": Mechanism.LOW, "password": PASSWORD}
    if client_sap == 4:
        facts |= {
            "mechanism": Mechanism.GMAC, "system_title": CLIENT_TITLE, "guek": GUEK, "gak": GAK,
            "protection": Protection.NONE,
        }  # fmt: skip
    return ClientSettings(**(facts | changes))  # type: ignore[arg-type]


@pytest.fixture
def settings() -> Callable[..., ClientSettings]:
    return settings_for
