"""A browser, when there is one, and the page of a board that the test fills."""

import asyncio
import os
import shutil
import socket
import threading
from pathlib import Path

import attrs
import pytest
import uvicorn

from ibkeel.monitor.board import Board
from ibkeel.monitor.dashboard import Access, BoardSource, HaltControls
from ibkeel.monitor.dashboard.app import dashboard_app
from ibkeel.system import SystemClock

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    """Of each module: while the driver lives its loop runs in this thread, and no other test can have one."""
    if CHROMIUM is None:
        if os.environ.get("IBKEEL_BROWSER_REQUIRED"):
            pytest.fail("there is no chromium, and IBKEEL_BROWSER_REQUIRED says that there must be one")
        pytest.skip("there is no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Shown(BoardSource):
    """A board that a test may replace by a fresh one, call that of a journal, or change in parts."""

    def __init__(self):
        super().__init__(Board(), SystemClock())
        self.origin, self.others = "bot", {}

    def begin(self):
        self._board, self.origin, self.others = Board(), "bot", {}
        return self._board

    async def view(self):
        board = None
        while board is not self._board:  # a test may replace it meanwhile
            board, seen = self._board, await super().view()
            seen = attrs.evolve(seen, origin=self.origin, data={**seen.data, **self.others})
        return seen


@attrs.define
class Site:
    """A page that is served, and what stands behind it."""

    url: str
    source: Shown
    halt: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    source, halt = Shown(), tmp_path_factory.mktemp("state") / "halt"
    app = dashboard_app(source, HaltControls(halt, SystemClock()), Access(), every=0.05)
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([door])), daemon=True)
        thread.start()
        yield Site(url=f"http://127.0.0.1:{door.getsockname()[1]}/", source=source, halt=halt)
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def page(browser, site):
    """A page that is open, and complains of nothing by the test's end."""
    complaints = []
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    tab.close()
    assert complaints == []
