"""docs/channels.md says what the table says."""

import re
from pathlib import Path

import pytest

from meterworks.trust.tls import POLICIES, Interface

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "channels.md").read_text()
ROWS = {
    match.group(1): [cell.strip() for cell in match.group(2).split("|")]
    for match in re.finditer(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("interface", Interface)
def test_each_interface_is_told_as_it_is(interface):
    roles, versions, suites, groups, demand = ROWS[interface.value]
    policy = POLICIES[interface]
    assert versions.split(", ") == list(policy.versions)
    assert groups.split(", ") == list(policy.groups)
    assert ("CCM" in suites) == any(name.endswith("CCM") for name in policy.suites_12)
    assert demand == policy.client_certificate.value
    assert set(roles.partition(" ← ")[0].split(", ")) == {role.value for role in policy.server_roles}


def test_no_interface_is_told_that_is_not_there():
    assert set(ROWS) == set(Interface)
