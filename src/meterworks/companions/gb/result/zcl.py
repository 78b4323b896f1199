"""What one ZigBee frame says, as a plain value, and the value back to the frame's payload.

A payload that its row does not fit, to the last octet, is kept as it is: `{"octets": hex}`.
Source: ZigBee cluster library 2.5 (general commands), clusters as in `zcl_table`.
"""

from collections.abc import Mapping
from typing import Any, Final

from meterworks.companions.gb.result.zcl_field import Layout, Reader, layout_of, read_leaf, write_leaf
from meterworks.companions.gb.result.zcl_table import (
    COMMANDS,
    DEFAULT_RESPONSE,
    READ_ATTRIBUTES,
    READ_ATTRIBUTES_RESPONSE,
    SNAPSHOTS,
    STATUSES,
    TYPES,
    attribute_name,
)
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.gbcs import ZclFrame

__all__ = ["is_default_response", "read_payload", "status_code", "status_name", "write_payload"]

_CODES: Final = {name: code for code, name in STATUSES.items()}
_TYPE_CODES: Final = {name: number for number, (name, _) in TYPES.items()}
_ATTRIBUTES_ASKED: Final = layout_of("attributes:u16*")
_DEFAULT_SIZE: Final = 2


def status_name(code: int) -> str:
    """The name of a ZCL status; `status_xx` for one that is in no table."""
    return STATUSES.get(code, f"status_{code:02x}")


def status_code(name: str) -> int:
    """The number of a status. Raises EncodeError for what is none."""
    try:
        code = _CODES[name] if name in _CODES else int(name.removeprefix("status_"), 16)
    except ValueError as error:
        raise EncodeError(f"{name!r} is no status") from error
    return code


def is_default_response(frame: ZclFrame, payload: bytes) -> bool:
    """Whether a frame only says how another command fared: its number and a status."""
    is_general = not frame.is_cluster_command and frame.command == DEFAULT_RESPONSE
    return is_general and len(payload) == _DEFAULT_SIZE


def read_payload(cluster: int, frame: ZclFrame, payload: bytes) -> Any:
    """The payload of a frame as a plain value: never fails, for what cannot be told is kept."""
    try:
        value = _read(cluster, frame, payload)
        if write_payload(cluster, frame, value) == payload:
            return value
    except (DecodeError, EncodeError):  # of another form than the tables say
        pass
    return {"octets": payload.hex()}


def write_payload(cluster: int, frame: ZclFrame, value: Any) -> bytes:
    """The octets of a value that `read_payload` gave. Raises EncodeError."""
    if isinstance(value, Mapping) and set(value) == {"octets"}:
        return write_leaf("hex", value["octets"])
    if frame.is_cluster_command:
        return _write_command(cluster, frame, value)
    if not isinstance(value, list):
        raise EncodeError(f"a list of attributes expected, not {value!r:.80}")
    if frame.command == READ_ATTRIBUTES:
        return b"".join(write_leaf("u16", _number(row)) for row in value)
    return b"".join(map(_write_attribute, value))


def _read(cluster: int, frame: ZclFrame, payload: bytes) -> Any:
    if frame.is_cluster_command:
        return _read_command(cluster, frame, payload)
    reader = Reader(payload)
    if frame.command == READ_ATTRIBUTES:
        asked = _ATTRIBUTES_ASKED.read(reader)["attributes"]
        return [{"number": f"{number:04x}", "name": attribute_name(cluster, number)} for number in asked]
    if frame.command != READ_ATTRIBUTES_RESPONSE:
        raise DecodeError(f"a general command {frame.command:02X} that no table has", offset=0)
    rows = []
    while reader.left:
        rows.append(_read_attribute(cluster, reader))
    return rows


def _read_attribute(cluster: int, reader: Reader) -> dict[str, Any]:
    number, status = read_leaf("u16", reader), read_leaf("u8", reader)
    row = {"number": f"{number:04x}", "name": attribute_name(cluster, number), "status": status_name(status)}
    if status:
        return row
    kind = TYPES.get(read_leaf("u8", reader))
    if kind is None:
        raise DecodeError("an attribute of a type that no table has", offset=reader.offset - 1)
    return row | {"type": kind[0], "value": read_leaf(kind[1], reader)}


def _number(row: Any) -> int:
    try:
        return int(row["number"], 16)
    except (TypeError, KeyError, ValueError) as error:
        raise EncodeError(f"an attribute has a number of four hex digits; {row!r:.80} has none") from error


def _write_attribute(row: Any) -> bytes:
    head = write_leaf("u16", _number(row))
    try:
        status = status_code(row["status"])
        if status:
            return head + write_leaf("u8", status)
        kind = _TYPE_CODES[row["type"]]
        return head + bytes((0, kind)) + write_leaf(TYPES[kind][1], row["value"])
    except (TypeError, KeyError, AttributeError) as error:
        raise EncodeError(f"an attribute has status, type and value; {row!r:.80} lacks {error}") from error


def _read_command(cluster: int, frame: ZclFrame, octets: bytes) -> Any:
    row = COMMANDS.get((cluster, frame.from_server, frame.command))
    if row is None:
        raise DecodeError(f"a command {frame.command:02X} that no table has", offset=0)
    for layout in row.layouts:
        reader = Reader(octets)
        try:
            value = layout.read(reader)
        except DecodeError:
            continue
        if not reader.left:
            return _with_snapshot(cluster, value)
    raise DecodeError(f"{row.name} of {len(octets)} octets, which none of its forms has", offset=0)


def _with_snapshot(cluster: int, value: dict[str, Any]) -> dict[str, Any]:
    """The value with the payload of a snapshot told, where its type is in the table and nothing is left over."""
    snapshot = _snapshot(cluster, value)
    if snapshot is None:
        return value
    inside = Reader(bytes.fromhex(value["payload"]))
    told = snapshot.read(inside)
    return value if inside.left else value | {"payload": told}


def _write_command(cluster: int, frame: ZclFrame, value: Any) -> bytes:
    row = COMMANDS.get((cluster, frame.from_server, frame.command))
    if row is None or not isinstance(value, Mapping):
        raise EncodeError(f"command {frame.command:02X} of cluster {cluster:04X} takes octets only")
    snapshot = _snapshot(cluster, value)
    if snapshot is not None and isinstance(value["payload"], Mapping):
        value = {**value, "payload": snapshot.write(value["payload"]).hex()}
    layout = next((each for each in row.layouts if each.names == set(value)), row.layouts[0])
    return layout.write(value)


def _snapshot(cluster: int, value: Mapping[str, Any]) -> Layout | None:
    """The layout of the payload inside a snapshot."""
    kind = value.get("payload_type")
    return SNAPSHOTS.get((cluster, kind)) if isinstance(kind, int) and "payload" in value else None
