"""The table: every row loads and names what the catalogue knows; and how lines are read."""

import pytest
from tests.unit.companions.gb.correlate.sample import element, scope, texts

from meterworks.catalogue.gb import DeviceKind, RemoteParty, UseCaseKind, load_service_requests, load_use_cases
from meterworks.companions.gb.correlate.table import Condition, UseCaseRows, all_met, load_rows
from meterworks.companions.gb.correlate.whole import WHOLE_PAYLOADS

# Commands that no request causes, or whose form no public text gives: they are refused.
NOT_CHECKED = {0x0090, 0x009B, 0x0100, 0x0101, 0x0105, 0x0106, 0x0108, 0x0109, 0x0124}


def use_cases() -> list[UseCaseRows]:
    return [row for rows in load_rows().values() for row in rows]


def test_every_row_names_a_use_case_of_the_catalogue():
    known = load_use_cases()
    assert [row for row in use_cases() if known[row.code].use_case != row.use_case] == []


def test_every_row_names_variants_and_devices_of_the_catalogue():
    services = load_service_requests()
    strange = [
        f"{row.use_case}: {variant} to {device}"
        for row in use_cases()
        for variant in row.variants
        for device in row.devices
        if device not in services[variant].devices and (row.use_case, device) not in WIDER
    ]
    assert strange == []


WIDER = {  # devices that a use case is known for, and the requests' list leaves out
    ("CS02g", DeviceKind.SAPC): "the set holds such a command",
    ("CS03B", DeviceKind.GPF): "both sides of a join are told",
    ("CS10a", DeviceKind.GPF): "its title says any ZigBee device",
    ("CS10b", DeviceKind.GPF): "its title says any ZigBee device",
}


def test_every_request_to_a_device_has_rows():
    served = {variant for row in use_cases() for variant in row.variants}
    missing = {service.variant for service in load_service_requests().values() if service.devices} - served
    assert missing == set()


def test_every_command_of_the_catalogue_has_rows_or_a_reason():
    commands = {
        code
        for code, row in load_use_cases().items()
        if row.kind in (UseCaseKind.COMMAND, UseCaseKind.CRITICAL_COMMAND, UseCaseKind.HOME_COMMAND)
    }
    assert commands - set(load_rows()) <= NOT_CHECKED
    assert not NOT_CHECKED & set(load_rows())


def test_every_use_case_has_items_or_is_read_as_a_whole():
    assert [row.use_case for row in use_cases() if bool(row.rows) == (row.payload is not None)] == []
    assert {row.payload for row in use_cases() if row.payload is not None} <= set(WHOLE_PAYLOADS)


def test_rows_of_one_code_for_one_request_exclude_each_other():
    twice = [
        (one.use_case, variant, device)
        for rows in load_rows().values()
        for place, one in enumerate(rows)
        for other in rows[:place]
        for variant in set(one.variants) & set(other.variants)
        for device in one.devices & other.devices
        if one.conditions == other.conditions
    ]
    assert twice == []


BODY = element("Body", *texts(Mode="Credit", Flag="1"), element("Empty"))


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        (Condition("Empty", True), True),
        (Condition("Empty", False), False),
        (Condition("Missing", False), True),
        (Condition("Mode", True, "Credit"), True),
        (Condition("Mode", True, "Prepayment"), False),
        (Condition("Mode", False, "Prepayment"), True),
        (Condition("Flag", True, "true"), True),
        (Condition("Missing", True, "Credit"), False),
        (Condition("Missing", True, "Credit", "Credit"), True),
        (Condition("#party", True, "supplier"), True),
        (Condition("#party", True, "load_controller"), False),
        (Condition("#other", True, "ESME"), False),
    ],
)
def test_conditions(condition, is_met):
    assert condition.is_met(scope(BODY, party=RemoteParty.SUPPLIER)) == is_met


def test_the_kind_of_the_other_device_is_the_situations():
    body = element("JoinServiceCritical", *texts(OtherDeviceID="00-DB-12-34-56-78-90-9A"))
    kinds = {bytes.fromhex("00db12345678909a"): DeviceKind.HCALCS}
    assert Condition("#other", True, "HCALCS").is_met(scope(body, device_kinds=kinds))


def test_a_device_that_is_no_identity_has_no_kind():
    body = element("JoinServiceCritical", *texts(OtherDeviceID="the other one"))
    assert not Condition("#other", True, "HCALCS").is_met(scope(body))


def test_all_conditions_are_asked_even_behind_one_that_fails():
    here = scope(BODY)
    assert not all_met((Condition("Missing", True), Condition("Empty", True)), here)
    assert "Body/Empty" not in dict(here.unread())
