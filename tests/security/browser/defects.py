"""Seeded defects of what browsers are told."""

from typing import Any

import pytest
from tests.security.browser import test_page
from tests.security.seeded import Defect, replaced, wrapped

from meterworks.market.api.token import UserDocument
from meterworks.portal import page as page_module
from meterworks.portal import web_session
from meterworks.portal.session import SessionSigner

__all__ = ["DEFECTS"]


def _same_for_all(sound: Any, self: SessionSigner, token: str) -> str:
    return str(sound(self, "everybody"))


def _lax_cookie(response: Any, signer: SessionSigner, token: str, *, lifetime_s: int, secure: bool) -> None:
    response.set_cookie("meterworks_session", signer.cookie(token), max_age=lifetime_s, samesite="lax", path="/")


class _OwnScript:
    """A folder of templates, one of which has a script of its own."""

    name = "login.html"

    def glob(self, pattern: str) -> list["_OwnScript"]:
        return [self]

    def read_text(self) -> str:
        return '<body onload="start()">'

    def __lt__(self, other: object) -> bool:
        return False


def _lax_body(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(UserDocument.model_config, "extra", "ignore")


_FRAMED = {
    **web_session.PAGE_HEADERS,
    "Content-Security-Policy": web_session.PAGE_HEADERS["Content-Security-Policy"].replace(
        "script-src 'self'", "script-src 'self' 'unsafe-inline'"
    ),
}

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "inline scripts run",
        "test_a_page_runs_no_inline_script_and_stands_in_no_frame",
        replaced(page_module, "PAGE_HEADERS", _FRAMED),
    ),
    Defect(
        "a template starts a script of its own",
        "test_no_template_holds_a_script_a_handler_or_a_style_of_its_own",
        replaced(test_page, "TEMPLATES", _OwnScript()),
    ),
    Defect(
        "one form fits all",
        "test_a_form_of_another_session_is_refused",
        wrapped(SessionSigner, "form_token", _same_for_all),
    ),
    Defect(
        "the cookie goes along to other sites",
        "test_the_session_cookie_stays_with_us",
        replaced(test_page, "start_session", _lax_cookie),
    ),
    Defect("a body takes any field", "test_no_body_takes_a_field_it_does_not_name", _lax_body),
)
