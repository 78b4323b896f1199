"""Purposes: why data of a metering point may be read, on which legal basis, by whom, and how fine.

An access names one purpose. A purpose that rests on consent needs a consent of the consumer who lives there; every
other one rests on the organisation's registration, on law or on contract. Whatever the purpose does not need, it does
not see: each names the groups of channels it may read, and how fine.

Source: GDPR articles 5 (1) b and c, 6 (1), 25; smart-metering requirement base, SEC-068 and SEC-136.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from types import MappingProxyType

from meterworks.catalogue._table import keyed, rows, unfolded
from meterworks.catalogue.channel import Channel, Direction, Period
from meterworks.catalogue.errors import CatalogueError, UnknownEntryError
from meterworks.catalogue.permission import Role

__all__ = [
    "PURPOSES",
    "PURPOSE_BY_ROLE",
    "ChannelGroup",
    "Detail",
    "LegalBasis",
    "Purpose",
    "channel_group",
    "detail_of",
    "purpose_by_name",
]


class LegalBasis(StrEnum):
    """What makes an access lawful.  Source: GDPR article 6 (1)."""

    CONTRACT = "contract"  # letter b: the supply or service the consumer ordered
    LAW = "law"  # letters c and e: a duty of the party registered at the metering point
    CONSENT = "consent"  # letter a: given per organisation, purpose and metering point, and withdrawn at any time
    OWN = "own"  # article 15: the person's own data


class Detail(IntEnum):
    """How fine in time data is; a higher number tells more about a household."""

    MONTH = 1
    DAY = 2
    INTERVAL = 3  # quarter-hours to hours
    INSTANT = 4  # any moment: powers, voltages, registers read as often as one likes

    @property
    def label(self) -> str:
        """As interfaces write it: `month`, `day`, `interval`, `instant`."""
        return self.name.lower()


class ChannelGroup(StrEnum):
    """Channels that tell the same kind of thing."""

    USAGE = "usage"  # energy or volume taken
    EXPORT = "export"  # energy given back
    REACTIVE = "reactive"
    DEMAND = "demand"  # maxima of a billing period
    REGISTER = "register"  # counters as they stand at some moment
    POWER = "power"  # load at some moment
    QUALITY = "quality"  # voltage, current, frequency, distortion: of the network


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """Why data is read. `sees`: the finest detail by group of channels; a group that is not in it is not seen.

    direction: where it is set, only channels of it are seen.
    """

    name: str
    title: str  # as a consumer reads it
    basis: LegalBasis
    sees: Mapping[ChannelGroup, Detail]
    roles: frozenset[Role]
    direction: Direction | None = None

    def of_role(self, role: Role) -> "Purpose":
        """The purpose as one of its roles claims it: an export supplier buys what is fed in, and sees nothing else."""
        return replace(self, direction=Direction.EXPORT) if role is Role.EXPORT_SUPPLIER else self

    @property
    def rests_on_consent(self) -> bool:
        """Does each access need a consent that is in force?"""
        return self.basis is LegalBasis.CONSENT

    def detail(self, channel: Channel) -> Detail | None:
        """How fine this channel may be read; None: not at all."""
        if self.direction is not None and channel.direction is not self.direction:
            return None
        return self.sees.get(channel_group(channel))

    def allows(self, channel: Channel, detail: Detail) -> bool:
        """May this channel be read that fine?"""
        finest = self.detail(channel)
        return finest is not None and detail <= finest


def channel_group(channel: Channel) -> ChannelGroup:
    """The group a channel belongs to."""
    if channel.period is Period.INSTANT:
        return ChannelGroup.POWER if channel.quantity == "active-power" else ChannelGroup.QUALITY
    if channel.quantity == "maximum-demand":
        return ChannelGroup.DEMAND
    if channel.period is Period.REGISTER:
        return ChannelGroup.REGISTER
    if channel.quantity == "reactive-energy":
        return ChannelGroup.REACTIVE
    return ChannelGroup.EXPORT if channel.direction is Direction.EXPORT else ChannelGroup.USAGE


_DETAIL_BY_PERIOD: Mapping[Period, Detail] = MappingProxyType(
    {
        Period.INSTANT: Detail.INSTANT,
        Period.QUARTER_HOUR: Detail.INTERVAL,
        Period.HALF_HOUR: Detail.INTERVAL,
        Period.HOUR: Detail.INTERVAL,
        Period.DAILY: Detail.DAY,
        Period.MONTHLY: Detail.MONTH,
        Period.REGISTER: Detail.INSTANT,
    }
)


def detail_of(channel: Channel) -> Detail:
    """How fine a channel's own readings are, unless they are summed."""
    return _DETAIL_BY_PERIOD[channel.period]


_SETS: Mapping[str, frozenset[Role]] = MappingProxyType(
    {
        "suppliers": frozenset({Role.SUPPLIER, Role.IMPORT_SUPPLIER, Role.EXPORT_SUPPLIER, Role.GAS_SUPPLIER}),
        "networks": frozenset({Role.NETWORK_OPERATOR, Role.ELECTRICITY_DISTRIBUTOR, Role.GAS_TRANSPORTER}),
        "others": frozenset({Role.OTHER_USER, Role.EXTERNAL_PARTICIPANT}),
        "carrier": frozenset({Role.OPERATOR, Role.METER_OPERATOR, Role.DATA_COLLECTOR, Role.INSTALLER}),
    }
)

# `sees`: group:detail, finest first. A supplier's interval-billing and advice go beyond its own billing and settlement,
# so the consumer is asked; a daily bill does not need half-hours.
#   name              | basis    | roles               | sees                                  | title
_PURPOSES = """
    billing           | contract | suppliers           | usage:day export:day demand:month
                                 | bills and statements
    settlement        | law      | suppliers           | usage:interval export:interval reactive:interval demand:month
                                                         register:instant
                                 | settling the energy market
    switching         | contract | suppliers           | usage:day export:day register:instant
                                 | change of supplier or tenancy
    complaint         | contract | suppliers carrier   | usage:interval export:interval demand:month register:instant
                                 | answering a question or complaint
    interval-billing  | consent  | suppliers           | usage:interval export:interval demand:day
                                 | bills by the hour of use
    network-operation | law      | networks            | usage:interval export:interval reactive:interval
                                                         register:instant power:instant quality:instant
                                 | running and planning the network
    theft-detection   | law      | suppliers networks  | usage:interval export:interval quality:instant
                                 | finding theft and faults of metering
    metering          | law      | carrier             | usage:interval export:interval reactive:interval demand:day
                                                         register:instant power:instant quality:instant
                                 | reading and looking after meters
    advice            | consent  | suppliers others     | usage:interval export:interval
                                 | advice on using less energy
    energy-service    | consent  | others              | usage:interval export:interval register:instant power:instant
                                 | control of charging, heating or storage
    research          | consent  | others networks     | usage:interval export:interval quality:instant
                                 | research and statistics
    own-use           | own      | consumer            | usage:interval export:interval reactive:interval demand:day
                                                         register:instant power:instant quality:instant
                                 | looking at one's own data
"""


def _purpose(cells: tuple[str, ...]) -> Purpose:
    name, basis, who, sees, title = cells
    roles = [_SETS[word] if word in _SETS else frozenset({Role(word)}) for word in who.split()]
    pairs = [tuple(word.split(":")) for word in sees.split()]
    return Purpose(
        name=name,
        title=title,
        basis=LegalBasis(basis),
        sees=MappingProxyType({ChannelGroup(group): Detail[detail.upper()] for group, detail in pairs}),
        roles=frozenset().union(*roles),
    )


PURPOSES: Mapping[str, Purpose] = keyed(
    "purpose", (_purpose(cells) for cells in rows(unfolded(_PURPOSES), 5)), key=lambda purpose: purpose.name
)

# What a request means that names none: the narrowest purpose that the role's daily work cannot do without.
PURPOSE_BY_ROLE: Mapping[Role, Purpose] = MappingProxyType(
    {
        **dict.fromkeys(_SETS["suppliers"], PURPOSES["settlement"]),
        **dict.fromkeys(_SETS["networks"], PURPOSES["network-operation"]),
        **dict.fromkeys(_SETS["others"], PURPOSES["advice"]),
        **dict.fromkeys(_SETS["carrier"], PURPOSES["metering"]),
        Role.CONSUMER: PURPOSES["own-use"],
    }
)

if any(role not in purpose.roles for role, purpose in PURPOSE_BY_ROLE.items()):
    raise CatalogueError("a role's default purpose is one the role may not claim")


def purpose_by_name(name: str) -> Purpose:
    """Give a purpose by its name. Raises UnknownEntryError with near names."""
    try:
        return PURPOSES[name]
    except KeyError as error:
        near = ", ".join(difflib.get_close_matches(name, PURPOSES, n=3)) or ", ".join(PURPOSES)
        raise UnknownEntryError(f"no purpose is called {name!r}; known: {near}", purpose=name) from error
