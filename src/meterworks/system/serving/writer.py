"""The writer process: from the stream to the warehouse."""

import asyncio

import orjson

from meterworks.readings import OriginBook, Writer
from meterworks.runtime.warehouse import Warehouse
from meterworks.system.origin import anchored
from meterworks.system.retention import keep_limits
from meterworks.system.serving.process import Ground, answering_as_ready, until_stopped

__all__ = ["serve"]


async def serve(ground: Ground, stopping: asyncio.Event) -> None:
    """From the stream to the warehouse."""
    warehouse = await asyncio.to_thread(Warehouse, ground.layout.warehouse)
    origins = await asyncio.to_thread(OriginBook, ground.layout.origins, now=ground.clock.now)
    writer = Writer(
        bus=ground.bus,
        warehouse=warehouse,
        database=ground.database,
        clock=ground.clock,
        settings=ground.layout.configuration.writer,
        origins=origins,
        anchor=lambda state: ground.audit.post(anchored(state)),
    )

    async def status(_question: bytes) -> bytes:
        return orjson.dumps({"state": "ok", "position": await asyncio.to_thread(warehouse.position)})

    subscription = await ground.bus.respond("readings.status", status)
    keeping = asyncio.create_task(keep_limits(ground, warehouse, origins))
    try:
        async with answering_as_ready(ground.bus, "writer"):
            await until_stopped(stopping, writer.run(), writer.stop)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    await subscription.unsubscribe()
