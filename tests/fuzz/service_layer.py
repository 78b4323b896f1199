"""Fuzz targets of the services: arrays without a layout, object lists, servers and clients with all services on."""

from tests.unit.protocols.dlms.named_device import CLOCK_NAME, LONG_NAME, PLAIN, Pair, pair

from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms import (
    FULL_CONFORMANCE,
    SHORT_NAME_CONFORMANCE,
    Access,
    AccessGet,
    Associate,
    BlockReceiver,
    Conformance,
    GeneralBlock,
    Read,
    ShortNameMap,
    Variable,
    decode_push_list,
    decode_table,
    encode_wrapper,
)
from meterworks.protocols.dlms.short_name_map import SHORT_NAME_OBJECT_LIST

__all__ = ["SERVICE_TARGETS"]

MAX_PDU = 128
WINDOW = 16
ANSWER_SIZE_MAX = WINDOW * (MAX_PDU + 8)  # a window of blocks in wrapper frames


def _fuzz_tables(octets: bytes) -> str:
    outcome = "refused"
    for read in (decode_table, decode_push_list, ShortNameMap.from_bytes):
        try:
            read(octets)
            outcome = "taken"
        except PeerError:
            continue
    return outcome


def _opened(octets: bytes) -> Pair:
    """Give an open association: the first octet says whether with short names, and whether with general blocks."""
    short_names, general = octets[:1] > b"\x7f", octets[:1] not in (b"", b"\x00")
    conformance = SHORT_NAME_CONFORMANCE if short_names else FULL_CONFORMANCE & ~Conformance.GENERAL_BLOCK_TRANSFER
    if general:
        conformance |= Conformance.GENERAL_BLOCK_TRANSFER
    ends = pair(PLAIN, conformance, short_names=short_names, max_pdu=MAX_PDU, block_window=WINDOW)
    ends.do(Associate())
    return ends


def _fuzz_services(octets: bytes) -> str:
    ends = _opened(octets)
    for apdu in octets[1:].split(b"\xfe\xfe"):
        if apdu:
            assert len(ends.server.receive(encode_wrapper(PLAIN, 1, apdu))) <= ANSWER_SIZE_MAX
    return "refused" if ends.server.closed else "taken"


def _fuzz_answers(octets: bytes) -> str:
    ends = _opened(octets)
    short_names = ends.client.association.settings.short_names
    ends.client.send(
        Read((Variable(CLOCK_NAME), Variable(LONG_NAME)))
        if short_names
        else Access((AccessGet(SHORT_NAME_OBJECT_LIST),))
    )
    try:
        for apdu in octets[1:].split(b"\xfe\xfe"):
            if apdu:
                ends.client.receive(encode_wrapper(1, PLAIN, apdu))
                ends.client.data_to_send()
    except (PeerError, SecurityError):
        return "refused"
    return "taken"


def _fuzz_stream(octets: bytes) -> str:
    receiver = BlockReceiver(4096)
    outcome = "refused"
    for apdu in octets.split(b"\xfe\xfe"):
        try:
            outcome = "refused" if receiver.receive(GeneralBlock.from_bytes(apdu)) is None else "taken"
        except PeerError:
            continue
    return outcome


SERVICE_TARGETS = (_fuzz_tables, _fuzz_services, _fuzz_answers, _fuzz_stream)
