"""The page in a real browser: keyboard, contrast, width, a thousand symbols, and the halt button."""

from datetime import UTC, datetime, timedelta

import pytest

from ibkeel.system import SystemClock
from ibkeel.telemetry import (
    AccountSeen,
    AlarmRaised,
    AlertDelivered,
    AlertQueued,
    AlertUndelivered,
    CycleStarted,
    DecisionMade,
    HeldPosition,
    LossGuardRead,
    OrderChanged,
    OrderPlaced,
    PositionsSeen,
    ProtectiveOrder,
    RunBegan,
    ServiceChanged,
    SessionChanged,
    TradingDayOpened,
)

CLOCK = SystemClock()
AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
CONTRAST = """() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => { const s = c / 255; return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const back = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parts(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(back(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


def filled(board):
    """A bit of everything, good and bad."""
    loss = LossGuardRead(at=AT, allowed=False, loss=0.16, limit=0.15, tripped=True, reason="16 % of 15 %")
    held = HeldPosition(
        subject="SPY 2024-03-08 510.0 C", symbol="SPY", signed_quantity=2.0, average_price=2.5, protection=()
    )
    for event in (
        RunBegan(at=AT, run="r1", mode="PAPER", strategy="scalp", symbols=("SPY", "QQQ")),
        SessionChanged(at=AT, before="connecting", after="ready", cause=""),
        SessionChanged(at=AT + timedelta(seconds=9), before="ready", after="reconnecting", cause="half-open"),
        ServiceChanged(
            at=AT, service="historical data", before="closed", after="open", cause="RequestTimeout"
        ),
        AccountSeen(at=AT, currency="USD", net_liquidation=100_000.0, available_funds=50_000.0),
        PositionsSeen(at=AT, positions=(held,)),
        loss,
        DecisionMade(at=AT, signal_id="s1", symbol="SPY", outcome="refused", reasons=("<b>late</b>",)),
    ):
        board.on_event(event)


@pytest.fixture
def everything(page, site):
    filled(site.source.begin())
    page.goto(site.url)
    page.wait_for_selector("#positions tbody tr")
    return page


def test_it_says_what_is_wrong_at_the_top_and_shows_no_markup_of_others(everything):
    assert everything.inner_text("#overall") == "reconnecting"
    assert "unprotected" in everything.inner_text("#positions")
    assert "<b>late</b>" in everything.inner_text("#decisions")
    assert everything.title() == "ibkeel"


def test_an_alert_has_the_fate_that_it_had(page, site):
    board = site.source.begin()
    for number, title in enumerate(("first", "second", "third", "fourth"), 1):
        kept_back = "quiet hours" if title == "fourth" else ""
        board.on_event(
            AlertQueued(at=AT, number=number, severity="info", key=title, title=title, kept_back=kept_back)
        )
    board.on_event(AlertDelivered(at=AT, number=2, channel="1 (discord)", attempts=1))
    board.on_event(AlertUndelivered(at=AT, number=3, channel="1 (discord)", attempts=1, cause="x"))

    page.goto(site.url)
    page.wait_for_selector("#alerts tbody tr")

    fates = [row.inner_text() for row in page.query_selector_all("#alerts tbody td:last-child")]
    assert fates == ["kept back", "retrying", "delivered", "on its way"]


def test_what_has_no_end_is_not_open_and_what_is_not_of_today_bears_its_day(page, site):
    board = site.source.begin()
    board.on_event(AlarmRaised(at=AT, name="stop", message="x"))
    board.on_event(AlarmRaised(at=CLOCK.now(), name="journal", message="x"))

    page.goto(site.url)
    page.wait_for_selector("#incidents tbody tr")

    today, earlier = (row.inner_text() for row in page.query_selector_all("#incidents tbody tr"))
    assert "open" not in today + earlier
    assert earlier.startswith("5 Mar, 10:00:00")
    assert "," not in today


def test_when_a_bot_is_gone_nothing_that_its_journal_does_not_know_is_said_to_be_none(page, site):
    filled(site.source.begin())
    page.goto(site.url)
    page.wait_for_selector("#positions tbody tr")

    site.source.begin()
    site.source.origin = "journal"
    until(page, "document.getElementById('overall').textContent === 'no bot'")

    for panel in ("session", "money", "health", "requests", "alerts", "incidents"):
        assert page.inner_text(f"#{panel} > div") == "Not known without a bot that runs."
    assert "Not known" in page.inner_text("#positions")


def test_what_cannot_be_shown_says_so_and_freezes_nothing_else(page, site):
    site.source.begin().on_event(OrderChanged(at=AT, client_order_id="a", state="working", filled=0))
    site.source.others = {"session": {"state": "ready"}, "pacing": {}}

    page.goto(site.url)
    page.wait_for_selector("#orders tbody tr")

    for panel in ("session", "pacing"):
        assert "cannot be shown" in page.inner_text(f"#{panel}")
    assert page.inner_text("#incidents > div") == "None."
    assert page.inner_text("#overall") == "ready, silent"


def test_what_protects_only_a_part_and_the_terms_of_an_order_are_shown(page, site):
    stop = ProtectiveOrder(client_order_id="s", order_type="STP", price=1.5, quantity=3, state="working")
    held = HeldPosition(
        subject="SPY C", symbol="SPY", signed_quantity=10, average_price=2.5, protection=(stop,)
    )
    board = site.source.begin()
    board.on_event(PositionsSeen(at=AT, positions=(held,)))
    placed = OrderPlaced(
        at=AT, client_order_id="s", subject="SPY C", side="SELL", quantity=3, was_sent=True, terms="STP 1.5"
    )
    board.on_event(placed)
    board.on_event(OrderChanged(at=AT, client_order_id="t", state="working", filled=0))

    page.goto(site.url)
    page.wait_for_selector("#positions tbody tr")

    assert "7 unprotected" in page.inner_text("#positions tbody")
    other, order = (row.inner_text().split("\t") for row in page.query_selector_all("#orders tbody tr"))
    assert order[3].strip() == "SELL 3 SPY C STP 1.5"
    assert other[3] == "\N{EN DASH}"


@pytest.mark.parametrize(("seconds", "look", "is_stale"), [(200, "faint", False), (500, "badge bad", True)])
def test_positions_that_two_cycles_did_not_read_are_marked(page, site, seconds, look, is_stale):
    now, board = CLOCK.now(), site.source.begin()
    opens, closes = (now + timedelta(hours=hours) for hours in (-1, 1))
    board.on_event(TradingDayOpened(at=opens, day=now.date(), opens_at=opens, closes_at=closes))
    board.on_event(PositionsSeen(at=now - timedelta(seconds=seconds)))
    board.on_event(CycleStarted(at=now, number=1, interval=60))

    page.goto(site.url)
    page.wait_for_selector("#positions [data-ages]")
    until(page, f"document.querySelector('#positions [data-ages]').className === '{look}'")

    assert page.evaluate("isStale(document.querySelector('#positions [data-ages]').dataset.at)") is is_stale


def test_a_part_of_a_share_is_shown(page, site):
    held = HeldPosition(subject="SPY", symbol="SPY", signed_quantity=10.4, average_price=2.5, protection=())
    site.source.begin().on_event(PositionsSeen(at=AT, positions=(held,)))

    page.goto(site.url)
    page.wait_for_selector("#positions tbody tr")

    assert page.inner_text("#positions tbody td.n") == "10.4"


@pytest.mark.parametrize(
    ("age", "seconds", "word"), [(0, 0, "ready"), (400, 0, "ready, silent"), (0, 30, "no news")]
)
def test_what_was_heard_long_ago_does_not_look_live(page, site, age, seconds, word):
    ready = SessionChanged(at=CLOCK.now() - timedelta(seconds=age), before="syncing", after="ready")
    site.source.begin().on_event(ready)
    page.clock.install()
    page.goto(site.url)
    page.wait_for_selector("#session dl")

    page.clock.fast_forward(1000 * seconds)

    assert page.inner_text("#overall") == word
    assert ("good" in page.get_attribute("#overall", "class")) is (word == "ready")


def until(page, truth):
    """Asks from outside: what waits within a page whose clock stands needs the `eval` that its policy forbids."""
    began = CLOCK.monotonic()
    while not page.evaluate(truth):
        assert CLOCK.monotonic() - began < 20, truth


def test_it_asks_again_when_its_stream_was_refused(page, site):
    site.source.begin().on_event(SessionChanged(at=CLOCK.now(), before="syncing", after="ready"))
    refusals = []

    def refused(route):
        refusals.append(route)
        route.fulfill(status=204)

    page.route("**/api/stream", refused, times=1)
    page.clock.install()
    page.goto(site.url)
    until(page, "stream.readyState === EventSource.CLOSED")

    page.clock.fast_forward(6000)

    until(page, "document.querySelector('#overall').innerText === 'ready'")
    assert len(refusals) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(everything, scheme):
    everything.emulate_media(color_scheme=scheme)

    assert everything.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_nothing_is_wider_than_the_screen(everything, width):
    everything.set_viewport_size({"width": width, "height": 800})

    assert everything.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_alone_halts_and_lifts(everything, site):
    everything.keyboard.press("Tab")
    assert everything.evaluate("document.activeElement.className") == "skip"
    everything.keyboard.press("Tab")
    assert everything.evaluate("document.activeElement.id") == "halt"
    everything.keyboard.press("Enter")
    everything.wait_for_selector("#sure[open]")
    everything.keyboard.press("Escape")
    everything.wait_for_selector("#sure", state="hidden")
    assert not site.halt.exists()

    everything.focus("#halt")
    everything.keyboard.press("Enter")
    everything.fill("#reason", "a test")
    everything.keyboard.press("Enter")
    everything.wait_for_selector("#halted:not([hidden])")
    assert site.halt.read_text().startswith("the page: a test")
    assert everything.inner_text("#halt") == "Let entries pass"

    everything.click("#halt")
    everything.click("#no")
    everything.wait_for_selector("#sure", state="hidden")
    assert site.halt.exists()
    everything.click("#halt")
    everything.click("#yes")
    everything.wait_for_selector("#halted", state="hidden")
    assert not site.halt.exists()


def test_what_is_held_and_bare_in_hundreds_leaves_the_other_panels_in_sight(page, site):
    """A thousand positions made a page of a hundred thousand pixels, with red rows down to the account."""
    bare = [
        HeldPosition(subject=f"C{n}", symbol="SPY", signed_quantity=1, average_price=2.5, protection=())
        for n in range(1_000)
    ]
    site.source.begin().on_event(PositionsSeen(at=AT, positions=tuple(bare)))

    page.goto(site.url)
    page.wait_for_selector("#positions tbody tr")

    tops = [page.locator(f"#{panel}").bounding_box()["y"] for panel in ("session", "positions", "orders")]
    assert page.locator("#positions tbody tr").count() == 1_000
    assert tops[1] < 900
    assert tops[2] < 2 * 900
    page.locator("#positions tbody tr").last.scroll_into_view_if_needed()
    assert page.locator("#positions tbody tr").last.is_visible()


def test_with_a_thousand_symbols_it_stays_usable(page, site):
    board = site.source.begin()
    page.goto(site.url)
    names = tuple(f"S{number:04d}" for number in range(1000))
    board.on_event(RunBegan(at=AT, run="r1", mode="DRY_RUN", strategy="scalp", symbols=names))
    for number, name in enumerate(names):
        board.on_event(DecisionMade(at=AT, signal_id=f"s{number}", symbol=name, outcome="no_signal"))

    until(page, "document.querySelector('#decisions').innerText.includes('950 more are not shown')")
    assert page.evaluate("document.querySelectorAll('*').length") < 3000

    started = CLOCK.monotonic()
    page.fill("#filter", "S0777")
    until(page, "document.querySelector('#decisions tbody')?.innerText.startsWith('S0777')")
    assert CLOCK.monotonic() - started < 2


def test_what_fits_the_filter_is_shown_once_it_is_heard_of(page, site):
    board = site.source.begin()
    page.goto(site.url)
    board.on_event(DecisionMade(at=AT, signal_id="s1", symbol="SPY", outcome="no_signal"))
    page.wait_for_selector("#decisions tbody tr")

    page.fill("#filter", "QQQ")
    until(page, "document.querySelector('#decisions').innerText.includes('None fits.')")
    board.on_event(DecisionMade(at=AT, signal_id="s2", symbol="QQQ", outcome="no_signal"))

    until(page, "document.querySelector('#decisions tbody')?.innerText.startsWith('QQQ')")
