"""Options of all commands that ask a meter: where it is, as whom it is asked, with which keys. Written down once."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from meterworks.links import MeterTarget
from meterworks.protocols.dlms import Ciphering, GatewayFraming, Mechanism, Protection, Tolerance
from meterworks.system import ConfigurationError
from meterworks.system.meter.access import TOLERANT, MeterAccess, with_title
from meterworks.system.meter.key import MeterKeys, load_keys
from meterworks.system.meter.tls import command_tls
from meterworks.system.meter.trace import TraceFile

__all__ = ["Asked", "Confirmed", "DryRun", "asks_meter", "asks_meter_or_file", "confirm", "is_attended", "progress_bar"]

Command = TypeVar("Command", bound=Callable[..., None])

DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be done, and do nothing")]
Confirmed = Annotated[bool, typer.Option("--yes", help="do it without asking")]

_CIPHERINGS: Final = {
    "service": Ciphering.SERVICE, "general": Ciphering.GENERAL, "general-ciphering": Ciphering.GENERAL_CIPHERING,
    "signed": Ciphering.SIGNED, "signed-general-ciphering": Ciphering.SIGNED_GENERAL_CIPHERING,
}  # fmt: skip
_PROTECTIONS: Final = {
    "none": Protection.NONE, "authenticated": Protection.AUTHENTICATED, "encrypted": Protection.ENCRYPTED,
    "both": Protection.BOTH,
}  # fmt: skip
_MECHANISMS: Final = {
    "none": Mechanism.NONE, "low": Mechanism.LOW, "manufacturer": Mechanism.MANUFACTURER, "md5": Mechanism.MD5,
    "sha1": Mechanism.SHA1, "gmac": Mechanism.GMAC, "sha256": Mechanism.SHA256, "ecdsa": Mechanism.ECDSA,
} | {str(int(mechanism)): mechanism for mechanism in Mechanism}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the shared options say. cache: folder of object lists, None to keep none. trace: capture file to write.

    file: the target where it names a file, for commands that take a dump in place of a meter.
    """

    access: MeterAccess
    cache: Path | None
    trace: Path | None = None
    file: Path | None = None


def _one_of(option: str, text: str, known: dict[str, Any]) -> Any:
    if text.lower() not in known:
        raise ConfigurationError(f"{option} {text}: it is one of {', '.join(known)}")
    return known[text.lower()]


_Data = Annotated[
    Path, typer.Option(help="tls://: the system whose certificate for commands is shown, and whose meters are trusted")
]
_Target = Annotated[
    str,
    typer.Argument(
        help="HOST, HOST:PORT, tls://HOST, udp://HOST, hdlc+tcp://HOST:PORT or serial:///dev/ttyUSB0; docs/dlms.md"
    ),
]


def _asked(
    *,
    client: Annotated[int, typer.Option(help="client address: 16 public, 2 reader, 1 management")] = 16,
    server: Annotated[int, typer.Option(help="server address (logical device)")] = 1,
    keys: Annotated[Path | None, typer.Option(help="keys file, as `meter serve` writes it; see docs/dlms.md")] = None,
    mechanism: Annotated[
        str | None, typer.Option(help="0 to 7, or none, low, md5, sha1, gmac, sha256, ecdsa; else what the keys allow")
    ] = None,
    protection: Annotated[str | None, typer.Option(help="none, authenticated, encrypted or both")] = None,
    ciphering: Annotated[
        str, typer.Option(help="service, general, general-ciphering, signed or signed-general-ciphering")
    ] = "service",
    dedicated: Annotated[bool, typer.Option("--dedicated", help="cipher with a fresh key of this association")] = False,
    system_title: Annotated[str | None, typer.Option(help="our own system title, 16 hex digits")] = None,
    counter: Annotated[
        int | None, typer.Option(help="our first invocation counter; asked of the meter if absent")
    ] = None,
    counter_file: Annotated[
        Path | None, typer.Option(help="file that keeps our counters between runs, reserved ahead")
    ] = None,
    general_block_transfer: Annotated[
        bool, typer.Option("--general-block-transfer", help="propose general block transfer")
    ] = False,
    short_names: Annotated[
        bool, typer.Option("--short-names", help="the meter is addressed by short names (association SN)")
    ] = False,
    tolerant: Annotated[
        bool, typer.Option("--tolerant", help="take more that is not as the standard says, see docs/dlms.md")
    ] = False,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="read without the authentication key: nothing proves what is read")
    ] = False,
    gateway: Annotated[
        str | None, typer.Option(help="the meter is behind a gateway: NETWORK:ADDRESS, the address in hex")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="folder that keeps object lists of meters")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="keep no object list, and use none")] = False,
    trace: Annotated[Path | None, typer.Option(help="write the session to this .pcap file")] = None,
    timeout_s: Annotated[float, typer.Option(help="longest wait for one answer, seconds")] = 10.0,
    data: _Data = Path("var"),
    target: _Target,
) -> Asked:
    """Make what the options say of them."""
    access = MeterAccess(
        target=_behind(_target_of(target), gateway), client=client, server=server,
        keys=load_keys(keys) if keys else MeterKeys(),
        mechanism=None if mechanism is None else _one_of("--mechanism", mechanism, _MECHANISMS),
        protection=None if protection is None else _one_of("--protection", protection, _PROTECTIONS),
        ciphering=_one_of("--ciphering", ciphering, _CIPHERINGS), dedicated=dedicated, counter=counter,
        counter_file=counter_file, general_block_transfer=general_block_transfer, short_names=short_names,
        tolerance=_tolerance(tolerant=tolerant, unverified=unverified), timeout_s=timeout_s,
    )  # fmt: skip
    if access.target.is_secured:
        access = replace(access, tls=command_tls(data))
    return Asked(
        access=with_title(access, system_title),
        cache=None if no_cache else cache or Path(typer.get_app_dir("meterworks")) / "meters",
        trace=trace,
        file=Path(target) if Path(target).is_file() else None,
    )


def _tolerance(*, tolerant: bool, unverified: bool) -> Tolerance:
    tolerance = Tolerance.RELEASE | Tolerance.TAGGED_DATE_TIME
    if tolerant:
        tolerance |= TOLERANT
    return tolerance | Tolerance.UNVERIFIED if unverified else tolerance


def _target_of(text: str) -> MeterTarget:
    """The address of the meter; of nobody where the text names a file."""
    return MeterTarget(text=text) if Path(text).is_file() else MeterTarget.from_text(text)


def _behind(target: MeterTarget, gateway: str | None) -> MeterTarget:
    if gateway is None:
        return target
    network, separator, address = gateway.partition(":")
    try:
        framing = GatewayFraming(target.framing, int(network), bytes.fromhex(address))
    except ValueError as error:
        raise ConfigurationError(f"--gateway {gateway}: write it as NETWORK:ADDRESS, as 0:0a01") from error
    if not separator or not address:
        raise ConfigurationError(f"--gateway {gateway}: write it as NETWORK:ADDRESS, as 0:0a01")
    return replace(target, framing=framing)


def asks_meter(command: Command) -> Command:
    """Give a command the shared options; it gets what they say as its argument `asked`.

    The target stands first, then the command's own arguments and options, then the shared options.
    """
    return _asks(command, takes_file=False)


def asks_meter_or_file(command: Command) -> Command:
    """As `asks_meter`, for a command that takes a file in place of a meter: `asked.file` then names it."""
    return _asks(command, takes_file=True)


def _asks(command: Command, *, takes_file: bool) -> Command:
    shared = inspect.signature(_asked, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        asked = _asked(**{name: given.pop(name) for name in shared})
        if asked.file is not None and not takes_file:
            raise ConfigurationError(f"{asked.file} is a file: name the meter by its address, as 127.0.0.1:4059")
        if asked.trace is None:
            command(asked=asked, **given)
            return
        with TraceFile(asked.trace) as tap:
            command(asked=replace(asked, access=replace(asked.access, tap=tap)), **given)

    first = {"target": shared["target"]}
    rows = first | {name: row for name, row in own.items() if name != "asked"} | dict(shared)
    parameters = [row.replace(kind=inspect.Parameter.KEYWORD_ONLY) for row in rows.values()]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what the command line reads
    wrapper.__annotations__ = {row.name: row.annotation for row in parameters} | {"return": None}
    return wrapper  # type: ignore[return-value]  # the same command with more parameters


def is_attended() -> bool:
    """Whether somebody is there who can be asked."""
    return sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Ask whether to go on. Raises ConfigurationError where nobody is there to ask, Abort for a no."""
    if yes:
        return
    if not is_attended():
        raise ConfigurationError("this changes the meter: confirm it with --yes, or look first with --dry-run")
    typer.confirm(question, abort=True, err=True)


def progress_bar() -> Progress:
    """A bar of octets on the error stream, gone when it is done; nothing where nobody looks on."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
