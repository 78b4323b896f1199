"""Jobs of all tasks at one meter, begun at random, under random losses and deaths of the head-end: both ends agree."""

import random

import pytest
from tests.security.device_keys.bench import Bench
from tests.unit.headend.test_key_certificate import held_by

from meterworks.devices.client_login import ClientLogin
from meterworks.headend import KeyJobError, KeyPurpose, KeyTask, SecurityLevel
from meterworks.headend.key_service import KINDS_OF_TASK
from meterworks.protocols.dlms import READER_CLIENT, Mechanism
from meterworks.registry import KeyKind, KeySelection

SEEDS = [*range(20), 942]
CONTACTS = 30
LOSS = 0.12
LOGIN = ClientLogin(client_sap=READER_CLIENT, mechanism=Mechanism.SHA256, secret=b"the first secret")


class Chance:
    """Loses an exchange now and then."""

    def __init__(self, seed):
        self.random, self.loses = random.Random(seed), True

    def pop(self, _place):
        if self.loses and self.random.random() < LOSS:
            return self.random.choice(("request", "answer"))
        return None


async def begin_something(bench, chance):
    """A campaign of any task; where such a job is open already, nothing."""
    task = chance.random.choice(list(KeyTask)[:4])
    level = SecurityLevel()
    if task is KeyTask.KEYS and chance.random.random() < 0.2:
        level = SecurityLevel(suite=chance.random.choice((1, 2)))
    purpose = chance.random.choice((KeyPurpose.PERSONALISE, KeyPurpose.EMERGENCY))
    try:
        await bench.service.start(purpose, KeySelection(), kinds=KINDS_OF_TASK[task], task=task, level=level)
    except KeyJobError:
        return


@pytest.mark.parametrize("seed", SEEDS)
async def test_both_ends_agree_in_the_end(seed):
    chance = Chance(seed)
    bench = Bench(suite=chance.random.choice((0, 1, 2)), logins=(LOGIN,))
    bench.line.faults = chance
    for _ in range(CONTACTS):
        if chance.random.random() < 0.4:
            await begin_something(bench, chance)
        await bench.contact()
        bench.clock.advance(chance.random.choice((1, 3600)))
        if chance.random.random() < 0.3:
            bench.service = bench.restarted()
            bench.take_up()
    chance.loses = False
    for _ in range(CONTACTS):
        bench.clock.advance(3600)
        await bench.contact()
    assert set(bench.ledger.states()) <= {"done", "failed"}
    hand = bench.ledger.hands[1]
    in_force = [each.kind for each in hand.versions if each.is_in_force]
    assert len(in_force) == len(set(in_force)), f"seed {seed}"
    assert not hand.pending(), f"seed {seed}"
    assert {kind: key for kind, key in bench.in_force().items() if kind != "hls"} == bench.at_meter(), f"seed {seed}"
    secret = hand.active().get(KeyKind.HLS)
    at_meter = bench.line.meters[1].association(READER_CLIENT).secret
    assert at_meter == (LOGIN.secret if secret is None else secret.wrapped), f"seed {seed}"
    signing, shown = hand.active().get(KeyKind.SIGNING), held_by(bench).get(0)
    assert shown is None or shown == signing.certificate, f"seed {seed}"
