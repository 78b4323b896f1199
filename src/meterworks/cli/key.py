"""`meterworks keys`: rotate the keys of meters, watch campaigns, look at states. Never a key itself."""

import asyncio
import contextlib
import getpass
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from meterworks.cli.key_escrow import escrow, take_over
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.headend import KEYS_CONTROL_SUBJECT, KEYS_START_SUBJECT, KeyJobState, KeyLedger, job_document
from meterworks.headend import campaign_document as document_of
from meterworks.registry import DeviceId, KeyVersion, Registry
from meterworks.runtime import Clock, Database, SystemClock, connect_bus, load_clock
from meterworks.system import ConfigurationError
from meterworks.system.configuration import Layout
from meterworks.trust import KeyStore

__all__ = ["app"]

app = typer.Typer(help="Keys of meters: rotate them, watch campaigns, see states; never a key.", no_args_is_help=True)

_COMMAND = "command"
_ANSWER_S = 30.0
_LOOK_S = 1.0
_ALARMS = ("counter-low", "key-recovered", "key-job-failed")
_Result = TypeVar("_Result")

Campaign = Annotated[str, typer.Argument(help="number of the campaign, as `keys status` shows it")]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="guek, gak, kek or gbek, may be repeated; all if absent")
]
Devices = Annotated[list[int] | None, typer.Option("--device", help="number of a device, may be repeated")]


@contextlib.asynccontextmanager
async def _records(layout: Layout) -> AsyncIterator[tuple[KeyLedger, Registry, Database, Clock]]:
    database = Database(layout.database(_COMMAND))
    clock = SystemClock(load_clock(layout.clock))
    try:
        registry = Registry(database, KeyStore.open(layout.master_key, may_create=False), clock=clock)
        yield KeyLedger(database, registry), registry, database, clock
    finally:
        await database.close()


async def _ask(layout: Layout, subject: str, question: dict[str, Any]) -> dict[str, Any]:
    """Ask the head-end. UnreachableError where none runs."""
    bus = await connect_bus(layout.bus(_COMMAND))
    try:
        answer = await bus.request(subject, orjson.dumps(question), timeout_s=_ANSWER_S)
    finally:
        await bus.close()
    found: dict[str, Any] = orjson.loads(answer)
    return found


def _row(document: dict[str, Any]) -> dict[str, object]:
    """A campaign as a line for people."""
    jobs = document["jobs"]
    return {
        "campaign": document["id"],
        "purpose": document["purpose"],
        "state": document["state"],
        "done": jobs["done"],
        "open": sum(jobs[state] for state in ("planned", "prepared", "sent", "answered")),
        "failed": jobs["failed"],
        "total": document["total"],
        "started": document["created_at"][:19],
        "by": document["started_by"],
        "reason": document["reason"],
    }


@app.command()
def rotate(
    device: Devices = None,
    model: Annotated[str | None, typer.Option(help="only meters of this model")] = None,
    origin: Annotated[str | None, typer.Option(help="only keys that came so: transport, imported, generated")] = None,
    compromised: Annotated[bool, typer.Option("--compromised", help="only meters with a compromised key")] = False,
    older_than_days: Annotated[float | None, typer.Option(help="only keys older than this")] = None,
    kind: Kinds = None,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="the keys are known to others: mark them, and go before all else")
    ] = False,
    pace: Annotated[int, typer.Option(help="jobs begun in a minute; 0 for as fast as sessions allow")] = 0,
    reason: Annotated[str, typer.Option(help="why, for the record")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="stay and show how far it is")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be asked for, and do nothing")] = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Begin a campaign that replaces the keys of the meters selected; without a selection of all of them."""
    layout = layout_of(data, config, settings)
    question: dict[str, Any] = {
        "purpose": "emergency" if emergency else "rotate",
        "kinds": kind or [],
        "devices": device or [],
        "model": model,
        "origin": origin,
        "compromised": compromised,
        "older_than_days": older_than_days,
        "reason": reason,
        "pace_per_minute": pace,
        "started_by": getpass.getuser(),
    }
    if dry_run:
        print_json(question)
        notice("nothing was begun")
        return
    document = asyncio.run(_ask(layout, KEYS_START_SUBJECT, question))
    notice(f"campaign {document['id']} over {document['total']} meters")
    if watch:
        document = asyncio.run(_watched(layout, document["id"]))
    if as_json:
        print_json(document)
    else:
        print_rows([_row(document)], as_json=False)


async def _watched(layout: Layout, campaign_id: str) -> dict[str, Any]:
    """Show a bar until a campaign is over."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with _records(layout) as (ledger, _, _, _):
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("keys")
            while True:
                document = await _document(ledger, campaign_id)
                jobs = document["jobs"]
                over = jobs["done"] + jobs["failed"] + jobs["stopped"]
                text = f"keys, {jobs['failed']} failed" if jobs["failed"] else "keys"
                bar.update(task, total=document["total"], completed=over, description=text)
                if over == document["total"] or document["state"] in ("stopped", "done"):
                    return document
                await asyncio.sleep(_LOOK_S)


async def _document(ledger: KeyLedger, campaign_id: str) -> dict[str, Any]:
    campaign = await ledger.campaign(campaign_id)
    if campaign is None:
        raise ConfigurationError(f"there is no key campaign {campaign_id[:40]!r}: `meterworks keys status` lists them")
    return document_of(campaign, (await ledger.progress([campaign_id]))[campaign_id])


def _run(layout: Layout, work: Callable[[KeyLedger, Registry, Database, Clock], Awaitable[_Result]]) -> _Result:
    async def opened() -> _Result:
        async with _records(layout) as records:
            return await work(*records)

    return asyncio.run(opened())


@app.command()
def status(
    campaign: Annotated[str | None, typer.Argument(help="number of a campaign; all if absent")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="stay and show how far it is")] = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show campaigns; of one that is named, the exceptions with their reasons too."""
    layout = layout_of(data, config, settings)
    if campaign is not None and watch:
        asyncio.run(_watched(layout, campaign))

    async def all_of(ledger: KeyLedger, *_: object) -> list[dict[str, Any]]:
        found = await ledger.campaigns()
        jobs = await ledger.progress([each.id for each in found])
        return [document_of(each, jobs[each.id]) for each in found]

    async def one(ledger: KeyLedger, *_: object) -> dict[str, Any]:
        document = await _document(ledger, str(campaign))
        failed = await ledger.jobs(str(campaign), states=[KeyJobState.FAILED])
        return {**document, "exceptions": [job_document(job) for job in failed]}

    if campaign is None:
        documents = _run(layout, all_of)
        print_rows(documents if as_json else [_row(each) for each in documents], as_json=as_json)
        return
    document = _run(layout, one)
    if as_json:
        print_json(document)
        return
    print_rows([_row(document)], as_json=False)
    if document["exceptions"]:
        print_rows(document["exceptions"], as_json=False)


def _control(campaign: str, act: str, layout: Layout, as_json: bool) -> None:
    question = {"campaign": campaign, "act": act, "started_by": getpass.getuser()}
    document = asyncio.run(_ask(layout, KEYS_CONTROL_SUBJECT, question))
    if as_json:
        print_json(document)
    elif act == "retry":
        notice(f"{document['retried']} jobs begin anew")
    else:
        print_rows([_row(document)], as_json=False)


_CONTROLS: Final = {
    "pause": "Let a campaign begin no further jobs; what is half done is finished.",
    "resume": "Let a paused campaign go on.",
    "stop": "End a campaign; what is half done is finished, what was not begun is not done.",
    "retry": "Let the failed jobs of a campaign begin anew.",
}


def _controlling(act: str) -> Callable[..., None]:
    """The command of one act."""

    def control(
        campaign: Campaign,
        data: DataFolder = None,
        config: ConfigFile = None,
        settings: Settings = None,
        as_json: AsJson = False,
    ) -> None:
        _control(campaign, act, layout_of(data, config, settings), as_json)

    return control


for _act, _help in _CONTROLS.items():
    app.command(_act, help=_help)(_controlling(_act))


app.command("escrow")(escrow)
app.command("take-over")(take_over)


@app.command()
def show(
    device: Annotated[int, typer.Argument(help="number of a device")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show the key versions of a device: states, origins, counters, times; never a key."""

    async def work(_: KeyLedger, registry: Registry, *__: object) -> list[dict[str, object]]:
        await registry.device(DeviceId(device))
        hand = (await registry.key_hands([DeviceId(device)]))[DeviceId(device)]
        return [_version_row(each) for each in hand.versions]

    print_rows(_run(layout_of(data, config, settings), work), as_json=as_json)


def _version_row(version: KeyVersion) -> dict[str, object]:
    times = {name: getattr(version, name) for name in ("created_at", "activated_at", "ended_at", "verified_at")}
    return {
        "kind": str(version.kind),
        "version": version.version,
        "state": str(version.state),
        "origin": str(version.origin),
        "counter": version.counter,
        **{name: None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in times.items()},
    }


@app.command()
def alarms(
    data: DataFolder = None, config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Show what happened to keys that a person should know: counters near their end, recoveries, failed jobs."""
    from meterworks.headend import HeadendQueries

    async def work(_: KeyLedger, __: Registry, database: Database, ___: Clock) -> list[dict[str, object]]:
        found = await HeadendQueries(database).incidents(limit=1000)
        return [
            {"at": each.at.isoformat(), "what": each.kind, "device": each.device_id, "detail": each.detail}
            for each in found
            if each.kind in _ALARMS
        ]

    print_rows(_run(layout_of(data, config, settings), work), as_json=as_json)


@app.command()
def restored(
    data: DataFolder = None, config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Say, with the system stopped, that a backup was put back: counters go forward, so that none comes again."""
    from meterworks.headend import jump_all_counters

    async def work(_: KeyLedger, registry: Registry, database: Database, __: Clock) -> int:
        return await jump_all_counters(database, registry)

    moved = _run(layout_of(data, config, settings), work)
    if as_json:
        print_json({"counters": moved})
    else:
        notice(f"{moved} counters moved forward")
