"""Errors of the catalogue: a question the tables have no answer to."""

from meterworks.errors import UsageError

__all__ = ["CatalogueError", "UnknownEntryError"]


class CatalogueError(UsageError):
    """A row contradicts another row or itself: the table has to be corrected, nothing was loaded."""

    code = "catalogue"


class UnknownEntryError(UsageError):
    """The catalogue has no such channel, profile, log or code. The message names the nearest known ones."""

    code = "unknown-entry"
