"""`meterworks audit`: the trail of acts, its proofs and the archive of evidence."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from meterworks.catalogue import CHANNELS
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.cli.readings import instant
from meterworks.system import ConfigurationError
from meterworks.system.trail import TrailStore, open_trail
from meterworks.trust.audit import (
    AuditFormatError,
    AuditQuestion,
    AuditRecord,
    EvidenceFile,
    RecordProof,
    Verdict,
    check_bundle,
    load_public_keys,
)

if TYPE_CHECKING:
    from meterworks.system.origin import ReadingProof  # its engine is loaded when it is asked for

__all__ = ["app"]

app = typer.Typer(help="The audit trail: verify, show, prove, export.", no_args_is_help=True)

PublicKey = Annotated[
    list[Path] | None,
    typer.Option("--public-key", help="PEM file of a key that signs heads, may be repeated"),
]


def record_row(record: AuditRecord) -> dict[str, object]:
    """A record as people see it."""
    event = record.event
    return {
        "record": record.sequence,
        "at": None if event.at is None else event.at.isoformat(timespec="seconds"),
        "recorded_at": record.recorded_at.isoformat(timespec="seconds"),
        "act": event.act,
        "actor": event.actor,
        "object": event.object,
        "outcome": event.outcome.value,
        "cause": event.cause,
        "facts": orjson.dumps(dict(event.facts)).decode() if event.facts else "",
        "source": record.source,
    }


def _tell_keys(store: TrailStore) -> None:
    if not store.pinned:
        notice("checked with the keys that lie beside the heads; against a forger, name your own copy: --public-key")


def _report(verdict: Verdict, as_json: bool) -> None:
    """Print a verdict; leave with 1 where something is wrong."""
    finding = verdict.finding
    if as_json:
        found = None
        if finding is not None:
            found = {"record": finding.record, "kind": finding.kind, "what": finding.sentence, "head": finding.head}
        print_json(
            {
                "sound": verdict.sound,
                "records": verdict.records,
                "absent": verdict.absent,
                "sealed": verdict.sealed,
                "heads": verdict.heads,
                "finding": found,
            }
        )
    elif finding is None:
        gone = f", {verdict.absent} gone as the trail itself tells" if verdict.absent else ""
        typer.echo(f"sound: {verdict.records} records, {verdict.sealed} of them sealed by {verdict.heads} heads{gone}")
    else:
        typer.echo(f"NOT SOUND at record {finding.record} ({finding.kind}): {finding.sentence}")
    if finding is not None:
        raise typer.Exit(1)


@app.command()
def verify(
    since: Annotated[str | None, typer.Option(help="begin at the last head signed before this instant")] = None,
    public_key: PublicKey = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole trail against its signed heads; exit code 1 and the first bad record where it was touched."""
    first = instant("since", since)

    async def work() -> Verdict:
        async with open_trail(layout_of(data, config, settings), public_key or ()) as store:
            _tell_keys(store)
            return await store.verify(since=first, progress=lambda place: notice(f"{place} records checked"))

    _report(asyncio.run(work()), as_json)


@app.command()
def show(
    actor: Annotated[str | None, typer.Option(help="who; a last * matches any rest")] = None,
    on: Annotated[str | None, typer.Option("--object", help="on what; a last * matches any rest")] = None,
    act: Annotated[str | None, typer.Option(help="which act; a last * matches any rest")] = None,
    outcome: Annotated[str | None, typer.Option(help="success, failure, refused or unknown")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="first instant, UTC unless it has an offset")] = None,
    to: Annotated[str | None, typer.Option(help="end, not included")] = None,
    limit: Annotated[int, typer.Option(help="at most so many, newest first")] = 100,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show records, newest first. That you looked is recorded."""
    question = AuditQuestion(
        act=act,
        actor=actor,
        object=on,
        outcome=outcome,
        since=instant("from", from_),
        until=instant("to", to),
        limit=limit,
    )

    async def work() -> list[AuditRecord]:
        async with open_trail(layout_of(data, config, settings)) as store:
            return await store.records(question)

    print_rows([record_row(record) for record in asyncio.run(work())], as_json=as_json)


@app.command()
def prune(
    bundle: Annotated[Path, typer.Argument(help="file that `export` wrote, from the oldest record on")],
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Take records out of the database that an exported bundle holds. The system may not run; keep the bundle."""
    from meterworks.system.pruning import prune_trail

    count = asyncio.run(prune_trail(layout_of(data, config, settings), _read(bundle)))
    print_rows([{"records": count}], as_json=as_json)
    notice(f"{count} records are in {bundle} alone now; their hashes stay, so proofs and verification go on")


@app.command("prove-reading")
def prove_one_reading(
    device: Annotated[int, typer.Argument(help="number of the device")],
    channel: Annotated[str, typer.Argument(help="number or code of the channel, as 12")],
    at: Annotated[str, typer.Argument(help="start of the interval, or instant of the register, UTC unless offset")],
    message: Annotated[Path | None, typer.Option(help="file of the device's message as it came: is it that?")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show from which message of the device a stored reading came, and that it is unchanged since."""
    from meterworks.runtime.warehouse import Warehouse
    from meterworks.system.origin import Asked, prove_reading

    moment = instant("at", at)
    assert moment is not None
    octets = None if message is None else _read(message)
    asked = Asked(device=device, channel=_channel(channel), at=moment, message=octets)

    async def work() -> "list[ReadingProof]":
        layout = layout_of(data, config, settings)
        async with open_trail(layout) as store:
            warehouse = await asyncio.to_thread(Warehouse, layout.warehouse)
            try:
                return await prove_reading(store, warehouse, asked)
            finally:
                warehouse.close()

    proofs = asyncio.run(work())
    print_rows([_origin_row(proof) for proof in proofs], as_json=as_json)
    if not all(proof.is_proved for proof in proofs):
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error


def _channel(named: str) -> int:
    found = next((each.id for each in CHANNELS.values() if named in (each.code, str(each.id))), None)
    if found is None:
        raise ConfigurationError(f"there is no channel {named}: see GET /api/v1/channels")
    return found


def _origin_row(proof: "ReadingProof") -> dict[str, object]:
    line = proof.line
    return {
        "version": proof.version,
        "value": proof.value,
        "title": line.title if line else "unknown",
        "message": line.message if line else "unknown",
        "received_at": datetime.fromtimestamp(proof.received_us / 1_000_000, UTC).isoformat(),
        "rows": "as stored then" if proof.rows else "changed or unknown",
        "record": "not anchored yet" if proof.record is None else proof.record,
        "proved": proof.is_proved,
        **({} if proof.message is None else {"message_fits": proof.message}),
    }


@app.command()
def prove(
    record: Annotated[int, typer.Argument(help="number of a record")],
    to: Annotated[Path | None, typer.Option(help="file of the proof; record-NUMBER.proof.json if absent")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Write a proof that a record is in the trail: checked with the public key alone."""

    async def work() -> RecordProof:
        async with open_trail(layout_of(data, config, settings)) as store:
            return await store.prove(record)

    target = to or Path(f"record-{record}.proof.json")
    target.write_bytes(asyncio.run(work()).encode())
    notice(f"proof of record {record} written to {target}")


@app.command(name="check-proof")
def check_proof(
    file: Annotated[Path, typer.Argument(help="proof, bundle or evidence file")],
    public_key: PublicKey = None,
    as_json: AsJson = False,
) -> None:
    """Check a file that `prove`, `export` or `evidence` wrote. Needs no system, only the public key."""
    keys = load_public_keys(public_key or ())
    if not keys:
        raise ConfigurationError("name the trail's public key: --public-key audit-....pem")
    octets = _read(file)
    kind = _kind(octets)
    if kind == "meterworks-audit-bundle-1":
        _report(check_bundle(octets, keys), as_json)
    elif kind == "meterworks-evidence-file-1":
        evidence = EvidenceFile.decode(octets)
        evidence.check(keys)
        print_rows([_evidence_row(evidence)], as_json=as_json)
    else:
        print_rows([record_row(RecordProof.decode(octets).check(keys))], as_json=as_json)


def _kind(octets: bytes) -> object:
    try:
        return orjson.loads(octets)["format"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise AuditFormatError("the file is no proof, bundle or evidence") from error


@app.command()
def export(
    to: Annotated[Path, typer.Option(help="file of the bundle")],
    first: Annotated[int, typer.Option(help="first record; the bundle begins at the head before it")] = 0,
    end: Annotated[int | None, typer.Option(help="end, not included; all that is sealed if absent")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Write records and signed heads to a file that is verified without the system: `audit check-proof`."""

    async def work() -> bytes:
        async with open_trail(layout_of(data, config, settings)) as store:
            return await store.export(first=first, end=end)

    octets = asyncio.run(work())
    to.write_bytes(octets)
    notice(f"{len(octets)} octets written to {to}")


def _evidence_row(file: EvidenceFile) -> dict[str, object]:
    item = file.item
    return {
        "evidence": item.evidence_id,
        "kind": item.kind,
        "subject": item.subject,
        "sender": item.sender,
        "received_at": file.received_at.isoformat(),
        "recorded_at": _seconds(file.recorded_at),
        "octets": len(item.content),
        "proved_by": item.proved_by or f"signature ({item.signature_form})",
        "record": file.proof.record.sequence,
    }


def _seconds(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


evidence_app = typer.Typer(help="Original octets with what verifies them.", no_args_is_help=True)
app.add_typer(evidence_app, name="evidence")


@evidence_app.command(name="show")
def show_evidence(
    evidence_id: Annotated[str, typer.Argument(metavar="ID", help="name of the evidence, as its record tells it")],
    to: Annotated[Path | None, typer.Option(help="write the evidence file here, to be checked elsewhere")] = None,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show evidence, verified with the keys beside the heads. That you looked is recorded."""

    async def work() -> EvidenceFile:
        async with open_trail(layout_of(data, config, settings)) as store:
            file = await store.evidence(evidence_id)
            file.check(store.keys)
            return file

    file = asyncio.run(work())
    if to is not None:
        to.write_bytes(file.encode())
        notice(f"evidence written to {to}")
    print_rows([_evidence_row(file)], as_json=as_json)
