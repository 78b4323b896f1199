"""Client and server together with short names: READ, WRITE, methods, blocks, the object list, and what is refused."""

import pytest
from tests.integration.dlms.example_device import CLOCK, ECHO, ENERGY, NOTE, PROFILE
from tests.unit.protocols.dlms.named_device import (
    CIPHERED,
    CLOCK_NAME,
    ECHO_NAME,
    ENERGY_NAME,
    LONG_NAME,
    NAMES,
    NOTE_NAME,
    OBJECT_LIST_NAME,
    PLAIN,
    PROFILE_NAME,
    Pair,
    pair,
)

from meterworks.errors import UsageError
from meterworks.protocols.dlms import (
    CLIENT_CONFORMANCE,
    SHORT_NAME_CONFORMANCE,
    Associate,
    AssociationOpened,
    AssociationRejected,
    AssociationSettings,
    AttributeAddress,
    BlockTransferred,
    ClientSettings,
    ClientState,
    Command,
    Conformance,
    DataAccessResult,
    EntrySelection,
    MethodAddress,
    NamedObject,
    ObisCode,
    Parameterised,
    Read,
    ReadRequest,
    ReadResponse,
    Release,
    ServiceErrorReceived,
    SetListFinished,
    ShortNameMap,
    UnconfirmedWrite,
    UnconfirmedWriteRequest,
    ValuesReceived,
    Variable,
    Write,
    WriteRequest,
    WriteResponse,
    encode_octet_string,
    encode_visible_string,
    encode_wrapper,
)
from meterworks.protocols.dlms.short_name import BlockAsked, BlockTaken, ReadBlock, ReadBlockResult, WriteBlock
from meterworks.protocols.errors import DecodeError, StateError, UnlawfulMessage

SUCCESS = DataAccessResult.SUCCESS
LONG_TEXT = encode_visible_string("name " * 300)
ENERGY_VALUE = bytes.fromhex("060012d687")


def opened(
    client_sap: int = PLAIN, *, max_pdu: int = 0xFFFF, without: Conformance | int = 0, general: bool = False
) -> Pair:
    conformance = SHORT_NAME_CONFORMANCE & ~Conformance(without)
    if general:
        conformance |= Conformance.GENERAL_BLOCK_TRANSFER
    ends = pair(client_sap, conformance, short_names=True, max_pdu=max_pdu)
    (agreed,) = ends.do(Associate())
    assert isinstance(agreed, AssociationOpened)
    return ends


def ask(ends: Pair, request: bytes) -> bytes:
    return ends.server.receive(encode_wrapper(PLAIN, 1, request))[8:]


@pytest.mark.parametrize("client_sap", [PLAIN, CIPHERED])
@pytest.mark.parametrize("max_pdu", [128, 65535])
@pytest.mark.parametrize("general", [False, True], ids=["service blocks", "general blocks"])
def test_variables_are_read_and_written(client_sap: int, max_pdu: int, general: bool) -> None:
    ends = opened(client_sap, max_pdu=max_pdu, general=general)
    assert ends.do(Read((Variable(ENERGY_NAME),))) == [ValuesReceived((ENERGY_VALUE,))]
    long_value = encode_octet_string(bytes(900))
    written = ends.do(Write(((Variable(NOTE_NAME), LONG_TEXT), (Variable(LONG_NAME), long_value))))
    assert written[-1] == SetListFinished((SUCCESS, SUCCESS))
    assert ends.device.values[NOTE] == LONG_TEXT
    several = Read((Variable(NOTE_NAME), Variable(ENERGY_NAME), Variable(LONG_NAME)))
    assert ends.do(several)[-1] == ValuesReceived((LONG_TEXT, ENERGY_VALUE, long_value))
    assert (ends.turns > 20) == (max_pdu == 128 and not general)
    assert ends.do(Release())
    assert ends.device.events == []


def test_method_is_invoked_by_writing_and_by_reading_with_parameters() -> None:
    ends = opened(max_pdu=128)
    method = ECHO_NAME
    assert ends.do(Write(((Variable(method), b"\x11\x05"),))) == [SetListFinished((SUCCESS,))]
    assert ends.do(Read((Parameterised(method, 0, LONG_TEXT),)))[-1] == ValuesReceived((LONG_TEXT,))
    assert ends.device.invoked == [(ECHO, b"\x11\x05"), (ECHO, LONG_TEXT)]


def test_profile_is_read_by_selection() -> None:
    ends = opened()
    selection = EntrySelection(from_entry=3, to_entry=3).to_bytes()
    (got,) = ends.do(Read((Parameterised(PROFILE_NAME, selection[0], selection[1:]),)))
    assert isinstance(got, ValuesReceived)
    assert got.results == (ends.device.get(PLAIN, PROFILE, selection),)


def test_unconfirmed_write_is_carried_out_and_not_answered() -> None:
    ends = opened(CIPHERED)
    assert ends.do(UnconfirmedWrite(((Variable(NOTE_NAME), b"\x0a\x01u"),))) == []
    assert ends.client.state is ClientState.READY
    assert ends.device.values[NOTE] == b"\x0a\x01u"


def test_client_finds_names_in_the_object_list() -> None:
    ends = opened(max_pdu=128)
    (*_, got) = ends.do(Read((Variable(OBJECT_LIST_NAME),)))
    assert OBJECT_LIST_NAME == 0xFA08
    assert isinstance(got, ValuesReceived)
    assert isinstance(got.results[0], bytes)
    names = ShortNameMap.from_bytes(got.results[0])
    assert names.objects == NAMES.objects
    assert (names.name_of(CLOCK), names.name_of(ECHO)) == (CLOCK_NAME, ECHO_NAME)


@pytest.mark.parametrize("name", [0x0101, 0x00F8, 0x0008, 0x0208 + 0x28, 0x0410, 0xFFF8])
def test_name_of_nothing_is_undefined(name: int) -> None:
    ends = opened()
    undefined = DataAccessResult.OBJECT_UNDEFINED
    assert ends.do(Read((Variable(name), Variable(ENERGY_NAME)))) == [ValuesReceived((undefined, ENERGY_VALUE))]
    assert ends.do(Write(((Variable(name), b"\x00"),))) == [SetListFinished((undefined,))]


def test_long_request_to_read_goes_in_blocks() -> None:
    ends = opened(max_pdu=128)
    events = ends.do(Read((Variable(ENERGY_NAME),) * 100))
    assert events[-1] == ValuesReceived((ENERGY_VALUE,) * 100)
    assert any(isinstance(event, BlockTransferred) for event in events)


# --- what was not negotiated, and what makes no sense -----

WITHOUT: dict[str, tuple[Conformance, Command]] = {
    "read": (Conformance.READ, Read((Variable(8),))),
    "write": (Conformance.WRITE, Write(((Variable(8), b"\x00"),))),
    "unconfirmed write": (Conformance.UNCONFIRMED_WRITE, UnconfirmedWrite(((Variable(8), b"\x00"),))),
    "several": (Conformance.MULTIPLE_REFERENCES, Read((Variable(8), Variable(16)))),
    "several written": (Conformance.MULTIPLE_REFERENCES, Write(((Variable(8), b"\x00"), (Variable(16), b"\x00")))),
    "parameters": (Conformance.PARAMETERISED_ACCESS, Read((Parameterised(8, 1, b"\x00"),))),
    "blocks to read": (Conformance.BLOCK_TRANSFER_WITH_GET, Read((Parameterised(8, 1, LONG_TEXT),))),
    "blocks to write": (Conformance.BLOCK_TRANSFER_WITH_SET, Write(((Variable(8), LONG_TEXT),))),
    "blocks unconfirmed": (Conformance(0), UnconfirmedWrite(((Variable(8), LONG_TEXT),))),
}


@pytest.mark.parametrize(("missing", "command"), WITHOUT.values(), ids=WITHOUT)
def test_client_does_not_ask_for_what_was_not_negotiated(missing: Conformance, command: Command) -> None:
    ends = opened(max_pdu=128, without=missing)
    with pytest.raises(StateError):
        ends.client.send(command)
    assert ends.client.state is ClientState.READY


REFUSED: dict[str, tuple[Conformance, bytes, str]] = {
    "read": (Conformance.READ, ReadRequest((Variable(ENERGY_NAME),)).to_bytes(), "0e050302"),
    "write": (Conformance.WRITE, WriteRequest((Variable(NOTE_NAME),), (b"\x00",)).to_bytes(), "0e060302"),
    "unconfirmed": (
        Conformance.UNCONFIRMED_WRITE,
        UnconfirmedWriteRequest((Variable(NOTE_NAME),), (b"\x00",)).to_bytes(),
        "",
    ),
    "several": (Conformance.MULTIPLE_REFERENCES, ReadRequest((Variable(8), Variable(8))).to_bytes(), "0e050302"),
    "several written": (
        Conformance.MULTIPLE_REFERENCES,
        WriteRequest((Variable(NOTE_NAME),) * 2, (b"\x00",) * 2).to_bytes(),
        "0e060302",
    ),
    "several unconfirmed": (
        Conformance.MULTIPLE_REFERENCES,
        UnconfirmedWriteRequest((Variable(NOTE_NAME),) * 2, (b"\x00",) * 2).to_bytes(),
        "",
    ),
    "parameters": (
        Conformance.PARAMETERISED_ACCESS,
        ReadRequest((Parameterised(PROFILE_NAME, 2, b"\x00"),)).to_bytes(),
        "0c01010d",
    ),
    "blocks to read": (
        Conformance.BLOCK_TRANSFER_WITH_GET,
        ReadRequest((ReadBlock(False, 1, b"\x01"),)).to_bytes(),
        "0c01010d",
    ),
    "blocks to write": (
        Conformance.BLOCK_TRANSFER_WITH_SET,
        WriteRequest((WriteBlock(False, 1),), (b"\x09\x01\x01",)).to_bytes(),
        "0d01010d",
    ),
    "answer too long": (
        Conformance.BLOCK_TRANSFER_WITH_GET,
        ReadRequest((Variable(LONG_NAME),)).to_bytes(),
        "0e050301",
    ),
    "logical names": (Conformance(0), bytes.fromhex("c001c100080000010000ff0200"), "0e050302"),
    "writing by selection": (
        Conformance(0),
        WriteRequest((Parameterised(PROFILE_NAME, 2, b"\x00"),), (b"\x00",)).to_bytes(),
        "0d010103",
    ),
    "a block among variables": (
        Conformance(0),
        ReadRequest((Variable(ENERGY_NAME), BlockAsked(1))).to_bytes(),
        "0c0200060012d68701fa",
    ),
    "block that is no octet-string": (
        Conformance(0),
        WriteRequest((WriteBlock(False, 1),), (b"\x11\x01",)).to_bytes(),
        "d80203",
    ),
    "malformed": (Conformance(0), b"\x05\x01\x02\x00", "d80203"),
}


@pytest.mark.parametrize(("missing", "request_", "answer"), REFUSED.values(), ids=REFUSED)
def test_server_refuses(missing: Conformance, request_: bytes, answer: str) -> None:
    ends = opened(max_pdu=128, without=missing)
    assert ask(ends, request_).hex() == answer
    assert NOTE not in ends.device.written


def test_block_numbers_out_of_order_end_the_transfer() -> None:
    ends = opened(max_pdu=128)
    invalid, none = DataAccessResult.DATA_BLOCK_NUMBER_INVALID, DataAccessResult.NO_LONG_TRANSFER_IN_PROGRESS
    first = ReadResponse.from_bytes(ask(ends, ReadRequest((Variable(LONG_NAME),)).to_bytes())).results[0]
    assert isinstance(first, ReadBlockResult)
    assert (first.last, first.number, len(first.octets)) == (False, 1, 119)
    asked = [ask(ends, ReadRequest((BlockAsked(number),)).to_bytes()) for number in (1, 7, 2)]
    assert ReadResponse.from_bytes(asked[1]) == ReadResponse((invalid,))
    assert ReadResponse.from_bytes(asked[2]) == ReadResponse((none,))
    ask(ends, WriteRequest((WriteBlock(False, 1),), (b"\x09\x01\x01",)).to_bytes())
    answer = ask(ends, WriteRequest((WriteBlock(True, 3),), (b"\x09\x01\x01",)).to_bytes())
    assert WriteResponse.from_bytes(answer) == WriteResponse((invalid,))


ANSWERS: dict[str, tuple[Command, bytes]] = {
    "too many results": (Read((Variable(8),)), ReadResponse((b"\x00", b"\x00")).to_bytes()),
    "block out of order": (Read((Variable(8),)), ReadResponse((ReadBlockResult(False, 2, b"\x00"),)).to_bytes()),
    "block taken that was not sent": (Read((Variable(8),)), ReadResponse((BlockTaken(1),)).to_bytes()),
    "written block taken": (Write(((Variable(8), b"\x00"),)), WriteResponse((BlockTaken(1),)).to_bytes()),
    "too many written": (Write(((Variable(8), b"\x00"),)), WriteResponse((SUCCESS, SUCCESS)).to_bytes()),
    "another service": (Read((Variable(8),)), WriteResponse((SUCCESS,)).to_bytes()),
}


@pytest.mark.parametrize(("command", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_unlawful_answer_breaks_the_client(command: Command, answer: bytes) -> None:
    ends = opened()
    ends.client.send(command)
    with pytest.raises(UnlawfulMessage):
        ends.client.receive(encode_wrapper(1, PLAIN, answer))
    assert ends.client.state is ClientState.BROKEN


def test_service_error_is_told_and_the_next_request_goes_on() -> None:
    ends = opened()
    ends.client.send(Read((Variable(8),)))
    events = ends.client.receive(encode_wrapper(1, PLAIN, bytes.fromhex("0e050301")))
    assert events == [ServiceErrorReceived(5, 3, 1)]
    assert ends.do(Read((Variable(ENERGY_NAME),))) == [ValuesReceived((ENERGY_VALUE,))]


def test_one_error_stands_for_all_that_was_asked() -> None:
    ends = opened()
    ends.client.send(Read((Variable(8), Variable(16))))
    denied = DataAccessResult.READ_WRITE_DENIED
    events = ends.client.receive(encode_wrapper(1, PLAIN, ReadResponse((denied,)).to_bytes()))
    assert events == [ValuesReceived((denied, denied))]


def test_short_names_bring_their_services_along() -> None:
    for settings in (ClientSettings(short_names=True), AssociationSettings(short_names=True)):
        assert settings.conformance == SHORT_NAME_CONFORMANCE
    named = ClientSettings(short_names=True, conformance=Conformance.READ)
    assert named.conformance == Conformance.READ
    assert ClientSettings().conformance == CLIENT_CONFORMANCE


def test_client_with_logical_names_is_not_let_in() -> None:
    ends = pair(PLAIN, SHORT_NAME_CONFORMANCE, short_names=True)
    other = pair(PLAIN, SHORT_NAME_CONFORMANCE | Conformance.GET)
    answer = ends.server.receive(other.client.send(Associate()))
    (rejected,) = other.client.receive(answer)
    assert isinstance(rejected, AssociationRejected)
    assert rejected.diagnostic == 2


# --- names ----------------------------------------------------------------------------------------------------------

GAS = ObisCode("0.1.24.1.0.255")


def test_names_of_attributes_and_methods() -> None:
    names = ShortNameMap([NamedObject(0x1000, 72, 1, GAS), NamedObject(0x2000, 1, 0, GAS)])
    assert names.name_of(AttributeAddress(72, GAS, 1)) == 0x1000
    assert names.name_of(AttributeAddress(72, GAS, 9)) == 0x1040
    assert names.name_of(MethodAddress(72, GAS, 2)) == 0x1068
    assert names.attribute_of(0x1040) == AttributeAddress(72, GAS, 9)
    assert names.method_of(0x1068) == MethodAddress(72, GAS, 2)
    assert names.attribute_of(0x1068) is None
    assert names.method_of(0x1040) is None
    assert names.attribute_of(0x0FF8) is None
    assert names.attribute_of(0x2000 + 8 * 126) == AttributeAddress(1, GAS, 127)
    assert names.attribute_of(0x2000 + 8 * 127) is None  # found by fuzzing: no attribute has such a number
    assert names.attribute_of(0x1041) is None


@pytest.mark.parametrize("address", [MethodAddress(1, GAS, 1), MethodAddress(72, GAS, 9), AttributeAddress(3, GAS, 2)])
def test_what_has_no_name_is_said(address: AttributeAddress | MethodAddress) -> None:
    names = ShortNameMap([NamedObject(0x1000, 72, 1, GAS), NamedObject(0x2000, 1, 0, GAS)])
    with pytest.raises(UsageError):
        names.name_of(address)


@pytest.mark.parametrize("bases", [(8, 8), (9,), (-8,), (0x1_0000,)])
def test_unlawful_base_names_are_refused(bases: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        ShortNameMap([NamedObject(base, 1, 0, GAS) for base in bases])


def test_base_name_is_signed_on_the_wire_and_read_either_way() -> None:
    entry = NamedObject(0xFA00, 12, 4, ObisCode("0.0.40.0.0.255"))
    assert entry.to_bytes().hex() == "020410fa0012000c110409060000280000ff"
    for wire in ("020410fa0012000c110409060000280000ff", "020412fa0012000c110409060000280000ff"):
        assert ShortNameMap.from_bytes(b"\x01\x01" + bytes.fromhex(wire)).objects == (entry,)


@pytest.mark.parametrize("wire", ["1101", "01010201", "0101020410fa0012000c110409050000280000", "0100ff"])
def test_malformed_object_list_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        ShortNameMap.from_bytes(bytes.fromhex(wire))
    twice = b"\x01\x02" + NamedObject(8, 1, 0, GAS).to_bytes() * 2
    with pytest.raises(DecodeError):
        ShortNameMap.from_bytes(twice)


def test_energy_of_the_example_has_its_name() -> None:
    assert NAMES.attribute_of(ENERGY_NAME) == ENERGY
