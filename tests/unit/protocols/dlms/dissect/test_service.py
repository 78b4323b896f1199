"""Every service as a tree: what stands where, by name and value, and where a message that is cut off stops."""

import pytest

from meterworks.protocols.dlms.dissect import Node, dissect
from meterworks.protocols.dlms.dissect.name import ACCESS_RESULTS, APDU_NAMES, conformance_names

CLOCK = "00080000010000ff02"
REPLY = "000f0000280000ff01"
BLOCK = "00000000010209 01".replace(" ", "")


def leaves(apdu: str) -> list[str]:
    """Give the leaves of the tree as `name=XML value`, encoding details left out."""
    tree = dissect(bytes.fromhex(apdu))
    assert [(node.name, node.error) for node in tree.errors] == []
    return [f"{node.name}={node.xml}" for node in tree.walk() if node.xml is not None and not node.is_wire]


def names(apdu: str) -> list[str]:
    """Give the names on the way to the first leaf."""
    node = dissect(bytes.fromhex(apdu))
    found = []
    while node.children:
        node = node.children[0]
        found.append(node.name)
    return found


INVOKE = "invoke-id-and-priority=193"
CLOCK_LEAVES = ["class-id=8", "instance-id=0000010000FF", "attribute-id=2"]
REPLY_LEAVES = ["class-id=15", "instance-id=0000280000FF", "method-id=1"]
BLOCK_LEAVES = ["last-block=0", "block-number=1", "raw-data=0901"]

SERVICES = [
    (f"c001c1{CLOCK}00", "get-request-normal", [INVOKE, *CLOCK_LEAVES]),
    (
        f"c001c1{CLOCK}01 02 0202 1101 1102".replace(" ", ""),
        "get-request-normal",
        [INVOKE, *CLOCK_LEAVES, "access-selector=2", "unsigned=1", "unsigned=2"],
    ),
    ("c002c100000007", "get-request-next", [INVOKE, "block-number=7"]),
    (f"c003c101{CLOCK}00", "get-request-with-list", [INVOKE, *CLOCK_LEAVES]),
    ("c401c1001105", "get-response-normal", [INVOKE, "unsigned=5"]),
    ("c401c10103", "get-response-normal", [INVOKE, "data-access-result=read-write-denied"]),
    ("c402c10000000005000201 02".replace(" ", ""), "get-response-with-data-block",
     [INVOKE, "last-block=0", "block-number=5", "raw-data=0102"]),
    ("c402c10100000005010e", "get-response-with-data-block",
     [INVOKE, "last-block=1", "block-number=5", "data-access-result=data-block-unavailable"]),
    ("c403c10200 1105 0104".replace(" ", ""), "get-response-with-list",
     [INVOKE, "unsigned=5", "data-access-result=object-undefined"]),
    (f"c101c1{CLOCK}001105", "set-request-normal", [INVOKE, *CLOCK_LEAVES, "unsigned=5"]),
    (f"c102c1{CLOCK}00{BLOCK}", "set-request-first-data-block", [INVOKE, *CLOCK_LEAVES, *BLOCK_LEAVES]),
    (f"c103c1{BLOCK}", "set-request-with-datablock", [INVOKE, *BLOCK_LEAVES]),
    (f"c104c101{CLOCK}00011105", "set-request-with-list", [INVOKE, *CLOCK_LEAVES, "unsigned=5"]),
    (f"c105c101{CLOCK}00{BLOCK}", "set-request-with-list-and-first-datablock", [INVOKE, *CLOCK_LEAVES, *BLOCK_LEAVES]),
    ("c501c10c", "set-response-normal", [INVOKE, "result=type-unmatched"]),
    ("c502c100000002", "set-response-data-block", [INVOKE, "block-number=2"]),
    ("c503c10000000002", "set-response-with-last-data-block", [INVOKE, "result=success", "block-number=2"]),
    ("c504c1020003 00000002".replace(" ", ""), "set-response-last-datablock-with-list",
     [INVOKE, "data-access-result=success", "data-access-result=read-write-denied", "block-number=2"]),
    ("c505c10103", "set-response-with-list", [INVOKE, "data-access-result=read-write-denied"]),
    (f"c301c1{REPLY}00", "action-request-normal", [INVOKE, *REPLY_LEAVES]),
    (f"c301c1{REPLY}010901aa", "action-request-normal", [INVOKE, *REPLY_LEAVES, "octet-string=AA"]),
    ("c302c100000001", "action-request-next-pblock", [INVOKE, "block-number=1"]),
    (f"c303c101{REPLY}010f00", "action-request-with-list", [INVOKE, *REPLY_LEAVES, "integer=0"]),
    (f"c304c1{REPLY}{BLOCK}", "action-request-with-first-pblock", [INVOKE, *REPLY_LEAVES, *BLOCK_LEAVES]),
    (f"c305c101{REPLY}{BLOCK}", "action-request-with-list-and-first-pblock", [INVOKE, *REPLY_LEAVES, *BLOCK_LEAVES]),
    (f"c306c1{BLOCK}", "action-request-with-pblock", [INVOKE, *BLOCK_LEAVES]),
    ("c701c10000", "action-response-normal", [INVOKE, "result=success"]),
    ("c701c103", "action-response-normal", [INVOKE, "result=read-write-denied"]),
    ("c701c10001001105", "action-response-normal", [INVOKE, "result=success", "unsigned=5"]),
    ("c701c100010104", "action-response-normal",
     [INVOKE, "result=success", "data-access-result=object-undefined"]),
    (f"c702c1{BLOCK}", "action-response-with-pblock", [INVOKE, *BLOCK_LEAVES]),
    ("c703c1020000 0300".replace(" ", ""), "action-response-with-list",
     [INVOKE, "result=success", "result=read-write-denied"]),
    ("c704c100000001", "action-response-next-pblock", [INVOKE, "block-number=1"]),
]  # fmt: skip


@pytest.mark.parametrize(("apdu", "kind", "expected"), SERVICES, ids=[row[1] + "-" + row[0][-4:] for row in SERVICES])
def test_service(apdu: str, kind: str, expected: list[str]) -> None:
    assert kind in names(apdu)
    assert leaves(apdu) == expected


OTHERS = [
    ("0f4000000100 1105".replace(" ", ""), ["long-invoke-id-and-priority=1073741825", "date-time=", "unsigned=5"]),
    ("0f000000010c07e50603040e091700ffc4001105",
     ["long-invoke-id-and-priority=1", "date-time=07E50603040E091700FFC400", "unsigned=5"]),
    ("0f00000001090c07e50603040e091700ffc4001105",
     ["long-invoke-id-and-priority=1", "date-time=07E50603040E091700FFC400", "unsigned=5"]),
    ("100000000100", ["long-invoke-id-and-priority=1", "date-time="]),
    ("c20000030100010800ff021105", ["class-id=3", "instance-id=0100010800FF", "attribute-id=2", "unsigned=5"]),
    ("d80202", ["state-error=service-unknown", "service-error=service-not-supported"]),
    ("d8010600000005",
     ["state-error=service-not-allowed", "service-error=invocation-counter-error", "invocation-counter=5"]),
    ("0e010603", ["initiate=pdu-size-too-short"]),
    ("0e050501", ["access=scope-of-access-violated"]),
    ("0e050b63", ["kind-11=99"]),
    ("d9400000010001 01 00030100010800ff02 01 00".replace(" ", ""),
     ["long-invoke-id-and-priority=1073741825", "date-time=", "class-id=3", "instance-id=0100010800FF",
      "attribute-id=2", "null-data="]),
    ("d9400000010001 04 00070100630100ff02 02 1101 01 00".replace(" ", ""),
     ["long-invoke-id-and-priority=1073741825", "date-time=", "class-id=7", "instance-id=0100630100FF",
      "attribute-id=2", "access-selector=2", "unsigned=1", "null-data="]),
    ("d9400000010001 03 00460000600301ff01 01 0f00".replace(" ", ""),
     ["long-invoke-id-and-priority=1073741825", "date-time=", "class-id=70", "instance-id=0000600301FF", "method-id=1",
      "integer=0"]),
    ("da4000000100 00 01 1105 01 01 00".replace(" ", ""),
     ["long-invoke-id-and-priority=1073741825", "date-time=", "unsigned=5", "result=success"]),
    ("da4000000100 01 01 02 00010000600100ff02 01 00 01 02 03".replace(" ", ""),
     ["long-invoke-id-and-priority=1073741825", "date-time=", "class-id=1", "instance-id=0000600100FF",
      "attribute-id=2", "null-data=", "result=read-write-denied"]),
    ("0501020078", ["variable-name=120"]),
    ("0502 02fa00 05 0003".replace(" ", ""), ["variable-name=-1536", "block-number=3"]),
    ("0501 04 0078 02 1105".replace(" ", ""), ["variable-name=120", "selector=2", "unsigned=5"]),
    ("0501 06 01 0002 01 aa".replace(" ", ""), ["last-block=1", "block-number=2", "raw-data=AA"]),
    ("0c04 001105 0104 02 00 0001 01aa 03 0007".replace(" ", ""),
     ["unsigned=5", "data-access-error=object-undefined", "last-block=0", "block-number=1", "raw-data=AA",
      "block-number=7"]),
    ("0601 020078 01 1105".replace(" ", ""), ["variable-name=120", "unsigned=5"]),
    ("0601 07 01 0002 01 0901aa".replace(" ", ""), ["last-block=1", "block-number=2", "octet-string=AA"]),
    ("0d03 00 0104 02 0001".replace(" ", ""), ["success=", "data-access-result=object-undefined", "block-number=1"]),
    ("1601 020078 01 1105".replace(" ", ""), ["variable-name=120", "unsigned=5"]),
    ("1800 01 020078 01 1105".replace(" ", ""), ["variable-name=120", "unsigned=5"]),
    ("1801 0c 07e50603040e091700ffc400 01 020078 01 1105".replace(" ", ""),
     ["current-time=07E50603040E091700FFC400", "variable-name=120", "unsigned=5"]),
    ("180c 07e50603040e091700ffc400 01 020078 01 1105".replace(" ", ""),
     ["current-time=07E50603040E091700FFC400", "variable-name=120", "unsigned=5"]),
    ("e60002 1122".replace(" ", "") + f"c001c1{CLOCK}00",
     ["network-id=0", "physical-device-address=1122", INVOKE, *CLOCK_LEAVES]),
]  # fmt: skip


@pytest.mark.parametrize(("apdu", "expected"), OTHERS, ids=[row[0][:24] for row in OTHERS])
def test_other_apdus(apdu: str, expected: list[str]) -> None:
    assert leaves(apdu) == expected
    assert dissect(bytes.fromhex(apdu)).children[0].name == APDU_NAMES[int(apdu[:2], 16)]


ALL = [row[0] for row in SERVICES] + [row[0] for row in OTHERS]


@pytest.mark.parametrize("apdu", ALL, ids=[row[:24] for row in ALL])
def test_a_message_cut_off_is_shown_up_to_the_cut_with_its_error(apdu: str) -> None:
    octets = bytes.fromhex(apdu)
    for size in range(2, len(octets)):
        tree = dissect(octets[:size])
        assert tree.children, size
        assert all(node.offset + node.size <= size for node in tree.walk() if not node.octets)


@pytest.mark.parametrize("apdu", ALL, ids=[row[:24] for row in ALL])
def test_octets_behind_a_message_are_an_error(apdu: str) -> None:
    assert dissect(b"\xe6\xe6\x00" + bytes.fromhex(apdu) + b"\xaa").errors


@pytest.mark.parametrize(
    ("apdu", "told"),
    [
        ("c004c1", "kind 4 at octet 1 is none of [1, 2, 3]"),
        ("c001c100080000010000ff0202", "presence flag 0x02 at octet 12"),
        ("c401c102", "choice 0x02 at octet 3; 0 to 1 are"),
        ("c403c1ff", "length of 127 octets at octet 3 is cut off or not allowed"),
        ("c403c105", "5 entries at octet 4 in 0 octets"),
        ("d9000000010001 06".replace(" ", ""), "ACCESS of kind 6 at octet 7"),
        ("e6e6000501090000", "variable access of kind 9 at octet 5"),
        ("c401c10023", "tag 35 at octet 4 is no data type"),
        ("99", "APDU of tag 99 at octet 0 is none that we know"),
    ],
)
def test_what_is_unlawful_is_told_where_it_stands(apdu: str, told: str) -> None:
    assert told in [node.error for node in dissect(bytes.fromhex(apdu)).errors]


def test_an_error_is_told_once_at_the_innermost_node() -> None:
    tree = dissect(bytes.fromhex("c001c100080000010000"))
    assert [node.name for node in tree.errors] == ["cosem-attribute-descriptor"]
    assert tree.first_error == 5
    rest = tree.find("not understood")
    assert rest is not None
    assert (rest.offset, rest.size) == (5, 5)


def value_of(apdu: str, name: str) -> str:
    found: Node | None = dissect(bytes.fromhex(apdu)).find(name)
    assert found is not None
    return found.value


@pytest.mark.parametrize(
    ("apdu", "name", "value"),
    [
        (f"c001c1{CLOCK}00", "invoke-id-and-priority", "id 1, confirmed, high priority"),
        (f"c00131{CLOCK}00", "invoke-id-and-priority", "id 1, self-descriptive, break on error"),
        ("0f9000000a001105", "long-invoke-id-and-priority", "id 10, self-descriptive, high priority"),
        (f"c001c1{CLOCK}00", "class-id", "Clock (8)"),
        (f"c001c1{CLOCK}00", "attribute-id", "time (2)"),
        (f"c301c1{REPLY}00", "class-id", "Association LN (15)"),
        ("c001c100080000010000ff0000", "attribute-id", "all attributes (0)"),
        ("c001c1ffff0000010000ffff00", "attribute-id", "-1"),
        ("c001c1ffff0000010000ff0200", "class-id", "(65535)"),
        ("c402c10100000005010e", "result", "block 5, the last"),
        ("0501 04fa00 02 1105".replace(" ", ""), "variable-name", "fa00"),
    ],
)
def test_values_are_told_in_words(apdu: str, name: str, value: str) -> None:
    assert value_of(apdu, name) == value


def test_a_logical_name_is_told_with_what_it_stands_for() -> None:
    assert value_of("c001c100030100010800ff0200", "instance-id").startswith("1-0:1.8.0.255 ")


def test_results_are_named_as_the_asn1_names_them() -> None:
    assert ACCESS_RESULTS[250] == "other-reason"
    assert value_of("c401c101fb", "data-access-result") == "251"


def test_conformance_bits_are_named_in_the_order_sent() -> None:
    assert conformance_names(0x800001) == ["reserved-zero", "action"]
    assert conformance_names(0) == []
    assert len(conformance_names(0xFFFFFF)) == 24
