"""Nobody may do what no row grants."""

import re

import pytest

from meterworks.catalogue import PERMISSIONS, Reach, Role, is_permitted, reach_of


@pytest.mark.parametrize("permission", PERMISSIONS.values(), ids=lambda permission: permission.action)
def test_each_row_is_a_lawful_action_somebody_may_do(permission):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*", permission.action)
    assert permission.reaches
    assert permission.reaches.get(Role.CONSUMER) in (None, Reach.OWN)
    assert permission.reaches.get(Role.SUPPLIER) is not Reach.ALL
    assert permission.reaches.get(Role.NETWORK_OPERATOR) is not Reach.ALL
    for role in Role:
        assert is_permitted(role, permission.action) == (role in permission.reaches)


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
        (Role.CONSUMER, "event.read", None),
        (Role.CONSUMER, "collection.read", None),
        (Role.CONSUMER, "access-log.read", Reach.OWN),
    ],
)
def test_roles_reach_this_far(role, action, reach):
    assert reach_of(role, action) is reach
