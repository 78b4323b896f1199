"""`meterworks meter replay`: a recorded session against a living peer."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.links import MeterTarget, OctetListener
from meterworks.system import ConfigurationError
from meterworks.system.meter.recording import load_recording
from meterworks.system.meter.replay import Played, Verdict, frame_kind, play_client, play_server, replay_document
from meterworks.system.meter.trace import TraceFile

__all__ = ["replay"]


def replay(
    recording: Annotated[Path, typer.Argument(help="pcap, JSON conversation, or text with > and < before hex frames")],
    target: Annotated[
        str | None, typer.Argument(help="server to play the client's side against: HOST or HOST:PORT")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help="play the server's side to the client that connects here: HOST:PORT")
    ] = None,
    stream: Annotated[
        str | None, typer.Option(help="ADDRESS:PORT of the server, of a capture with several connections")
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="write the session to this .pcap file")] = None,
    wait_s: Annotated[float, typer.Option(help="longest wait for a client, seconds")] = 60.0,
    timeout_s: Annotated[float, typer.Option(help="longest wait for one frame, seconds")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Play one side of a recorded session against the other, and report what differs."""
    session = load_recording(recording, stream=stream)
    if session.note:
        notice(f"note: {session.note}")
    if (target is None) == (listen is None):
        raise ConfigurationError("name a server to play against, or --listen HOST:PORT for a client: one of the two")
    with TraceFile(trace) if trace else nullcontext() as tap:
        if target is not None:
            played = play_client(MeterTarget.from_text(target), session, timeout_s=timeout_s, tap=tap)
        else:
            where = MeterTarget.from_text(listen or "")
            with OctetListener(where.host, where.port, timeout_s=timeout_s) as listener:
                notice(f"waiting for a client on {where.host}:{listener.port}")
                played = play_server(listener, session, wait_s=wait_s, timeout_s=timeout_s, tap=tap)
    _print(played, as_json=as_json)
    if any(row.failed for row in played):
        raise typer.Exit(1)


def _print(played: list[Played], *, as_json: bool) -> None:
    if as_json:
        print_json(replay_document(played))
        return
    rows = [
        {
            "frame": row.number,
            "from": "client" if row.from_client else "server",
            "verdict": row.verdict.value,
            "recorded": frame_kind(row.recorded) if row.recorded else "",
            "received": frame_kind(row.received) if row.received else "",
        }
        for row in played
    ]
    print_rows(rows, as_json=False)
    compared = [row for row in played if row.verdict is not Verdict.SENT]
    notice(
        f"{len(compared)} frames compared: {sum(row.verdict is Verdict.SAME for row in compared)} the same,"
        f" {sum(row.verdict is Verdict.ALIKE for row in compared)} alike, {sum(row.failed for row in compared)} not"
    )
