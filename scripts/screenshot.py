"""Take the README's screenshot: a fresh neighbourhood, a real headless browser, the operator's overview.

    python scripts/screenshot.py docs/screenshot.png [page ...]

Further pages (`/console/devices`, ...) are written beside it with a number.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.running import OPERATOR, running_system  # noqa: E402  # the tests' way of starting a system
from tests.system_checks import filled  # noqa: E402

CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
SETTLE_S = 75  # two pushes of every meter, so that the live load has something to show


def main() -> None:
    """Start, wait for the first fill and some pushes, log in, take the pictures."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "screenshot.png")
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder) / "var", "--meters", "200") as system:
        system.wait(lambda: filled(system), "filled", limit_s=120)
        time.sleep(SETTLE_S)
        found = OPERATOR.search(system.output)
        assert found is not None
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
            page = browser.new_page(viewport={"width": 1360, "height": 900}, base_url=system.url)
            page.goto("/")
            page.get_by_label("User").fill(found.group(1))
            page.get_by_label("Password").fill(found.group(2))
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/login" not in url)
            for number, path in enumerate([None, *sys.argv[2:]]):
                if path is not None:
                    page.goto(path)
                page.wait_for_timeout(6000)
                page.screenshot(path=target if path is None else target.with_stem(f"{target.stem}{number}"))
            browser.close()


if __name__ == "__main__":
    main()
