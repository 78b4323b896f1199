"""The fleet process: every emulated meter of the neighbourhood."""

import asyncio
from dataclasses import replace

from meterworks.devices import Fleet
from meterworks.system.device_credential import DeviceBook
from meterworks.system.neighbourhood import find_neighbourhood
from meterworks.system.serving.process import Ground, answering_as_ready

__all__ = ["serve"]


async def serve(ground: Ground, stopping: asyncio.Event) -> None:
    """Every emulated meter of the neighbourhood."""
    neighbourhood = await asyncio.to_thread(find_neighbourhood, ground.layout)
    settings = ground.layout.fleet
    if ground.layout.configuration.fleet.tls:
        book = DeviceBook(ground.layout.device_certificates, ground.tls, est_url=ground.layout.est_url)
        settings = replace(settings, credentials=book, audit=ground.audit)
    fleet = Fleet(neighbourhood.meters(), settings, ground.clock)
    await fleet.start()
    try:
        async with answering_as_ready(ground.bus, "fleet"):
            await stopping.wait()
    finally:
        await fleet.stop()
