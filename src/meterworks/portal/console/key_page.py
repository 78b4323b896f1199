"""Keys: campaigns with a picture of how far they are, and the devices that need a person, with the reasons."""

from collections.abc import Mapping
from html import escape

from meterworks.headend import CampaignState, KeyCampaign, KeyJobState, KeyLedger
from meterworks.portal.console.frame import card, frame, html
from meterworks.portal.console.live import every
from meterworks.portal.console.markup import Cell, badge, link, moment, number, table
from meterworks.portal.console.visit import Visit

__all__ = ["bar_of_jobs", "show_keys"]

CAMPAIGN_COUNT, EXCEPTION_COUNT = 20, 50
_TONES: Mapping[KeyJobState, tuple[str, str]] = {
    KeyJobState.DONE: ("#1f9d6b", "done"),
    KeyJobState.ANSWERED: ("#4c8dd6", "answered"),
    KeyJobState.SENT: ("#7aaee6", "sent"),
    KeyJobState.PREPARED: ("#b9d3f0", "prepared"),
    KeyJobState.PLANNED: ("#d9dee5", "planned"),
    KeyJobState.STOPPED: ("#8a93a0", "stopped"),
    KeyJobState.FAILED: ("#d1495b", "failed"),
}
_STATES: Mapping[CampaignState, str] = {
    CampaignState.RUNNING: "good",
    CampaignState.PAUSED: "warn",
    CampaignState.STOPPED: "muted",
    CampaignState.DONE: "good",
}


def bar_of_jobs(jobs: Mapping[KeyJobState, int], *, label: str) -> str:
    """A drawn bar: a piece for the jobs of each state, as wide as its share; told in words for screen readers."""
    total = sum(jobs.values())
    said = ", ".join(f"{jobs[state]:,} {name}" for state, (_, name) in _TONES.items() if jobs.get(state))
    pieces, at = [], 0.0
    for state, (colour, name) in _TONES.items():
        share = 100 * jobs.get(state, 0) / total if total else 0.0
        if share:
            title = f"{jobs[state]:,} {name}"
            pieces.append(
                f'<rect x="{at:.3f}" y="0" width="{share:.3f}" height="8" fill="{colour}"><title>{title}</title></rect>'
            )
        at += share
    return (
        f'<svg role="img" aria-label="{escape(label)}: {escape(said or "no jobs")}" viewBox="0 0 100 8"'
        f' preserveAspectRatio="none" width="100%" height="16">{"".join(pieces)}</svg>'
        f'<p class="mw-note">{escape(said or "no jobs")}</p>'
    )


def _campaign(campaign: KeyCampaign, jobs: Mapping[KeyJobState, int]) -> str:
    title = f"{campaign.purpose} of {', '.join(campaign.kinds)}"
    due = "" if campaign.due_at is None else f" · due {moment(campaign.due_at)}"
    note = f"{moment(campaign.created_at)} · {campaign.started_by} · {campaign.reason or 'no reason given'}{due}"
    state = badge(str(campaign.state), _STATES[campaign.state]).html
    return (
        f'<div><div class="mw-row mw-between"><strong>{escape(title)}</strong>{state}</div>'
        f'{bar_of_jobs(jobs, label=title)}<p class="mw-muted">{escape(note)} · {escape(campaign.id)}</p></div>'
    )


async def _campaigns(ledger: KeyLedger) -> str:
    found = await ledger.campaigns(limit=CAMPAIGN_COUNT)
    jobs = await ledger.progress([each.id for each in found])
    if not found:
        return '<p class="mw-empty">No key campaign yet.</p>'
    return f'<div style="display:grid;gap:18px">{"".join(_campaign(each, jobs[each.id]) for each in found)}</div>'


async def _exceptions(ledger: KeyLedger) -> str:
    rows: list[tuple[Cell | str, ...]] = []
    for campaign in await ledger.campaigns(limit=CAMPAIGN_COUNT):
        failed = await ledger.jobs(campaign.id, states=[KeyJobState.FAILED], limit=EXCEPTION_COUNT - len(rows))
        rows += [
            (
                link(f"/console/devices/{job.device_id}", f"Device {job.device_id}"),
                str(campaign.purpose),
                moment(job.changed_at),
                number(job.attempts),
                job.reason[:300],
            )
            for job in failed
        ]
        if len(rows) >= EXCEPTION_COUNT:
            break
    heads = ("Device", "Campaign", "Since (UTC)", "Attempts", "Reason")
    return table(heads, rows, caption=f"At most {EXCEPTION_COUNT}", none="Every device did what was asked of it.")


async def show_keys(visit: Visit) -> None:
    """The page."""
    market = visit.market
    ledger = KeyLedger(market.services.database, market.registry)
    with frame(
        visit, "Keys", current="/console/keys", lead="Which keys of meters are being changed, and how far it is."
    ):
        with card("Campaigns"):
            campaigns = html(await _campaigns(ledger))
        with card("Exceptions"):
            exceptions = html(await _exceptions(ledger))

    async def renew() -> None:
        campaigns.set_content(await _campaigns(ledger))
        exceptions.set_content(await _exceptions(ledger))

    every(visit, renew)
