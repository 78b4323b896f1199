"""`meterworks conformance run`: the conformance suite against any DLMS/COSEM server."""

from pathlib import Path
from typing import Annotated

import typer

from meterworks.assess.conformance import (
    ROWS,
    TESTER_TITLE,
    Credential,
    Outcome,
    Report,
    Result,
    SuiteSettings,
    names_of,
    read_keys_file,
    render_json,
    render_junit,
    render_page,
    run_suite,
    selected_rows,
)
from meterworks.cli.option import AsJson
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.errors import UsageError
from meterworks.protocols.dlms.dissect import dissect, render_text

__all__ = ["run"]

PROTECTIONS = {"none": 0x00, "authenticated": 0x10, "encrypted": 0x20, "both": 0x30}


def credential_of(
    *, client: int, server: int, mechanism: int | None, suite: int, protection: str | None, keys: Path | None
) -> Credential:
    """Give the client that the options describe; what is left open follows from the secrets there are."""
    secrets = dict(read_keys_file(keys)) if keys else {}
    keyed = "guek" in secrets and "gak" in secrets
    if mechanism is None:
        mechanism = 5 if keyed else 1 if "password" in secrets else 0
    if protection is None:
        protection = "both" if keyed else "none"
    if protection not in PROTECTIONS:
        raise UsageError(f"--protection {protection}: one of {', '.join(PROTECTIONS)}")
    title = secrets.pop("system_title", TESTER_TITLE)
    return Credential(
        client_sap=client, server_sap=server, mechanism=mechanism, suite=suite, protection=PROTECTIONS[protection],
        title=title, **secrets,
    )  # fmt: skip


def run(
    target: Annotated[str, typer.Argument(help="tcp://HOST:PORT, or hdlc+tcp://HOST:PORT?physical=17")] = "",
    client: Annotated[int, typer.Option(help="client address: 16 public, 2 reader, 1 management")] = 16,
    server: Annotated[int, typer.Option(help="server address (logical device)")] = 1,
    keys: Annotated[
        Path | None, typer.Option(help="JSON file with hex texts guek, gak, password, secret, system_title, ..")
    ] = None,
    mechanism: Annotated[
        int | None, typer.Option(help="authentication mechanism 0 to 7; follows from the keys if absent")
    ] = None,
    suite: Annotated[int, typer.Option(help="security suite: 0, 1 or 2")] = 0,
    protection: Annotated[
        str | None, typer.Option(help="of every APDU: none, authenticated, encrypted or both")
    ] = None,
    counter: Annotated[int, typer.Option(help="our first invocation counter")] = 1,
    select: Annotated[
        list[str] | None, typer.Option(help="tests to run: ASSOC-03, SEC, ROB-*; may be repeated or have commas")
    ] = None,
    writes: Annotated[bool, typer.Option("--writes", help="also run tests that change the meter")] = False,
    html: Annotated[Path | None, typer.Option(help="write the report as a page to this file")] = None,
    junit: Annotated[Path | None, typer.Option(help="write the report as JUnit XML to this file")] = None,
    timeout_s: Annotated[float, typer.Option(help="longest wait for an answer, seconds")] = 5.0,
    quiet_s: Annotated[float, typer.Option(help="silence after which a frame counts as unanswered, seconds")] = 0.3,
    show: Annotated[bool, typer.Option("--list", help="list the tests and run none")] = False,
    as_json: AsJson = False,
) -> None:
    """Test a server: numbered tests of association, services, blocks, security, classes, data link, robustness.

    The meter is only read unless --writes is given. Exit code 1 if any test failed.
    """
    patterns = names_of(select or ())
    if show:
        rows = selected_rows(patterns, ROWS)
        print_rows([{"id": row.id, "test": row.title, "clause": row.clause} for row in rows], as_json=as_json)
        return
    if not target:
        raise UsageError("say which server is tested, as tcp://HOST:PORT; --list shows the tests")
    credential = credential_of(
        client=client, server=server, mechanism=mechanism, suite=suite, protection=protection, keys=keys
    )
    settings = SuiteSettings(
        target=target, credential=credential, select=patterns, first_counter=counter, timeout_s=timeout_s,
        quiet_s=quiet_s, writes=writes,
    )  # fmt: skip
    report = run_suite(settings, progress=None if as_json else tell)
    conclude(report, html=html, junit=junit, as_json=as_json)


def conclude(report: Report, *, html: Path | None, junit: Path | None, as_json: bool) -> None:
    """Write the reports that were asked for, say what came of it, and leave with 1 if anything failed."""
    if html is not None:
        _save(html, render_page(report, annotate=explain))
    if junit is not None:
        _save(junit, render_junit(report))
    if as_json:
        print_json(render_json(report))
    notice(", ".join(f"{report.count(outcome)} {outcome.value}" for outcome in Outcome))
    if not report.passed:
        raise typer.Exit(1)


def explain(apdu: bytes) -> str:
    """Give an APDU as an annotated tree."""
    return render_text(dissect(apdu))


def tell(result: Result) -> None:
    """Print a result as it comes."""
    reason = f"  ({result.reason})" if result.outcome is not Outcome.PASSED and result.reason else ""
    typer.echo(f"{result.row.id:10} {result.outcome.value:15} {result.row.title}{reason}")


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}", path=str(path)) from error
