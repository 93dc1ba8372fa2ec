import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.journal import (
    CommissionSeen,
    FillSeen,
    Intent,
    Journal,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    Purpose,
    RunStarted,
)
from ibkeel.model import (
    Bracket,
    Execution,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Right,
    Side,
)
from ibkeel.risk import DailyLossGuard
from ibkeel.runner import Session
from ibkeel.runner.memory import child_name, remember

DAY = date(2025, 3, 14)
OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
YESTERDAY = OPEN - timedelta(days=1)
SESSION = Session(day=DAY, opens_at=OPEN, closes_at=OPEN + timedelta(hours=1))
CALL = Option("SPY", date(2025, 3, 21), Decimal(560), Right.CALL, trading_class="SPY")
NAME = "ibk-20250314-r1-0001"
STOP = child_name(NAME, 1)
ENTRY = OrderTicket(
    contract=CALL,
    side=Side.BUY,
    quantity=2,
    order_type=OrderType.LMT,
    limit_price=Decimal("4.05"),
    client_order_id=NAME,
)
FILL = Execution(
    exec_id="e.01",
    order_id=1,
    perm_id=1,
    client_order_id=NAME,
    account="DU0000001",
    contract=CALL,
    side=Side.BUY,
    quantity=2,
    price=4.05,
    at=OPEN + timedelta(minutes=4),
)


def started(mode):
    return RunStarted(at=OPEN - timedelta(hours=9), run="r1", session=DAY, mode=mode, strategy="says")


def intent(at=OPEN + timedelta(minutes=3)):
    bracket = Bracket(entry=ENTRY, stop_loss=Decimal("3.20"))
    return Intent(at=at, symbol="SPY", client_order_id=NAME, purpose=Purpose.ENTRY, order=bracket)


def report(name, state, at=OPEN + timedelta(minutes=4), **more):
    values = {"order_type": "LMT", "contract": CALL, "side": Side.BUY, "quantity": 2, **more}
    told = OrderReport(order_id=1, perm_id=1, client_id=1, client_order_id=name, state=state, at=at, **values)
    return OrderUpdate(at=at, report=told)


def of_yesterday(name, state, **more):
    return report(name, state, YESTERDAY + timedelta(minutes=4), **more)


def settled_yesterday(name):
    at = YESTERDAY + timedelta(minutes=5)
    return OrderSettled(
        at=at, symbol="SPY", client_order_id=name, state=OrderState.CANCELLED, reason="on no list"
    )


def sent_yesterday(name, purpose, **more):
    ticket = OrderTicket(contract=CALL, side=Side.SELL, quantity=2, client_order_id=name, **more)
    at = YESTERDAY + timedelta(minutes=30)
    return Intent(at=at, symbol="SPY", client_order_id=name, purpose=purpose, order=ticket)


@pytest.fixture
def recall(tmp_path):
    """Writes records and remembers the session from them."""

    def run(*records, today=None):
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            journal.record_all(records)
            return remember(journal, SESSION, today=today)

    return run


def states(memory):
    return {name: order.state for name, order in memory.orders.items()}


def test_an_order_of_which_the_venue_said_nothing_is_of_unknown_fate(recall):
    memory = recall(started("PAPER"), intent())

    assert states(memory) == {NAME: OrderState.UNKNOWN, child_name(NAME, 1): OrderState.UNKNOWN}
    assert [order.is_entry for order in memory.orders.values()] == [True, False]
    assert memory.last_entry == {"SPY": OPEN + timedelta(minutes=3)}


def test_an_intent_of_a_dry_run_stays_one(recall):
    memory = recall(started("PAPER"), started("DRY_RUN"), intent())

    assert set(states(memory).values()) == {OrderState.INTENT}


def test_the_venues_last_word_counts(recall):
    updates = [report(NAME, OrderState.WORKING), report(NAME, OrderState.FILLED)]

    memory = recall(started("PAPER"), intent(), *updates)

    assert states(memory)[NAME] is OrderState.FILLED


def test_an_order_whose_cancel_nobody_waits_for_any_more_is_of_unknown_fate(recall):
    memory = recall(started("PAPER"), intent(), report(NAME, OrderState.CANCELLING))

    order = memory.orders[NAME]
    assert (order.state, order.journaled) == (OrderState.UNKNOWN, OrderState.CANCELLING)


def test_a_cancel_of_an_earlier_session_stays_one_for_no_list_could_prove_its_end(recall):
    memory = recall(
        started("PAPER"),
        intent(YESTERDAY),
        of_yesterday(NAME, OrderState.FILLED),
        of_yesterday(STOP, OrderState.CANCELLING),
    )

    assert states(memory)[STOP] is OrderState.CANCELLING


def test_an_order_that_the_journal_knows_by_its_report_alone_is_ours_too(recall):
    memory = recall(started("PAPER"), report("theirs-to-name", OrderState.WORKING))

    assert memory.orders["theirs-to-name"].contract == CALL
    assert not memory.orders["theirs-to-name"].is_entry


def test_what_was_done_on_another_day_is_left_alone(recall):
    guard = DailyLossGuard(session=DAY - timedelta(days=1), tripped=True)

    memory = recall(
        started("PAPER"),
        intent(YESTERDAY),
        of_yesterday(NAME, OrderState.CANCELLED),
        LossGuardKept(at=OPEN - timedelta(days=1), guard=guard),
    )

    assert (memory.orders, memory.fills, memory.last_entry, memory.guards) == ({}, {}, {}, ())


def test_fills_and_the_loss_guard_of_the_day_are_kept(recall):
    guard = DailyLossGuard(session=DAY, start_equity=Decimal(100_000))

    memory = recall(
        LossGuardKept(at=OPEN, guard=guard),
        LossGuardKept(at=OPEN, guard=attrs.evolve(guard, tripped=True)),
        FillSeen(at=FILL.at, execution=FILL),
    )

    assert memory.fills == {"e.01": False}
    assert memory.guards == (attrs.evolve(guard, tripped=True),)


def test_the_loss_guard_of_the_day_is_kept_though_the_clock_was_on_another_day_meanwhile(recall):
    guard = DailyLossGuard(session=DAY, start_equity=Decimal(100_000), tripped=True)
    tomorrow = timedelta(days=1)

    memory = recall(
        LossGuardKept(at=OPEN, guard=guard),
        LossGuardKept(at=OPEN + tomorrow, guard=DailyLossGuard(session=DAY + tomorrow)),
    )

    assert memory.guards == (guard,)


@pytest.fixture
def recall_damaged(tmp_path):
    """Writes records, of which one is no record any more, and remembers the session from them."""

    def run(kind, *records):
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            journal.record_all(records)
            with closing(sqlite3.connect(journal.path)) as file:
                file.execute("UPDATE events SET data = '{}' WHERE kind = ?", (kind,))
                file.commit()
            return remember(journal, SESSION)

    return run


@pytest.mark.parametrize(
    "kind", ["run_started", "intent", "order_update", "order_settled", "fill_seen", "loss_guard_kept"]
)
def test_a_record_that_cannot_be_read_keeps_nobody_from_the_others(recall_damaged, kind):
    settled = OrderSettled(
        at=OPEN + timedelta(minutes=9),
        symbol="SPY",
        client_order_id=child_name(NAME, 1),
        state=OrderState.CANCELLED,
        reason="on no list",
    )

    guard = LossGuardKept(at=OPEN, guard=DailyLossGuard(session=DAY, start_equity=Decimal(100_000)))
    records = {
        "run_started": started("PAPER"),
        "loss_guard_kept": guard,
        "intent": intent(),
        "order_update": report(NAME, OrderState.FILLED),
        "fill_seen": FillSeen(at=FILL.at, execution=FILL),
        "order_settled": settled,
    }

    memory = recall_damaged(kind, *records.values())

    number = list(records).index(kind) + 1
    [words] = memory.unread
    assert words.startswith(f"record {number} of ")
    assert words.endswith("; compare orders and positions with the venue's")
    assert NAME in memory.orders
    assert memory.fills == ({} if kind == "fill_seen" else {"e.01": False})
    assert memory.last_entry == ({} if kind == "intent" else {"SPY": OPEN + timedelta(minutes=3)})
    assert bool(memory.guards and memory.guards[0].tripped) is (kind == "loss_guard_kept")


def test_a_guard_that_cannot_be_read_may_have_tripped(recall, tmp_path):
    guard = DailyLossGuard(session=DAY, start_equity=Decimal(100_000))
    rows = [LossGuardKept(at=OPEN, guard=guard), LossGuardKept(at=OPEN, guard=guard)]
    recall(*rows)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as file:
        file.execute("UPDATE events SET data = '{}' WHERE seq = 2")
        file.commit()

    assert recall().guards == (attrs.evolve(guard, tripped=True),)


def test_the_loss_guard_of_each_account_is_kept_and_one_of_nobody_until_somebody_takes_it_over(recall):
    nobodys = DailyLossGuard(session=DAY, start_equity=Decimal(1))
    paper = DailyLossGuard(session=DAY, start_equity=Decimal(1_000_000), owner="DU***67 aa")
    live = DailyLossGuard(session=DAY, start_equity=Decimal(50_000), owner="U1***67 bb")
    rows = [
        LossGuardKept(at=OPEN, guard=guard)
        for guard in (nobodys, live, paper, attrs.evolve(live, tripped=True))
    ]

    assert recall(rows[0]).guards == (nobodys,)
    assert recall(*rows[1:]).guards == (attrs.evolve(live, tripped=True), paper)


def test_a_guard_of_yesterday_that_cannot_be_read_holds_nobody_up(recall_damaged):
    yesterday = OPEN - timedelta(days=1)
    guard = DailyLossGuard(session=yesterday.date(), start_equity=Decimal(100_000))

    memory = recall_damaged("loss_guard_kept", LossGuardKept(at=yesterday, guard=guard))

    assert (memory.guards, memory.unread) == ((), ())


@pytest.mark.parametrize("last", [None, OrderState.SENT, OrderState.WORKING, OrderState.UNKNOWN])
def test_an_entry_of_an_earlier_session_whose_end_nobody_heard_may_have_filled(recall, last):
    said = [] if last is None else [of_yesterday(NAME, last)]

    memory = recall(started("PAPER"), intent(YESTERDAY), *said)

    assert states(memory) == {NAME: last or OrderState.UNKNOWN, STOP: OrderState.UNKNOWN}
    assert all(order.is_past and not order.is_in_doubt for order in memory.orders.values())
    assert memory.orders[STOP].stop_price == Decimal("3.20")


@pytest.mark.parametrize(
    "end",
    [
        of_yesterday(NAME, OrderState.CANCELLED),
        of_yesterday(NAME, OrderState.REJECTED),
        settled_yesterday(NAME),
    ],
)
def test_an_entry_of_an_earlier_session_that_ended_unfilled_is_forgotten_with_its_children(recall, end):
    memory = recall(started("PAPER"), intent(YESTERDAY), of_yesterday(NAME, OrderState.WORKING), end)

    assert memory.orders == {}


def test_what_filled_of_an_entry_before_it_was_cancelled_may_be_held(recall):
    memory = recall(started("PAPER"), intent(YESTERDAY), of_yesterday(NAME, OrderState.CANCELLED, filled=1.0))

    assert states(memory)[NAME] is OrderState.CANCELLED


def test_an_entry_that_was_heard_of_after_its_end_was_proved_may_have_filled(recall):
    memory = recall(
        started("PAPER"), intent(YESTERDAY), settled_yesterday(NAME), of_yesterday(NAME, OrderState.WORKING)
    )

    assert states(memory)[NAME] is OrderState.WORKING


def test_an_entry_of_a_dry_run_or_in_an_option_that_has_expired_is_not_held(recall):
    option = attrs.evolve(CALL, expiry=DAY - timedelta(days=1))
    bracket = Bracket(entry=attrs.evolve(ENTRY, contract=option), stop_loss=Decimal("3.20"))

    expired = attrs.evolve(intent(YESTERDAY), order=bracket)

    assert recall(started("DRY_RUN"), intent(YESTERDAY), started("PAPER"), expired).orders == {}


def test_an_order_of_this_day_before_the_open_can_still_be_looked_for(recall):
    memory = recall(started("PAPER"), intent(OPEN - timedelta(minutes=30)))

    assert all(order.is_in_doubt for order in memory.orders.values())


def test_an_order_of_an_earlier_session_that_is_heard_of_in_this_one_is_an_order_like_others(recall):
    memory = recall(started("PAPER"), intent(YESTERDAY), report(NAME, OrderState.WORKING))

    assert [order.is_past for order in memory.orders.values()] == [False, True]


def test_stops_and_exits_of_what_may_be_held_are_remembered_until_they_have_ended(recall):
    memory = recall(
        started("PAPER"),
        intent(YESTERDAY),
        of_yesterday(NAME, OrderState.FILLED),
        sent_yesterday("stop", Purpose.PROTECTION, order_type="STP", stop_price=Decimal("3.10")),
        of_yesterday("stop", OrderState.CANCELLED, side=Side.SELL),
        sent_yesterday("exit", Purpose.EXIT),
        sent_yesterday("gone", Purpose.EXIT),
        of_yesterday("gone", OrderState.CANCELLED, side=Side.SELL),
    )

    assert list(memory.orders) == [NAME, STOP, "stop", "exit"]
    assert memory.orders["stop"].stop_price == Decimal("3.10")
    assert memory.orders["exit"].is_past


def test_a_child_that_outlived_its_entry_is_ours_where_its_contract_is_held(recall):
    other = "ibk-20250314-r1-0002"
    bracket = Bracket(entry=attrs.evolve(ENTRY, client_order_id=other), stop_loss=Decimal("3.30"))
    late = attrs.evolve(intent(YESTERDAY), client_order_id=other, order=bracket)
    held = [started("PAPER"), intent(YESTERDAY), of_yesterday(NAME, OrderState.FILLED), late]
    held.append(of_yesterday(other, OrderState.CANCELLED))

    alone = recall(*held)
    outlived = recall(of_yesterday(child_name(other, 1), OrderState.WORKING, side=Side.SELL))

    assert child_name(other, 1) not in alone.orders
    assert child_name(other, 1) in outlived.orders


def test_a_stop_that_was_moved_is_remembered_where_it_was_last_seen(recall):
    moved = {"order_type": "STP", "stop_price": Decimal("3.60"), "side": Side.SELL}

    of_today = recall(started("PAPER"), intent(), report(STOP, OrderState.WORKING, **moved))

    assert of_today.orders[STOP].stop_price == Decimal("3.60")


def test_a_stop_that_was_moved_in_an_earlier_session_is_too(recall):
    moved = {"order_type": "STP", "stop_price": Decimal("3.60"), "side": Side.SELL}

    memory = recall(
        started("PAPER"),
        intent(YESTERDAY),
        of_yesterday(NAME, OrderState.FILLED),
        of_yesterday(STOP, OrderState.WORKING, **moved),
    )

    assert memory.orders[STOP].stop_price == Decimal("3.60")


def test_a_fill_that_was_journaled_before_this_session_is_known_when_it_is_listed_again(recall):
    fill = Execution(
        exec_id="e.01", order_id=1, perm_id=1, client_order_id=NAME, account="DU0000001", contract=CALL,
        side=Side.BUY, quantity=2, price=4.05, at=YESTERDAY,
    )  # fmt: skip

    assert recall(FillSeen(at=fill.at, execution=fill)).fills == {"e.01": False}


def test_what_a_fill_cost_is_known_with_the_fill_or_from_its_own_record(recall):
    told = Execution(
        exec_id="e.01", order_id=1, perm_id=1, client_order_id=NAME, account="DU0000001", contract=CALL,
        side=Side.BUY, quantity=2, price=4.05, at=YESTERDAY, commission=1.3,
    )  # fmt: skip
    bare = attrs.evolve(told, exec_id="e.02", commission=None)
    later = attrs.evolve(told, exec_id="e.03", commission=None)
    cost = CommissionSeen.of(attrs.evolve(later, commission=0.0), YESTERDAY)

    memory = recall(*(FillSeen(at=YESTERDAY, execution=each) for each in (told, bare, later)), cost)

    assert memory.fills == {"e.01": True, "e.02": False, "e.03": True}


def test_an_evening_knows_every_order_of_its_day_for_the_venue_lists_its_fills_still(recall):
    last_day = attrs.evolve(CALL, expiry=YESTERDAY.date())
    sold = OrderTicket(contract=last_day, side=Side.SELL, quantity=2, client_order_id="ibk-20250313-r1-0002")
    at = YESTERDAY + timedelta(hours=6)
    records = (
        started("PAPER"),
        Intent(at=at, symbol="SPY", client_order_id=sold.client_order_id, purpose=Purpose.EXIT, order=sold),
        report(sold.client_order_id, OrderState.FILLED, at, contract=last_day, side=Side.SELL, filled=2),
    )

    evening, morning = recall(*records, today=YESTERDAY.date()), recall()

    assert states(evening) == {sold.client_order_id: OrderState.FILLED}
    assert evening.fills == {}
    assert states(morning) == {}
