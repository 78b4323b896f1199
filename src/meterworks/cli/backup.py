"""`meterworks backup`: the data folder in one sealed file, and back. Never in clear."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from meterworks.cli.keystore import ShareFiles, ceremony_protocol, read_shares
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.system import ConfigurationError

__all__ = ["app"]

app = typer.Typer(help="Sealed backups of the system's data folder, and back.", no_args_is_help=True)
Recipients = Annotated[
    list[Path], typer.Option("--recipient", help="PEM file with the public key or certificate of who can open it")
]


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help="where the backup goes; outside the data folder")],
    recipient: Recipients,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Back up databases, keys, certificates, readings and the emulated world. The system may run meanwhile."""
    from meterworks.system.backup import create_backup
    from meterworks.system.trail import tell
    from meterworks.trust import read_recipient

    keys = [read_recipient(_content(path)) for path in recipient]
    layout = layout_of(data, config, settings)
    asyncio.run(tell(layout, "data.exported", facts={"recipients": len(keys)}, about="system", cause="backup"))
    summary = create_backup(layout.data, file, keys, now=datetime.now(UTC))
    _tell(len(summary.files), summary.size, summary.rows, as_json=as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="the backup")],
    into: Annotated[Path, typer.Option(help="a folder that is absent or empty")],
    quorum: Annotated[Path, typer.Option(help="folder of the quorum that holds the recovery key")],
    share: ShareFiles,
    label: Annotated[str, typer.Option(help="label of the recovery key in the quorum's vault")] = "recovery",
    purpose: Annotated[str, typer.Option(help="what for; entered in the ceremony's protocol")] = "restore a backup",
    as_json: AsJson = False,
) -> None:
    """Restore into an empty folder: enough holders bring their shares. All digests and row counts are compared."""
    from meterworks.system.backup import restore_backup
    from meterworks.system.trail import tell_at_start
    from meterworks.trust import Quorum

    held = Quorum(quorum, ceremony_protocol(quorum))
    with held.opened(read_shares(share), purpose) as vault:
        summary = restore_backup(file, into, vault.key(label))
    at = summary.created_at.isoformat(timespec="seconds")
    tell_at_start(layout_of(into, None, None), "backup.restored", facts={"made_at": at}, about="system", cause=purpose)
    _tell(len(summary.files), summary.size, summary.rows, as_json=as_json)
    notice(f"restored the state of {summary.created_at:%Y-%m-%d %H:%M} UTC; start it with meterworks up --data {into}")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"recipient {path}: {error.strerror}") from error


def _tell(files: int, octets: int, rows: int, *, as_json: bool) -> None:
    row = {"files": files, "octets": octets, "rows": rows}
    if as_json:
        print_json(row)
    else:
        print_rows([row], as_json=False)
