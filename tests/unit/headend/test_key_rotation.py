"""Rotations in each suite with every exchange cut in turn, and two of them: no meter is lost, none has two keys."""

from itertools import product

import pytest
from tests.security.device_keys.bench import LOSSES, Bench, first_key

from meterworks.devices import certificate_store, security_setup
from meterworks.devices.errors import CertificateRefused
from meterworks.headend import KeyPurpose, SecurityLevel
from meterworks.headend.errors import KeyAgreementFailed
from meterworks.headend.key_agreement import AgreementSides, KeyOffer
from meterworks.protocols.dlms import (
    SecuritySuite,
    SoftwareSigner,
    encode_array,
    encode_enum,
    encode_octet_string,
    encode_structure,
)
from meterworks.registry import KeyKind, KeyOrigin, KeySelection

SYMMETRIC = {"guek", "gak", "kek"}
CONTACTS_MAX = 8
EXCHANGES = {0: 3, 1: 5, 2: 5}  # opening, [agreement, opening,] transfer, proof


async def changed(faults, *, suite, raised=None):
    """Rotate a meter's keys while exchanges are lost, and the head-end with each of them."""
    bench = Bench(suite=suite)
    await bench.service.start(KeyPurpose.EMERGENCY, KeySelection(), level=SecurityLevel(suite=raised))
    bench.line.faults = list(faults)
    for _ in range(CONTACTS_MAX):
        await bench.contact()
        if bench.ledger.states() == ["done"]:
            return bench
        bench.service = bench.restarted()
        bench.take_up()
    return bench


def assert_whole(bench):
    """One key of each kind in force, none pending, and the meter has those."""
    assert bench.ledger.states() == ["done"]
    hand = bench.ledger.hands[1]
    in_force = [each.kind for each in hand.versions if each.is_in_force and not each.kind.is_certificate]
    assert sorted(in_force) == sorted(SYMMETRIC)
    assert not hand.pending()
    assert bench.in_force() == bench.at_meter()
    assert not any(first_key(1, kind, bench.suite) == bench.at_meter()[kind] for kind in SYMMETRIC)


@pytest.mark.parametrize("suite", [0, 1, 2])
async def test_every_exchange_may_be_lost(suite):
    for at, lost in product(range(EXCHANGES[suite] + 1), LOSSES):
        bench = await changed([None] * at + [lost], suite=suite)
        assert_whole(bench)
        origin = bench.ledger.hands[1].active()[KeyKind.KEK].origin
        assert origin is (KeyOrigin.AGREED if suite else KeyOrigin.GENERATED)
        left = bench.line.faults
        assert bool(left) is (at >= EXCHANGES[suite])  # each exchange was cut once, and there is no other


async def test_any_two_exchanges_may_be_lost():
    for first, between, kinds in product(range(5), range(4), product(LOSSES, LOSSES)):
        faults = [None] * first + [kinds[0]] + [None] * between + [kinds[1]]
        assert_whole(await changed(faults, suite=1))


async def test_a_lost_answer_to_an_agreement_leaves_the_association_as_it_was():
    bench = Bench(suite=1)
    await bench.start()
    bench.line.faults = [None, "answer"]
    await bench.contact()
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), job.step) == ("sent", "agree")
    assert bench.at_meter()["kek"] != bench.in_force()["kek"]  # nobody knows this one
    assert bench.at_meter()["guek"] == first_key(1, "guek") == bench.in_force()["guek"]
    assert await bench.contact() is None
    assert_whole(bench)


async def test_a_meter_that_forgets_what_it_agreed_to_is_sent_its_keys_under_the_one_before():
    bench = Bench(suite=1)
    await bench.start()
    bench.line.faults = [None, None, "request"]
    await bench.contact()
    assert bench.ledger.hands[1].pending()[KeyKind.KEK].origin is KeyOrigin.AGREED
    bench.line.meters[1].view.state.keys.remove(0, (bytes((0, 0, 43, 0, 0, 255)), 0x131))  # power was lost
    assert await bench.contact() is None
    assert "key-recovered" not in bench.telegraph.told  # the one agreed went along under the one before
    assert_whole(bench)


async def test_a_meter_whose_master_key_nobody_knows_agrees_another_one():
    bench = Bench(suite=1)
    await bench.start()
    bench.line.faults = [None, None, "request"]
    await bench.contact()
    record = bytes((3, 16)) + b"an unknown kek!!"
    bench.line.meters[1].view.state.keys.set(0, (bytes((0, 0, 43, 0, 0, 255)), 0x131), record)
    assert await bench.contact() is None
    assert "key-recovered" in bench.telegraph.told
    assert_whole(bench)


async def test_a_meter_without_a_master_key_gets_one_by_agreement():
    bench = Bench(suite=1, kek=False)
    await bench.start()
    assert await bench.contact() is None
    assert_whole(bench)


async def test_a_meter_that_holds_our_last_certificate_only_still_agrees():
    bench = Bench(suite=2)
    bench.own.renew(SecuritySuite.SUITE_2)
    await bench.start()
    assert await bench.contact() is None
    assert_whole(bench)
    assert bench.ledger.hands[1].active()[KeyKind.KEK].origin is KeyOrigin.AGREED


def strange_to_the_meter(bench):
    """Our key pair is another one, of which the meter knows nothing."""
    bench.own.pairs[SecuritySuite.SUITE_1].clear()
    bench.own.renew(SecuritySuite.SUITE_1)


async def test_a_meter_that_does_not_know_us_is_given_our_certificate_on_the_way():
    for at, lost in product(range(8), LOSSES):
        bench = Bench(suite=1)
        strange_to_the_meter(bench)
        await bench.start()
        bench.line.faults = [None] * at + [lost]
        for _ in range(3):
            await bench.contact()
            bench.service = bench.restarted()
            bench.take_up()
        assert_whole(bench)
        assert bench.ledger.hands[1].active()[KeyKind.KEK].origin is KeyOrigin.AGREED


async def test_an_agreement_that_the_certified_key_did_not_sign_ends_the_job_and_not_the_visit(monkeypatch):
    bench = Bench(suite=1)
    other = SoftwareSigner(SecuritySuite.SUITE_1, bytes(31) + b"\7")
    monkeypatch.setattr(security_setup, "SoftwareSigner", lambda suite, scalar: other)
    await bench.start()
    assert await bench.contact() is None
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), "certify its signing pair anew" in job.reason) == ("failed", True)
    assert bench.at_meter()["guek"] == bench.in_force()["guek"]
    monkeypatch.undo()  # somebody saw to it
    await bench.start()
    assert await bench.contact() is None
    assert bench.ledger.states() == ["failed", "done"]
    assert bench.in_force() == bench.at_meter()


async def test_a_meter_that_refuses_every_agreement_is_sent_its_keys_as_before(monkeypatch):
    def refuse(view, octets):
        raise CertificateRefused("nothing is taken")

    bench = Bench(suite=1)
    strange_to_the_meter(bench)
    monkeypatch.setattr(certificate_store, "import_certificate", refuse)
    await bench.start()
    assert await bench.contact() is None
    assert_whole(bench)
    assert bench.ledger.hands[1].active()[KeyKind.KEK].origin is KeyOrigin.GENERATED
    assert "key-not-agreed" in bench.telegraph.told


@pytest.mark.parametrize(("suite", "raised"), [(0, 1), (0, 2), (1, 2)])
async def test_a_meter_is_raised_whatever_is_lost_and_the_registry_knows_it(suite, raised):
    for at, lost in product(range(5), LOSSES):
        bench = await changed([None] * at + [lost], suite=suite, raised=raised)
        assert_whole(bench)
        assert bench.ledger.suites == {1: raised}
        assert bench.fleet.devices[1].suite == raised
        bench.line.faults.clear()
        assert await bench.opens(1, bench.fleet.devices[1])


async def test_a_meter_that_refuses_its_new_keys_stays_in_its_suite():
    bench = Bench(suite=0)
    bench.ledger.open = lambda version: bytes(16) if version.kind is KeyKind.KEK else version.wrapped
    await bench.service.start(KeyPurpose.EMERGENCY, KeySelection(), level=SecurityLevel(suite=1))
    await bench.contact()
    assert bench.ledger.states() == ["failed"]
    assert await bench.opens(1, bench.first[1])
    assert bench.ledger.suites == {}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"\x00",
        encode_array([]),
        encode_array([encode_structure(encode_enum(3), encode_octet_string(bytes(128)))]),
        encode_array([encode_structure(encode_enum(0), encode_octet_string(bytes(128)))]),
        encode_array([encode_structure(encode_enum(3), encode_octet_string(bytes(127)))]),
    ],
    ids=["nothing", "null", "no-row", "unsigned", "another-key", "too-short"],
)
def test_what_the_certified_key_did_not_sign_gives_no_key(answer):
    bench = Bench(suite=1)
    (signer,) = bench.own.signers(SecuritySuite.SUITE_1)
    sides = AgreementSides(
        suite=SecuritySuite.SUITE_1, client_title=bytes(8), device_title=b"12345678", device_keys=[signer.public_key]
    )
    with pytest.raises(KeyAgreementFailed):
        KeyOffer(sides, signer, lambda size: bytes(range(1, size + 1)), key_id=3).key_of(answer)
