"""What can go wrong in the emulated neighbourhood."""

from meterworks.errors import UsageError

__all__ = ["HouseholdError", "NeighbourhoodError", "ReplayFileError"]


class ReplayFileError(UsageError):
    """A file of interval readings that cannot be replayed: the message names file, column and what to do."""

    code = "replay-file"


class NeighbourhoodError(UsageError):
    """A neighbourhood that does not fit what is stored in the data folder."""

    code = "neighbourhood"


class HouseholdError(UsageError):
    """A household, load or metering fault that cannot be."""

    code = "household"
