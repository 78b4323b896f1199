"""Frames of commands: the use case a request becomes, whose name stands in the header, who signs."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from meterworks.catalogue.gb import (
    DeviceKind,
    PayloadKind,
    RemoteParty,
    UseCaseChoice,
    load_service_requests,
    load_use_case_choices,
    load_use_cases,
)
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import CommandVariant, Element, Request, RequestId, Situation
from meterworks.companions.gb.transform import Rulebook, choose, signer_of, transform

USER = bytes.fromhex("90b3d51f30010000")
BROKER = bytes.fromhex("90b3d51f30000002")
CHANGE_OF_SUPPLIER = bytes.fromhex("90b3d51f30000004")
DEVICE = bytes.fromhex("00db1234567890a0")
CERTIFICATE = b"\x30\x03\x02\x01\x07" * 6


class NameAsPayload:
    """A builder whose payload is the name of the use case: frames are tested without payloads."""

    def payload_of(self, use_case: UseCaseChoice, request: Request, situation: Situation) -> bytes:
        return use_case.use_case.encode()


RULES = Rulebook(load_use_case_choices(), load_use_cases(), {PayloadKind.DLMS: NameAsPayload()})


def asked(variant: str, *paths: str, how: CommandVariant = CommandVariant.SEND) -> Request:
    """A request whose body holds these paths, `path=text` where a text matters."""
    return Request(
        request_id=RequestId(USER, DEVICE, 1007),
        command_variant=how,
        reference=".".join(variant.split(".")[:2]),
        variant=variant,
        body=Element("Body", children=tuple(_branch(path) for path in paths)),
    )


def _branch(path: str) -> Element:
    names, _, text = path.partition("=")
    head, _, rest = names.partition("/")
    return Element(head, children=(_branch(f"{rest}={text}"),)) if rest else Element(head, text)


def at(device: DeviceKind, **facts: Any) -> Situation:
    return replace(Situation(device=device, broker=BROKER, broker_counter=44), **facts)


@pytest.mark.parametrize(
    ("variant", "paths", "device", "use_case"),
    [
        ("1.6", ["Credit"], DeviceKind.ESME, "ECS02"),
        ("1.6", ["Prepayment"], DeviceKind.GSME, "GCS03"),
        ("1.5", ["CreditMode/ResetMeterBalance"], DeviceKind.GSME, "GCS40d"),
        ("6.5", ["PolyPhaseVoltageSettings", "RMSVoltageCountersNotReset"], DeviceKind.ESME, "ECS29d"),
        ("6.13", ["LogToRead=Security"], DeviceKind.CHF, "ECS35d"),
        ("6.22", ["ElectricityNetworkOperatorLoggingSettings"], DeviceKind.ESME, "ECS25b3"),
        ("8.9", ["ReadSecurityDetails"], DeviceKind.CHF, "CCS07"),
        ("8.9", [], DeviceKind.GSME, "CS07"),
    ],
)
def test_the_body_and_the_device_choose_the_use_case(variant, paths, device, use_case):
    assert choose(asked(variant, *paths, how=CommandVariant.PREPARE), at(device)).use_case == use_case


def test_the_party_chooses_where_the_body_does_not():
    request = asked("6.2.10")
    assert choose(request, at(DeviceKind.ESME)).use_case == "ECS25r1"
    assert choose(request, at(DeviceKind.ESME, party=RemoteParty.NETWORK_OPERATOR)).use_case == "ECS25r2"


def test_a_device_gets_the_newest_use_case_it_knows():
    request = asked("6.2.4")
    assert choose(request, at(DeviceKind.ESME)).use_case == "ECS26m"
    assert choose(request, at(DeviceKind.ESME, device_codes=frozenset({0x3F}))).use_case == "ECS26e"
    with pytest.raises(TransformError, match="no use case"):
        choose(request, at(DeviceKind.ESME, device_codes=frozenset({0x19})))


@pytest.mark.parametrize("variant", ["7.1", "8.2", "99.9"])
def test_a_request_that_no_device_of_this_kind_answers_is_refused(variant):
    with pytest.raises(TransformError, match=variant):
        choose(asked(variant), at(DeviceKind.GSME))


@pytest.mark.parametrize("how", [CommandVariant.ANSWER, CommandVariant.SEND_SIGNED])
def test_only_some_command_variants_make_commands(how):
    with pytest.raises(TransformError, match="command variant"):
        choose(asked("7.1", how=how), at(DeviceKind.ESME))


@pytest.mark.parametrize("how", [CommandVariant.SEND, CommandVariant.RETURN])
def test_a_critical_command_is_never_made_whole(how):
    with pytest.raises(TransformError, match=r"7\.1 is asked with command variant \d; 4 expected"):
        choose(asked("7.1", how=how), at(DeviceKind.ESME))


def test_a_critical_request_becomes_a_pre_command_of_its_user():
    request = asked("7.1", how=CommandVariant.PREPARE)
    message = transform(request, at(DeviceKind.ESME), rulebook=RULES)
    assert message.ends_behind_payload
    assert (message.originator, message.recipient, message.counter) == (USER, DEVICE, 1007)
    assert message.other.to_bytes() == bytes.fromhex("004f")
    assert message.payload == b"ECS42"
    assert signer_of(request, at(DeviceKind.ESME)) == USER


def test_the_broker_speaks_for_a_user_the_device_does_not_know():
    request = asked("6.2.9")
    message = transform(request, at(DeviceKind.ESME, knows_originator=False), rulebook=RULES)
    assert (message.originator, message.counter) == (BROKER, 44)
    assert message.other.to_bytes().hex() == "00be" + USER.hex() + f"{1007:016x}"
    assert not message.ends_behind_payload
    assert signer_of(request, at(DeviceKind.ESME, knows_originator=False)) is None


def test_what_only_the_broker_may_ask_goes_out_in_its_name():
    message = transform(asked("6.2.4"), at(DeviceKind.CHF), rulebook=RULES)
    assert (message.originator, message.other.supplementary_party) == (BROKER, USER)


def test_a_broker_that_asks_by_itself_names_its_user():
    other = bytes.fromhex("90b3d51f30090000")
    assert transform(asked("6.2.4"), at(DeviceKind.CHF, user=other), rulebook=RULES).other.supplementary_party == other


def test_sensitive_data_for_a_stranger_are_encrypted_with_the_certificate_brought_or_kept():
    brought = f"KAPublicSecurityCredentials={b64encode(CERTIFICATE).decode()}"
    unknown = at(DeviceKind.ESME, knows_originator=False)
    assert transform(asked("4.6.1", brought), unknown, rulebook=RULES).other.certificate == CERTIFICATE
    kept = replace(unknown, certificates={(USER, "agree"): b"0kept"})
    assert transform(asked("4.6.1", brought), kept, rulebook=RULES).other.certificate == b"0kept"
    assert transform(asked("4.6.1"), kept, rulebook=RULES).other.certificate == b""
    known = replace(kept, knows_originator=True)
    assert transform(asked("4.6.1", brought), known, rulebook=RULES).other.certificate == b""


def test_a_certificate_that_is_no_base64_is_refused():
    with pytest.raises(TransformError, match="KAPublicSecurityCredentials"):
        transform(
            asked("4.6.1", "KAPublicSecurityCredentials=?"), at(DeviceKind.ESME, knows_originator=False), rulebook=RULES
        )


def test_a_broker_without_a_counter_is_refused():
    with pytest.raises(TransformError, match="broker_counter"):
        transform(asked("6.2.4"), at(DeviceKind.CHF, broker_counter=None), rulebook=RULES)


@pytest.mark.parametrize(
    ("variant", "device", "facts", "signer"),
    [
        ("6.23", DeviceKind.ESME, {}, CHANGE_OF_SUPPLIER),
        ("8.7.2", DeviceKind.PPMID, {}, BROKER),
        ("8.8.2", DeviceKind.PPMID, {}, BROKER),
        ("8.8.2", DeviceKind.GSME, {}, None),
        ("4.18", DeviceKind.ESME, {}, None),
    ],
)
def test_the_carriers_own_parties_sign_what_is_critical_for_the_device_alone(variant, device, facts, signer):
    situation = at(device, change_of_supplier=CHANGE_OF_SUPPLIER, change_of_supplier_counter=6, **facts)
    assert signer_of(asked(variant), situation) == signer


@pytest.mark.parametrize("lacking", ["change_of_supplier", "change_of_supplier_counter"])
def test_the_change_of_supplier_party_is_part_of_the_situation(lacking):
    facts = {"change_of_supplier": CHANGE_OF_SUPPLIER, "change_of_supplier_counter": 6, lacking: None}
    with pytest.raises(TransformError, match=lacking):
        signer_of(asked("6.23"), at(DeviceKind.ESME, **facts))


def test_a_payload_that_nothing_builds_is_refused():
    with pytest.raises(TransformError, match="GCS21j: nothing builds gbz"):
        transform(asked("6.2.9"), at(DeviceKind.GSME), rulebook=RULES)


def test_choices_fit_the_tables_of_requests_and_use_cases():
    cases, requests = load_use_cases(), load_service_requests()
    choices = load_use_case_choices()
    for variant, rows in choices.items():
        assert variant in requests
        for row in rows:
            assert cases[row.code].use_case == row.use_case, variant
            assert any(name.startswith(row.use_case.replace("/", "")) for name in requests[variant].use_cases), variant
    assert set(choices) == {variant for variant, request in requests.items() if request.devices}
