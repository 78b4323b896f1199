"""The services of short-name referencing as nodes: READ, WRITE, unconfirmed WRITE, information report."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from meterworks.protocols.dlms.dissect.data import pull_value
from meterworks.protocols.dlms.dissect.node import Node, Walk, shown, upper
from meterworks.protocols.dlms.dissect.part import pull_data, pull_list, pull_result, pull_short_name
from meterworks.protocols.dlms.dissect.service import Pull
from meterworks.protocols.errors import DecodeError

__all__ = ["SHORT_SERVICES"]

_SPECIFICATION: Final = "Variable-Access-Specification"


def _pull_name(walk: Walk) -> None:
    pull_short_name(walk, "variable-name")


def _pull_parameterised(walk: Walk) -> None:
    with walk.group("parameterized-access"):
        _pull_name(walk)
        walk.unsigned("selector")
        pull_data(walk, "parameter")


def _pull_block_asked(walk: Walk) -> None:
    with walk.group("block-number-access"):
        walk.unsigned("block-number", 2)


def _pull_block(walk: Walk, name: str, *, has_data: bool) -> None:
    with walk.group(name):
        walk.unsigned("last-block")
        walk.unsigned("block-number", 2)
        if has_data:
            walk.counted("raw-data")


def _pull_read_block(walk: Walk) -> None:
    _pull_block(walk, "read-data-block-access", has_data=True)


def _pull_write_block(walk: Walk) -> None:
    _pull_block(walk, "write-data-block-access", has_data=False)


_ACCESS: Final[Mapping[int, Pull]] = MappingProxyType(
    {2: _pull_name, 4: _pull_parameterised, 5: _pull_block_asked, 6: _pull_read_block, 7: _pull_write_block}
)


def _chosen(walk: Walk, pulls: Mapping[int, Pull], what: str) -> None:
    choice = walk.peek()
    if choice not in pulls:
        raise DecodeError(f"{what} of kind {choice} at octet {walk.offset}", offset=walk.offset)
    walk.raw(1)
    pulls[choice](walk)


def _pull_access(walk: Walk) -> None:
    _chosen(walk, _ACCESS, "variable access")


def _pull_accesses(walk: Walk) -> None:
    pull_list(walk, "variable-access-specification", _pull_access, _SPECIFICATION)


def _pull_read(walk: Walk) -> None:
    pull_list(walk, "list", _pull_access, _SPECIFICATION, is_wire=True)


def _pull_values(walk: Walk) -> None:
    pull_list(walk, "list-of-data", pull_value, "Data")


def _pull_written(walk: Walk) -> None:
    _pull_accesses(walk)
    _pull_values(walk)


def _pull_access_error(walk: Walk) -> None:
    pull_result(walk, "data-access-error")


def _pull_block_result(walk: Walk) -> None:
    _pull_block(walk, "data-block-result", has_data=True)


def _pull_taken(walk: Walk) -> None:
    walk.unsigned("block-number", 2)


def _pull_success(walk: Walk) -> None:
    walk.add(Node("success", "", walk.offset - 1, 1, xml=""))


_READ_RESULTS: Final[Mapping[int, Pull]] = MappingProxyType(
    {0: pull_data, 1: _pull_access_error, 2: _pull_block_result, 3: _pull_taken}
)
_WRITE_RESULTS: Final[Mapping[int, Pull]] = MappingProxyType({0: _pull_success, 1: pull_result, 2: _pull_taken})


def _pull_read_response(walk: Walk) -> None:
    pull_list(walk, "list", lambda inner: _chosen(inner, _READ_RESULTS, "result"), "CHOICE", is_wire=True)


def _pull_write_response(walk: Walk) -> None:
    pull_list(walk, "list", lambda inner: _chosen(inner, _WRITE_RESULTS, "result"), is_wire=True)


def _pull_report(walk: Walk) -> None:
    flag = walk.peek()
    start = walk.offset
    if flag <= 1:
        walk.raw(1)
    if flag:  # one widely used stack leaves out the flag of the optional time
        octets = walk.raw(walk.count())
        walk.add(Node("current-time", shown(octets), start, walk.offset - start, xml=upper(octets)))
    _pull_written(walk)


SHORT_SERVICES: Final[Mapping[int, Pull]] = MappingProxyType(
    {
        0x05: _pull_read,
        0x06: _pull_written,
        0x0C: _pull_read_response,
        0x0D: _pull_write_response,
        0x16: _pull_written,
        0x18: _pull_report,
    }
)
