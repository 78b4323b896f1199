"""The consumer's page about their data: what it shows, and what its forms do."""

import io
import zipfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.integration.market.small_neighbourhood import PASSWORD, SmallNeighbourhood
from tests.integration.portal.conftest import BrowserOf, form_token

from meterworks.market import AccessEntry, Recipient, reads_by_month


async def test_a_consent_is_given_and_withdrawn_with_plain_forms(
    neighbourhood: SmallNeighbourhood, browser_of: BrowserOf
) -> None:
    browser = await browser_of("rea")
    page = await browser.get("/home/privacy")
    assert "Nothing, so far." in page.text
    terms = {
        "form_token": form_token(page),
        "organisation": str(neighbourhood.foundation.supplier_id),
        "metering_point": "MP0001",
        "purpose": "advice",
        "detail": "day",
        "history": "30",
        "days": "90",
    }
    assert (await browser.post("/home/privacy/consents", data=terms)).status_code == 303
    page = await browser.get("/home/privacy")
    assert "in force" in page.text
    reference = page.text.split("/home/privacy/consents/")[1].split("/")[0]
    ended = await browser.post(f"/home/privacy/consents/{reference}/withdraw", data={"form_token": form_token(page)})
    assert ended.status_code == 303
    assert "withdrawn, ended by me" in (await browser.get("/home/privacy")).text
    wrong = await browser.post("/home/privacy/consents", data={**terms, "metering_point": "MP0003"})
    assert (wrong.status_code, "in your view" in wrong.text) == (422, True)


async def test_a_form_of_another_site_changes_nothing(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    answer = await browser.post("/home/privacy/erasure", data={"form_token": "0" * 64})
    assert answer.status_code == 403
    assert "Ask to be erased" in (await browser.get("/home/privacy")).text


async def test_the_data_comes_with_the_password_given_again(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    token = form_token(await browser.get("/home/privacy"))
    wrong = await browser.post("/home/privacy/data", data={"form_token": token, "password": "not this one at all"})
    assert wrong.status_code == 422
    packed = await browser.post("/home/privacy/data", data={"form_token": token, "password": PASSWORD})
    assert packed.headers["content-disposition"] == 'attachment; filename="my-data.zip"'
    assert "readings.csv" in zipfile.ZipFile(io.BytesIO(packed.content)).namelist()


async def test_name_is_corrected_and_erasure_asked_for(browser_of: BrowserOf) -> None:
    browser = await browser_of("rea")
    token = form_token(await browser.get("/home/privacy"))
    changed = {"form_token": token, "name": "Rea <Reader>", "email": "rea@example.org"}
    assert (await browser.post("/home/privacy/correction", data=changed)).status_code == 303
    assert (await browser.post("/home/privacy/erasure", data={"form_token": token})).status_code == 303
    page = (await browser.get("/home/privacy")).text
    assert "Rea &lt;Reader&gt;" in page
    assert "I asked to be erased" in page


async def test_the_page_is_for_consumers(browser_of: BrowserOf) -> None:
    assert (await (await browser_of("olivia")).get("/home/privacy")).status_code == 403


def _entry(at: datetime, organisation: int | None, request: str) -> AccessEntry:
    return AccessEntry(
        at=at,
        usage_point_id="MP1",
        device_id=None,
        user_name="x",
        role="supplier",
        organisation_id=organisation,
        range_start=at,
        range_end=at,
        channels="",
        purpose="settlement",
        request_id=request,
    )


def test_reads_are_counted_by_month_and_recipient_once_a_request() -> None:
    now = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # July in Berlin
    recipients = {("supplier", 1): Recipient("supplier", "A"), ("supplier", 2): Recipient("supplier", "B")}
    june = datetime(2026, 6, 10, tzinfo=UTC)
    entries = [_entry(june, 1, "a"), _entry(june, 1, "a"), _entry(june, 2, "b"), _entry(june, 2, "c")]
    entries.append(_entry(datetime(2024, 1, 1, tzinfo=UTC), 1, "old"))
    months, reads = reads_by_month(entries, recipients, now, ZoneInfo("Europe/Berlin"))
    assert (months[0], months[-1], len(months)) == ("2025-07", "2026-07", 13)
    assert [(row.recipient.title, row.counts[-2]) for row in reads] == [("B, supplier", 2), ("A, supplier", 1)]
