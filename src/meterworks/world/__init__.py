"""The emulated neighbourhood: who lives there, what they use, what their meters register, and the truth beside it."""

from meterworks.world.accumulation import HistoryCache
from meterworks.world.climate import Calendar, Climate, Rates
from meterworks.world.errors import HouseholdError, NeighbourhoodError, ReplayFileError
from meterworks.world.household import (
    ElectricCar,
    HeatPump,
    Household,
    HouseholdKind,
    Photovoltaics,
    draw_household,
)
from meterworks.world.metering_fault import Accuracy, FaultKind, MeteringFault
from meterworks.world.neighbourhood import Neighbourhood
from meterworks.world.neighbourhood_store import open_neighbourhood
from meterworks.world.place import Place
from meterworks.world.replay import ReplayLoad
from meterworks.world.replay_file import ReplayFile, ReplayHome, ReplayOptions, read_replay_file
from meterworks.world.settings import NeighbourhoodSettings
from meterworks.world.stochastic import MeterSetting, StochasticLoad, TrueBlock
from meterworks.world.supply import Interruptions, Supply

__all__ = [
    "Accuracy",
    "Calendar",
    "Climate",
    "ElectricCar",
    "FaultKind",
    "HeatPump",
    "HistoryCache",
    "Household",
    "HouseholdError",
    "HouseholdKind",
    "Interruptions",
    "MeterSetting",
    "MeteringFault",
    "Neighbourhood",
    "NeighbourhoodError",
    "NeighbourhoodSettings",
    "Photovoltaics",
    "Place",
    "Rates",
    "ReplayFile",
    "ReplayFileError",
    "ReplayHome",
    "ReplayLoad",
    "ReplayOptions",
    "StochasticLoad",
    "Supply",
    "TrueBlock",
    "draw_household",
    "open_neighbourhood",
    "read_replay_file",
]
