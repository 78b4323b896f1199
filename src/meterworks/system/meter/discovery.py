"""Which associations a meter offers, asked without any key.

For each client address one connection asks for an association without authentication. Where that is accepted, what
the meter tells through it is read: its name, its logical devices, its association and security objects. Where it is
refused, further connections ask which mechanism would do: a challenge is sent and, if the meter answers with one of its
own, the link is dropped before any proof. No password and no false proof is ever sent; still, meters may log it.
Source: IEC 62056-5-3 (ACSE); fact sheet sections 3, 6 and 8.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from meterworks.errors import MeterworksError, PeerError, UnreachableError
from meterworks.links import ApduLink, BlockingDlmsClient, ConnectFailed, MeterTarget, Tap
from meterworks.protocols import DecodeError, ServiceRefused
from meterworks.protocols.dlms import (
    CLIENT_CONFORMANCE,
    PUBLIC_CLIENT,
    AcseResult,
    ApplicationContext,
    AssociationRequest,
    AssociationResponse,
    AttributeAddress,
    ClientSettings,
    Conformance,
    CountUp,
    Diagnostic,
    InitiateRequest,
    InitiateResponse,
    Mechanism,
    ObisCode,
    PlainValue,
    decode_all,
)
from meterworks.system.meter.access import OWN_SYSTEM_TITLE
from meterworks.system.meter.value import plain_json

__all__ = [
    "CLIENTS",
    "Discovery",
    "FoundAssociation",
    "Standing",
    "discover",
    "discovery_document",
    "discovery_rows",
]

CLIENTS: Final = (16, 1, 2, 3, 102)
CHALLENGE_SIZE: Final = 16
OBJECTS_MAX: Final = 64  # association and security objects asked after
TAG_AARE: Final = 0x61
TAG_EXCEPTION: Final = 0xD8

DEVICE_NAME: Final = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)
SAP_ASSIGNMENT: Final = AttributeAddress(17, ObisCode("0.0.41.0.0.255"), 2)
OBJECT_LIST: Final = AttributeAddress(15, ObisCode("0.0.40.0.0.255"), 2)
ASSOCIATION_CLASS: Final = 15
SECURITY_CLASS: Final = 64

#                mechanism           names a title, sends no challenge of its own
_PROBES: Final = (
    Mechanism.GMAC,
    Mechanism.SHA256,
    Mechanism.ECDSA,
    Mechanism.SHA1,
    Mechanism.MD5,
    Mechanism.MANUFACTURER,
    Mechanism.LOW,
)

Tell = Callable[[str], None]


class Standing(StrEnum):
    """How a client address is received."""

    OPEN = "open"  # without authentication
    LOCKED = "locked"  # with the mechanism named
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAssociation:
    """One client address of a meter. ciphered: whether the application context is; None where it is not known."""

    client: int
    server: int
    standing: Standing
    mechanism: Mechanism | None = None
    ciphered: bool | None = None
    conformance: Conformance | None = None
    max_pdu: int | None = None
    server_title: bytes | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What a meter showed.

    declared: its association objects as far as it lets the public read them. security: name, policy and suite of its
    security objects.
    """

    target: str
    associations: tuple[FoundAssociation, ...]
    device_name: str | None = None
    saps: tuple[tuple[int, str], ...] = ()
    declared: tuple[dict[str, object], ...] = ()
    security: tuple[dict[str, object], ...] = ()
    objects: int | None = None
    notes: tuple[str, ...] = field(default=())


def discover(
    target: MeterTarget,
    *,
    clients: Sequence[int] = CLIENTS,
    servers: Sequence[int] = (1,),
    timeout_s: float = 5.0,
    tell: Tell | None = None,
    tap: Tap | None = None,
) -> Discovery:
    """Ask a meter for its associations. tell: is told of each address; tap: is shown all octets.

    Raises UnreachableError where nobody is there at all.
    """
    found: list[FoundAssociation] = []
    told: Discovery | None = None
    for server in servers:
        for client in clients:
            if tell is not None:
                tell(f"client {client} on server {server}")
            probe = _Probe(target, client, server, timeout_s, tap)
            answer = probe.ask(Mechanism.NONE)
            if answer.standing is Standing.REFUSED:
                answer = probe.ask_mechanisms(answer)
            found.append(answer)
            if answer.standing is Standing.OPEN and told is None:
                told = _tell_of(probe)
    told = told or Discovery(target=str(target), associations=())
    return replace(told, associations=tuple(found))


@dataclass(frozen=True, slots=True)
class _Probe:
    """Asks for associations of one client address, each on a connection of its own."""

    target: MeterTarget
    client: int
    server: int
    timeout_s: float
    tap: Tap | None

    def ask(self, mechanism: Mechanism, *, ciphered: bool = False) -> FoundAssociation:
        """Ask once and say how it was received."""
        silent = FoundAssociation(client=self.client, server=self.server, standing=Standing.SILENT)
        try:
            apdu = self._exchange(_request(mechanism, ciphered=ciphered))
        except ConnectFailed:
            raise
        except UnreachableError as error:
            return replace(silent, why=str(error))
        except PeerError as error:
            return replace(silent, standing=Standing.REFUSED, why=f"answers what is no DLMS: {error}")
        return self._standing(apdu, mechanism, ciphered=ciphered)

    def _exchange(self, apdu: bytes) -> bytes:
        with ApduLink.open(self.target, self.client, self.server, timeout_s=self.timeout_s, tap=self.tap) as link:
            answer = link.exchange(apdu)
            if answer[0] == TAG_AARE:
                _leave(link, answer)
            return answer

    def _standing(self, apdu: bytes, mechanism: Mechanism, *, ciphered: bool) -> FoundAssociation:
        refused = FoundAssociation(client=self.client, server=self.server, standing=Standing.REFUSED)
        if apdu[0] == TAG_EXCEPTION:
            return replace(refused, why=f"exception {apdu[1:].hex()}")
        try:
            response = AssociationResponse.from_bytes(apdu)
        except DecodeError as error:
            return replace(refused, why=f"answers what is no association response: {error}")
        seen = replace(refused, server_title=response.responding_title)
        if response.result != AcseResult.ACCEPTED:
            return replace(seen, why=_diagnostic_text(response.diagnostic))
        agreed = _initiate_of(response)
        return replace(
            seen,
            standing=Standing.OPEN if mechanism == Mechanism.NONE else Standing.LOCKED,
            mechanism=_mechanism_of(response, mechanism),
            ciphered=ciphered,
            conformance=None if agreed is None else agreed[0],
            max_pdu=None if agreed is None else agreed[1],
        )

    def ask_mechanisms(self, first: FoundAssociation) -> FoundAssociation:
        """Find which mechanism a client address asks for, in the plain context and then in the ciphered one."""
        if first.why == _diagnostic_text(Diagnostic.NO_REASON):
            return first  # neither mechanism nor context is what it minds: it does not know the client
        ciphered = first.why == _diagnostic_text(Diagnostic.CONTEXT_NOT_SUPPORTED)
        for mechanism in _PROBES:
            answer = self.ask(mechanism, ciphered=ciphered)
            if answer.standing is Standing.LOCKED:
                return answer
            if answer.standing is Standing.SILENT:
                return replace(first, why=f"{first.why}; then silent")
            if answer.why == _diagnostic_text(Diagnostic.CONTEXT_NOT_SUPPORTED):
                return first if ciphered else self.ask_mechanisms(answer)
            if answer.why != _diagnostic_text(Diagnostic.MECHANISM_NOT_RECOGNISED) and (
                ciphered or answer.why == _diagnostic_text(Diagnostic.AUTHENTICATION_FAILURE)
            ):
                # It minds something else now, keys or password: this was the right mechanism.
                return replace(answer, standing=Standing.LOCKED, mechanism=mechanism, ciphered=ciphered, why="")
        return replace(first, ciphered=ciphered or None)


def _request(mechanism: Mechanism, *, ciphered: bool) -> bytes:
    """An association request that no key is needed for."""
    challenge = mechanism not in (Mechanism.NONE, Mechanism.LOW)
    conformance = CLIENT_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER | Conformance.ACCESS
    return AssociationRequest(
        context=ApplicationContext.LOGICAL_NAME_CIPHERED if ciphered else ApplicationContext.LOGICAL_NAME,
        user_information=InitiateRequest(conformance=conformance, max_pdu=0xFFFF).to_bytes(),
        calling_title=OWN_SYSTEM_TITLE if challenge or ciphered else None,
        mechanism=None if mechanism == Mechanism.NONE else int(mechanism),
        authentication=secrets.token_bytes(CHALLENGE_SIZE) if challenge else None,
    ).to_bytes()


def _leave(link: ApduLink, answer: bytes) -> None:
    """Release what was opened; whether the meter answers does not matter."""
    try:
        if AssociationResponse.from_bytes(answer).result == AcseResult.ACCEPTED:
            link.exchange(bytes.fromhex("6203800100"))
    except MeterworksError:
        return


def _diagnostic_text(diagnostic: int) -> str:
    try:
        return Diagnostic(diagnostic).name.lower().replace("_", " ")
    except ValueError:
        return f"diagnostic {diagnostic}"


def _mechanism_of(response: AssociationResponse, asked: Mechanism) -> Mechanism:
    """The mechanism that the meter names, else the one asked for."""
    try:
        return asked if response.mechanism is None else Mechanism(response.mechanism)
    except ValueError:
        return asked


def _initiate_of(response: AssociationResponse) -> tuple[Conformance, int] | None:
    """What was agreed, where it came in clear."""
    try:
        initiate = InitiateResponse.from_bytes(response.user_information or b"")
    except DecodeError:
        return None
    return initiate.conformance, initiate.max_pdu


# --- what an open association tells ---------------------------------------------------------------------------------


def _tell_of(probe: _Probe) -> Discovery:
    settings = ClientSettings(client_sap=probe.client or PUBLIC_CLIENT, server_sap=probe.server)
    notes: list[str] = []
    facts: dict[str, Any] = {}
    try:
        with BlockingDlmsClient.open(
            probe.target, settings, counter=CountUp(), timeout_s=probe.timeout_s, tap=probe.tap
        ) as meter:
            meter.associate()
            facts = _facts(meter, notes)
            meter.release()
    except MeterworksError as error:
        notes.append(f"client {probe.client} on server {probe.server}: {error}")
    return Discovery(target=str(probe.target), associations=(), notes=tuple(notes), **facts)


def _facts(meter: BlockingDlmsClient, notes: list[str]) -> dict[str, Any]:
    def value(address: AttributeAddress) -> PlainValue:
        try:
            return decode_all(meter.get(address))
        except (ServiceRefused, DecodeError) as error:
            notes.append(f"{address.class_id}/{address.obis_code}/{address.attribute}: {error}")
            return None

    name = value(DEVICE_NAME)
    rows = value(OBJECT_LIST)
    objects = [row for row in rows if _is_object(row)] if isinstance(rows, list) else []
    return {
        "device_name": None if name is None else str(plain_json(name)),
        "saps": tuple(_saps(value(SAP_ASSIGNMENT))) if _offers(objects, SAP_ASSIGNMENT) else (),
        "objects": len(objects) if rows is not None else None,
        "declared": tuple(_declared(name, value) for name in _names(objects, ASSOCIATION_CLASS)),
        "security": tuple(_security(name, value) for name in _names(objects, SECURITY_CLASS)),
    }


def _is_object(row: object) -> bool:
    match row:
        case (int(), int(), bytes(name), *_):
            return len(name) == 6
    return False


def _offers(objects: Iterable[PlainValue], address: AttributeAddress) -> bool:
    return any(row[0] == address.class_id and row[2] == address.obis_code for row in objects)


def _names(objects: Iterable[PlainValue], class_id: int) -> list[ObisCode]:
    return [ObisCode(row[2]) for row in objects if row[0] == class_id][:OBJECTS_MAX]


def _saps(rows: object) -> Iterable[tuple[int, str]]:
    for row in rows if isinstance(rows, list) else []:
        match row:
            case (int(sap), name, *_):
                yield sap, str(plain_json(name))


def _declared(name: ObisCode, value: Callable[[AttributeAddress], PlainValue]) -> dict[str, object]:
    """What an association object says of itself: partners, context, mechanism."""
    partners = value(AttributeAddress(ASSOCIATION_CLASS, name, 3))
    context = value(AttributeAddress(ASSOCIATION_CLASS, name, 4))
    mechanism = value(AttributeAddress(ASSOCIATION_CLASS, name, 6))
    client, server = partners[:2] if isinstance(partners, tuple) and len(partners) >= 2 else (None, None)
    return {
        "object": name.text,
        "client": client,
        "server": server,
        "context": _last_arc(context),
        "mechanism": _last_arc(mechanism),
    }


def _last_arc(name: object) -> int | None:
    """The last number of an object identifier, as a structure of numbers or as its octets."""
    if isinstance(name, bytes | tuple | list) and name:
        last = name[-1]
        return last if isinstance(last, int) else None
    return None


def _security(name: ObisCode, value: Callable[[AttributeAddress], PlainValue]) -> dict[str, object]:
    policy, suite = (value(AttributeAddress(SECURITY_CLASS, name, number)) for number in (2, 3))
    return {"object": name.text, "policy": plain_json(policy), "suite": plain_json(suite)}


# --- showing --------------------------------------------------------------------------------------------------------


def discovery_document(found: Discovery) -> dict[str, object]:
    """What was found, for JSON."""
    return {
        "target": found.target,
        "device_name": found.device_name,
        "objects_seen": found.objects,
        "saps": [{"sap": sap, "name": name} for sap, name in found.saps],
        "associations": [_association_document(each) for each in found.associations],
        "declared_associations": list(found.declared),
        "security_setups": list(found.security),
        "notes": list(found.notes),
    }


def _association_document(each: FoundAssociation) -> dict[str, object]:
    return {
        "client": each.client,
        "server": each.server,
        "standing": each.standing.value,
        "mechanism": None if each.mechanism is None else int(each.mechanism),
        "mechanism_name": None if each.mechanism is None else each.mechanism.name.lower(),
        "ciphered": each.ciphered,
        "conformance": None if each.conformance is None else _services(each.conformance),
        "max_pdu": each.max_pdu,
        "server_title": None if each.server_title is None else each.server_title.hex(),
        "why": each.why or None,
    }


def _services(conformance: Conformance) -> list[str]:
    return [flag.name.lower().replace("_", "-") for flag in Conformance if flag & conformance and flag.name]


def discovery_rows(found: Discovery) -> list[dict[str, object]]:
    """What was found, a row for each client address."""
    suites = ", ".join(f"{row['object']} suite {row['suite']} policy {row['policy']}" for row in found.security)
    names = ", ".join(f"{sap} {name}" for sap, name in found.saps)
    return [
        {
            "client": each.client,
            "server": each.server,
            "standing": each.standing.value,
            "mechanism": "" if each.mechanism is None else f"{int(each.mechanism)} {each.mechanism.name.lower()}",
            "ciphered": {None: "", True: "yes", False: "no"}[each.ciphered],
            "max_pdu": each.max_pdu,
            "device": found.device_name if each.standing is Standing.OPEN else None,
            "logical_devices": names if each.standing is Standing.OPEN else None,
            "security": suites if each.standing is Standing.OPEN else None,
            "conformance": "" if each.conformance is None else " ".join(_services(each.conformance)),
            "why": each.why,
        }
        for each in found.associations
    ]
