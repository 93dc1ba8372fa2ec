"""The board in a terminal: what a trader reads there when something is wrong, or not known."""

import io
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from rich.console import Console

from ibkeel.monitor.board import Snapshot, fold, snapshot_data
from ibkeel.monitor.dashboard import View
from ibkeel.monitor.dashboard.terminal import screen
from ibkeel.telemetry import (
    AccountSeen,
    CycleStarted,
    HeldPosition,
    OrderChanged,
    OrderPlaced,
    PacingSampled,
    PositionsSeen,
    ProtectiveOrder,
    QueueState,
    RequestEnded,
    RunBegan,
    TradingDayClosed,
    TradingDayOpened,
)

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


def drawn(*happened, halted="", note=""):
    data = snapshot_data(fold(Snapshot(), happened), now=AT)
    console = Console(width=140, file=io.StringIO())
    console.print(screen(View(origin="bot", note=note, data=data), halted))
    return [" ".join(line.replace("│", " ").split()) for line in console.file.getvalue().splitlines()]


def held(symbol, protection):
    return HeldPosition(
        subject=symbol, symbol=symbol, signed_quantity=-3.0, average_price=1.5, protection=protection
    )


def stop(price, quantity=3.0):
    return ProtectiveOrder(
        client_order_id="o", order_type="STP", price=price, quantity=quantity, state="working"
    )


@pytest.mark.parametrize(
    ("protection", "words"),
    [
        (None, "orders could not be read"),
        ((), "unprotected"),
        ((stop(1.25), stop(None)), "STP 1.25, STP -"),
        ((stop(1.25, 2),), "1 unprotected; STP 1.25"),
    ],
    ids=["unread", "none", "two", "in part"],
)
def test_what_protects_a_position_is_said_and_also_that_nothing_does(protection, words):
    assert f"SPY -3 1.50 {words}" in drawn(PositionsSeen(at=AT, positions=(held("SPY", protection),)))


def test_orders_bear_their_terms_and_the_day_where_it_is_not_today():
    placed = OrderPlaced(
        at=AT, client_order_id="ibk-20240305-r1-1", subject="SPY C", side="BUY", quantity=2, was_sent=True, terms="LMT 2.05"
    )  # fmt: skip
    before = attrs.evolve(placed, at=AT - timedelta(days=4), client_order_id="ibk-20240301-r1-1")

    lines = drawn(before, placed)

    assert "10:00:00 r1-1 BUY 2 SPY C LMT 2.05 sent" in lines
    assert "2024-03-01 10:00:00 r1-1 BUY 2 SPY C LMT 2.05 sent" in lines


def test_that_there_are_more_orders_is_said():
    many = [OrderChanged(at=AT, client_order_id=f"o{n}", state="filled", filled=1) for n in range(9)]

    assert "orders of the session, the last 8 of 9" in drawn(*many)


@pytest.mark.parametrize(
    ("seconds", "interval", "is_stale"), [(290, 60, False), (310, 60, True), (310, 180, False), (370, 180, True)]
)  # fmt: skip
def test_positions_that_two_cycles_did_not_read_are_marked(seconds, interval, is_stale):
    opens_at = AT - timedelta(hours=1)
    day = TradingDayOpened(at=opens_at, day=AT.date(), opens_at=opens_at, closes_at=AT + timedelta(hours=1))
    read = PositionsSeen(at=AT - timedelta(seconds=seconds), positions=(held("SPY", ()),))
    happened = (day, CycleStarted(at=opens_at, number=1, interval=interval), read)

    in_red = f"\x1b[1;31m{seconds} s ago"

    assert (in_red in in_colour(*happened)) is is_stale
    assert in_red not in in_colour(*happened, TradingDayClosed(at=AT, day=AT.date()))
    assert f"positions, read {seconds} s ago" in drawn(*happened)


def in_colour(*happened):
    data = snapshot_data(fold(Snapshot(), happened), now=AT)
    console = Console(width=140, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(screen(View(origin="bot", data=data), ""))
    return console.file.getvalue()


def test_a_halt_is_said_at_the_top_with_its_reason():
    assert "entries are halted: news at noon" in drawn(halted="news at noon")[:3]


def test_the_name_of_a_run_in_somebody_elses_journal_commands_no_terminal():
    began = RunBegan(
        at=AT, run="r1\x1b]0;x\x07", mode="PAPER", strategy="scalp\x9b2J\u202e", symbols=("SPY",)
    )

    assert drawn(began)[0].startswith("ibkeel r1\\x1b]0;x\\x07 scalp\\x9b2J\\u202e PAPER")


def test_equity_and_what_waits_and_how_long_answers_take_are_shown():
    lines = drawn(
        AccountSeen(at=AT, currency="USD", net_liquidation=123456.789, available_funds=1000.0),
        PacingSampled(
            at=AT,
            budgets=(),
            queues=(QueueState(kind="history", waiting=7, oldest=3.0, waits_for="ten minutes"),),
            open_lines=3,
            line_capacity=100,
        ),
        RequestEnded(at=AT, kind="quote", seconds=0.25, queue_seconds=0.0, wire_seconds=0.25),
    )

    text = "\n".join(lines)
    for words in (
        "equity 123,456.79 USD",
        "available 1,000.00",
        "waiting 7 history: ten minutes",
        "lines 3 of 100",
    ):
        assert words in text
    assert "quote 1 0 250 ms 250 ms" in lines


def test_a_figure_that_is_none_is_a_dash_and_the_screen_stands():
    nothing = float("nan")
    lines = drawn(
        AccountSeen(at=AT, currency="USD", net_liquidation=nothing),
        PositionsSeen(
            at=AT,
            positions=(
                HeldPosition(
                    subject="SPY", symbol="SPY", signed_quantity=nothing, average_price=nothing, protection=()
                ),
            ),
        ),
        OrderChanged(at=AT, client_order_id="a-b-c", state="working", filled=float("inf")),
        OrderPlaced(at=AT, client_order_id="a-b-c", subject="SPY", side="SELL", quantity=0, was_sent=True),
    )

    text = "\n".join(lines)
    assert "equity - USD" in text
    assert "available -" in text
    assert "SPY - - unprotected" in lines
    assert "c SELL - SPY working" in text
