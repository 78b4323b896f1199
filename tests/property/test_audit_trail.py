"""The trail under random manipulation: the verifier names the first record that is not what it was (SEC-090).

A thousand manipulations with all rights of the machine: altered octets with and without making the chain anew,
deleted, inserted and exchanged records, cut tails, older copies, copies that went on, and heads that were touched.
"""

import asyncio
import random

import orjson
import pytest
from tests.audited import SIGNER, TestSigner, event, place_in

from meterworks.trust.audit import StoredRecord, TrailReader, TrailVerifier, TreeHead
from meterworks.trust.audit.head import SignedHead, sign_head
from meterworks.trust.audit.merkle import leaf_hash

RECORDS = 60
KEYS = [SIGNER.public_key]


@pytest.fixture(scope="module")
def trail(tmp_path_factory):
    """Bodies and heads of a sound trail."""
    return asyncio.run(sound_trail(tmp_path_factory.mktemp("trail")))


async def sound_trail(folder):
    async with place_in(folder, head_records=7) as place:
        async with place.appending() as appender:
            for number in range(1, RECORDS, 3):
                await appender.append([event(number + each) for each in range(3)])
        rows = [row async for row in TrailReader(place.database).rows()]
        return [row.body for row in rows], place.heads()


def verdict(bodies, heads):
    """What the verifier says of rows as an attacker leaves them: places and leaf hashes fit the bodies."""
    verifier = TrailVerifier(heads, KEYS)
    for place, body in enumerate(bodies):
        verifier.take(StoredRecord(sequence=place, body=body, leaf_hash=leaf_hash(body)))
    return verifier.finish()


def remade(bodies, first):
    """Make places and chain anew from a record on, as whoever may write the database can."""
    made = list(bodies[:first])
    for place in range(first, len(bodies)):
        fields = orjson.loads(bodies[place])
        fields["sequence"] = place
        fields["previous"] = leaf_hash(made[-1]).hex() if made else "00" * 32
        made.append(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS))
    return made


def altered(chance, bodies):
    """One field of one record."""
    place = chance.randrange(len(bodies))
    fields = orjson.loads(bodies[place])
    name = chance.choice(["actor", "object", "outcome", "cause", "at", "recorded_at", "event"])
    fields[name] = {"outcome": "unknown"}.get(name, fields[name][:-1] + "#")
    return place, [*bodies[:place], orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), *bodies[place + 1 :]]


def flipped(chance, bodies):
    """One bit of one record."""
    place = chance.randrange(len(bodies))
    body = bytearray(bodies[place])
    body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return place, [*bodies[:place], bytes(body), *bodies[place + 1 :]]


def deleted(chance, bodies):
    """Some neighbouring records, but not the tail."""
    place = chance.randrange(len(bodies) - 6)
    return place, [*bodies[:place], *bodies[place + chance.randrange(1, 5) :]]


def inserted(chance, bodies):
    """A record of long ago, somewhere."""
    place = chance.randrange(1, len(bodies))
    return place, [*bodies[:place], bodies[chance.randrange(place)], *bodies[place:]]


def exchanged(chance, bodies):
    """Two records have changed places."""
    one, other = sorted(chance.sample(range(len(bodies)), 2))
    made = list(bodies)
    made[one], made[other] = made[other], made[one]
    return one, made


def truncated(chance, bodies):
    """The tail is gone."""
    place = chance.randrange(len(bodies))
    return place, bodies[:place]


def branched(chance, bodies):
    """An older copy that went on."""
    place = chance.randrange(1, len(bodies) - 1)
    fields = [orjson.loads(body) for body in bodies[place:]]
    for each in fields:
        each["actor"] = "account:mallory"
    return place, remade(
        [*bodies[:place], *(orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in fields)], place
    )


MANIPULATIONS = (altered, flipped, deleted, inserted, exchanged, truncated, branched)


def test_a_sound_trail_is_sound(trail):
    bodies, heads = trail
    found = verdict(bodies, heads)
    assert (found.sound, found.records, found.sealed) == (True, len(bodies), len(bodies))


def test_the_first_bad_record_is_named_in_a_thousand_manipulations(trail):
    bodies, heads = trail
    chance = random.Random(90)
    for number in range(1_000):
        manipulate = MANIPULATIONS[number % len(MANIPULATIONS)]
        place, made = manipulate(chance, bodies)
        if manipulate in (altered, deleted, inserted, exchanged) and chance.random() < 0.5:
            made = remade(made, place)
        finding = verdict(made, heads).finding
        assert finding is not None, (manipulate.__name__, place)
        assert finding.record == place, (manipulate.__name__, place, finding)


@pytest.mark.parametrize("number", range(1, 6))
def test_a_touched_head_is_named(trail, number):
    bodies, heads = trail
    signed = heads[number]
    head = signed.head
    forged = TreeHead(
        log=head.log,
        size=head.size,
        root=bytes(32),
        signed_at=head.signed_at,
        previous=head.previous,
        key=head.key,
        marks=head.marks,
    )
    for other in (
        SignedHead(head=forged, signature=signed.signature),
        sign_head(forged, TestSigner(1)),
        SignedHead(head=head, signature=signed.signature[:-1] + b"\x00"),
        heads[number - 1],
    ):
        finding = verdict(bodies, [*heads[:number], other, *heads[number + 1 :]]).finding
        assert (finding.kind, finding.head) == ("head", number + 1)
        assert finding.record == heads[number - 1].head.size


def test_a_head_taken_out_is_named(trail):
    bodies, heads = trail
    finding = verdict(bodies, [*heads[:2], *heads[3:]]).finding
    assert (finding.kind, finding.head) == ("head", 3)


def test_heads_of_another_key_do_not_count(trail):
    bodies, heads = trail
    verifier = TrailVerifier(heads, [TestSigner(1).public_key])
    assert verifier.finish().finding.kind == "head"
    assert bodies
