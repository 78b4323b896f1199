"""`meterworks keys`: rotate the keys of meters, watch campaigns, look at states. Never a key itself."""

import asyncio
import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from cryptography import x509

from meterworks.cli.key_campaign import ask, begin, campaign_row, found_document, run_with, watched
from meterworks.cli.key_escrow import escrow, take_over
from meterworks.cli.key_task import certificates, certify, raise_level, secret, sign_policy
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.headend import KEYS_CONTROL_SUBJECT, KeyJobState, KeyLedger, job_document
from meterworks.headend import campaign_document as document_of
from meterworks.registry import DeviceId, KeyVersion, Registry
from meterworks.runtime import Clock, Database
from meterworks.system.configuration import Layout

__all__ = ["app"]

app = typer.Typer(help="Keys of meters: rotate them, watch campaigns, see states; never a key.", no_args_is_help=True)

_ALARMS = (
    "counter-low", "key-recovered", "key-job-failed", "key-not-agreed", "certificate-ending", "known-key",
)  # fmt: skip

Campaign = Annotated[str, typer.Argument(help="number of the campaign, as `keys status` shows it")]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="guek, gak, kek or gbek, may be repeated; all if absent")
]
Devices = Annotated[list[int] | None, typer.Option("--device", help="number of a device, may be repeated")]


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
    }
    begin(layout, question, watch=watch, dry_run=dry_run, as_json=as_json)


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
        asyncio.run(watched(layout, campaign))

    async def all_of(ledger: KeyLedger, *_: object) -> list[dict[str, Any]]:
        found = await ledger.campaigns()
        jobs = await ledger.progress([each.id for each in found])
        return [document_of(each, jobs[each.id]) for each in found]

    async def one(ledger: KeyLedger, *_: object) -> dict[str, Any]:
        document = await found_document(ledger, str(campaign))
        failed = await ledger.jobs(str(campaign), states=[KeyJobState.FAILED])
        return {**document, "exceptions": [job_document(job) for job in failed]}

    if campaign is None:
        documents = run_with(layout, all_of)
        print_rows(documents if as_json else [campaign_row(each) for each in documents], as_json=as_json)
        return
    document = run_with(layout, one)
    if as_json:
        print_json(document)
        return
    print_rows([campaign_row(document)], as_json=False)
    if document["exceptions"]:
        print_rows(document["exceptions"], as_json=False)


def _control(campaign: str, act: str, layout: Layout, as_json: bool) -> None:
    question = {"campaign": campaign, "act": act, "started_by": getpass.getuser()}
    document = asyncio.run(ask(layout, KEYS_CONTROL_SUBJECT, question))
    if as_json:
        print_json(document)
    elif act == "retry":
        notice(f"{document['retried']} jobs begin anew")
    else:
        print_rows([campaign_row(document)], as_json=False)


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


_FURTHER: Final[dict[str, Callable[..., None]]] = {
    "certify": certify,
    "certificates": certificates,
    "secret": secret,
    "raise": raise_level,
    "sign-policy": sign_policy,
    "escrow": escrow,
    "take-over": take_over,
}
for _name, _further in _FURTHER.items():
    app.command(_name)(_further)


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
        suite = (await registry.device(DeviceId(device))).suite
        notice(f"device {device}: security suite {suite}")
        hand = (await registry.key_hands([DeviceId(device)]))[DeviceId(device)]
        return [_version_row(each) for each in hand.versions]

    print_rows(run_with(layout_of(data, config, settings), work), as_json=as_json)


def _version_row(version: KeyVersion) -> dict[str, object]:
    times = {name: getattr(version, name) for name in ("created_at", "activated_at", "ended_at", "verified_at")}
    return {
        "kind": str(version.kind),
        "version": version.version,
        "state": str(version.state),
        "origin": str(version.origin),
        "counter": version.counter,
        "certificate": None if version.certificate is None else _certificate(version.certificate),
        **{name: None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in times.items()},
    }


def _certificate(der: bytes) -> str:
    """Number and end of a certificate."""
    certificate = x509.load_der_x509_certificate(der)
    days = (certificate.not_valid_after_utc - datetime.now(UTC)).days
    return f"{certificate.serial_number:x} until {certificate.not_valid_after_utc:%Y-%m-%d} ({days} days)"


@app.command()
def alarms(
    data: DataFolder = None, config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Show what happened to keys that a person should know: what nears its end, recoveries, failures."""
    from meterworks.headend import HeadendQueries

    async def work(_: KeyLedger, __: Registry, database: Database, ___: Clock) -> list[dict[str, object]]:
        found = await HeadendQueries(database).incidents(limit=1000)
        return [
            {"at": each.at.isoformat(), "what": each.kind, "device": each.device_id, "detail": each.detail}
            for each in found
            if each.kind in _ALARMS
        ]

    print_rows(run_with(layout_of(data, config, settings), work), as_json=as_json)


@app.command()
def restored(
    data: DataFolder = None, config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False
) -> None:
    """Say, with the system stopped, that a backup was put back: counters go forward, so that none comes again."""
    from meterworks.headend import jump_all_counters

    async def work(_: KeyLedger, registry: Registry, database: Database, __: Clock) -> int:
        return await jump_all_counters(database, registry)

    moved = run_with(layout_of(data, config, settings), work)
    if as_json:
        print_json({"counters": moved})
    else:
        notice(f"{moved} counters moved forward")
