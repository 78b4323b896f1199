"""Elements against the table: missing, extra, in another order, too often; each with its path."""

import pytest

from meterworks.companions.errors import RequestError
from meterworks.companions.gb import Element
from meterworks.companions.gb.duis import check_element, read_table

TABLE = read_table(
    "name,kind,low,high,digits,fraction,shortest,longest,pattern,choices\nn,integer,1,9,,,,,,\n",
    "name,value,attributes,content\n"
    "empty,,,\n"
    "leaf,n,index=n,\n"
    "some,,,A=n?\n"
    'x,,,"A=n?, B=n{2..3}, (C=empty | (D=n, E=some)), L=leaf*, (F=n, G=n)?"\n'
    "all,,,ds:Signature?\n",
)


def tree(text: str) -> Element:
    """Elements from a short form: "A B C" with the value 1 where it is a number."""
    special = {"C": Element("C"), "E": Element("E"), "L": Element("L", "1", (), {"index": "1"})}
    return Element("x", children=tuple(special.get(name, Element(name, "1")) for name in text.split()))


@pytest.mark.parametrize(
    "text", ["B B C", "A B B B C", "B B D E", "B B D E L L L", "B B C F G", "A B B B D E L F G", "B B C L F G"]
)
def test_lawful_children_are_taken(text):
    check_element(tree(text), TABLE.structures["x"])
    assert tree(text).children


@pytest.mark.parametrize(
    ("text", "fault", "path"),
    [
        ("", "B is missing", "x"),
        ("B", "B stands 1 times; at least 2", "x"),
        ("B B", "C or D is missing", "x"),
        ("B B B B C", "B stands where C or D is expected", "x/B[4]"),
        ("B B D", "E is missing", "x"),
        ("B B D C", "C stands where E is expected", "x/C"),
        ("B B C D", "D has no place here", "x/D"),
        ("B B C F", "G is missing", "x"),
        ("B B C G", "G has no place here", "x/G"),
        ("B B A C", "A stands where C or D is expected", "x/A"),
        ("A A B B C", "A stands where B is expected", "x/A[2]"),
        ("B B C Z", "Z has no place here", "x/Z"),
        ("Z B B C", "Z stands where A or B is expected", "x/Z"),
        ("A B B C A", "A stands too often, out of order", "x/A[2]"),
    ],
)
def test_children_that_are_not_lawful_are_named_with_their_path(text, fault, path):
    with pytest.raises(RequestError, match=fault.replace("[", r"\[")) as refused:
        check_element(tree(text), TABLE.structures["x"])
    assert refused.value.facts["path"] == path


@pytest.mark.parametrize(
    ("element", "structure", "fault", "path"),
    [
        (Element("e", "text"), "empty", "a text stands", "e"),
        (Element("e", " "), "empty", "a text stands", "e"),
        (Element("e", children=(Element("A"),)), "empty", "A stands where nothing may", "e"),
        (Element("e", attributes={"index": "1"}), "empty", "attribute index is not known", "e"),
        (Element("e", "1"), "leaf", "attribute index is missing", "e"),
        (Element("e", "1", (), {"index": "0"}), "leaf", "attribute index: 0 is not a number", "e"),
        (Element("e", "0", (), {"index": "1"}), "leaf", "0 is not a number from 1 to 9", "e"),
        (Element("e", "1", (Element("A"),), {"index": "1"}), "leaf", "A stands where a text is expected", "e"),
        (Element("e", "text"), "some", "a text stands", "e"),
        (Element("e", children=(Element("A", "x"),)), "some", "'x' is not a whole number", "e/A"),
        (Element("e", children=(Element("A", "1", (Element("B"),)),)), "some", "B stands where a text", "e/A"),
        (Element("e", children=(Element("A", "1", (), {"index": "1"}),)), "some", "attribute index", "e/A"),
    ],
)
def test_texts_and_attributes_are_checked(element, structure, fault, path):
    with pytest.raises(RequestError, match=fault) as refused:
        check_element(element, TABLE.structures[structure])
    assert refused.value.facts["path"] == path


def test_blanks_may_stand_where_elements_may():
    check_element(Element("e", "\n  "), TABLE.structures["some"])
    with pytest.raises(RequestError, match="Request/e/A: "):
        check_element(Element("e", children=(Element("A", "?"),)), TABLE.structures["some"], "Request")


def test_nothing_is_known_of_what_a_signature_holds():
    anything = Element("ds:Signature", "?", (Element("ds:What"),), {"Id": "1"})
    check_element(Element("e", children=(anything,)), TABLE.structures["all"])
    with pytest.raises(RequestError, match="too often"):
        check_element(Element("e", children=(anything, anything)), TABLE.structures["all"])
