"""Pages for people: the operator's console and the consumer's own page, beside the market API on one port."""

from meterworks.portal.app import create_app
from meterworks.portal.console import CONSOLE_PATH
from meterworks.portal.errors import FormForged
from meterworks.portal.session import COOKIE_NAME, SessionSigner, load_session_secret
from meterworks.portal.settings import PortalSettings
from meterworks.portal.tariff import Cost, SimpleTariff

__all__ = [
    "CONSOLE_PATH",
    "COOKIE_NAME",
    "Cost",
    "FormForged",
    "PortalSettings",
    "SessionSigner",
    "SimpleTariff",
    "create_app",
    "load_session_secret",
]
