"""A tree as text, as JSON and as XML."""

import json
from xml.etree import ElementTree as ET

import pytest

from meterworks.protocols.dlms import encode_wrapper
from meterworks.protocols.dlms.dissect import KeyRing, Node, dissect, render_text, render_xml, tree_to_json
from meterworks.protocols.dlms.general_block import GeneralBlock

GET = bytes.fromhex("c001c100080000010000ff0200")
CIPHERED = bytes.fromhex("db084d4d4d0000bc614e1e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b")
RING = KeyRing.of(guek=bytes(range(16)), gak=bytes(range(0xD0, 0xE0)))
NAMESPACE = "{http://www.dlms.com/COSEMpdu}"


# --- text -----------------------------------------------------------------------------------------------------------


def test_text_has_a_line_for_each_node_with_its_offset() -> None:
    lines = render_text(dissect(GET)).splitlines()
    assert lines[0] == "0000  octets: 13 octets"
    assert lines[1] == "0000    get-request"
    assert lines[3] == "0002        invoke-id-and-priority: id 1, confirmed, high priority"
    assert len(lines) == len(list(dissect(GET).walk()))


def test_text_tells_errors_behind_an_exclamation_mark() -> None:
    text = render_text(dissect(GET[:-3]))
    assert "cosem-attribute-descriptor  ! 6 octets expected at octet 5, 5 are there" in text


def test_colours_are_there_only_when_asked_for() -> None:
    tree = dissect(GET[:-3])
    assert "\x1b" not in render_text(tree)
    coloured = render_text(tree, colour=True)
    assert "\x1b[1;31m! 6 octets" in coloured
    assert coloured.count("\x1b[0m") >= len(list(tree.walk()))


def test_octets_of_a_message_cannot_steer_the_terminal() -> None:
    tree = dissect(bytes.fromhex("0a051b5b326d41"))
    assert "\x1b" not in render_text(tree)
    tree.children[0].value = "\x1b[2J\n"
    assert "\\x1b[2J\\x0a" in render_text(tree)


def test_long_values_are_cut() -> None:
    line = render_text(Node("a", "x" * 1000)).strip()
    assert line.endswith("x...")
    assert len(line) < 500


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_json_tells_the_same_tree() -> None:
    told = tree_to_json(dissect(GET))
    assert json.loads(json.dumps(told)) == told
    request = told["children"][0]
    assert (request["name"], request["offset"], request["size"]) == ("get-request", 0, 13)
    assert told["octets"] == GET.hex()


def test_json_tells_errors_and_leaves_out_what_is_empty() -> None:
    told = tree_to_json(dissect(b""))
    assert told["error"] == "no octets"
    assert "children" not in told
    assert "octets" not in told


def test_json_tells_deciphered_octets() -> None:
    told = json.dumps(tree_to_json(dissect(CIPHERED, keys=RING)))
    assert f'"octets": "{bytes.fromhex("c0010000080000010000ff0200").hex()}"' in told


# --- XML ------------------------------------------------------------------------------------------------------------


def tags(xml: str) -> list[str]:
    return [element.tag.replace(NAMESPACE, "") for element in ET.fromstring(xml).iter()]


def test_xml_of_a_message_in_frames_is_that_of_the_message() -> None:
    assert render_xml(dissect(encode_wrapper(16, 1, GET))) == render_xml(dissect(GET))


@pytest.mark.parametrize(
    ("apdu", "outer"),
    [("6203800100", "aCSE-APDU"), ("c002c100000001", "xDLMS-APDU"), ("02020f001605", "structure")],
)
def test_the_outer_element_says_what_it_is(apdu: str, outer: str) -> None:
    assert tags(render_xml(dissect(bytes.fromhex(apdu))))[0] == outer


def test_several_messages_are_several_documents() -> None:
    xml = render_xml(dissect(GET + GET))
    assert xml.count("<x:xDLMS-APDU") == 2


def test_joined_blocks_are_followed_by_what_they_are_together() -> None:
    octets = GeneralBlock(False, True, 0, 1, 0, GET[:5]).to_bytes()
    octets += GeneralBlock(True, True, 0, 2, 0, GET[5:]).to_bytes()
    xml = render_xml(dissect(octets))
    assert xml.count("<x:general-block-transfer>") == 2
    assert xml.count("<x:get-request>") == 1


def test_what_was_deciphered_is_a_comment() -> None:
    xml = render_xml(dissect(CIPHERED, keys=RING))
    assert tags(xml) == ["xDLMS-APDU", "general-glo-ciphering", "system-title", "ciphered-content"]
    assert "<!-- 13 octets, tag verified:" in xml
    assert "<x:get-request-normal>" in xml


def test_errors_are_comments_and_the_rest_is_xml() -> None:
    xml = render_xml(dissect(GET[:-3]))
    assert "<!-- 6 octets expected at octet 5" in xml
    assert "class-id" in tags(xml)


def test_characters_that_xml_does_not_know_are_replaced() -> None:
    xml = render_xml(dissect(bytes.fromhex("c401c1000a04003c2641")))
    assert ET.fromstring(xml).findtext(f".//{NAMESPACE}visible-string") == "?<&A"


def test_octets_that_are_no_utf8_are_replaced() -> None:
    xml = render_xml(dissect(bytes.fromhex("c401c1000c02e841")))
    assert ET.fromstring(xml).findtext(f".//{NAMESPACE}utf8-string") == "?A"


def test_a_comment_never_ends_early() -> None:
    tree = Node("octets", children=[Node("get-request", error="a --> b")])
    assert "<!-- a - -> b -->" in render_xml(tree)


def test_empty_parts_are_empty_elements() -> None:
    xml = render_xml(dissect(bytes.fromhex("c401c10002020000")))
    assert xml.count("<x:null-data />") == 2
