"""A consumer looks after their data in a real browser, with scripts and without."""

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenPage
from tests.browser.test_portal import log_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser_privacy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_consent_is_given_seen_and_withdrawn(open_page: OpenPage, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    log_in(page, "rea")
    page.get_by_role("link", name="My data").click()
    expect(page.get_by_role("heading", name="My data", exact=True)).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    row = page.locator("#consents tbody tr").first
    expect(row).to_contain_text("Northern Power")
    expect(row).to_contain_text("in force")
    row.get_by_text("Withdraw", exact=True).click()
    row.get_by_role("button", name="Yes, withdraw").click()
    expect(page.locator("#consents tbody tr").first).to_contain_text("withdrawn, ended by me")


def test_data_comes_only_with_the_password(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "rea")
    page.goto("/home/privacy")
    page.get_by_label("My password").fill("wrong password, sorry")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("alert")).to_contain_text("does not fit")
