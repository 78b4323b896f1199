"""Key campaigns over emulated meters on real sockets: nothing is lost, whatever is lost on the way."""

import asyncio
import itertools
import time

import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.integration.headend.key_field import make_field, settled, specification

from meterworks.devices import FaultSettings
from meterworks.errors import MeterworksError
from meterworks.headend import KeyPurpose, PolicyStatement, SecurityLevel, sign_statement
from meterworks.registry import KeyKind, KeySelection, KeyState
from meterworks.trust import FileKeyVault, KeyStore, KeyUsage

METERS = 24  # a thousand in `make soak`
FAULTS = {"cut_probability": 0.06, "death_probability": 0.1, "answer_loss_probability": 0.005}


@pytest.fixture
async def field(tmp_path):
    made = await make_field(tmp_path)
    yield made
    await made.close()


def statement_of(field, level, *, known=True):
    """A signed policy; known: its key is one of those that count."""
    vault = FileKeyVault(field.folder / f"signer-{known}", KeyStore(bytes(32)))
    key = vault.generate("policy", KeyUsage.SIGN, "P-256")
    (field.folder / "policy").mkdir(exist_ok=True)
    if known:
        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (field.folder / "policy" / "board.pem").write_bytes(key.public_key.public_bytes(*form))
    return sign_statement(PolicyStatement(level=level, reason="a test", signed_at=field.clock.now()), key)


async def done_share(field, campaign_id):
    """What anybody may ask the head-end over the bus."""
    answer = orjson.loads(await field.bus.request("headend.keys.status", b"{}", timeout_s=60.0))
    (document,) = [each for each in answer["campaigns"] if each["id"] == campaign_id]
    return document["done_share"]


async def campaign_under_losses(field, meters, *, seed, kills=(0.3, 0.6), within_s=300.0):
    """Rotate all keys while connections break and the head-end is killed; gives figures of the run."""
    specifications = [specification(number) for number in range(meters)]
    await field.serve(specifications, FaultSettings(seed=seed, **FAULTS))
    await field.enrol(specifications)
    first = await field.registry.keys(field.ids)
    began, cpu = time.perf_counter(), time.process_time()
    await field.start()
    campaign = await field.keys.start(KeyPurpose.ROTATE, KeySelection())
    seen, counters = [], []
    for share in kills:
        async with asyncio.timeout(within_s):
            while (done := await done_share(field, campaign.id)) < share:
                seen.append(done)
                await asyncio.sleep(0.2)
        await field.kill()
        counters.append(await counters_of(field))
        await field.start()
    jobs = await settled(field, campaign.id, within_s=within_s)
    return {
        "jobs": jobs, "lost": await field.lost(), "two_valid": await field.two_valid(),
        "changed": len(await field.changed(first)), "seen": seen, "s": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu, "counters": [*counters, await counters_of(field)],
        "attempts": sum(job.attempts for job in await field.head_end.keys.jobs(campaign.id)),
    }  # fmt: skip


async def counters_of(field):
    """Counters reserved under each version of each encryption key."""
    hands = await field.registry.key_hands(field.ids)
    return {
        (number, each.version): each.counter
        for number, hand in hands.items()
        for each in hand.versions
        if each.kind is KeyKind.GUEK
    }


def lowered(records):
    return [
        name
        for before, after in itertools.pairwise(records)
        for name, counter in before.items()
        if after.get(name, 0) < counter
    ]


async def test_a_rotation_replaces_all_keys_of_a_meter(field):
    meters = [specification(number) for number in range(2)]
    await field.serve(meters)
    await field.enrol(meters)
    first = await field.registry.keys(field.ids)
    await field.start()
    campaign = await field.keys.start(KeyPurpose.ROTATE, KeySelection())
    assert await settled(field, campaign.id) == {"done": 2}
    assert await field.lost() == []
    assert await field.two_valid() == []
    assert await field.changed(first) == field.ids
    (hand, _) = (await field.registry.key_hands(field.ids)).values()
    assert {each.state for each in hand.previous().values()} == {KeyState.REPLACED}


@pytest.mark.parametrize(("suite", "raised"), [(0, 1), (0, 2)])
async def test_meters_are_raised_to_a_higher_suite_without_a_visit(field, suite, raised):
    meters = [specification(number, suite=suite) for number in range(2)]
    await field.serve(meters)
    await field.enrol(meters)
    await field.start()
    body = orjson.dumps({"purpose": "rotate", "statement": statement_of(field, SecurityLevel(suite=raised))})
    begun = orjson.loads(await field.bus.request("headend.keys.start", body, timeout_s=60.0))
    assert begun["suite"] == raised
    assert await settled(field, begun["id"]) == {"done": 2}
    assert [(await field.registry.device(number)).suite for number in field.ids] == [raised] * 2
    assert await field.lost() == []
    await field.stop()
    await field.start()  # and it is opened in that suite from then on
    campaign = await field.keys.start(KeyPurpose.ROTATE, KeySelection())
    assert await settled(field, campaign.id) == {"done": 2}
    assert await field.lost() == []


async def test_a_policy_that_nobody_of_ours_signed_raises_nothing(field):
    meters = [specification(0)]
    await field.serve(meters)
    await field.enrol(meters)
    await field.start()
    strange = statement_of(field, SecurityLevel(suite=1), known=False)
    for body in ({"statement": strange}, {"task": "policy"}, {"task": "policy", "statement": strange}):
        with pytest.raises(MeterworksError):
            await field.bus.request("headend.keys.start", orjson.dumps(body), timeout_s=60.0)
    assert orjson.loads(await field.bus.request("headend.keys.status", b"{}", timeout_s=60.0)) == {"campaigns": []}


async def test_no_meter_is_lost_whatever_is_lost_on_the_way(field):
    result = await campaign_under_losses(field, METERS, seed=7)
    assert result["jobs"] == {"done": METERS}
    assert result["lost"] == []
    assert result["two_valid"] == []
    assert result["changed"] == METERS
    assert lowered(result["counters"]) == []
    assert result["attempts"] > 0
