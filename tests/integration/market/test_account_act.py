"""Accounts that come about without a person of the system's own: by an identity provider, and at the first start."""

from pathlib import Path

from tests.integration.market.small_neighbourhood import SmallNeighbourhood

from meterworks.catalogue import Role
from meterworks.market import Accounts, Credential
from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.start import _tell_accounts
from meterworks.trust.audit import MemoryAuditSink, Spool

ISSUER = "https://id.example"


async def test_what_a_provider_makes_of_accounts_is_told(neighbourhood: SmallNeighbourhood) -> None:
    audit = MemoryAuditSink()
    accounts = Accounts(neighbourhood.database, audit=audit)
    for role in (Role.OPERATOR, Role.OPERATOR, Role.AUDITOR):
        await accounts.user_of_provider(ISSUER, "subject-1", name="nora", role=role)
    assert [(event.act, event.facts["role"]) for event in audit.events] == [
        ("account.created", "operator"),
        ("account.changed", "auditor"),
    ]
    assert {(event.actor, event.object) for event in audit.events} == {(f"provider:{ISSUER}", "account:nora")}


def test_the_accounts_of_a_first_start_are_left_for_the_appender(tmp_path: Path) -> None:
    layout = Layout(load_configuration(command_line={"system.data": tmp_path}).configuration)
    _tell_accounts(layout, [Credential(name="operator", password="never told", role=Role.OPERATOR)])
    events, _ = Spool(layout.spool("command"), bytes_max=0).read(10)
    assert [(event.act, event.object, event.cause) for event in events] == [
        ("account.created", "account:operator", "first start")
    ]
    assert b"never told" not in layout.spool("command").read_bytes()
