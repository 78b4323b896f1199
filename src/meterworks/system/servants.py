"""What each process does between start and stop: fleet, head-end and writer. The web is wired by the command."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import orjson

from meterworks.devices import Fleet
from meterworks.headend import HeadEnd, RegistryDirectory
from meterworks.readings import Writer
from meterworks.system.neighbourhood import find_neighbourhood
from meterworks.system.process import Ground, answering_as_ready

__all__ = ["SERVANTS", "Servant"]

Servant = Callable[[Ground, asyncio.Event], Awaitable[None]]


async def _until(stopping: asyncio.Event, work: Awaitable[None], stop: Callable[[], None]) -> None:
    """Run the work until it ends by itself or is asked to."""
    running = asyncio.ensure_future(work)
    asked = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        stop()
        await running
    finally:
        asked.cancel()
        running.cancel()
        await asyncio.gather(asked, running, return_exceptions=True)


async def serve_writer(ground: Ground, stopping: asyncio.Event) -> None:
    """From the stream to the warehouse."""
    warehouse = await asyncio.to_thread(ground.open_warehouse)
    writer = Writer(
        bus=ground.bus,
        warehouse=warehouse,
        database=ground.database,
        clock=ground.clock,
        settings=ground.layout.configuration.writer,
    )

    async def status(_question: bytes) -> bytes:
        return orjson.dumps({"state": "ok", "position": await asyncio.to_thread(warehouse.position)})

    subscription = await ground.bus.respond("readings.status", status)
    async with answering_as_ready(ground.bus, "writer"):
        await _until(stopping, writer.run(), writer.stop)
    await subscription.unsubscribe()


async def serve_headend(ground: Ground, stopping: asyncio.Event) -> None:
    """Collect and command."""
    headend = HeadEnd(
        bus=ground.bus,
        database=ground.database,
        directory=RegistryDirectory(ground.registry),
        clock=ground.clock,
        settings=ground.layout.headend,
    )
    running = asyncio.create_task(_until(stopping, headend.run(), headend.stop))
    ready = asyncio.create_task(headend.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    async with answering_as_ready(ground.bus, "headend"):
        await running


async def serve_fleet(ground: Ground, stopping: asyncio.Event) -> None:
    """Every emulated meter of the neighbourhood."""
    neighbourhood = await asyncio.to_thread(find_neighbourhood, ground.layout)
    fleet = Fleet(neighbourhood.meters(), ground.layout.fleet, ground.clock)
    await fleet.start()
    try:
        async with answering_as_ready(ground.bus, "fleet"):
            await stopping.wait()
    finally:
        await fleet.stop()


SERVANTS: Mapping[str, Servant] = {
    "fleet": serve_fleet,
    "headend": serve_headend,
    "writer": serve_writer,
}
