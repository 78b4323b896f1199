"""Rendered pages: one template environment, everything escaped."""

from pathlib import Path

from fastapi.responses import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from meterworks.portal.web_session import PAGE_HEADERS

__all__ = ["STATIC_FOLDER", "page", "refusal"]

_FOLDER = Path(__file__).parent
STATIC_FOLDER = _FOLDER / "static"

_environment = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def page(template: str, *, status: int = 200, **values: object) -> Response:
    """A page with the headers every page carries."""
    body = _environment.get_template(template).render(**values)
    return Response(body, status_code=status, media_type="text/html; charset=utf-8", headers=dict(PAGE_HEADERS))


def refusal(status: int, title: str, detail: str, request_id: str) -> Response:
    """A page that says no, or not now."""
    return page("refused.html", status=status, title=title, detail=detail, request_id=request_id)
