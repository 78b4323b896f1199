"""What a person does in a real browser: log in, look around, read a meter now, and be kept from what is not theirs."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import CODES, OpenPage
from tests.integration.market.small_neighbourhood import PASSWORD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser_portal"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def log_in(page: Page, user: str) -> None:
    """Through the form, with the keyboard alone."""
    page.goto("/")
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    if user == "olivia":
        page.get_by_label("Code").fill(next(CODES))
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def test_the_operator_opens_a_device_and_reads_it_now(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("link", name="Devices").click()
    page.get_by_role("link", name="S0003").click()
    expect(page.get_by_role("heading", name="Device S0003")).to_be_visible()
    page.get_by_role("button", name="Read now").click()
    result = page.locator("#read-result")
    expect(result).to_contain_text("Read just now")
    expect(result).to_contain_text("1,000.003 kWh")
    expect(result).to_contain_text("230.400 V")


def test_a_read_that_fails_says_so_and_can_be_tried_again(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices/5")
    page.get_by_role("button", name="Read now").click()
    expect(page.locator("#read-result").get_by_role("alert")).to_contain_text("device 5")
    expect(page.get_by_role("button", name="Read now")).to_be_enabled()


def test_the_overview_draws_its_charts_and_renews_itself(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    expect(page.get_by_text("4 installed, 1 removed")).to_be_visible()
    expect(page.get_by_role("progressbar", name="First fill")).to_be_attached()
    for name in ("Load in kW", "Read rate by hour in percent"):
        expect(page.get_by_role("img", name=name).locator("canvas")).to_be_visible()
    drawn = page.evaluate(
        "() => [...document.querySelectorAll('canvas')].every(c => c.getContext('2d').getImageData(0, 0, c.width, "
        "c.height).data.some(v => v !== 0))"
    )
    assert drawn


def test_the_device_list_searches_and_filters(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices")
    expect(page.get_by_text("1 to 5 of 5 devices")).to_be_visible()
    page.get_by_label("Search devices").fill("2 meadow")
    expect(page.get_by_text("1 to 1 of 1 devices")).to_be_visible()
    expect(page.get_by_role("link", name="S0002")).to_be_visible()
    expect(page.get_by_role("link", name="S0001")).to_have_count(0)


def test_the_chart_of_a_device_changes_its_resolution(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices/1")
    for label, resolution in (("Half-hours", "interval"), ("Days", "day"), ("Months", "month")):
        button = page.get_by_role("button", name=label)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("img", name=f"Energy by {resolution} in kWh").locator("canvas")).to_be_visible()


def test_the_collection_page_shows(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.get_by_role("link", name="Collection").click()
    for heading in ("Progress by profile", "Runs", "Missing ranges", "Silent devices", "Incidents"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()


def test_a_session_that_has_ended_leads_to_the_login(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices/1")
    other = page.context.new_page()
    other.goto("/console/")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_label("Password")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()


def test_the_consumer_sees_their_own_and_is_kept_from_the_rest(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "rea")
    expect(page.get_by_role("heading", name="My energy")).to_be_visible()
    expect(page.get_by_text("1 Meadow Lane · metering point MP0001")).to_be_visible()
    expect(page.get_by_text("2 Meadow Lane")).to_have_count(0)
    for period in ("Today", "Year", "Week"):
        page.get_by_role("button", name=period).click()
        expect(page.locator(f"#chart[data-drawn={period.lower()}] canvas")).to_be_visible()
    for path, status in (("/console/", 403), ("/console/devices/1", 403), ("/home?metering_point=MP0002", 404)):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == status


def test_the_consumers_figures_need_no_script(open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False)
    log_in(page, "rea")
    expect(page.get_by_text("Last 7 days")).to_be_visible()
    expect(page.get_by_text("12.18 kWh")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screenshot_of_the_overview_is_taken(open_page: OpenPage, tmp_path: Path, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    log_in(page, "olivia")
    expect(page.get_by_role("img", name="Load in kW").locator("canvas")).to_be_visible()
    path = tmp_path / "screenshot.png"
    page.screenshot(path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
