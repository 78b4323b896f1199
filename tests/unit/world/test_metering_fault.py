"""From truth to registers: accuracy, drift and faults, in whole numbers."""

import numpy as np
import pytest

from meterworks.errors import UsageError
from meterworks.world import Accuracy, FaultKind, MeteringFault
from meterworks.world.metering_fault import registered_microwatt_hours

YEAR_S = 31_557_600
TRUE = np.array([0, 1, 1_000_000, 123_456_789], np.int64)


def registered(accuracy: Accuracy, age_s: int = 0, faults=()) -> list[int]:
    return registered_microwatt_hours(TRUE, accuracy=accuracy, age_s=np.full(4, age_s), faults=faults).tolist()


def test_an_exact_meter_registers_the_truth():
    assert registered(Accuracy()) == [0, 1_000, 1_000_000_000, 123_456_789_000]


def test_an_error_counts_in_millionths():
    assert registered(Accuracy(error_ppm=5_000))[2] == 1_005_000_000
    assert registered(Accuracy(error_ppm=-5_000))[2] == 995_000_000


def test_drift_grows_with_age():
    accuracy = Accuracy(error_ppm=1_000, drift_ppm_per_year=500)
    assert [registered(accuracy, age_s)[2] for age_s in (0, YEAR_S, 2 * YEAR_S)] == [
        1_001_000_000, 1_001_500_000, 1_002_000_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "parameter", "share"),
    [
        (FaultKind.FRACTION, 0.3, 0.3),
        (FaultKind.ZERO, 0.0, 0.0),
        (FaultKind.GAIN, 5.8, 5.8),
        (FaultKind.GAIN, 0.0, 0.0),
    ],
)
def test_a_fault_acts_where_it_acts(kind: FaultKind, parameter: float, share: float):
    fault = MeteringFault(kind=kind, from_epoch_s=0, to_epoch_s=10, parameter=parameter)
    values = registered(Accuracy(), faults=[(fault, np.array([True, True, True, False]))])
    assert values == [0, int(1_000 * share), int(1_000_000_000 * share), 123_456_789_000]


def test_faults_follow_one_another():
    half = MeteringFault(kind=FaultKind.FRACTION, from_epoch_s=0, to_epoch_s=10, parameter=0.5)
    everywhere = np.ones(4, np.bool_)
    assert registered(Accuracy(), faults=[(half, everywhere), (half, everywhere)])[2] == 250_000_000


def test_a_fault_keeps_to_its_time():
    fault = MeteringFault(kind=FaultKind.ZERO, from_epoch_s=1800, to_epoch_s=5400)
    starts = np.arange(5) * 1800
    assert fault.acts(starts, starts).tolist() == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("daily", "hours"),
    [((6, 8), [6, 7]), ((22, 2), [0, 1, 22, 23]), ((0, 0), list(range(24))), ((0, 24), list(range(24)))],
)
def test_a_fault_keeps_to_its_hours(daily: tuple[int, int], hours: list[int]):
    fault = MeteringFault(
        kind=FaultKind.ZERO, from_epoch_s=0, to_epoch_s=86_400, daily_from_s=daily[0] * 3600, daily_to_s=daily[1] * 3600
    )
    starts = np.arange(24) * 3600
    assert fault.acts(starts, starts).nonzero()[0].tolist() == hours


@pytest.mark.parametrize(
    "changes",
    [
        {"to_epoch_s": 0},
        {"parameter": 1.5},
        {"parameter": -0.1},
        {"kind": FaultKind.ZERO, "parameter": 0.5},
        {"kind": FaultKind.GAIN, "parameter": 11.0},
        {"daily_from_s": 86_400},
        {"daily_to_s": -1},
    ],
)
def test_impossible_faults_are_refused(changes: dict):
    with pytest.raises(UsageError):
        MeteringFault(**{"kind": FaultKind.FRACTION, "from_epoch_s": 0, "to_epoch_s": 10, "parameter": 0.5, **changes})


@pytest.mark.parametrize("changes", [{"error_ppm": 600_000}, {"drift_ppm_per_year": -600_000}])
def test_an_error_beyond_accuracy_is_refused(changes: dict):
    with pytest.raises(UsageError, match="MeteringFault"):
        Accuracy(**changes)
