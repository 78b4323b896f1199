"""`meterworks decode`: pasted octets, a file or a packet capture as an annotated tree; DLMS, and messages of GB."""

import base64
import binascii
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from meterworks.cli.decode_gb import GB_BEGINS, looks_gb, show_gb
from meterworks.cli.output import notice, print_json
from meterworks.errors import MeterworksError, UsageError
from meterworks.protocols.capture import is_capture, read_capture
from meterworks.protocols.dlms.dissect import (
    Dissector,
    KeyRing,
    KeySet,
    Node,
    TracedMessage,
    render_text,
    render_xml,
    trace_capture,
    tree_to_json,
)

__all__ = ["decode", "octets_of"]

INPUT_SIZE_MAX: Final = 1 << 30
_NOISE: Final = re.compile(r"0x|\\x|[\s,;:|\-]+", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_COMMENT: Final = re.compile(r"(#|//).*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Format = Literal["text", "json", "xml"]


class NotDecoded(UsageError):
    """The input is neither octets nor a capture, or a key is none."""

    code = "decode-input"


def decode(
    what: Annotated[list[str], typer.Argument(help="hex digits, a file of octets, hex or packets (pcap), or -")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="keys file of a meter, or of keys by title; for GB messages a folder of keys"),
    ] = None,
    guek: Annotated[str | None, typer.Option("--guek", help="global unicast encryption key, hex")] = None,
    gak: Annotated[
        str | None, typer.Option("--gak", help="authentication key, hex; without it no tag is checked")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="text, json or xml (the DLMS UA's form)")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    colour: Annotated[bool | None, typer.Option("--colour/--no-colour", help="Colours; absent: on a terminal")] = None,
) -> None:
    """Decode octets, a file or a packet capture into an annotated tree; exit code 1 where something is malformed."""
    octets = _input(" ".join(what))
    chosen: Format = "json" if as_json else output
    is_coloured = sys.stdout.isatty() if colour is None else colour
    if _is_gb(octets, keys) and chosen != "xml":
        if not show_gb(octets, keys, as_json=chosen == "json", colour=is_coloured):
            raise typer.Exit(1)
        return
    ring = _ring(keys, guek, gak)
    if is_capture(octets):
        is_whole = _show_capture(octets, ring, chosen, is_coloured)
    else:
        node = Dissector(ring).dissect(octets)
        _show(node, chosen, is_coloured)
        is_whole = not node.errors
    if not is_whole:
        raise typer.Exit(1)


def _is_gb(octets: bytes, keys: Path | None) -> bool:
    """Whether octets are a GB message: by a folder of such keys, or by their look."""
    if keys is not None:
        return keys.is_dir()
    return octets[:1] in GB_BEGINS and looks_gb(octets)


# --- input ----------------------------------------------------------------------------------------------------------


def _input(what: str) -> bytes:
    if what == "-":
        return octets_of(sys.stdin.buffer.read(INPUT_SIZE_MAX))
    path = Path(what)
    if _is_file(path):
        if path.stat().st_size > INPUT_SIZE_MAX:
            raise NotDecoded(f"{what}: larger than {INPUT_SIZE_MAX} octets")
        return octets_of(path.read_bytes())
    return octets_of(what.encode())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def octets_of(content: bytes) -> bytes:
    """Give the octets that a text stands for (hex with any separators, or base64); others are octets already."""
    if is_capture(content):
        return content
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return content
    if not text.isprintable() and not all(character.isprintable() or character.isspace() for character in text):
        return content
    plain = "".join(_NOISE.sub("", _COMMENT.sub("", line)) for line in text.splitlines())
    if _HEX.fullmatch(plain) and len(plain) % 2 == 0:
        return bytes.fromhex(plain)
    if _HEX.fullmatch(plain):
        raise NotDecoded(f"{len(plain)} hex digits: an even number makes octets, so one is missing or too much")
    try:
        octets = base64.b64decode("".join(text.splitlines()), validate=True)  # several words are no base64
    except binascii.Error:
        octets = b""
    if not octets:
        raise NotDecoded("neither hex digits nor base64, nor a file: give octets as 7EA0... or name a file")
    return octets


def _ring(keys: Path | None, guek: str | None, gak: str | None) -> KeyRing:
    if keys is None:
        if guek is None and gak is None:
            return KeyRing()
        return KeyRing({None: KeySet(guek=_key("guek", guek), gak=_key("gak", gak))})
    if guek or gak:
        raise NotDecoded("give --keys, or --guek and --gak, not both")
    try:
        text = keys.read_text(encoding="utf-8")
        told = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise NotDecoded(f"key file {keys}: {error}") from error
    if told and all(isinstance(row, Mapping) for row in told.values()):
        return KeyRing.from_mapping(told)
    return _meter_ring(keys) if text.lstrip().startswith("{") else KeyRing.from_mapping(told)


def _meter_ring(path: Path) -> KeyRing:
    """Give the keys of one meter, as `meterworks meter` keeps them, for messages of any title."""
    from meterworks.system.meter.key import load_keys  # keys in PEM files: seldom needed here

    keys = load_keys(path)
    return KeyRing(
        {
            None: KeySet(
                guek=keys.guek,
                gak=keys.gak,
                gbek=keys.gbek,
                kek=keys.kek,
                key_agreement=keys.key_agreement,
                peer_agreement_key=keys.meter_agreement_key,
                peer_signing_key=keys.meter_signing_key,
            )
        }
    )


def _key(name: str, text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise NotDecoded(f"--{name}: hex digits expected") from error


# --- output ---------------------------------------------------------------------------------------------------------


def _show(node: Node, chosen: Format, is_coloured: bool) -> None:
    if chosen == "json":
        print_json(tree_to_json(node))
    else:
        sys.stdout.write(render_xml(node) if chosen == "xml" else render_text(node, colour=is_coloured))


def _show_capture(octets: bytes, ring: KeyRing, chosen: Format, is_coloured: bool) -> bool:
    """Print every message of a capture; whether all of it was understood."""
    capture = read_capture(octets)
    count = 0
    is_whole = not capture.fault
    rows: list[dict[str, object]] = []
    for message in trace_capture(capture.packets, ring):
        count += 1
        is_whole = is_whole and not message.lost and not message.node.errors
        if chosen == "json":
            rows.append(_row(message))
        else:
            sys.stdout.write("".join(_lines(message, chosen, is_coloured)))
    if chosen == "json":
        print_json({"packets": len(capture.packets), "fault": capture.fault or None, "messages": rows})
    if capture.fault:
        notice(f"the capture is not whole: {capture.fault}")
    notice(f"{count} messages in {len(capture.packets)} packets")
    if not count:
        raise MeterworksError("no DLMS message was found: neither port 4059 nor the look of one")
    return is_whole


def _time_text(time_ns: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _row(message: TracedMessage) -> dict[str, object]:
    return {
        "time": _time_text(message.time_ns),
        "source": str(message.source),
        "destination": str(message.destination),
        "lost": message.lost,
        "octets": message.octets.hex(),
        "tree": tree_to_json(message.node),
    }


def _lines(message: TracedMessage, chosen: Format, is_coloured: bool) -> Iterator[str]:
    head = f"{_time_text(message.time_ns)} {message.source} -> {message.destination}"
    lost = f", {message.lost} octets lost before" if message.lost else ""
    if chosen == "xml":
        yield f"<!-- {head}{lost} -->\n{render_xml(message.node)}"
    else:
        yield f"{head}{lost}\n{render_text(message.node, colour=is_coloured)}\n"
