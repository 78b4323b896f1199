"""`meterworks account`: who may log in to the system on this machine.

Whoever holds the data folder is the machine's administrator and needs no account. Each change is recorded.
"""

import asyncio
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from meterworks.catalogue import Role
from meterworks.cli.option import AsJson, ConfigFile, DataFolder, Settings, layout_of
from meterworks.cli.output import notice, print_rows
from meterworks.market import Credential
from meterworks.system.accounts import AccountView, open_accounts

__all__ = ["app"]

app = typer.Typer(
    help="Accounts: list, make one for an operator or auditor, close, reset factors.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="name of the account")]


class OwnRole(StrEnum):
    """Roles of the carrier's own people; all others are given in the API, by two of them."""

    OPERATOR = Role.OPERATOR.value
    AUDITOR = Role.AUDITOR.value


@app.command("list")
def list_accounts(
    role: Annotated[Role | None, typer.Option(help="of this role only")] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Show accounts by name: role, whether open, kinds of second factor."""

    async def work() -> list[AccountView]:
        async with open_accounts(layout_of(data, config, settings)) as desk:
            return await desk.listed(role)

    rows = [{**asdict(view), "factors": " ".join(view.factors)} for view in asyncio.run(work())]
    print_rows(rows, as_json=as_json)


@app.command()
def add(
    name: Name,
    role: Annotated[OwnRole, typer.Option(help="what the person is")] = OwnRole.OPERATOR,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Make an account for an operator or auditor; its password is made here and shown this once."""

    async def work() -> Credential:
        async with open_accounts(layout_of(data, config, settings)) as desk:
            return await desk.add(name, Role(role.value))

    print_rows([asdict(asyncio.run(work()))], as_json=as_json)
    notice("the password is shown this once; at the first login a passkey or an authenticator is offered")


@app.command()
def close(name: Name, data: DataFolder = None, config: ConfigFile = None, settings: Settings = None) -> None:
    """Close an account: it stays in the records, its sessions and tokens end."""

    async def work() -> None:
        async with open_accounts(layout_of(data, config, settings)) as desk:
            await desk.close(name)

    asyncio.run(work())
    notice(f"the account {name} is closed")


@app.command(name="reset-factors")
def reset_factors(name: Name, data: DataFolder = None, config: ConfigFile = None, settings: Settings = None) -> None:
    """Take all second factors from an account whose owner lost them; it opens by password until one is enrolled."""

    async def work() -> None:
        async with open_accounts(layout_of(data, config, settings)) as desk:
            await desk.reset_factors(name)

    asyncio.run(work())
    notice(f"the account {name} has no second factor and no session any more")
