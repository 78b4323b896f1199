"""What each request of a GB set has to stand: its form, the commands it becomes, and the check of those commands.

What a carrier knows and no request says is taken from the set: kinds of devices from the use cases they are sent, roles
and certificates from the keys, counters of the broker from the command's header, which is random like a signature.
Source: DUIS 5.4; fact sheet gb/GBCS.md sections 6 and 14.
"""

from functools import cache
from types import MappingProxyType
from typing import Final

from meterworks.assess.vectors.gb_certificate import with_certificates_of
from meterworks.assess.vectors.gb_message_step import broker_secrets, is_sound, use_cases
from meterworks.assess.vectors.gb_set import GbMessage, GbRequest, GbSet, Step, always
from meterworks.assess.vectors.verdict import Mismatch, NotRun, expect
from meterworks.catalogue.gb import DeviceKind, RemoteParty
from meterworks.companions.errors import RequestMismatchError, TransformError
from meterworks.companions.gb import Request, Situation, read_request
from meterworks.companions.gb.correlate import correlate
from meterworks.companions.gb.duis import (
    canonical_form,
    read_document,
    request_from_json,
    request_to_json,
    validate_schema,
    write_document,
    write_request,
)
from meterworks.companions.gb.transform import load_rulebook, transform, with_evidence
from meterworks.errors import MeterworksError
from meterworks.protocols.gbcs import Message, compute_mac

__all__ = ["REQUEST_STEPS"]

RENEWED: Final = "the set's request has certificates issued after its command: with those of the command it is equal"
NO_PAIR: Final = "request and command of the set are no pair"
_PARTIES: Final = {
    2: RemoteParty.SUPPLIER,
    3: RemoteParty.NETWORK_OPERATOR,
    4: RemoteParty.BROKER,
    8: RemoteParty.LOAD_CONTROLLER,
}


def _schema(whole: GbSet, vector: GbRequest) -> None:
    assert whole.schema_folder is not None
    validate_schema(vector.xml, whole.schema_folder)


def _round_trip(_: GbSet, vector: GbRequest) -> None:
    expect("the document, written again", canonical_form(write_document(read_document(vector.xml))),
           canonical_form(vector.xml))  # fmt: skip
    request = read_request(vector.xml)
    expect("the request, written and read again", read_request(write_request(request)), request)


def _json(_: GbSet, vector: GbRequest) -> None:
    told = request_to_json(read_request(vector.xml))  # numbers lose leading zeros, so the JSON itself is compared
    expect("the JSON of the request from its JSON", request_to_json(request_from_json(told)), told)


def _commands(whole: GbSet, vector: GbRequest) -> str | None:
    request, note = read_request(vector.xml), None
    for recorded in _recorded(whole, vector):
        message = Message.from_bytes(recorded.octets)
        try:
            _compare(whole, request, recorded, message)
        except (Mismatch, TransformError) as error:
            renewed = with_certificates_of(request, message)
            _check_pair(whole, renewed, recorded, error)
            _compare(whole, renewed, recorded, message)
            note = RENEWED
    return note


def _check_pair(whole: GbSet, request: Request, recorded: GbMessage, error: MeterworksError) -> None:
    """Tell a pair of the set that is none: a sound command where the check, which shares nothing with the transform,
    says as well that it does something else."""
    message = Message.from_bytes(recorded.octets)
    try:
        correlate(request, recorded.octets, situation_of(whole, request, message))
    except RequestMismatchError as mismatch:
        if not isinstance(error, TransformError) and is_sound(whole, recorded):
            raise NotRun(f"{NO_PAIR}: {mismatch}") from error


def _compare(whole: GbSet, request: Request, recorded: GbMessage, message: Message) -> None:
    made = transform(request, situation_of(whole, request, message))
    if recorded.form == "PRECOMMAND":
        expect("the pre-command", made.to_bytes(), recorded.octets)
    else:
        _compare_command(whole, made, message)


def _compare_command(whole: GbSet, made: Message, recorded: Message) -> None:
    """All of a command but the random signature, which is taken from the set, and the MAC over it."""
    expect("the signed part of the command", made.signed_octets, recorded.signed_octets)
    complete = made.signed(recorded.signature)
    if recorded.mac is None:
        expect("the command", complete.to_bytes(), recorded.to_bytes())
        return
    secrets = [] if whole.keys is None else list(broker_secrets(whole, whole.keys, recorded.recipient))
    if secrets and recorded.mac not in [compute_mac(complete, secret) for secret in secrets]:
        raise Mismatch("the MAC of the command is another than that of the set")


def _check(whole: GbSet, vector: GbRequest) -> str | None:
    request, note = read_request(vector.xml), None
    for recorded in _recorded(whole, vector):
        message = Message.from_bytes(recorded.octets)
        situation = situation_of(whole, request, message)
        try:
            correlate(request, recorded.octets, situation)
        except RequestMismatchError as error:
            renewed = with_certificates_of(request, message)
            made = transform(renewed, situation_of(whole, renewed, message))
            if made.signed_octets != message.signed_octets and is_sound(whole, recorded):
                raise NotRun(f"{NO_PAIR}: {error}") from error
            correlate(renewed, recorded.octets, situation_of(whole, renewed, message))
            note = RENEWED
    return note


def _recorded(whole: GbSet, vector: GbRequest) -> list[GbMessage]:
    return [whole.by_stem[key] for form in ("PRECOMMAND", "COMMAND") if (key := (vector.stem, form)) in whole.by_stem]


def _has_command(whole: GbSet, vector: GbRequest) -> bool:
    return bool(_recorded(whole, vector))


def _has_schema(whole: GbSet, _: GbRequest) -> bool:
    return whole.schema_folder is not None


def situation_of(whole: GbSet, request: Request, command: Message) -> Situation:
    """What the carrier knew when this command was made, as far as the set tells."""
    identity, other = request.request_id, command.other
    keys = whole.keys
    unit = None if keys is None else keys.units.get(identity.originator)
    is_user = command.originator == identity.originator
    in_behalf = other.supplementary_party if other.supplementary_party != identity.originator else None
    known = Situation(
        device=_kind_of(whole, identity.target, _kinds_meant(request.variant, command.message_code)),
        device_codes=frozenset({command.message_code}),
        broker=next(iter(whole.brokers), command.originator),
        broker_counter=command.counter,
        change_of_supplier=None if is_user else command.originator,
        change_of_supplier_counter=command.counter,
        party=_PARTIES.get(unit or 0, RemoteParty.SUPPLIER),
        knows_originator=is_user,
        user=in_behalf,
        certificates=MappingProxyType({} if keys is None else keys.certificates),
        device_kinds=MappingProxyType(
            {device: _kind_of(whole, device, frozenset(DeviceKind)) for device in whole.codes_of}
        ),
    )
    return with_evidence(known, request, command)


def _kinds_meant(variant: str, code: int) -> frozenset[DeviceKind]:
    """The kinds of devices on which a request becomes the use case of a code; all where no row says."""
    rows = [row.devices for row in load_rulebook().choices.get(variant, ()) if row.code == code]
    return frozenset().union(*rows) or frozenset(DeviceKind)


def _kind_of(whole: GbSet, device: bytes, possible: frozenset[DeviceKind]) -> DeviceKind:
    """The possible kind that fits the use cases of a device best: what is for one kind only tells most."""
    votes = dict.fromkeys(sorted(possible), 0.0)
    for each in whole.codes_of.get(device, ()):
        targets = _targets(each)
        for kind in targets & possible:
            votes[kind] += 1 / len(targets) ** 2
    return max(votes, key=lambda kind: votes[kind])


@cache
def _targets(code: int) -> frozenset[DeviceKind]:
    """The kinds a use case is for: by its own row, or by the requests that become it."""
    row = use_cases().get(code)
    if row is not None and row.targets:
        return row.targets
    choices = (choice for rows in load_rulebook().choices.values() for choice in rows)
    return frozenset().union(*(choice.devices for choice in choices if choice.code == code))


REQUEST_STEPS: Final = (
    Step("schema", _schema, _has_schema),
    Step("round trip", _round_trip, always),
    Step("JSON", _json, always),
    Step("request→command", _commands, _has_command),
    Step("check", _check, _has_command),
)
