"""One visit to a console page: who visits, and what the page asks."""

from dataclasses import dataclass

from fastapi import Request

from meterworks.market import Market, Principal
from meterworks.portal.settings import PortalSettings

__all__ = ["PURPOSE", "VISIT_KEY", "Visit", "visit_of"]

VISIT_KEY = "meterworks.visit"  # in the scope of a request that the guard let through
PURPOSE = "metering"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The visitor and the services of a page."""

    market: Market
    settings: PortalSettings
    principal: Principal
    session_token: str
    form_token: str
    request_id: str
    alarms: tuple[str, ...] = ()  # what every page shows above all else

    async def check(self, *, touch: bool = True) -> None:
        """A page may stay open for days: raises NotAuthenticated when the session has ended since it was loaded.

        touch: whether the visitor did something, which keeps the session from lying idle.
        """
        await self.market.accounts.resolve(self.session_token, kind="session", touch=touch)

    async def allow(self, action: str) -> Principal:
        """The visitor, if they may do an action now. Raises what `Authoriser.admit` raises."""
        principal = await self.market.accounts.resolve(self.session_token, kind="session")
        return await self.market.authoriser.admit(principal, action)


def visit_of(request: Request) -> Visit:
    """What the guard found out about this request."""
    visit = request.scope[VISIT_KEY]
    assert isinstance(visit, Visit)
    return visit
