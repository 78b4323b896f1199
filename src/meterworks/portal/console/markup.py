"""Small pieces of HTML for the console. Every text is escaped here and nowhere else.

A plain table is a fraction of the memory and of the traffic of a table component, and screen readers know it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

__all__ = ["Cell", "badge", "empty", "facts", "link", "moment", "number", "progress", "table", "tile"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: HTML that is safe already, and whether it is a number (set to the right)."""

    html: str
    numeric: bool = False


def number(value: float | None, unit: str = "", digits: int = 0) -> Cell:
    """A number with thousands separators, or a dash."""
    if value is None:
        return Cell("–", numeric=True)
    return Cell(escape(f"{value:,.{digits}f}{' ' + unit if unit else ''}"), numeric=True)


def moment(at: datetime | None) -> str:
    """A time in UTC, for people; a dash for none."""
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def link(target: str, text: str) -> Cell:
    """A link within the console."""
    return Cell(f'<a href="{escape(target)}">{escape(text)}</a>')


def badge(text: str, tone: str = "muted") -> Cell:
    """A short state in a tone: good, warn, bad or muted. The text says it too, not the colour alone."""
    return Cell(f'<span class="mw-badge mw-{escape(tone)}">{escape(text)}</span>')


def empty(text: str) -> str:
    """What is said where a list has no entries."""
    return f'<p class="mw-empty">{escape(text)}</p>'


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    return f'<td class="mw-number">{cell.html}</td>' if cell.numeric else f"<td>{cell.html}</td>"


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell | str]], *, caption: str, none: str) -> str:
    """A table with a caption, or the sentence `none` where there are no rows."""
    if not rows:
        return empty(none)
    numeric = [isinstance(cell, Cell) and cell.numeric for cell in rows[0]]
    head = "".join(
        f'<th scope="col"{" class=mw-number" if right else ""}>{escape(text)}</th>'
        for text, right in zip(heads, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="mw-scroll"><table class="mw-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def facts(pairs: Sequence[tuple[str, Cell | str]]) -> str:
    """Names and values beside one another."""
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value) if isinstance(value, str) else value.html}</dd>"
        for name, value in pairs
    )
    return f'<dl class="mw-facts">{items}</dl>'


def tile(label: str, value: str, note: str = "", tone: str = "") -> str:
    """One figure with its name."""
    tone_class = f" mw-{escape(tone)}" if tone else ""
    return (
        f'<div class="mw-tile"><p class="mw-label">{escape(label)}</p>'
        f'<p class="mw-value{tone_class}">{escape(value)}</p><p class="mw-note">{escape(note)}</p></div>'
    )


def progress(share: float, label: str) -> str:
    """A progress bar that screen readers can read."""
    percent = max(0.0, min(100.0, share * 100))
    return (
        f'<div class="mw-progress" role="progressbar" aria-label="{escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent:.0f}"><span style="width:{percent:.2f}%"></span></div>'
    )
