"""What keeps a page up to date, and what a page does when its visitor's session ends."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from meterworks.errors import MeterworksError
from meterworks.market import NotAuthenticated, SecondFactorNeeded, StepUpNeeded
from meterworks.portal.console.visit import Visit
from meterworks.runtime import get_logger

__all__ = ["every", "guarded"]

log = get_logger("portal.console")


async def guarded(
    visit: Visit, action: Callable[[], Awaitable[None]], *, permission: str = "", touch: bool = True
) -> None:
    """Do what the page asks if the session still holds and the visitor may; say what failed.

    permission: the action of the catalogue that this is; empty: it only shows more of the page. touch: the visitor did
    something. An ended session leads to the login, a missing proof to where it is given.
    """
    try:
        await visit.check(touch=touch)
        if permission:
            await visit.allow(permission)
        await action()
    except NotAuthenticated:
        ui.navigate.to("/login")
    except SecondFactorNeeded:
        ui.navigate.to("/account?needed=1")
    except StepUpNeeded:
        ui.navigate.to("/account/proof?target=/console/")
    except MeterworksError as error:
        log.warning("a console page could not be renewed", code=error.code, error=str(error))
        ui.notify(str(error), type="negative")


def every(visit: Visit, renew: Callable[[], Awaitable[None]]) -> None:
    """Renew the page as often as the settings say, for as long as it is open."""

    async def tick() -> None:
        await guarded(visit, renew, touch=False)

    ui.timer(visit.settings.refresh_s, tick, immediate=False)
