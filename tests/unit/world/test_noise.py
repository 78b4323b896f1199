"""Noise by index: the same wherever it is asked from, and of the shape it claims."""

import numpy as np
import pytest

from meterworks.world.noise import (
    AUTOREGRESSION_REACH,
    autoregressive,
    lane_normals,
    lane_uniforms,
    stream_key,
    uniforms,
    words,
)


def test_a_part_equals_the_part_of_the_whole():
    assert np.array_equal(words(5, -1000, 1000)[300:900], words(5, -700, -100))


def test_words_are_those_of_splitmix64():
    # The third-party reference: SplitMix64 with state 0 gives these first outputs.
    assert [hex(int(word)) for word in words(0, 1, 3)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


def test_streams_of_different_parts_differ():
    keys = {stream_key(*parts) for parts in [(0,), (0, 0), (0, 1), (1, 0), (1,), (2**63,), (1, 0, 0)]}
    assert len(keys) == 7


@pytest.mark.parametrize("lane", range(4))
def test_lanes_are_normal_and_even(lane: int):
    noise = words(stream_key(1, lane), 0, 200_000)
    normals, even = lane_normals(noise, lane), lane_uniforms(noise, lane)
    assert abs(normals.mean()) < 0.01
    assert abs(normals.std() - 1) < 0.01
    assert abs(even.mean() - 0.5) < 0.003
    assert 0 <= even.min() <= even.max() < 1


def test_lanes_are_independent():
    noise = words(9, 0, 100_000)
    table = np.corrcoef([lane_normals(noise, lane) for lane in range(4)])
    assert np.abs(table - np.eye(4)).max() < 0.015


def test_fine_uniforms_are_even():
    values = uniforms(3, 0, 100_000)
    assert np.abs(np.histogram(values, 10, (0, 1))[0] / 10_000 - 1).max() < 0.05


@pytest.mark.parametrize("correlation", [0.0, 0.35, 0.63, 0.88])
def test_autoregression_has_the_correlation_and_variance_it_says(correlation: float):
    values = autoregressive(lane_normals(words(11, 0, 300_000), 0), correlation)
    assert abs(values.std() - 1) < 0.02
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1] - correlation) < 0.02


def test_autoregression_of_a_part_equals_the_part():
    white = lane_normals(words(13, 0, 500), 0)
    whole = autoregressive(white, 0.7)
    part = autoregressive(white[100 : 200 + AUTOREGRESSION_REACH], 0.7)
    assert np.array_equal(whole[100:200], part)
