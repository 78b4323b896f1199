"""The frame of every console page: head, navigation, who is logged in, and the main column."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from nicegui import ui

from meterworks.portal.console.visit import Visit

__all__ = ["button", "card", "frame", "html"]

_NAVIGATION = (
    ("/console/", "Overview"),
    ("/console/devices", "Devices"),
    ("/console/collection", "Collection"),
    ("/console/keys", "Keys"),
)
_ACCENT = "#0d857f"  # readable under white text and on both papers
_MARK = (
    '<svg viewBox="0 0 24 24" fill="none" aria-hidden="true"><circle cx="12" cy="12" r="10" stroke="currentColor" '
    'stroke-width="2.4"/><path d="M12.9 5.6 7.6 13h4l-.6 5.4L16.4 11h-4z" fill="currentColor"/></svg>'
)
_HEAD = (
    '<link rel="stylesheet" href="/assets/portal.css"><link rel="icon" href="/assets/favicon.svg" type="image/svg+xml">'
)


def html(content: str, *, tag: str = "div") -> ui.html:
    """A piece of our own markup. Its texts were escaped when it was made (`markup`), so nothing is cleaned again."""
    return ui.html(content, sanitize=False, tag=tag)


def _header(visit: Visit, current: str) -> str:
    links = "".join(
        f'<a href="{target}"{" aria-current=page" if target == current else ""}>{escape(name)}</a>'
        for target, name in _NAVIGATION
    )
    return (
        f'<div><a class="mw-brand" href="/console/">{_MARK} Meterworks</a>'
        f'<nav class="mw-nav" aria-label="Console">{links}</nav><div class="mw-who">'
        '<a href="/approvals">Approvals</a>'
        f'<a href="/account">{escape(visit.principal.name)}</a>'
        '<form method="post" action="/logout">'
        f'<input type="hidden" name="form_token" value="{escape(visit.form_token)}">'
        f'<button class="mw-button mw-quiet" type="submit">Log out</button></form></div></div>'
    )


def button(label: str, on_click: Callable[[], object], *, quiet: bool = False) -> ui.button:
    """A button in the console's style."""
    return ui.button(label, on_click=on_click).props("no-caps unelevated" + (" outline" if quiet else ""))


@contextmanager
def frame(visit: Visit, title: str, *, current: str, lead: str = "") -> Iterator[None]:
    """A page with its heading; what is made inside comes below it."""
    ui.add_head_html(_HEAD)
    ui.colors(primary=_ACCENT)
    ui.page_title(f"{title} · Meterworks")
    html(_header(visit, current), tag="header").classes("mw-top")
    with ui.element("div").classes("mw-main").props("id=content"):
        for alarm in visit.alarms:
            html(f'<p class="mw-alert" role="alert">{escape(alarm)}</p>')
        lead_html = f'<p class="mw-lead">{escape(lead)}</p>' if lead else ""
        html(f"<h1>{escape(title)}</h1>{lead_html}")
        yield


@contextmanager
def card(title: str, *, classes: str = "") -> Iterator[ui.element]:
    """A card with a heading, as a section that screen readers list."""
    with ui.element("section").classes(f"mw-card {classes}") as section:
        section.props(f'aria-label="{escape(title)}"')
        html(escape(title), tag="h2")
        yield section
