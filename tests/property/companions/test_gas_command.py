"""Random lawful bodies of every service request that becomes a gas command or one in ASN.1: each makes a payload.

The payload decodes to its last octet and comes out as it was; the same body makes the same payload, and a body that
differs in one leaf that the device is told another one.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests.property.companions.random_body import RandomBody

from meterworks.catalogue.gb import (
    DeviceKind,
    PayloadKind,
    UseCaseChoice,
    load_service_requests,
    load_use_case_choices,
    load_use_cases,
)
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.transform import Rulebook, transform
from meterworks.companions.gb.transform.asn1 import Asn1Builder
from meterworks.companions.gb.transform.gbz import GbzBuilder
from meterworks.protocols.gbcs import GbzMessage, MessageKind
from meterworks.protocols.gbcs.asn1 import Asn1Payload

BODIES_EACH = 6
BUILDERS = {PayloadKind.GBZ: GbzBuilder.load(), PayloadKind.ASN1: Asn1Builder()}
RULES = Rulebook(load_use_case_choices(), load_use_cases(), BUILDERS)
CHOICES = [choice for some in RULES.choices.values() for choice in some if choice.payload in BUILDERS]
# Bodies for electricity, and one form of alerts that no public source gives a gas command for.
WITHOUT = ("Elec", "UpdatePrepayConfigElec", "GasSupplierAlerts", "ImportMPANs")


def made_certificate(number: int) -> bytes:
    key = ec.derive_private_key(number, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"T{number}")])
    day = datetime(2025, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), number, day, day + timedelta(days=1))
    return builder.sign(key, SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


CERTIFICATES = [made_certificate(number) for number in (1, 2)]


@cache
def requests(choice: UseCaseChoice) -> tuple[Request, ...]:
    """Random requests that become this use case: as many bodies as fulfil its conditions among a few."""
    name = load_service_requests()[choice.variant].body
    chance = Random(f"{choice.variant} {choice.code}")
    maker = RandomBody(chance, without=WITHOUT, certificates=CERTIFICATES)
    bodies = [maker.body(name) for _ in range(40 * BODIES_EACH if choice.conditions else BODIES_EACH)]
    fitting = [body for body in bodies if fulfils(choice, body) and not means_nothing(body)]
    return tuple(
        Request(
            request_id=RequestId(bytes(8), chance.randbytes(8), chance.getrandbits(63)),
            command_variant=CommandVariant.PREPARE, reference="", variant=choice.variant, body=body,
        )
        for body in fitting[:BODIES_EACH]
    )  # fmt: skip


def fulfils(choice: UseCaseChoice, body: Element) -> bool:
    return all(
        any(condition.text in (None, leaf.text) for leaf in body.all(condition.path)) is not condition.negated
        for condition in choice.conditions
    )


def means_nothing(body: Element) -> bool:
    """Whether a body is lawful and refused: it names no certificate, or where top-ups begin and not where all else."""
    top_up_alone = body.all("RemotePartyPrepaymentTopUpFloorSeqNumber") and not body.all("RemotePartyFloorSeqNumber")
    held = body.all("ReplacementCertificates/SupplierOrNetworkOperatorCertificates")
    return bool(top_up_alone) or any(not one.children for one in held)


def situation(choice: UseCaseChoice, request: Request) -> Situation:
    named = [bytes.fromhex(leaf.text.replace("-", "")) for leaf in request.body.children if leaf.text.count("-") == 7]
    others = dict.fromkeys(named, DeviceKind.PPMID)
    return Situation(
        device=min(choice.devices), device_codes=frozenset({choice.code}), party=choice.party or Situation.party,
        broker=bytes(7) + b"\x02", broker_counter=5, change_of_supplier=bytes(7) + b"\x04",
        change_of_supplier_counter=6, made_at=datetime(2026, 11, 21, tzinfo=UTC), customer_number="0042",
        device_kinds=others, device_logs=dict.fromkeys(named, tuple(named)),
        certificates={(device, "agree"): CERTIFICATES[0] for device in named},
    )  # fmt: skip


def name_of(choice: UseCaseChoice) -> str:
    return f"{choice.variant}-{choice.use_case}-{choice.code:04X}-{min(choice.devices)}"


def decoded(choice: UseCaseChoice, payload: bytes) -> GbzMessage | Asn1Payload:
    if choice.payload is PayloadKind.GBZ:
        return GbzMessage.from_bytes(payload)
    return Asn1Payload.from_bytes(choice.code, MessageKind.COMMAND, payload)


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_a_lawful_body_makes_a_payload_that_decodes(choice):
    asked = requests(choice)
    assert asked
    for request in asked:
        payload = transform(request, situation(choice, request), rulebook=RULES).payload
        assert decoded(choice, payload).to_bytes() == payload
        assert transform(request, situation(choice, request), rulebook=RULES).payload == payload


# What stands in no payload: what the carrier checks or looks up, and what chooses the use case.
UNTOLD = {
    "ImportMPxN", "KAPublicSecurityCredentials", "OldGPFID", "LogToRead",
    "PriceElements/GasPriceElements/BlockTariff/NumberOfThresholds",  # of a tariff that brings its thresholds itself
}  # fmt: skip
# What stands in some: the carrier may hold the request until then, and the network data log is read as a whole.
SOMETIMES_UNTOLD = {"ExecutionDateTime", "ReadLogPeriod/StartDateTime", "ReadLogPeriod/EndDateTime"}


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_no_leaf_of_a_body_is_lost(choice):
    """Each leaf changed in turn changes the payload, but for those that no device is told."""
    request = requests(choice)[0]
    builder, chance = BUILDERS[choice.payload], Random(choice.code)
    maker = RandomBody(chance, without=WITHOUT, certificates=CERTIFICATES)
    known = situation(choice, request)
    payload = builder.payload_of(choice, request, known)
    for path, body in maker.changed(request.body):
        other = replace(request, body=body)
        try:
            made = builder.payload_of(choice, other, situation(choice, other))
        except TransformError:  # a window that ends before it starts
            made = b""
        assert made != payload or path in UNTOLD | SOMETIMES_UNTOLD, path


GARBAGE = (
    *("", " ", "-1", "99999999999999999999", "1e9", "NaN", "0x10", "Grüße", "\x00", "A" * 5000, "zz-zz", "===="),
    *("24:00:00Z", "2030-02-30T00:00:00Z", "-0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    *("2030-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"),
)


def damaged(chance: Random, element: Element) -> Element:
    """An element with one thing wrong somewhere: a text, a child that is gone or stands twice, or a strange one."""
    if not element.children or chance.random() < 0.1:
        return replace(element, text=chance.choice(GARBAGE), attributes={"index": chance.choice(GARBAGE)})
    place = chance.randrange(len(element.children))
    child = element.children[place]
    others = ((), (child, child), (Element("Strange", "1"),), *[(damaged(chance, child),)] * 6)
    return replace(element, children=element.children[:place] + chance.choice(others) + element.children[place + 1 :])


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_a_damaged_body_makes_a_payload_or_one_clear_error(choice):
    chance = Random(f"damage {choice.code}")
    builder = BUILDERS[choice.payload]
    outcomes = []
    for request in requests(choice):
        for _ in range(8):
            other = replace(request, body=damaged(chance, request.body))
            try:
                outcomes.append(len(builder.payload_of(choice, other, situation(choice, request))))
            except TransformError as refused:
                assert len(str(refused)) < 600
                outcomes.append(0)
    assert len(outcomes) == 8 * len(requests(choice))
