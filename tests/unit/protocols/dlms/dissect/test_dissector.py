"""What lies below a message: frames, segments, blocks, several of them joined, and what is lost between them."""

import pytest

from meterworks.protocols.dlms import encode_wrapper
from meterworks.protocols.dlms.dissect import Dissector, KeyRing, Node, dissect, messages_of
from meterworks.protocols.dlms.general_block import GeneralBlock
from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame, LinkParameters

GET = bytes.fromhex("c001c100080000010000ff0200")
CLIENT, SERVER = HdlcAddress(16), HdlcAddress(1, 17, 2)
COMMAND, RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"


def frame(information: bytes = b"", control: int = 0x10, *, segmented: bool = False) -> bytes:
    return HdlcFrame(SERVER, CLIENT, control, information, segmented).to_bytes()


def found(tree: Node) -> list[bytes]:
    return [apdu for _, apdu in messages_of(tree)]


def errors(tree: Node) -> list[str]:
    return [node.error for node in tree.errors]


def mbus(data: bytes, information: int) -> bytes:
    content = bytes((0x53, 0xFF, information, 1, 0x67)) + data
    head = bytes((0x68, len(content), len(content), 0x68))
    return head + content + bytes((sum(content) & 0xFF, 0x16))


# --- one message in each layer --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "octets",
    [
        GET,
        COMMAND + GET,
        encode_wrapper(16, 1, GET),
        frame(COMMAND + GET),
        frame(COMMAND + GET)[1:-1],
        mbus(GET, 0x10),
        frame(GET, 0x13),
        b"noise" + frame(COMMAND + GET),
        encode_wrapper(16, 1, b"\xe6\x00\x02\x11\x22" + GET),
    ],
    ids=["bare", "llc", "wrapper", "hdlc", "hdlc without flags", "m-bus", "ui frame", "noise before", "gateway"],
)
def test_the_message_is_found_in_every_layer(octets: bytes) -> None:
    assert found(dissect(octets)) == [GET]


def test_offsets_count_in_the_octets_given() -> None:
    octets = frame(COMMAND + GET)
    node = dissect(octets).find("instance-id")
    assert node is not None
    assert octets[node.offset : node.offset + node.size] == bytes.fromhex("0000010000ff")


def test_a_wrapper_is_told() -> None:
    node = dissect(encode_wrapper(16, 1, GET)).children[0]
    assert (node.name, node.value, node.size) == ("wrapper", "16 -> 1, 13 octets", 8 + len(GET))


def test_several_wrappers_follow_each_other() -> None:
    assert found(dissect(encode_wrapper(16, 1, GET) * 3)) == [GET] * 3


def test_a_wrapper_that_promises_more_is_an_error_and_read_as_far_as_it_goes() -> None:
    tree = Dissector().dissect(encode_wrapper(16, 1, GET) + encode_wrapper(16, 1, GET)[:-2])
    assert "13 octets announced, 11 are there" in errors(tree)


@pytest.mark.parametrize(
    ("control", "told"),
    [
        (0x10, "I, N(S) 0, N(R) 0, poll/final"),
        (0x32, "I, N(S) 1, N(R) 1, poll/final"),
        (0x11, "RR, N(R) 0, poll/final"),
        (0x55, "RNR, N(R) 2, poll/final"),
        (0x19, "REJ, N(R) 0, poll/final"),
        (0x93, "SNRM, poll/final"),
        (0x73, "UA, poll/final"),
        (0x53, "DISC, poll/final"),
        (0x1F, "DM, poll/final"),
        (0x97, "FRMR, poll/final"),
        (0x03, "UI"),
        (0xEF, "control ef"),
    ],
)
def test_controls_are_told(control: int, told: str) -> None:
    node = dissect(frame(b"", control)).find("hdlc")
    assert node is not None
    assert node.value == f"16 -> 1/17, {told}"


@pytest.mark.parametrize(
    ("octets", "told"),
    [("0223", "1/17 (0223)"), ("00020023", "1/17 (00020023)"), ("21", "16 (21)"), ("feff", "127/127 (feff)")],
)
def test_addresses_of_all_sizes_are_told(octets: str, told: str) -> None:
    address = HdlcAddress.from_bytes(bytes.fromhex(octets))
    node = dissect(HdlcFrame(address, CLIENT, 0x93).to_bytes()).find("destination")
    assert node is not None
    assert node.value == told


def test_parameters_of_the_link_are_told() -> None:
    parameters = LinkParameters(information_transmit_max=512, information_receive_max=128, window_receive=7)
    tree = dissect(frame(parameters.to_bytes(), 0x93))
    told = {node.name: node.value for node in tree.walk()}
    assert (told["max-info-transmit"], told["max-info-receive"]) == ("512", "128")
    assert (told["window-transmit"], told["window-receive"]) == ("1", "7")
    assert tree.errors == []


@pytest.mark.parametrize("information", ["8180", "81800405", "818003050100"])
def test_parameters_cut_off_are_no_reason_to_stop(information: str) -> None:
    tree = dissect(frame(bytes.fromhex(information), 0x73) + frame(COMMAND + GET))
    assert found(tree) == [GET]


# --- check sums and noise -------------------------------------------------------------------------------------------


def test_a_wrong_check_sum_is_told_and_the_content_shown() -> None:
    octets = bytearray(frame(COMMAND + GET))
    octets[-2] ^= 1
    tree = dissect(bytes(octets))
    node = tree.find("FCS")
    assert node is not None
    assert node.error.startswith("check sum is ")
    assert found(tree) == [GET]


def test_a_wrong_header_check_is_told() -> None:
    octets = bytearray(frame(COMMAND + GET))
    octets[7] ^= 1
    node = dissect(bytes(octets)).find("HCS")
    assert node is not None
    assert "wrong" in node.value
    assert node.error


def test_a_wrong_sum_of_m_bus_is_told() -> None:
    octets = bytearray(mbus(GET, 0x10))
    octets[-2] ^= 1
    assert any("check sum" in error for error in errors(dissect(bytes(octets))))


@pytest.mark.parametrize("flag", [b"", b"\x7e"], ids=["shared flag", "two flags"])
def test_frames_may_share_a_flag(flag: bytes) -> None:
    one = frame(COMMAND + GET)
    tree = dissect(one[: -1 if not flag else None] + one)
    assert found(tree) == [GET, GET]
    assert tree.errors == []


def test_octets_between_frames_are_told_and_passed_over() -> None:
    tree = dissect(frame(COMMAND + GET) + b"\x01\x02\x03" + frame(COMMAND + GET))
    assert found(tree) == [GET, GET]
    assert errors(tree) == ["octets that belong to no frame"]


def test_a_frame_cut_off_is_told() -> None:
    tree = dissect(frame(COMMAND + GET)[:12])
    assert any("are there" in error for error in errors(tree))


@pytest.mark.parametrize("octets", ["7ea0", "7ea007", "7ea0030000", "7ea00a00000000000010", "7e7e7e", "7ea8"])
def test_what_only_begins_as_a_frame_is_told(octets: str) -> None:
    assert errors(dissect(bytes.fromhex(octets)))


# --- segments -------------------------------------------------------------------------------------------------------


def test_segments_are_joined() -> None:
    message = COMMAND + GET
    tree = dissect(
        frame(message[:5], 0x00, segmented=True) + frame(message[5:9], 0x02, segmented=True) + frame(message[9:], 0x14)
    )
    assert found(tree) == [GET]
    joined = tree.find("message")
    assert joined is not None
    assert joined.value == "16 octets of 3 frames"
    assert joined.octets == message


def test_segments_are_joined_over_several_calls() -> None:
    dissector = Dissector()
    message = COMMAND + GET
    first = dissector.dissect(frame(message[:5], 0x00, segmented=True))
    assert found(first) == []
    assert first.errors == []
    assert found(dissector.dissect(frame(message[5:], 0x12))) == [GET]


def test_a_repeated_segment_counts_once() -> None:
    message = COMMAND + GET
    one = frame(message[:5], 0x00, segmented=True)
    tree = dissect(one + one + frame(message[5:], 0x12))
    assert found(tree) == [GET]
    assert any("repeated" in node.value for node in tree.walk())


def test_a_message_whose_end_was_lost_is_dropped_and_told() -> None:
    tree = dissect(frame(COMMAND + GET[:4], 0x00, segmented=True) + frame(COMMAND + GET, 0x12))
    assert found(tree) == [GET]
    assert any("those are dropped" in error for error in errors(tree))


def test_segments_of_m_bus_are_joined() -> None:
    tree = dissect(mbus(GET[:6], 0x00) + mbus(GET[6:], 0x11))
    assert found(tree) == [GET]


def test_directions_are_kept_apart() -> None:
    other = HdlcFrame(CLIENT, SERVER, 0x00, RESPONSE + b"\xc4", True).to_bytes()
    tree = dissect(frame((COMMAND + GET)[:5], 0x00, segmented=True) + other + frame((COMMAND + GET)[5:], 0x12))
    assert found(tree) == [GET]
    assert tree.errors == []


def test_octets_after_m_bus_frames_are_told() -> None:
    assert errors(dissect(mbus(GET, 0x10) + b"\x01")) == ["octets that belong to no frame"]


# --- blocks ---------------------------------------------------------------------------------------------------------


def block(number: int, octets: bytes, *, last: bool = False) -> bytes:
    return GeneralBlock(last, True, 0, number, 0, octets).to_bytes()


def test_general_blocks_are_joined() -> None:
    tree = dissect(block(1, GET[:5]) + block(2, GET[5:], last=True))
    assert found(tree) == [GET]
    assert tree.errors == []


def test_a_lost_general_block_is_told_and_its_message_dropped() -> None:
    tree = dissect(block(1, GET[:5]) + block(3, GET[5:], last=True) + block(1, GET, last=True))
    assert found(tree) == [GET]
    assert any("dropped" in error for error in errors(tree))


def get_block(number: int, octets: bytes, *, last: bool = False) -> bytes:
    head = bytes((0xC4, 2, 0xC1, last)) + number.to_bytes(4, "big") + b"\x00"
    return head + bytes((len(octets),)) + octets


VALUE = bytes.fromhex("02031105 1106 1107".replace(" ", ""))


def test_blocks_of_a_long_value_are_joined_to_the_value() -> None:
    dissector = Dissector()
    assert dissector.dissect(get_block(1, VALUE[:3])).find("joined") is None
    joined = dissector.dissect(get_block(2, VALUE[3:], last=True)).find("joined")
    assert joined is not None
    assert (joined.octets, joined.children[0].name) == (VALUE, "structure")


def test_a_block_that_comes_again_counts_once() -> None:
    dissector = Dissector()
    for octets in (get_block(1, VALUE[:3]), get_block(1, VALUE[:3])):
        dissector.dissect(octets)
    joined = dissector.dissect(get_block(2, VALUE[3:], last=True)).find("joined")
    assert joined is not None
    assert joined.octets == VALUE


def test_a_missing_block_is_told() -> None:
    dissector = Dissector()
    dissector.dissect(get_block(1, VALUE[:3]))
    tree = dissector.dissect(get_block(3, VALUE[3:], last=True))
    assert errors(tree) == ["block 3 follows block 1: the value cannot be joined"]


def test_a_block_out_of_an_unknown_transfer_is_no_error() -> None:
    assert dissect(get_block(7, VALUE, last=True)).errors == []


@pytest.mark.parametrize(
    ("joined", "names"),
    [
        (bytes.fromhex("02 00 1105 01 04".replace(" ", "")), ["list"]),
        (bytes.fromhex("110511"), ["not understood"]),
    ],
    ids=["list of results", "neither"],
)
def test_what_blocks_are_together_may_be_a_list(joined: bytes, names: list[str]) -> None:
    node = dissect(get_block(1, joined, last=True)).find("joined")
    assert node is not None
    assert node.children[-1].name in (*names, "not understood")


def test_blocks_of_a_request_are_joined() -> None:
    dissector = Dissector()
    first = bytes.fromhex("c102c1 00080000010000ff02 00 00 00000001 02 1105".replace(" ", ""))
    dissector.dissect(first[:-2] + b"\x11\x05")
    tree = dissector.dissect(bytes.fromhex("c103c1 01 00000002 01 aa".replace(" ", "")))
    assert tree.find("joined") is not None


# --- recognition ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        ("01000000065f1f0400007e1f04b0", "initiate-request"),
        ("010211051106", "array"),
        ("0800065f1f0400001e1d04c80007", "initiate-response"),
        ("0501020078", "read-request"),
        ("0500000001", "double-long"),
        ("0600000001", "double-long-unsigned"),
        ("0c0100 1105".replace(" ", ""), "read-response"),
        ("0c03414243", "utf8-string"),
        ("0f01", "integer"),
        ("0f00000001001105", "data-notification"),
        ("10ffff", "long"),
        ("1605", "enum"),
        ("16010200780 11105".replace(" ", ""), "unconfirmed-write-request"),
        ("180000000000000000", "float64"),
    ],
)
def test_apdu_and_data_of_the_same_first_octet_are_told_apart(octets: str, name: str) -> None:
    tree = dissect(bytes.fromhex(octets))
    assert [child.name for child in tree.children] == [name]
    assert tree.errors == []


def test_no_octets_are_an_error() -> None:
    assert errors(dissect(b"")) == ["no octets"]


def test_a_direction_given_from_outside_keeps_bare_blocks_apart() -> None:
    dissector = Dissector()
    dissector.dissect(block(1, GET[:5]), direction="a")
    dissector.dissect(block(1, b"\xc0\x02", last=False), direction="b")
    assert found(dissector.dissect(block(2, GET[5:], last=True), direction="a")) == [GET]


def test_a_dissector_without_keys_is_one_with_an_empty_ring() -> None:
    assert found(Dissector(KeyRing()).dissect(GET)) == found(Dissector().dissect(GET))


def test_a_node_finds_what_is_below_it() -> None:
    tree = dissect(GET)
    assert tree.find("nothing") is None
    found_first = tree.find("nothing", "class-id")
    assert found_first is not None
    assert found_first.value == "Clock (8)"
    assert tree.first_error is None


def test_segments_that_all_have_the_same_number_are_joined() -> None:
    message = COMMAND + GET
    parts = [
        frame(message[:5], 0x00, segmented=True),
        frame(message[5:9], 0x00, segmented=True),
        frame(message[9:], 0x00),
    ]
    assert found(dissect(b"".join(parts))) == [GET]


def test_the_text_of_a_customer_port_is_shown_line_by_line() -> None:
    text = b"/ISK5\r\n\r\n1-0:1.8.0(000123*kWh)\r\n!ABCD\r\n"
    tree = dissect(COMMAND + text)
    assert tree.errors == []
    assert [node.value for node in tree.walk() if node.name == "line"] == ["/ISK5", "1-0:1.8.0(000123*kWh)", "!ABCD"]


def test_noise_that_looks_like_frames_ends_when_the_tree_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterworks.protocols.dlms.dissect.node.NODES_MAX", 100)
    tree = dissect(b"\x7e\xa0" * 5000)
    assert len(list(tree.walk())) < 110
    assert any("more than 100 parts" in error for error in errors(tree))
