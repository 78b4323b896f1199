"""Pairs of the GB reference set: a service request and the command, or pre-command, that came of it."""

import base64
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from asn1crypto import pem
from tests.conformance.gbcs.reference_set import BROKER, Recorded, messages

from meterworks.catalogue.gb import DeviceKind, RemoteParty
from meterworks.companions.gb import Element, Request, Situation
from meterworks.companions.gb.duis import read_request
from meterworks.companions.gb.transform import with_evidence
from meterworks.protocols.gbcs import Message

CHANGE_OF_SUPPLIER = bytes.fromhex("90b3d51f30000004")
KINDS = {  # the last octet of a target, as the set's own page lists them
    0xA0: DeviceKind.ESME, 0xA1: DeviceKind.GSME, 0xA2: DeviceKind.CHF, 0xA3: DeviceKind.GPF,
    0xA4: DeviceKind.PPMID, 0xA5: DeviceKind.HCALCS, 0xA6: DeviceKind.SAPC,
}  # fmt: skip
PARTIES = {"90b3d51f30020000": RemoteParty.NETWORK_OPERATOR, "90b3d51f30010008": RemoteParty.LOAD_CONTROLLER}


@dataclass(frozen=True)
class Pair:
    """A request and a message made of it. name: of the message's file."""

    name: str
    request: Request
    message: Message


@cache
def pairs(folder: Path) -> list[Pair]:
    """Every pair whose two halves are there."""
    found = []
    for one in messages(folder):
        stem = one.name.replace("_PRECOMMAND_GBCS.HEX", "").replace("_COMMAND_GBCS.HEX", "")
        path = folder / "duis" / f"{stem}_REQUEST_DUIS.XML"
        if stem != one.name and path.exists():
            found.append(Pair(one.name, read_request(path.read_bytes()), _message(one)))
    return found


def _message(one: Recorded) -> Message:
    return Message.from_bytes(one.octets)


@cache
def certificates(folder: Path) -> dict[tuple[bytes, str], bytes]:
    """Every certificate of the key store, by party and usage."""
    found = {}
    for path in sorted((folder / "keystore").glob("*.pem")):
        kind, _, der = pem.unarmor(path.read_bytes())
        party, _, usage = path.stem.partition("-")
        if kind == "CERTIFICATE" and usage in ("ds", "ka"):
            found[bytes.fromhex(party), "sign" if usage == "ds" else "agree"] = der
    return found


def situation_of(pair: Pair, folder: Path, **more: object) -> Situation:
    """What the carrier knew: what the message shows of it, and no more."""
    message, identity = pair.message, pair.request.request_id
    by_user = message.originator == identity.originator
    facts = {
        "device": KINDS[identity.target[-1]],
        "device_codes": frozenset({message.message_code}),
        "party": PARTIES.get(identity.originator.hex(), RemoteParty.SUPPLIER),
        "broker": bytes.fromhex(BROKER),
        "broker_counter": message.counter,
        "change_of_supplier": CHANGE_OF_SUPPLIER,
        "change_of_supplier_counter": message.counter,
        "knows_originator": by_user,
        "certificates": dict(certificates(folder)) | _own_certificate(pair),
    }
    if identity.originator == bytes.fromhex(BROKER):
        facts["user"] = message.other.supplementary_party
    return replace(with_evidence(Situation(**facts), pair.request, message), **more)


def _own_certificate(pair: Pair) -> dict[tuple[bytes, str], bytes]:
    """The key agreement certificate that an unknown party sends with its request."""
    sent = pair.request.body.find("KAPublicSecurityCredentials")
    return {} if sent is None else {(pair.request.request_id.originator, "agree"): base64.b64decode(sent.text)}


def rewritten(pair: Pair, texts: dict[str, list[str]]) -> Pair:
    """The pair with other texts in its request: by name of the leaf, in the order of the request.

    Some requests of the set were written anew after their messages: with certificates that did not exist then, or with
    other dates. What the message holds in their place, this puts back.
    """
    left = {name: list(values) for name, values in texts.items()}

    def walk(element: Element) -> Element:
        waiting = left.get(element.name)
        if waiting and not element.children:
            return replace(element, text=waiting.pop(0))
        return replace(element, children=tuple(map(walk, element.children)))

    return replace(pair, request=replace(pair.request, body=walk(pair.request.body)))
