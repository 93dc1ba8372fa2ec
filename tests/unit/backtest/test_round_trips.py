"""From fills to trades and figures: nothing is won or lost on the way."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.backtest import Curve
from ibkeel.backtest.figures import figures_of
from ibkeel.backtest.trades import Deal, trades_of

START = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)


def deal(minute, signed, price, *, name="SPY", commission=1.0, multiplier=1, cause="signal"):
    at = START + timedelta(minutes=minute)
    return Deal(name, "SPY", at, signed, price, commission, multiplier, cause)


DEALS = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.integers(-5, 5).filter(bool), st.integers(1, 200)), max_size=25
)


@given(DEALS)
def test_profits_add_up_to_the_change_of_cash_and_holdings(rows):
    deals = [deal(row, signed, price, name=name) for row, (name, signed, price) in enumerate(rows)]
    flat = {name: -sum(signed for other, signed, _ in rows if other == name) for name in ("A", "B")}
    closing = [deal(99, signed, 100, name=name) for name, signed in flat.items() if signed]
    everything = [*deals, *closing]

    trades = trades_of(everything)

    cash = sum(-row.signed * row.price - row.commission for row in everything)
    assert all(trade.is_closed for trade in trades)
    assert sum(trade.profit for trade in trades) == pytest.approx(cash)
    assert sum(trade.commission for trade in trades) == pytest.approx(len(everything))


def test_a_fill_in_parts_is_one_trade_at_the_average():
    parts = [deal(0, 2, 10.0), deal(1, 2, 11.0), deal(5, -1, 12.0), deal(6, -3, 13.0, cause="stop")]

    (trade,) = trades_of(parts)

    assert (trade.quantity, trade.entry_price, trade.exit_price) == (4, 10.5, 12.75)
    assert (trade.cause, trade.profit, trade.seconds) == ("stop", 4 * 2.25 - 4.0, 360.0)


def test_an_order_that_crosses_zero_ends_one_trade_and_begins_another():
    first, second = trades_of([deal(0, 2, 10.0), deal(1, -5, 12.0, commission=5.0)])

    assert (first.quantity, first.profit) == (2, 2 * 2.0 - 1.0 - 2.0)
    assert (second.quantity, second.entry_price, second.is_closed) == (-3, 12.0, False)
    assert (second.cause, second.exit_price, second.seconds) == ("", None, None)


def test_an_option_counts_its_multiplier():
    (trade,) = trades_of([deal(0, 1, 2.0, multiplier=100), deal(1, -1, 2.5, multiplier=100)])

    assert trade.profit == pytest.approx(50.0 - 2.0)
    assert trade.as_data()["profit"] == 48.0


def test_figures_name_wins_losses_and_what_is_still_open():
    trades = trades_of(
        [deal(0, 1, 10), deal(1, -1, 13), deal(2, 1, 10), deal(3, -1, 9), deal(4, 1, 10)],
    )
    equity = Curve.of([(START, 100.0), (START + timedelta(minutes=5), 99.0)])

    figures = figures_of(equity, trades)

    assert (figures.trades, figures.open_trades, figures.win_rate) == (3, 1, 0.5)
    assert (figures.average_win, figures.average_loss) == (1.0, -3.0)
    assert figures.profit_factor == pytest.approx(1 / 3)
    assert (figures.best, figures.worst, figures.expectancy) == (1.0, -3.0, -1.0)
    assert (figures.average_holding, figures.commissions, figures.sharpe) == (60.0, 5.0, None)
    assert figures.as_data()["total_return"] == -0.01


def test_without_trades_there_is_no_rate_of_winning():
    figures = figures_of(Curve.of([(START, 100.0)]), ())

    assert (figures.win_rate, figures.profit_factor, figures.best) == (None, None, None)
    assert (figures.net_profit, figures.max_drawdown) == (0.0, 0.0)


def test_a_yearly_ratio_needs_twenty_sessions_that_differ():
    days = [START + timedelta(days=row) for row in range(30)]
    rising = Curve.of((day, 100.0 * 1.01**row + (row % 2)) for row, day in enumerate(days))
    still = Curve.of((day, 100.0) for day in days)

    assert figures_of(rising, ()).sharpe > 0
    assert figures_of(still, ()).sharpe is None
