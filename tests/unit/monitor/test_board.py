import json
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.model import Grade, Health, HealthCheck
from ibkeel.monitor.board import Board, Snapshot, fold, snapshot_data
from ibkeel.monitor.board import snapshot as module
from ibkeel.telemetry import (
    AccountSeen,
    AlertDelivered,
    AlertQueued,
    AlertUndelivered,
    Connected,
    ConnectionLost,
    CycleEnded,
    CycleOverran,
    CycleStarted,
    DecisionMade,
    Event,
    FarmChanged,
    HaltChanged,
    HealthTaken,
    HeldPosition,
    LineClosed,
    LineOpened,
    LossGuardRead,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    PacingHeld,
    PacingWaited,
    PositionsSeen,
    ProtectiveOrder,
    RequestEnded,
    RequestQueued,
    RequestSent,
    RunBegan,
    ServiceChanged,
    SessionChanged,
    SignalSeen,
    SymbolFailed,
    SymbolSkipped,
    TradingDayOpened,
)
from ibkeel.testing.strategies import events

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


def after(*happened):
    return fold(Snapshot(), happened)


def later(seconds):
    return AT + timedelta(seconds=seconds)


def answered(seconds=0.0, took=0.2, kind="quote", queued=0.0, error="", was_sent=True):
    return RequestEnded(
        at=later(seconds),
        kind=kind,
        seconds=took + queued,
        queue_seconds=queued,
        wire_seconds=took,
        error=error,
        was_sent=was_sent,
    )


def test_every_kind_of_event_has_its_place_on_the_board():
    assert set(module._HEARD) == set(get_args(Event))


@settings(max_examples=60, deadline=None)
@given(st.lists(events(), max_size=25))
def test_events_folded_at_once_or_one_by_one_give_the_same(happened):
    one_by_one = Snapshot()
    for event in happened:
        one_by_one = fold(one_by_one, [event])

    at_once = fold(Snapshot(), happened)

    # Averages are summed in another order, hence rounded.
    assert rounded(snapshot_data(at_once, now=AT)) == rounded(snapshot_data(one_by_one, now=AT))


def test_the_end_of_a_request_that_nobody_saw_begin_takes_no_other_off_the_queue():
    unseen = answered(took=0.0, queued=1.0, was_sent=False)
    waiting = RequestQueued(at=AT, kind="quote", subject="", rule="history")

    assert fold(Snapshot(), [unseen, waiting]).requests.queued == 1


def rounded(data):
    if isinstance(data, dict):
        return {key: rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [rounded(value) for value in data]
    return float(f"{data:.6g}") if isinstance(data, float) else data


@settings(max_examples=40, deadline=None)
@given(st.lists(events(), max_size=25))
def test_whatever_happens_the_snapshot_is_plain_json(happened):
    data = snapshot_data(after(*happened), now=AT)

    assert json.loads(json.dumps(data)) == data


def test_a_reader_sees_what_was_told_last_and_changes_nothing():
    board = Board()
    board.on_event(SessionChanged(at=AT, before="idle", after="connecting"))

    first, second = board.snapshot, board.snapshot
    board.on_event(SessionChanged(at=AT, before="connecting", after="ready"))

    assert first == second
    assert (first.session.state, board.snapshot.session.state) == ("connecting", "ready")


def test_a_day_of_events_does_not_grow_the_board():
    board = Board()
    for number in range(3000):
        at = later(number * 60)
        name = f"n{number}"
        board.on_event(answered(number * 60))
        board.on_event(SessionChanged(at=at, before="ready", after="reconnecting", cause=name))
        board.on_event(SignalSeen(at=at, signal_id=name, symbol="SPY", direction="up", confidence=1.0))
        board.on_event(DecisionMade(at=at, signal_id=f"d{name}", symbol="SPY", outcome="refused"))
        board.on_event(
            OrderFilled(
                at=at, client_order_id=name, exec_id=name, subject="SPY", side="BUY", quantity=1, price=1
            )
        )
        board.on_event(AccountSeen(at=at, currency="USD", net_liquidation=1.0))
        board.on_event(AlertQueued(at=at, number=number + 1, severity="info", key="k", title="t"))
        board.on_event(PacingWaited(at=at, rule="messages", seconds=0.1))

    seen = board.snapshot

    assert seen.events == 3000 * 8
    assert len(seen.requests.kinds["quote"].seconds) == 256
    assert len(seen.requests.kinds["quote"].spark) == 60
    assert len(seen.session.timeline) == 100
    assert len(seen.decisions.rows) == 400
    assert len(seen.decisions._signals) == 1000
    assert len(seen.orders.rows) == len(seen.orders.fills) == 400
    assert len(seen.money.equity) <= 500
    assert len(seen.alerts.rows) == 200
    assert len(seen.pacing.waits) == 50


def test_requests_are_counted_by_kind_with_their_percentiles():
    row = after(*(answered(took=took / 100) for took in range(1, 101))).requests.kinds["quote"]

    assert (row.answered, row.failed) == (100, 0)
    assert row.latency.p50 == pytest.approx(0.5)
    assert row.latency.p95 == pytest.approx(0.95)
    assert row.queueing.worst == 0.0


def test_a_kind_that_only_failed_has_no_percentiles():
    row = after(answered(error="RequestTimeout")).requests.kinds["quote"]

    assert (row.answered, row.failed, row.last_error, row.last_error_at) == (0, 1, "RequestTimeout", AT)
    assert row.latency is row.queueing is None


def test_the_sparkline_has_a_point_for_each_minute_in_which_anything_ended():
    seen = after(answered(0, 0.2), answered(30, 0.4), answered(70, 1.0), answered(71, error="NoData"))

    spark = seen.requests.kinds["quote"].spark

    assert [(row.at, row.count, row.errors) for row in spark] == [(AT, 2, 0), (later(60), 1, 1)]
    assert spark[0].mean == pytest.approx(0.3)
    assert spark[0].worst == 0.4


def test_what_is_queued_and_under_way_is_counted_until_it_ends():
    queued = RequestQueued(at=AT, kind="quote", rule="messages")
    sent = RequestSent(at=AT, kind="quote", queue_seconds=1.0)

    waiting = after(queued, queued)
    left = fold(waiting, [sent])
    over = fold(
        left, [answered(queued=1.0), answered(took=0.0, queued=3.0, error="PacingExceeded", was_sent=False)]
    )

    counts = [(row.requests.queued, row.requests.under_way) for row in (waiting, left, over)]
    assert counts == [(2, 0), (1, 1), (0, 0)]


def test_lines_are_told_by_subject():
    opened = [
        LineOpened(at=AT, subject=subject, open_lines=n) for n, subject in enumerate(("SPY", "SPY", "QQQ"), 1)
    ]

    seen = after(
        *opened, LineClosed(at=AT, subject="SPY", open_lines=2), LineClosed(at=AT, subject="?", open_lines=2)
    )

    assert dict(seen.lines.open) == {"SPY": 1, "QQQ": 1}
    assert (seen.lines.count, seen.lines.most) == (2, 3)


def test_the_session_has_a_timeline_and_masks_the_account():
    seen = after(
        Connected(at=AT, host="h", port=4002, client_id=7, server_version=178, account="DU1234567"),
        SessionChanged(at=AT, before="syncing", after="ready"),
        ConnectionLost(at=later(9), cause="socket"),
        SessionChanged(at=later(9), before="ready", after="reconnecting", cause="DU1234567 elsewhere"),
    ).session

    assert (seen.state, seen.since, seen.cause) == ("reconnecting", later(9), "DU***67 elsewhere")
    assert (seen.host, seen.port, seen.client_id, seen.account) == ("h", 4002, 7, "DU***67")
    assert (seen.connects, seen.losses) == (1, 1)


def test_a_blank_board_says_that_it_knows_nothing():
    seen = Snapshot()

    assert (seen.session.state, seen.session.since, seen.session.cause) == ("idle", None, "")
    assert seen.health.grade is None


def test_tiers_are_shown_with_their_evidence_and_age():
    check = HealthCheck(name="port", grade=Grade.DOWN, evidence="DU1234567 refused", at=AT, remedy="start it")

    seen = after(HealthTaken(at=AT, health=Health(checks=(check,), round_trip=0.1)))

    tier = snapshot_data(seen, now=later(5))["health"]["tiers"][0]
    assert tier["evidence"] == "DU***67 refused"
    assert (tier["age"], tier["grade"], seen.health.round_trip) == (5.0, "down", 0.1)


def test_what_was_seen_before_the_clock_was_set_back_has_no_negative_age():
    check = HealthCheck(name="port", grade=Grade.OK, evidence="it accepted", at=AT)

    seen = after(HealthTaken(at=AT, health=Health(checks=(check,))))

    data = snapshot_data(seen, now=later(-3600))
    assert (data["age"], data["health"]["tiers"][0]["age"]) == (0.0, 0.0)


def test_a_circuit_keeps_its_cause_until_it_closes():
    def turned(before, to, cause=""):
        return ServiceChanged(at=AT, service="quotes", before=before, after=to, cause=cause)

    half = after(turned("closed", "open", "timeout"), turned("open", "half open"))
    closed = fold(half, [turned("half open", "closed")])

    assert half.services.rows["quotes"].cause == "timeout"
    assert (closed.services.rows["quotes"].cause, closed.services.rows["quotes"].opened) == ("", 1)


def test_farms_are_forgotten_with_the_session():
    broken = FarmChanged(at=AT, farm="farm usfarm", before="", after="degraded", evidence="2103")

    seen = after(broken)
    lost = fold(seen, [ConnectionLost(at=later(1), cause="socket")])

    assert [row.name for row in seen.incidents.open] == ["farm usfarm"]
    assert not lost.farms.rows
    assert not lost.incidents.open


def test_a_trouble_that_lasts_is_not_crowded_out_by_those_that_passed():
    overruns = [CycleOverran(at=AT, number=number, seconds=5.0, allowed=4.0) for number in range(250)]

    seen = after(HaltChanged(at=AT, is_halted=True, reason="me"), *overruns)

    assert [row.kind for row in seen.incidents.open] == ["halt"]
    assert len(seen.incidents.rows) == 200
    assert seen.incidents.rows[-1].name == "249"


def test_an_order_of_unknown_fate_is_not_crowded_out_by_those_that_are_over():
    lost = OrderChanged(at=AT, client_order_id="lost", state="unknown", filled=0)
    filled = [
        OrderChanged(at=AT, client_order_id=str(number), state="filled", filled=1) for number in range(450)
    ]

    seen = after(lost, *filled)

    assert (len(seen.orders.rows), seen.orders.rows["lost"].state) == (400, "unknown")
    assert "449" in seen.orders.rows


def test_a_gateway_that_names_farms_without_end_fills_no_memory():
    farms = [FarmChanged(at=AT, farm=f"farm {number}", before="", after="degraded") for number in range(500)]

    assert list(after(*farms).farms.rows) == [f"farm {number}" for number in range(400, 500)]


def test_an_order_is_followed_from_its_signal_to_its_fills():
    name = "2026-01-05.r1.1"
    fill = {"client_order_id": name, "subject": "SPY C", "side": "BUY"}
    seen = after(
        SignalSeen(
            at=AT, signal_id="r1-3-SPY", symbol="SPY", direction="up", confidence=0.8, reasons=("rsi 60",)
        ),
        DecisionMade(at=AT, signal_id="r1-3-SPY", symbol="SPY", outcome="entry", reasons=("2 of SPY C",)),
        OrderIntended(
            at=AT,
            client_order_id=name,
            signal_id="r1-3-SPY",
            symbol="SPY",
            subject="SPY C",
            purpose="entry",
            side="BUY",
            quantity=3,
        ),
        OrderPlaced(
            at=AT,
            client_order_id=name,
            subject="SPY C",
            side="BUY",
            quantity=3,
            was_sent=True,
            terms="LMT 4",
        ),
        OrderChanged(at=AT, client_order_id=name, state="partially_filled", filled=1),
        OrderFilled(at=AT, exec_id="e1", quantity=1, price=1.0, **fill),
        OrderFilled(at=AT, exec_id="e1", quantity=1, price=1.0, **fill),
        OrderFilled(at=AT, exec_id="e2", quantity=2, price=4.0, **fill),
        OrderChanged(at=later(1), client_order_id=name, state="filled", filled=3),
    )

    row, decision = seen.orders.rows[name], seen.decisions.rows[0]
    assert (row.signal_id, row.state, row.filled, row.price) == ("r1-3-SPY", "filled", 3, 3.0)
    assert row.terms == "LMT 4"
    assert (decision.signal_id, decision.direction, decision.facts) == ("r1-3-SPY", "up", ("rsi 60",))
    assert [fill.exec_id for fill in seen.orders.fills] == ["e1", "e2"]


def test_the_legs_of_a_combo_do_not_count_as_more_of_it():
    fill = {"client_order_id": "c", "quantity": 2}
    whole = OrderFilled(at=AT, exec_id="e1", subject="SPY (BAG)", side="BUY", price=0.75, **fill)
    legs = [
        OrderFilled(at=AT, exec_id="e2", subject="SPY C", side="BUY", price=2.0, is_leg=True, **fill),
        OrderFilled(at=AT, exec_id="e3", subject="SPY P", side="SELL", price=1.25, is_leg=True, **fill),
    ]
    placed = OrderPlaced(
        at=AT, client_order_id="c", subject="SPY combo", side="BUY", quantity=2, was_sent=True
    )

    one, other = after(placed, whole, *legs), after(placed, *legs, whole)

    for seen in (one, other):
        row = seen.orders.rows["c"]
        assert (row.subject, row.side, row.filled, row.price) == ("SPY combo", "BUY", 2, 0.75)
        assert len(seen.orders.fills) == 3


def test_a_changed_order_is_shown_as_it_is_now():
    changed = OrderChanged(at=AT, client_order_id="a", state="working", filled=0, quantity=3, terms="STP 1.5")
    placed = OrderPlaced(
        at=AT, client_order_id="a", subject="SPY C", side="SELL", quantity=10, was_sent=True, terms="STP 2"
    )

    row = after(placed, changed, attrs.evolve(changed, quantity=0, terms="")).orders.rows["a"]

    assert (row.quantity, row.terms) == (3, "STP 1.5")


def test_a_corrected_fill_stands_in_the_place_of_the_first():
    fill = {"at": AT, "client_order_id": "a", "subject": "SPY C", "side": "BUY"}
    told = [
        OrderFilled(exec_id="0001.7.01", quantity=2, price=1.5, **fill),
        OrderFilled(exec_id="0002.7.01", quantity=2, price=2.5, **fill),
        OrderFilled(exec_id="0001.7.02", quantity=1, price=1.0, **fill),
        OrderFilled(exec_id="0001.7.01", quantity=2, price=1.5, **fill),
    ]

    orders = after(*told).orders

    assert (orders.rows["a"].filled, orders.rows["a"].price) == (3, 2.0)
    assert [each.exec_id for each in orders.fills] == ["0002.7.01", "0001.7.02"]


def test_a_single_fill_may_be_corrected():
    fill = {"at": AT, "client_order_id": "a", "subject": "SPY C", "side": "BUY", "quantity": 2}
    first, second = (OrderFilled(exec_id=f"1.0{n}", price=2.0 - n / 2, **fill) for n in (1, 2))

    row = after(first, second).orders.rows["a"]

    assert (row.filled, row.price) == (2, 1.0)


def test_an_order_in_doubt_is_in_doubt_on_the_next_day_too():
    day = TradingDayOpened(at=later(60), day=date(2026, 1, 6), opens_at=later(60), closes_at=later(90))

    seen = after(
        OrderChanged(at=AT, client_order_id="a", state="unknown", filled=0),
        OrderChanged(at=AT, client_order_id="b", state="filled", filled=1),
        day,
    )

    assert list(seen.orders.rows) == ["a"]


def test_orders_of_an_earlier_run_of_the_day_stay_when_its_session_begins_again():
    day = TradingDayOpened(at=later(90), day=date(2026, 1, 5), opens_at=AT, closes_at=later(3600))

    seen = after(OrderChanged(at=later(60), client_order_id="a", state="filled", filled=1), day)

    assert list(seen.orders.rows) == ["a"]


def test_a_new_day_begins_with_empty_orders_and_decisions():
    day = TradingDayOpened(at=AT, day=date(2026, 1, 6), opens_at=later(30), closes_at=later(60))
    seen = after(
        DecisionMade(at=AT, signal_id="s", symbol="SPY", outcome="refused"),
        OrderChanged(at=AT, client_order_id="a", state="filled", filled=1),
        day,
    )

    assert (len(seen.orders.rows), len(seen.decisions.rows), seen.run.day) == (0, 0, date(2026, 1, 6))


def test_a_symbol_shows_its_last_word_and_how_often_it_failed():
    failed = SymbolFailed(at=AT, symbol="SPY", error="NoData", message="no bars")
    skipped = SymbolSkipped(at=AT, symbol="SPY", failures=2, cycles_left=1)
    nameless = SymbolFailed(at=AT, symbol="", error="NoData", message="x")

    seen = after(failed, failed, nameless, skipped).decisions.symbols

    assert list(seen) == ["SPY"]
    assert (seen["SPY"].outcome, seen["SPY"].failures) == ("skipped", 2)


def test_cycles_and_what_took_too_long_are_shown():
    seen = after(
        RunBegan(at=AT, run="r1", mode="PAPER", strategy="scalp", symbols=("SPY",)),
        CycleStarted(at=AT, number=4, interval=60),
        CycleEnded(at=AT, number=4, seconds=70, failures=1),
        CycleOverran(at=AT, number=4, seconds=70, allowed=60),
    )

    assert (seen.run.cycle, seen.run.cycle_seconds, seen.run.overran, seen.run.failures) == (4, 70, 1, 1)
    assert seen.incidents.rows[-1].text == "cycle 4 took 70.0 s of 60.0 s"


def test_a_trouble_begins_once_and_ends():
    def loss(*, tripped):
        return LossGuardRead(at=AT, allowed=not tripped, loss=0.2, limit=0.15, tripped=tripped, reason="20 %")

    halted = HaltChanged(at=AT, is_halted=True, reason="me")
    both = after(loss(tripped=True), loss(tripped=True), halted, PacingHeld(at=AT, rule="messages"))
    over = fold(both, [loss(tripped=False), HaltChanged(at=later(5), is_halted=False)])

    assert [(row.kind, row.is_open) for row in both.incidents.rows] == [
        ("loss", True),
        ("halt", True),
        ("pacing", False),
    ]
    assert not over.incidents.open
    assert over.incidents.rows[1].ended_at == later(5)
    assert both.guard.is_halted
    assert not over.guard.is_halted


def test_a_position_that_no_order_protects_is_a_trouble_while_it_lasts():
    stop = ProtectiveOrder(client_order_id="s", order_type="STP", price=1.0, quantity=2, state="working")

    def seen(*protections):
        rows = (
            HeldPosition(subject=name, symbol=name, signed_quantity=2, average_price=1, protection=each)
            for name, each in zip(("SPY", "QQQ"), protections, strict=False)
        )
        return PositionsSeen(at=AT, positions=tuple(rows))

    bare = fold(Snapshot(), [seen((), (stop,)), seen((), (stop,))])
    unread = fold(bare, [seen(None, ())])
    mended = fold(unread, [seen((stop,), ())])
    sold = fold(mended, [seen()])

    part = fold(Snapshot(), [seen((attrs.evolve(stop, quantity=1),))])
    assert {each.incidents.rows[0].text for each in (bare, part)} == {
        "no order protects it, or not all of it"
    }
    assert [row.name for row in bare.incidents.rows] == ["SPY"]
    opened = [[row.name for row in each.incidents.open] for each in (bare, unread, mended, sold)]
    assert opened == [["SPY"], ["SPY", "QQQ"], ["QQQ"], []]


def test_a_farm_that_breaks_and_a_session_that_is_away_are_two_troubles():
    ways = (
        ("syncing", "degraded"), ("degraded", "upstream lost"), ("upstream lost", "reconnecting"),
        ("reconnecting", "syncing"), ("syncing", "degraded"), ("degraded", "ready"),
    )  # fmt: skip
    board, told = Snapshot(), []

    for before, after_it in ways:
        board = fold(board, [SessionChanged(at=AT, before=before, after=after_it)])
        told.append([row.text for row in board.incidents.open])

    assert told == [["degraded"], *[["upstream lost"]] * 3, ["degraded"], []]


def test_a_session_that_is_well_again_ends_the_trouble():
    seen = after(
        SessionChanged(at=AT, before="ready", after="upstream lost", cause="1100"),
        SessionChanged(at=later(1), before="upstream lost", after="syncing"),
        SessionChanged(at=later(2), before="syncing", after="ready"),
        ServiceChanged(at=AT, service="q", before="closed", after="open", cause="x"),
        ServiceChanged(at=AT, service="q", before="open", after="half open"),
        ServiceChanged(at=later(9), service="q", before="half open", after="closed"),
    )

    assert [(row.text, row.ended_at) for row in seen.incidents.rows] == [
        ("upstream lost: 1100", later(2)),
        ("x", later(9)),
    ]


def test_an_alert_shows_where_it_went():
    def refused(channel, *, is_final):
        return AlertUndelivered(
            at=AT,
            number=1,
            channel=channel,
            attempts=1,
            cause="the service did not take it",
            is_final=is_final,
        )

    waiting = after(
        AlertQueued(at=AT, number=1, severity="critical", key="k", title="t"),
        refused("1", is_final=False),
        refused("2", is_final=False),
    )
    over = fold(
        waiting,
        [
            AlertDelivered(at=AT, number=1, channel="1", attempts=2),
            refused("2", is_final=True),
            refused("3", is_final=True),
        ],
    )

    assert waiting.alerts.waiting == 1
    row = over.alerts.rows[1]
    assert (row.delivered, row.failed, row.retrying, over.alerts.undelivered) == (("1",), ("2", "3"), (), 2)


def test_a_heartbeat_that_fails_is_shown_until_it_arrives():
    failing = after(
        AlertUndelivered(at=AT, number=0, channel="heartbeat", attempts=1, cause="404", is_final=True)
    )
    well = fold(failing, [AlertDelivered(at=AT, number=0, channel="heartbeat", attempts=1)])

    assert (failing.alerts.heartbeat_failing, well.alerts.heartbeat_failing) == ("404", "")


def test_undelivered_alerts_are_a_tier_of_health():
    lost = AlertUndelivered(at=AT, number=1, channel="1", attempts=3, cause="refused", is_final=True)
    waiting = (
        AlertQueued(at=AT, number=2, severity="critical", key="k", title="t"),
        AlertUndelivered(at=AT, number=2, channel="1", attempts=1, cause="refused"),
    )

    none, some, more = after(), after(lost), after(*waiting)

    assert none.tiers == ()
    assert [(row.name, row.grade) for row in some.tiers] == [("alerts", Grade.DEGRADED)]
    assert some.tiers[0].evidence == "1 deliveries were given up"
    assert more.tiers[0].evidence == "1 alerts are tried again"
    assert snapshot_data(some, now=later(2))["health"]["tiers"][0]["age"] == 2.0


def test_a_figure_that_is_none_is_null_for_those_who_read_json():
    board = Board()
    board.on_event(AccountSeen(at=AT, currency="USD", net_liquidation=float("nan")))
    board.on_event(RequestEnded(at=AT, kind="quote", seconds=float("inf")))

    text = json.dumps(snapshot_data(board.snapshot, now=AT), allow_nan=False)

    assert '"net_liquidation": null' in text
