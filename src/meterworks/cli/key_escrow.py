"""`meterworks keys escrow` and `take-over`: what others need to go on with the meters, sealed, and out of the seal.

Who keeps the package reads nothing; who holds the recovery key under quorum opens it. No key is printed.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterworks.cli.keystore import ShareFiles, ceremony_protocol, read_shares
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_json, print_rows
from meterworks.system import ConfigurationError
from meterworks.system.configuration import Layout

if TYPE_CHECKING:
    from meterworks.headend import TakenOver
    from meterworks.registry import Registry
    from meterworks.runtime import Clock, Database
    from meterworks.trust import EscrowEntry, EscrowPackage

__all__ = ["escrow", "take_over"]

_COMMAND = "command"
_MODE = 0o600
Recipients = Annotated[
    list[Path], typer.Option("--recipient", help="PEM file with the public key or certificate of a recovery key")
]


def escrow(
    file: Annotated[Path, typer.Argument(help="where the package goes; it may not be there yet")],
    recipient: Recipients,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Lay down inventory, symmetric keys and counters of all meters in one sealed file; the system may run."""
    from meterworks.system.trail import tell
    from meterworks.trust import read_recipient, recipient_id, write_escrow

    layout = layout_of(data, config, settings)
    keys = [read_recipient(_content(path)) for path in recipient]
    with asyncio.Runner() as runner:
        database, registry, clock = _records(layout)
        try:
            facts = {"recipients": ",".join(recipient_id(key) for key in keys)}
            runner.run(tell(layout, "key.escrowed", facts=facts, about=f"file:{file.name}"))
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as target:
                entries = _entries(runner, registry, database)
                count = write_escrow(
                    target, entries, recovery_keys=keys, system=layout.configuration.headend.system_title,
                    now=clock.now(),
                )  # fmt: skip
        except FileExistsError as error:
            raise ConfigurationError(f"{file} is there already: name another file") from error
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        finally:
            runner.run(database.close())
    if as_json:
        print_json({"devices": count})
    else:
        notice(f"{count} meters laid down in {file}; hand it to its keeper")


def take_over(
    file: Annotated[Path, typer.Argument(help="the package")],
    quorum: Annotated[Path, typer.Option(help="folder of the quorum that holds the recovery key")],
    share: ShareFiles,
    label: Annotated[str, typer.Option(help="label of the recovery key in the quorum's vault")] = "recovery",
    purpose: Annotated[str, typer.Option(help="what for; entered in the ceremony's protocol")] = "take meters over",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="open and count, and change nothing")] = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Take the keys and counters of a package for the meters that the registry knows; with the system stopped."""
    from meterworks.trust import Quorum

    held = Quorum(quorum, ceremony_protocol(quorum))
    with held.opened(read_shares(share), purpose) as vault:
        package = _opened(file, vault.key(label))
    if dry_run:
        _tell(len(package.entries), [], list(package.exhausted), as_json=as_json)
        notice("nothing was changed")
        return
    found = asyncio.run(_take(layout_of(data, config, settings), package))
    _tell(found.taken, list(found.unknown), list(package.exhausted), as_json=as_json)
    if found.taken:
        notice("start the system, then replace the keys: meterworks keys rotate --emergency")


async def _take(layout: Layout, package: "EscrowPackage") -> "TakenOver":
    from meterworks.headend import take_over_keys
    from meterworks.system.trail import tell

    database, registry, _ = _records(layout)
    try:
        await tell(layout, "key.recovered", facts={"devices": len(package.entries)}, about=f"system:{package.system}")
        return await take_over_keys(registry, database, package)
    finally:
        await database.close()


def _records(layout: Layout) -> "tuple[Database, Registry, Clock]":
    from meterworks.registry import Registry
    from meterworks.runtime import Database, SystemClock, load_clock
    from meterworks.system.vault import open_keystore

    database = Database(layout.database(_COMMAND))
    clock = SystemClock(load_clock(layout.clock))
    return database, Registry(database, open_keystore(layout), clock=clock), clock


def _entries(runner: asyncio.Runner, registry: "Registry", database: "Database") -> "Iterator[EscrowEntry]":
    """The devices one by one, so that their keys lie in memory one device at a time."""
    from meterworks.headend import HeadendQueries, escrow_entries

    found = escrow_entries(registry, HeadendQueries(database))

    async def following() -> "EscrowEntry | None":
        return await anext(found, None)

    while (entry := runner.run(following())) is not None:
        yield entry


def _opened(file: Path, recovery_key: object) -> "EscrowPackage":
    from meterworks.trust import open_escrow

    try:
        with file.open("rb") as source:
            return open_escrow(source, recovery_key)  # type: ignore[arg-type]  # a vault's key, whose type is not loaded here
    except OSError as error:
        raise ConfigurationError(f"package {file}: {error.strerror}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"recipient {path}: {error.strerror}") from error


def _tell(taken: int, unknown: list[str], exhausted: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"devices": taken, "unknown": unknown, "exhausted": exhausted})
        return
    print_rows([{"devices": taken, "unknown": len(unknown), "counters at their end": len(exhausted)}], as_json=False)
    for identity in unknown:
        notice(f"{identity} is not in the registry: add the device, then take over again")
