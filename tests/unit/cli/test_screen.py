"""What commands show of a run: its bar, its report, and records of orders in words."""

import io
from datetime import UTC, date, datetime, timedelta

import pytest
from rich.console import Console
from rich.text import Text

from ibkeel.cli.screen import print_records, print_report, progress, told, unbroken
from ibkeel.journal import CommissionSeen, Failure, FillSeen, Intent, OrderUpdate, Purpose, QuoteSeen
from ibkeel.model import (
    Bracket,
    Execution,
    Index,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Quote,
    Side,
    Stock,
)
from ibkeel.runner import ErrorSeen, Held, Progress, RunReport, Session, SymbolTally

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
SPY = Stock("SPY")


def reported(errors=(), held=()):
    report = RunReport(
        run="r1", cycles=3, symbols={"SPY": SymbolTally(cycles=3)}, orders=0, orders_sent=0, fills=0,
        errors=tuple(errors), held=held, latencies={},
    )  # fmt: skip
    console = Console(width=120, file=io.StringIO())
    print_report(console, report)
    return console.file.getvalue()


def failed(symbol, message="no answer", seconds=0):
    return ErrorSeen(
        at=AT + timedelta(seconds=seconds),
        symbol=symbol,
        kind="RequestTimeout",
        message=message,
        is_timeout=True,
    )


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (None, "what is held could not be read: look at the account"),
        ((), "flat: nothing is held"),
        (
            (Held(contract=SPY, signed_quantity=-1234567.0, reason="not ours"),),
            "still held:\n  -1234567 SPY: not ours\n",
        ),
    ],
    ids=["unread", "flat", "held"],
)
def test_what_is_held_at_the_end_is_said_to_the_last_share(held, words):
    assert words in reported(held=held)


def test_errors_that_say_the_same_are_told_once_and_no_more_than_five():
    alike = [failed("SPY"), failed("QQQ"), failed("SPY")]
    others = [failed("", f"[red]of kind {number}[/]", seconds=number) for number in range(1, 7)]

    text = reported([*alike, *others])

    assert "9 errors, 9 of them timeouts" in text
    assert "  10:00:00 SPY, QQQ RequestTimeout (3 times): no answer\n" in text
    assert "  10:00:01 RequestTimeout: [red]of kind 1[/]\n" in text
    assert "of kind 5" not in text
    assert "  and 2 more in the journal\n" in text


@pytest.mark.parametrize(
    ("warmed", "cycles", "words"), [(2, 0, "warming up, 2 of 3"), (None, 180, "13:00 New York, cycle 180")]
)
def test_a_bar_shows_what_is_warmed_up_then_the_time_of_new_york(capsys, monkeypatch, warmed, cycles, words):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    session = Session(day=date(2024, 3, 5), opens_at=AT, closes_at=AT + timedelta(hours=6))
    noon = AT + timedelta(hours=3)

    with progress("a bot") as screen:
        screen.advance(Progress(now=noon, session=session, cycles=cycles, warmed=warmed, symbols=3))

    assert words in Text.from_ansi(capsys.readouterr().err).plain


@pytest.mark.parametrize("forced", ["", "1"])
def test_news_command_no_terminal(capsys, monkeypatch, forced):
    monkeypatch.setenv("FORCE_COLOR", forced)

    with progress("a bot") as screen:
        screen.announce("rejected: \x1b]0;x\x07no [red]margin[/red]\x9b2J\u202e")

    assert "rejected: \\x1b]0;x\\x07no [red]margin[/red]\\x9b2J\\u202e" in capsys.readouterr().err


def ticket(**fields):
    return OrderTicket(contract=SPY, side="SELL", quantity=3, **fields)


LIMIT = ticket(order_type=OrderType.LMT, limit_price="4.50")


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (ticket(), "SELL 3 SPY MKT"),
        (LIMIT, "SELL 3 SPY LMT 4.50"),
        (ticket(order_type=OrderType.STP, stop_price="1.02"), "SELL 3 SPY STP 1.02"),
        (
            ticket(order_type=OrderType.STP_LMT, stop_price="1.02", limit_price="1"),
            "SELL 3 SPY STP 1.02 LMT 1",
        ),
        (Bracket(entry=LIMIT, stop_loss="6", take_profit="3"), "SELL 3 SPY LMT 4.50, stop 6, take profit 3"),
        (Bracket(entry=LIMIT, stop_loss="6"), "SELL 3 SPY LMT 4.50, stop 6"),
    ],
    ids=["market", "limit", "stop", "stop limit", "bracket", "bracket without profit"],
)
def test_an_intent_is_shown_with_every_price_that_it_has(order, words):
    record = Intent(at=AT, symbol="SPY", client_order_id="c1", purpose=Purpose.PROTECTION, order=order)

    assert told(record) == ("protection intent", words)


def test_fills_their_cost_and_reports_are_shown_with_whole_figures():
    fill = Execution(
        exec_id="e1", order_id=3, perm_id=9, client_order_id="c1", account="DU1", contract=SPY, side=Side.SELL,
        quantity=1234567.0, price=4.4, at=AT,
    )  # fmt: skip
    cost = CommissionSeen(at=AT, symbol="SPY", client_order_id="c1", exec_id="e1", commission=1.05)
    report = OrderReport(
        order_id=3, perm_id=9, client_id=7, client_order_id="c1", contract=SPY, side=Side.SELL, quantity=1234567.0,
        order_type="STP", stop_price="4", state=OrderState.WORKING, filled=1234560.0, at=AT,
    )  # fmt: skip

    assert told(FillSeen(at=AT, execution=fill)) == ("fill", "SELL 1234567 SPY at 4.4")
    assert told(cost) == ("commission", "1.05 for fill e1")
    assert told(OrderUpdate(at=AT, report=report)) == (
        "order update",
        "SELL 1234567 SPY STP 4: working, 1234560 filled",
    )


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        (Quote(contract=SPY, at=AT, bid=560.0, ask=560.02, last=560.01), "SPY 560 x 560.02, last 560.01"),
        (Quote(contract=Index("VIX"), at=AT, last=13.75), "VIX - x -, last 13.75"),
    ],
    ids=["whole", "one figure"],
)
def test_a_quote_is_shown_with_its_contract_and_prices(quote, words):
    assert told(QuoteSeen(at=AT, symbol="SPY", quote=quote)) == ("quote seen", words)


@pytest.mark.parametrize(
    ("columns", "is_terminal", "is_whole"),
    [(None, False, True), ("60", False, False), (None, True, False)],
    ids=["in a pipe", "as wide as was asked for", "on a terminal"],
)
def test_no_line_is_broken_where_nobody_looks(monkeypatch, columns, is_terminal, is_whole):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    console = Console(file=io.StringIO(), force_terminal=is_terminal, color_system=None)
    words = "a message of many words, " * 10
    record = Failure(at=AT, symbol="", kind="NoData", message=words, service="bars")

    print_records(unbroken(console), [(1, record)])

    assert (words.strip() in console.file.getvalue()) is is_whole


def test_records_are_printed_with_accounts_masked_for_they_are_pasted_into_reports():
    console = Console(width=200, file=io.StringIO())
    record = Failure(
        at=AT, symbol="SPY", kind="OrderRejected", message="DUM1234567 may not; \x1b[2J token=abcd1234"
    )

    print_records(console, [(1, record)])

    assert "message=DU***67 may not; \\x1b[2J token=***" in console.file.getvalue()
