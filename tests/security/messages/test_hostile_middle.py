"""Protected messages of DLMS in the middle of somebody hostile: twins, weaker protection, replays, mirrors."""

import pytest
from tests.integration.dlms.conftest import settings_for
from tests.integration.dlms.example_device import (
    CLIENT_TITLE,
    ECHO,
    ENERGY,
    GAK,
    GUEK,
    METER_TITLE,
    NOTE,
    PASSWORD,
    ExampleDevice,
)
from tests.unit.protocols.dlms.test_client import ENERGY_ANSWER, answer, make, opened, response_to
from tests.unit.protocols.dlms.test_server import GET_ENERGY, NOT_ALLOWED, Pair, challenges

from meterworks.devices.access import CLIENTS, Audience, Client, Rights, rights_of
from meterworks.protocols.dlms import (
    Action,
    ApduCipher,
    Associate,
    AssociationRequest,
    AssociationResponse,
    CipherForm,
    CountUp,
    Get,
    GrowingCounter,
    Mechanism,
    Protection,
    SecurityContext,
    ServerConnection,
    Set,
    ValueReceived,
    encode_visible_string,
)
from meterworks.protocols.errors import CounterError, ProtectionError, TagError, WeakProtection

PLAIN_INITIATE = bytes.fromhex("0800065f1f0400001e1d04c80007")


def context(counter: int, *, lowest: int = 0, own: bytes = CLIENT_TITLE, peer: bytes = METER_TITLE) -> SecurityContext:
    return SecurityContext(
        own_title=own, peer_title=peer, cipher=ApduCipher(GUEK, GAK), next_counter=CountUp(counter).next,
        peer_counter=GrowingCounter(lowest),
    )  # fmt: skip


@pytest.mark.requirement("SEC-002")
def test_no_plaintext_twin_is_taken_for_a_reading():
    client, _ = opened(1)
    client.send(Get(ENERGY))
    with pytest.raises(WeakProtection):
        answer(client, ENERGY_ANSWER)


@pytest.mark.requirement("SEC-002")
def test_no_association_opens_with_a_plaintext_twin():
    client = make(settings_for(1))
    with pytest.raises(WeakProtection):
        answer(client, response_to(client, user_information=PLAIN_INITIATE))


@pytest.mark.requirement("SEC-003")
def test_what_is_protected_less_than_the_policy_asks_is_refused():
    levels = (Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.BOTH)
    for least in levels:
        for given in levels:
            message = context(1).protect(GET_ENERGY, CipherForm.GENERAL_GLO, given)
            receiver = context(1, own=METER_TITLE, peer=CLIENT_TITLE)
            if given & least == least:
                assert receiver.unprotect(message, least).apdu == GET_ENERGY
            else:
                with pytest.raises(WeakProtection):
                    receiver.unprotect(message, least)


@pytest.mark.requirement("SEC-004")
def test_no_command_is_carried_out_twice():
    device = ExampleDevice()
    pair = Pair(device, settings_for(1))
    pair.run(Associate())
    recorded = []
    for command in (Action(ECHO, b"\x11\x01"), Set(NOTE, encode_visible_string("once"))):
        recorded.append(pair.client.send(command))
        pair.client.receive(pair.server.receive(recorded[-1]))
    device.values[NOTE] = encode_visible_string("later")
    for frame in recorded:
        pair.server.receive(frame)
    restarted = ServerConnection(device, challenges())  # the meter kept its counters
    for frame in recorded:
        restarted.receive(frame)
    assert len(device.invoked) == 1
    assert device.values[NOTE] == encode_visible_string("later")


@pytest.mark.requirement("SEC-004")
def test_an_equal_counter_is_as_used_as_a_lower_one():
    receiver = context(1, own=METER_TITLE, peer=CLIENT_TITLE)
    for counter in (7, 6, 8):
        message = context(counter).protect(GET_ENERGY, CipherForm.GENERAL_GLO, Protection.BOTH)
        if counter != 6:
            receiver.unprotect(message, Protection.BOTH)
        with pytest.raises(CounterError):
            receiver.unprotect(message, Protection.BOTH)


@pytest.mark.requirement("SEC-006")
def test_a_forged_high_counter_does_not_silence_a_client():
    pair = Pair(ExampleDevice(), settings_for(1))
    pair.run(Associate())
    before = dict(pair.device.accepted)
    pair.raw(b"\xc8\x16\x30\xff\xff\xff\xff" + bytes(17))
    assert pair.device.accepted == before
    assert isinstance(pair.run(Get(ENERGY))[0], ValueReceived)


@pytest.mark.requirement("SEC-020")
def test_management_opens_with_a_proof_of_keys_only():
    for mechanism, secret in ((None, None), (1, PASSWORD), (2, bytes(16)), (3, bytes(16)), (4, bytes(16))):
        pair = Pair(ExampleDevice(), settings_for(1))
        asked = AssociationRequest.from_bytes(pair.client.send(Associate())[8:])
        facts = {name: getattr(asked, name) for name in asked.__slots__}
        facts |= {"mechanism": mechanism, "authentication": secret}
        answered = AssociationResponse.from_bytes(pair.raw(AssociationRequest(**facts).to_bytes()))
        assert answered.result == 1
        assert pair.raw(GET_ENERGY) == NOT_ALLOWED


@pytest.mark.requirement("SEC-020")
def test_who_proves_nothing_sees_identity_and_time_only():
    assert CLIENTS[Client.MANAGEMENT].ciphered and CLIENTS[Client.READER].ciphered
    assert {row.mechanism for row in CLIENTS.values() if row.ciphered} == {Mechanism.GMAC}
    assert rights_of(Client.PUBLIC, Audience.EVERYONE) is Rights.READ
    assert rights_of(Client.PUBLIC, Audience.READERS) is Rights.NONE
    assert rights_of(Client.PUBLIC, Audience.MANAGERS) is Rights.NONE


@pytest.mark.requirement("SEC-022")
def test_a_challenge_that_is_mirrored_is_not_answered():
    client = make(settings_for(1))
    with pytest.raises(TagError):
        answer(client, response_to(client, authentication=b"C" * 16))
    assert client.data_to_send() == b""


@pytest.mark.requirement("SEC-022")
def test_nobody_proves_itself_in_our_own_name():
    pair = Pair(ExampleDevice(), settings_for(1))
    asked = AssociationRequest.from_bytes(pair.client.send(Associate())[8:])
    facts = {name: getattr(asked, name) for name in asked.__slots__} | {"calling_title": METER_TITLE}
    answered = AssociationResponse.from_bytes(pair.raw(AssociationRequest(**facts).to_bytes()))
    assert (answered.result, answered.diagnostic) == (1, 3)
    client = make(settings_for(1))
    with pytest.raises(ProtectionError):
        answer(client, response_to(client, responding_title=CLIENT_TITLE))
