"""Register monitors: scripts at the end of the interval at which a value passed a threshold, up and down."""

import pytest

from meterworks.protocols.dlms import (
    DataAccessResult,
    ObisCode,
    encode_array,
    encode_double_long_unsigned,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
)

MONITOR, TARIFF, SCRIPTS = "0.0.16.0.0.255", "0.0.96.14.0.255", "0.0.10.0.100.255"
LAST = "1.0.1.29.0.255"
STEP_S = 1800


def script(selector, table=SCRIPTS):
    return encode_structure(encode_octet_string(ObisCode(table)), encode_long_unsigned(selector))


def monitor(bench, *limits, value=LAST, class_id=3):
    monitored = encode_structure(
        encode_long_unsigned(class_id), encode_octet_string(ObisCode(value)), encode_integer(2)
    )
    actions = encode_array([encode_structure(script(2), script(1)) for _ in limits])
    for number, encoded in ((3, monitored), (4, actions), (2, encode_array(map(encode_double_long_unsigned, limits)))):
        assert bench.write(MONITOR, number, encoded) is DataAccessResult.SUCCESS


@pytest.fixture
def energies(bench):
    """Give the meter's energies of the coming intervals, by the instant at which each can be read."""
    start = int(bench.hand.epoch_s) // STEP_S * STEP_S
    block = bench.load.intervals(start, start + 40 * STEP_S)
    return [(start + (number + 1) * STEP_S, int(wh)) for number, wh in enumerate(block.import_wh)]


def test_the_script_for_up_and_for_down_follow_the_value(bench, energies):
    monitor(bench, 500)
    bench.hand.epoch_s = energies[0][0]
    bench.meter.catch_up()  # the first look only remembers
    tariff = bench.read(TARIFF)
    above = energies[0][1] > 500
    for at_s, wh in energies[1:]:
        if (wh > 500) != above:
            above = wh > 500
            tariff = 2 if above else 1
        bench.hand.epoch_s = at_s
        bench.meter.catch_up()
        assert bench.read(TARIFF) == tariff, at_s


def test_late_looking_ends_at_the_same(bench, energies):
    monitor(bench, 500)
    bench.hand.epoch_s = energies[-1][0] + 60
    bench.meter.catch_up()
    changes = [wh > 500 for _, wh in energies]
    assert bench.read(TARIFF) == (2 if changes[-1] else 1)
    assert bench.view.now_epoch_s() == energies[-1][0] + 60


def test_a_value_that_cannot_be_compared_runs_nothing(bench, energies):
    monitor(bench, 1, value="0.0.96.1.0.255", class_id=1)
    bench.hand.epoch_s = energies[5][0]
    bench.meter.catch_up()
    assert bench.read(TARIFF) == 1
    monitor(bench, 1, value="1.0.99.9.9.255")
    bench.hand.epoch_s = energies[9][0]
    bench.meter.catch_up()
    assert bench.read(TARIFF) == 1
