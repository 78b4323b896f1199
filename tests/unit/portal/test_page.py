"""Templates: what is missing is a defect, what is shown is escaped."""

import pytest
from jinja2 import UndefinedError

from meterworks.portal.page import page, refusal


def test_a_value_a_template_needs_may_not_be_forgotten() -> None:
    with pytest.raises(UndefinedError):
        page("login.html", user="x")


def test_what_is_refused_is_told_with_the_requests_number_and_escaped() -> None:
    response = refusal(403, "<i>No</i>", "<script>alert(1)</script>", "r-1")
    body = bytes(response.body).decode()
    assert response.status_code == 403
    assert "<script>" not in body
    assert "&lt;i&gt;No" in body
    assert "r-1" in body
    assert response.headers["content-type"].startswith("text/html")
