"""The targets of GB messages hold for a moment, and take what they are made for."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.gbcs import GB_TARGETS, example_of

IDS = [target.__name__.removeprefix("_fuzz_") for target in GB_TARGETS]
OUTCOMES = ("taken", "refused")
ROUNDS = 120


@pytest.mark.parametrize("target", GB_TARGETS, ids=IDS)
def test_target_takes_its_examples(target):
    for example in example_of(target):
        assert target(example) == "taken"


@pytest.mark.parametrize("target", GB_TARGETS, ids=IDS)
def test_target_holds_under_changed_octets(target):
    source = random.Random(11)
    for _ in range(ROUNDS):
        octets = bytearray(source.choice(example_of(target)))
        for _ in range(1 + source.randrange(3)):
            octets[source.randrange(len(octets))] = source.randrange(256)
        assert target(bytes(octets[: source.choice((len(octets), source.randrange(len(octets))))])) in OUTCOMES


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_are_taken_or_refused(octets):
    for target in GB_TARGETS:
        assert target(octets) in OUTCOMES


def test_every_cut_of_a_message_is_refused():
    frame, result = GB_TARGETS[0], GB_TARGETS[6]
    for example in example_of(result):
        for size in range(len(example)):
            assert frame(example[:size]) == "refused"
            assert result(example[:size]) == "refused"
