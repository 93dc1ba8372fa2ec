"""What a run says of what is open, when it is stopped and when it takes over."""

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import RequestTimeout
from ibkeel.journal import Journal, RunEnded
from ibkeel.model import Option, OrderReport, OrderState, Position, Right, Side
from ibkeel.runner.closing import LeftOpen

CALL = Option("SPY", date(2025, 3, 21), Decimal(560), Right.CALL, trading_class="SPY")
HELD = Position(account="DU0000001", contract=CALL, signed_quantity=10, average_price=4.05)
BEHIND = f"+10 {CALL}, behind a stop at 3.25 for 10, good for the day only"


class Told:
    """An observer that keeps what it was told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


def stopped_after(seconds, prepare=lambda _: None):
    """Ends the run as Ctrl-C and SIGTERM do."""

    def prepared(broker):
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        loop.call_later(seconds, prepare, broker)
        loop.call_later(seconds, task.cancel)

    return prepared


@pytest.fixture
def stopped(held_day, tmp_path):
    """A run that is stopped after five minutes: the lines it said, its last record, what its observer heard."""

    def play(prepare=lambda _: None, mode="PAPER", **options):
        lines, told = [], Told()
        with pytest.raises(asyncio.CancelledError):
            held_day(
                prepare=stopped_after(300, prepare),
                announce=lines.append,
                observer=told,
                mode=mode,
                **options,
            )
        with Journal.open(tmp_path / "held.sqlite", read_only=True) as journal:
            ended = journal.last(RunEnded).record
        return lines, ended, told.events[-1]

    return play


def test_a_run_that_is_stopped_leaves_its_stop_and_says_what_is_open(stopped):
    lines, ended, event = stopped()

    assert lines == [f"left open: {BEHIND}"]
    assert (ended.outcome, ended.detail) == ("interrupted", BEHIND)
    assert (type(event).__name__, event.detail) == ("RunFinished", BEHIND)


def test_what_others_hold_in_the_account_is_not_said_to_be_left_open(stopped):
    others = attrs.evolve(HELD, contract=Option("QQQ", CALL.expiry, 480, Right.CALL))

    lines, _, _ = stopped(broker={"positions": [others]})

    assert lines == [f"left open: {BEHIND}"]


def test_what_cannot_be_read_is_said_with_what_was_last_known(stopped):
    lines, ended, _ = stopped(lambda broker: broker.fail("positions", RequestTimeout("no answer")))

    assert lines[0] == (
        "left open: it could not be read (RequestTimeout: no answer); look in TWS or Client Portal"
    )
    assert lines[1].endswith("-1, SPY 2025-03-21 560 C, last known as acknowledged")
    assert lines[1].removeprefix("left open: ") in ended.detail


def test_a_gateway_that_is_gone_holds_a_stop_up_for_five_seconds(stopped):
    lines, ended, _ = stopped(lambda broker: broker.delay("all_open_orders", 60.0))

    assert "TimeoutError: no answer within 5 s" in lines[0]
    assert ended.at < datetime(2025, 3, 14, 13, 35, 10, tzinfo=UTC)


def test_a_dry_run_has_nothing_open_and_says_nothing(stopped):
    lines, ended, _ = stopped(mode="DRY_RUN", broker={"dry_run": True})

    assert (lines, ended.detail) == ([], "")


def test_a_run_that_takes_over_says_what_it_found(stopped, held_day):
    stopped()
    lines = []

    held_day(broker={"positions": [HELD]}, mode="PAPER", announce=lines.append)

    assert lines == [f"taken over: +10 {CALL}, WITHOUT A STOP at the venue"]


def test_a_run_that_follows_one_that_was_killed_says_so(stopped, held_day, tmp_path):
    stopped()
    with closing(sqlite3.connect(tmp_path / "held.sqlite")) as file:
        file.execute("DELETE FROM events WHERE kind = 'run_ended'")
        file.commit()
    lines = []

    held_day(mode="PAPER", announce=lines.append)

    assert lines[0] == "the run r1 did not end in order: it was killed, or the power went"
    assert lines[1] == "taken over: no position that the bot may have opened, and no order of it"


def damage(path, kind):
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE events SET data = '{}' WHERE kind = ?", (kind,))
        file.commit()


@pytest.mark.parametrize("kind", ["intent", "run_ended"])
def test_a_run_that_takes_over_says_what_it_could_not_read(stopped, held_day, tmp_path, kind, caplog):
    stopped()
    damage(tmp_path / "held.sqlite", kind)
    lines = []

    # Of the intent only the venue's reports are left.
    held_day(broker={"positions": [HELD]}, mode="PAPER", announce=lines.append)

    assert re.match(r"not taken over: record \d+ of .*held\.sqlite is damaged: a stored", lines[0])
    assert lines[1:] == [f"taken over: +10 {CALL}, WITHOUT A STOP at the venue"]
    assert "record skipped" in caplog.text or kind == "run_ended"


def report(number=3, **changes):
    fields = {
        "order_id": number, "perm_id": number, "client_id": 1, "client_order_id": f"mine-{number}", "contract": CALL,
        "side": Side.SELL, "quantity": 10, "remaining": 10, "order_type": "STP", "stop_price": Decimal("3.24"),
        "state": OrderState.WORKING, "at": datetime(2025, 3, 14, 14, tzinfo=UTC) + timedelta(seconds=number),
    }  # fmt: skip
    return OrderReport(**{**fields, **changes})


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (report(tif="GTC"), f"+10 {CALL}, behind a stop at 3.24 for 10, good until cancelled"),
        (report(tif="GTD"), f"+10 {CALL}, behind a stop at 3.24 for 10, GTD"),
        (
            report(quantity=9, remaining=9),
            f"+10 {CALL}, behind a stop at 3.24 for 9, good for the day only; NO STOP for 1 of it",
        ),
        (
            report(quantity=4, remaining=4),
            f"+10 {CALL}, behind a stop at 3.24 for 4, good for the day only; NO STOP for 6 of it",
        ),
    ],
)
def test_a_position_is_told_with_its_stop(order, words):
    assert LeftOpen(positions=(HELD,), orders=(order,)).sentences() == (words,)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (report(side=Side.BUY), f"BUY 10 {CALL} STP 3.24 (mine-3), working, DAY"),
        (report(state=OrderState.CANCELLING), f"SELL 10 {CALL} STP 3.24 (mine-3), being cancelled"),
        (report(state=OrderState.UNKNOWN), f"SELL 10 {CALL} STP 3.24 (mine-3), fate unknown"),
        (
            report(order_type="LMT", stop_price=None, limit_price=Decimal("5.2")),
            f"SELL 10 {CALL} LMT 5.2 (mine-3), working, DAY",
        ),
        (report(order_type="MKT", stop_price=None), f"SELL 10 {CALL} MKT (mine-3), working, DAY"),
    ],
)
def test_what_is_no_working_stop_of_the_position_protects_nothing(order, words):
    told = LeftOpen(positions=(HELD,), orders=(order,)).sentences()

    assert told == (f"+10 {CALL}, WITHOUT A STOP at the venue", words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "waits for its entry"),
        ({"client_id": 2}, "working"),
        ({"filled": 4, "remaining": 6, "state": OrderState.PARTIALLY_FILLED}, "working"),
        ({"remaining": 0, "state": OrderState.FILLED}, "working"),
    ],
)
def test_a_child_waits_as_long_as_nothing_of_its_entry_has_filled(changes, words):
    entry = report(2, **{"side": Side.BUY, "order_type": "MKT", "stop_price": None, **changes})

    *_, told = LeftOpen(orders=(entry, report(parent_id=2))).sentences()

    assert told == f"SELL 10 {CALL} STP 3.24 (mine-3), {words}, DAY"


def test_of_two_stops_of_one_group_one_fills():
    orders = [report(number, quantity=5, oca_group="one") for number in (3, 4)]

    [told] = LeftOpen(positions=(HELD,), orders=orders).sentences()

    one = "a stop at 3.24 for 5, good for the day only"
    assert told == f"+10 {CALL}, behind {one} or {one}; NO STOP for 5 of it"


def test_a_short_position_is_behind_a_stop_that_buys():
    short = attrs.evolve(HELD, signed_quantity=-10)

    [told] = LeftOpen(positions=(short,), orders=(report(side=Side.BUY),)).sentences()

    assert told.startswith(f"-10 {CALL}, behind a stop")
