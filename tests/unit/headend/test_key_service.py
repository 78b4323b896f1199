"""The key service on emulated meters without sockets: what is let begin, held, finished, recovered, and told."""

from dataclasses import replace

import pytest
from tests.security.device_keys.bench import Bench, first_key, title_of

from meterworks.errors import UnreachableError
from meterworks.headend import CampaignState, KeyJobError, KeyPurpose
from meterworks.protocols.errors import AssociationRefused
from meterworks.registry import KeyKind, KeyOrigin, KeySelection, KeyState, NewKey


async def test_a_planned_rotation_waits_for_its_turn_and_an_urgent_one_does_not():
    bench = Bench(origin=KeyOrigin.IMPORTED)
    await bench.start(KeyPurpose.ROTATE)
    assert await bench.contact() is None
    assert bench.ledger.states() == ["planned"]
    await bench.start(KeyPurpose.EMERGENCY)
    assert await bench.contact() is None
    assert sorted(bench.ledger.states()) == ["done", "planned"]


async def test_a_job_that_was_tried_runs_at_the_next_contact():
    bench = Bench(origin=KeyOrigin.IMPORTED)
    campaign = await bench.start(KeyPurpose.ROTATE)
    bench.service._let_begin.add((campaign.id, 1))
    bench.line.faults = ["request"]
    assert isinstance(await bench.contact(), UnreachableError)
    bench.service._let_begin.clear()
    assert await bench.contact() is None
    assert bench.ledger.states() == ["done"]


async def test_a_paused_campaign_begins_nothing_and_finishes_what_is_half_done():
    bench = Bench(2)
    campaign = await bench.start()
    bench.line.faults = [None, "answer"]
    await bench.contact(1)
    await bench.service.set_state(campaign.id, CampaignState.PAUSED)
    await bench.contact(1)
    await bench.contact(2)
    assert bench.ledger.states() == ["done", "planned"]
    await bench.service.set_state(campaign.id, CampaignState.RUNNING)
    await bench.contact(2)
    assert bench.ledger.states() == ["done", "done"]


async def test_a_stopped_campaign_leaves_what_was_not_begun():
    bench = Bench(2)
    campaign = await bench.start()
    await bench.contact(1)
    stopped = await bench.service.set_state(campaign.id, CampaignState.STOPPED)
    assert (stopped.state, stopped.ended_at) == (CampaignState.STOPPED, bench.clock.now())
    await bench.contact(2)
    assert bench.at_meter(2)["guek"] == first_key(2, "guek")
    with pytest.raises(KeyJobError, match="there is no open key campaign"):
        await bench.service.set_state(campaign.id, CampaignState.RUNNING)


async def test_a_campaign_over_nobody_is_refused():
    bench = Bench()
    await bench.start()
    with pytest.raises(KeyJobError, match="no device is selected"):
        await bench.start()
    await bench.service.start(KeyPurpose.ROTATE, KeySelection())


async def test_a_meter_without_master_key_is_an_exception_with_a_reason():
    bench = Bench(kek=False)
    await bench.start()
    assert await bench.contact() is None
    (job,) = bench.ledger.all_jobs.values()
    assert str(job.state) == "failed"
    assert "enter its KEK" in job.reason
    assert "key-job-failed" in bench.telegraph.told


async def test_a_wrong_master_key_changes_nothing_and_says_so():
    bench = Bench()
    now = bench.clock.now()
    wrong = {KeyKind.KEK: NewKey(wrapped=bytes(16))}
    hand = bench.ledger.hands[1].prepared(wrong, KeyOrigin.IMPORTED, "store", now)
    bench.ledger.hands[1] = hand.put_in_force([KeyKind.KEK], now)
    await bench.start()
    await bench.contact()
    (job,) = bench.ledger.all_jobs.values()
    assert str(job.state) == "failed"
    assert "refused the new keys" in job.reason
    assert not bench.ledger.hands[1].pending()
    assert bench.at_meter()["guek"] == first_key(1, "guek") == bench.in_force()["guek"]


async def test_a_meter_that_uses_keys_from_before_is_found_and_rotated():
    bench = Bench()
    await bench.start()
    await bench.contact()
    now = bench.clock.now()
    lost = {kind: NewKey(wrapped=bytes([9]) * 16) for kind in (KeyKind.GUEK, KeyKind.GAK, KeyKind.KEK)}
    hand = bench.ledger.hands[1].prepared(lost, KeyOrigin.GENERATED, "store", now)
    bench.ledger.hands[1] = hand.put_in_force(lost, now)  # the registry believes in keys the meter never got
    await bench.start()
    assert await bench.contact() is None
    assert "key-recovered" in bench.telegraph.told
    assert bench.in_force() == bench.at_meter()


async def test_a_meter_that_no_key_opens_fails_and_keeps_its_record():
    bench = Bench()
    before = bench.ledger.hands[1]
    bench.line.meters[1].view.state.keys.set(0, (bytes((0, 0, 43, 0, 0, 255)), 0x130), bytes((0, 16)) + bytes(16))
    await bench.start()
    assert isinstance(await bench.contact(), AssociationRefused)
    assert bench.ledger.states() == ["failed"]
    assert bench.ledger.hands[1].active().keys() == before.active().keys()


async def test_personalisation_is_planned_once_and_only_for_keys_of_the_maker():
    bench = Bench(2)
    now = bench.clock.now()
    own = {KeyKind.GUEK: NewKey(wrapped=bytes(16))}
    keys = bench.ledger.hands[2].prepared(own, KeyOrigin.IMPORTED, "store", now).put_in_force(own, now)
    bench.ledger.hands[2] = keys
    await bench.service.meet([1])
    await bench.service.meet([1, 2])
    purposes = [(str(each.purpose), each.selection.device_ids) for each in bench.ledger.kept.values()]
    assert purposes == [("personalise", (1,)), ("personalise", (2,))]  # the second one has others of the maker
    await bench.service.meet([1, 2])
    assert len(bench.ledger.kept) == 2


async def test_a_push_under_the_new_keys_can_be_opened_while_their_proof_is_missing():
    bench = Bench()
    await bench.start()
    device = bench.fleet.devices[1]
    assert await bench.service.possible(device) is None
    bench.line.faults = [None, "answer"]
    await bench.contact()
    other = await bench.service.possible(device)
    assert other.guek == bench.at_meter()["guek"] != device.guek
    assert other.system_title == title_of(1)


async def test_an_emergency_in_the_middle_of_a_rotation_loses_nothing():
    """Keys on their way are known to others, too, and yet they may be what the meter has."""
    bench = Bench(origin=KeyOrigin.IMPORTED)
    await bench.start(KeyPurpose.PERSONALISE)
    bench.line.faults = [None, "answer"]
    await bench.contact()
    await bench.start(KeyPurpose.EMERGENCY)
    sent = {str(kind): each.wrapped for kind, each in bench.ledger.hands[1].pending().items()}
    assert bench.at_meter() == sent
    assert await bench.contact() is None
    assert bench.ledger.states() == ["done", "done"]
    assert bench.in_force() == bench.at_meter() != sent
    assert not any(each.state is KeyState.COMPROMISED for each in bench.ledger.hands[1].active().values())


async def test_a_key_that_everyone_knows_is_told_of_once():
    bench = Bench(2)
    bench.fleet.devices[2] = replace(bench.fleet.devices[2], gak=bytes(range(16)))
    await bench.service._scan_keys()
    await bench.service._scan_keys()
    assert bench.telegraph.told == ["known-key"]


async def test_a_master_key_is_never_changed_alone():
    bench = Bench()
    campaign = await bench.service.start(KeyPurpose.EMERGENCY, KeySelection(), kinds=(KeyKind.KEK,))
    assert campaign.kinds == (KeyKind.GUEK, KeyKind.GAK, KeyKind.KEK)
    assert await bench.contact() is None
    assert bench.in_force() == bench.at_meter()


async def test_counting_begins_anew_under_a_new_key_and_the_old_count_is_kept():
    bench = Bench(reserved={1: 5000})
    await bench.start()
    await bench.contact()
    old, new = (each for each in bench.ledger.hands[1].versions if each.kind is KeyKind.GUEK)
    assert old.counter > 5000
    assert new.counter == bench.counters.counter(1).bound == 64
