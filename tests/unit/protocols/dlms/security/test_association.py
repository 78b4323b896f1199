"""What an association enforces beyond its handshake: rights, policies, users, counters, changed keys, tolerance."""

from dataclasses import replace

import pytest
from tests.integration.dlms.example_device import CLIENT_TITLE, CLOCK, ECHO, ENERGY, LONG_VALUE, METER_TITLE, NAME, NOTE
from tests.unit.protocols.dlms.security.bench import CLIENT_SAP, Bench, SecuredDevice, key_of, make_bench

from meterworks.protocols.dlms import (
    Action,
    ActionFinished,
    ApduCipher,
    Associate,
    AssociationOpened,
    AssociationRejected,
    AssociationReleased,
    AssociationSettings,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    ClientState,
    Conformance,
    CountUp,
    DataAccessResult,
    DataNotification,
    ExceptionReceived,
    Get,
    GetList,
    GrowingCounter,
    KeyChoice,
    Mechanism,
    NotificationReceived,
    Protection,
    Release,
    SecurityContext,
    SecuritySuite,
    Set,
    SetFinished,
    Tolerance,
    ValueReceived,
    ValuesReceived,
    decode_all,
    encode_visible_string,
)
from meterworks.protocols.dlms.cosem import AccessRights
from meterworks.protocols.dlms.security import AlgorithmArc, split_ciphered
from meterworks.protocols.dlms.server_association import FAILURES_MAX
from meterworks.protocols.dlms.tag import CipherForm
from meterworks.protocols.errors import DecodeError, StateError, TagError, WeakProtection

SUITE_0, SUITE_1, SUITE_2 = SecuritySuite
PROTECTIONS = (Protection.NONE, Protection.ENCRYPTED, Protection.AUTHENTICATED, Protection.BOTH)
DENIED = DataAccessResult.READ_WRITE_DENIED
GET_ENERGY = bytes.fromhex("c001c1000301000108 00ff0200")
NOTE_VALUE = encode_visible_string("x")


def opened(bench: Bench) -> Bench:
    events = bench.run(Associate())
    assert isinstance(events[-1], AssociationOpened)
    return bench


def value_of(bench: Bench, command: Get) -> object:
    (event,) = bench.run(command)
    assert isinstance(event, ValueReceived)
    return event.result if isinstance(event.result, DataAccessResult) else decode_all(event.result)


# --- access rights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rights", "read", "written"),
    [(0, False, False), (1, True, False), (2, False, True), (3, True, True)],
)
def test_rights_to_an_attribute(rights: int, read: bool, written: bool) -> None:
    bench = opened(make_bench())
    bench.device.rights[NOTE] = AccessRights(rights)
    assert (value_of(bench, Get(NOTE)) != DENIED) is read
    assert (bench.run(Set(NOTE, NOTE_VALUE)) == [SetFinished(DataAccessResult.SUCCESS)]) is written
    denials = 2 - read - written
    assert bench.device.events == [("access-denied", CLIENT_SAP)] * denials


@pytest.mark.parametrize(("rights", "done"), [(0, False), (1, True), (2, False)])
def test_rights_to_a_method(rights: int, done: bool) -> None:
    bench = opened(make_bench())
    bench.device.rights[ECHO] = AccessRights(rights)
    (event,) = bench.run(Action(ECHO, NOTE_VALUE))
    assert isinstance(event, ActionFinished)
    assert (event.outcome.result == DataAccessResult.SUCCESS) is done
    assert (len(bench.device.invoked) == 1) is done


@pytest.mark.parametrize("asked", [0, 4, 8, 12])
@pytest.mark.parametrize("protection", [Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.BOTH])
def test_a_request_needs_the_protection_that_rights_ask_for(asked: int, protection: Protection) -> None:
    bench = opened(make_bench(protection=protection))
    bench.device.rights[ENERGY] = AccessRights(1 | asked)
    enough = int(protection) >> 4 & asked >> 2 == asked >> 2
    assert value_of(bench, Get(ENERGY)) == (1_234_567 if enough else DENIED)
    assert value_of(bench, Get(CLOCK)) != DENIED  # what has no row of its own is the device's to answer


def test_a_plain_association_reads_nothing_that_must_be_protected() -> None:
    bench = opened(make_bench(mechanism=Mechanism.LOW, protection=Protection.NONE))
    for asked in (0x04, 0x08, 0x10, 0x20, 0x40, 0x80):  # requests, and responses that it could not protect
        bench.device.rights[ENERGY] = AccessRights(1 | asked)
        assert value_of(bench, Get(ENERGY)) == DENIED
    bench.device.rights[ENERGY] = AccessRights(1)
    assert value_of(bench, Get(ENERGY)) == 1_234_567


def test_a_signed_request_is_asked_for() -> None:
    signing = opened(make_bench(SUITE_1, client={"ciphering": Ciphering.SIGNED}))
    silent = opened(make_bench(SUITE_1))
    for bench, expected in ((signing, 1_234_567), (silent, DENIED)):
        bench.device.rights[ENERGY] = AccessRights(1 | 16)
        assert value_of(bench, Get(ENERGY)) == expected


@pytest.mark.parametrize(("asked", "control"), [(0, 0x10), (32, 0x10), (64, 0x30), (96, 0x30)])
def test_a_response_gets_the_protection_that_rights_ask_for(asked: int, control: int) -> None:
    bench = opened(make_bench(protection=Protection.AUTHENTICATED))
    bench.device.rights[ENERGY] = AccessRights(1 | asked)
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    assert bench.answered[-1][2] == control


@pytest.mark.parametrize("ciphering", [Ciphering.SERVICE, Ciphering.GENERAL, Ciphering.GENERAL_CIPHERING])
def test_a_response_is_signed_where_rights_ask_for_it(ciphering: Ciphering) -> None:
    bench = opened(make_bench(SUITE_1, client={"ciphering": ciphering}))
    bench.device.rights[ENERGY] = AccessRights(1 | 128)
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    assert bench.answered[-1][0] == 0xDF
    assert value_of(bench, Get(CLOCK))
    assert bench.answered[-1][0] != 0xDF


def test_a_response_that_cannot_be_signed_is_not_given() -> None:
    bench = opened(make_bench(SUITE_1, server={"signer": None}))
    bench.device.rights[ENERGY] = AccessRights(1 | 128)
    assert value_of(bench, Get(ENERGY)) == DENIED


def test_the_blocks_of_a_long_response_are_protected_like_the_first() -> None:
    bench = opened(make_bench(protection=Protection.AUTHENTICATED))
    bench.device.rights[LONG_VALUE] = AccessRights(1 | 64)
    *_, last = bench.run(Get(LONG_VALUE))
    assert isinstance(last, ValueReceived)
    controls = [split_ciphered(apdu)[3] for apdu in bench.answered[2:]]
    assert len(controls) > 3
    assert set(controls) == {0x30}
    bench.run(Get(ENERGY))
    assert bench.answered[-1][2] == 0x10  # the next answer begins anew


def test_a_list_gets_the_protection_of_all_its_items() -> None:
    bench = opened(make_bench(protection=Protection.AUTHENTICATED))
    bench.device.rights |= {ENERGY: AccessRights(1), NAME: AccessRights(1 | 64), NOTE: AccessRights(1 | 8)}
    (event,) = bench.run(GetList(((ENERGY, None), (NAME, None), (NOTE, None))))
    assert isinstance(event, ValuesReceived)
    assert [isinstance(result, bytes) for result in event.results] == [True, True, False]
    assert bench.answered[-1][2] == 0x30


# --- policies and changed settings -----------------------------------------------------------------------------------


def test_responses_may_need_more_than_requests() -> None:
    server = {"response_protection": Protection.BOTH}
    bench = opened(make_bench(protection=Protection.AUTHENTICATED, server=server))
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    assert bench.answered[-1][2] == 0x30


def test_signatures_may_be_asked_of_both_sides() -> None:
    both = Protection.BOTH | Protection.SIGNED
    client = {"ciphering": Ciphering.SIGNED, "protection": both}
    bench = opened(make_bench(SUITE_2, protection=both, client=client))
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    unsigned = make_bench(SUITE_2, protection=both, client={"protection": Protection.BOTH})
    assert isinstance(unsigned.run(Associate())[-1], ExceptionReceived)  # its proof came without a signature
    assert unsigned.device.events == [("unprotected-request", CLIENT_SAP)]


def test_an_answer_without_the_signature_that_was_asked_for_is_refused() -> None:
    both = Protection.BOTH | Protection.SIGNED
    bench = make_bench(SUITE_1, client={"ciphering": Ciphering.SIGNED, "protection": both}, server={"signer": None})
    with pytest.raises(WeakProtection):
        bench.run(Associate())


class Rekeying(SecuredDevice):
    """A device that takes a new key with its echo method."""

    def action(self, client_sap: int, address: object, parameter: bytes | None):  # type: ignore[no-untyped-def]
        result = super().action(client_sap, address, parameter)  # type: ignore[arg-type]
        if parameter is not None:
            self.associations[client_sap] = replace(self.associations[client_sap], guek=bytes(decode_all(parameter)))
            self.accepted.clear()
        return result


def test_new_keys_hold_from_the_next_request_on() -> None:
    new_key = key_of(SUITE_0, 0x77)
    device = Rekeying(make_bench().device.associations[CLIENT_SAP])
    bench = opened(make_bench(device=device))
    (done,) = bench.run(Action(ECHO, b"\x09\x10" + new_key))  # answered under the old key still
    assert isinstance(done, ActionFinished)
    bench.client.change_keys(guek=new_key, counter=CountUp())
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    assert bench.sent[-1][3:7] == bytes(4)
    assert device.events == []


def test_old_keys_are_refused_after_the_change() -> None:
    device = Rekeying(make_bench().device.associations[CLIENT_SAP])
    bench = opened(make_bench(device=device))
    bench.run(Action(ECHO, b"\x09\x10" + key_of(SUITE_0, 0x77)))
    assert isinstance(bench.run(Get(ENERGY))[0], ExceptionReceived)
    assert device.events == [("bad-tag", CLIENT_SAP)]


def test_keys_do_not_change_in_the_midst_of_a_request() -> None:
    bench = opened(make_bench())
    bench.client.send(Get(ENERGY))
    with pytest.raises(StateError):
        bench.client.change_keys(guek=bytes(16), counter=CountUp())


class Hardening(SecuredDevice):
    """A device whose policy becomes stricter, or whose client is removed, with its echo method."""

    after: AssociationSettings | None = None

    def action(self, client_sap: int, address: object, parameter: bytes | None):  # type: ignore[no-untyped-def]
        if self.after is None:
            del self.associations[client_sap]
        else:
            self.associations[client_sap] = self.after
        return DataAccessResult.SUCCESS, None


def test_a_stricter_policy_holds_on_the_open_association() -> None:
    settings = make_bench(protection=Protection.AUTHENTICATED).device.associations[CLIENT_SAP]
    device = Hardening(settings)
    device.after = replace(settings, required_protection=Protection.BOTH)
    bench = opened(make_bench(protection=Protection.AUTHENTICATED, device=device))
    bench.run(Action(ECHO, NOTE_VALUE))
    assert isinstance(bench.run(Get(ENERGY))[0], ExceptionReceived)
    assert device.events == [("unprotected-request", CLIENT_SAP)]


def test_a_client_that_was_removed_is_no_longer_associated() -> None:
    device = Hardening(make_bench().device.associations[CLIENT_SAP])
    bench = opened(make_bench(device=device))
    bench.run(Action(ECHO, NOTE_VALUE))
    assert bench.raw(bench.client.send(Get(ENERGY))) == b"\xd8\x01\x01"


# --- who asks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "users", "taken"),
    [(None, (), True), (5, (), True), (5, (5, 6), True), (7, (5, 6), False), (None, (5,), False)],
)
def test_only_listed_users_are_associated(user: int | None, users: tuple[int, ...], taken: bool) -> None:
    bench = make_bench(client={"user_id": user}, server={"users": frozenset(users)})
    (event,) = bench.run(Associate())
    if taken:
        assert isinstance(event, AssociationOpened)
        assert bench.device.opened == [(CLIENT_SAP, user)]
    else:
        assert isinstance(event, AssociationRejected)
        assert event.diagnostic == 6
        assert bench.device.events == [("unknown-client", CLIENT_SAP)]


def test_the_device_hears_of_a_client_only_when_it_is_proved() -> None:
    bench = make_bench()
    bench.client.receive(bench.raw(bench.client.send(Associate())) or b"")
    assert bench.device.opened == []
    bench.client.receive(bench.raw(bench.client.take_output()[0]) or b"")
    assert bench.device.opened == [(CLIENT_SAP, None)]


# --- pre-established -------------------------------------------------------------------------------------------------


def pre_established(protection: Protection = Protection.BOTH, **client: object) -> Bench:
    settings = {"pre_established": True}
    server = settings | {"client_title": CLIENT_TITLE}
    return make_bench(SUITE_1, Mechanism.NONE, protection, client=settings | client, server=server)


@pytest.mark.parametrize("protection", [Protection.NONE, Protection.AUTHENTICATED, Protection.BOTH])
@pytest.mark.parametrize("ciphering", [Ciphering.SERVICE, Ciphering.GENERAL, Ciphering.GENERAL_CIPHERING])
def test_a_pre_established_association_is_open_from_the_start(protection: Protection, ciphering: Ciphering) -> None:
    bench = pre_established(protection, ciphering=ciphering if protection else Ciphering.SERVICE)
    assert bench.client.state is ClientState.READY
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    with pytest.raises(StateError):
        bench.client.send(Release())
    with pytest.raises(StateError):
        bench.client.send(Associate())


def test_nobody_associates_with_or_releases_what_is_pre_established() -> None:
    bench = pre_established()
    stranger = make_bench(SUITE_1, Mechanism.NONE, device=bench.device)
    assert isinstance(stranger.run(Associate())[0], AssociationRejected)
    assert bench.raw(bytes.fromhex("6203800100")) == b"\x63\x03\x80\x01\x00"  # nothing is open yet: nothing to keep
    bench.run(Get(ENERGY))
    assert bench.raw(bytes.fromhex("6203800100")) == b"\xd8\x01\x01"
    assert value_of(bench, Get(ENERGY)) == 1_234_567


def test_a_plain_request_to_a_ciphered_pre_established_association_is_refused() -> None:
    bench = pre_established()
    assert bench.raw(GET_ENERGY) == b"\xd8\x01\x01"
    assert bench.device.events == [("unprotected-request", CLIENT_SAP)]


@pytest.mark.parametrize("wrong", [{"mechanism": Mechanism.GMAC}, {"client_title": None}])
def test_pre_established_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    facts = {
        "pre_established": True,
        "client_title": CLIENT_TITLE,
        "guek": bytes(16),
        "gak": bytes(16),
        "required_protection": Protection.BOTH,
    }
    AssociationSettings(**facts)  # type: ignore[arg-type]
    with pytest.raises(StateError):
        AssociationSettings(**(facts | wrong))  # type: ignore[arg-type]
    with pytest.raises(StateError):
        ClientSettings(pre_established=True, guek=bytes(16), gak=bytes(16), system_title=CLIENT_TITLE)


# --- counters out of step --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", [Protection.NONE, Protection.BOTH])
def test_a_client_left_behind_adopts_the_counter_and_associates(protection: Protection) -> None:
    bench = make_bench(protection=Protection.BOTH, first_counter=5)
    bench.device.accepted[CLIENT_TITLE] = 4000
    (event,) = bench.run(Associate())
    assert event == ExceptionReceived(1, 6, 4001)
    assert bench.client.counter_expected == 4001
    assert bench.client.adopt_counter() == 4001
    assert bench.counter.peek() == 4001
    assert isinstance(bench.run(Associate())[-1], AssociationOpened)
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    assert bench.client.counter_expected is None


def test_a_liar_moves_the_counter_by_no_more_than_the_settings_allow() -> None:
    bench = make_bench(client={"counter_leap_max": 1000})
    bench.client.send(Associate())
    bench.client.receive(b"\xd8\x01\x06" + (100_000).to_bytes(4, "big"))
    with pytest.raises(StateError, match="use the key up"):
        bench.client.adopt_counter()
    assert bench.client.adopt_counter(100_000, is_authenticated=True) == 100_000
    with pytest.raises(StateError):
        bench.client.adopt_counter(0xFFFF_FFFF, is_authenticated=True)
    assert bench.counter.peek() == 100_000


def test_a_counter_is_never_moved_back() -> None:
    bench = make_bench(first_counter=500)
    bench.client.adopt_counter(20)
    assert bench.counter.peek() == 500


def test_nothing_to_adopt_is_said() -> None:
    with pytest.raises(StateError, match="no counter was expected"):
        make_bench().client.adopt_counter()

    class Fixed:
        def next(self) -> int:
            return 1

    fixed = ClientAssociation(make_bench().client.settings, Fixed(), bytes)
    with pytest.raises(StateError):
        fixed.adopt_counter(7)


def test_a_counter_error_in_the_midst_leaves_the_association_open() -> None:
    bench = opened(make_bench())
    bench.device.accepted[CLIENT_TITLE] = 90_000
    assert bench.run(Get(ENERGY)) == [ExceptionReceived(1, 6, 90_001)]
    bench.client.adopt_counter()
    assert value_of(bench, Get(ENERGY)) == 1_234_567


# --- tolerance -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["6306800100be010400", "630380010", "ff"])
def test_a_bad_release_response_is_taken_only_where_settings_say_so(answer: str) -> None:
    octets = bytes.fromhex(answer if len(answer) % 2 == 0 else answer + "0ff")
    tolerant, strict = opened(make_bench()), opened(make_bench(client={"tolerance": Tolerance.NONE}))
    tolerant.client.send(Release())
    assert tolerant.client.receive(octets) == [AssociationReleased(clean=False)]
    strict.client.send(Release())
    with pytest.raises(DecodeError):
        strict.client.receive(octets)


def push(key: ApduCipher, apdu: bytes, control: int = 0x30) -> bytes:
    context = SecurityContext(
        own_title=METER_TITLE, peer_title=CLIENT_TITLE, cipher=key, next_counter=CountUp(9000).next,
        peer_counter=GrowingCounter(),
    )  # fmt: skip
    return context.protect(apdu, CipherForm.GENERAL_GLO, control)


def test_a_tagged_date_time_is_taken_only_where_settings_say_so() -> None:
    tagged = DataNotification(long_invoke=1, date_time=bytes(12), body=b"\x00", is_tagged=True).to_bytes()
    (event,) = opened(make_bench()).client.receive(tagged)
    assert event == NotificationReceived(DataNotification.from_bytes(tagged), protected=False)
    with pytest.raises(DecodeError, match="date-time"):
        opened(make_bench(client={"tolerance": Tolerance.RELEASE})).client.receive(tagged)


def blind(**changes: object) -> Bench:
    """Give a client that has no authentication key, at a meter that asks for encryption alone."""
    facts = {"gak": None, "tolerance": Tolerance.UNVERIFIED | Tolerance.RELEASE, "protection": Protection.ENCRYPTED}
    return make_bench(mechanism=Mechanism.LOW, protection=Protection.ENCRYPTED, client=facts | changes)


@pytest.mark.parametrize(
    "protection", [Protection.NONE, Protection.ENCRYPTED, Protection.AUTHENTICATED, Protection.BOTH]
)
def test_an_association_tells_whether_what_comes_in_it_is_verified(protection: Protection) -> None:
    (event,) = make_bench(mechanism=Mechanism.LOW, protection=protection).run(Associate())
    assert isinstance(event, AssociationOpened)
    assert event.is_verified is bool(protection & Protection.AUTHENTICATED)


def test_without_authentication_key_all_is_marked_as_unverified() -> None:
    bench = blind()
    (event,) = bench.run(Associate())
    assert isinstance(event, AssociationOpened)
    assert event.is_verified is False
    assert bench.client.is_verified is False
    assert value_of(bench, Get(ENERGY)) == 1_234_567
    notification = DataNotification(long_invoke=1, date_time=b"", body=b"\x00")
    genuine = ApduCipher(key_of(SUITE_0, 0x10), key_of(SUITE_0, 0xD0))
    (told,) = bench.client.receive(push(genuine, notification.to_bytes()))
    assert told == NotificationReceived(notification, protected=False)
    assert opened(make_bench()).client.is_verified is True


@pytest.mark.parametrize(
    "changes", [{"tolerance": Tolerance.NONE}, {"protection": Protection.BOTH}, {"mechanism": Mechanism.GMAC}]
)
def test_going_without_the_authentication_key_is_an_explicit_choice(changes: dict[str, object]) -> None:
    with pytest.raises(StateError):
        blind(**changes)


def test_a_genuine_push_is_told_as_such_and_a_forged_one_not_at_all() -> None:
    notification = DataNotification(long_invoke=1, date_time=b"", body=b"\x00")
    genuine = push(ApduCipher(key_of(SUITE_0, 0x10), key_of(SUITE_0, 0xD0)), notification.to_bytes())
    bench = opened(make_bench())
    assert bench.client.receive(genuine) == [NotificationReceived(notification, protected=True)]
    with pytest.raises(TagError):
        opened(make_bench()).client.receive(genuine[:-1] + b"?")


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2])
def test_the_old_algorithm_id_is_met_by_a_tolerant_server(suite: SecuritySuite) -> None:
    for tolerance, expected in ((Tolerance.OLD_ALGORITHM_ID, ValueReceived), (Tolerance.NONE, ExceptionReceived)):
        client = {
            "ciphering": Ciphering.GENERAL_CIPHERING, "key_choice": KeyChoice.STATIC,
            "algorithm_arc": AlgorithmArc.OLD, "tolerance": Tolerance.OLD_ALGORITHM_ID,
        }  # fmt: skip
        bench = make_bench(suite, Mechanism.LOW, client=client, server={"tolerance": tolerance})
        opened(bench)
        (event,) = bench.run(Get(ENERGY))
        assert isinstance(event, expected)


@pytest.mark.parametrize("choice", [KeyChoice.IDENTIFIED, KeyChoice.ONE_PASS, KeyChoice.STATIC])
def test_headers_left_out_of_tags_are_met_by_a_tolerant_server(choice: KeyChoice) -> None:
    for tolerance, expected in ((Tolerance.BARE_HEADER, ValueReceived), (Tolerance.NONE, ExceptionReceived)):
        client = {"ciphering": Ciphering.GENERAL_CIPHERING, "key_choice": choice, "bare_header": True}
        client["tolerance"] = Tolerance.BARE_HEADER
        bench = opened(make_bench(SUITE_1, Mechanism.LOW, client=client, server={"tolerance": tolerance}))
        (event,) = bench.run(Get(ENERGY))
        assert isinstance(event, expected)


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"suite": SUITE_2},  # keys of 16 octets
        {"gbek": bytes(15)},
        {"kek": bytes(32)},
        {"peer_signing_key": bytes(64)},  # suite 0 has none
        {"mechanism": Mechanism.MD5},
        {"mechanism": Mechanism.MANUFACTURER, "secret": b"x"},
        {"mechanism": Mechanism.ECDSA},
        {"ciphering": Ciphering.SIGNED},
        {"user_id": 256},
        {"protection": Protection.SIGNED},
        {"dedicated_key": bytes(32)},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    facts: dict[str, object] = {"guek": bytes(16), "gak": bytes(16), "system_title": CLIENT_TITLE}
    ClientSettings(**facts)  # type: ignore[arg-type]
    with pytest.raises(StateError):
        ClientSettings(**(facts | wrong))  # type: ignore[arg-type]


def test_secrets_are_not_shown() -> None:
    settings = make_bench(SUITE_1, Mechanism.SHA256).client.settings
    shown = repr(settings)
    for octets in (settings.guek, settings.gak, settings.kek, settings.gbek, settings.secret):
        assert repr(octets) not in shown


def test_a_connection_is_given_up_after_too_many_breaches() -> None:
    bench = opened(make_bench())
    for _ in range(FAILURES_MAX):
        assert not bench.server.is_given_up
        bench.raw(GET_ENERGY)
    assert bench.server.is_given_up


def test_general_protection_is_written_only_where_it_was_agreed() -> None:
    conformance = {"conformance": Conformance(0x001E1D)}
    bench = opened(make_bench(client={"ciphering": Ciphering.GENERAL} | conformance))
    bench.run(Get(ENERGY))
    assert bench.sent[-1][0] == 0xC8
