"""Our own client and server overheard: in every suite, mechanism and form all is opened and understood.

The ends are those that others judge; the dissector shares their decoders, but finds its keys and titles by itself.
"""

from itertools import zip_longest
from typing import Any

import pytest
from tests.integration.dlms.example_device import (
    CLOCK,
    ECHO,
    ENERGY,
    LONG_VALUE,
    METER_TITLE,
    NAME,
    NOTE,
    PROFILE,
)
from tests.unit.protocols.dlms.named_device import pair
from tests.unit.protocols.dlms.security.bench import Bench, key_of, make_bench, scalar_of

from meterworks.protocols.dlms import (
    Action,
    Associate,
    Ciphering,
    Command,
    Conformance,
    Get,
    GetList,
    Mechanism,
    Protection,
    Release,
    SecuritySuite,
    Set,
    encode_octet_string,
    encode_visible_string,
)
from meterworks.protocols.dlms.dissect import Dissector, KeyRing, KeySet, Node, messages_of
from meterworks.protocols.dlms.security import KeyChoice, SoftwareKeyAgreement, SoftwareSigner

COMMANDS: tuple[Command, ...] = (
    Associate(),
    Get(CLOCK),
    Get(LONG_VALUE),
    GetList(((NAME, None), (ENERGY, None))),
    Set(NOTE, encode_visible_string("x" * 300)),
    Action(ECHO, encode_octet_string(b"y" * 300)),
    Get(PROFILE),
    Release(),
)
SUITES = list(SecuritySuite)


def overheard(bench: Bench, ring: KeyRing, commands: tuple[Command, ...] = COMMANDS) -> list[Node]:
    """Give the trees of all that went over the line, in its order."""
    for command in commands:
        bench.run(command)
    dissector = Dissector(ring)
    trees = []
    for asked, answered in zip_longest(bench.sent, bench.answered, fillvalue=b""):
        for name, apdu in (("client", asked), ("server", answered)):
            if apdu:
                trees.append(dissector.dissect(apdu, direction=name))
    return trees


def ring_of(suite: SecuritySuite, **more: object) -> KeyRing:
    keys = {
        "guek": key_of(suite, 0x10),
        "gak": key_of(suite, 0xD0),
        "gbek": key_of(suite, 0x30),
        "kek": key_of(suite, 0x50),
    }
    return KeyRing.of(**keys, **more)


def check_all_understood(trees: list[Node], *, least: int) -> set[str]:
    """No error, nothing closed; give the names of the APDUs."""
    assert [node.error for tree in trees for node in tree.errors] == []
    assert len(trees) >= least
    names: set[str] = set()
    for tree in trees:
        values = [node.value for node in tree.walk()]
        assert not any(value.startswith("closed") or value == "no key fits" for value in values), values[:9]
        names.update(node.name for node in tree.walk())
    return names


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("ciphering", [Ciphering.SERVICE, Ciphering.GENERAL, Ciphering.GENERAL_CIPHERING])
@pytest.mark.parametrize("protection", [Protection.AUTHENTICATED, Protection.BOTH])
def test_every_form_in_every_suite(suite: SecuritySuite, ciphering: Ciphering, protection: Protection) -> None:
    bench = make_bench(
        suite, Mechanism.GMAC, protection, client={"ciphering": ciphering, "key_choice": KeyChoice.IDENTIFIED}
    )
    names = check_all_understood(overheard(bench, ring_of(suite)), least=2 * len(COMMANDS))
    assert {"AARQ", "get-request", "set-request", "action-request", "get-response-with-data-block"} <= names


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_every_mechanism(mechanism: Mechanism) -> None:
    suite = SecuritySuite.SUITE_1 if mechanism is Mechanism.ECDSA else SecuritySuite.SUITE_0
    names = check_all_understood(overheard(make_bench(suite, mechanism), ring_of(suite)), least=2 * len(COMMANDS))
    assert ("charstring" in names) == (mechanism is not Mechanism.NONE)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("ciphering", [Ciphering.SERVICE, Ciphering.GENERAL])
def test_dedicated_keys_are_overheard_in_the_association_request(suite: SecuritySuite, ciphering: Ciphering) -> None:
    bench = make_bench(suite, client={"dedicated_key": key_of(suite, 0x70), "ciphering": ciphering})
    names = check_all_understood(overheard(bench, ring_of(suite)), least=2 * len(COMMANDS))
    assert any(name.startswith("ded-") or name == "general-ded-ciphering" for name in names)


@pytest.mark.parametrize("suite", SUITES[1:])
@pytest.mark.parametrize("choice", [choice for choice in KeyChoice if choice is not KeyChoice.IDENTIFIED_BROADCAST])
def test_every_choice_of_key_is_opened_with_what_the_receiver_holds(suite: SecuritySuite, choice: KeyChoice) -> None:
    """The keys of both ends: each opens what the other sent."""
    bench = make_bench(suite, client={"ciphering": Ciphering.GENERAL_CIPHERING, "key_choice": choice})
    ends: dict[bytes | None, KeySet] = {}
    for title, own, other in ((METER_TITLE, 51, 151), (b"MWKheade", 151, 51)):
        keys: Any = {"guek": key_of(suite, 0x10), "gak": key_of(suite, 0xD0), "kek": key_of(suite, 0x50)}
        ends[title] = KeySet(
            **keys,
            agreement_key=scalar_of(suite, own),
            peer_agreement_key=SoftwareKeyAgreement(suite, scalar_of(suite, other)).public_key,
        )
    check_all_understood(overheard(bench, KeyRing(ends)), least=2 * len(COMMANDS))


@pytest.mark.parametrize("suite", SUITES[1:])
def test_signatures_are_verified(suite: SecuritySuite) -> None:
    bench = make_bench(suite, client={"ciphering": Ciphering.SIGNED})
    ends: dict[bytes | None, KeySet] = {}
    for title, own in ((METER_TITLE, 101), (b"MWKheade", 1)):
        keys: Any = {"guek": key_of(suite, 0x10), "gak": key_of(suite, 0xD0), "kek": key_of(suite, 0x50)}
        ends[title] = KeySet(**keys, peer_signing_key=SoftwareSigner(suite, scalar_of(suite, own)).public_key)
    trees = overheard(bench, KeyRing(ends), COMMANDS[:3])
    check_all_understood(trees, least=6)
    signatures = [node.value for tree in trees for node in tree.walk() if node.name == "signature"]
    assert signatures
    assert all(value.endswith("(verified)") for value in signatures)


def test_without_keys_everything_stays_closed_and_nothing_is_an_error() -> None:
    trees = overheard(make_bench(), KeyRing())
    assert [node.error for tree in trees for node in tree.errors] == []
    assert any(node.value == "closed: no keys given" for tree in trees for node in tree.walk())
    assert not any(node.name == "deciphered" for tree in trees for node in tree.walk())


def test_without_protection_all_is_in_the_open() -> None:
    trees = overheard(make_bench(mechanism=Mechanism.LOW, protection=Protection.NONE), KeyRing())
    names = check_all_understood(trees, least=2 * len(COMMANDS))
    assert "joined" in names


LN = Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.BLOCK_TRANSFER_WITH_GET


@pytest.mark.parametrize("conformance", [LN, LN | Conformance.GENERAL_BLOCK_TRANSFER], ids=["blocks", "general blocks"])
def test_wrapped_sessions_with_blocks_of_either_kind(conformance: Conformance) -> None:
    ends = pair(3, conformance, max_pdu=100)
    dissector = Dissector()
    said: list[bytes] = []
    for command in (Associate(), Get(LONG_VALUE), Release()):
        octets = ends.client.send(command)
        while octets:
            said.append(octets)
            answer = ends.server.receive(octets)
            said.append(answer)
            ends.client.receive(answer)
            octets = ends.client.data_to_send()
    trees = [dissector.dissect(octets) for octets in said if octets]
    check_all_understood(trees, least=6)
    assert sum(len(list(messages_of(tree))) for tree in trees) >= 6
