"""The judge of clients: our own client passes whatever is done to it, clients with one fault each are found out."""

import random
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.unit.assess.conformance.bench import CREDENTIALS, FakeSocket

from meterworks.assess.conformance import (
    CLIENT_ROWS,
    ClientJudge,
    Credential,
    JudgeDevice,
    Outcome,
    Result,
    Scenario,
    judge_record,
    render_page,
)
from meterworks.assess.conformance.protection import make_proof
from meterworks.assess.conformance.request import (
    ASSOCIATION_NAME,
    OBJECT_LIST,
    action_request,
    get_request,
    initiate_request,
    octet_string,
    release_request,
)
from meterworks.assess.conformance.session import REPLY_TO_HLS, Counters, Session
from meterworks.assess.conformance.tester import next_block
from meterworks.assess.conformance.wire import Trace, WrapperWire, wrapped
from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms import (
    Action,
    Associate,
    AttributeAddress,
    Ciphering,
    ClientConnection,
    ClientSettings,
    Command,
    CountUp,
    EntrySelection,
    Get,
    GetList,
    Mechanism,
    MethodAddress,
    ObisCode,
    Protection,
    Release,
    Set,
    encode_octet_string,
)
from meterworks.protocols.errors import StateError

NOW = datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
CLOCK = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
NOTE = AttributeAddress(1, ObisCode("0.0.96.13.0.255"), 2)
PROFILE = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 2)
SCRIPT = MethodAddress(9, ObisCode("0.0.10.0.1.255"), 1)
VISITS = len(Scenario) + 6
COMMANDS: tuple[Command, ...] = (
    Associate(),
    Get(CLOCK),
    Get(OBJECT_LIST),
    GetList(((CLOCK, None), (NOTE, None))),
    Get(PROFILE, EntrySelection(to_entry=3)),
    Set(NOTE, encode_octet_string(bytes(900))),
    Action(SCRIPT, encode_octet_string(bytes(900))),
    Release(),
)


def judge_of(credential: Credential) -> ClientJudge:
    return ClientJudge(JudgeDevice(credential, lambda: NOW), random_bytes=random.Random(5).randbytes)


def results_of(judge: ClientJudge) -> dict[str, Result]:
    report = judge_record(judge, began=NOW, max_pdu=512)
    return {result.row.id: result for result in report.results}


def own_settings(credential: Credential, **changes: Any) -> ClientSettings:
    facts: dict[str, Any] = {
        "client_sap": credential.client_sap, "mechanism": Mechanism(credential.mechanism), "guek": credential.guek,
        "gak": credential.gak, "password": credential.password, "system_title": credential.title,
        "protection": Protection(credential.protection),
    }  # fmt: skip
    return ClientSettings(**(facts | changes))


def visit(judge: ClientJudge, settings: ClientSettings, counter: CountUp, source: random.Random) -> None:
    """One visit of our client: it reads, writes, acts and leaves, or is stopped by what the judge does to it."""
    connection = judge.connection()
    assert connection is not None
    client = ClientConnection(settings, counter, source.randbytes)
    try:
        for command in COMMANDS:
            waiting = client.send(command)
            while waiting:
                client.receive(connection.receive(waiting))
                waiting = client.data_to_send()
    except (PeerError, SecurityError, StateError):
        pass
    connection.lost()


@pytest.mark.parametrize(
    ("who", "changes"),
    [
        ("public", {}),
        ("low", {}),
        ("gmac-plain", {}),
        ("reader", {}),
        ("reader", {"ciphering": Ciphering.GENERAL}),
        ("reader", {"dedicated": True}),
    ],
)
def test_our_client_passes_whatever_is_done_to_it(who: str, changes: dict[str, Any]) -> None:
    credential = CREDENTIALS[who]
    judge, counter, source = judge_of(credential), CountUp(1), random.Random(9)
    dedicated = changes.get("dedicated", False)
    changes = {name: value for name, value in changes.items() if name != "dedicated"}
    for _ in range(VISITS):
        key = source.randbytes(16) if dedicated else None
        visit(judge, own_settings(credential, dedicated_key=key, **changes), counter, source)
    results = results_of(judge)
    assert {i: r.reason for i, r in results.items() if r.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)} == {}
    passed = [i for i, result in results.items() if result.outcome is Outcome.PASSED]
    assert len(passed) >= (24 if credential.is_ciphered else 15)


def test_every_scenario_comes_to_pass_with_a_ciphered_client() -> None:
    judge, counter, source = judge_of(CREDENTIALS["reader"]), CountUp(1), random.Random(9)
    for _ in range(VISITS):
        visit(judge, own_settings(CREDENTIALS["reader"], max_pdu=300), counter, source)
    assert judge.is_complete
    assert {one.scenario for one in judge.record.conversations if one.fooled_at is not None} == set(Scenario) - {
        Scenario.HONEST
    }


def test_the_first_visitor_is_served_honestly_and_scenarios_follow_in_turn() -> None:
    judge = judge_of(CREDENTIALS["public"])
    played = []
    for _ in Scenario:
        assert not judge.is_complete
        played.append(judge.next_scenario)
        judge.connection()
    assert played == list(Scenario)
    assert judge.is_complete
    assert judge.next_scenario is Scenario.TAMPERED_ANSWER  # it did not come to pass: once more


# --- clients with one fault -----------------------------------------------------------------------------------------


class Gullible:
    """A client made of the tester's session, which believes what it is told. fault: what it does wrong."""

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.judge = judge_of(credential)
        self.counters = Counters(1)
        self.random = random.Random(3)

    def session(self) -> Session:
        connection = self.judge.connection()
        link = cast(socket.socket, FakeSocket(cast(Any, connection)))
        wire = WrapperWire(link, Trace(), client_sap=self.credential.client_sap, server_sap=1, timeout_s=1.0)
        return Session(wire, self.credential, self.counters, timeout_s=1.0, random_bytes=self.random.randbytes)

    def visits(self, act: Callable[[Session], None], count: int = VISITS) -> dict[str, Result]:
        for _ in range(count):
            session = self.session()
            try:
                act(session)
            except (PeerError, IndexError):
                continue
        return results_of(self.judge)


def associated(session: Session) -> None:
    """Associate, and take whatever comes for an association."""
    answer = session.ask_association()
    session.server_title = b"MWJ\x00\x00\x00\x00\x01"
    try:
        response = session.read_response(answer)
    except PeerError:
        return
    session.server_challenge = response.authentication or b""
    if session.credential.is_challenged:
        counter = session.counters.next(session.credential.title)
        proof = make_proof(
            session.credential, session.server_title, counter, session.server_challenge, session.challenge
        )
        session.wire.send(session.protect(action_request(REPLY_TO_HLS, octet_string(proof))))
        session.wire.receive(1.0)


def reads_on(session: Session) -> None:
    """Associate and read twice, whatever the answers were."""
    associated(session)
    for address in (CLOCK, ASSOCIATION_NAME, NOTE):
        session.wire.send(session.protect(get_request(address)))
        session.wire.receive(1.0)


BELIEVES = "CLI-31 CLI-32 CLI-33 CLI-34 CLI-35 CLI-36 CLI-37 CLI-38"


def test_a_client_that_believes_everything_is_found_out() -> None:
    results = Gullible(CREDENTIALS["reader"]).visits(reads_on)
    found = {i for i in BELIEVES.split() if results[i].outcome is Outcome.FAILED}
    assert found == set(BELIEVES.split())
    assert "goes on with" in results["CLI-31"].reason


def test_a_client_that_takes_blocks_out_of_order_is_found_out() -> None:
    def reads_long(session: Session) -> None:
        session.associate()
        session.wire.send(get_request(PROFILE))
        for number in range(1, 9):
            session.wire.receive(1.0)
            session.wire.send(next_block(number))

    client = Gullible(replace(CREDENTIALS["public"], client_sap=16))
    results = client.visits(reads_long)
    assert results["CLI-39"].outcome is Outcome.FAILED


def never_releases(session: Session) -> None:
    session.associate()
    session.request(get_request(CLOCK))


def asks_before_associating(session: Session) -> None:
    session.exchange(get_request(CLOCK))
    session.associate()


def same_challenge(session: Session) -> None:
    session.challenge = b"always the same."
    session.associate()


def short_challenge(session: Session) -> None:
    session.challenge = b"short"
    session.ask_association()


def counter_again(session: Session) -> None:
    session.counters = Counters(1)
    session.ask_association()


def unprotected(session: Session) -> None:
    session.associate()
    session.exchange(get_request(CLOCK))


def malformed(session: Session) -> None:
    session.associate()
    session.request(get_request(CLOCK)[:-2])


def too_long(session: Session) -> None:
    session.associate()
    session.request(get_request(CLOCK, b"\x02\x09\x82\x02\x58" + bytes(600)))


def not_negotiated(session: Session) -> None:
    session.associate(initiate=initiate_request(conformance=0x10))
    session.request(b"\xc1\x01\xc1" + get_request(NOTE)[3:12] + b"\x00\x09\x00")


def two_at_once(session: Session) -> None:
    session.associate()
    session.wire.send_octets(wrapped(16, 1, get_request(CLOCK)) + wrapped(16, 1, release_request()))


def same_dedicated_key(session: Session) -> None:
    key = bytes(range(16))
    session.associate(initiate=initiate_request(dedicated_key=key), dedicated_key=key)


def old_version(session: Session) -> None:
    session.ask_association(initiate=initiate_request(version=5))


def no_requirements(session: Session) -> None:
    octets = session.association_octets()
    at = octets.find(b"\x8a\x02\x07\x80")
    session.exchange(bytes((0x60, octets[1] - 4)) + octets[2:at] + octets[at + 4 :])


def fields_out_of_order(session: Session) -> None:
    session.ask_association(after_title=b"\x80\x02\x07\x80")


def strange_title(session: Session) -> None:
    session.credential = replace(session.credential, title=b"\x00\x01\x02MWX99")
    session.ask_association()


FAULTS = [
    pytest.param(never_releases, "CLI-15", "public", id="never-releases"),
    pytest.param(asks_before_associating, "CLI-07", "public", id="asks-before-associating"),
    pytest.param(same_challenge, "CLI-05", "reader", id="same-challenge"),
    pytest.param(short_challenge, "CLI-05", "reader", id="short-challenge"),
    pytest.param(counter_again, "CLI-09", "reader", id="counter-again"),
    pytest.param(same_dedicated_key, "CLI-17", "reader", id="same-dedicated-key"),
    pytest.param(two_at_once, "CLI-19", "public", id="two-at-once"),
    pytest.param(unprotected, "CLI-10", "reader", id="unprotected"),
    pytest.param(malformed, "CLI-18", "public", id="malformed"),
    pytest.param(too_long, "CLI-12", "public", id="too-long"),
    pytest.param(not_negotiated, "CLI-11", "public", id="not-negotiated"),
    pytest.param(old_version, "CLI-06", "public", id="old-version"),
    pytest.param(no_requirements, "CLI-03", "low", id="no-acse-requirements"),
    pytest.param(fields_out_of_order, "CLI-01", "reader", id="fields-out-of-order"),
    pytest.param(strange_title, "CLI-04", "reader", id="strange-title"),
]


@pytest.mark.parametrize(("act", "number", "who"), FAULTS)
def test_a_client_with_one_fault_is_found_out(act: Callable[[Session], None], number: str, who: str) -> None:
    results = Gullible(CREDENTIALS[who]).visits(act, 2)
    assert results[number].outcome is Outcome.FAILED, results[number].reason
    assert results[number].evidence


def test_a_malformed_frame_is_told_and_ends_the_connection() -> None:
    judge = judge_of(CREDENTIALS["public"])
    connection = judge.connection()
    assert connection is not None
    assert connection.receive(b"\x00\x02\x00\x10\x00\x01\x00\x01\x00") == b""
    assert connection.closed
    assert "version 2" in results_of(judge)["CLI-16"].reason


def test_nobody_who_came_fails_nothing_and_passes_little() -> None:
    results = results_of(judge_of(CREDENTIALS["public"]))
    assert {result.outcome for result in results.values()} <= {Outcome.NOT_APPLICABLE, Outcome.PASSED}


def test_the_rows_of_clients_are_numbered_once_and_name_their_clause() -> None:
    ids = [row.id for row in CLIENT_ROWS]
    assert len(ids) == len(set(ids)) >= 28
    assert all(row.clause.startswith("IEC 62056") for row in CLIENT_ROWS)


def test_the_report_of_a_client_is_a_page_like_any_other() -> None:
    judge, source = judge_of(CREDENTIALS["reader"]), random.Random(9)
    visit(judge, own_settings(CREDENTIALS["reader"]), CountUp(1), source)
    page = render_page(judge_record(judge, began=NOW))
    assert "conformance of a client" in page
    assert "CLI-09" in page
