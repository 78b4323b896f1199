"""`meterworks conformance serve`: a strict server that judges the client which connects."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from meterworks.assess.conformance import Conversation, JudgeSettings, Report, serve_judge
from meterworks.cli.conformance_run import conclude, credential_of, tell
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice

__all__ = ["serve"]


def serve(
    port: Annotated[int, typer.Argument(help="port to listen on; 0 takes any")] = 4059,
    host: Annotated[
        str, typer.Option(help="address to listen on; any other than loopback is reachable from outside")
    ] = "127.0.0.1",
    client: Annotated[int, typer.Option(help="client address under which the secrets hold")] = 16,
    keys: Annotated[
        Path | None, typer.Option(help="JSON file with hex texts guek, gak, password, secret: those of the client")
    ] = None,
    mechanism: Annotated[int | None, typer.Option(help="mechanism the client must use; follows from the keys")] = None,
    suite: Annotated[int, typer.Option(help="security suite: 0, 1 or 2")] = 0,
    protection: Annotated[
        str | None, typer.Option(help="least protection: none, authenticated, encrypted, both")
    ] = None,
    connections: Annotated[
        int, typer.Option(help="end after so many connections; 0 when every scenario was played")
    ] = 0,
    max_pdu: Annotated[int, typer.Option(help="largest APDU the server takes, octets")] = 512,
    html: Annotated[Path | None, typer.Option(help="write the report as a page to this file")] = None,
    junit: Annotated[Path | None, typer.Option(help="write the report as JUnit XML to this file")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a client: let it connect again and again, read and leave; each connection meets another scenario.

    The first is served honestly; later ones get tampered, replayed or unprotected answers, false proofs, and the like.
    Ends when all were played, after --connections, or with Ctrl-C. Exit code 1 if any check failed.
    """
    credential = credential_of(
        client=client, server=1, mechanism=mechanism, suite=suite, protection=protection, keys=keys
    )
    settings = JudgeSettings(credential=credential, host=host, port=port, connections=connections, max_pdu=max_pdu)
    report = asyncio.run(_serve(settings))
    if not as_json:
        for result in report.results:
            tell(result)
    conclude(report, html=html, junit=junit, as_json=as_json)


async def _serve(settings: JudgeSettings) -> Report:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return await serve_judge(
        settings, listening=lambda port: notice(f"listening on {settings.host}:{port}"), progress=_told, stop=stop
    )


def _told(conversation: Conversation) -> None:
    """Say that a conversation has ended."""
    sent = sum(seen.by_client for seen in conversation.seen)
    notice(f"{conversation.scenario.value}: {sent} requests")
