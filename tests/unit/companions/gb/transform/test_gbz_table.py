"""Tables of gas commands: what each form of a value means, which rows are no rows, and what makers add."""

import csv
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import DeviceKind, PayloadKind, load_use_case_choices
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import Element, Situation
from meterworks.companions.gb.transform.gbz_table import Scope, load_gbz_rows

COMMANDS = "command,cluster,control,number,fields\n"
ROWS = "code,use_case,order,command,each,where,time,fields\n"
SITUATION = Situation(
    device=DeviceKind.GSME, broker=bytes(8), made_at=datetime(2015, 1, 1, tzinfo=UTC), customer_number="1234"
)


def leaf(name, text="", **attributes):
    return Element(name, text, attributes=attributes)


BODY = Element(
    "Body",
    children=(
        leaf("Number", "258"),
        leaf("Text", "Hi"),
        Element("List", children=(leaf("One", "7", index="2"), leaf("One", "9", index="1"))),
        leaf("Chosen"),
    ),
)


@pytest.fixture
def made(tmp_path):
    """Octets of the components that one row makes of BODY: fields of the command, then the row's cells."""

    def make(fields, values, each="", where="", time="", situation=SITUATION):
        (tmp_path / "zcl_commands.csv").write_text(f"{COMMANDS}Test,0702,01,0A,{fields}\n")
        (tmp_path / "gbz_commands.csv").write_text(f"{ROWS}FF00,TEST,1,Test,{each},{where},{time},{values}\n")
        (row,) = load_gbz_rows([tmp_path])[0xFF00]
        return list(row.components(Scope(BODY, BODY, situation), 3))

    return make


@pytest.mark.parametrize(
    ("fields", "values", "octets"),
    [
        ("a:u8 b:u16 c:u24 d:u32 e:u48 f:i32", "", "00" * 20),
        ("a:u8=7 b:u16", "b=0x0102", "070201"),
        ("a:i32", "a=-1", "ffffffff"),
        ("a:u32", "a=Number", "02010000"),
        ("a:u48", "a=/Number", "020100000000"),
        ("a:text", "a=Text", "02" + b"Hi".hex()),
        ("a:text", "", "00"),
        ("a:text", "a=@customer_number", "04" + b"1234".hex()),
        ("a:words", "a=<0302 0001>", "02030100"),
        ("a:u8", "a=#List/One", "02"),
        ("a:u8", "a=#Nothing", "00"),
        ("a:u8", "a={Nothing=1|Chosen=#List/One|Number=3}", "02"),
        ("a:u32", "a=@now", "804a371c"),
        ("a:u32", "a=@when", "00000000"),
        ("a:u8 list*(b:u8 c:u8)", "a=#List/One list=[List/One](b=@index c=.)", "0201090207"),
        ("list*(b:u8)", "list=[List/One](b=@index_less_1)", "0001"),
        ("list*(b:u8 c:u16)", "list=[.](c=Number)", "000201"),
    ],
)
def test_a_value_says_where_its_octets_come_from(made, fields, values, octets):
    (component,) = made(fields, values)
    assert component.frame.payload.hex() == octets
    assert (component.cluster, component.frame.control, component.frame.command) == (0x0702, 0x01, 0x0A)
    assert (component.frame.sequence, component.time_s) == (3, None)


def test_a_component_stands_so_often_as_its_row_says(made):
    assert [one.frame.payload.hex() for one in made("a:u8 b:u8", "a=@place b=5", each="*3")] == ["0005", "0105", "0205"]
    assert [one.frame.payload.hex() for one in made("a:u8", "a=.", each="List/One")] == ["09", "07"]
    assert [one.frame.sequence for one in made("a:u8", "", each="*3")] == [3, 4, 5]
    assert made("a:u8", "", where="Nothing") == []
    assert len(made("a:u8", "", where="Chosen")) == 1


def test_a_time_stands_before_the_frame(made):
    assert made("a:u8", "", time="@when")[0].time_s == 0
    assert made("a:u8", "", time="Number")[0].time_s == 258


@pytest.mark.parametrize(
    ("fields", "values", "each", "fact"),
    [
        ("a:u8", "a=Number", "", "0..255"),
        ("a:u8", "a=Nothing", "", "once expected"),
        ("a:u32", "a=Text", "", "a whole number"),
        ("a:u8", "a={Nothing=1|None=2}", "", "Nothing or None"),
        ("a:u8", "", "Nothing", "once expected"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(made, fields, values, each, fact):
    with pytest.raises(TransformError, match=fact) as refused:
        made(fields, values, each=each)
    assert refused.value.facts["path"]


@pytest.mark.parametrize("text", ["Grüße", "x" * 255])
def test_a_text_that_has_no_form_is_refused(tmp_path, text):
    (tmp_path / "zcl_commands.csv").write_text(f"{COMMANDS}Test,0702,01,0A,a:text\n")
    (tmp_path / "gbz_commands.csv").write_text(f"{ROWS}FF00,TEST,1,Test,,,,a=Text\n")
    (row,) = load_gbz_rows([tmp_path])[0xFF00]
    body = Element("Body", children=(leaf("Text", text),))
    with pytest.raises(TransformError, match="254 ASCII"):
        list(row.components(Scope(body, body, SITUATION), 0))


@pytest.mark.parametrize(("value", "lacking"), [("@now", "made_at"), ("@customer_number", "customer_number")])
def test_what_the_situation_lacks_is_named(made, value, lacking):
    kind = "text" if value == "@customer_number" else "u32"
    with pytest.raises(TransformError, match=f"lacks {lacking}"):
        made(f"a:{kind}", f"a={value}", situation=Situation(device=DeviceKind.GSME, broker=bytes(8)))


@pytest.mark.parametrize("number", ["12345", "12a4", "１２３４"])
def test_a_number_that_is_none_is_refused_and_not_shown(made, number):
    with pytest.raises(TransformError, match="1 to 4 digits") as refused:
        made("a:text", "a=@customer_number", situation=replace(SITUATION, customer_number=number))
    assert number not in str(refused.value)


def test_a_clock_before_2000_makes_no_command(made):
    early = Situation(device=DeviceKind.GSME, broker=bytes(8), made_at=datetime(1999, 1, 1, tzinfo=UTC))
    with pytest.raises(TransformError, match="from 2000"):
        made("a:u32", "a=@now", situation=early)


@pytest.mark.parametrize(
    ("fields", "values", "each", "fault"),
    [
        ("a:u9", "", "", "no known type"),
        ("a:u8", "b=1", "", "no field b"),
        ("a:u8", "a=1 a=2", "", "stands twice"),
        ("a:u8", "a", "", "not name=value"),
        ("a:u8", "a=@never", "", "@never is not known"),
        ("a:u8", "a=Number:backwards", "", "reader 'backwards'"),
        ("a:u8", "a={Chosen=1", "", "do not match"),
        ("a:words", "a=1", "", "no list of numbers"),
        ("list*(a:u8)", "list=List", "", "no group"),
        ("list*(a:u8)", "list=[List](b=1)", "", "no field b"),
        ("a:u8", "a=256", "", "holds 0..255, not 256"),
        ("a:u8", "", "*0", "1 to 255 times"),
        ("a:u8", "", "List>by_colour", "shape 'by_colour'"),
    ],
)
def test_a_row_that_is_none_is_named_with_its_line(made, fields, values, each, fault):
    with pytest.raises(CatalogueError, match=fault) as refused:
        made(fields, values, each=each)
    assert refused.value.facts["line"] == 2


def test_a_row_of_an_unknown_command_is_none(tmp_path):
    (tmp_path / "gbz_commands.csv").write_text(f"{ROWS}FF00,TEST,1,Explode,,,,\n")
    with pytest.raises(CatalogueError, match="'Explode' stands in no row"):
        load_gbz_rows([tmp_path])


def test_a_maker_adds_rows_and_never_changes_one(tmp_path):
    (tmp_path / "gbz_commands.csv").write_text(f"{ROWS}FF00,MAKER,1,ClearEventLog,,,,log=5\n")
    assert load_gbz_rows([tmp_path])[0xFF00][0].command.name == "ClearEventLog"
    (tmp_path / "gbz_commands.csv").write_text(f"{ROWS}0015,CS11,1,ClearEventLog,,,,log=5\n")
    with pytest.raises(CatalogueError, match="stands in the table already"):
        load_gbz_rows([tmp_path])


def test_every_gas_use_case_that_a_request_chooses_has_rows():
    choices = [one for some in load_use_case_choices().values() for one in some if one.payload is PayloadKind.GBZ]
    rows = load_gbz_rows()
    assert {one.code for one in choices} == set(rows)
    assert all([row.order for row in some] == list(range(1, len(some) + 1)) for some in rows.values())


def test_the_commands_of_each_use_case_are_those_of_the_published_tables(shared_folder):
    """Cluster and command of every row, against the facts' own table of items."""
    published = {}
    with (shared_folder / "reference" / "gb" / "use_case_items.csv").open() as file:
        for item in csv.DictReader(file):
            command, cluster = (item[name].rpartition("0x")[2] for name in ("zcl_command", "zcl_cluster"))
            if cluster and command and not command.startswith("("):
                published.setdefault(item["use_case"], set()).add((int(cluster, 16), int(command, 16)))
    with (shared_folder / "reference" / "gb" / "use_cases.csv").open() as file:
        codes = {row["use_case"]: int(row["message_code"], 16) for row in csv.DictReader(file) if row["message_code"]}
    compared = 0
    for code, rows in load_gbz_rows().items():
        names = [name for name in published if codes.get(name) == code]
        for name in names:
            made = {(row.command.cluster, row.command.number) for row in rows}
            assert made == published[name] or name in WRONG_THERE, name
            compared += 1
    assert compared > 30


# The published table gives the number of the answer (GCS11), or names no event to ask for.
WRONG_THERE = {"GCS11"}
