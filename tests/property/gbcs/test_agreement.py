"""Two readings of the same facts: what the transform makes of any lawful request, the check finds to be what was asked.

They share no code and no table, so that an error would have to be made twice. Where they differ on purpose, it stands
in `KNOWN`: there the check says that it cannot tell, or that something else was asked.
"""

import base64
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.conformance.gbcs.duis_maker import any_request
from tests.unit.companions.gb.correlate.sample import BROKER, METER, USER, refusal

from meterworks.catalogue.gb import DeviceKind, RemoteParty, load_service_requests
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.duis import load_table
from meterworks.companions.gb.situation import HubBackup
from meterworks.companions.gb.transform import transform
from meterworks.errors import MeterworksError

VARIANTS = sorted(row.variant for row in load_service_requests().values() if row.devices)
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "02")])
CERTIFICATE = base64.b64encode(
    x509.CertificateBuilder()
    .subject_name(NAME)
    .issuer_name(NAME)
    .public_key(KEY.public_key())
    .serial_number(1)
    .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
    .sign(KEY, hashes.SHA256())
    .public_bytes(Encoding.DER)
).decode()
TIMES = ("00:00:00.00Z", "07:30:00Z", "23:59:00.00Z")
KNOWN = {
    "3.3": "ESMEEventLogType asked of a gas meter",
    "6.24.1": "the broker asks in its own name, whatever the device knows",
    "8.7.1": "a join of devices that do not belong together",
    "8.7.2": "a join of devices that do not belong together",
    "8.9": "security details asked of another device than a hub",
    "8.11": "a removal that tells of meter points, or a device that is no meter",
    "8.12.2": "who asks for a mirror's log",
}


def lawful(element: Element, chance: random.Random) -> Element:
    """What only neighbours tell, put right: indexes in their order, each phase once, octets that are a certificate."""
    counts: dict[str, int] = {}
    children = []
    for child in element.children:
        counts[child.name] = counts.get(child.name, 0) + 1
        numbered = {name: str(counts[child.name]) for name in ("index", "identifier") if name in child.attributes}
        inner = lawful(replace(child, attributes={**child.attributes, **numbered}), chance)
        if child.name == "PolyPhaseVoltageSettings":
            inner = replace(inner, children=(Element("Phase", str(counts[child.name])), *inner.children[1:]))
        children.append(inner)
    text = element.text
    if not children and ("Certificate" in element.name or element.name == "KAPublicSecurityCredentials"):
        text = CERTIFICATE
    elif element.name in ("StartTime", "EndTime", "SwitchTime", "BillingTime"):
        text = chance.choice(TIMES)
    return replace(element, text=text, children=tuple(children))


def cases(variant: str, chance: random.Random) -> Iterator[tuple[Request, Situation]]:
    """A request of a variant to each kind of device, by a user that it knows, and by one that it does not."""
    service = load_service_requests()[variant]
    body = lawful(any_request(load_table(), service.body, chance).children[1].children[0], chance)
    for device in sorted(service.devices):
        for knows_originator in (True, False):
            request = Request(
                request_id=RequestId(USER, METER, chance.randrange(2**40)),
                command_variant=CommandVariant.PREPARE,
                reference=service.reference,
                variant=variant,
                body=body,
            )
            yield (
                request,
                Situation(
                    device=device,
                    broker=BROKER,
                    broker_counter=1300,
                    change_of_supplier=BROKER,
                    change_of_supplier_counter=5,
                    party=chance.choice(
                        [RemoteParty.SUPPLIER, RemoteParty.NETWORK_OPERATOR, RemoteParty.LOAD_CONTROLLER]
                    ),
                    knows_originator=knows_originator,
                    certificates={(USER, "agree"): base64.b64decode(CERTIFICATE)},
                    device_kinds={METER: chance.choice(list(DeviceKind))},
                    device_logs={METER: (METER,)},
                    hub_backups={METER: HubBackup(bytes(8), ((METER, bytes(16)),))},
                    has_second_element=chance.random() < 0.5,
                    made_at=datetime(2026, 1, 1, tzinfo=UTC),
                    customer_number="1234",
                ),
            )


def made(request: Request, situation: Situation) -> bytes | None:
    try:
        return transform(request, situation).to_bytes()
    except MeterworksError:
        return None


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_the_transform_makes_is_what_the_check_finds_asked(seed):
    chance = random.Random(seed)
    tried = [case for variant in VARIANTS for case in cases(variant, chance)]
    messages = [(request, situation, made(request, situation)) for request, situation in tried]
    refused = {
        f"{request.variant} {situation.device}: {why}"
        for request, situation, octets in messages
        if octets is not None and request.variant not in KNOWN and (why := refusal(request, octets, situation))
    }
    assert refused == set()
    assert len([octets for *_, octets in messages if octets is not None]) > 250
