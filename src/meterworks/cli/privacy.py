"""`meterworks privacy`: personal data of the system on this machine."""

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from meterworks.catalogue import DATA_CLASSES, Role, data_flows, unregistered_tables
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_rows
from meterworks.headend import HeadendQueries
from meterworks.market import Consents, Deletion, Market, MarketServices, Principal, deletion_history
from meterworks.readings import ReadingStore
from meterworks.registry import ConsumerId
from meterworks.runtime import MemoryBus, metadata, write_atomically
from meterworks.runtime.warehouse import Warehouse
from meterworks.system import ConfigurationError
from meterworks.system.configuration import Layout
from meterworks.system.retention import Keeper, open_keeper
from meterworks.system.trail import tell
from meterworks.trust import KeyStore
from meterworks.trust.audit import MemoryAuditSink

__all__ = ["app"]

REASON_SHOWN_MAX = 500  # characters, as much as a record takes
app = typer.Typer(
    help="Personal data: export, erase, consents, retention, holds, register of flows.", no_args_is_help=True
)
retention_app = typer.Typer(help="What is past its limit.", no_args_is_help=True)
hold_app = typer.Typer(help="Orders to keep data.", no_args_is_help=True)
app.add_typer(retention_app, name="retention")
app.add_typer(hold_app, name="hold")

ConsumerNumber = Annotated[int, typer.Option("--consumer", help="number of the consumer")]


def _who() -> str:
    return f"command line, {getpass.getuser()}"


async def _package(layout: Layout, keeper: Keeper, consumer: int) -> bytes:
    warehouse = await asyncio.to_thread(Warehouse, layout.warehouse)
    market = Market(
        MarketServices(
            database=keeper.database,
            bus=MemoryBus(),
            clock=keeper.clock,
            registry=keeper.registry,
            readings=ReadingStore(warehouse=warehouse, database=keeper.database),
            collection=HeadendQueries(keeper.database),
            headend_settings=layout.headend,
            keystore=KeyStore(bytes(32)),  # opens nothing: no account is looked at here
            audit=MemoryAuditSink(),
        ),
        layout.configuration.market,
    )
    person = Principal(
        user_id=0,
        name=_who(),
        role=Role.OPERATOR,
        organisation_id=None,
        consumer_id=None,
        token_hash="",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    package = await market.subject_export.package(consumer, by=person, request_id="command")
    return package.archive()


@app.command()
def export(
    consumer: ConsumerNumber,
    output: Annotated[Path, typer.Option(help="ZIP file to write")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Write all data of a consumer, with who read it and why, to a ZIP archive of JSON and CSV."""
    layout = layout_of(data, config, settings)

    async def work() -> bytes:
        async with open_keeper(layout) as keeper:
            await keeper.registry.consumer(ConsumerId(consumer))
            await tell(layout, "data.exported", facts={}, about=f"consumer:{consumer}")
            return await _package(layout, keeper, consumer)

    write_atomically(output, asyncio.run(work()), mode=0o600)
    notice(f"data of consumer {consumer} written to {output}")


@app.command()
def erase(
    consumer: ConsumerNumber,
    yes: Annotated[bool, typer.Option("--yes", help="do it; without this, only what would go is told")] = False,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Erase a consumer who has moved out, and keep the books: monthly sums, dated facts, who read what."""

    layout = layout_of(data, config, settings)

    async def work() -> list[dict[str, object]]:
        async with open_keeper(layout) as keeper:
            person = await keeper.registry.consumer(ConsumerId(consumer))
            if not yes:
                homes = await keeper.registry.occupancies(consumer_id=person.id)
                return [{"consumer": person.id, "name": person.name, "homes": len(homes), "erased": False}]
            await tell(layout, "erasure.approved", facts={}, about=f"consumer:{consumer}")
            wish = await keeper.erasures.wishes.approve(consumer, by=_who())
            return [asdict(await keeper.erasures.carry_out(wish, actor=f"person:{getpass.getuser()}"))]

    print_rows(asyncio.run(work()), as_json=as_json)
    if not yes:
        notice("nothing was erased: say --yes to do it")


@app.command()
def consents(
    consumer: Annotated[int | None, typer.Option(help="of this consumer")] = None,
    organisation: Annotated[int | None, typer.Option(help="to this organisation")] = None,
    metering_point: Annotated[str | None, typer.Option(help="at this metering point")] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """List consents and where they stand, newest first."""

    async def work() -> list[dict[str, object]]:
        async with open_keeper(layout_of(data, config, settings)) as keeper:
            book = Consents(keeper.database, keeper.registry, keeper.clock, MemoryAuditSink())
            found = await book.of(consumer_id=consumer, organisation_id=organisation, usage_point_id=metering_point)
            now = keeper.clock.now()
            return [
                {
                    "reference": each.reference,
                    "state": each.state(now).value,
                    "consumer": each.consumer_id,
                    "organisation": each.organisation_id,
                    "metering_point": each.usage_point_id,
                    "purpose": each.purpose,
                    "detail": each.detail.label,
                    "from": each.starts_at.isoformat(),
                    "to": each.ends_at.isoformat(),
                }
                for each in found
            ]

    print_rows(asyncio.run(work()), as_json=as_json)


@app.command()
def register(
    check: Annotated[bool, typer.Option("--check", help="fail where a table of the database is in no class")] = False,
    as_json: AsJson = False,
) -> None:
    """Print who gets what, why, how fine, how long and where it lies."""
    if check:
        unknown = unregistered_tables(metadata.tables)
        if unknown:
            raise ConfigurationError(f"tables that no class of data names: {', '.join(unknown)}")
    print_rows([{**asdict(flow), "where": " ".join(flow.where)} for flow in data_flows()], as_json=as_json)


# --- retention ----------------------------------------------------------------------------------------------------


def _deletion_rows(found: Sequence[Deletion]) -> list[dict[str, object]]:
    return [
        {
            "at": entry.at.isoformat(),
            "cause": entry.cause,
            "class": entry.data_class,
            "store": entry.store,
            "before": None if entry.before is None else entry.before.isoformat(),
            "rows": entry.rows,
            "files": entry.files,
        }
        for entry in found
    ]


@retention_app.command()
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count what would go")] = False,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Take away what is past its limit, and carry out approved erasures."""

    async def work() -> Sequence[Deletion]:
        async with open_keeper(layout_of(data, config, settings)) as keeper:
            if dry_run:
                return await keeper.retention.due()
            return (await keeper.run())[1]

    print_rows(_deletion_rows(asyncio.run(work())), as_json=as_json)


@retention_app.command()
def status(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="records shown")] = 50,
    limits: Annotated[bool, typer.Option("--limits", help="show the classes and their limits instead")] = False,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Show what was deleted, newest first; or how long each class is kept."""
    if limits:
        classes = [{**asdict(kind), "where": " ".join(kind.where)} for kind in DATA_CLASSES.values()]
        print_rows(classes, as_json=as_json)
        return

    async def work() -> Sequence[Deletion]:
        async with open_keeper(layout_of(data, config, settings)) as keeper:
            return await deletion_history(keeper.database, limit)

    print_rows(_deletion_rows(asyncio.run(work())), as_json=as_json)


# --- holds --------------------------------------------------------------------------------------------------------


@hold_app.command("set")
def set_hold(
    reason: Annotated[str, typer.Option(help="why the data stays")],
    metering_point: Annotated[str | None, typer.Option(help="whose; all data if absent")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Keep data until the hold is released."""

    layout = layout_of(data, config, settings)
    about = "system" if metering_point is None else f"usage-point:{metering_point}"

    async def work() -> None:
        async with open_keeper(layout) as keeper:
            await tell(layout, "hold.set", facts={}, about=about, cause=reason[:REASON_SHOWN_MAX])
            await keeper.holds.set(metering_point, reason, by=_who())

    asyncio.run(work())


@hold_app.command("release")
def release_hold(
    number: Annotated[int, typer.Option(help="number of the hold")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Let limits count again."""

    layout = layout_of(data, config, settings)

    async def work() -> None:
        async with open_keeper(layout) as keeper:
            await tell(layout, "hold.released", facts={}, about=f"hold:{number}")
            await keeper.holds.release(number, by=_who())

    asyncio.run(work())


@hold_app.command("list")
def list_holds(
    as_json: AsJson = False, data: DataFolder = None, config: ConfigFile = None, settings: Settings = None
) -> None:
    """Show the holds that stand."""

    async def work() -> list[dict[str, object]]:
        async with open_keeper(layout_of(data, config, settings)) as keeper:
            return [asdict(hold) for hold in await keeper.holds.standing()]

    print_rows(asyncio.run(work()), as_json=as_json)
