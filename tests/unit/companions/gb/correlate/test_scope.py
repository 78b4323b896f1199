"""Paths into a request, and what of it was read."""

import pytest
from tests.unit.companions.gb.correlate.sample import element, scope, texts

from meterworks.companions.errors import RequestMismatchError
from meterworks.companions.gb import Element

BODY = element(
    "Body",
    element(
        "Prices",
        element("Block", *texts(Price="7"), index="2"),
        element("Block", *texts(Price="5"), index="1"),
    ),
    element("Phases", *texts(Phase="2", Volt="230")),
    element("Phases", *texts(Phase="1", Volt="231")),
    element("Empty"),
    element("Load", text=" 12 ", auxiliaryControllerN="3"),
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Load", "12"),
        ("Load@auxiliaryControllerN", "3"),
        ("Prices/Block(2)/Price", "7"),
        ("*/Block(1)/Price", "5"),
        ("Phases(Phase=1)/Volt", "231"),
        ("/Load", "12"),
        ("Empty", ""),
        ("Missing", None),
        ("Missing@index", None),
    ],
)
def test_texts_by_path(path, text):
    assert scope(BODY).text(path) == text


def test_a_list_comes_by_index_whatever_its_order():
    entries = list(scope(BODY).below("Prices/Block"))
    assert [(entry.position, entry.text("Price")) for entry in entries] == [(1, "5"), (2, "7")]


def test_a_path_begins_at_the_body_where_it_begins_with_a_slash():
    entry = next(scope(BODY).below("Prices/Block"))
    assert (entry.text("/Load"), entry.text("Load")) == ("12", None)


def test_a_path_to_several_elements_has_no_text():
    with pytest.raises(RequestMismatchError, match="2 times in the request"):
        scope(BODY).text("Phases")


def test_everything_is_unread_at_first_and_nothing_at_the_end():
    here = scope(BODY)
    assert ("Body/Load", " 12 ") in list(here.unread())
    assert ("Body/Load@auxiliaryControllerN", "3") in list(here.unread())
    here.see_all()
    assert list(here.unread()) == []


def test_an_element_without_text_is_read_when_somebody_asks_for_it():
    here = scope(element("Body", element("Credit")))
    assert here.has("Credit")
    assert list(here.unread()) == []


def test_an_element_with_text_is_not_read_by_asking_whether_it_is_there():
    here = scope(element("Body", *texts(Price="1")))
    assert here.has("Price")
    assert list(here.unread()) == [("Body/Price", "1")]


def test_a_look_apart_counts_for_nothing():
    here = scope(BODY)
    here.apart().see_all()
    assert list(here.unread()) != []


def test_an_index_out_of_its_place_stays_unread_until_somebody_reads_it():
    here = scope(element("Body", element("Day", index="4")))
    list(here.below("Day"))
    assert list(here.unread()) == [("Body/Day@index", "4")]


def test_the_list_of_unread_parts_is_bounded():
    wide = Element("Body", children=tuple(Element("Leaf", "1") for _ in range(20_001)))
    with pytest.raises(RequestMismatchError, match="at most 20000 elements"):
        list(scope(wide).unread())
