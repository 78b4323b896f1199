"""Association and initiate APDUs as trees, and what a dissector learns from them."""

import pytest

from meterworks.protocols.dlms.dissect import Dissector, KeyRing, dissect

AARQ = (
    "605da109060760857405080103a60a04084d444d00000000078a0207808b0760857405080205"
    "ac12801071dea1b703f432d3e2282f0bc008be9ebe230421211f30000001f4278b0ee3d7202e7f65bbb6e44b22924d234a7376ea3345d86ae3"
)
AARE = (
    "6148a109060760857405080103a203020100a305a103020100a40a04084752580000000001be230421281f30000003e833f6fc177a22ea"
    "755851cef361559e23257d7f08f72d3fffc351"
)
RING = KeyRing.of(guek=bytes(range(16)), gak=bytes(range(0xD0, 0xE0)))


def told(apdu: str) -> dict[str, str]:
    tree = dissect(bytes.fromhex(apdu))
    assert tree.errors == []
    return {node.name: node.value for node in tree.walk() if node.value}


def test_association_request() -> None:
    found = told(AARQ)
    assert found["application-context-name"] == "logical name referencing, ciphered (3)"
    assert found["mechanism-name"] == "high, GMAC (5)"
    assert found["CallingAPTitle"] == "4d444d0000000007 (MDM)"
    assert found["sender-acse-requirements"] == "authentication (0780)"
    assert found["charstring"] == "71dea1b703f432d3e2282f0bc008be9e"
    assert found["invocation-counter"] == "500"


def test_association_response() -> None:
    found = told(AARE)
    assert found["result"] == "accepted (0)"
    assert found["acse-service-user"] == "none (0)"
    assert found["RespondingAPTitle"] == "4752580000000001 (GRX)"


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("80020284", "protocol-version", "0284"),
        ("a20a04084d444d0000000007", "called-AP-title", "4d444d0000000007 (MDM)"),
        ("a20a0408004d440000000007", "called-AP-title", "004d440000000007"),
        ("a3030401aa", "called-AE-qualifier", "aa"),
        ("a403020105", "called-AP-invocation-id", "5"),
        ("a503020105", "called-AE-invocation-id", "5"),
        ("a7040402aabb", "calling-AE-qualifier", "aabb"),
        ("a803020105", "calling-AP-invocation-id", "5"),
        ("a903020142", "calling-AE-invocation-id", "66"),
        ("8a020700", "sender-acse-requirements", "0700"),
        ("bd03040100", "field-bd", "040100"),
    ],
)
def test_fields_of_a_request(field: str, name: str, value: str) -> None:
    content = "a109060760857405080101" + field
    assert told(f"60{len(content) // 2:02x}{content}")[name] == value


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("a203020102", "result", "rejected transiently (2)"),
        ("a203020109", "result", "unknown (9)"),
        ("a305a10302010d", "acse-service-user", "authentication failure (13)"),
        ("a305a203020102", "acse-service-provider", "no common version (2)"),
        ("a5040402aabb", "responding-AE-qualifier", "aabb"),
        ("a603020105", "responding-AP-invocation-id", "5"),
        ("a703020105", "responding-AE-invocation-id", "5"),
        ("88020780", "responder-acse-requirements", "authentication (0780)"),
        ("890760857405080207", "mechanism-name", "high, ECDSA (7)"),
        ("aa0480020102", "charstring", "0102"),
        ("aa0481020102", "bitstring", "0102"),
    ],
)
def test_fields_of_a_response(field: str, name: str, value: str) -> None:
    content = "a109060760857405080101" + field
    assert told(f"61{len(content) // 2:02x}{content}")[name] == value


@pytest.mark.parametrize(
    ("apdu", "name", "value"),
    [
        ("6203800100", "reason", "normal (0)"),
        ("6203800101", "reason", "urgent (1)"),
        ("620380011e", "reason", "user-defined (30)"),
        ("6303800101", "reason", "not-finished (1)"),
        ("6303800107", "reason", "unknown (7)"),
        ("01000000065f1f0400007e1f04b0", "response-allowed", "true (by default)"),
        ("0100010000065f1f0400007e1f04b0", "response-allowed", "false (0)"),
        ("0100000103065f1f0400007e1f04b0", "proposed-quality-of-service", "3"),
        ("01000000065f1f0400007e1f04b0", "proposed-conformance", "007e1f"),
        ("01000000065f0400007e1f04b0", "proposed-conformance", "007e1f"),
        ("01000000065f1f0400007e1f04b0", "client-max-receive-pdu-size", "1200"),
        ("0800065f1f0400001e1d04c80007", "vaa-name", "logical names (0007)"),
        ("0800065f1f0400001e1d04c8fa00", "vaa-name", "short names (fa00)"),
        ("0800065f1f0400001e1d04c81234", "vaa-name", "unknown (1234)"),
    ],
)
def test_release_and_initiate(apdu: str, name: str, value: str) -> None:
    assert told(apdu)[name] == value


def test_conformance_bits_are_listed_one_by_one() -> None:
    node = dissect(bytes.fromhex("01000000065f1f0400000014ffff")).find("proposed-conformance")
    assert node is not None
    assert [child.value for child in node.children] == ["get", "selective-access"]


@pytest.mark.parametrize(
    ("apdu", "error"),
    [
        ("600ba109060760857405090101", "is none of DLMS/COSEM"),
        ("600ba109050760857405080101", "object identifier expected"),
        ("6003a10906", "says 9 octets"),
        ("60ffff", "cut off or not allowed"),
        ("6105be03050100", "octet string expected"),
        ("01000000065e1f0400007e1f04b0", "conformance block expected"),
        ("0102", "cannot be in"),
        ("6020a109060760857405080101", "says 32 octets, 11 are there"),
    ],
)
def test_faults_are_told_in_place(apdu: str, error: str) -> None:
    errors = dissect(bytes.fromhex(apdu)).errors
    assert any(error in node.error for node in errors), [node.error for node in errors]


def test_a_release_response_with_a_wrong_length_is_read_to_its_end() -> None:
    tree = dissect(bytes.fromhex("6311800100be0f040e0800065f1f0400401e5d012c0007"))  # both lengths are too small
    assert [node.error for node in tree.errors] == ["says 17 octets, 21 are there"]
    assert tree.find("negotiated-conformance") is not None


def test_titles_and_the_dedicated_key_are_learnt() -> None:
    dissector = Dissector(RING)
    opened = dissector.dissect(bytes.fromhex(AARQ)).find("deciphered")
    answered = dissector.dissect(bytes.fromhex(AARE)).find("deciphered")
    assert opened is not None
    assert opened.value == "14 octets, tag verified"
    assert answered is not None
    assert answered.find("initiate-response") is not None


def test_without_keys_it_is_said_why_nothing_is_opened() -> None:
    content = dissect(bytes.fromhex(AARQ)).find("glo-initiate-request")
    assert content is not None
    assert content.value == "closed: no keys given"


def test_several_apdus_joined_are_told_apart() -> None:
    tree = dissect(bytes.fromhex("6203800100" + "6303800100" + "c002c100000001"))
    assert [child.name for child in tree.children] == ["RLRQ", "RLRE", "get-request"]
    assert tree.errors == []


def test_titles_are_learnt_from_apdus_that_others_follow() -> None:
    tree = Dissector(RING).dissect(bytes.fromhex(AARQ + AARE))
    assert [child.name for child in tree.children] == ["AARQ", "AARE"]
    assert sum(node.name == "deciphered" for node in tree.walk()) == 2


def test_an_association_request_without_a_length_teaches_nothing() -> None:
    assert Dissector(RING).dissect(b"\x60").errors
