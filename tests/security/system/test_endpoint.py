"""What a system listens on: all documented, nothing beyond loopback, plain only where it is said (SEC-075, SEC-086).

The scan of a running system is tests/integration/system/test_listeners.py; here are the tables that it compares with.
"""

import re
from pathlib import Path

import pytest

from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.endpoint import endpoints, is_loopback
from meterworks.system.privilege import PRIVILEGES

ARCHITECTURE = Path(__file__).resolve().parents[3] / "docs" / "architecture.md"
PLAIN_AT_MOST = {"portal and API"}


def default() -> Layout:
    return Layout(load_configuration().configuration)


@pytest.mark.requirement("SEC-086")
def test_each_endpoint_is_documented_and_each_documented_one_is_there():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| ([^|]+?) \| ([^|]+?) \|", ARCHITECTURE.read_text(), re.MULTILINE)
    documented = {(int(port), process, purpose) for port, process, purpose, _ in rows}
    assert documented == {(row.port, row.process, row.purpose) for row in endpoints(default())}


def test_each_subject_of_the_bus_is_documented():
    text = ARCHITECTURE.read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| publishes \| (.+?) \|$", text, re.MULTILINE))
    documented = {name: set(re.findall(r"`([^`]+)`", subjects)) for name, subjects in rows.items()}
    named = {name: {each for each in row.publish if not each.startswith("$JS.")} for name, row in PRIVILEGES.items()}
    assert documented == named


@pytest.mark.requirement("SEC-075")
def test_nothing_listens_beyond_this_machine_unless_configured():
    assert {row.purpose for row in endpoints(default()) if row.device != "lo" and not is_loopback(row.host)} == set()


@pytest.mark.requirement("SEC-075", "SEC-017")
def test_only_documented_exceptions_talk_without_certificates():
    plain = {row.purpose: row.plain_because for row in endpoints(default()) if row.interface is None}
    assert set(plain) == PLAIN_AT_MOST
    assert all(plain.values())
