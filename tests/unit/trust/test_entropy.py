"""Health tests catch what a broken source does, leave a sound one alone, and their cutoffs are the published ones."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from math import comb

import pytest

from meterworks.trust import EntropyError, HealthTestedSource, random_bytes
from meterworks.trust.entropy import (
    BLOCKS_MAX,
    STARTUP_SAMPLES,
    WINDOW,
    adaptive_cutoff,
    repetition_cutoff,
    system_source,
)

# Cutoffs that two libraries publish for H = 1/osr, alpha = 2^-30 and a window of 512 (jitterentropy, Linux).
PUBLISHED = (325, 422, 459, 477, 488, 494, 499, 502, 505, 507, 508, 509, 510, 511, 512)


def sound(seed=7):
    return random.Random(seed).randbytes


@pytest.mark.parametrize(("osr", "cutoff"), list(enumerate(PUBLISHED, 1)))
def test_adaptive_cutoffs_are_the_published_ones(osr, cutoff):
    assert adaptive_cutoff(1 / osr, 30) == cutoff


@pytest.mark.parametrize(("entropy_bits", "cutoff"), [(1.0, 31), (0.5, 61), (8.0, 5), (1 / 3, 91)])
def test_repetition_cutoffs_are_as_the_standard_says(entropy_bits, cutoff):
    assert repetition_cutoff(entropy_bits, 30) == cutoff


def test_the_adaptive_cutoff_in_force_bounds_the_false_alarms():
    cutoff, chance = adaptive_cutoff(8.0, 40), 1 / 256
    tail = sum(
        comb(WINDOW - 1, count) * chance**count * (1 - chance) ** (WINDOW - 1 - count)
        for count in range(cutoff - 1, WINDOW)
    )
    assert tail <= 2**-40
    assert 8 < cutoff < 40


def stuck(count):
    return b"\x5a" * count


def two_values():
    generator = random.Random(1)
    return lambda count: bytes(generator.choice(b"\x00\xff") for _ in range(count))


def biased():
    generator = random.Random(2)
    return lambda count: bytes(0x41 if generator.random() < 0.25 else generator.randrange(256) for _ in range(count))


def tape(period):
    endless = itertools.cycle(random.Random(3).randbytes(period))
    return lambda count: bytes(itertools.islice(endless, count))


def short(count):
    return bytes(count // 2)


@pytest.mark.parametrize(
    ("draw", "test"),
    [
        pytest.param(stuck, "repetition count", id="stuck"),
        pytest.param(two_values(), "repetition count|adaptive proportion", id="two values"),
        pytest.param(biased(), "adaptive proportion", id="biased"),
        pytest.param(tape(16), "adaptive proportion|repeated block", id="tape of 16"),
        pytest.param(tape(63), "repeated block|adaptive proportion", id="tape of 63"),
        pytest.param(tape(640), "repeated block", id="tape of 640"),
        pytest.param(short, "size", id="short"),
    ],
)
def test_an_ill_source_fails_at_its_start(draw, test):
    told: list[str] = []
    source = HealthTestedSource(draw, on_failure=told.append)
    with pytest.raises(EntropyError, match=test):
        source.random_bytes(32)
    assert told == [source.failed_test]


def test_a_source_that_falls_ill_later_stops_for_good():
    healthy = sound()
    ill = False
    source = HealthTestedSource(lambda count: stuck(count) if ill else healthy(count))
    assert len(source.random_bytes(40)) == 40
    ill = True
    with pytest.raises(EntropyError, match="no key is made"):
        source.random_bytes(40)
    ill = False
    with pytest.raises(EntropyError, match="repetition count"):
        source.random_bytes(40)


def test_a_key_drawn_twice_is_never_given_twice():
    first = random.Random(5).randbytes(32)
    answers = iter([random.Random(4).randbytes(STARTUP_SAMPLES), first, first])
    source = HealthTestedSource(lambda _: next(answers))
    assert source.random_bytes(32) == first
    with pytest.raises(EntropyError, match="repeated block"):
        source.random_bytes(32)


def test_the_octets_of_the_start_are_given_to_nobody():
    drawn: list[bytes] = []
    healthy = sound()

    def draw(count):
        drawn.append(healthy(count))
        return drawn[-1]

    given = HealthTestedSource(draw).random_bytes(32)
    assert [len(each) for each in drawn] == [STARTUP_SAMPLES, 32]
    assert given == drawn[1]


def test_a_sound_source_passes_far_beyond_what_is_remembered():
    source = HealthTestedSource(sound())
    for _ in range(70):
        source.random_bytes(1024)
    assert source.failed_test == ""
    assert len(source._known_blocks) == len(source._blocks) == BLOCKS_MAX


def test_what_was_drawn_is_not_kept():
    source = HealthTestedSource(sound())
    key = source.random_bytes(32)
    assert key[:16] not in source._known_blocks
    assert all(key not in value for value in vars(source).values() if isinstance(value, bytes))


def test_threads_share_the_systems_source():
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: random_bytes(16), range(64)))
    assert len(set(drawn)) == 64
    assert system_source() is system_source()
    assert system_source().failed_test == ""
