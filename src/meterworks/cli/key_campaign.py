"""How the commands of `meterworks keys` reach the head-end and the records, and how they show a campaign."""

import asyncio
import contextlib
import getpass
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from meterworks.cli.output import notice, print_json, print_rows
from meterworks.headend import KEYS_START_SUBJECT, KeyLedger, campaign_document
from meterworks.registry import Registry
from meterworks.runtime import Clock, Database, SystemClock, connect_bus, load_clock
from meterworks.system import ConfigurationError
from meterworks.system.configuration import Layout
from meterworks.trust import KeyStore

__all__ = ["ask", "begin", "campaign_row", "found_document", "open_records", "run_with", "watched"]

_COMMAND = "command"
_ANSWER_S = 30.0
_LOOK_S = 1.0
_Result = TypeVar("_Result")


@contextlib.asynccontextmanager
async def open_records(layout: Layout) -> AsyncIterator[tuple[KeyLedger, Registry, Database, Clock]]:
    """The system's records as the command reads them, and its clock."""
    database = Database(layout.database(_COMMAND))
    clock = SystemClock(load_clock(layout.clock))
    try:
        registry = Registry(database, KeyStore.open(layout.master_key, may_create=False), clock=clock)
        yield KeyLedger(database, registry), registry, database, clock
    finally:
        await database.close()


async def ask(layout: Layout, subject: str, question: dict[str, Any]) -> dict[str, Any]:
    """Ask the head-end. UnreachableError where none runs."""
    bus = await connect_bus(layout.bus(_COMMAND))
    try:
        answer = await bus.request(subject, orjson.dumps(question), timeout_s=_ANSWER_S)
    finally:
        await bus.close()
    found: dict[str, Any] = orjson.loads(answer)
    return found


def campaign_row(document: dict[str, Any]) -> dict[str, object]:
    """A campaign as a line for people."""
    jobs = document["jobs"]
    return {
        "campaign": document["id"],
        "purpose": document["purpose"],
        "task": document["task"],
        "state": document["state"],
        "done": jobs["done"],
        "open": sum(jobs[state] for state in ("planned", "prepared", "sent", "answered")),
        "failed": jobs["failed"],
        "total": document["total"],
        "started": document["created_at"][:19],
        "by": document["started_by"],
        "reason": document["reason"],
    }


async def watched(layout: Layout, campaign_id: str) -> dict[str, Any]:
    """Show a bar until a campaign is over."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with open_records(layout) as (ledger, _, _, _):
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("keys")
            while True:
                document = await found_document(ledger, campaign_id)
                jobs = document["jobs"]
                over = jobs["done"] + jobs["failed"] + jobs["stopped"]
                text = f"keys, {jobs['failed']} failed" if jobs["failed"] else "keys"
                bar.update(task, total=document["total"], completed=over, description=text)
                if over == document["total"] or document["state"] in ("stopped", "done"):
                    return document
                await asyncio.sleep(_LOOK_S)


async def found_document(ledger: KeyLedger, campaign_id: str) -> dict[str, Any]:
    """A campaign and how far it is. Raises ConfigurationError where there is none."""
    campaign = await ledger.campaign(campaign_id)
    if campaign is None:
        raise ConfigurationError(f"there is no key campaign {campaign_id[:40]!r}: `meterworks keys status` lists them")
    return campaign_document(campaign, (await ledger.progress([campaign_id]))[campaign_id])


def run_with(layout: Layout, work: Callable[[KeyLedger, Registry, Database, Clock], Awaitable[_Result]]) -> _Result:
    """Do something with the records, and give what came of it."""

    async def opened() -> _Result:
        async with open_records(layout) as records:
            return await work(*records)

    return asyncio.run(opened())


def begin(layout: Layout, question: dict[str, Any], *, watch: bool, dry_run: bool, as_json: bool) -> None:
    """Begin a campaign and show it; to its end, where it is watched."""
    question = {**question, "started_by": getpass.getuser()}
    if dry_run:
        print_json({name: value for name, value in question.items() if name != "statement"})
        notice("nothing was begun")
        return
    document = asyncio.run(ask(layout, KEYS_START_SUBJECT, question))
    notice(f"campaign {document['id']} over {document['total']} meters")
    if watch:
        document = asyncio.run(watched(layout, document["id"]))
    if as_json:
        print_json(document)
    else:
        print_rows([campaign_row(document)], as_json=False)
