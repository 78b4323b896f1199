"""XML from strangers: what is refused, where the error points, and that it costs little."""

import time

import pytest
from lxml import etree
from tests.unit.companions.gb.duis.sample import BODY, HEADER, SPACE, document

from meterworks.companions.errors import RequestError
from meterworks.companions.gb import Element
from meterworks.companions.gb.duis.markup import (
    DUIS,
    SIZE_MAX,
    XMLDSIG,
    canonical_form,
    element_of,
    line_at,
    markup_of,
    parse,
)

BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
DECLARATION = '<?xml version="1.0" encoding="{}"?>'


@pytest.mark.parametrize(
    ("xml", "fault"),
    [
        (b"", "no XML"),
        (b"  \n", "no XML"),
        (b"\x00\x01\x02", "no XML"),
        ("<a/>".encode("utf-16"), "no XML"),
        (b"{}", "no XML"),
        (b"<a>", "no XML"),
        (b"<a></b>", "no XML"),
        (b"<a/><a/>", "no XML"),
        (b"<a>\xff</a>", "no XML"),
        (b"<a>&amp</a>", "no XML"),
        (b"<a>&unknown;</a>", "no XML"),
        (b"<a>&#0;</a>", "no XML"),
        (b'<a b="1" b="2"/>', "no XML"),
        (document(before=BOMB), "document type"),
        (document(before='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), "document type"),
        (document(before='\n\n<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1/">]>'), "line 3: a document type"),
        (document(before=DECLARATION.format("UTF-16")), "encoding UTF-16"),
        (document(before=DECLARATION.format("ISO-8859-1")), "encoding ISO-8859-1"),
        (b"<a>" + b"<b/>" * 400_001 + b"</a>", "more than 400000"),
        (b"<a " + b" ".join(b'xmlns:p%d="u"' % number for number in range(300)) + b"/>", "more than 256"),
        (b"<a " + b" ".join(b'a%d=""' % number for number in range(17)) + b"/>", "more than 16 attributes"),
        (b"<a>" + b" " * SIZE_MAX + b"</a>", "octets"),
    ],
)
def test_what_is_not_worth_parsing_is_refused(xml, fault):
    with pytest.raises(RequestError, match=fault) as refused:
        parse(xml)
    assert refused.value.facts["path"] in ("", "a")
    assert isinstance(refused.value.facts["line"], int)


@pytest.mark.parametrize("name", ["UTF-8", "utf-8", "US-ASCII"])
def test_utf_8_and_its_beginning_are_read(name):
    assert parse(document(before=DECLARATION.format(name))).tag == f"{{{DUIS}}}Request"
    assert parse(b"\xef\xbb\xbf" + document()).tag == f"{{{DUIS}}}Request"


@pytest.mark.parametrize(
    ("inner", "fault"),
    [
        ("<sr:X>1<!-- 0 -->2</sr:X>", "Body/X: text stands between elements, or a comment inside a value"),
        ("<sr:X><!-- 0 -->2</sr:X>", "Body/X: text stands between elements, or a comment inside a value"),
        ("<sr:X>2<!-- 0 --></sr:X>", "Body/X: text stands between elements, or a comment inside a value"),
        ("text<sr:X/>", "Body: text stands between elements"),
        ("<sr:X/>text", "Body: text stands between elements"),
        ("<sr:X><?php 1?></sr:X>", "Body/X: a processing instruction"),
        ('<o:X xmlns:o="urn:other"/>', "Body/X: name space 'urn:other'"),
        ('<X xmlns=""/>', "Body/X: name space ''"),
        ('<sr:X xmlns:o="urn:other" o:a="1"/>', "Body/X: attribute a of a name space"),
        ('<sr:X xml:id="a"/>', "Body/X: attribute id of a name space"),
        ("<sr:X>" * 45 + "</sr:X>" * 45, "more than 40 deep"),
    ],
)
def test_what_has_no_place_between_tags_is_refused_with_path_and_line(inner, fault):
    xml = document(f"\n{inner}")
    with pytest.raises(RequestError, match=fault) as refused:
        element_of(parse(xml))
    assert refused.value.facts["line"] in (1, 2)
    assert str(refused.value.facts["path"]).startswith("Request/Body")


def test_elements_far_too_deep_for_the_parser_are_an_error_and_no_crash():
    with pytest.raises(RequestError):
        element_of(parse(b"<a>" * 100_000))


def test_hostile_documents_are_refused_in_bounded_time():
    hostile = [
        document(before=BOMB),
        b"<a>" * 300_000,
        document("<sr:X " + "".join(f'a{number}="" ' for number in range(100_000)) + "/>"),
        b"<a>" + b"<!---->" * 390_000 + b"</a>",
    ]
    start = time.process_time()
    for xml in hostile:
        with pytest.raises(RequestError):
            element_of(parse(xml))
    assert time.process_time() - start < 5


def test_an_element_keeps_names_texts_and_attributes_and_drops_comments():
    xml = document('<!-- note -->\n <sr:X index="3"> 007 </sr:X><sr:Y><!-- note --></sr:Y><sr:Z>a<![CDATA[<]]></sr:Z>')
    found = element_of(parse(xml)).one("Body")
    assert found.children == (
        Element("X", " 007 ", (), {"index": "3"}),
        Element("Y"),
        Element("Z", "a<"),
    )


def test_a_hint_to_a_schema_is_allowed_at_the_root_only():
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    root = element_of(parse(f"<sr:Request {SPACE} {xsi}/>".encode()))
    assert root.attributes == {}
    with pytest.raises(RequestError, match="schemaLocation"):
        element_of(parse(f"<sr:Request {SPACE}><sr:Header {xsi}/></sr:Request>".encode()))


def test_a_line_is_found_by_path_even_where_the_element_is_missing():
    root = parse(f"<sr:A {SPACE}>\n<sr:B/>\n<sr:B>\n<sr:C/></sr:B></sr:A>".encode())
    assert [line_at(root, path) for path in ("A", "A/B", "A/B[2]", "A/B[2]/C", "A/B[2]/D", "A/B[3]")] == [
        1,
        2,
        3,
        4,
        3,
        1,
    ]


@pytest.mark.parametrize("indent", ["", "  "])
def test_what_is_written_is_its_own_canonical_form(indent):
    element = Element(
        "Request",
        children=(
            Element("A", "a & b < c > d\r\t\né"),
            Element("B", "", (Element("ds:Signature", "x"),), {"z": '"<&\t\n\r>', "a": "1"}),
            Element("C"),
        ),
        attributes={"schemaVersion": "5.4"},
    )
    written = markup_of(element, {"sr": DUIS, "ds": XMLDSIG}, indent=indent)
    canonical: bytes = etree.tostring(etree.fromstring(written), method="c14n")
    assert canonical == written.encode()
    assert element_of(parse(written.encode())) == element


def test_two_ways_of_writing_a_document_have_one_canonical_form():
    other = document().replace(b'"5.4"', b"'5.4'").replace(b"<sr:Body>", b"<sr:Body\n>").replace(b">8<", b">&#56;<")
    assert canonical_form(other) == canonical_form(document())
    commented = document(f"<!-- a -->{BODY}")
    assert canonical_form(commented) != canonical_form(document())
    assert canonical_form(commented, with_comments=False) == canonical_form(document())
    with pytest.raises(RequestError, match="canonical form"):
        canonical_form(b'<a xmlns="relative"/>')


def test_a_name_space_without_a_prefix_is_written_so():
    assert markup_of(Element("A", children=(Element("B"),)), {None: DUIS}) == f'<A xmlns="{DUIS}"><B></B></A>'


@pytest.mark.parametrize("text", ["\x00", "a\x0b", "\ud800", "\uffff"])
def test_a_character_that_xml_has_not_is_refused(text):
    with pytest.raises(RequestError, match="cannot stand in XML"):
        markup_of(Element("A", text), {"sr": DUIS})


def test_the_sample_document_is_read():
    root = element_of(parse(document()))
    assert [child.name for child in root.children] == ["Header", "Body"]
    assert root.one("Body/ReadSchedule/DSPScheduleID").text == "123"
    assert BODY in document().decode()
    assert HEADER in document().decode()
