"""The purpose an access claims, and what of a question it lets through.

Everything here is decided by role, purpose and question alone, before any metering point is looked up: a refusal says
nothing about who lives where. A question that is finer than its purpose is refused rather than answered coarser,
because an answer that means something else than was asked would be taken for what was asked.
"""

from collections.abc import Sequence

from meterworks.catalogue import (
    PURPOSE_BY_ROLE,
    Channel,
    ChannelGroup,
    Detail,
    Purpose,
    Role,
    UnknownEntryError,
    detail_of,
    purpose_by_name,
)
from meterworks.market.errors import PurposeExceeded, PurposeNotPermitted, RequestMalformed
from meterworks.market.series import Resolution

__all__ = [
    "check_detail",
    "default_resolution",
    "detail_asked",
    "exceeded",
    "is_coarse",
    "parse_purpose",
    "purpose_of",
    "seen_of",
]

PURPOSE_LENGTH_MAX = 64
_RESOLUTION_BY_DETAIL: dict[Detail, Resolution] = {Detail.DAY: "day", Detail.MONTH: "month"}
_DETAIL_BY_RESOLUTION = {"day": Detail.DAY, "month": Detail.MONTH}


def parse_purpose(text: str | None) -> str:
    """The name of a purpose, or nothing where none is named. Raises RequestMalformed for one that is in no row."""
    name = (text or "").strip()
    if not name:
        return ""
    try:
        return purpose_by_name(name[:PURPOSE_LENGTH_MAX]).name
    except UnknownEntryError as error:
        raise RequestMalformed(f"{error}; see /api/v1/purposes", parameter="purpose") from error


def purpose_of(role: Role, name: str) -> Purpose:
    """The purpose a role claims by its name; without one, the role's own. Raises PurposeNotPermitted."""
    purpose = purpose_by_name(name) if name else PURPOSE_BY_ROLE.get(role)
    if purpose is None or role not in purpose.roles:
        raise PurposeNotPermitted(
            f"the role {role.value} may not read data for the purpose {name or 'of its own'!r}; see /api/v1/purposes",
            purpose=name,
        )
    return purpose.of_role(role)


def default_resolution(name: str) -> Resolution:
    """What a question means that names a purpose and no resolution: the finest amounts of usage the purpose sees."""
    if not name:
        return "interval"
    finest = purpose_by_name(name).sees.get(ChannelGroup.USAGE, Detail.INTERVAL)
    return _RESOLUTION_BY_DETAIL.get(finest, "interval")


def detail_asked(channel: Channel, resolution: Resolution) -> Detail:
    """How fine a question asks a channel to be: as it is stored, or summed."""
    return _DETAIL_BY_RESOLUTION.get(resolution, detail_of(channel))


def check_detail(purpose: Purpose, channels: Sequence[Channel], resolution: Resolution) -> None:
    """Raises PurposeExceeded where a channel named is not the purpose's, or is asked for finer than it sees."""
    for channel in channels:
        asked = detail_asked(channel, resolution)
        if not purpose.allows(channel, asked):
            raise exceeded(purpose, channel, asked, purpose.detail(channel))


def exceeded(purpose: Purpose, channel: Channel, asked: Detail, finest: Detail | None) -> PurposeExceeded:
    """The refusal of a channel at a detail. finest: what may be asked instead; None: nothing of it."""
    may = "does not include it" if finest is None else f"sees it by {finest.label} at finest"
    return PurposeExceeded(
        f"{channel.code} by {asked.label} is more than the purpose {purpose.name} needs: it {may}", purpose=purpose.name
    )


def is_coarse(finest: Detail) -> bool:
    """Is this detail coarser than the intervals that are stored?

    Sums must then be of whole periods that have ended: a sum that may be cut, shifted or looked at while it grows gives
    its intervals away, one as the difference of two sums.
    """
    return finest < Detail.INTERVAL


def seen_of(purpose: Purpose, channels: Sequence[Channel], resolution: Resolution) -> list[Channel]:
    """Those of the channels that the purpose sees at this resolution."""
    return [channel for channel in channels if purpose.allows(channel, detail_asked(channel, resolution))]
