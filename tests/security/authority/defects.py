"""Seeded defects of who may do what."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from tests.security.seeded import Defect, Plant, replaced, wrapped

from meterworks.catalogue import PERMISSIONS, Permission, Reach, Role
from meterworks.catalogue import permission as catalogue
from meterworks.market.authoriser import Authoriser

__all__ = ["DEFECTS"]


def _row(action: str, **changes: Any) -> Plant:
    """One row of the catalogue is another one, as the table shows it."""
    rows: dict[str, Permission] = {**PERMISSIONS, action: replace(PERMISSIONS[action], **changes)}
    return replaced(catalogue, "PERMISSIONS", MappingProxyType(rows))


def _without(**flags: Any) -> Callable[..., None]:
    """Checks the proof as if the row did not ask for it."""

    def check(sound: Any, self: Authoriser, holder: Any, permission: Permission) -> None:
        sound(self, holder, replace(permission, **flags))

    return check


async def _unscoped(sound: Any, self: Authoriser, holder: Any, action: str, thumbprint: str | None) -> Any:
    return await sound(self, replace(holder, scopes=None), action, thumbprint)


async def _anybody(sound: Any, self: Authoriser, holder: Any, action: str, thumbprint: str | None) -> Any:
    return holder if action not in PERMISSIONS else await sound(self, holder, action, thumbprint)


async def _unadmitted(sound: Any, self: Authoriser, holder: Any, action: str, thumbprint: str | None) -> Any:
    return await sound(self, replace(holder, organisation_id=None), action, thumbprint) and holder


_TOO_FAR = MappingProxyType({**PERMISSIONS["reading.read"].reaches, Role.GATEWAY_ADMINISTRATOR: Reach.REGISTERED})

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "a gateway administrator reads usage",
        "test_every_verdict_equals_the_table_written_by_hand",
        _row("reading.read", reaches=_TOO_FAR),
    ),
    Defect("unknown actions pass", "test_what_no_row_grants_is_refused", wrapped(Authoriser, "_admit", _anybody)),
    Defect(
        "admission is not looked at",
        "test_an_organisation_that_is_not_admitted_may_do_nothing",
        wrapped(Authoriser, "_admit", _unadmitted),
    ),
    Defect(
        "second factors are not asked for",
        "test_a_password_alone_administers_and_commands_nothing",
        wrapped(Authoriser, "_check_proof", _without(second_factor=False)),
    ),
    Defect(
        "starting a collection is a trifle",
        "test_the_list_of_privileged_actions_is_whole",
        _row("collection.start", second_factor=False),
    ),
    Defect(
        "a proof never grows old",
        "test_a_stolen_session_does_nothing_dangerous",
        wrapped(Authoriser, "_check_proof", _without(step_up=False)),
    ),
    Defect(
        "accounts are made by any session",
        "test_the_register_of_dangerous_actions_is_whole",
        _row("user.manage", step_up=False),
    ),
    Defect(
        "scopes are a comment", "test_a_token_does_what_it_was_made_for_only", wrapped(Authoriser, "_admit", _unscoped)
    ),
)
