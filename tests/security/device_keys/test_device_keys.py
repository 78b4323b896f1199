"""Keys of meters under attack and loss: each check alone, on emulated meters without sockets."""

from itertools import pairwise, product

import pytest
from tests.security.device_keys.bench import STEPS, Bench, run

from meterworks.devices.meter_key import KeyKind, put_keys_in_force, raise_suite, store_keys, suite_of
from meterworks.headend import KeyPurpose
from meterworks.headend.counters import COUNTER_LAST
from meterworks.headend.errors import CounterExhaustedError
from meterworks.headend.restore import RestoreMark
from meterworks.protocols.dlms import SecuritySuite
from meterworks.registry import KeyOrigin


@pytest.mark.requirement("SEC-007")
def test_a_key_is_renewed_before_its_counter_ends_and_nothing_wraps():
    async def work():
        bench = Bench(reserved={1: COUNTER_LAST - 100}, block=16)
        given = []
        with pytest.raises(CounterExhaustedError):
            while True:
                given.append((await bench.counters.ready(1)).next())
        await bench.service.settled()
        return given, bench.ledger.kept.values(), bench.telegraph.told

    given, campaigns, told = run(work())
    assert len(set(given)) == len(given)
    assert max(given) <= COUNTER_LAST
    assert [campaign.purpose for campaign in campaigns] == [KeyPurpose.EXHAUSTION]
    assert "counter-low" in told


class OldDatabase:
    """A database that was put back after the file had gone on."""

    def __init__(self, position):
        self.at = position

    async def position(self, stream):
        return self.at

    async def save_position(self, stream, position):
        self.at = position


@pytest.mark.requirement("SEC-008")
def test_an_older_database_is_noticed_and_a_key_begins_where_nobody_counted(tmp_path):
    async def work():
        mark, database = RestoreMark(tmp_path / "mark"), OldDatabase(0)
        assert not await mark.shows_restore(database)
        for _ in range(3):
            await mark.note(database)
        restored = await RestoreMark(tmp_path / "mark").shows_restore(OldDatabase(1))
        killed = await RestoreMark(tmp_path / "mark").shows_restore(OldDatabase(4))
        return restored, killed

    assert run(work()) == (True, False)


@pytest.mark.requirement("SEC-018")
def test_no_two_keys_of_a_meter_are_the_same():
    async def work():
        bench = Bench()
        await bench.start()
        await bench.contact()
        return bench.at_meter()

    keys = run(work())
    assert len(set(keys.values())) == 3


@pytest.mark.requirement("SEC-099")
def test_all_keys_of_one_meter_open_no_other():
    async def work():
        bench = Bench(2)
        await bench.start()
        for number in (1, 2):
            await bench.contact(number)
        stolen = bench.fleet.devices[1]
        return await bench.opens(1, stolen), await bench.opens(2, stolen)

    assert run(work()) == (True, False)


@pytest.mark.requirement("SEC-123")
def test_the_keys_of_the_maker_are_all_replaced_at_the_first_contact_and_refused_after_it():
    async def work():
        bench = Bench()
        await bench.service.meet([1])
        await bench.contact()
        active = bench.ledger.hands[1].active()
        transport = [str(kind) for kind, each in active.items() if each.origin is KeyOrigin.TRANSPORT]
        return transport, await bench.opens(1, bench.first[1]), await bench.opens(1, bench.fleet.devices[1])

    assert run(work()) == ([], False, True)


@pytest.mark.requirement("SEC-124")
def test_a_rotation_survives_a_loss_at_every_step():
    async def work(at, lost):
        bench = Bench()
        await bench.start()
        bench.line.faults = [None] * at + [lost]
        await bench.contact()
        bench.service = bench.restarted()  # the head-end was killed meanwhile, too
        bench.take_up()
        await bench.contact()
        return bench

    for at, lost in product(range(3), STEPS):  # opening, transfer, proof; the request, the answer, the meter's power
        bench = run(work(at, lost))
        in_force = [each.kind for each in bench.ledger.hands[1].versions if each.is_in_force]
        assert len(in_force) == len(set(in_force)) == 3
        assert bench.in_force() == bench.at_meter()
        assert bench.ledger.states() == ["done"]
        assert not bench.ledger.hands[1].pending()


@pytest.mark.requirement("SEC-125")
def test_an_emergency_goes_before_any_other_traffic_and_lists_who_it_missed():
    async def work():
        bench = Bench(2, origin=KeyOrigin.IMPORTED)
        await bench.start()
        bench.line.faults = ["request"]
        missed = await bench.contact(1)  # off line: its turn comes at its next contact
        before = bench.at_meter(1)
        await bench.contact(2)
        await bench.contact(1)
        return missed, before != bench.at_meter(1), bench.ledger.states(), bench.in_force(1) == bench.at_meter(1)

    missed, changed, states, same = run(work())
    assert missed is not None
    assert (changed, states, same) == (True, ["done", "done"], True)


@pytest.mark.requirement("SEC-131")
def test_a_meter_moves_to_higher_suites_and_never_back():
    view = Bench().line.meters[1].view
    path = (SecuritySuite.SUITE_0, SecuritySuite.SUITE_1, SecuritySuite.SUITE_2)
    for before, after in pairwise(path):
        assert suite_of(view) == before
        assert raise_suite(view, after)
        if after is SecuritySuite.SUITE_2:
            assert not put_keys_in_force(view)  # longer keys are missing
            assert store_keys(view, {kind: bytes(range(kind, kind + 32)) for kind in KeyKind})
        assert put_keys_in_force(view)
    assert suite_of(view) == SecuritySuite.SUITE_2
    assert not raise_suite(view, SecuritySuite.SUITE_1)
    assert not raise_suite(view, SecuritySuite.SUITE_0)
    put_keys_in_force(view)
    assert suite_of(view) == SecuritySuite.SUITE_2
