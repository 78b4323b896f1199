"""The PKI's targets hold for a moment; what they take unchanged they refuse with any single bit changed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.pki import PKI_TARGETS, example_of

IDS = [target.__name__.removeprefix("_fuzz_") for target in PKI_TARGETS]


@pytest.mark.parametrize("target", PKI_TARGETS, ids=IDS)
def test_target_takes_its_example(target):
    assert target(example_of(target)) == "taken"


@pytest.mark.parametrize("target", PKI_TARGETS, ids=IDS)
def test_target_holds_under_changed_octets(target):
    source = random.Random(7)
    example = example_of(target)
    for _ in range(60):
        octets = bytearray(example)
        for _ in range(1 + source.randrange(3)):
            octets[source.randrange(len(octets))] = source.randrange(256)
        assert target(bytes(octets[: source.choice((len(octets), source.randrange(len(octets))))])) in (
            "taken",
            "refused",
        )


@given(st.binary(max_size=300))
def test_any_octets_are_taken_or_refused(octets):
    for target in PKI_TARGETS:
        assert target(octets) == "refused"


def test_no_single_bit_of_a_certificate_can_be_changed():
    target = PKI_TARGETS[0]
    example = example_of(target)
    for bit in range(0, 8 * len(example), 37):
        octets = bytearray(example)
        octets[bit // 8] ^= 1 << bit % 8
        assert target(bytes(octets)) == "refused", f"bit {bit}"
