"""Collection profiles: the buffers a head-end collects, and the channels their columns become."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from meterworks.catalogue._table import checked_obis_code, keyed, rows
from meterworks.catalogue.channel import Channel, Medium, Period, channel_by_id, channel_for
from meterworks.catalogue.errors import CatalogueError, UnknownEntryError

__all__ = [
    "PROFILES",
    "CollectionProfile",
    "ColumnRole",
    "ProfileColumn",
    "ProfileKind",
    "profile_by_name",
    "profiles_of",
]

ProfileKind = Literal["load", "daily", "monthly"]


class ColumnRole(StrEnum):
    """What a column of a buffer holds."""

    CLOCK = "clock"
    STATUS = "status"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileColumn:
    """One captured attribute: where the meter has it, and the quantity it is for us."""

    obis_code: str
    class_id: int
    attribute: int
    role: ColumnRole
    channel_base: int | None  # None unless `role` is VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionProfile:
    """One buffer of a meter.  Source: COSEM interface classes, Profile generic (class 7)."""

    name: str
    obis_code: str
    medium: Medium
    kind: ProfileKind
    timestamps_name: Literal["interval-end", "instant"]  # what a row's time stamp names
    depth_days: int  # how far back the meter remembers
    entries_max: int | None  # fewest rows the meter keeps, where it counts rows; None: as many as `depth_days` need
    columns: tuple[ProfileColumn, ...]

    @property
    def value_columns(self) -> tuple[ProfileColumn, ...]:
        """The columns that become readings."""
        return tuple(column for column in self.columns if column.role is ColumnRole.VALUE)

    def channel_of(self, column: ProfileColumn, interval_s: int) -> Channel:
        """Give the channel a value column becomes. interval_s: the meter's capture period, used by load profiles.

        Raises UnknownEntryError when the catalogue has no such interval length; UsageError-class errors only.
        """
        if column.channel_base is None:
            raise UnknownEntryError(
                f"column {column.obis_code} of profile {self.name} holds {column.role.value}, no value"
            )
        if self.kind == "load":
            return channel_for(column.channel_base, interval_s)
        period = Period.DAILY if self.kind == "daily" else Period.MONTHLY
        return channel_by_id(column.channel_base * 10 + period)

    def channels(self, interval_s: int) -> tuple[Channel, ...]:
        """Give the channels of all value columns, in column order."""
        return tuple(self.channel_of(column, interval_s) for column in self.value_columns)


# Loads: a day more than 13 months, so that the oldest interval does not leave the memory while it is being collected.
#   profile     | OBIS code       | medium      | kind    | stamps       | days | entries
_PROFILES = """
    load_import | 1.0.99.1.0.255  | electricity | load    | interval-end | 398  | -
    load_export | 1.0.99.1.1.255  | electricity | load    | interval-end | 92   | -
    daily       | 1.0.98.2.0.255  | electricity | daily   | instant      | 397  | -
    monthly     | 1.0.98.1.0.255  | electricity | monthly | instant      | 397  | 13
"""

#   profile     | OBIS code       | class | attribute | column: clock, status, or the base of a channel
_COLUMNS = """
    load_import | 0.0.1.0.0.255   | 8     | 2         | clock
    load_import | 0.0.96.10.1.255 | 1     | 2         | status
    load_import | 1.0.1.29.0.255  | 3     | 2         | 1

    load_export | 0.0.1.0.0.255   | 8     | 2         | clock
    load_export | 0.0.96.10.1.255 | 1     | 2         | status
    load_export | 1.0.2.29.0.255  | 3     | 2         | 2
    load_export | 1.0.3.29.0.255  | 3     | 2         | 3
    load_export | 1.0.4.29.0.255  | 3     | 2         | 4

    daily       | 0.0.1.0.0.255   | 8     | 2         | clock
    daily       | 1.0.1.8.0.255   | 3     | 2         | 1
    daily       | 1.0.2.8.0.255   | 3     | 2         | 2
    daily       | 1.0.3.8.0.255   | 3     | 2         | 3
    daily       | 1.0.4.8.0.255   | 3     | 2         | 4
    daily       | 1.0.1.8.1.255   | 3     | 2         | 5
    daily       | 1.0.1.8.2.255   | 3     | 2         | 6

    monthly     | 0.0.1.0.0.255   | 8     | 2         | clock
    monthly     | 1.0.1.8.0.255   | 3     | 2         | 1
    monthly     | 1.0.2.8.0.255   | 3     | 2         | 2
    monthly     | 1.0.3.8.0.255   | 3     | 2         | 3
    monthly     | 1.0.4.8.0.255   | 3     | 2         | 4
    monthly     | 1.0.1.8.1.255   | 3     | 2         | 5
    monthly     | 1.0.1.8.2.255   | 3     | 2         | 6
    monthly     | 1.0.1.6.0.255   | 4     | 2         | 21
"""


def _column(cells: tuple[str, ...]) -> ProfileColumn:
    _, obis_code, class_id, attribute, content = cells
    named = content in (ColumnRole.CLOCK.value, ColumnRole.STATUS.value)
    return ProfileColumn(
        obis_code=checked_obis_code(obis_code),
        class_id=int(class_id),
        attribute=int(attribute),
        role=ColumnRole(content) if named else ColumnRole.VALUE,
        channel_base=None if named else int(content),
    )


def _profile(cells: tuple[str, ...]) -> CollectionProfile:
    name, obis_code, medium, kind, stamps, days, entries = cells
    kinds: Mapping[str, ProfileKind] = {"load": "load", "daily": "daily", "monthly": "monthly"}
    profile = CollectionProfile(
        name=name,
        obis_code=checked_obis_code(obis_code),
        medium=Medium(medium),
        kind=kinds[kind],
        timestamps_name="interval-end" if stamps == "interval-end" else "instant",
        depth_days=int(days),
        entries_max=None if entries == "-" else int(entries),
        columns=tuple(_column(column) for column in rows(_COLUMNS, 5) if column[0] == name),
    )
    if profile.columns[0].role is not ColumnRole.CLOCK:
        raise CatalogueError(f"profile {name} does not begin with the clock")
    if any(channel.medium is not profile.medium for channel in profile.channels(1800)):
        raise CatalogueError(f"profile {name} has a column of another medium")
    return profile


PROFILES: Mapping[str, CollectionProfile] = keyed(
    "profile", (_profile(cells) for cells in rows(_PROFILES, 7)), key=lambda profile: profile.name
)


def profile_by_name(name: str) -> CollectionProfile:
    """Give a profile by its name. Raises UnknownEntryError with near names."""
    try:
        return PROFILES[name]
    except KeyError as error:
        near = ", ".join(difflib.get_close_matches(name, PROFILES, n=3)) or ", ".join(PROFILES)
        raise UnknownEntryError(f"no profile is called {name!r}; known: {near}", profile=name) from error


def profiles_of(medium: Medium) -> tuple[CollectionProfile, ...]:
    """Give the profiles collected from meters of a medium, in table order."""
    return tuple(profile for profile in PROFILES.values() if profile.medium is medium)
