"""What keeps a page up to date, and what a page does when its visitor's session ends."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from meterworks.errors import MeterworksError
from meterworks.market import NotAuthenticated
from meterworks.portal.console.visit import Visit
from meterworks.runtime import get_logger

__all__ = ["every", "guarded"]

log = get_logger("portal.console")


async def guarded(visit: Visit, action: Callable[[], Awaitable[None]]) -> None:
    """Do what the page asks if the session still holds; say what failed. An ended session leads to the login."""
    try:
        await visit.check()
        await action()
    except NotAuthenticated:
        ui.navigate.to("/login")
    except MeterworksError as error:
        log.warning("a console page could not be renewed", code=error.code, error=str(error))
        ui.notify(str(error), type="negative")


def every(visit: Visit, renew: Callable[[], Awaitable[None]]) -> None:
    """Renew the page as often as the settings say, for as long as it is open."""

    async def tick() -> None:
        await guarded(visit, renew)

    ui.timer(visit.settings.refresh_s, tick, immediate=False)
