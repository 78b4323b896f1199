"""What can be read and asked: channels, qualities, profiles, events, registers, roles; tables checked at load."""

from meterworks.catalogue.channel import (
    CHANNELS,
    INTERVAL_S_BY_PERIOD,
    Channel,
    ChannelKind,
    Direction,
    Medium,
    Period,
    channel_by_code,
    channel_by_id,
    channel_for,
    channel_id,
)
from meterworks.catalogue.errors import CatalogueError, UnknownEntryError
from meterworks.catalogue.event import EVENT_CODES, EVENT_LOGS, EventCode, EventLog, Severity, event_code
from meterworks.catalogue.instant import INSTANT_REGISTERS, InstantRegister, instant_registers_of
from meterworks.catalogue.permission import PERMISSIONS, Permission, Reach, Role, is_permitted, reach_of
from meterworks.catalogue.profile import (
    PROFILES,
    CollectionProfile,
    ColumnRole,
    ProfileColumn,
    ProfileKind,
    profile_by_name,
    profiles_of,
)
from meterworks.catalogue.quality import Quality, ReadingFlag

__all__ = [
    "CHANNELS",
    "EVENT_CODES",
    "EVENT_LOGS",
    "INSTANT_REGISTERS",
    "INTERVAL_S_BY_PERIOD",
    "PERMISSIONS",
    "PROFILES",
    "CatalogueError",
    "Channel",
    "ChannelKind",
    "CollectionProfile",
    "ColumnRole",
    "Direction",
    "EventCode",
    "EventLog",
    "InstantRegister",
    "Medium",
    "Period",
    "Permission",
    "ProfileColumn",
    "ProfileKind",
    "Quality",
    "Reach",
    "ReadingFlag",
    "Role",
    "Severity",
    "UnknownEntryError",
    "channel_by_code",
    "channel_by_id",
    "channel_for",
    "channel_id",
    "event_code",
    "instant_registers_of",
    "is_permitted",
    "profile_by_name",
    "profiles_of",
    "reach_of",
]
