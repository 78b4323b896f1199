"""The DUIS targets hold for a moment; no changed bit of a signed document makes it say something else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.duis import DUIS_TARGETS, example_of

IDS = [target.__name__.removeprefix("_fuzz_") for target in DUIS_TARGETS]
SNIPPETS = (
    b"<!DOCTYPE a>",
    b"<!-- -->",
    b"<sr:Body>",
    b"</sr:Body>",
    b"&#0;",
    b"&lt;",
    b"<?x?>",
    b"]]>",
    b"<![CDATA[",
    b" ",
)


@pytest.mark.parametrize("target", DUIS_TARGETS, ids=IDS)
def test_target_takes_its_example(target):
    assert target(example_of(target)) == "taken"


@pytest.mark.parametrize("target", DUIS_TARGETS, ids=IDS)
def test_target_holds_under_changed_octets(target):
    source = random.Random(7)
    example = example_of(target)
    for _ in range(150):
        octets = bytearray(example)
        for _ in range(1 + source.randrange(3)):
            at = source.randrange(len(octets))
            if source.random() < 0.5:
                octets[at] = source.randrange(256)
            else:
                octets[at:at] = source.choice(SNIPPETS)
        kept = source.choice((len(octets), len(octets), source.randrange(len(octets))))
        assert target(bytes(octets[:kept])) in ("taken", "refused")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_are_taken_or_refused(octets):
    for target in DUIS_TARGETS:
        assert target(octets) in ("taken", "refused")


def test_a_signed_document_with_any_bit_changed_is_refused_or_says_the_same():
    target = next(target for target in DUIS_TARGETS if target.__name__ == "_fuzz_signature")
    example = example_of(target)
    taken = 0
    for bit in range(0, 8 * len(example), 7):
        octets = bytearray(example)
        octets[bit // 8] ^= 1 << bit % 8
        taken += target(bytes(octets)) == "taken"
    assert taken < 20  # the declaration, the prefix of the signature's name space
