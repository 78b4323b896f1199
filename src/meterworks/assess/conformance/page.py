"""The report as one page: a picture of the whole, a table of the tests, and for each test what was exchanged.

The page holds all it needs: no script of others, no picture file, nothing is fetched. It is written with `escape` for
everything that came over the wire.
"""

from collections.abc import Callable
from html import escape
from typing import Final

from meterworks.assess.conformance.report import EVIDENCE_MAX, shown
from meterworks.assess.conformance.row import Exchanged, Outcome, Result
from meterworks.assess.conformance.suite import Report

__all__ = ["Annotate", "render_page"]

Annotate = Callable[[bytes], str]
"""Gives an APDU as an annotated tree in lines of text."""

ANNOTATED_MAX: Final = 12  # exchanges of a test that are annotated
ANNOTATION_SIZE_MAX: Final = 6_000
BAR_WIDTH: Final = 560
BAR_HEIGHT: Final = 18
LABEL_WIDTH: Final = 150
ROW_HEIGHT: Final = 30

_COLOURS: Final = {
    Outcome.PASSED: "#2e7d4f",
    Outcome.FAILED: "#b3261e",
    Outcome.INCONCLUSIVE: "#b26a00",
    Outcome.NOT_APPLICABLE: "#6b7682",
}
_STYLE: Final = """
:root { color-scheme: light dark; --line: #d5dae0; --soft: #f4f6f8; --text: #1c2430; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --line: #3a434f; --soft: #232a33; --text: #e6eaef; --page: #171c22; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .6rem .25rem 0; vertical-align: top; }
.facts td:first-child { width: 16rem; opacity: .75; }
details { border-top: 1px solid var(--line); padding: .35rem 0; }
summary { cursor: pointer; display: flex; gap: .7rem; }
summary .id { font-family: ui-monospace, monospace; width: 6.5rem; flex: none; } summary .title { flex: 1; }
summary .outcome { color: #fff; border-radius: .6rem; padding: 0 .6rem; font-size: .85rem; align-self: center; }
.reason { margin: .4rem 0 .2rem 7.2rem; }
.clause { margin-left: 7.2rem; opacity: .7; font-size: .9rem; }
.exchange { margin: .4rem 0 .4rem 7.2rem; font: 12.5px/1.4 ui-monospace, monospace; word-break: break-all; }
.exchange .way { display: inline-block; width: 5.5rem; opacity: .7; } .exchange .inside { opacity: .8; }
pre { background: var(--soft); padding: .5rem .7rem; margin: .3rem 0 0 5.5rem; overflow-x: auto; font: inherit;
  word-break: normal; }
svg text { fill: var(--text); font: 13px system-ui, sans-serif; }
"""


def render_page(report: Report, *, annotate: Annotate | None = None) -> str:
    """Give the report as an HTML page in one file. annotate: explains an APDU; None leaves the octets alone."""
    groups: dict[str, list[Result]] = {}
    for result in report.results:
        groups.setdefault(result.row.group.value, []).append(result)
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(report.title)}: {escape(report.target)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(report.title)}</h1><p>{escape(_sentence(report))}</p>",
        _picture(groups),
        _facts(report),
    ]
    for name, results in groups.items():
        parts.append(f"<h2>{escape(name)}</h2>")
        parts += [_test(result, annotate) for result in results]
    parts.append("</body></html>\n")
    return "\n".join(parts)


def _sentence(report: Report) -> str:
    counts = ", ".join(f"{report.count(outcome)} {outcome.value}" for outcome in Outcome)
    return f"{report.target}: {counts}. Begun {report.began:%Y-%m-%d %H:%M:%S} UTC, {report.duration_s:.1f} s."


def _picture(groups: dict[str, list[Result]]) -> str:
    """Draw a bar for each group, divided by outcome."""
    height = ROW_HEIGHT * (len(groups) + 1)
    width = LABEL_WIDTH + BAR_WIDTH + 60
    shapes = [
        f"<svg role='img' aria-label='outcomes by group' width='100%' viewBox='0 0 {width} {height}'"
        f" style='max-width:{width}px'>"
    ]
    for line, (name, results) in enumerate(groups.items()):
        top, left = line * ROW_HEIGHT + 6, float(LABEL_WIDTH)
        shapes.append(f"<text x='0' y='{top + 14}'>{escape(name)}</text>")
        for outcome in Outcome:
            count = sum(result.outcome is outcome for result in results)
            size = BAR_WIDTH * count / len(results)
            if count:
                shapes.append(
                    f"<rect x='{left:.1f}' y='{top}' width='{size:.1f}' height='{BAR_HEIGHT}'"
                    f" fill='{_COLOURS[outcome]}'><title>{count} {outcome.value}</title></rect>"
                )
            left += size
        shapes.append(f"<text x='{LABEL_WIDTH + BAR_WIDTH + 10}' y='{top + 14}'>{len(results)}</text>")
    shapes += _legend(len(groups) * ROW_HEIGHT + 6)
    return "".join(shapes) + "</svg>"


def _legend(top: int) -> list[str]:
    shapes, left = [], LABEL_WIDTH
    for outcome in Outcome:
        shapes.append(f"<rect x='{left}' y='{top}' width='12' height='12' fill='{_COLOURS[outcome]}'/>")
        shapes.append(f"<text x='{left + 18}' y='{top + 11}'>{outcome.value}</text>")
        left += 32 + 8 * len(outcome.value)
    return shapes


def _facts(report: Report) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in report.facts)
    return f"<table class='facts'>{rows}</table>"


def _test(result: Result, annotate: Annotate | None) -> str:
    row, outcome = result.row, result.outcome
    is_open = " open" if outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE) else ""
    parts = [
        f"<details id='{escape(row.id)}'{is_open}><summary><span class='id'>{escape(row.id)}</span>",
        f"<span class='title'>{escape(row.title)}</span>",
        f"<span class='outcome' style='background:{_COLOURS[outcome]}'>{outcome.value}</span></summary>",
    ]
    if result.reason:
        parts.append(f"<p class='reason'>{escape(result.reason)}</p>")
    parts.append(f"<div class='clause'>{escape(row.clause)}</div>")
    for number, exchanged in enumerate(result.evidence[:EVIDENCE_MAX]):
        parts.append(_exchange(exchanged, annotate if number < ANNOTATED_MAX else None))
    left_out = len(result.evidence) - EVIDENCE_MAX
    if left_out > 0:
        parts.append(f"<div class='exchange'>and {left_out} more</div>")
    return "".join(parts) + "</details>"


def _exchange(exchanged: Exchanged, annotate: Annotate | None) -> str:
    way = "sent" if exchanged.sent else "received"
    text = f"<span class='way'>{way}</span>{shown(exchanged.octets)}"
    if exchanged.note:
        text += f" <i>{escape(exchanged.note)}</i>"
    apdu = exchanged.octets
    if exchanged.plain is not None:
        apdu = exchanged.plain
        text += f"<br><span class='way'>inside</span><span class='inside'>{shown(apdu)}</span>"
    if annotate is not None and apdu and not exchanged.note:
        text += f"<pre>{escape(annotate(apdu)[:ANNOTATION_SIZE_MAX])}</pre>"
    return f"<div class='exchange'>{text}</div>"
