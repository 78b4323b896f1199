"""Pages while the system changes under them: figures renew themselves, lists page, and hostile names stay names."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Dialog, Page, expect
from tests.browser.conftest import CODES, OpenPage
from tests.browser.test_portal import log_in
from tests.integration.market.small_neighbourhood import PASSWORD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser_living"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
AddDevice = Callable[[str, str], int]


@pytest.fixture
def api(server: str) -> Iterator[httpx.Client]:
    """The API of the same server, as the operator."""
    with httpx.Client(base_url=f"{server}/api/v1", timeout=30) as client:
        issued = client.post("/tokens", json={"user": "olivia", "password": PASSWORD, "code": next(CODES)})
        client.headers["Authorization"] = f"Bearer {issued.json()['token']}"
        yield client


@pytest.fixture
def add_device(api: httpx.Client) -> AddDevice:
    """Adds a device of an identity and serial."""

    def add(identity: str, serial: str) -> int:
        answer = api.post(
            "/devices",
            json={
                "identity": identity,
                "serial": serial,
                "manufacturer": "MWE",
                "model": "MW-3P",
                "firmware": "1.0.0",
                "phases": 3,
                "address": "127.16.9.9:4059",
            },
        )
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    return add


def _devices_tile(page: Page) -> int:
    return int(page.locator(".mw-tile", has_text="Devices").locator(".mw-value").inner_text())


def test_the_overview_renews_itself(open_page: OpenPage, add_device: AddDevice) -> None:
    page = open_page()
    log_in(page, "olivia")
    before = _devices_tile(page)
    add_device("4d57450000010001", "RENEWED")
    expect(page.locator(".mw-tile", has_text="Devices").locator(".mw-value")).to_have_text(
        str(before + 1), timeout=15_000
    )


def test_the_device_list_pages_forward_and_back(open_page: OpenPage, add_device: AddDevice) -> None:
    for number in range(30):
        add_device(f"4d5745000002{number:04x}", f"PAGED{number:02}")
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices?search=PAGED")
    expect(page.get_by_text("1 to 25 of 30 devices")).to_be_visible()
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("26 to 30 of 30 devices")).to_be_visible()
    expect(page.get_by_role("link", name="PAGED29")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_role("link", name="PAGED00")).to_be_visible()


def test_a_filter_narrows_the_list(open_page: OpenPage, add_device: AddDevice) -> None:
    add_device("4d57450000030001", "THREE1")
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices?search=THREE1")
    expect(page.get_by_text("1 to 1 of 1 devices")).to_be_visible()
    page.get_by_label("Model").click()
    page.get_by_role("option", name="MW-1P").click()
    expect(page.get_by_text("No device is like that.")).to_be_visible()


def test_a_hostile_name_stays_a_name(open_page: OpenPage, api: httpx.Client, add_device: AddDevice) -> None:
    dialogs: list[Dialog] = []
    device_id = add_device("4d57450000040001", HOSTILE)
    point = {"id": "MP-HOSTILE", "address": HOSTILE, "name": HOSTILE, "feeder": HOSTILE, "time_zone": "UTC"}
    assert api.post("/metering-points", json=point).status_code == 201
    place = {"device": device_id, "metering_point": "MP-HOSTILE", "at": "2026-11-01T00:00:00Z"}
    assert api.post("/installations", json=place).status_code == 201
    page = open_page()
    page.on("dialog", lambda dialog: (dialogs.append(dialog), dialog.dismiss()))
    log_in(page, "olivia")
    page.goto("/console/devices?search=MP-HOSTILE")
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.get_by_role("heading", name=f"Device {HOSTILE}")).to_be_visible()
    assert page.locator("main img").count() == 0
    assert dialogs == []


def test_a_search_in_the_address_is_only_text(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices?search=%3Cscript%3Ealert(1)%3C/script%3E")
    expect(page.get_by_label("Search devices")).to_have_value("<script>alert(1)</script>")
    expect(page.get_by_text("No device is like that.")).to_be_visible()


def test_a_device_that_is_not_there_is_told_as_such(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    for number in (77777, 2**63 - 1):
        page.goto(f"/console/devices/{number}")
        expect(page.get_by_text("There is no such device.")).to_be_visible()


@pytest.mark.parametrize("path", ["/console/devices/-1", "/console/nowhere"])
def test_a_page_that_is_not_there_is_no_failure_of_the_server(open_page: OpenPage, path: str) -> None:
    page = open_page()
    log_in(page, "olivia")
    answer = page.goto(path)
    assert answer is not None
    assert 400 <= answer.status < 500


def test_a_small_screen_shows_everything_without_scrolling_sideways(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.set_viewport_size({"width": 390, "height": 800})
    for path in ("/console/", "/console/devices", "/console/devices/1", "/console/collection"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        wider = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path


def test_the_session_of_an_open_page_ends_with_the_logout_elsewhere(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "olivia")
    page.goto("/console/devices/2")
    other = page.context.new_page()
    other.goto("/console/collection")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_label("Password")).to_be_visible()
    page.get_by_role("button", name="Read now").click()
    expect(page.locator("#read-result")).not_to_contain_text("Read just now")
    expect(page.locator("#read-result")).to_contain_text("token is not valid")
