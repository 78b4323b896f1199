"""The head-end process: collect and command."""

import asyncio

from meterworks.headend import HeadEnd, HeadendChannels, RegistryDirectory
from meterworks.system.serving.process import Ground, answering_as_ready, until_stopped

__all__ = ["serve"]


async def serve(ground: Ground, stopping: asyncio.Event) -> None:
    """Collect and command."""
    headend = HeadEnd(
        bus=ground.bus,
        database=ground.database,
        directory=RegistryDirectory(ground.registry),
        clock=ground.clock,
        settings=ground.layout.headend,
        registry=ground.registry,
        audit=ground.audit,
    )
    headend.restore_mark = ground.layout.counter_mark
    if ground.layout.configuration.fleet.tls:
        headend.channels = HeadendChannels(ground.tls, audit=ground.audit)
    running = asyncio.create_task(until_stopped(stopping, headend.run(), headend.stop))
    ready = asyncio.create_task(headend.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    async with answering_as_ready(ground.bus, "headend"):
        await running
