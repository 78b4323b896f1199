"""Patterns: text becomes a shape, a shape reads a value, and the request gives facts of the same names."""

import pytest
from tests.unit.companions.gb.correlate.sample import element, scope, texts

from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb.correlate.fact import Fact
from meterworks.companions.gb.correlate.pattern import asked, parse_patterns, read_fields, read_value
from meterworks.companions.gb.correlate.zcl_reader import FieldCursor
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import DataValue, Tag

DAYS = "[Days/Day: {u1 @Name, [Switch: {u2 #, u2 @.}]}]"
WEEK = element(
    "Body",
    element("Days", element("Day", *texts(Name="1"), element("Switch", text="7"), element("Switch", text="9"))),
)


def number(tag: Tag, value: int) -> DataValue:
    return DataValue(tag, value)


def group(tag: Tag, *parts: DataValue) -> DataValue:
    return DataValue(tag, parts)


def day(*switches: int) -> DataValue:
    entries = [
        group(Tag.STRUCTURE, number(Tag.LONG_UNSIGNED, place), number(Tag.LONG_UNSIGNED, value))
        for place, value in enumerate(switches, 1)
    ]
    return group(Tag.ARRAY, group(Tag.STRUCTURE, number(Tag.UNSIGNED, 1), group(Tag.ARRAY, *entries)))


def test_lists_in_lists_give_the_same_facts_from_both_sides():
    (pattern,) = parse_patterns(DAYS)
    found = list(read_value(pattern, day(7, 9), "item"))
    assert found == list(asked(pattern, scope(WEEK), "item"))
    assert found[-1] == Fact("item Days/Day[1].0.1 Switch[2].0.1 .", 9)


@pytest.mark.parametrize("switches", [(7,), (7, 8), (9, 7), (7, 9, 9)])
def test_another_list_gives_other_facts(switches):
    (pattern,) = parse_patterns(DAYS)
    assert list(read_value(pattern, day(*switches), "item")) != list(asked(pattern, scope(WEEK), "item"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("u1 =7", number(Tag.LONG_UNSIGNED, 7)),
        ("null", number(Tag.UNSIGNED, 0)),
        ("{u1 =7}", group(Tag.ARRAY, number(Tag.UNSIGNED, 7))),
        ("{u1 =7}", group(Tag.STRUCTURE)),
        ("[u1 =7, u1 =8]", group(Tag.ARRAY, number(Tag.UNSIGNED, 7))),
        ("[Day: u1 @.]", group(Tag.STRUCTURE)),
        ("time =now", DataValue(Tag.OCTET_STRING, b"")),
    ],
)
def test_a_value_of_another_shape_is_refused(text, value):
    with pytest.raises(DecodeError, match="item"):
        list(read_value(parse_patterns(text)[0], value, "item"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("u1 =7", 7),
        ("u2 @Price", 12),
        ("u2 @Missing?4", 4),
        ("u1 #Day", 2),
        ("u2/10 @Rate", 1),
        ("e<1=Credit,2=Prepayment> @Mode", "Prepayment"),
        ("u2 @Missing|Price", ("Price", 12)),
        ("u1 @Day(2)@index", 2),
    ],
)
def test_what_a_request_says(text, value):
    leaves = texts(Price="12", Rate="1.0", Mode="Prepayment")
    body = element("Body", *leaves, element("Day", index="1"), element("Day", index="2"))
    (fact,) = asked(parse_patterns(text)[0], scope(body), "item")
    assert fact.value == value


@pytest.mark.parametrize("text", ["u2 @Missing", "u2 @Word", "time @Word", "week &samples", "date @Word"])
def test_what_a_request_does_not_say_is_a_mismatch(text):
    with pytest.raises(RequestMismatchError, match="what has no meaning"):
        list(asked(parse_patterns(text)[0], scope(element("Body", *texts(Word="seven"))), "item"))


def test_fields_are_read_to_the_last_octet():
    patterns = parse_patterns("z4 =0, zs @Name, [Day: z1 #, z1 @.]")
    facts = list(read_fields(patterns, FieldCursor(bytes.fromhex("00000000" + "0141" + "01070209")), "zcl"))
    assert [fact.value for fact in facts] == [0, "A", 1, 7, 2, 9]
    body = element("Body", *texts(Name="A"), element("Day", text="7"), element("Day", text="9"))
    wanted = [fact for place, part in enumerate(patterns) for fact in asked(part, scope(body), f"zcl.{place}")]
    assert facts == wanted


@pytest.mark.parametrize("octets", ["00000000", "000000000141010702", "0000000002410107"])
def test_fields_that_end_too_early_are_refused(octets):
    with pytest.raises(DecodeError, match="cut off"):
        list(
            read_fields(parse_patterns("z4 =0, zs @Name, [Day: z1 #, z1 @.]"), FieldCursor(bytes.fromhex(octets)), "z")
        )


def test_octets_behind_the_fields_are_refused():
    with pytest.raises(DecodeError, match="octets behind the last field"):
        list(read_fields(parse_patterns("z1 =0"), FieldCursor(bytes(2)), "zcl"))


@pytest.mark.parametrize("text", ["u9 =7", "u1", "{u1 =7", "u1 =7}", "[Day: u1 @.", "u1 ~7"])
def test_text_that_is_no_pattern_stops_the_import(text):
    with pytest.raises((AssertionError, KeyError)):
        parse_patterns(text)
