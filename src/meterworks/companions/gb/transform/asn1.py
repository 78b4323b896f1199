"""Payloads of commands in ASN.1: credentials, joins, firmware activation, device logs, the clock of a gas meter.

One row a message code says which of a few shapes makes it. Replacements of credentials differ by who authorises whom
(`_Replacement`, by message code) and by how the request's body names its parts (`_Credentials`, by body).
Source: GBCS, ASN.1 modules of CS02 to CS08, GCS28 and GCS59; what they leave open, as the reference messages have it;
fact sheet gb/GBCS.md section 9.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from meterworks.catalogue.gb import DeviceKind, UseCaseChoice
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation
from meterworks.companions.gb.transform.header import header_of
from meterworks.companions.gb.transform.value import need, number, one_of, refusal, truth, utc
from meterworks.protocols.errors import EncodeError
from meterworks.protocols.gbcs import IDENTITY_SIZE, MessageKind
from meterworks.protocols.gbcs.asn1 import Asn1Payload

__all__ = ["DEVICE_CODES", "Asn1Builder"]

CANCELLED: Final = datetime(3000, 12, 31, tzinfo=UTC)  # what a request calls a moment that never comes
NEVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # what a device is told then
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 9998  # the last moment of the year after means never
CERTIFICATE_SIZE_MAX: Final = 4_096  # octets, in DER
HASH_SIZE: Final = 32
FLOOR_MAX: Final = 2**63 - 1
TOLERANCE_MAX_S: Final = 86_400

# Codes of roles and devices in the ASN.1 modules.
_SUPPLIER, _NETWORK_OPERATOR, _BROKER, _CHANGE_OF_SUPPLIER, _LOAD_CONTROLLER = 2, 3, 4, 5, 8
_ROLES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "Root": 0,
        "Recovery": 1,
        "Supplier": _SUPPLIER,
        "NetworkOperator": _NETWORK_OPERATOR,
        "ACB": _BROKER,
        "TransCoS": _CHANGE_OF_SUPPLIER,
        "LoadController": _LOAD_CONTROLLER,
    }
)
DEVICE_CODES: Final[Mapping[DeviceKind, int]] = MappingProxyType(
    {
        DeviceKind.GSME: 0,
        DeviceKind.ESME: 1,
        DeviceKind.CHF: 2,
        DeviceKind.GPF: 3,
        DeviceKind.HCALCS: 4,
        DeviceKind.PPMID: 5,
    }
)
_TYPE_2_DEVICE: Final = 6  # one without certificates of its own: a display, not a prepayment one
_USAGES: Final[Mapping[str, str]] = MappingProxyType(
    {"Digital Signature": "digital_signature", "Key Agreement": "key_agreement"}
)
_TOP_UP: Final = 1  # use of a cell: prepayment top-ups, not management
_PREPAYMENT: Final = 0  # use of a specialist floor


@dataclass(frozen=True, slots=True)
class _Asking:
    """What a shape builds of: the row, the request, the situation, and the counter of the message."""

    use_case: UseCaseChoice
    request: Request
    situation: Situation

    @property
    def body(self) -> Element:
        """The body of the request."""
        return self.request.body

    @property
    def counter(self) -> int:
        """The originator counter that the message's header carries."""
        return header_of(self.use_case, self.request, self.situation)[1]


@dataclass(frozen=True, slots=True)
class _Replacement:
    """Who authorises a replacement. mode: its number. authority: role of who signs, None where the MAC does.

    is_own: whether who authorises replaces its own credentials, so that the new floor is its own. withdraws_bare:
    whether the command that withdraws one says no floors, though its request has to.
    """

    mode: int
    authority: int | None
    is_own: bool
    withdraws_bare: bool = False


_REPLACEMENTS: Final[Mapping[int, _Replacement]] = MappingProxyType(
    {
        0x0102: _Replacement(2, _SUPPLIER, is_own=True),
        0x0103: _Replacement(3, _NETWORK_OPERATOR, is_own=True),
        0x0104: _Replacement(4, None, is_own=True),  # the broker's own, and it MACs
        0x0106: _Replacement(6, _CHANGE_OF_SUPPLIER, is_own=True),
        0x0107: _Replacement(7, _CHANGE_OF_SUPPLIER, is_own=False, withdraws_bare=True),
        0x0125: _Replacement(10, _LOAD_CONTROLLER, is_own=True),
        0x0126: _Replacement(11, _SUPPLIER, is_own=False),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credentials:
    """How a body names the parts of a replacement: paths below it. role: of the cells where no element says it.

    is_dated: whether the device is told the moment; otherwise the carrier holds the request until then.
    """

    certificates: str
    floor: str
    top_up_floor: str = ""
    role: int | None = None
    is_dated: bool = False


_CREDENTIALS: Final[Mapping[str, _Credentials]] = MappingProxyType(
    {
        "UpdateSecurityCredentialsKRP": _Credentials(
            certificates="ReplacementCertificates/SupplierOrNetworkOperatorCertificates",
            floor="RemotePartyFloorSeqNumber",
            top_up_floor="RemotePartyPrepaymentTopUpFloorSeqNumber",
            is_dated=True,
        ),
        "RequestHandoverOfDCCControlledDevice": _Credentials(
            certificates="ReplacementCertificates",
            floor="RemotePartyFloorSeqNumber",
            top_up_floor="RemotePartyPrepaymentTopUpFloorSeqNumber",
        ),
        "UpdateSecurityCredentialsCoS": _Credentials(
            certificates="SupplierReplacementCertificates",
            floor="SupplierFloorSeqNumber",
            top_up_floor="SupplierPrepaymentTopUpFloorSeqNumber",
            role=_SUPPLIER,
            is_dated=True,
        ),
        "ServiceOptOut": _Credentials(
            certificates="ReplacementCertificates", floor="ACBFloorSeqNumber", role=_BROKER
        ),
    }
)  # fmt: skip
_CELLS: Final = (  # element, key usage, use of the cell; in this order
    ("DigitalSigningCertificate", "digital_signature", None),
    ("KeyAgreementCertificate", "key_agreement", None),
    ("KeyAgreementTopUpCertificate", "key_agreement", _TOP_UP),
)


def _replacement(asking: _Asking) -> dict[str, Any]:
    """Credentials for trust anchor cells, and with which counters their owners begin."""
    body = asking.body
    parts = _CREDENTIALS.get(body.name)
    if parts is None:
        raise refusal("Body", body.name, f"one of {', '.join(_CREDENTIALS)}")
    kind = _REPLACEMENTS[asking.use_case.code]
    role = one_of(need(body, "RemotePartyRole"), _ROLES) if parts.role is None else parts.role
    execution_time = _execution_time(body) if parts.is_dated else None
    floors = {} if kind.withdraws_bare and execution_time == NEVER else _floors(body, parts)
    own, other = (floors, {}) if kind.is_own else ({}, floors)
    if other and "floor" not in other:
        need(body, parts.floor)  # says that it is missing: nobody else's top-ups begin anew by themselves
    checks_times = truth(need(body, "ApplyTimeBasedCPVChecks"))
    return {
        "authorising_control": {
            "mode": kind.mode,
            "apply_time_checks": None if checks_times else 1,  # what is named is that they are left out
            "authorising_cell": None if kind.authority is None else _cell(kind.authority, "digital_signature"),
            "sequence_number": asking.counter,
            "new_floor": own.get("floor"),
            "specialist_floors": own.get("specialist_floors"),
            "other_changes": [{"role": role, **other}] if other else None,
        },
        "replacements": _cells(body, parts.certificates, role),
        "path_certificates": [
            _certificate(one) for one in _several(body, "CertificationPathCertificates/Certificate")
        ],
        "execution_time": execution_time,
    }  # fmt: skip


def _floors(body: Element, parts: _Credentials) -> dict[str, Any]:
    """The counters from which the new holders go on: of commands, and of prepayment top-ups."""
    floors: dict[str, Any] = {}
    if body.all(parts.floor):
        floors["floor"] = number(need(body, parts.floor), 0, FLOOR_MAX)
    if parts.top_up_floor and body.all(parts.top_up_floor):
        top_up = number(need(body, parts.top_up_floor), 0, FLOOR_MAX)
        floors["specialist_floors"] = [{"use": _PREPAYMENT, "floor": top_up}]
    return floors


def _cells(body: Element, path: str, role: int) -> list[dict[str, Any]]:
    holder = need(body, path)
    cells = [
        {"certificate": _certificate(need(holder, name)), "cell": _cell(role, key_usage, cell_usage)}
        for name, key_usage, cell_usage in _CELLS
        if holder.all(name)
    ]
    if not cells:
        raise TransformError(f"{body.name}/{path} holds no certificate", path=path, expected="one certificate at least")
    return cells


def _cell(role: int, key_usage: str, cell_usage: int | None = None) -> dict[str, Any]:
    return {"role": role, "key_usage": {key_usage}, "cell_usage": cell_usage}


def _credentials_asked(asking: _Asking) -> dict[str, Any]:
    """Which credentials a device holds: asked by the broker, who proves itself by its MAC."""
    roles = [one_of(one, _ROLES) for one in _several(asking.body, "RemotePartyRole")]
    return {"asked_by": _cell(_BROKER, "key_agreement"), "roles": roles}


def _key_usage_asked(asking: _Asking) -> dict[str, Any]:
    return {"key_usage": {one_of(need(asking.body, "CredentialType"), _USAGES)}}


def _device_certificate(asking: _Asking) -> bytes:
    return _certificate(need(asking.body, "DeviceCertificate"))


def _join(method_and_role: int, *, needs_certificate: bool = False) -> Callable[[_Asking], dict[str, Any]]:
    """Joins by a method. needs_certificate: the two agree on a key of their own, for which each needs the other's."""

    def join(asking: _Asking) -> dict[str, Any]:
        device = _identity(need(asking.body, "OtherDeviceID"))
        return {
            "method_and_role": method_and_role,
            "device": device,
            "device_type": _device_type(device, asking.situation),
            "certificate": _agreement_certificate(device, asking.situation) if needs_certificate else None,
        }

    return join


def _agreement_certificate(device: bytes, situation: Situation) -> bytes:
    certificate = situation.certificates.get((device, "agree"))
    if certificate is None:
        raise TransformError(
            f"the situation lacks the key agreement certificate of {device.hex('-').upper()}, which this join carries",
            path="Situation.certificates", value=device.hex("-").upper(), expected="a certificate for key agreement",
        )  # fmt: skip
    return certificate


def _device_type(device: bytes, situation: Situation) -> int:
    kind = situation.device_kinds.get(device)
    if kind is None or kind not in DEVICE_CODES:
        raise TransformError(
            f"the situation does not say of what kind {device.hex('-').upper()} is, or one that joins nothing",
            path="Situation.device_kinds", value=device.hex("-").upper(), expected=", ".join(DEVICE_CODES),
        )  # fmt: skip
    return DEVICE_CODES[kind]


def _unjoin(asking: _Asking) -> bytes:
    return _identity(need(asking.body, "OtherDeviceID"))


def _activation(asking: _Asking) -> dict[str, Any]:
    element = need(asking.body, "FirmwareHash")
    try:
        image_hash = bytes.fromhex(element.text.strip())
    except ValueError:
        image_hash = b""
    if len(image_hash) != HASH_SIZE:
        raise refusal(element.name, element.text, f"{HASH_SIZE} octets in hexadecimal digits")
    return {
        "image_hash": image_hash,
        "originator_counter": asking.counter,
        "execution_time": _execution_time(asking.body),
    }


def _clock_window(asking: _Asking) -> dict[str, Any]:
    """Between which moments the time must lie that the meter takes from its hub."""
    start = _moment(need(asking.body, "CurrentDateTime"))
    tolerance = number(need(asking.body, "TolerancePeriod"), 0, TOLERANCE_MAX_S)
    return {"from_": start, "to": start + timedelta(seconds=tolerance)}


def _device_log(asking: _Asking) -> dict[str, Any]:
    """The devices that a lost mirror knew. One whose kind nobody knows is no meter and no prepayment display."""
    old = _identity(need(asking.body, "OldGPFID"))
    situation = asking.situation
    devices = situation.device_logs.get(old)
    if devices is None:
        raise TransformError(
            f"the situation lacks the device log of {old.hex('-').upper()}",
            path="Situation.device_logs", value=old.hex("-").upper(), expected="the devices that stood in the log",
        )  # fmt: skip
    return {
        "devices": [
            {
                "device": device,
                "device_type": _device_type(device, situation) if device in situation.device_kinds else _TYPE_2_DEVICE,
            }
            for device in devices
        ]
    }


def _nothing(asking: _Asking) -> None:
    return None


_SHAPES: Final[Mapping[int, Callable[[_Asking], Any]]] = MappingProxyType(
    {
        0x0008: _credentials_asked,
        0x000A: _key_usage_asked,
        0x000B: _device_certificate,
        0x000C: _key_usage_asked,
        0x000D: _join(0),
        0x000E: _join(2),
        0x000F: _unjoin,
        0x0010: _unjoin,
        0x0012: _activation,
        0x0013: _nothing,
        0x007F: _clock_window,
        0x008C: _device_log,
        0x00AB: _join(1),
        0x00AF: _join(3, needs_certificate=True),
        0x011B: _credentials_asked,
        0x0129: _nothing,
        **dict.fromkeys(_REPLACEMENTS, _replacement),
    }
)


class Asn1Builder:
    """Builds the payloads whose use cases have shapes."""

    def payload_of(self, use_case: UseCaseChoice, request: Request, situation: Situation) -> bytes:
        """The payload of a request's command. Raises TransformError naming path, value and what is expected."""
        shape = _SHAPES.get(use_case.code)
        if shape is None:
            raise TransformError(
                f"{use_case.use_case} ({use_case.code:04X}) has no shape in ASN.1", use_case=use_case.use_case
            )
        value = shape(_Asking(use_case, request, situation))
        try:
            octets: bytes = Asn1Payload.make(use_case.code, MessageKind.COMMAND, value).content.dump()
        except EncodeError as error:
            raise TransformError(f"{use_case.use_case}: {error}", use_case=use_case.use_case) from error
        return octets


def _several(body: Element, path: str) -> tuple[Element, ...]:
    """The elements at a path, one at least."""
    found = body.all(path)
    return found or (need(body, path),)


def _execution_time(body: Element) -> datetime | None:
    """When a body takes effect, None at once."""
    if not body.all("ExecutionDateTime"):
        return None
    element = need(body, "ExecutionDateTime")
    return NEVER if utc(element) == CANCELLED else _moment(element)


def _moment(element: Element) -> datetime:
    """A moment in whole seconds that a device's clock can show one day."""
    moment = utc(element)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise refusal(element.name, element.text, f"a moment of {FIRST_YEAR} to {LAST_YEAR}")
    return moment.replace(microsecond=0)


def _identity(element: Element) -> bytes:
    text = element.text.strip()
    try:
        identity = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        identity = b""
    if len(identity) != IDENTITY_SIZE:
        raise refusal(element.name, element.text, "an EUI-64, 00-DB-12-34-56-78-90-A0,")
    return identity


def _certificate(element: Element) -> bytes:
    """A certificate as it is: what it says, the device judges."""
    text = "".join(element.text.split())
    try:
        certificate = base64.b64decode(text, validate=True) if len(text) <= 2 * CERTIFICATE_SIZE_MAX else b""
    except ValueError:
        certificate = b""
    if not 0 < len(certificate) <= CERTIFICATE_SIZE_MAX:
        raise refusal(element.name, element.text, f"a certificate in base64 of at most {CERTIFICATE_SIZE_MAX} octets")
    return certificate
