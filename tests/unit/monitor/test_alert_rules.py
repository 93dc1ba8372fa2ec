import itertools
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError
from ibkeel.model import Option, OrderReport, OrderState, Position, Side
from ibkeel.monitor.alerts import AlertBook, AlertsConfig, Concern, Relief, Severity, news_of
from ibkeel.runner.telling import positions_seen
from ibkeel.telemetry import (
    AlarmEnded,
    AlarmRaised,
    CycleEnded,
    DecisionMade,
    HaltChanged,
    HeldPosition,
    LossGuardRead,
    OrderChanged,
    OrderFilled,
    PacingHeld,
    PositionsSeen,
    ProtectiveOrder,
    RunBegan,
    RunFinished,
    ServiceChanged,
    SessionChanged,
    SymbolSkipped,
    TradingDayClosed,
)
from ibkeel.testing.strategies import events

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
LOST = SessionChanged(at=AT, before="ready", after="upstream lost", cause="1100")
BACK = SessionChanged(at=AT, before="syncing", after="ready")


def later(seconds):
    return AT + timedelta(seconds=seconds)


class Person:
    """Hears events and the time, and keeps what reaches them."""

    def __init__(self, **settings):
        self.book = AlertBook(config=AlertsConfig(**settings))
        self.alerts = []

    def hear(self, event, seconds=0.0):
        self.book, alerts = self.book.hear(news_of(event), later(seconds))
        self.alerts += alerts

    def wait(self, seconds):
        self.book, alerts = self.book.tick(later(seconds))
        self.alerts += alerts

    @property
    def titles(self):
        return [alert.title for alert in self.alerts if not alert.kept_back]


def alarm(name):
    return AlarmRaised(at=AT, name=name, message=f"{name} is wrong")


@pytest.mark.parametrize(
    ("symbols", "words"),
    [(("SPY",), "scalp runs on 1 symbol, PAPER"), (("SPY", "QQQ"), "scalp runs on 2 symbols, PAPER")],
    ids=["one", "two"],
)
def test_how_many_symbols_a_run_has_is_said_in_good_english(symbols, words):
    person = Person(least="info")

    person.hear(RunBegan(at=AT, run="r1", mode="PAPER", strategy="scalp", symbols=symbols))

    assert person.titles == [words]


def test_an_alarm_is_told_at_once_and_says_what_to_do():
    person = Person()

    person.hear(alarm("pacing store"))

    (alert,) = person.alerts
    assert (alert.severity, alert.number, alert.kept_back) == (Severity.CRITICAL, 1, "")
    assert alert.text.splitlines()[0] == "What happened: pacing store is wrong"
    assert "What ibkeel did: " in alert.text
    assert "What you should do: " in alert.text


def lasting(name, message="it is wrong"):
    return AlarmRaised(at=AT, name=name, message=message, lasts=True)


def ended(name):
    return AlarmEnded(at=AT, name=name, message="it is right")


def test_an_alarm_with_an_end_is_told_to_be_over_and_only_where_it_was_told():
    person = Person()
    person.hear(ended("clock"))
    person.hear(lasting("clock", "off by 90 s"))
    person.hear(lasting("clocks"), 10)

    person.hear(ended("clock"), 30)
    person.hear(ended("clock"), 40)
    person.hear(lasting("clock", "off by 61 s"), 60)
    person.hear(ended("clock"), 70)

    assert person.titles == ["Alarm: clock", "Alarm: clocks", "Over: Alarm: clock"]
    assert "it is right, after 0.5 minutes" in person.alerts[-1].text


def test_the_end_of_an_alarm_that_is_not_told_is_not_told_either():
    person = Person(least="critical")
    person.hear(AlarmRaised(at=AT, name="loop", message="late"))

    person.hear(ended("loop"), 30)

    assert person.titles == ["Alarm: loop"]


@pytest.mark.parametrize(("quiet", "rings"), [("", 3), ("09:00-11:00", 1)], ids=["heard", "kept back"])
def test_whoever_heard_that_a_position_is_protected_again_hears_each_time_that_it_is_not(quiet, rings):
    person = Person(quiet_hours=quiet)

    for seconds in (0, 60, 120):
        person.hear(lasting("protection of SPY", f"the stop {seconds} was rejected"), seconds)
        person.hear(ended("protection of SPY"), seconds + 30)

    assert person.titles.count("Alarm: protection of SPY") == rings
    assert person.titles.count("Over: Alarm: protection of SPY") == (0 if quiet else rings)


def test_a_position_that_is_seen_bare_once_more_is_told_once_more():
    bare = HeldPosition(subject="SPY", symbol="SPY", signed_quantity=1, average_price=2.0, protection=())
    person = Person(patience=60)

    for seconds in (0, 200, 400):
        person.hear(PositionsSeen(at=AT, positions=(bare,)), seconds)
        person.wait(seconds + 60)
        person.hear(PositionsSeen(at=AT, positions=()), seconds + 100)

    name = "SPY has no order that protects it"
    assert person.titles == [name, f"Over: {name}"] * 3


FARMS = SessionChanged(at=AT, before="ready", after="degraded", cause="2103")
OPENED = ServiceChanged(at=AT, service="quotes", before="closed", after="open", cause="slow")
CLOSED = ServiceChanged(at=AT, service="quotes", before="half-open", after="closed")


@pytest.mark.parametrize("wait", [70, None], ids=["looked at meanwhile", "not looked at"])
@pytest.mark.parametrize(
    ("begins", "name", "ends", "title"),
    [
        (LOST, "no session", BACK, "Over: The session with the Gateway is upstream lost"),
        (FARMS, "data farm", BACK, "Over: A data farm of the Gateway is broken"),
        (OPENED, "service quotes", CLOSED, "Over: Quotes keeps failing"),
    ],
    ids=["session", "farm", "service"],
)
def test_whoever_hears_only_the_alarm_of_a_trouble_hears_of_the_end_of_the_trouble(
    begins, name, ends, title, wait
):
    person = Person(least="critical")
    for seconds in (0, 600):
        person.hear(begins, seconds)
        if wait is not None:
            person.wait(seconds + wait)
        if not seconds:
            person.hear(alarm(name), 65)
        person.hear(ends, seconds + 300)

    assert person.titles == [f"Alarm: {name}", title]


def test_an_alarm_that_lasts_is_escalated_and_one_that_is_raised_anew_told_again_in_time():
    person = Person(repeat_after=1800, escalate_after=900)

    for seconds in (0, 60, 7200, 7260):
        person.hear(lasting("protection of SPY"), seconds)
        person.wait(seconds + 900)
    person.hear(ended("protection of SPY"), 9000)

    name = "Alarm: protection of SPY"
    assert person.titles == [name, f"For 15 minutes: {name}", name, f"Over: {name}"]


def test_a_position_without_a_stop_is_told_once_by_the_bot_that_mends_it_or_else_by_what_is_seen():
    bare = [
        HeldPosition(subject=name, symbol=name, signed_quantity=1, average_price=2.0, protection=())
        for name in ("SPY", "QQQ")
    ]
    person = Person(patience=60)

    person.hear(PositionsSeen(at=AT, positions=tuple(bare)))
    person.hear(lasting("protection of SPY"), 30)
    person.wait(70)

    assert person.titles == ["Alarm: protection of SPY", "QQQ has no order that protects it"]


@pytest.mark.parametrize(
    ("name", "did", "todo"),
    [
        ("bot cannot start", "systemd or compose starts it again", "log in to the Gateway"),
        (
            "protection of SPY",
            "mends what it can by its own orders",
            "place, change or cancel the stop by hand",
        ),
        ("loop", "enters nothing that it cannot protect", "look at the dashboard"),
    ],
)
def test_an_alarm_says_what_is_done_about_it_and_what_to_do(name, did, todo):
    person = Person()

    person.hear(alarm(name))

    _, done, wanted = person.alerts[0].text.splitlines()
    assert did in done
    assert todo in wanted


@pytest.mark.parametrize(
    ("held", "detail", "title", "what"),
    [
        (
            1,
            "+2 SPY: the exit did not fill within 60 s",
            "1 position is held",
            "+2 SPY: the exit did not fill",
        ),
        (2, "+1 A: late; -3 B: late", "2 positions are held", "+1 A: late; -3 B: late"),
        (None, "", "nobody could look what is still held", "nobody could look"),
    ],
)
def test_what_is_held_after_the_close_is_named(held, detail, title, what):
    person = Person()

    person.hear(TradingDayClosed(at=AT, day=AT.date(), held=held, detail=detail))

    assert person.titles == [f"The session of 2026-01-05 ended, and {title}"]
    assert what in person.alerts[0].text


def test_the_same_news_is_told_once_until_it_may_be_repeated():
    person = Person(repeat_after=100)

    for seconds in (0, 50, 99, 100):
        person.hear(alarm("x"), seconds)

    assert [alert.at for alert in person.alerts] == [AT, later(100)]


def test_a_trouble_that_passes_is_not_told():
    person = Person(patience=60)

    person.hear(LOST)
    person.wait(59)
    person.hear(BACK, 59)
    person.wait(300)

    assert person.titles == []


def test_a_trouble_that_lasts_is_told_escalated_and_ended():
    person = Person(patience=60, escalate_after=900)

    person.hear(LOST)
    for seconds in (60, 120, 900, 1000):
        person.wait(seconds)
    person.hear(BACK, 1200)

    assert person.titles == [
        "The session with the Gateway is upstream lost",
        "For 15 minutes: The session with the Gateway is upstream lost",
        "Over: The session with the Gateway is upstream lost",
    ]
    assert [alert.is_escalated for alert in person.alerts] == [False, True, True]
    assert [alert.severity.value for alert in person.alerts] == ["warning", "critical", "info"]


def test_a_trouble_that_comes_back_and_stays_is_told_once_it_may_be_repeated():
    person = Person(patience=60, repeat_after=1800, escalate_after=900)
    person.hear(LOST)
    person.wait(60)
    person.wait(900)
    person.hear(BACK, 960)

    person.hear(LOST, 1020)
    for seconds in range(1020, 7200, 60):
        person.wait(seconds)

    warned, escalated = person.alerts[3:]
    assert (warned.at, warned.severity.value) == (later(1860), "warning")
    assert (escalated.at, escalated.severity.value) == (later(2700), "critical")


def test_a_trouble_that_comes_and_goes_is_not_told_to_be_over_time_and_again():
    person = Person(patience=60, repeat_after=1800)

    for seconds in range(0, 1200, 200):
        person.hear(LOST, seconds)
        person.wait(seconds + 100)
        person.hear(BACK, seconds + 150)

    assert [title.partition(":")[0] for title in person.titles] == [
        "The session with the Gateway is upstream lost",
        "Over",
    ]


def test_a_halt_that_is_renewed_is_told_once_it_may_be_repeated():
    person = Person(repeat_after=600)
    person.hear(HaltChanged(at=AT, is_halted=True, reason="lunch"))
    person.hear(HaltChanged(at=AT, is_halted=False), 60)

    person.hear(HaltChanged(at=AT, is_halted=True, reason="news"), 120)
    for seconds in (180, 599, 600, 700):
        person.wait(seconds)

    assert "news" in person.alerts[-1].text
    assert (person.alerts[-1].at, len(person.alerts)) == (later(600), 3)


def test_what_cannot_pass_escalates_however_long_others_may_last():
    person = Person(patience=3600, escalate_after=900)

    person.hear(HaltChanged(at=AT, is_halted=True, reason="news"))
    person.wait(900)

    assert person.titles == ["Entries are halted", "For 15 minutes: Entries are halted"]


def test_two_alarms_about_one_thing_are_two_pieces_of_news():
    person = Person()

    for seconds, message in enumerate(("nobody knows what became of it", "two of it work", "two of it work")):
        person.hear(AlarmRaised(at=AT, name="order o", message=message), seconds)

    assert [alert.text.splitlines()[0] for alert in person.alerts] == [
        "What happened: nobody knows what became of it",
        "What happened: two of it work",
    ]


def test_an_alarm_whose_figures_alone_differ_is_the_same_news():
    person = Person()

    for seconds in (3.5, 12):
        person.hear(AlarmRaised(at=AT, name="loop", message=f"busy for {seconds} s"), seconds)

    assert len(person.alerts) == 1


def test_what_was_told_only_once_it_escalated_is_told_to_be_over():
    person = Person(least="critical", patience=10, escalate_after=100)
    person.hear(LOST)
    person.wait(20)
    person.wait(100)

    person.hear(BACK, 200)

    assert person.titles[-1] == "Over: The session with the Gateway is upstream lost"


def test_quiet_hours_keep_back_all_but_what_is_critical_and_sum_it_up():
    # 10:00 in New York is 15:00 UTC.
    person = Person(quiet_hours="09:00-10:30")

    person.hear(PacingHeld(at=AT, rule="messages"))
    person.hear(alarm("stop"))
    person.wait(1799)
    person.wait(1800)
    person.wait(1900)

    assert [alert.kept_back for alert in person.alerts] == ["quiet hours", "", ""]
    assert person.titles == ["Alarm: stop", "1 alerts were kept back"]
    assert "The Gateway counted more than its limit: messages" in person.alerts[-1].text


@pytest.mark.parametrize(
    ("hours", "utc", "is_quiet"),
    [
        ("22:00-07:00", "03:30", True),
        ("22:00-07:00", "11:59", True),
        ("22:00-07:00", "12:00", False),
        ("", "03:00", False),
        ("09:00-10:00", "14:00", True),
        ("09:00-10:00", "15:00", False),
    ],
)
def test_quiet_hours_may_go_past_midnight(hours, utc, is_quiet):
    now = datetime.fromisoformat(f"2026-01-05T{utc}:00+00:00")

    assert AlertsConfig(quiet_hours=hours).is_quiet(now) is is_quiet


def test_more_than_the_limit_in_an_hour_is_kept_back_and_summed_up():
    person = Person(per_hour=2, least="info")

    for number in range(4):
        person.hear(RunBegan(at=AT, run=f"r{number}", mode="PAPER", strategy="s"), number)
    person.wait(10)
    person.wait(3601)

    assert [alert.kept_back for alert in person.alerts] == ["", "", "rate limit", "rate limit", ""]
    assert person.titles[-1] == "2 alerts were kept back"


def test_critical_alerts_have_thrice_the_room():
    person = Person(per_hour=1)

    for number in range(5):
        person.hear(alarm(f"a{number}"), number)

    assert [bool(alert.kept_back) for alert in person.alerts] == [False, False, False, True, True]


def test_what_matters_less_is_not_told():
    person = Person(least="critical")

    person.hear(PacingHeld(at=AT, rule="messages"))
    person.hear(LOST)
    person.wait(100)
    person.hear(BACK, 200)

    assert person.alerts == []


def test_a_trouble_that_was_too_small_to_tell_still_escalates():
    person = Person(least="critical", patience=10, escalate_after=100)

    person.hear(LOST)
    person.wait(20)
    person.wait(100)

    assert person.titles == ["For 2 minutes: The session with the Gateway is upstream lost"]


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (LOST, ["session"]),
        (SessionChanged(at=AT, before="reconnecting", after="syncing"), []),
        (ServiceChanged(at=AT, service="quotes", before="closed", after="open"), ["service quotes"]),
        (ServiceChanged(at=AT, service="quotes", before="half open", after="open"), []),
        (OrderChanged(at=AT, client_order_id="o", state="unknown", filled=0), ["order o"]),
        (
            OrderChanged(at=AT, client_order_id="o", state="rejected", filled=0),
            ["rejected: the venue gave no reason"],
        ),
        (SessionChanged(at=AT, before="ready", after="degraded", cause="2103"), ["session farm"]),
        (SessionChanged(at=AT, before="degraded", after="reconnecting"), ["session"]),
        (SessionChanged(at=AT, before="reconnecting", after="degraded"), ["session farm"]),
        (ServiceChanged(at=AT, service="connect", before="closed", after="open"), []),
        (LossGuardRead(at=AT, allowed=False, loss=0.2, limit=0.1, tripped=True), ["daily loss"]),
        (HaltChanged(at=AT, is_halted=True, reason="me"), ["halt"]),
        (TradingDayClosed(at=AT, day=date(2026, 1, 5), held=0), []),
        (TradingDayClosed(at=AT, day=date(2026, 1, 5), held=2), ["held 2026-01-05"]),
        (TradingDayClosed(at=AT, day=date(2026, 1, 5)), ["held 2026-01-05"]),
        (RunFinished(at=AT, run="r1", outcome="interrupted"), ["run r1 over"]),
        (CycleEnded(at=AT, number=1, seconds=1, failures=0), []),
    ],
)
def test_an_event_concerns_a_person_or_not(event, keys):
    assert [row.key for row in news_of(event) if isinstance(row, Concern)] == keys


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (BACK, "session"),
        (ServiceChanged(at=AT, service="quotes", before="half open", after="closed"), "service quotes"),
        (OrderChanged(at=AT, client_order_id="o", state="filled", filled=1), "order o"),
        (LossGuardRead(at=AT, allowed=True, loss=0.0, limit=0.1, tripped=False), "daily loss"),
        (HaltChanged(at=AT, is_halted=False), "halt"),
    ],
)
def test_an_event_ends_what_it_mends(event, key):
    assert [row.key for row in news_of(event) if isinstance(row, Relief)] == [key]


def test_a_rejection_is_told_with_what_follows_from_it():
    refused = OrderChanged(
        at=AT, client_order_id="o", state="rejected", filled=0, reason="error 201: no funds"
    )

    [told] = [row.text for row in news_of(refused) if isinstance(row, Concern)]

    assert "after code 201 enters nothing more today" in told
    assert "later cycle" not in told


@pytest.mark.parametrize("state", ["rejected", "unknown"])
def test_an_order_that_came_to_nothing_is_told_with_what_it_was_to_do(state):
    order = OrderChanged(
        at=AT,
        client_order_id="o",
        state=state,
        filled=0,
        reason="error 201: no funds",
        quantity=2.0,
        terms="STP 1.10",
        subject="SPY 2025-03-21 690 C",
        side="SELL",
    )

    [concern] = [news for news in news_of(order) if isinstance(news, Concern)]

    assert concern.what == "SELL 2 SPY 2025-03-21 690 C STP 1.10: error 201: no funds"


def test_a_position_without_a_stop_is_told_until_it_has_one():
    bare = HeldPosition(subject="SPY C", symbol="SPY", signed_quantity=2, average_price=1, protection=())
    stop = ProtectiveOrder(client_order_id="s", order_type="STP", price=1, quantity=2, state="working")
    unread = attrs.evolve(bare, protection=None)
    person = Person(patience=10)

    for seconds, row in enumerate((unread, bare)):
        person.hear(PositionsSeen(at=AT, positions=(row,)), seconds)
    person.wait(30)
    person.hear(PositionsSeen(at=AT, positions=(attrs.evolve(bare, protection=(stop,)),)), 40)

    assert person.titles == [
        "SPY C has no order that protects it",
        "Over: SPY C has no order that protects it",
    ]


def test_what_the_sums_of_floats_leave_over_is_covered():
    stop = ProtectiveOrder(
        client_order_id="s", order_type="STP", price=1, quantity=0.3 - 0.1, state="working"
    )
    held = HeldPosition(subject="SPY", symbol="SPY", signed_quantity=0.2, average_price=1, protection=(stop,))

    assert stop.quantity < held.signed_quantity
    assert held.uncovered == 0.0


def test_of_two_classes_with_one_strike_and_day_each_has_its_own_trouble():
    stop = OrderReport(
        order_id=3, perm_id=9, client_id=7, client_order_id="s", contract=series("SPXW"), side=Side.SELL, quantity=1,
        order_type="STP", stop_price=1, state=OrderState.WORKING, at=AT,
    )  # fmt: skip
    held = [
        Position(account="DU1234567", contract=series(name), signed_quantity=1, average_price=2)
        for name in ("SPXW", "SPX")
    ]
    person = Person(patience=60)

    for seconds in (0, 30, 70):
        person.hear(positions_seen(AT, held, [stop]), seconds)
        person.wait(seconds)

    assert person.titles == ["SPX 2026-01-16 6000 C has no order that protects it"]


@pytest.mark.parametrize(
    ("orders", "title"),
    [
        ([("STP", 10), ("LMT", 10)], []),
        ([("STP", 6), ("STP LMT", 4)], []),
        ([("STP", 3)], ["7 of SPY C have no order that protects them"]),
        ([("STP", 6), ("LMT", 6)], ["4 of SPY C have no order that protects them"]),
    ],
)
def test_a_position_that_is_protected_in_part_is_told_as_such(orders, title):
    protection = tuple(
        ProtectiveOrder(client_order_id="s", order_type=kind, price=1, quantity=quantity, state="working")
        for kind, quantity in orders
    )
    held = HeldPosition(
        subject="SPY C", symbol="SPY", signed_quantity=-10, average_price=1, protection=protection
    )
    person = Person(patience=0)

    person.hear(PositionsSeen(at=AT, positions=(held,)))

    assert person.titles == title


def test_of_an_order_that_filled_in_part_the_rest_protects():
    stop = OrderReport(
        order_id=3, perm_id=9, client_id=7, client_order_id="s", contract=series("SPXW"), side=Side.SELL, quantity=10,
        filled=6, order_type="STP", stop_price=1, state=OrderState.WORKING, at=AT,
    )  # fmt: skip
    held = Position(account="DU1234567", contract=series("SPXW"), signed_quantity=10, average_price=2)

    (row,) = positions_seen(AT, [held], [stop]).positions

    assert (row.subject, row.uncovered) == ("SPX 2026-01-16 6000 C (SPXW)", 6)


def series(name):
    return Option("SPX", date(2026, 1, 16), 6000, "C", trading_class=name)


def test_a_position_that_is_closed_needs_no_stop_any_more():
    bare = HeldPosition(subject="SPY C", symbol="SPY", signed_quantity=2, average_price=1, protection=())
    other = attrs.evolve(bare, subject="QQQ C")
    person = Person(patience=60, escalate_after=900)

    person.hear(PositionsSeen(at=AT, positions=(bare,)))
    person.hear(PositionsSeen(at=AT), 30)
    person.wait(60)
    person.hear(PositionsSeen(at=AT, positions=(bare, other)), 100)
    person.wait(160)
    person.hear(PositionsSeen(at=AT, positions=(attrs.evolve(other, protection=None),)), 200)
    for seconds in (900, 1100):
        person.wait(seconds)

    assert person.titles == [
        "SPY C has no order that protects it",
        "QQQ C has no order that protects it",
        "Over: SPY C has no order that protects it",
        "For 17 minutes: QQQ C has no order that protects it",
    ]


def test_a_fill_is_for_information():
    (concern,) = news_of(
        OrderFilled(
            at=AT, client_order_id="o", exec_id="e", subject="SPY", side="BUY", quantity=2, price=12345.67
        )
    )

    assert (concern.severity, concern.title) == (Severity.INFO, "BUY 2 SPY at 12345.67")
    assert "What you should do: nothing" in concern.text


def test_a_corrected_fill_is_said_to_be_one():
    fill = {"at": AT, "client_order_id": "o", "subject": "SPY", "side": "BUY", "quantity": 2, "price": 4.15}

    (concern,) = news_of(OrderFilled(**fill, exec_id="1f.2a.01.02"))

    assert concern.title == "Corrected: BUY 2 SPY at 4.15"


def test_a_figure_of_many_digits_is_told_whole():
    fill = OrderFilled(
        at=AT, client_order_id="o", exec_id="e", subject="NDX", side="BUY", quantity=1234567, price=20512.35
    )
    held = HeldPosition(subject="NDX", symbol="NDX", signed_quantity=1234567, average_price=1, protection=())

    (told,) = news_of(fill)
    (_, bare) = news_of(PositionsSeen(at=AT, positions=(held,)))

    assert told.title == "BUY 1234567 NDX at 20512.35"
    assert bare.what.startswith("1234567 of NDX")


def test_a_clock_that_is_set_back_keeps_no_alert_back():
    person = Person(per_hour=1, patience=60, escalate_after=900)
    person.hear(alarm("stop"), 0)
    person.hear(LOST, 10)

    person.hear(alarm("stop"), -3600)
    person.wait(-3590)
    person.wait(-3520)
    person.wait(-2600)

    alarms = [alert.at for alert in person.alerts if alert.key == person.alerts[0].key]
    assert alarms == [later(0), later(-3600)]
    told, escalated = (alert for alert in person.alerts if "1100" in alert.text)
    assert (told.at, escalated.at) == (later(-3520), later(-2600))
    assert escalated.is_escalated


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(events(), st.integers(0, 4000)), max_size=30))
def test_numbers_count_up_and_the_limit_holds_whatever_happens(happened):
    person, seconds = Person(per_hour=3, least="info"), 0
    for event, pause in happened:
        person.hear(event, seconds)
        person.wait(seconds := seconds + pause)

    sent = [alert for alert in person.alerts if not alert.kept_back]
    assert [alert.number for alert in person.alerts] == list(range(1, len(person.alerts) + 1))
    for alert in sent:
        within = [row for row in sent if timedelta(0) <= alert.at - row.at < timedelta(hours=1)]
        assert len(within) <= 9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quiet_hours": "22-late"}, "quiet_hours is '22-late'; valid: two times of day"),
        ({"quiet_hours": "22:00"}, "valid: two times of day"),
        ({"timezone": "Mars/Olympus"}, "valid: a time zone"),
        ({"per_hour": 0}, "per_hour is 0; valid: 1 to 1000"),
        ({"urls": ["discord://a/b", "my-secret-token"]}, "number 2 is not an address of apprise"),
        ({"heartbeat_url": "ftp://my-secret-token"}, "heartbeat_url is not a web address"),
    ],
)
def test_a_setting_that_is_not_valid_is_refused_without_its_secret(settings, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        AlertsConfig(**settings)

    assert "my-secret-token" not in str(caught.value)


def test_the_same_trouble_heard_again_while_it_lasts_is_one_trouble():
    person = Person(patience=60, escalate_after=900)

    for seconds in (0, 30, 90):
        person.hear(LOST, seconds)
        person.wait(seconds)
    person.hear(BACK, 120)

    assert [alert.at for alert in person.alerts] == [later(90), later(120)]
    assert "after 2.0 minutes" in person.alerts[-1].text


def test_what_was_told_is_remembered_for_the_last_five_hundred_matters():
    person = Person(per_hour=1000, repeat_after=86_400)
    names = [f"alarm {letters}" for letters in map("".join, itertools.product("abcdefgh", repeat=3))]

    for name in names:
        person.hear(alarm(name))
    before = len(person.alerts)
    person.hear(alarm(names[-1]))
    person.hear(alarm(names[0]))

    assert before == len(names) == 512
    assert len(person.book.told) == 500
    assert [alert.title for alert in person.alerts[before:]] == [person.alerts[0].title]


RESET = SessionChanged(at=AT, before="reconnecting", after="maintenance", window="reset")
NO_SESSION = AlarmRaised(at=AT, name="no session", message="no session for 300 s")
DOUBTED = OrderChanged(at=AT, client_order_id="ibk-1", state="unknown", filled=0)


def test_a_session_that_is_away_in_a_reset_window_is_no_news_until_it_alarms_by_itself():
    person = Person(patience=60, escalate_after=900)

    for event in (LOST, RESET, DOUBTED):
        person.hear(event)
    person.wait(2000)
    quiet = list(person.titles)
    person.hear(NO_SESSION, 2001)
    person.wait(2005)

    assert quiet == []
    assert person.titles == ["Alarm: no session", "The session with the Gateway is upstream lost"]


def test_what_was_held_back_for_long_is_not_told_twice_at_once():
    person = Person(patience=60, escalate_after=900)

    for event in (LOST, RESET):
        person.hear(event)
    person.hear(NO_SESSION, 2001)
    for seconds in range(2005, 2400, 5):
        person.wait(seconds)
    early = list(person.titles)
    for seconds in range(2400, 3600, 5):
        person.wait(seconds)

    assert early == ["Alarm: no session", "The session with the Gateway is upstream lost"]
    assert [title.partition(": ")[2] for title in person.titles[2:]] == [early[1]]


FARM = SessionChanged(at=AT, before="ready", after="degraded", cause="2103")
FAILING = ServiceChanged(at=AT, service="historical data", before="closed", after="open", cause="no answer")


@pytest.mark.parametrize(("cause", "consequence"), [(LOST, DOUBTED), (LOST, FAILING), (FARM, FAILING)])
def test_what_comes_of_a_trouble_is_told_only_when_it_outlives_it(cause, consequence):
    person = Person(patience=60)

    person.hear(cause)
    person.hear(consequence)
    for seconds in (60, 300, 1200):
        person.wait(seconds)
    during = [alert.key for alert in person.alerts]
    person.hear(BACK, 1201)
    person.wait(1205)

    assert set(during) == {news_of(cause)[-1].key, f"{news_of(cause)[-1].key} lasts"}
    assert person.alerts[-1].key == news_of(consequence)[0].key


def skipped(symbol):
    return SymbolSkipped(at=AT, symbol=symbol, failures=3, cycles_left=1)


def decided(symbol):
    return DecisionMade(at=AT, signal_id=f"r1-9-{symbol}", symbol=symbol, outcome="no_signal")


def test_a_symbol_without_data_is_told_of_one_at_a_time_until_it_is_decided_on_again():
    person = Person(patience=60)

    for seconds in (0, 180):
        for symbol in ("SPY", "QQQ"):
            person.hear(skipped(symbol), seconds)
        person.wait(seconds + 60)
    person.hear(decided("SPY"), 300)
    person.wait(305)
    person.hear(decided("QQQ"), 310)

    names = ["No data for SPY", "No data for QQQ"]
    assert person.titles == [names[0], f"Over: {names[0]}", names[1], f"Over: {names[1]}"]


def test_a_symbol_that_loses_its_data_long_after_another_is_told_of_beside_it():
    person = Person(patience=60, escalate_after=7200)

    person.hear(skipped("DEAD"))
    person.wait(60)
    for symbol in ("SPY", "QQQ"):
        person.hear(skipped(symbol), 3600)
    person.wait(3660)

    assert person.titles == ["No data for DEAD", "No data for SPY"]


@pytest.mark.parametrize("held", [0, 1])
def test_a_symbol_without_data_is_told_of_in_each_session_and_not_after_it(held):
    person = Person(patience=60)

    for day in (0, 86_400):
        person.hear(skipped("SPY"), day)
        person.wait(day + 60)
        person.hear(TradingDayClosed(at=AT, day=date(2026, 1, 5), held=held), day + 120)
        person.wait(day + 3600)

    name = "No data for SPY"
    assert [title for title in person.titles if name in title] == [name, f"Over: {name}"] * 2


@pytest.mark.parametrize("cause", [LOST, FARM, FAILING], ids=["session", "farm", "service"])
def test_a_symbol_without_data_is_not_told_of_beside_what_it_comes_of(cause):
    person = Person(patience=60)

    person.hear(cause)
    person.hear(skipped("SPY"))
    person.wait(60)

    assert [alert.key for alert in person.alerts] == [news_of(cause)[-1].key]


def test_an_order_of_unknown_fate_is_told_of_where_the_session_was_told_too_lately_to_be_told_again():
    person = Person(patience=60)

    person.hear(LOST)
    person.wait(60)
    person.hear(BACK, 100)
    person.hear(LOST, 600)
    person.hear(DOUBTED, 601)
    person.wait(665)

    assert [alert.key for alert in person.alerts] == ["session", "session over", "order ibk-1"]


def test_an_order_of_unknown_fate_is_told_of_while_only_a_farm_is_broken():
    person = Person(patience=60)

    person.hear(FARM)
    person.hear(DOUBTED)
    person.wait(60)

    assert [alert.key for alert in person.alerts] == ["session farm", "order ibk-1"]


def test_a_session_that_is_lost_after_a_farm_broke_is_told_of_and_each_has_its_end():
    person = Person(patience=60)

    person.hear(FARM)
    person.wait(60)
    person.hear(SessionChanged(at=AT, before="degraded", after="reconnecting"), 1000)
    person.wait(1060)
    person.hear(SessionChanged(at=AT, before="reconnecting", after="syncing"), 1100)
    person.hear(BACK, 1101)

    farm, session = "A data farm of the Gateway is broken", "The session with the Gateway is reconnecting"
    assert [title for title in person.titles if not title.startswith("For ")] == [
        farm,
        session,
        f"Over: {farm}",
        f"Over: {session}",
    ]


def test_a_venue_that_refuses_order_after_order_is_told_of_once():
    person = Person()

    for number in range(100):
        refused = OrderChanged(
            at=AT, client_order_id=f"ibk-{number}", state="rejected", filled=0, reason="201: no"
        )
        person.hear(refused, number)
    person.hear(
        OrderChanged(at=AT, client_order_id="ibk-x", state="rejected", filled=0, reason="110: tick"), 100
    )
    person.hear(TradingDayClosed(at=AT, day=date(2026, 1, 5), held=1), 101)

    assert [alert.kept_back for alert in person.alerts] == ["", "", ""]
    assert person.titles[0] == "Order ibk-0 was rejected"


def test_what_was_told_before_a_reset_window_is_escalated_in_it():
    person = Person(patience=60, escalate_after=900)

    person.hear(LOST)
    person.wait(60)
    person.hear(RESET, 61)
    person.wait(900)

    assert [alert.severity for alert in person.alerts] == [Severity.WARNING, Severity.CRITICAL]


def test_of_an_order_of_unknown_fate_a_person_hears_for_how_long_it_keeps_entries_back():
    person = Person()

    person.hear(DOUBTED)
    person.wait(90)

    assert "of an entry until the next session at most" in person.alerts[0].text


@pytest.mark.parametrize("after", ["ready", "stopped", "idle"])
def test_a_session_that_is_back_or_wanted_no_more_holds_nothing_back(after):
    person = Person(patience=60)

    person.hear(RESET)
    person.hear(SessionChanged(at=AT, before="syncing", after=after, window="reset"), 30)
    person.hear(DOUBTED, 30)
    person.wait(90)

    assert person.titles == ["Nobody knows what became of order ibk-1"]


def test_a_position_without_a_stop_is_told_in_a_reset_window_too():
    person = Person(patience=60)
    bare = HeldPosition(subject="SPY", symbol="SPY", signed_quantity=1, average_price=1, protection=())

    person.hear(RESET)
    person.hear(PositionsSeen(at=AT, positions=(bare,)))
    person.wait(60)

    assert person.titles == ["SPY has no order that protects it"]
