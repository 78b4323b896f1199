"""Paths of rows: steps, choices among several, and what is no path."""

import pytest

from meterworks.catalogue.errors import CatalogueError
from meterworks.companions.errors import TransformError
from meterworks.companions.gb import Element
from meterworks.companions.gb.transform.dlms_path import ElementPath, index_of

BODY = Element(
    "Body",
    children=(
        Element("Price", "11", attributes={"index": "1"}),
        Element("Price", "22", attributes={"index": "2"}),
        Element("Phase", children=(Element("Number", "1"), Element("Limit", "230"))),
        Element("Phase", children=(Element("Number", "2"), Element("Limit", "231"))),
        Element("Start", "s"),
        Element("End", "e"),
    ),
    attributes={"auxiliaryControllerN": "3"},
)


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("Price", ["11", "22"]),
        ("Price[2]", ["22"]),
        ("Price[3]", []),
        ("Phase/Limit", ["230", "231"]),
        ("Phase{Number=2}/Limit", ["231"]),
        ("*/Limit", ["230", "231"]),
        ("End|Start", ["s", "e"]),
        (".[3]/Start", ["s"]),
        (".[4]/Start", []),
        ("Nothing/Limit", []),
    ],
)
def test_a_path_finds_elements_in_the_order_of_the_request(path, texts):
    assert [element.text for element in ElementPath.compile(path).all(BODY)] == texts


@pytest.mark.parametrize("path", ["", "A//B", "A[x]", "A{B}", "A B", "/A"])
def test_what_is_no_path_is_refused_when_it_is_read(path):
    with pytest.raises(CatalogueError, match="no path"):
        ElementPath.compile(path)


@pytest.mark.parametrize(("path", "times"), [("Nothing", 0), ("Price", 2)])
def test_one_means_one(path, times):
    with pytest.raises(TransformError, match=rf"Body/{path} stands {times} times"):
        ElementPath.compile(path).one(BODY)


def test_find_gives_none_where_there_is_none_and_refuses_several():
    assert ElementPath.compile("Nothing").find(BODY) is None
    with pytest.raises(TransformError, match="2 times"):
        ElementPath.compile("Price").find(BODY)


@pytest.mark.parametrize("name", ["index", "identifier", "auxiliaryControllerN"])
def test_an_index_is_whatever_attribute_the_schema_numbers_by(name):
    assert index_of(Element("Day", attributes={name: "20"})) == 20


@pytest.mark.parametrize("attributes", [{}, {"index": "x"}, {"index": "256"}, {"index": "-1"}, {"index": "0001"}])
def test_an_index_that_is_none_is_refused(attributes):
    with pytest.raises(TransformError, match="index"):
        index_of(Element("Day", attributes=attributes))
