"""Plans: items and bindings put together, and refused when they are read where they do not fit."""

from dataclasses import replace

import pytest
from tests.unit.companions.gb.transform.dlms_body import el, scope

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import PayloadKind, Presence, UseCaseItem, load_use_cases
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.transform.dlms_binding import Binding
from meterworks.companions.gb.transform.dlms_path import ElementPath
from meterworks.companions.gb.transform.dlms_plan import compile_use_case
from meterworks.protocols.dlms import decode_all

CASES = {case.use_case: case for case in load_use_cases().values()}
UPDATE, READ = CASES["ECS38"], CASES["ECS82"]
DATA = UseCaseItem(
    use_case="ECS38", order=1, item="Thing: value", protocol=PayloadKind.DLMS, class_id=1, obis="0-0:94.44.0.1",
    is_method=False, index=2, member="value", type="unsigned", size_max=None, presence=Presence.ALWAYS, constant="",
    cluster="", command="", response="", verified=True,
)  # fmt: skip


def row(member, shape, path=".", argument="", thing="1/*/2"):
    return Binding(
        use_cases=frozenset({"*"}), object=thing, member=member, shape=shape, path=ElementPath.compile(path),
        argument=argument,
    )  # fmt: skip


def one(items, bindings=(), case=UPDATE):
    (plan,) = compile_use_case(case, items, bindings)
    return plan


def value(items, bindings, where):
    return decode_all(one(items, bindings).value(where))


def test_an_attribute_is_written_where_a_row_binds_it_and_read_elsewhere():
    assert one([DATA]).head[0] == 1
    written = one([DATA], [row("value", "number", "Level")])
    assert written.head.hex() == "02" + "0001" + "00005e2c0001" + "02"
    assert written.value(scope(el("Level", "7"))) == b"\x11\x07"


def test_constants_are_written_in_updates_and_only_expected_in_reads():
    constant = replace(DATA, constant="5")
    assert one([constant]).data == b"\x11\x05"
    assert one([constant], case=READ).data == b"\x00"


def test_a_method_is_called_with_its_data():
    plan = one([replace(DATA, is_method=True, index=1, constant="0", type="integer")])
    assert (plan.head[0], plan.data) == (3, b"\x0f\x00")


def test_fields_of_a_structure_stand_in_the_order_of_the_items():
    items = [
        replace(DATA, member="scaler_unit.scaler", type="integer", constant="-5"),
        replace(DATA, member="scaler_unit.unit", type="enum"),
    ]
    assert value(items, [row("unit", "number", "Unit")], scope(el("Unit", "27"))) == (-5, 27)


def test_an_array_has_an_entry_for_each_element_and_as_many_as_it_may():
    items = [
        replace(DATA, member="entries[1..2].entry.index", type="long-unsigned"),
        replace(DATA, member="entries[1..2].entry.enable", type="boolean", constant="true"),
    ]
    rows = [row("entries", "each", "Day"), row("index", "position")]
    assert value(items, rows, scope(el("Day"), el("Day"))) == [(1, True), (2, True)]
    for days in ((), (el("Day"),) * 3):
        with pytest.raises(TransformError, match=rf"Body/Day stands {len(days)} times in the request; 1\.\.2"):
            value(items, rows, scope(*days))


def test_arrays_stand_in_arrays():
    items = [
        replace(DATA, member="days[1..9].day.id"),
        replace(DATA, member="days[1..9].day.times[1..9].action.hour"),
    ]
    rows = [row("days", "each", "Day"), row("id", "position"), row("times", "each", "Time"), row("hour", "number", ".")]
    where = scope(el("Day", el("Time", "7"), el("Time", "9")), el("Day", el("Time", "8")))
    assert value(items, rows, where) == [(1, [(7,), (9,)]), (2, [(8,)])]


def test_entries_may_be_ordered_by_their_indices_which_have_no_gap():
    items = [replace(DATA, member="thresholds[1..3].threshold")]
    rows = [row("thresholds", "each_in_order", "Limit"), row("threshold", "number")]
    limits = [el("Limit", "20", index="2"), el("Limit", "10", index="1")]
    assert value(items, rows, scope(*limits)) == [10, 20]
    with pytest.raises(TransformError, match="without a gap"):
        value(items, rows, scope(el("Limit", "20", index="2")))


def test_places_of_an_array_may_be_bound_one_by_one():
    items = [replace(DATA, member="thresholds[1].threshold"), replace(DATA, member="thresholds[2].threshold")]
    rows = [row("thresholds[1]", "number", "Low"), row("thresholds[2]", "number", "High")]
    assert value(items, rows, scope(el("High", "9"), el("Low", "1"))) == [1, 9]


def test_an_array_of_one_needs_no_element_of_its_own():
    items = [replace(DATA, member="table[1..1].entry.index", type="octet-string", constant="0x")]
    assert value(items, [], scope()) == [(b"",)]


def test_optional_objects_are_in_the_command_where_the_request_has_them():
    plan = one([replace(DATA, presence=Presence.OPTIONAL)], [row("value", "number", "Level")])
    assert plan.is_present is not None
    assert plan.is_present(scope(el("Level", "1"))) and not plan.is_present(scope())
    assert one([DATA], [row("value", "number", "Level")]).is_present is None


def test_a_log_is_read_by_its_window():
    log = replace(DATA, class_id=7, member="buffer", type="double-long-unsigned")
    plan = one([log], [row("*", "window", "Period", thing="7/*/2")], READ)
    period = el("Period", el("StartDateTime", "2015-01-01T00:00:00Z"), el("EndDateTime", "2015-01-02T00:00:00Z"))
    specification = plan.specification(scope(period))
    assert specification[:11].hex() == "04" + "0007" + "00005e2c0001" + "02" + "01"
    assert decode_all(specification[11:])[1:3] == (473_385_600, 473_472_000)


def test_what_is_protected_is_read_by_the_object_that_protects_it():
    guard = replace(DATA, class_id=30, obis="0-0:43.2.8.255", is_method=True, index=1, type="structure")
    plan = one([DATA, guard], [], READ)
    assert plan.head.hex() == "03" + "001e" + "00002b0208ff" + "01"
    objects, _ = decode_all(plan.value(scope()))
    assert objects == [(1, bytes.fromhex("00005e2c0001"), 2, 0, (0, None))]


@pytest.mark.parametrize(
    ("items", "rows", "why"),
    [
        ([replace(DATA, member="s.a"), replace(DATA, member="s.b")], [row("a", "number")], "where b comes from"),
        ([replace(DATA, member="a[1..4].b")], [row("b", "number")], "where the entries come from"),
        ([replace(DATA, type="structure")], [row("value", "number")], "carries no structure"),
        ([replace(DATA, constant="300")], [], "no constant of type unsigned"),
        ([replace(DATA, is_method=True)], [], "where value comes from"),
    ],
)
def test_rows_that_do_not_fit_are_refused_when_they_are_read(items, rows, why):
    with pytest.raises(CatalogueError, match=why):
        compile_use_case(UPDATE, items, rows)
