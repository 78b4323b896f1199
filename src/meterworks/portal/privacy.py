"""The consumer's page about their data: who may read it, who did, and the data itself. No scripts, no state."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from meterworks.catalogue import PURPOSES, Detail, Role
from meterworks.errors import MeterworksError
from meterworks.market import Consent, ConsentState, ConsentTerms, Market, MonthOfReads, Principal, reads_by_month
from meterworks.market.api import data_package_response, market_of, request_id_of
from meterworks.portal.consumer import PointText, access_rows, chosen_point, own_points
from meterworks.portal.login import address_of
from meterworks.portal.page import page
from meterworks.portal.web_session import SessionGate, check_form, session_token, signer_of
from meterworks.registry import ConsumerId, Organisation, UsagePoint

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
ACCESSES_SHOWN = 50
ACCESSES_COUNTED_MAX = 5_000
BAR_HEIGHT = 24
DETAILS = {
    "month": "months",
    "day": "days",
    "interval": "half-hours",
    "instant": "every moment",
}
HISTORIES = {"0": "from now on", "30": "and the last 30 days", "396": "and the last 13 months"}
LENGTHS = {"90": "3 months", "365": "1 year", "730": "2 years"}
_ENDED_BY = {"consumer": "me", "organisation": "them", "operator": "the operator", "erasure": "erasure"}

FormText = Annotated[str, Form(max_length=200)]


def _may(action: str) -> Principal:
    gate: Principal = Depends(SessionGate(action, role=Role.CONSUMER))
    return gate


def _date(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%d %b %Y}"


def _consent_rows(
    consents: Sequence[Consent], names: dict[int, str], now: datetime, zone: ZoneInfo
) -> list[dict[str, object]]:
    rows = []
    for consent in consents:
        state = consent.state(now)
        ended = f"ended by {_ENDED_BY.get(consent.ended_by or '', '')}" if consent.ended_at else ""
        rows.append(
            {
                "reference": consent.reference,
                "who": names.get(consent.organisation_id, f"organisation {consent.organisation_id}"),
                "title": PURPOSES[consent.purpose].title,
                "detail": DETAILS[consent.detail.label],
                "data_from": _date(consent.data_from, zone),
                "from_": _date(consent.starts_at, zone),
                "to": _date(consent.ends_at, zone),
                "evidence": consent.evidence_reference,
                "state": state.value.replace("-", " "),
                "ended": ended if state in (ConsentState.WITHDRAWN, ConsentState.DECLINED) else "",
                "open": state is ConsentState.PROPOSED,
                "stands": state in (ConsentState.IN_FORCE, ConsentState.FUTURE),
            }
        )
    return rows


def _picture(months: Sequence[str], reads: Sequence[MonthOfReads]) -> dict[str, object]:
    """One row a recipient, one bar a month; the number stands beside its bar."""
    most = max((count for row in reads for count in row.counts), default=1) or 1
    return {
        "months": [datetime.strptime(f"{month}-01+0000", "%Y-%m-%d%z").strftime("%b %y") for month in months],
        "rows": [
            {
                "who": row.recipient.title,
                "bars": [
                    {"count": count, "height": max(2, round(BAR_HEIGHT * count / most)) if count else 0}
                    for count in row.counts
                ],
            }
            for row in reads
        ],
    }


def _recipients_of_consents(organisations: Sequence[Organisation], now: datetime) -> list[Organisation]:
    """Organisations that could use a consent: they hold a role now that some purpose with consent names."""
    able = frozenset[Role]().union(*(purpose.roles for purpose in PURPOSES.values() if purpose.rests_on_consent))
    return [each for each in organisations if any(held.role in able and held.span.contains(now) for held in each.roles)]


async def _shown(
    request: Request, principal: Principal, chosen: UsagePoint | None, *, status: int = 200, message: str = ""
) -> Response:
    market, now = market_of(request), market_of(request).clock.now()
    assert principal.consumer_id is not None
    zone = ZoneInfo(chosen.time_zone if chosen else "UTC")
    organisations = await market.registry.organisations()
    consents = await market.consents.of(consumer_id=principal.consumer_id)
    consumer = await market.registry.consumer(ConsumerId(principal.consumer_id))
    wishes = await market.wishes.of(principal.consumer_id)
    picture, accesses = await _accesses(market, principal, chosen, zone)
    return page(
        "privacy.html",
        status=status,
        message=message,
        user=principal.name,
        form_token=signer_of(request).form_token(session_token(request)),
        points=await own_points(market, principal),
        chosen=chosen,
        consents=_consent_rows(consents, {int(each.id): each.name for each in organisations}, now, zone),
        organisations=_recipients_of_consents(organisations, now),
        purposes=[purpose for purpose in PURPOSES.values() if purpose.rests_on_consent],
        details=DETAILS,
        histories=HISTORIES,
        lengths=LENGTHS,
        picture=picture,
        bar_height=BAR_HEIGHT,
        accesses=accesses,
        consumer=consumer,
        wish=wishes[0] if wishes else None,
    )


async def _accesses(
    market: Market, principal: Principal, chosen: UsagePoint | None, zone: ZoneInfo
) -> tuple[dict[str, object], list[dict[str, str]]]:
    if chosen is None:
        return _picture([], []), []
    entries, _ = await market.access_view.of_usage_point(principal, chosen.id, limit=ACCESSES_COUNTED_MAX, but_own=True)
    recipients = await market.access_view.recipients(entries)
    months, reads = reads_by_month(entries, recipients, market.clock.now(), zone)
    return _picture(months, reads), access_rows(entries[:ACCESSES_SHOWN], recipients, zone)


@router.get("/home/privacy")
async def privacy(
    request: Request,
    principal: Annotated[Principal, _may("consent.read")],
    metering_point: PointText = None,
) -> Response:
    """Consents, who read what, and the consumer's own data."""
    points = await own_points(market_of(request), principal)
    return await _shown(request, principal, chosen_point(points, metering_point))


async def _back(request: Request, principal: Principal, error: MeterworksError) -> Response:
    """The page again, with what was wrong above it."""
    points = await own_points(market_of(request), principal)
    text = str(error)
    return await _shown(
        request, principal, chosen_point(points, None), status=422, message=f"{text[:1].upper()}{text[1:]}."
    )


def _consent(
    request: Request,
    organisation: Annotated[int, Form(ge=1, le=2**63 - 1)],
    metering_point: Annotated[str, Form(min_length=1, max_length=128)],
    purpose: FormText,
    detail: Annotated[Literal["month", "day", "interval", "instant"], Form()],
    history: Annotated[int, Form(ge=0, le=800)] = 0,
    days: Annotated[int, Form(ge=1, le=731)] = 365,
) -> Callable[[], ConsentTerms]:
    """What the form asks for; made when it is asked for, so that what does not fit is told above the page."""
    now = market_of(request).clock.now()
    return lambda: ConsentTerms(
        organisation_id=organisation,
        usage_point_id=metering_point,
        purpose=purpose,
        detail=Detail[detail.upper()],
        data_from=now - timedelta(days=history),
        ends_at=now + timedelta(days=days),
    )


async def _after(request: Request, principal: Principal, work: Awaitable[object]) -> Response:
    """Do what a form asked for, and show the page anew; where it was refused, with the reason above it."""
    try:
        await work
    except MeterworksError as error:
        return await _back(request, principal, error)
    return RedirectResponse("/home/privacy", 303)


@router.post("/home/privacy/consents")
async def give(
    request: Request,
    principal: Annotated[Principal, _may("consent.give")],
    consent: Annotated[Callable[[], ConsentTerms], Depends(_consent)],
    form_token: FormText = "",
) -> Response:
    """Give a consent."""
    check_form(request, form_token)
    assert principal.consumer_id is not None
    try:
        terms = consent()
    except MeterworksError as error:
        return await _back(request, principal, error)
    consents, actor = market_of(request).consents, f"account:{principal.name}"
    return await _after(request, principal, consents.give(principal.consumer_id, terms, via="portal", actor=actor))


@router.post("/home/privacy/consents/{reference}/confirm")
async def confirm(
    request: Request,
    principal: Annotated[Principal, _may("consent.give")],
    reference: str,
    form_token: FormText = "",
) -> Response:
    """Confirm what an organisation recorded."""
    check_form(request, form_token)
    assert principal.consumer_id is not None
    consents, actor = market_of(request).consents, f"account:{principal.name}"
    return await _after(request, principal, consents.confirm(principal.consumer_id, reference, actor=actor))


@router.post("/home/privacy/consents/{reference}/withdraw")
async def withdraw(
    request: Request,
    principal: Annotated[Principal, _may("consent.withdraw")],
    reference: str,
    form_token: FormText = "",
) -> Response:
    """Withdraw or decline; from the next access on nothing is given out under it."""
    check_form(request, form_token)
    assert principal.consumer_id is not None
    ending = market_of(request).consents.end(
        reference, by="consumer", actor=f"account:{principal.name}", consumer_id=principal.consumer_id
    )
    return await _after(request, principal, ending)


@router.post("/home/privacy/data")
async def download(
    request: Request,
    principal: Annotated[Principal, _may("own-data.export")],
    password: FormText,
    form: Annotated[Literal["json", "zip"], Form()] = "zip",
    form_token: FormText = "",
) -> Response:
    """All data as a file, once the password has been given again: a page left open gives nothing away."""
    check_form(request, form_token)
    market = market_of(request)
    assert principal.consumer_id is not None
    try:
        # whoever has enrolled a second factor gives its code instead
        await market.accounts.step_up(principal, password=password, code=password, address=address_of(request))
    except MeterworksError as error:
        return await _back(request, principal, error)
    on = f"consumer:{principal.consumer_id}"
    await market.acts.record("data.exported", by=f"account:{principal.name}", on=on, cause="the consumer's own")
    package = await market.subject_export.package(
        principal.consumer_id, by=principal, request_id=request_id_of(request)
    )
    return data_package_response(package, form)


@router.post("/home/privacy/correction")
async def correct(
    request: Request,
    principal: Annotated[Principal, _may("own-data.correct")],
    name: FormText,
    email: FormText = "",
    form_token: FormText = "",
) -> Response:
    """Correct name and e-mail address."""
    check_form(request, form_token)
    assert principal.consumer_id is not None
    market = market_of(request)
    on = f"consumer:{principal.consumer_id}"
    await market.acts.record(
        "consumer.changed", by=f"account:{principal.name}", on=on, cause="corrected by the consumer"
    )
    change = market.registry.change_consumer(ConsumerId(principal.consumer_id), name=name, email=email)
    return await _after(request, principal, change)


@router.post("/home/privacy/erasure")
async def ask_erasure(
    request: Request, principal: Annotated[Principal, _may("own-data.erase")], form_token: FormText = ""
) -> Response:
    """Ask to be erased."""
    check_form(request, form_token)
    assert principal.consumer_id is not None
    return await _after(request, principal, market_of(request).wishes.ask(principal.consumer_id, by="consumer"))
