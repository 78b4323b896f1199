"""Roles, and what each may do: deny by default, one row an action.

A grant has a reach: everything, what the organisation is registered for, or what is the person's own. Whoever serves
an action asks `reach_of` and looks only that far; `is_permitted` answers the bare yes or no.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from meterworks.catalogue._table import keyed, rows

__all__ = ["PERMISSIONS", "Permission", "Reach", "Role", "is_permitted", "reach_of"]


class Role(StrEnum):
    """What somebody is to the system."""

    OPERATOR = "operator"
    SUPPLIER = "supplier"
    NETWORK_OPERATOR = "network_operator"
    CONSUMER = "consumer"


class Reach(StrEnum):
    """How far a permission goes."""

    ALL = "all"
    REGISTERED = "registered"  # usage points the organisation is registered for, in the time it is
    OWN = "own"  # usage points the consumer occupies, in the time they do; their own tokens and log


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One action and the roles that may do it. A role that is not in `reaches` may not."""

    action: str
    reaches: Mapping[Role, Reach]


#   action              | operator | supplier   | network_operator | consumer
_PERMISSIONS = """
    device.read         | all      | registered | registered       | own
    device.add          | all      | -          | -                | -
    device.import       | all      | -          | -                | -
    device.change       | all      | -          | -                | -

    installation.read   | all      | registered | registered       | own
    installation.change | all      | -          | -                | -

    usage-point.read    | all      | registered | registered       | own
    usage-point.add     | all      | -          | -                | -
    usage-point.change  | all      | -          | -                | -

    reading.read        | all      | registered | registered       | own
    reading.export      | all      | registered | registered       | own
    load.read           | all      | -          | registered       | -
    event.read          | all      | registered | registered       | -

    meter.read-now      | all      | registered | registered       | -
    meter.release       | all      | -          | -                | -
    meter.set-clock     | all      | -          | -                | -
    session.read        | all      | -          | -                | -
    collection.read     | all      | -          | -                | -
    collection.start    | all      | -          | -                | -

    organisation.read   | all      | own        | own              | -
    organisation.manage | all      | -          | -                | -
    registration.read   | all      | registered | registered       | -
    registration.change | all      | -          | -                | -
    consumer.read       | all      | -          | -                | own
    consumer.manage     | all      | -          | -                | -

    user.manage         | all      | -          | -                | -
    token.manage        | all      | own        | own              | own
    access-log.read     | all      | -          | -                | own
    metrics.read        | all      | -          | -                | -
    configuration.read  | all      | -          | -                | -
"""

_COLUMNS = (Role.OPERATOR, Role.SUPPLIER, Role.NETWORK_OPERATOR, Role.CONSUMER)


def _permission(cells: tuple[str, ...]) -> Permission:
    action, *grants = cells
    reaches = {role: Reach(grant) for role, grant in zip(_COLUMNS, grants, strict=True) if grant != "-"}
    return Permission(action=action, reaches=reaches)


PERMISSIONS: Mapping[str, Permission] = keyed(
    "action", (_permission(cells) for cells in rows(_PERMISSIONS, 5)), key=lambda permission: permission.action
)


def reach_of(role: Role, action: str) -> Reach | None:
    """Tell how far a role may go in an action; None: not permitted. An action in no row is not permitted."""
    permission = PERMISSIONS.get(action)
    return None if permission is None else permission.reaches.get(role)


def is_permitted(role: Role, action: str) -> bool:
    """Tell whether a role may do an action at all; how far it may, `reach_of` tells."""
    return reach_of(role, action) is not None
