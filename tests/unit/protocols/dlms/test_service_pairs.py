"""Client and server together: ACCESS, general blocks, and what was not negotiated, plain and ciphered."""

import pytest
from tests.integration.dlms.example_device import CLOCK, ECHO, ENERGY, LONG_VALUE, NAME, NOTE, PROFILE
from tests.unit.protocols.dlms.named_device import CIPHERED, PLAIN, Pair, pair

from meterworks.protocols.dlms import (
    FULL_CONFORMANCE,
    METER_CONFORMANCE,
    Access,
    AccessAction,
    AccessFinished,
    AccessGet,
    AccessKind,
    AccessOutcome,
    AccessRequest,
    AccessResponse,
    AccessSet,
    AccessSpecification,
    Action,
    ActionFinished,
    ActionList,
    ActionListFinished,
    ActionOutcome,
    Associate,
    AssociationOpened,
    AttributeAddress,
    ClientState,
    Command,
    Conformance,
    DataAccessResult,
    DataNotification,
    EntrySelection,
    ExceptionReceived,
    ExceptionResponse,
    GeneralBlock,
    Get,
    GetList,
    InformationReport,
    LongInvoke,
    NotificationReceived,
    Release,
    Set,
    SetFinished,
    SetList,
    SetListFinished,
    ValueReceived,
    ValuesReceived,
    Variable,
    cut_stream,
    decode_apdu,
    encode_octet_string,
    encode_visible_string,
    encode_wrapper,
)
from meterworks.protocols.dlms.action import ActionBlock, ActionFirstBlock, ActionResponse, ActionWithList
from meterworks.protocols.dlms.block import DataBlock
from meterworks.protocols.dlms.get import GetNext, GetRequest, GetResponse, GetResponseBlock, GetWithList
from meterworks.protocols.dlms.get import GetWithListResponse as ListResponse
from meterworks.protocols.dlms.server_association import PDU_SLACK
from meterworks.protocols.dlms.set import (
    SetBlock,
    SetFirstBlock,
    SetRequest,
    SetResponse,
    SetResponseLastBlock,
    SetWithList,
)
from meterworks.protocols.errors import StateError, UnlawfulMessage

SUCCESS = DataAccessResult.SUCCESS
OTHER = DataAccessResult.OTHER_REASON
LONG_TEXT = encode_visible_string("long " * 500)
BLOCKS = (
    Conformance.BLOCK_TRANSFER_WITH_GET | Conformance.BLOCK_TRANSFER_WITH_SET | Conformance.BLOCK_TRANSFER_WITH_ACTION
)


def opened(client_sap: int, conformance: Conformance, *, max_pdu: int = 0xFFFF, block_window: int = 16) -> Pair:
    ends = pair(client_sap, conformance, max_pdu=max_pdu, block_window=block_window)
    assert isinstance(ends.do(Associate())[-1], AssociationOpened)
    return ends


def ask(ends: Pair, request: bytes) -> bytes:
    """Give the server's plain answer to a plain request."""
    sap = ends.client.association.settings.client_sap
    return ends.server.receive(encode_wrapper(sap, 1, request))[8:]


# --- ACCESS ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_sap", [PLAIN, CIPHERED])
@pytest.mark.parametrize("self_descriptive", [False, True])
def test_access_does_all_of_it_in_order(client_sap: int, self_descriptive: bool) -> None:
    ends = opened(client_sap, FULL_CONFORMANCE)
    items = (
        AccessGet(ENERGY),
        AccessSet(NOTE, b"\x0a\x02hi"),
        AccessGet(NOTE),
        AccessAction(ECHO, b"\x11\x07"),
        AccessGet(PROFILE, EntrySelection(from_entry=2, to_entry=2)),
        AccessSet(CLOCK, b"\x00", b"\x01\x00"),
        AccessGet(AttributeAddress(1, NAME.obis_code, 9)),
    )
    (finished,) = ends.do(Access(items, self_descriptive=self_descriptive))
    assert isinstance(finished, AccessFinished)
    row = finished.outcomes[4].value
    assert finished.outcomes == (
        AccessOutcome(SUCCESS, bytes.fromhex("060012d687")),
        AccessOutcome(SUCCESS, b"\x00"),
        AccessOutcome(SUCCESS, b"\x0a\x02hi"),
        AccessOutcome(SUCCESS, b"\x11\x07"),
        AccessOutcome(SUCCESS, row),
        AccessOutcome(DataAccessResult.READ_WRITE_DENIED, b"\x00"),
        AccessOutcome(DataAccessResult.OBJECT_UNDEFINED, b"\x00"),
    )
    assert row[:1] == b"\x01"


def test_access_stops_at_the_first_failure_where_it_should() -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE)
    items = (AccessSet(NOTE, b"\x0a\x01a"), AccessSet(PROFILE, b"\x00"), AccessSet(NOTE, b"\x0a\x01b"))
    (finished,) = ends.do(Access(items, break_on_error=True))
    assert isinstance(finished, AccessFinished)
    assert [int(outcome.result) for outcome in finished.outcomes] == [0, 4, 250]
    assert ends.device.values[NOTE] == b"\x0a\x01a"
    (finished,) = ends.do(Access(items))
    assert isinstance(finished, AccessFinished)
    assert [int(outcome.result) for outcome in finished.outcomes] == [0, 4, 0]


def test_unconfirmed_services_are_carried_out_and_not_answered() -> None:
    ends = opened(CIPHERED, FULL_CONFORMANCE)
    commands: tuple[Command, ...] = (
        Access((AccessSet(NOTE, b"\x0a\x010"),), confirmed=False),
        Set(NOTE, b"\x0a\x011", confirmed=False),
        Action(ECHO, b"\x11\x01", confirmed=False),
    )
    for number, command in enumerate(commands):
        assert ends.do(command) == []
        assert ends.client.state is ClientState.READY
        assert number > 1 or ends.device.values[NOTE] == b"\x0a\x01%d" % number
    assert ends.device.invoked == [(ECHO, b"\x11\x01")]


def test_access_that_fits_into_no_answer_is_refused_as_too_long() -> None:
    ends = opened(PLAIN, METER_CONFORMANCE, max_pdu=512)
    assert ends.do(Access((AccessGet(LONG_VALUE),))) == [ExceptionReceived(1, 4, None)]
    with pytest.raises(StateError):
        ends.client.send(Access((AccessSet(NOTE, LONG_TEXT),)))
    assert ends.client.state is ClientState.READY


@pytest.mark.parametrize(
    "changes",
    [
        {"long_invoke": 0xC0000009},
        {"values": (b"\x00", b"\x00"), "results": ((1, SUCCESS), (1, SUCCESS))},
        {"specifications": (AccessSpecification(AccessKind.GET, ENERGY),)},
    ],
    ids=["another id", "too many results", "another request described"],
)
def test_access_response_to_another_request_is_unlawful(changes: dict[str, object]) -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE)
    sent = AccessRequest.from_bytes(ends.client.send(Access((AccessGet(CLOCK),)))[8:])
    facts = {"long_invoke": sent.long_invoke, "values": (b"\x00",), "results": ((1, SUCCESS),), **changes}
    answer = AccessResponse(**facts).to_bytes()  # type: ignore[arg-type]  # members by name
    with pytest.raises(UnlawfulMessage):
        ends.client.receive(encode_wrapper(1, PLAIN, answer))


def test_long_invoke_ids_differ_and_carry_what_was_asked() -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE)
    ids = []
    for _ in range(3):
        request = AccessRequest.from_bytes(ends.client.send(Access((), break_on_error=True, self_descriptive=True))[8:])
        assert request.long_invoke & (LongInvoke.BREAK_ON_ERROR | LongInvoke.SELF_DESCRIPTIVE) == 0x3000_0000
        ids.append(request.long_invoke & LongInvoke.ID_MASK)
        ends.client.receive(ends.server.receive(encode_wrapper(PLAIN, 1, request.to_bytes())))
    assert len(set(ids)) == 3


# --- general blocks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_sap", [PLAIN, CIPHERED])
@pytest.mark.parametrize(("max_pdu", "window"), [(128, 1), (128, 7), (1024, 63), (65535, 16)])
def test_long_requests_and_answers_go_in_general_blocks(client_sap: int, max_pdu: int, window: int) -> None:
    ends = opened(client_sap, FULL_CONFORMANCE, max_pdu=max_pdu, block_window=window)
    ends.device.values[LONG_VALUE] = long_value = encode_octet_string(bytes(range(256)) * 16)
    assert ends.do(Get(LONG_VALUE)) == [ValueReceived(long_value)]
    assert ends.do(Set(NOTE, LONG_TEXT)) == [SetFinished(SUCCESS)]
    assert ends.device.values[NOTE] == LONG_TEXT
    assert ends.do(Action(ECHO, LONG_TEXT)) == [ActionFinished(ActionOutcome(SUCCESS, LONG_TEXT))]
    assert ends.do(GetList(((NOTE, None), (LONG_VALUE, None)))) == [ValuesReceived((LONG_TEXT, long_value))]
    assert ends.do(SetList(((NOTE, LONG_TEXT), (LONG_VALUE, LONG_TEXT)))) == [SetListFinished((SUCCESS, SUCCESS))]
    twice = ActionListFinished((ActionOutcome(SUCCESS, LONG_TEXT), ActionOutcome(SUCCESS, b"\x11\x01")))
    assert ends.do(ActionList(((ECHO, LONG_TEXT), (ECHO, b"\x11\x01")))) == [twice]
    (finished,) = ends.do(Access((AccessSet(NOTE, LONG_TEXT), AccessGet(LONG_VALUE))))
    assert isinstance(finished, AccessFinished)
    assert finished.outcomes[1] == AccessOutcome(SUCCESS, LONG_TEXT)
    assert ends.do(Release())


def frames(data: bytes) -> list[bytes]:
    """Give the APDUs in wrapper frames."""
    found = []
    while data:
        size = int.from_bytes(data[6:8], "big")
        found.append(data[8 : 8 + size])
        data = data[8 + size :]
    return found


def test_no_frame_is_larger_than_the_other_end_takes() -> None:
    ends = opened(CIPHERED, FULL_CONFORMANCE, max_pdu=200)
    data = ends.client.send(Set(NOTE, LONG_TEXT))
    while data:
        assert max(map(len, frames(data))) <= 200
        answer = ends.server.receive(data)
        assert max(map(len, frames(answer))) <= 200
        ends.client.receive(answer)
        data = ends.client.data_to_send()
    assert ends.device.values[NOTE] == LONG_TEXT


def test_lost_block_of_an_answer_is_sent_again() -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE, max_pdu=128, block_window=5)
    ends.client.receive(ends.server.receive(ends.client.send(Get(LONG_VALUE))))
    window = frames(ends.server.receive(ends.client.data_to_send()))
    assert len(window) == 5
    for apdu in (window[0], window[1], window[3], window[4]):
        ends.client.receive(encode_wrapper(1, PLAIN, apdu))
    again = frames(ends.server.receive(ends.client.data_to_send()))
    assert again[0][:4] == window[2][:4]
    assert again[0][6:] == window[2][6:]


def test_server_gives_up_what_makes_no_sense_and_goes_on() -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE, max_pdu=128)
    abort = GeneralBlock(True, False, 16, 0, 0, b"").to_bytes()
    assert ask(ends, bytes.fromhex("e0010001")) == abort
    assert ask(ends, abort) == abort
    assert ends.do(Get(ENERGY)) == [ValueReceived(bytes.fromhex("060012d687"))]


def test_request_in_one_block_is_answered_in_blocks() -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE, max_pdu=128)
    request = GeneralBlock(True, False, 3, 1, 0, GetRequest(0xC1, ENERGY).to_bytes()).to_bytes()
    answer = GeneralBlock.from_bytes(ask(ends, request))
    assert (answer.last, answer.number, answer.acknowledged) == (True, 1, 1)
    assert decode_apdu(answer.octets) == GetResponse(0xC1, bytes.fromhex("060012d687"))


def test_unconfirmed_request_in_blocks_is_acknowledged() -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE, max_pdu=128)
    request = SetRequest(0x81, NOTE, None, b"\x0a\x01x").to_bytes()
    answer = GeneralBlock.from_bytes(ask(ends, GeneralBlock(True, False, 1, 1, 0, request).to_bytes()))
    assert (answer.acknowledged, answer.octets) == (1, b"")
    assert ends.device.values[NOTE] == b"\x0a\x01x"


def test_general_block_without_agreement_breaks_the_client() -> None:
    ends = opened(PLAIN, METER_CONFORMANCE)
    ends.client.send(Get(ENERGY))
    with pytest.raises(UnlawfulMessage):
        ends.client.receive(encode_wrapper(1, PLAIN, GeneralBlock(True, False, 1, 1, 0, b"\xc4").to_bytes()))


def test_general_block_without_agreement_is_refused_by_the_server() -> None:
    ends = opened(PLAIN, METER_CONFORMANCE)
    answer = ask(ends, GeneralBlock(True, False, 1, 1, 0, GetRequest(0xC1, ENERGY).to_bytes()).to_bytes())
    assert ExceptionResponse.from_bytes(answer) == ExceptionResponse(2, 2)


def test_general_block_before_the_proof_is_refused() -> None:
    ends = pair(CIPHERED, FULL_CONFORMANCE)
    ends.server.receive(ends.client.send(Associate()))
    request = encode_wrapper(
        CIPHERED, 1, GeneralBlock(True, False, 1, 1, 0, GetRequest(0xC1, ENERGY).to_bytes()).to_bytes()
    )
    assert ExceptionResponse.from_bytes(ends.server.receive(request)[8:]) == ExceptionResponse(1, 1)


@pytest.mark.parametrize("conformance", [METER_CONFORMANCE, FULL_CONFORMANCE])
def test_push_that_streams_between_blocks_disturbs_nothing(conformance: Conformance) -> None:
    ends = opened(PLAIN, conformance, max_pdu=128)
    ends.device.values[LONG_VALUE] = long_value = encode_octet_string(bytes(1000))
    push = DataNotification(long_invoke=1, date_time=b"", body=LONG_TEXT)
    stream = cut_stream(push.to_bytes(), 128)
    data, events = ends.client.send(Get(LONG_VALUE)), []
    while data:
        events += ends.client.receive(ends.server.receive(data))
        data = ends.client.data_to_send()
        if stream:
            events += ends.client.receive(encode_wrapper(1, PLAIN, stream.pop(0)))
    for apdu in stream:
        events += ends.client.receive(encode_wrapper(1, PLAIN, apdu))
    assert events[-1] == NotificationReceived(push, protected=False)
    assert ValueReceived(long_value) in events


def test_time_out_repeats_the_window_of_the_request() -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE, max_pdu=128)
    first = frames(ends.client.send(Set(NOTE, LONG_TEXT)))
    assert ends.client.association.blocks_timed_out() == first
    with pytest.raises(StateError):
        opened(PLAIN, METER_CONFORMANCE).client.association.blocks_timed_out()


def test_information_report_is_told() -> None:
    ends = opened(PLAIN, METER_CONFORMANCE)
    report = InformationReport(variables=(Variable(8),), values=(b"\x11\x01",))
    events = ends.client.receive(encode_wrapper(1, PLAIN, report.to_bytes()))
    assert events == [NotificationReceived(report, protected=False)]


# --- what was not negotiated -----------------------------------------------------------------------------------------

WITHOUT: dict[str, tuple[Conformance, Command]] = {
    "get": (Conformance.GET, Get(ENERGY)),
    "set": (Conformance.SET, Set(NOTE, b"\x0a\x00")),
    "action": (Conformance.ACTION, Action(ECHO)),
    "access": (Conformance.ACCESS, Access((AccessGet(ENERGY),))),
    "list": (Conformance.MULTIPLE_REFERENCES, GetList(((ENERGY, None),))),
    "list of writes": (Conformance.MULTIPLE_REFERENCES, SetList(((NOTE, b"\x0a\x00"),))),
    "list of methods": (Conformance.MULTIPLE_REFERENCES, ActionList(((ECHO, b"\x00"),))),
    "selection": (Conformance.SELECTIVE_ACCESS, Get(PROFILE, EntrySelection())),
    "selection in a list": (Conformance.SELECTIVE_ACCESS, GetList(((PROFILE, EntrySelection()),))),
    "attribute 0 read": (Conformance.ATTRIBUTE_0_WITH_GET, Get(AttributeAddress(3, ENERGY.obis_code, 0))),
    "attribute 0 written": (Conformance.ATTRIBUTE_0_WITH_SET, Set(AttributeAddress(3, ENERGY.obis_code, 0), b"\x00")),
    "blocks": (BLOCKS | Conformance.GENERAL_BLOCK_TRANSFER, Set(NOTE, LONG_TEXT)),
}


@pytest.mark.parametrize(("missing", "command"), WITHOUT.values(), ids=WITHOUT)
def test_client_does_not_ask_for_what_was_not_negotiated(missing: Conformance, command: Command) -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE & ~missing, max_pdu=512)
    with pytest.raises(StateError):
        ends.client.send(command)
    assert ends.client.state is ClientState.READY


NOT_SUPPORTED = "d80102"
BLOCK = DataBlock(False, 1, b"\x09")
REFUSED: dict[str, tuple[Conformance, bytes, str]] = {
    "get": (Conformance.GET, GetRequest(0xC1, ENERGY).to_bytes(), NOT_SUPPORTED),
    "set": (Conformance.SET, SetRequest(0xC1, NOTE, None, b"\x00").to_bytes(), NOT_SUPPORTED),
    "list": (Conformance.MULTIPLE_REFERENCES, GetWithList(0xC1, ((ENERGY, None),)).to_bytes(), NOT_SUPPORTED),
    "set list": (
        Conformance.MULTIPLE_REFERENCES,
        SetWithList(0xC1, ((NOTE, None),), (b"\x00",)).to_bytes(),
        NOT_SUPPORTED,
    ),
    "action list": (
        Conformance.MULTIPLE_REFERENCES,
        ActionWithList(0xC1, (ECHO,), (b"\x00",)).to_bytes(),
        NOT_SUPPORTED,
    ),
    "set blocks": (
        Conformance.BLOCK_TRANSFER_WITH_SET,
        SetFirstBlock(0xC1, NOTE, None, BLOCK).to_bytes(),
        NOT_SUPPORTED,
    ),
    "action blocks": (
        Conformance.BLOCK_TRANSFER_WITH_ACTION,
        ActionFirstBlock(0xC1, ECHO, BLOCK).to_bytes(),
        NOT_SUPPORTED,
    ),
    "access": (
        Conformance.ACCESS,
        AccessRequest(long_invoke=0x40000000, specifications=(), values=()).to_bytes(),
        NOT_SUPPORTED,
    ),
    "selection": (
        Conformance.SELECTIVE_ACCESS,
        GetRequest(0xC1, PROFILE, EntrySelection().to_bytes()).to_bytes(),
        "c401c1010d",
    ),
    "attribute 0 read": (
        Conformance.ATTRIBUTE_0_WITH_GET,
        GetRequest(0xC1, AttributeAddress(3, ENERGY.obis_code, 0)).to_bytes(),
        "c401c1010d",
    ),
    "attribute 0 written": (
        Conformance.ATTRIBUTE_0_WITH_SET,
        SetRequest(0xC1, AttributeAddress(3, ENERGY.obis_code, 0), None, b"\x00").to_bytes(),
        "c501c10d",
    ),
    "unknown tag": (Conformance(0), b"\xc6\x01\xc1", "d80202"),
    "short names": (Conformance(0), b"\x05\x01\x02\x00\x08", "d80202"),
}


@pytest.mark.parametrize(("missing", "request_", "answer"), REFUSED.values(), ids=REFUSED)
def test_server_refuses_what_was_not_negotiated(missing: Conformance, request_: bytes, answer: str) -> None:
    ends = opened(PLAIN, FULL_CONFORMANCE & ~missing & ~Conformance.GENERAL_BLOCK_TRANSFER)
    assert ask(ends, request_).hex() == answer
    assert NOTE not in ends.device.written


def test_answers_that_cannot_fit_say_so_in_their_own_form() -> None:
    ends = opened(PLAIN, METER_CONFORMANCE & ~BLOCKS, max_pdu=100)
    ends.device.values[NOTE] = LONG_TEXT
    assert ends.do(Get(NOTE)) == [ValueReceived(OTHER)]
    assert ends.do(GetList(((NOTE, None), (ENERGY, None)))) == [ValuesReceived((OTHER, OTHER))]
    assert decode_apdu(ask(ends, GetWithList(0xC2, ((NOTE, None),)).to_bytes())) == ListResponse(0xC2, (OTHER,))
    many = GetWithList(0xC1, ((ENERGY, None),) * 120)
    assert ask(ends, many.to_bytes()).hex() == "d80104"
    long_echo = encode_visible_string("e" * 95)
    answer = ask(ends, bytes.fromhex("c301c1") + ECHO.to_bytes() + b"\x01" + long_echo)
    assert decode_apdu(answer) == ActionResponse(0xC1, ActionOutcome(OTHER))


@pytest.mark.parametrize("conformance", [METER_CONFORMANCE, FULL_CONFORMANCE])
def test_request_longer_than_the_server_said_it_takes_is_refused(conformance: Conformance) -> None:
    ends = opened(PLAIN, conformance, max_pdu=128)
    fits = SetRequest(0xC1, NOTE, None, encode_octet_string(bytes(128 + PDU_SLACK - 16))).to_bytes()
    assert len(fits) == 128 + PDU_SLACK
    assert decode_apdu(ask(ends, fits)) == SetResponse(0xC1, SUCCESS)
    too_long = SetRequest(0xC1, NOTE, None, encode_octet_string(bytes(128 + PDU_SLACK - 15)))
    assert ask(ends, too_long.to_bytes()).hex() == "d80104"


def test_block_numbers_out_of_order_end_the_transfer() -> None:
    ends = opened(PLAIN, METER_CONFORMANCE, max_pdu=128)
    invalid, none = DataAccessResult.DATA_BLOCK_NUMBER_INVALID, DataAccessResult.NO_LONG_TRANSFER_IN_PROGRESS
    ask(ends, GetRequest(0xC1, LONG_VALUE).to_bytes())
    assert decode_apdu(ask(ends, GetNext(0xC1, 7).to_bytes())) == GetResponseBlock(0xC1, True, 7, invalid)
    assert decode_apdu(ask(ends, GetNext(0xC1, 1).to_bytes())) == GetResponseBlock(0xC1, True, 1, none)
    ask(ends, GetRequest(0xC1, LONG_VALUE).to_bytes())
    assert decode_apdu(ask(ends, GetNext(0xC2, 1).to_bytes())) == GetResponseBlock(0xC2, True, 1, invalid)
    ask(ends, SetFirstBlock(0xC1, NOTE, None, BLOCK).to_bytes())
    answer = decode_apdu(ask(ends, SetBlock(0xC1, DataBlock(True, 3, b"\x00")).to_bytes()))
    assert answer == SetResponseLastBlock(0xC1, invalid, 3)
    answer = decode_apdu(ask(ends, SetBlock(0xC1, DataBlock(True, 2, b"\x00")).to_bytes()))
    assert answer == SetResponseLastBlock(0xC1, DataAccessResult.NO_LONG_SET_IN_PROGRESS, 2)
    ask(ends, ActionFirstBlock(0xC1, ECHO, BLOCK).to_bytes())
    answer = decode_apdu(ask(ends, ActionBlock(0xC1, DataBlock(True, 9, b"\x00")).to_bytes()))
    assert answer == ActionResponse(0xC1, ActionOutcome(DataAccessResult.LONG_TRANSFER_ABORTED))
    assert not ends.device.invoked


@pytest.mark.parametrize("invoke", [0x41, 0xC2, 0x81])
def test_answer_with_another_invoke_id_or_priority_is_unlawful(invoke: int) -> None:
    ends = opened(PLAIN, METER_CONFORMANCE)
    ends.client.send(Get(ENERGY))
    with pytest.raises(UnlawfulMessage):
        ends.client.receive(encode_wrapper(1, PLAIN, GetResponse(invoke, b"\x11\x01").to_bytes()))


@pytest.mark.parametrize("invoke", [*range(0x40, 0x50), *range(0xC0, 0xD0)])
def test_server_answers_with_the_invoke_id_and_priority_of_the_request(invoke: int) -> None:
    ends = opened(PLAIN, METER_CONFORMANCE)
    assert ask(ends, GetRequest(invoke, ENERGY).to_bytes())[2] == invoke
