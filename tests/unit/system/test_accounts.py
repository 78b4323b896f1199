"""Accounts from the command line's side: made, closed, reset, each act told before it is done."""

from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from meterworks.catalogue import Role
from meterworks.market import (
    AccountExists,
    Accounts,
    BadCredentials,
    NewUser,
    NotAuthenticated,
    NotFound,
    RequestMalformed,
)
from meterworks.runtime import BusSettings, Database, MemoryBus
from meterworks.system import ConfigurationError
from meterworks.system import trail as trail_module
from meterworks.system.accounts import open_accounts
from meterworks.system.configuration import Layout, load_configuration
from meterworks.trust import KeyStore
from meterworks.trust.audit import APPEND_SUBJECT, AuditEvent, Spool
from meterworks.trust.audit.wire import decode_events, encode_receipts

ADDRESS = "192.0.2.1"


@pytest.fixture
async def layout(tmp_path: Path) -> Layout:
    """A system that is down, with its tables and no account."""
    (tmp_path / "db").mkdir()
    made = Layout(load_configuration(command_line={"system.data": tmp_path}).configuration)
    database = Database(made.database("supervisor"))
    await database.create_tables()
    await database.close()
    return made


@pytest.fixture
async def accounts(layout: Layout) -> AsyncIterator[Accounts]:
    """The accounts as the web process has them."""
    database = Database(layout.database("web"))
    yield Accounts(database, keystore=KeyStore(bytes(32)))
    await database.close()


def told(layout: Layout) -> list[AuditEvent]:
    """What the command left for the appender's next start."""
    return Spool(layout.spool("command"), bytes_max=0).read(100)[0]


async def test_a_second_operator_logs_in_with_the_password_that_was_made(layout: Layout, accounts: Accounts) -> None:
    async with open_accounts(layout) as desk:
        made = await desk.add("paula", Role.OPERATOR)
        (listed,) = await desk.listed()
    login = await accounts.log_in("paula", made.password, address=ADDRESS)
    assert (login.user.role, login.user.active) == (Role.OPERATOR, True)
    assert (listed.name, listed.role, listed.active, listed.factors) == ("paula", Role.OPERATOR, True, ())
    (event,) = told(layout)
    assert (event.act, event.object, dict(event.facts)) == ("account.created", "account:paula", {"role": "operator"})
    assert event.actor.startswith("person:")
    assert made.password not in layout.spool("command").read_text()
    assert made.password not in str(event)


async def test_only_the_carriers_own_are_made_and_no_name_twice(layout: Layout) -> None:
    async with open_accounts(layout) as desk:
        await desk.add("aud", Role.AUDITOR)
        with pytest.raises(AccountExists, match="aud"):
            await desk.add("aud", Role.OPERATOR)
        for name, role in (("sam", Role.SUPPLIER), ("rea", Role.CONSUMER), ("", Role.OPERATOR), ("a\n", Role.AUDITOR)):
            with pytest.raises(RequestMalformed):
                await desk.add(name, role)
        assert [view.name for view in await desk.listed()] == ["aud"]
    assert [event.object for event in told(layout)] == ["account:aud"], "what is refused is not told as done"


async def test_a_closed_account_loses_its_sessions_and_its_login(layout: Layout, accounts: Accounts) -> None:
    async with open_accounts(layout) as desk:
        made = await desk.add("paula", Role.OPERATOR)
        login = await accounts.log_in("paula", made.password, address=ADDRESS)
        session = await accounts.open(login, kind="session", lifetime_s=600)
        await desk.close("paula")
        assert [view.active for view in await desk.listed()] == [False]
        with pytest.raises(NotFound):
            await desk.close("nobody-at-all")
    with pytest.raises(NotAuthenticated):
        await accounts.resolve(session.token)
    with pytest.raises(BadCredentials):
        await accounts.log_in("paula", made.password, address=ADDRESS)
    assert [(event.act, dict(event.facts)) for event in told(layout)[1:]] == [("account.changed", {"active": False})]


async def test_who_lost_the_authenticator_logs_in_by_password_again(layout: Layout, accounts: Accounts) -> None:
    async with open_accounts(layout) as desk:
        made = await desk.add("paula", Role.OPERATOR)
        user = await accounts.user_named("paula")
        offered = await accounts.factors.offer_totp(user.id, "paula")
        await accounts.factors.confirm_totp(user.id, pyotp.TOTP(offered.secret).now())
        assert [view.factors for view in await desk.listed()] == [("recovery", "totp")]
        with pytest.raises(BadCredentials):
            await accounts.log_in("paula", made.password, address=ADDRESS)
        await desk.reset_factors("paula")
        assert [view.factors for view in await desk.listed()] == [()]
        with pytest.raises(NotFound):
            await desk.reset_factors("nobody-at-all")
    assert (await accounts.log_in("paula", made.password, address=ADDRESS)).factors == {"password"}
    assert [(event.act, dict(event.facts)) for event in told(layout)[1:]] == [("factor.removed", {"all": True})]


async def test_all_accounts_are_listed_page_by_page_and_by_role(
    layout: Layout, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterworks.system.accounts.PAGE_ROWS", 2)
    monkeypatch.setattr("meterworks.market.account.hash_password", lambda _: "a hash")
    for name in ("cleo", "ada", "bob"):
        await accounts.add_user(NewUser(name=name, password="correct horse battery", role=Role.OPERATOR))
    await accounts.add_user(
        NewUser(name="dan", password="correct horse battery", role=Role.SUPPLIER, organisation_id=7)
    )
    async with open_accounts(layout) as desk:
        assert [view.name for view in await desk.listed()] == ["ada", "bob", "cleo", "dan"]
        assert [(view.name, view.organisation_id) for view in await desk.listed(Role.SUPPLIER)] == [("dan", 7)]


async def test_a_running_systems_appender_has_the_act_before_the_account_is_there(
    layout: Layout, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, seen = MemoryBus(), list[tuple[str, int]]()

    async def take(data: bytes) -> bytes:
        there = len(await accounts.users())
        seen.extend((event.act, there) for event in decode_events(data))
        return encode_receipts([])

    async def connected(_: object) -> MemoryBus:
        return bus

    await bus.respond(f"{APPEND_SUBJECT}.command", take)
    monkeypatch.setattr(trail_module, "connect_bus", connected)
    monkeypatch.setattr(Layout, "bus", lambda _, name: BusSettings(client_name=name))
    async with open_accounts(layout) as desk:
        await desk.add("paula", Role.OPERATOR)
    assert seen == [("account.created", 0)]
    assert len(await accounts.users()) == 1


async def test_where_no_system_was_started_nothing_is_made(tmp_path: Path) -> None:
    layout = Layout(load_configuration(command_line={"system.data": tmp_path / "var"}).configuration)
    with pytest.raises(ConfigurationError, match="meterworks up"):
        async with open_accounts(layout):
            pass
    assert not (tmp_path / "var").exists()
