"""Whole documents: what is kept around a request, and where a signature may stand."""

import pytest
from lxml import etree
from tests.unit.companions.gb.duis.sample import BODY, HEADER, SPACE, document

from meterworks.companions.errors import RequestError
from meterworks.companions.gb import Element
from meterworks.companions.gb.duis import Comment, Document, read_document, write_document
from meterworks.companions.gb.duis.markup import MMC

SIGNATURE = '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><!-- kept --><ds:SignedInfo/></ds:Signature>'
INDENTED = f"""<?xml version="1.0" encoding="UTF-8"?>
<sr:Request xmlns:ds="http://www.w3.org/2000/09/xmldsig#" {SPACE} schemaVersion="5.4">
  <!-- first -->
  <sr:Header>
    <sr:RequestID>90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1000</sr:RequestID>
    <sr:CommandVariant>8</sr:CommandVariant>
    <!-- in the middle -->
    <sr:ServiceReference>5.2</sr:ServiceReference>
    <sr:ServiceReferenceVariant>5.2</sr:ServiceReferenceVariant>
    <!-- last -->
    <!-- after the last -->
  </sr:Header>
  <sr:Body>
    <sr:ReadSchedule>
      <sr:DSPScheduleID>123</sr:DSPScheduleID>
    </sr:ReadSchedule>
  </sr:Body>
  <ds:Signature>
    <ds:SignedInfo/>
  </ds:Signature>
</sr:Request>
"""


def canonical(xml: bytes) -> bytes:
    octets: bytes = etree.tostring(etree.fromstring(xml), method="c14n")
    return octets


@pytest.mark.parametrize(
    "xml",
    [
        document(),
        document(after=SIGNATURE),
        document(f"<!-- a -->{BODY}<!-- b -->", after=f"<!-- c -->{SIGNATURE}"),
        document().replace(b"sr:", b"x:").replace(b"xmlns:sr", b"xmlns:x"),
        document().replace(b"sr:", b"").replace(b"xmlns:sr", b"xmlns"),
        document().replace(b"90-B3-D5", b"90-b3-d5").replace(b">8<", b"> 8\n<"),
        INDENTED.encode(),
        INDENTED.replace("  ", "\t").encode(),
        INDENTED.replace("  ", "    ").replace("\n", "\r\n").encode(),
    ],
    ids=["plain", "signed", "commented", "other-prefix", "no-prefix", "as-written", "indented", "tabs", "four-blanks"],
)
def test_a_document_comes_out_with_the_same_canonical_form(xml):
    assert canonical(write_document(read_document(xml))) == canonical(xml)


def test_a_document_says_what_stands_around_a_request():
    found = read_document(INDENTED.encode())
    assert found.indent == "  "
    assert set(found.namespaces) == {"sr", "ds"}
    assert [comment.text.strip() for comment in found.comments] == ["first", "in the middle", "last", "after the last"]
    assert found.comments[1] == Comment(parent=(0,), before=2, text=" in the middle ")
    assert found.signature is not None
    assert b"SignedInfo" in found.signature
    assert found.root.name == "Request"


@pytest.mark.parametrize(
    "xml",
    [
        document(after=SIGNATURE + SIGNATURE),
        document(header=SIGNATURE + HEADER),
        document(header=HEADER + SIGNATURE),
        document(after=f"{SIGNATURE}<sr:Body/>"),
        document(BODY + SIGNATURE),
        document(f"<sr:ReadSchedule>{SIGNATURE}</sr:ReadSchedule>"),
    ],
    ids=["two", "first", "middle", "not-last", "in-the-body", "deeper"],
)
def test_a_signature_stands_once_and_last_below_the_root(xml):
    with pytest.raises(RequestError):
        read_document(xml)


@pytest.mark.parametrize(
    ("xml", "path", "line"),
    [
        (f"<sr:Header {SPACE}/>", "Header", 1),
        (f"<sr:Request {SPACE}/>", "Request", 1),
        (f'<sr:S1SPAlert {SPACE} schemaVersion="5.4"/>', "S1SPAlert", 1),
        (INDENTED.replace(">123<", ">x<"), "Request/Body/ReadSchedule/DSPScheduleID", 15),
        (INDENTED.replace("ReadSchedule", "ReadSchedules"), "Request/Body/ReadSchedules", 14),
        (INDENTED.replace('schemaVersion="5.4"', 'schemaVersion="5.4" Id="a"'), "Request", 2),
        (INDENTED.replace("<sr:Body>", '<sr:Body Id="a">'), "Request/Body", 13),
    ],
)
def test_what_the_table_does_not_know_is_refused_with_path_and_line(xml, path, line):
    with pytest.raises(RequestError, match=f"line {line}") as refused:
        read_document(xml.encode())
    assert refused.value.facts == {"path": path, "line": line}


def test_a_request_of_too_many_elements_is_refused_before_they_are_looked_at():
    with pytest.raises(RequestError, match="at most 50000 elements") as refused:
        read_document(document("<sr:X/>" * 50_000))
    assert refused.value.facts == {"path": "Request", "line": 1}


def test_a_comment_that_xml_cannot_hold_is_refused():
    root = read_document(document()).root
    for text in ("a--b", "a-"):
        with pytest.raises(RequestError, match="comment"):
            write_document(Document(root=root, comments=(Comment(parent=(), before=0, text=text),)))


def test_a_layout_that_would_swell_is_left_out():
    wide = INDENTED.replace("\n  ", "\n" + " " * 1_000_000 + "  ", 1).encode()
    assert read_document(wide).indent == ""
    assert len(write_document(read_document(wide))) < 2 * len(INDENTED)
    root = read_document(document()).root
    assert b"<evil/>" not in write_document(Document(root=root, indent="<evil/>"))


def test_name_spaces_that_a_root_needs_are_declared():
    root = Element("Response", children=(Element("ra:X", children=(Element("ds:Y"),)),))
    written = write_document(Document(root=root))
    assert MMC.encode() in written
    assert etree.fromstring(written)[0][0].tag == "{http://www.w3.org/2000/09/xmldsig#}Y"
