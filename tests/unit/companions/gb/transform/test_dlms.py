"""Payloads of DLMS commands: the frame of an access request, requests that no reference message shows, makers' rows."""

from dataclasses import replace

import pytest
from tests.unit.companions.gb.transform.dlms_body import SITUATION, USER, el, scope

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import DeviceKind, PayloadKind, load_use_case_choices
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import CommandVariant
from meterworks.companions.gb.transform import load_rulebook, transform
from meterworks.companions.gb.transform.dlms import DlmsBuilder
from meterworks.companions.gb.transform.dlms_binding import load_bindings
from meterworks.protocols.dlms import AccessRequest, decode_all

BUILDER = DlmsBuilder.load()
CHOICES = {row.use_case: row for rows in load_use_case_choices().values() for row in rows}
NEVER = bytes.fromhex("ffffffffffffffffff8000ff")


def built(use_case, *children, situation=SITUATION, **attributes):
    """The access request of a use case, as obis/index -> value."""
    request = scope(*children, **attributes).request
    return AccessRequest.from_bytes(BUILDER.payload_of(CHOICES[use_case], request, situation))


def written(use_case, *children, **more):
    request = built(use_case, *children, **more)
    return {
        f"{one.address.to_bytes()[2:8].hex()}/{one.address.to_bytes()[8]}": decode_all(data)
        for one, data in zip(request.specifications, request.values, strict=True)
    }


def test_every_electricity_use_case_has_a_plan():
    wanted = {row.code for row in CHOICES.values() if row.payload is PayloadKind.DLMS}
    assert wanted == set(BUILDER.plans)


def test_a_request_is_numbered_by_the_low_bits_of_its_counter():
    request = scope().request
    numbered = replace(request, request_id=replace(request.request_id, counter=0x12_3456_789A))
    payload = BUILDER.payload_of(CHOICES["ECS82"], numbered, SITUATION)
    assert payload.hex() == "d920" + "56789a" + "00" + "01" + "010070" + "0000130a00ff" + "02" + "01" + "00"


def test_a_broker_that_speaks_for_a_user_numbers_by_its_own_counter_and_protects_for_the_user():
    situation = replace(SITUATION, knows_originator=False, broker_counter=1300)
    request = built("ECS17b", situation=situation)
    assert request.long_invoke & 0xFF_FFFF == 1300
    _, ((_, (transaction, party, *_)),) = decode_all(request.values[0])
    assert (transaction.hex(), party) == ("04" + f"{1300:016x}", USER)


def test_a_log_in_two_parts_is_protected_in_one_call():
    period = el("ReadLogPeriod", el("StartDateTime", "2014-11-02T09:00:00Z"), el("EndDateTime", "2015-03-01T09:00:00Z"))
    request = built("ECS20c", period)
    assert len(request.specifications) == 1
    objects, _ = decode_all(request.values[0])
    assert [(one[0], one[1].hex(), one[4][0]) for one in objects] == [
        (7, "0000620100ff", 1), (7, "0000620101ff", 1),
    ]  # fmt: skip


def switch(name, index, *inside):
    return el(name, *inside, index=str(index))


@pytest.mark.parametrize(
    ("child", "objects"),
    [
        (switch("ActivateALCSHCALCS", 2, el("Duration", "15")), {"00005e2c7601/2": 15, "00000a0067ff/1": 0x0211}),
        (switch("DeactivateALCSHCALCS", 5, el("Duration", "1")), {"00005e2c7902/2": 1, "00000a0067ff/1": 0x0512}),
        (switch("ResetALCSHCALCS", 4), {"00000a0067ff/1": 0x0420}),
    ],
)
def test_a_switch_is_set_for_a_time_or_reset(child, objects):
    assert written("ECS47", child) == objects


def test_boost_buttons_change_only_where_the_request_says_true():
    add = [switch("AddToBoostButton", n, "true" if n == 2 else "false") for n in range(1, 6)]
    assert written("ECS62", *add) == {"00005e2c0602/2": True}
    remove = [switch("RemoveFromBoostButton", n, "true") for n in (1, 4)]
    assert written("ECS62", *remove) == {"00005e2c0601/2": False, "00005e2c0604/2": False}


@pytest.mark.parametrize("use_case", ["ECS57", "ECS62", "ECS46a"])
def test_a_command_that_would_do_nothing_is_refused(use_case):
    with pytest.raises(TransformError, match="asks for none"):
        built(use_case, el("AddToBoostButton", "false", index="1"))


def test_registers_are_reset_one_by_one():
    assert written("ECS57", el("MaxDemandActivePowerExportValue")) == {"0100020600ff/1": 0}


def test_a_schedule_without_days_or_special_days_sets_no_bit():
    schedule = el(
        "AuxiliaryControllerSchedule",
        el("AuxiliaryControllerAction", el("CommandedStateLevel", "0"), auxiliaryControllerN="1"),
        el(
            "AuxiliaryControllerSchedulePeriodAndTime",
            el("SwitchTime", "09:00:00Z"), *(date(name) for name in ("StartDate", "EndDate")),
        ),
    )  # fmt: skip
    objects = written("ECS46d", schedule, el("AuxiliaryControllerSpecialDayDefinitions"))
    assert objects["00010b0003ff/2"] == []
    ((_, _, _, selector, _, _, weekdays, special, _, _),) = objects["00010c0002ff/2"]
    assert (selector, str(weekdays), str(special)) == (0x1180, "0000000", "")


def date(name):
    """A date that holds for every day."""
    parts = ("Year", "Month", "DayOfMonth", "DayOfWeek")
    return el(name, *(el(part, el(f"NonSpecified{part}")) for part in parts))


def test_an_empty_schedule_is_lawful():
    objects = written("ECS46d", el("AuxiliaryControllerSpecialDayDefinitions"))
    assert [value for value in objects.values() if value == []] == [[], []]


def test_every_time_of_activation_of_a_command_is_the_same():
    body = [
        el("ExecutionDateTime", "3000-12-31T00:00:00Z"),
        el("PriceElements", el("PriceScale", "-5"), el("ElectricityPriceElement", "7", index="2")),
    ]
    objects = written("ECS01d", *body)
    assert objects["0000131405ff/7"] == NEVER
    assert objects["0000131405ff/6"][2] == [(b"\x01", 0), (b"\x02", 7), (b"\x03", 0), (b"\x04", 0)]


def test_a_use_case_without_rows_is_refused():
    with pytest.raises(TransformError, match="MAK01 has no rows"):
        BUILDER.payload_of(replace(CHOICES["ECS82"], code=0x2001, use_case="MAK01"), scope().request, SITUATION)


def test_makers_add_a_command_by_rows_alone(tmp_path):
    (tmp_path / "use_cases.csv").write_text(
        "code,use_case,title,kind,future_dated,replay_protection,access,parties,targets,verified\n"
        "2001,MAK01,Set lamp,command,no,yes,update,supplier,ESME,yes\n"
    )
    (tmp_path / "use_case_choices.csv").write_text(
        "variant,devices,condition,code,use_case,payload,sender\n3.1,ESME,Lamp,2001,MAK01,dlms,user\n"
    )
    (tmp_path / "use_case_items.csv").write_text(
        "use_case,order,item,protocol,class_id,obis,access,index,member,type,presence,constant,cluster,command,"
        "response,verified\nMAK01,1,Lamp: value,dlms,1,0-0:94.44.200.1,attribute,2,value,boolean,,,,,,yes\n"
    )
    (tmp_path / "dlms_bindings.csv").write_text(
        "use_cases,object,member,shape,path,argument\nMAK01,1/*/2,value,truth,Lamp,\n"
    )
    request = replace(scope(el("Lamp", "true"), variant="3.1").request, command_variant=CommandVariant.SEND)
    known = replace(SITUATION, device=DeviceKind.ESME, device_codes=frozenset({0x2001}))
    message = transform(request, known, rulebook=load_rulebook((tmp_path,)))
    assert message.message_code == 0x2001
    assert message.payload.hex() == "d920" + "0003e8" + "00" + "01" + "02000100005e2cc80102" + "01" + "03ff"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("MAK01,1/*/2,value,paint,Lamp,", "shape 'paint'"),
        ("MAK01,lamp/2,value,truth,Lamp,", "class/OBIS/index"),
        ("MAK01,1/*/2,,truth,Lamp,", "never empty"),
        ("MAK01,1/*/2,value,truth,,", "no path"),
    ],
)
def test_a_binding_that_makes_no_sense_is_refused(row, why, tmp_path):
    (tmp_path / "dlms_bindings.csv").write_text(f"use_cases,object,member,shape,path,argument\n{row}\n")
    with pytest.raises(CatalogueError, match=why):
        load_bindings([tmp_path])


def test_every_binding_is_used_by_some_use_case():
    names = set(CHOICES)
    for row in load_bindings():
        assert row.use_cases == {"*"} or row.use_cases <= names, row
