"""ASN.1 payloads: certificates and counters of trust anchors, joins, firmware, the clock of a gas meter.

A payload is read element by element into facts; what a request asks is written down under the same names.
Source: GBCS, ASN.1 modules of CS02 to CS08, GCS28, GCS59; fact sheet gb/GBCS.md section 9.
"""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from asn1crypto import core, x509

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import RequestError
from meterworks.companions.gb.correlate.fact import Fact, Term
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.correlate.term import NEVER, instant_of, octets_of
from meterworks.protocols import DecodeError
from meterworks.protocols.gbcs import Asn1Payload, Message, MessageKind

__all__ = ["ASN1_PAYLOADS", "asn1_facts"]

_SIGN: Final = frozenset({"digital_signature"})
_AGREE: Final = frozenset({"key_agreement"})
_TOP_UP: Final = 1  # use of a cell; management is the one that is left out
_NEVER_YEAR: Final = 9999
_ROLES: Final = MappingProxyType(
    {"Root": 0, "Recovery": 1, "Supplier": 2, "NetworkOperator": 3, "ACB": 4, "TransCoS": 5, "LoadController": 8}
)
_DEVICE_TYPES: Final = MappingProxyType(
    {
        DeviceKind.GSME: 0, DeviceKind.ESME: 1, DeviceKind.CHF: 2,
        DeviceKind.GPF: 3, DeviceKind.HCALCS: 4, DeviceKind.PPMID: 5,
    }
)  # fmt: skip
_TYPE_2: Final = 6  # a device that shows and does nothing else: it has no kind of its own
_USES: Final = MappingProxyType({"Digital Signature": _SIGN, "Key Agreement": _AGREE})
Entries = Iterator[tuple[str, Term]]  # paths below the payload, and what is to stand there


# --- what the message says ------------------------------------------------------------------------------------------


def asn1_facts(message: Message) -> list[Fact]:
    """The facts of an ASN.1 payload, which ends behind them. Raises DecodeError."""
    payload = Asn1Payload.from_bytes(message.message_code, MessageKind.COMMAND, message.payload)
    if payload.has_wide_lengths or not payload.is_known:
        raise DecodeError("lengths in another form than the shortest, or elements that no table names", offset=0)
    try:
        return list(_flat(payload.content, "payload"))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:  # what the library raises
        raise DecodeError(f"an element of the payload has no value: {error}", offset=0) from error


def _flat(element: Any, name: str) -> Iterator[Fact]:
    """Each element of a content by its path. Certificates stay octets: they are compared to the last one."""
    if isinstance(element, core.Void):
        return
    if isinstance(element, x509.Certificate):
        yield Fact(name, element.dump())
    elif isinstance(element, core.Sequence):
        for field in element:
            yield from _flat(element[field], f"{name}/{field}")
    elif isinstance(element, core.SequenceOf):
        for place in range(len(element)):
            yield from _flat(element[place], f"{name}[{place + 1}]")
    else:
        yield Fact(name, _term(element.native))


def _term(native: Any) -> Term:
    if isinstance(native, set):
        return frozenset(native)
    if isinstance(native, datetime):
        if native.microsecond or native.tzinfo is None:
            raise DecodeError("a time in whole seconds of UTC is expected", offset=0)
        return NEVER if native.year == _NEVER_YEAR else native
    return native


# --- what the request asks ------------------------------------------------------------------------------------------


def _nothing(scope: Scope) -> Entries:
    yield "", None


def _credentials_of_parties(scope: Scope) -> Entries:
    """CS02a, CS02f: the broker asks with its key agreement, and names the roles."""
    yield from _cell("/asked_by", _ROLES["ACB"], _AGREE)
    for place, role in enumerate(scope.below("RemotePartyRole"), 1):
        yield f"/roles[{place}]", _ROLES[role.text(".") or ""]


def _credential_of_device(scope: Scope) -> Entries:
    """CS02c, CS02e: for which use."""
    yield "/key_usage", _USES[scope.text("CredentialType") or ""]


def _device_certificate(scope: Scope) -> Entries:
    yield "", _certificate(scope, "DeviceCertificate")


def _join(method_and_role: int, *, has_certificate: bool = False) -> Callable[[Scope], Entries]:
    """CS03: with whom, of which type, in which part; method C hands over the other's certificate."""

    def entries(scope: Scope) -> Entries:
        other = octets_of(scope.text("OtherDeviceID") or "")
        yield "/method_and_role", method_and_role
        yield "/device", other
        yield "/device_type", _DEVICE_TYPES[scope.situation.device_kinds[other]]
        if has_certificate and (other, "agree") in scope.situation.certificates:
            yield "/certificate", scope.situation.certificates[other, "agree"]

    return entries


def _unjoin(scope: Scope) -> Entries:
    yield "", octets_of(scope.text("OtherDeviceID") or "")


def _firmware(scope: Scope) -> Entries:
    yield "/image_hash", octets_of(scope.text("FirmwareHash") or "")
    yield "/originator_counter", scope.counter
    yield from _execution_time(scope)


def _clock_window(scope: Scope) -> Entries:
    start, tolerance = instant_of(scope.text("CurrentDateTime") or ""), int(scope.text("TolerancePeriod") or "")
    yield "/from_", start
    yield "/to", start + timedelta(seconds=tolerance)


def _device_log(scope: Scope) -> Entries:
    """GCS59: the log of the hub that is replaced, as its carrier kept it."""
    old = octets_of(scope.text("OldGPFID") or "")
    if old not in scope.situation.device_logs:
        raise RequestError("which devices were in the log of the old hub, the situation does not say (device_logs)")
    for place, device in enumerate(scope.situation.device_logs[old], 1):
        yield f"/devices[{place}]/device", device
        kind = scope.situation.device_kinds.get(device)
        yield f"/devices[{place}]/device_type", _TYPE_2 if kind is None else _DEVICE_TYPES[kind]


# Who replaces whose certificates: a mode each, the role that authorises it, and how the new floors are written.


def _own_certificates(mode: int, role: int, floor: str = "RemotePartyFloorSeqNumber") -> Callable[[Scope], Entries]:
    """CS02b, CS02g: a party replaces its own certificates."""

    def entries(scope: Scope) -> Entries:
        yield "/authorising_control/mode", mode
        yield from _time_checks(scope)
        if role != _ROLES["ACB"]:  # the broker's MAC authorises its own
            yield from _cell("/authorising_control/authorising_cell", role, _SIGN)
        yield "/authorising_control/sequence_number", scope.counter
        yield from _floors(
            scope, "/authorising_control", "new_floor", floor, "RemotePartyPrepaymentTopUpFloorSeqNumber"
        )
        yield from _replacements(scope, role)

    return entries


def _others_certificates(mode: int, authorising_role: int, role: int, prefix: str) -> Callable[[Scope], Entries]:
    """CS02b, CS02g: a party replaces the certificates of another. A cancellation moves no floor."""

    def entries(scope: Scope) -> Entries:
        control, changes = "/authorising_control", "/authorising_control/other_changes[1]"
        yield f"{control}/mode", mode
        yield from _time_checks(scope)
        yield from _cell(f"{control}/authorising_cell", authorising_role, _SIGN)
        yield f"{control}/sequence_number", scope.counter
        floors = list(
            _floors(scope, changes, "floor", f"{prefix}FloorSeqNumber", f"{prefix}PrepaymentTopUpFloorSeqNumber")
        )
        if floors and instant_of(scope.text("ExecutionDateTime") or "now") != NEVER:
            yield f"{changes}/role", role
            yield from floors
        yield from _replacements(scope, role)

    return entries


def _time_checks(scope: Scope) -> Entries:
    """A flag stands there where certificates are not to be checked against the time."""
    checked = scope.text("ApplyTimeBasedCPVChecks")
    if checked not in ("true", "false", "1", "0"):
        raise RequestError("ApplyTimeBasedCPVChecks is true or false")
    if checked in ("false", "0"):
        yield "/authorising_control/apply_time_checks", 1


def _floors(scope: Scope, name: str, field: str, path: str, top_up_path: str) -> Entries:
    floor, top_up = scope.text(path), scope.text(top_up_path)
    if floor is not None:
        yield f"{name}/{field}", int(floor)
    if top_up is not None:
        yield f"{name}/specialist_floors[1]/use", 0
        yield f"{name}/specialist_floors[1]/floor", int(top_up)


_CERTIFICATES: Final = (  # in the order in which they are replaced
    ("DigitalSigningCertificate", _SIGN, None),
    ("KeyAgreementCertificate", _AGREE, None),
    ("KeyAgreementTopUpCertificate", _AGREE, _TOP_UP),
)


def _replacements(scope: Scope, role: int) -> Entries:
    place = 0
    for name, usage, cell_usage in _CERTIFICATES:
        path = _path_of(scope, name)
        if path is None:
            continue
        place += 1
        yield f"/replacements[{place}]/certificate", _certificate(scope, path)
        yield from _cell(f"/replacements[{place}]/cell", role, usage, cell_usage)
    for number, below in enumerate(scope.below("CertificationPathCertificates/Certificate"), 1):
        yield f"/path_certificates[{number}]", _der(below.text(".") or "")
    if scope.request.variant not in _CARRIER_DATED:
        yield from _execution_time(scope)


_CARRIER_DATED: Final = frozenset({"6.21", "8.5"})  # the carrier waits until their time, and the device is not told


def _path_of(scope: Scope, name: str) -> str | None:
    """Where a certificate stands: directly below the replacements, or one element deeper."""
    groups = ("ReplacementCertificates", "SupplierReplacementCertificates")
    inner = "ReplacementCertificates/SupplierOrNetworkOperatorCertificates"
    names = [f"{group}/{name}" for group in (*groups, inner)]
    return next((path for path in names if scope.find(path) is not None), None)


def _execution_time(scope: Scope) -> Entries:
    text = scope.text("ExecutionDateTime")
    if text is not None:
        yield "/execution_time", instant_of(text)


def _cell(name: str, role: int, usage: frozenset[str], cell_usage: int | None = None) -> Entries:
    yield f"{name}/role", role
    yield f"{name}/key_usage", usage
    if cell_usage is not None:
        yield f"{name}/cell_usage", cell_usage


def _certificate(scope: Scope, path: str) -> bytes:
    return _der(scope.text(path) or "")


def _der(text: str) -> bytes:
    return b64decode("".join(text.split()), validate=True)


_SUPPLIER, _OPERATOR, _BROKER = _ROLES["Supplier"], _ROLES["NetworkOperator"], _ROLES["ACB"]
_CONTROLLER: Final = _ROLES["LoadController"]

ASN1_PAYLOADS: Final[Mapping[str, Callable[[Scope], Entries]]] = MappingProxyType(
    {
        "nothing": _nothing,
        "credentials_of_parties": _credentials_of_parties,
        "credential_of_device": _credential_of_device,
        "device_certificate": _device_certificate,
        "join_as_initiator": _join(0),
        "join_as_responder": _join(1),
        "join_of_gas_mirror": _join(2),
        "join_between_gas_devices": _join(3, has_certificate=True),
        "unjoin": _unjoin,
        "firmware": _firmware,
        "clock_window": _clock_window,
        "device_log": _device_log,
        "supplier_by_itself": _own_certificates(2, _SUPPLIER),
        "operator_by_itself": _own_certificates(3, _OPERATOR),
        "broker_by_itself": _own_certificates(4, _BROKER, "ACBFloorSeqNumber"),
        "controller_by_itself": _own_certificates(10, _CONTROLLER),
        "supplier_by_carrier": _others_certificates(7, _ROLES["TransCoS"], _SUPPLIER, "Supplier"),
        "controller_by_supplier": _others_certificates(11, _SUPPLIER, _CONTROLLER, "RemoteParty"),
    }
)
