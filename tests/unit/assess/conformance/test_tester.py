"""What every test of the suite leans on: sessions, blocks, refusals, counters, what was found out; odd servers."""

import json
import random
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.integration.dlms.example_device import CLOCK, ENERGY, LONG_VALUE, ExampleDevice
from tests.unit.assess.conformance.bench import CREDENTIALS, FakeSocket, emulated_meter, make_tester, server_of

from meterworks.assess.conformance import ROWS, Need, Outcome, names_of, run_rows
from meterworks.assess.conformance import Tester as SuiteTester
from meterworks.assess.conformance.request import get_request, initiate_request
from meterworks.assess.conformance.row import CheckFailed, NotApplicable
from meterworks.assess.conformance.session import Answer, Counters, Form
from meterworks.assess.conformance.tester import has, needed, next_block, read_object_list
from meterworks.assess.conformance.wire import Trace, Wire, WrapperWire
from meterworks.cli.conformance_run import credential_of
from meterworks.errors import UsageError
from meterworks.protocols.dlms import Conformance, encode_octet_string, encode_wrapper


@pytest.fixture
def device() -> ExampleDevice:
    return ExampleDevice()


def bench_of(device: Any, who: str) -> SuiteTester:
    return make_tester(server_of(device), CREDENTIALS[who])


@pytest.mark.parametrize("who", ["public", "low", "gmac-plain", "reader", "management"])
def test_a_session_opens_reads_and_leaves(device: ExampleDevice, who: str) -> None:
    tester = bench_of(device, who)
    session = tester.associated()
    assert tester.get(session, ENERGY) == b"\x06\x00\x12\xd6\x87"
    assert session.release().octets[:1] == b"\x63"
    assert device.events == []


@pytest.mark.parametrize("max_pdu", [128, 300, 65535])
def test_long_values_are_joined(device: ExampleDevice, max_pdu: int) -> None:
    device.values[LONG_VALUE] = encode_octet_string(bytes(range(256)) * 4)
    tester = bench_of(device, "reader")
    assert tester.get(tester.associated(max_pdu=max_pdu), LONG_VALUE) == device.values[LONG_VALUE]


@pytest.mark.parametrize("form", [Form.GLO, Form.GENERAL_GLO])
def test_each_form_of_a_request_is_answered_in_kind(device: ExampleDevice, form: Form) -> None:
    tester = bench_of(device, "reader")
    session = tester.associated(conformance=0x401E5D)
    answer = session.request(get_request(CLOCK), form=form)
    assert answer.plain[:2] == b"\xc4\x01"
    assert (answer.octets[0] == 0xDB) == (form is Form.GENERAL_GLO)


def test_dedicated_keys_have_counters_of_their_own(device: ExampleDevice) -> None:
    tester = bench_of(device, "reader")
    session = tester.associated(dedicated_key=bytes(range(16)))
    before = device.counter
    assert session.request(get_request(CLOCK)).octets[0] == 0xD4
    assert session.form is Form.DED
    assert device.counter == before


def test_a_counter_that_the_server_asks_for_is_adopted(device: ExampleDevice) -> None:
    tester = bench_of(device, "reader")
    device.accepted[CREDENTIALS["reader"].title] = 5_000
    tester.associated()
    assert device.accepted[CREDENTIALS["reader"].title] >= 5_002


def test_the_counter_that_a_meter_tells_the_public_client_is_adopted() -> None:
    meter = emulated_meter()
    meter.accept_invocation_counter(CREDENTIALS["reader"].title, 777)
    tester = bench_of(meter, "reader")
    tester.look_around()
    assert tester.counters.next(CREDENTIALS["reader"].title) > 777
    assert tester.survey.public
    assert len(tester.survey.objects) > 50
    assert tester.survey.named(8)[0].class_id == 8


def test_connections_are_closed_when_their_test_ends(device: ExampleDevice) -> None:
    tester = bench_of(device, "public")
    with tester.test() as trace:
        session = tester.associated()
    assert len(trace.exchanges) == 2
    session.post(get_request(CLOCK))
    assert session.receive().is_silence


def answer(text: str, *, closed: bool = False) -> Answer:
    octets = bytes.fromhex(text)
    return Answer(octets=octets, plain=octets, closed=closed)


@pytest.mark.parametrize(
    ("text", "refused"),
    [("", True), ("d80101", True), ("0e010603", True), ("c401c10104", True), ("c501c103", True), ("c701c10300", True)],
)
def test_refusals_are_told_from_answers(device: ExampleDevice, text: str, refused: bool) -> None:
    assert bool(bench_of(device, "public").refused(answer(text), "it")) is refused


@pytest.mark.parametrize("text", ["c401c100" + "1105", "c501c100", "c701c10000", "c403c10100", "61"])
def test_what_is_no_refusal_fails_the_server(device: ExampleDevice, text: str) -> None:
    with pytest.raises(CheckFailed, match="it "):
        bench_of(device, "public").refused(answer(text), "it")


def test_a_refusal_for_another_reason_fails_the_server(device: ExampleDevice) -> None:
    with pytest.raises(CheckFailed, match="read-write-denied"):
        bench_of(device, "public").refused(answer("c401c10103"), "it", results=frozenset({4}))


@pytest.mark.parametrize(
    ("text", "closed", "words"),
    [("", False, "no answer"), ("", True, "the end of the connection"), ("d80101", False, "APDU d80101")],
)
def test_answers_are_described(text: str, closed: bool, words: str) -> None:
    assert answer(text, closed=closed).describe() == words


@pytest.mark.parametrize(("text", "counter"), [("d8010600000123", 0x123), ("d80106", None), ("c401c10000", None)])
def test_the_counter_of_an_exception_is_found(text: str, counter: int | None) -> None:
    assert answer(text).counter_wanted == counter


def test_needs_are_met_by_what_the_client_is(device: ExampleDevice) -> None:
    public, reader = (make_tester(server_of(device), CREDENTIALS[who], writes=True) for who in ("public", "reader"))
    assert [need for need in Need if public.meets(need)] == [Need.WRITES, Need.WRAPPER]
    reader.look_around()
    assert [need for need in Need if not reader.meets(need)] == [Need.HDLC]


def test_conditions_and_conformance_bits() -> None:
    assert has(0x18, Conformance.GET)
    assert not has(0x10, Conformance.GET, Conformance.SET)
    needed(True, "never")
    with pytest.raises(NotApplicable, match="because"):
        needed(False, "because")


def test_next_blocks_and_initiate_requests_are_plain_octets() -> None:
    assert next_block(7).hex() == "c002c100000007"
    assert next_block(1, invoke=0xC9).hex() == "c002c900000001"
    assert initiate_request()[:5].hex() == "0100000006"


def test_an_object_list_keeps_rights_by_number() -> None:
    text = "0101020412000811000906000001 0000ff0202010202030f011601000f00"
    with pytest.raises(CheckFailed):
        read_object_list(bytes.fromhex(text.replace(" ", "")))
    whole = "0101" + "020412000811000906000001" + "0000ff" + "02020101" + "02030f02160300" + "0101" + "02020f061601"
    (row,) = read_object_list(bytes.fromhex(whole))
    assert (row.class_id, row.attributes, row.methods) == (8, {2: 3}, {6: 1})


@pytest.mark.parametrize(
    ("patterns", "names"),
    [([], ()), (["SEC"], ("SEC",)), (["SEC,ROB-01", "A"], ("SEC", "ROB-01", "A")), ([" SEC , "], ("SEC",))],
)
def test_patterns_may_have_commas(patterns: list[str], names: tuple[str, ...]) -> None:
    assert names_of(patterns) == names


def test_options_make_a_credential(tmp_path: Any) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"guek": "00" * 16, "gak": "11" * 16, "system_title": "4d5754aabbccddee"}))
    made = credential_of(client=1, server=1, mechanism=None, suite=0, protection=None, keys=keys)
    assert (made.mechanism, made.protection, made.title.hex()) == (5, 0x30, "4d5754aabbccddee")
    plain = credential_of(client=1, server=1, mechanism=5, suite=0, protection="none", keys=keys)
    assert (plain.mechanism, plain.protection) == (5, 0)
    public = credential_of(client=16, server=1, mechanism=None, suite=0, protection=None, keys=None)
    assert (public.mechanism, public.is_ciphered, public.is_challenged) == (0, False, False)
    with pytest.raises(UsageError, match="--protection much"):
        credential_of(client=1, server=1, mechanism=None, suite=0, protection="much", keys=keys)


# --- servers that are no servers ------------------------------------------------------------------------------------


class Odd:
    """A server that answers every request in one odd way."""

    has_more = False

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self.answer = answer
        self.closed = False

    def receive(self, octets: bytes) -> bytes:
        given = self.answer(octets)
        self.closed = given is None
        return given or b""


def noise(octets: bytes) -> bytes:
    return encode_wrapper(1, 2, random.Random(octets).randbytes(40))


ODD: list[Any] = [
    pytest.param(lambda _octets: b"", id="silent"),
    pytest.param(lambda _octets: None, id="closing"),
    pytest.param(lambda octets: octets, id="echoing"),
    pytest.param(noise, id="noise"),
    pytest.param(lambda _octets: encode_wrapper(1, 2, b"\xd8\x01\x01"), id="refusing"),
    pytest.param(lambda _octets: encode_wrapper(1, 2, b"\x61"), id="cut-off"),
    pytest.param(lambda _octets: encode_wrapper(1, 2, b"\xc8"), id="ciphered-nothing"),
    pytest.param(lambda _octets: b"\x00\x01", id="half-a-header"),
]


@pytest.mark.parametrize("who", ["public", "reader"])
@pytest.mark.parametrize("answering", ODD)
def test_every_test_ends_in_an_outcome_whatever_the_server_is(
    answering: Callable[[bytes], bytes | None], who: str
) -> None:
    def opener(trace: Trace, client_sap: int, server_sap: int) -> Wire:
        link = cast(socket.socket, FakeSocket(cast(Any, Odd(answering))))
        return WrapperWire(link, trace, client_sap=client_sap, server_sap=server_sap, timeout_s=1.0)

    tester = SuiteTester(
        opener, CREDENTIALS[who], CREDENTIALS["public"], counters=Counters(), timeout_s=1.0, quiet_s=0.01, writes=True
    )
    report = run_rows(tester, ROWS, target="odd")
    assert len(report.results) == len(ROWS)
    assert not report.passed
    assert report.count(Outcome.FAILED) > 0
