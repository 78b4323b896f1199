"""Nobody may do what no row grants."""

import re

import pytest

from meterworks.catalogue import (
    ORGANISATION_ROLES,
    PERMISSIONS,
    UNBOUND_ROLES,
    CatalogueError,
    Reach,
    Role,
    is_permitted,
    reach_of,
)
from meterworks.catalogue.permission import _permission


@pytest.mark.parametrize("permission", PERMISSIONS.values(), ids=lambda permission: permission.action)
def test_each_row_is_a_lawful_action_somebody_may_do(permission):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*", permission.action)
    assert permission.reaches
    assert permission.reaches.get(Role.CONSUMER) in (None, Reach.OWN)
    for role in ORGANISATION_ROLES:
        assert permission.reaches.get(role) is not Reach.ALL
    own = set(permission.reaches.values()) == {Reach.OWN}
    assert permission.second_factor or not permission.step_up or own, "only one's own account is changed without"
    for role in Role:
        assert is_permitted(role, permission.action) == (role in permission.reaches)


def test_every_role_is_bound_in_one_way():
    assert {*ORGANISATION_ROLES, *UNBOUND_ROLES, Role.CONSUMER} == set(Role)
    assert not ORGANISATION_ROLES & UNBOUND_ROLES


@pytest.mark.parametrize(
    "row", ["a - - - - -  | - - - - -  | - - -  | - -", "x - - - - -  | - - - - -  | - - -  | - -  | -"]
)
def test_a_row_without_a_verdict_for_each_role_does_not_load(row):
    cells = ("device.read", "-", *(group.strip() for group in row.split("|")))
    with pytest.raises(CatalogueError):
        _permission(cells)


def test_an_auditor_changes_nothing():
    changing = {
        action
        for action, row in PERMISSIONS.items()
        if Role.AUDITOR in row.reaches and (row.second_factor or row.step_up)
    }
    assert changing == {"factor.change", "token.issue", "break-glass.ask", "audit.read"}, (
        "its own, the trail, a cry for help"
    )


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", ["", "device", "device.delete-everything", "DEVICE.READ", "device.read "])
def test_an_action_in_no_row_is_denied_to_everybody(role, action):
    assert not is_permitted(role, action)
    assert reach_of(role, action) is None


@pytest.mark.parametrize(
    ("role", "action", "reach"),
    [
        (Role.OPERATOR, "user.manage", Reach.ALL),
        (Role.SUPPLIER, "user.manage", None),
        (Role.NETWORK_OPERATOR, "device.add", None),
        (Role.SUPPLIER, "reading.read", Reach.REGISTERED),
        (Role.CONSUMER, "reading.read", Reach.OWN),
        (Role.AUDITOR, "reading.read", None),
        (Role.SUPPLIER_AGENT, "reading.read", None),
        (Role.GATEWAY_ADMINISTRATOR, "reading.read", None),
        (Role.DATA_COLLECTOR, "reading.read", Reach.REGISTERED),
        (Role.CONSUMER, "event.read", None),
        (Role.CONSUMER, "collection.read", None),
        (Role.CONSUMER, "access-log.read", Reach.OWN),
    ],
)
def test_roles_reach_this_far(role, action, reach):
    assert reach_of(role, action) is reach
