"""A writer in a process of its own, to be killed: FOLDER URL [STEP before|after], where it kills itself at a step."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from meterworks.readings import Writer, WriterSettings
from meterworks.readings import writer as writer_module
from meterworks.runtime import BusSettings, Database, ManualClock, WarehouseSettings, connect_bus
from meterworks.runtime.warehouse import Warehouse

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(real, when):
    """The function, but the process dies as by `kill -9` right before or after it."""

    def step(*arguments, **keywords):
        if when == "before":
            die()
        real(*arguments, **keywords)
        die()

    async def asynchronous_step(*arguments, **keywords):
        if when == "before":
            die()
        await real(*arguments, **keywords)
        die()

    return asynchronous_step if asyncio.iscoroutinefunction(real) else step


async def main(folder: Path, url: str, death: list[str]) -> None:
    warehouse = Warehouse(
        WarehouseSettings(location=str(folder / "files"), catalog_url=f"sqlite:///{folder}/catalog.sqlite3", shards=2)
    )
    database = Database(f"sqlite:///{folder}/db.sqlite3")
    bus = await connect_bus(BusSettings(url=url))
    writer = Writer(
        bus=bus,
        warehouse=warehouse,
        database=database,
        clock=ManualClock(NOW),
        settings=WriterSettings(
            quiet_s=0.05, batch_rows_max=200, fetch_messages_max=4, retry_min_s=0.05, retry_max_s=0.2
        ),
    )
    if death:
        name, when = death
        owner = {"append": warehouse, "trim": bus, "_confirm": writer}.get(name, writer_module)
        setattr(owner, name, deadly(getattr(owner, name), when))
    await writer.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
