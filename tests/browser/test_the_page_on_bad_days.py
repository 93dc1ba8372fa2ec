"""Each scenario of the simulated Gateway, as the page shows it: within two seconds, and until it is over."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ibkeel.monitor.board import Snapshot, fold
from ibkeel.sim import Scenario
from ibkeel.system import SystemClock

sys.path.insert(0, str(Path(__file__).parent))
from bad_day import events_of

CLOCK = SystemClock()
PATIENCE = 2.0
SAMPLE = (
    "competing-session",
    "farm-blip",
    "half-open",
    "nightly-restart",
    "pacing-rejections",
    "reset-never-ends",
)
NAMES = Scenario.names() if os.environ.get("IBKEEL_BROWSER") == "all" else SAMPLE
UNSEEN = frozenset({"lost-acknowledgement", "rolled-back-ids", "seed-five-minutes", "slow-consumer"})
"""What befalls only orders, or only who reads from the wrong thread: a bot of quotes and bars sees nothing of it."""
ENDURING = frozenset(
    {"closed-after-login", "deaf-after-login", "port-closed", "weekly-login", "seed-sixty-seconds"}
)
"""Those that last longer than what is played here."""


def first_sign(events):
    """After how many events something is to be seen, and where: a panel and the words in it."""
    snapshot = Snapshot()
    for number, event in enumerate(events):
        snapshot = fold(snapshot, (event,))
        if snapshot.incidents.open:
            return number + 1, "#open", snapshot.incidents.open[0].name
        failed = [row for row in snapshot.requests.kinds.values() if row.failed]
        if failed:
            return number + 1, "#requests", failed[0].last_error
    return None


def says(tab, panel, words):
    started = CLOCK.monotonic()
    tab.wait_for_function(
        "([panel, words]) => document.querySelector(panel).innerText.includes(words)",
        arg=[panel, words],
        timeout=10_000,
    )
    return CLOCK.monotonic() - started


def shows_open(tab, count):
    tab.wait_for_function(
        "count => document.querySelectorAll('#open p').length === count", arg=count, timeout=10_000
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_trouble_in_time_and_its_end(page, site, name):
    with ThreadPoolExecutor(1) as aside:  # the browser's driver keeps a loop running in this thread
        events = aside.submit(events_of, name).result()
    sign = first_sign(events)
    if sign is None:
        assert name in UNSEEN
        return
    seen, panel, words = sign
    board = site.source.begin()
    page.goto(site.url)
    page.wait_for_selector("#session dl")

    for event in events[:seen]:
        board.on_event(event)
    waited = says(page, panel, words)
    for event in events[seen:]:
        board.on_event(event)

    assert waited < PATIENCE
    shows_open(page, len(board.snapshot.incidents.open))
    if name not in ENDURING:
        says(page, "#overall", "ready")
