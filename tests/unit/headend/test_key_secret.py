"""Secrets of readers replaced by job, with every exchange cut in turn."""

from itertools import product

import pytest
from tests.security.device_keys.bench import LOSSES, Bench

from meterworks.devices.client_login import ClientLogin
from meterworks.headend import KeyPurpose, KeyTask
from meterworks.protocols.dlms import READER_CLIENT, Mechanism, MethodAddress, ObisCode, encode_octet_string
from meterworks.registry import KeyKind, KeyOrigin, KeySelection, NewKey

EXCHANGES = 7  # opening, partners of two associations, mechanism, change, proof
FIRST = b"the first secret"


def bench_of(mechanism=Mechanism.SHA256, *, known=True):
    secret = {} if mechanism is Mechanism.GMAC else {"secret": FIRST}
    bench = Bench(logins=(ClientLogin(client_sap=READER_CLIENT, mechanism=mechanism, **secret),))
    if known:
        now = bench.clock.now()
        key = {KeyKind.HLS: NewKey(wrapped=FIRST)}
        hand = bench.ledger.hands[1].prepared(key, KeyOrigin.IMPORTED, "store", now)
        bench.ledger.hands[1] = hand.put_in_force(key, now)
    return bench


async def begun(bench):
    await bench.service.start(KeyPurpose.PERSONALISE, KeySelection(), kinds=(KeyKind.HLS,), task=KeyTask.SECRET)


def at_meter(bench):
    return bench.line.meters[1].association(READER_CLIENT).secret


def assert_replaced(bench):
    assert bench.ledger.states() == ["done"]
    hand = bench.ledger.hands[1]
    in_force = [each.wrapped for each in hand.versions if each.kind is KeyKind.HLS and each.is_in_force]
    assert in_force == [at_meter(bench)]
    assert at_meter(bench) != FIRST
    assert len(at_meter(bench)) == 32
    assert not hand.pending()


@pytest.mark.parametrize("mechanism", [Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256])
@pytest.mark.parametrize("known", [True, False])
async def test_the_secret_of_readers_is_replaced_and_proved(mechanism, known):
    bench = bench_of(mechanism, known=known)
    await begun(bench)
    await bench.contact()
    assert_replaced(bench)
    assert "key-changed" in bench.telegraph.told


async def test_every_exchange_may_be_lost():
    for at, lost in product(range(EXCHANGES), LOSSES):
        bench = bench_of()
        await begun(bench)
        bench.line.faults = [None] * at + [lost]
        for _ in range(4):
            await bench.contact()
            bench.service = bench.restarted()
            bench.clock.advance(3600)
            bench.take_up()
        assert_replaced(bench)
        assert "key-recovered" not in bench.telegraph.told


async def test_where_neither_secret_opens_it_is_changed_again_and_told_of():
    bench = bench_of()
    await begun(bench)
    bench.line.faults = [None] * 4 + ["request"]
    await bench.contact()
    other = MethodAddress(15, ObisCode("0.0.40.0.2.255"), 2)
    bench.line.meters[1].action(1, other, encode_octet_string(b"another one's"))
    bench.clock.advance(3600)
    await bench.contact()
    assert_replaced(bench)
    assert "key-recovered" in bench.telegraph.told


@pytest.mark.parametrize(("mechanism", "number"), [(Mechanism.GMAC, 5), (Mechanism.LOW, 1)])
async def test_what_is_no_secret_of_ours_is_not_replaced(mechanism, number):
    bench = bench_of(mechanism, known=False)
    await begun(bench)
    await bench.contact()
    (job,) = bench.ledger.all_jobs.values()
    assert (str(job.state), f"mechanism {number}," in job.reason) == ("failed", True)
    assert KeyKind.HLS not in bench.ledger.hands[1].active()


async def test_a_rotation_of_keys_leaves_the_secret_alone():
    bench = bench_of()
    await begun(bench)
    await bench.contact()
    secret = at_meter(bench)
    await bench.start()
    await bench.contact()
    assert at_meter(bench) == secret
    assert bench.ledger.hands[1].active()[KeyKind.HLS].wrapped == secret
