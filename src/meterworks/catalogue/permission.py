"""Roles, and what each may do: deny by default, one row an action, one cell a role, no cell left out.

A grant has a reach: everything, what the organisation is registered for, what consumers consented to, or what is the
person's own. Whoever serves an action asks `reach_of` and looks only that far; `is_permitted` answers the bare yes or
no. A row also says what proof the action wants of a person: a second factor for what administers or commands, and a
fresh one (step-up) for what would do harm by a stolen session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from meterworks.catalogue._table import keyed, rows
from meterworks.catalogue.errors import CatalogueError

__all__ = [
    "ORGANISATION_ROLES",
    "PERMISSIONS",
    "UNBOUND_ROLES",
    "Permission",
    "Reach",
    "Role",
    "is_permitted",
    "reach_of",
]


class Role(StrEnum):
    """What somebody is to the system.

    Source: user roles of the GB service requests (import, export and gas supplier, registered supplier agent,
    electricity distributor, gas transporter, other user); SMCG/Sec0027 (M/441), terms: meter operator, meter data
    collector, consumer; BSI TR-03109: gateway administrator, external market participant.
    """

    OPERATOR = "operator"  # runs head-end and stores
    METER_OPERATOR = "meter_operator"  # provides, installs and maintains metering equipment
    DATA_COLLECTOR = "data_collector"  # reads meters for others
    GATEWAY_ADMINISTRATOR = "gateway_administrator"  # configures gateways, and reads nobody's usage
    INSTALLER = "installer"  # works at the metering points of a round
    AUDITOR = "auditor"  # reads the records of what was done, and does nothing
    SUPPLIER = "supplier"  # of whatever the metering point delivers
    IMPORT_SUPPLIER = "import_supplier"
    EXPORT_SUPPLIER = "export_supplier"
    GAS_SUPPLIER = "gas_supplier"
    SUPPLIER_AGENT = "supplier_agent"  # looks after equipment for a supplier, and reads nobody's usage
    NETWORK_OPERATOR = "network_operator"  # of whatever network
    ELECTRICITY_DISTRIBUTOR = "electricity_distributor"
    GAS_TRANSPORTER = "gas_transporter"
    OTHER_USER = "other_user"  # what it sees, it sees by the consumer's consent
    EXTERNAL_PARTICIPANT = "external_participant"  # likewise
    CONSUMER = "consumer"


class Reach(StrEnum):
    """How far a permission goes."""

    ALL = "all"
    REGISTERED = "registered"  # usage points the organisation is registered for in its role, in the time it is
    CONSENTED = "consented"  # what the consumer who lives there consented to, as long as they do
    OWN = "own"  # usage points the consumer occupies, in the time they do; one's own tokens and log


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One action and the roles that may do it. A role that is not in `reaches` may not."""

    action: str
    reaches: Mapping[Role, Reach]
    second_factor: bool  # a person needs one: the action administers, or sends a command
    step_up: bool  # a person must have proven who they are within the last minutes


# The columns, in the order of the table's groups: carrier | suppliers | networks | others | consumer.
_COLUMNS = (
    *(Role.OPERATOR, Role.METER_OPERATOR, Role.DATA_COLLECTOR, Role.GATEWAY_ADMINISTRATOR, Role.INSTALLER),
    *(Role.AUDITOR, Role.SUPPLIER, Role.IMPORT_SUPPLIER, Role.EXPORT_SUPPLIER, Role.GAS_SUPPLIER, Role.SUPPLIER_AGENT),
    *(Role.NETWORK_OPERATOR, Role.ELECTRICITY_DISTRIBUTOR, Role.GAS_TRANSPORTER, Role.OTHER_USER),
    *(Role.EXTERNAL_PARTICIPANT, Role.CONSUMER),
)
_REACHES = {"a": Reach.ALL, "r": Reach.REGISTERED, "c": Reach.CONSENTED, "o": Reach.OWN}

# Cells: a all, r registered, c consented, o own, - no. Proof: - none, factor (a second one), step-up (a second one,
# fresh), fresh (whatever the account can prove, fresh: how else would somebody enrol a first factor?).
#                            op mo dc ga in au   su is es gs sa   no ed gt   ou ex   co
#   action              | proof   | carrier's sphere  | suppliers     | networks  | others  | consumer
_PERMISSIONS = """
    device.read         | -       | a r r r r -  | r r r r r  | r r r  | r r  | o
    device.add          | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -
    device.import       | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    device.change       | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -

    installation.read   | -       | a r r r r -  | r r r r r  | r r r  | r r  | o
    installation.change | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -

    usage-point.read    | -       | a r r r r -  | r r r r r  | r r r  | r r  | o
    usage-point.add     | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -
    usage-point.change  | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -

    reading.read        | -       | a - r - - -  | r r r r -  | r r r  | c c  | o
    reading.export      | -       | a - r - - -  | r r r r -  | r r r  | c c  | o
    load.read           | -       | a - - - - -  | - - - - -  | r r r  | - -  | -
    event.read          | -       | a r r r r -  | r r - r r  | r r r  | - -  | -

    meter.read-now      | factor  | a r r - r -  | r r - r -  | r r r  | - -  | -
    meter.release       | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -
    meter.set-clock     | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -
    key.read            | -       | a r - - - a  | - - - - -  | - - -  | - -  | -
    key.rotate          | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    session.read        | -       | a - - - - -  | - - - - -  | - - -  | - -  | -
    collection.read     | -       | a - - - - -  | - - - - -  | - - -  | - -  | -
    collection.start    | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -

    organisation.read   | -       | a o o o o a  | o o o o o  | o o o  | o o  | -
    organisation.manage | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -
    organisation.admit  | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    registration.read   | -       | a r r r r a  | r r r r r  | r r r  | r r  | -
    registration.change | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -
    consumer.read       | -       | a - - - - -  | - - - - -  | - - -  | - -  | o
    consumer.manage     | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -

    account.manage      | -       | o o o o o o  | o o o o o  | o o o  | o o  | o
    factor.change       | fresh   | o o o o o o  | o o o o o  | o o o  | o o  | o
    token.manage        | -       | a o o o o o  | o o o o o  | o o o  | o o  | o
    token.issue         | fresh   | o o o o o o  | o o o o o  | o o o  | o o  | o
    user.read           | -       | a - - - - a  | - - - - -  | - - -  | - -  | -
    user.manage         | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    role.ask            | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    break-glass.ask     | step-up | a - - - - a  | - - - - -  | - - -  | - -  | -
    approval.decide     | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    approval.read       | -       | a - - - - a  | - - - - -  | - - -  | - -  | -
    access-log.read     | -       | a - - - - a  | - - - - -  | - - -  | - -  | o
    consent.read        | -       | a - - - - a  | o o o o -  | o o o  | o o  | o
    consent.give        | -       | - - - - - -  | - - - - -  | - - -  | - -  | o
    consent.record      | -       | - - - - - -  | o o o o -  | o o o  | o o  | -
    consent.withdraw    | -       | a - - - - -  | o o o o -  | o o o  | o o  | o
    own-data.export     | -       | - - - - - -  | - - - - -  | - - -  | - -  | o
    own-data.correct    | -       | - - - - - -  | - - - - -  | - - -  | - -  | o
    own-data.erase      | -       | - - - - - -  | - - - - -  | - - -  | - -  | o
    consumer.export     | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    consumer.erase      | step-up | a - - - - -  | - - - - -  | - - -  | - -  | -
    retention.read      | -       | a - - - - a  | - - - - -  | - - -  | - -  | -
    retention.manage    | factor  | a - - - - -  | - - - - -  | - - -  | - -  | -
    metrics.read        | -       | a - - - - -  | - - - - -  | - - -  | - -  | -
    audit.read          | factor  | - - - - - a  | - - - - -  | - - -  | - -  | -
    configuration.read  | -       | a - - - - a  | - - - - -  | - - -  | - -  | -
"""

_PROOFS = {"-": (False, False), "factor": (True, False), "step-up": (True, True), "fresh": (False, True)}

UNBOUND_ROLES: frozenset[Role] = frozenset({Role.OPERATOR, Role.AUDITOR})
"""Roles whose sight no registration bounds: what they see of metering points is what their rows allow."""

ORGANISATION_ROLES: frozenset[Role] = frozenset(Role) - UNBOUND_ROLES - {Role.CONSUMER}
"""Roles an organisation holds, and is registered in at metering points. Their users belong to an organisation."""


def _permission(cells: tuple[str, ...]) -> Permission:
    action, proof, *groups = cells
    grants = " ".join(groups).split()
    if len(grants) != len(_COLUMNS) or proof not in _PROOFS or set(grants) - {"-", *_REACHES}:
        raise CatalogueError(f"permission {action!r} has no verdict for each of {len(_COLUMNS)} roles, or no proof")
    reaches = {role: _REACHES[grant] for role, grant in zip(_COLUMNS, grants, strict=True) if grant != "-"}
    second_factor, step_up = _PROOFS[proof]
    return Permission(action=action, reaches=reaches, second_factor=second_factor, step_up=step_up)


PERMISSIONS: Mapping[str, Permission] = keyed(
    "action", (_permission(cells) for cells in rows(_PERMISSIONS, 7)), key=lambda permission: permission.action
)


def reach_of(role: Role, action: str) -> Reach | None:
    """Tell how far a role may go in an action; None: not permitted. An action in no row is not permitted."""
    permission = PERMISSIONS.get(action)
    return None if permission is None else permission.reaches.get(role)


def is_permitted(role: Role, action: str) -> bool:
    """Tell whether a role may do an action at all; how far it may, `reach_of` tells."""
    return reach_of(role, action) is not None
