"""Homes, climates and loads for the tests of the world."""

import pytest

from meterworks.world import Climate, HistoryCache, HouseholdKind, MeterSetting, StochasticLoad, Supply, draw_household

# 2024-01-01 and 2025-01-01, UTC.
NEW_YEAR_2024 = 1_704_067_200
NEW_YEAR_2025 = 1_735_689_600


@pytest.fixture(scope="session")
def climate():
    return Climate(7)


@pytest.fixture
def make_load(climate):
    """Make the load of home `number`, installed at New Year 2024."""

    def make(number=1, kind=HouseholdKind.PLAIN, *, climate=climate, cache=None, phases=1, **setting):
        return StochasticLoad(
            draw_household(7, number, kind),
            MeterSetting(**{"starts_epoch_s": NEW_YEAR_2024, **setting}),
            climate=climate,
            supply=Supply(feeder_key=3, home_key=number, phases=phases),
            cache=cache or HistoryCache(),
        )

    return make
