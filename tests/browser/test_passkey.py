"""A passkey in a real browser, with Chromium's virtual authenticator: enrolled, used to log in, used to prove again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.test_portal import log_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser_passkey"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SLOW_MS = 30_000  # the library behind the first ceremony is loaded for it


@pytest.fixture
def page(chromium: Browser, server: str) -> Iterator[Page]:
    """A page at the host name passkeys are bound to, and a device with an unlocked authenticator."""
    context = chromium.new_context(base_url=server.replace("127.0.0.1", "localhost"))
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield page
    context.close()


def test_a_passkey_is_enrolled_at_the_first_login_and_opens_the_next_one_alone(page: Page) -> None:
    log_in(page, "sam")
    expect(page.locator("#welcome")).to_be_visible()
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#recovery-codes li")).to_have_count(8, timeout=SLOW_MS)
    page.get_by_role("link", name="Done").click()
    expect(page.locator("#factors")).to_contain_text("passkey", timeout=SLOW_MS)
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in with a passkey").click()
    page.wait_for_url("**/points")
    page.goto("/account/proof?target=/points")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/points")
    expect(page.get_by_text("Northern Power")).to_be_visible()
