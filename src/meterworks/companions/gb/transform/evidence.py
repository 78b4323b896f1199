"""What a command shows of the situation it was made in: for who makes it anew, to compare the two.

A request does not say when its command was made, of what kind another device is, or which number the carrier drew; the
command does. Nothing of what the request itself says is taken from here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from asn1crypto.core import Sequence

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import RequestError
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import HubBackup, Situation
from meterworks.companions.gb.transform.asn1 import DEVICE_CODES
from meterworks.companions.gb.transform.dlms_leaf import HUB_KINDS
from meterworks.companions.gb.transform.gbz_table import FIELD_SIZES, GbzRow, ZclCommand, ZclField, load_gbz_rows
from meterworks.companions.gb.transform.gbz_value import EPOCH
from meterworks.protocols.dlms import AccessRequest, AttributeAddress, MethodAddress, ObisCode, decode_all
from meterworks.protocols.errors import DecodeError
from meterworks.protocols.gbcs import GbzMessage, Message
from meterworks.protocols.gbcs.asn1 import Asn1Payload, payload_type

__all__ = ["with_evidence"]

_MADE_AT: Final = "@now"
_CUSTOMER_NUMBER: Final = "UpdateCustomerNumber"

_SENT_CERTIFICATE: Final = "KAPublicSecurityCredentials"
_ACCESS_REQUEST: Final = b"\xd9"
_CREDITS_AND_CHARGES: Final = AttributeAddress(111, ObisCode("0.1.19.0.0.255"), 11)
_SECOND_TARIFF: Final = bytes.fromhex("0000131405ff")  # the charge of a second element
_SHOWN_NUMBER: Final = AttributeAddress(1, ObisCode("0.3.96.13.1.255"), 2)
_RESTORE: Final = MethodAddress(104, ObisCode("0.0.30.3.0.255"), 5)
_REGISTER: Final = MethodAddress(104, ObisCode("0.0.30.3.0.255"), 1)
_KINDS_IN_HUBS: Final = MappingProxyType({number: kind for kind, number in HUB_KINDS.items()})
_KINDS: Final = MappingProxyType({code: kind for kind, code in DEVICE_CODES.items()})


def with_evidence(situation: Situation, request: Request, command: Message) -> Situation:
    """The situation with what a command shows of it: when it was made, the customer's number, other devices.

    command: of that request. One whose payload cannot be read, or is of another form, shows nothing.
    """
    try:
        shown = _shown(request, command)
    except (DecodeError, RequestError, ValueError):
        shown = {}
    certificates = {**situation.certificates, **shown.pop("certificates", {})}
    if command.other.certificate and command.other.supplementary_party and not request.body.all(_SENT_CERTIFICATE):
        certificates[command.other.supplementary_party, "agree"] = command.other.certificate
    kinds = {**situation.device_kinds, **shown.pop("device_kinds", {})}
    return replace(situation, certificates=certificates, device_kinds=kinds, **shown)


def _shown(request: Request, command: Message) -> dict[str, Any]:
    if command.message_code in _rows():
        return _of_gas(command)
    if command.payload[:1] == _ACCESS_REQUEST:
        return _of_access(request, AccessRequest.from_bytes(command.payload))
    if payload_type(command.message_code, command.kind) is None:
        return {}
    content = Asn1Payload.from_bytes(command.message_code, command.kind, command.payload).content
    return _of_asn1(request, content) if isinstance(content, Sequence) else {}


@cache
def _rows() -> Mapping[int, tuple[GbzRow, ...]]:
    return load_gbz_rows()


def _of_gas(command: Message) -> dict[str, Any]:
    """The moment in the first component that has one, and the number that a meter is to show."""
    commands = {
        (row.command.cluster, row.command.control, row.command.number): row.command
        for row in _rows()[command.message_code]
    }
    shown: dict[str, Any] = {}
    for component in GbzMessage.from_bytes(command.payload).components:
        frame = component.frame
        layout = commands.get((component.cluster, frame.control, frame.command))
        for field, octets in () if layout is None else _leading_fields(layout, frame.payload):
            if field.value == _MADE_AT:
                shown.setdefault("made_at", EPOCH + timedelta(seconds=int.from_bytes(octets, "little")))
            elif field.kind == "text" and layout is not None and layout.name == _CUSTOMER_NUMBER:
                shown["customer_number"] = octets.decode("ascii", errors="replace")
    return shown


def _leading_fields(layout: ZclCommand, payload: bytes) -> Iterator[tuple[ZclField, bytes]]:
    """The fields of a ZigBee command up to the first that repeats, with their octets."""
    place = 0
    for field in layout.fields:
        size = FIELD_SIZES.get(field.kind, 0)
        if field.kind == "text" and place < len(payload):
            size, place = payload[place], place + 1
        if not size or place + size > len(payload):
            return
        yield field, payload[place : place + size]
        place += size


def _of_asn1(request: Request, content: Sequence) -> dict[str, Any]:
    """The devices that a join names or a log lists, with their kinds, and the certificate of the joined one."""
    native = content.native
    if "device_type" in native:
        device = native["device"]
        certificates = {} if native["certificate"] is None else {(device, "agree"): content["certificate"].dump()}
        return {"device_kinds": _kinds_of([native]), "certificates": certificates}
    if "devices" not in native or request.body.find("OldGPFID") is None:
        return {}
    log = tuple(one["device"] for one in native["devices"])
    return {
        "device_kinds": _kinds_of(native["devices"]),
        "device_logs": {_identity(request, "OldGPFID"): log},
    }


def _of_access(request: Request, access: AccessRequest) -> dict[str, Any]:
    """A meter's second element, the number a meter is to show, what is added to a hub's log, or put back into it."""
    shown: dict[str, Any] = {}
    for one, octets in zip(access.specifications, access.values, strict=True):
        if one.address not in (_CREDITS_AND_CHARGES, _SHOWN_NUMBER, _REGISTER, _RESTORE):
            continue
        match decode_all(octets):
            case [*charges] if one.address == _CREDITS_AND_CHARGES:
                shown["has_second_element"] = _SECOND_TARIFF in [
                    pair[1] for pair in charges if isinstance(pair, list | tuple) and len(pair) > 1
                ]
            case bytes() as number if one.address == _SHOWN_NUMBER:
                shown["customer_number"] = number.decode("ascii", errors="replace")
            case [bytes() as device, _, _, int() as number] if one.address == _REGISTER and number in _KINDS_IN_HUBS:
                shown["device_kinds"] = {device: _KINDS_IN_HUBS[number]}
            case [bytes() as network, [*devices]] if one.address == _RESTORE:
                shown["hub_backups"] = {_identity(request, "OldCHFID"): HubBackup(network, tuple(devices))}
    return shown


def _identity(request: Request, name: str) -> bytes:
    return bytes.fromhex(request.body.one(name).text.replace("-", ""))


def _kinds_of(devices: list[dict[str, Any]]) -> dict[bytes, DeviceKind]:
    return {one["device"]: _KINDS[one["device_type"]] for one in devices if one["device_type"] in _KINDS}
