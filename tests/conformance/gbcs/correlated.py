"""Requests of the GB reference set beside the commands they caused, with what their users knew: for the check.

Some requests of the set are younger than their messages: they name certificates that did not exist then, other dates,
other alerts. Those stand in `REWRITTEN`, and what the message was asked for is put back, so that both belong together.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tests.conformance.gbcs.reference_pair import Pair, pairs, rewritten, situation_of

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.gb import Element, Request, Situation
from meterworks.companions.gb.situation import HubBackup
from meterworks.protocols.gbcs import Asn1Payload, MessageKind

CERTIFICATES = ("DigitalSigningCertificate", "KeyAgreementCertificate", "KeyAgreementTopUpCertificate")
REWRITTEN = {  # by the beginning of the name: texts that the request had when its message was made
    "GCS09_3.2_": {"RestrictionDateTime": ["2016-11-22T02:46:56.00Z"]},
    "GCS15c_4.4.3_": {"StartDateTime": ["2015-01-01T00:00:01.00Z"], "EndDateTime": ["2016-01-01T00:00:01.00Z"]},
    "GCS16b_4.14_": {"StartDateTime": ["2014-12-29T23:00:00.00Z"]},
    "GCS61_4.17_": {"StartDateTime": ["2014-12-22T00:00:00.00Z"], "EndDateTime": ["2016-12-21T00:00:00.00Z"]},
}
OTHER_ALERTS = {  # alerts that were set, in place of those that the request names now
    "ECS25a_6.22_": (
        "SupplierESMECommon",
        {"x810D": "Enable", "x810E": "Disable", "x81C4": "Disable", "x81C5": "Disable"},
    ),
    "ECS25b_6.22_": ("NetworkOperatorESMECommon", {"x8014": "Enable", "x8015": "Disable"}),
}  # fmt: skip
JOINED = {  # kinds of the other devices of joins
    "CS03A1": DeviceKind.HCALCS, "CS03A2Critical": DeviceKind.ESME, "CS03A2NonCritical": DeviceKind.ESME,
    "CS03B": DeviceKind.GPF, "CS03CCritical": DeviceKind.PPMID, "CS03CNonCritical": DeviceKind.GSME,
}  # fmt: skip
GAS_LOG = (bytes.fromhex("0011223344556677"), bytes.fromhex("8899aabbccddeeff"))
HUB = HubBackup(
    bytes.fromhex("0000000000000140"),
    (
        (bytes.fromhex("00db1234567890a0"), bytes.fromhex("83fed3407a939723a5c639b26916d506")),
        (bytes.fromhex("00db1234567890a1"), bytes.fromhex("83fed3407a939723a5c639b26916d505")),
    ),
)


@dataclass(frozen=True)
class Asked:
    """A message, the request that caused it, and what the requester knew. is_younger: the request was put back."""

    name: str
    request: Request
    octets: bytes
    situation: Situation
    is_younger: bool

    def __str__(self) -> str:
        return self.name


@cache
def asked(folder: Path) -> list[Asked]:
    """Every pair of the set."""
    return [_asked(pair, folder) for pair in pairs(folder)]


def _asked(pair: Pair, folder: Path) -> Asked:
    own = _put_back(pair)
    return Asked(pair.name, own.request, pair.message.to_bytes(), _known(own, folder), own is not pair)


def _put_back(pair: Pair) -> Pair:
    for begin, texts in REWRITTEN.items():
        if pair.name.startswith(begin):
            pair = rewritten(pair, texts)
    for begin, (group, codes) in OTHER_ALERTS.items():
        if pair.name.startswith(begin):
            settings = Element(group, children=tuple(Element(code, text) for code, text in codes.items()))
            whole = replace(pair.request.body.children[0], children=(settings,))
            return replace(pair, request=replace(pair.request, body=replace(pair.request.body, children=(whole,))))
    if pair.message.other.certificate:
        pair = rewritten(pair, {"KAPublicSecurityCredentials": [_text(pair.message.other.certificate)]})
    return rewritten(pair, dict(_certificates(pair))) if pair.name.startswith(("CS02b", "CS02g")) else pair


def _certificates(pair: Pair) -> Iterator[tuple[str, list[str]]]:
    message = pair.message
    content = Asn1Payload.from_bytes(message.message_code, MessageKind.COMMAND, message.payload).content
    replaced = [content["replacements"][place]["certificate"].dump() for place in range(len(content["replacements"]))]
    names = [name for name in CERTIFICATES if _leaves(pair.request.body, name)]
    for name, der in zip(names, replaced, strict=True):
        yield name, [_text(der)]
    path = content["path_certificates"]
    yield "Certificate", [_text(path[place].dump()) for place in range(len(path))]


def _leaves(element: Element, name: str) -> list[Element]:
    below = [leaf for child in element.children for leaf in _leaves(child, name)]
    return [element] if element.name == name and not element.children else below


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _known(pair: Pair, folder: Path) -> Situation:
    name = pair.name.partition("_")[0]
    more: dict[str, Any] = {}
    other = pair.request.body.find("OtherDeviceID")
    if other is not None and name in JOINED:
        device = bytes.fromhex(other.text.replace("-", ""))
        more["device_kinds"] = {device: JOINED[name]}
        joined = Asn1Payload.from_bytes(pair.message.message_code, MessageKind.COMMAND, pair.message.payload).content
        more["certificates"] = {(device, "agree"): joined["certificate"].dump()} if name.startswith("CS03C") else {}
    return situation_of(
        pair, folder,
        has_second_element="_TWIN_" in pair.name,
        device_logs={bytes.fromhex("00db1234567890b3"): GAS_LOG},
        hub_backups={bytes.fromhex("00db123456789095"): HUB},
        **({"device_kinds": {GAS_LOG[0]: DeviceKind.PPMID, HUB.devices[0][0]: DeviceKind.ESME}} | more),
    )  # fmt: skip


# --- requests with one thing altered --------------------------------------------------------------------------------

CERTIFICATE_SIZE_MIN = 200  # as base64
SWAPPED = {
    "true": "false", "false": "true", "Enable": "Disable", "Disable": "Enable", "START": "STOP", "STOP": "START",
    "Locked": "Unchanged", "Unchanged": "Locked", "GBP": "ECB", "ECB": "GBP", "HOURLY": "DAILY", "DAILY": "HOURLY",
    "Monday": "Tuesday", "Tuesday": "Wednesday", "Wednesday": "Thursday", "Thursday": "Friday", "Friday": "Monday",
    "Saturday": "Sunday", "Sunday": "Monday", "Monthly": "Weekly", "Supplier": "NetworkOperator",
    "Digital Signature": "Key Agreement",
}  # fmt: skip


def altered_requests(request: Request) -> Iterator[tuple[str, Request]]:
    """One leaf or attribute of the body at a time, with another text or left out; and its name."""
    for name, body in _altered_bodies(request.body):
        yield name, replace(request, body=body)


def _altered_bodies(element: Element) -> Iterator[tuple[str, Element]]:
    for name, text in element.attributes.items():
        yield f"@{name}", replace(element, attributes={**element.attributes, name: _other_text(text)})
    for place, child in enumerate(element.children):
        before, behind = element.children[:place], element.children[place + 1 :]
        for name, other in _altered_bodies(child):
            yield name, replace(element, children=(*before, other, *behind))
        if not child.children:
            yield f"{child.name} left out", replace(element, children=(*before, *behind))
    if element.text.strip() and not element.children:
        yield element.name, replace(element, text=_other_text(element.text.strip()))


def _other_text(text: str) -> str:
    if text in SWAPPED:
        return SWAPPED[text]
    places = [place for place, character in enumerate(text) if character.isdigit()]
    if not places:
        return text + "x"
    if len(text) > CERTIFICATE_SIZE_MIN:
        return ("N" if text[0] == "M" else "M") + text[1:]
    # Of times of day and instants the minutes, since devices know no fractions of a second; of all else the end.
    place = text.index(":") + 2 if text.endswith("Z") and ":" in text else places[-1]
    return text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
