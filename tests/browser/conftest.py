"""A real browser and a real server. Skipped where there is no Chromium."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.browser.serve import RECOVERY_CODES

REPOSITORY = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

OpenPage = Callable[..., Page]
CODES = iter(RECOVERY_CODES)  # the operator's, each good once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the application, served by a process of its own; what a module changes ends with it."""
    folder = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve", str(folder)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NICEGUI_STORAGE_PATH": str(folder / "nicegui")},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.strip(), "the server ended before it listened; run python -m tests.browser.serve by hand"
    yield f"http://127.0.0.1:{int(line)}"
    process.terminate()
    process.wait(15)
    process.stdout.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser installed on this machine.

    Playwright's blocking calls keep an event loop running in this thread: no test of another module may run meanwhile.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: install the package `chromium` to run the browser tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, server: str) -> Iterator[OpenPage]:
    """Opens a page in a context of its own; fails the test if any request left this host or any script failed."""
    contexts: list[BrowserContext] = []
    left: list[str] = []
    broken: list[str] = []

    def watch(request: Any) -> None:
        if urlsplit(request.url).scheme not in ("data", "blob") and not request.url.startswith(server):
            left.append(request.url)

    def make(**options: Any) -> Page:
        context = chromium.new_context(base_url=server, viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        context.on("request", watch)
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda message: broken.append(message.text) if "Content Security" in message.text else None)
        page.on("websocket", lambda socket: None if urlsplit(socket.url).netloc in server else left.append(socket.url))
        return page

    yield make
    for context in contexts:
        context.close()
    assert left == [], "a page asked another host"
    assert broken == [], "a script of a page failed or broke its policy"
