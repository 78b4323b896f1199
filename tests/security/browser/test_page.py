"""What browsers are told: policy, frames, cookies, forms; and bodies that hold what is named and nothing else."""

import re
from pathlib import Path

import pytest
from fastapi.responses import Response
from pydantic import BaseModel

import meterworks.portal
from meterworks.market.api import app as api_app
from meterworks.portal.errors import FormForged
from meterworks.portal.page import page
from meterworks.portal.session import SessionSigner
from meterworks.portal.web_session import start_session

TEMPLATES = Path(meterworks.portal.__file__).parent / "templates"


@pytest.mark.requirement("SEC-083")
def test_a_page_runs_no_inline_script_and_stands_in_no_frame():
    answer = page("refused.html", title="No", detail="<script>alert(1)</script>", request_id="1")
    parts = [part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";")]
    policy = {name: values for name, _, values in parts}
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert b"<script>alert" not in answer.body


@pytest.mark.requirement("SEC-083")
def test_no_template_holds_a_script_a_handler_or_a_style_of_its_own():
    inline = re.compile(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|javascript:|\|\s*safe", re.IGNORECASE)
    found = [file.name for file in sorted(TEMPLATES.glob("*.html")) if inline.search(file.read_text())]
    assert found == []


@pytest.mark.requirement("SEC-083")
def test_a_form_of_another_session_is_refused():
    signer = SessionSigner(b"s" * 32)
    signer.check_form("mine", signer.form_token("mine"))
    for forged in ("", None, signer.form_token("another's")):
        with pytest.raises(FormForged):
            signer.check_form("mine", forged)


@pytest.mark.requirement("SEC-083")
def test_the_session_cookie_stays_with_us():
    answer = Response()
    start_session(answer, SessionSigner(b"s" * 32), "token", lifetime_s=60, secure=True)
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "secure", "path=/"} <= {part.strip() for part in cookie.split(";")}


def bodies() -> list[type[BaseModel]]:
    found = {
        model
        for module in api_app._ROUTERS
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == module.__name__
    }
    return sorted(found, key=lambda model: model.__name__)


@pytest.mark.requirement("SEC-079")
def test_no_body_takes_a_field_it_does_not_name():
    assert len(bodies()) >= 15
    lax = [model.__name__ for model in bodies() if model.model_config.get("extra") != "forbid"]
    assert lax == []
