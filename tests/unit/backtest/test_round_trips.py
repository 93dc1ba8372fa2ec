"""From fills to trades and figures: nothing is won or lost on the way."""

from datetime import UTC, date, datetime, timedelta
from math import sqrt
from statistics import fmean, stdev
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.backtest import BarSettings, Curve, backtest_bars
from ibkeel.backtest.figures import Deal, figures_of, lasting, trades_of
from ibkeel.model import Bars, BarSpec, Stock
from ibkeel.sim.venue import CommissionPlan

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


@given(DEALS)
def test_what_is_closed_of_a_position_wins_against_the_average_cost_of_what_was_held(rows):
    deals = [deal(row, signed, price, name=name) for row, (name, signed, price) in enumerate(rows)]
    won = 0.0
    for name in ("A", "B"):
        held = cost = 0.0
        for row in (row for row in deals if row.name == name):
            closes = max(-abs(held), min(abs(held), row.signed)) if held * row.signed < 0 else 0.0
            average = cost / held if held else 0.0
            won += -closes * (row.price - average)
            cost += closes * average + (row.signed - closes) * row.price
            held += row.signed

    assert sum(trade.profit for trade in trades_of(deals)) == pytest.approx(won - len(deals))


def test_what_is_bought_later_does_not_change_what_was_won_before():
    (trade,) = trades_of([deal(0, 2, 10.0), deal(1, -1, 12.0), deal(2, 1, 14.0)])

    assert (trade.is_closed, trade.profit) == (False, 2.0 - 3.0)


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


def test_a_trade_is_told_whole_as_plain_data():
    closed, held = trades_of(
        [
            deal(0, -3, 2.1234567, commission=0.433, multiplier=10, name="SPY P"),
            deal(1, 3, 1.2345678, commission=0.433, multiplier=10, name="SPY P", cause="stop"),
            deal(2, 1, 4.0, name="QQQ"),
        ]
    )

    assert closed.as_data() == {
        "contract": "SPY P",
        "symbol": "SPY",
        "quantity": -3.0,
        "entered_at": "2024-03-04T14:30:00+00:00",
        "entry_price": 2.123457,
        "left_at": "2024-03-04T14:31:00+00:00",
        "exit_price": 1.234568,
        "cause": "stop",
        "profit": 25.8,
        "commission": 0.87,
    }
    assert held.as_data() == {
        "contract": "QQQ",
        "symbol": "SPY",
        "quantity": 1.0,
        "entered_at": "2024-03-04T14:32:00+00:00",
        "entry_price": 4.0,
        "left_at": None,
        "exit_price": None,
        "cause": "",
        "profit": -1.0,
        "commission": 1.0,
    }


def test_parts_of_a_share_that_add_up_to_nothing_are_nothing():
    deals = [deal(0, 0.1, 10.0), deal(1, 0.2, 10.0), deal(2, -0.3, 11.0), deal(3, 2, 10.0)]

    first, second = trades_of(deals)

    assert (first.is_closed, second.is_closed, second.quantity) == (True, False, 2)


def test_the_most_that_was_held_is_told_whatever_is_left_of_it():
    (trade,) = trades_of([deal(0, -2, 10.0), deal(1, -1, 10.0), deal(2, 2, 9.0), deal(3, -1, 10.0)])

    assert (trade.quantity, trade.is_closed, trade.exit_price) == (-3, False, 9.0)


def test_a_trade_that_brought_nothing_is_no_win():
    trades = trades_of(
        [
            deal(0, 1, 10.0, commission=0.0),
            deal(1, -1, 10.0, commission=0.0),
            deal(2, 1, 10),
            deal(3, -1, 12.5),
        ]
    )

    figures = figures_of(Curve.of([(START, 100.0), (START, 100.5)]), trades)

    assert (figures.win_rate, figures.average_win, figures.average_loss) == (0.5, 0.5, 0.0)
    assert figures.profit_factor is None


def test_the_curve_gives_the_profit_and_the_falls():
    points = [(0, 200.0), (1, 250.0), (2, 225.0), (4, 300.0), (5, 280.0)]
    equity = Curve.of((START + timedelta(minutes=minute), value) for minute, value in points)

    data = figures_of(equity, ()).as_data()

    assert {name: value for name, value in data.items() if value is not None} == {
        "start_equity": 200.0,
        "end_equity": 280.0,
        "net_profit": 80.0,
        "total_return": 0.4,
        "max_drawdown": 0.1,
        "max_drawdown_amount": 25.0,
        "longest_drawdown": 180.0,
        "trades": 0,
        "open_trades": 0,
        "commissions": 0.0,
    }


def test_figures_are_plain_data_of_six_digits():
    data = figures_of(Curve.of([(START, 3.0), (START, 4.0)]), ()).as_data()

    assert data["total_return"] == 0.333333


def test_a_start_with_nothing_has_no_return():
    assert figures_of(Curve.of([(START, 0.0), (START, 5.0)]), ()).total_return == 0.0


def test_a_trade_that_ended_at_once_was_held_for_no_time():
    trades = trades_of([deal(0, 1, 10), deal(0, -1, 11), deal(1, 1, 10), deal(2, -1, 11)])

    assert figures_of(Curve.of([(START, 100.0)]), trades).average_holding == 30.0


def test_the_yearly_ratio_is_the_same_in_any_unit():
    curve = sessions([0.02, -0.01] * 12, begins=10, ends=16)
    small = Curve(at=curve.at, value=curve.value / 2**18)

    assert small.value.max() < 1
    assert figures_of(small, ()).sharpe == figures_of(curve, ()).sharpe


def test_an_equity_that_was_lost_has_no_yearly_ratio():
    curve = sessions([0.01, -0.01] * 12, begins=10, ends=16)
    curve.value[-1] = 0.0

    assert figures_of(curve, ()).sharpe is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 min"),
        (600.0, "10.0 min"),
        (5_999.0, "100.0 min"),
        (6_000.0, "1.7 h"),
        (359_000.0, "99.7 h"),
        (360_000.0, "4.2 days"),
        (86_400.0 * 100_000, "100,000.0 days"),
    ],
)
def test_a_length_of_time_is_told_in_the_unit_that_reads_best(seconds, words):
    assert lasting(seconds) == words


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


def sessions(returns, *, begins, ends, timezone="America/New_York"):
    """Two points a trading day, at local hours, from a Monday in January on; and what each day brought."""
    day, worth, points = date(2024, 1, 1), 100_000.0, []
    for brought in returns:
        day += timedelta(days=3 if day.weekday() == 4 else 1)
        at = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
        points += [(at.replace(hour=begins), worth), (at.replace(hour=ends), worth * (1 + brought))]
        worth *= 1 + brought
    return Curve.of(points)


@given(
    st.lists(st.floats(-0.05, 0.05), min_size=20, max_size=120).filter(lambda rows: stdev(rows) > 1e-6),
    st.sampled_from([(10, 16, "America/New_York"), (4, 20, "America/New_York"), (9, 15, "Asia/Tokyo")]),
)
def test_the_yearly_ratio_is_that_of_every_session_the_first_included(returns, hours):
    begins, ends, timezone = hours
    curve = sessions(returns, begins=begins, ends=ends, timezone=timezone)

    expected = fmean(returns) / stdev(returns) * sqrt(252)

    assert figures_of(curve, (), timezone).sharpe == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_days_of_bars_are_those_of_their_exchange():
    curve = sessions([0.01, -0.01] * 12, begins=9, ends=15, timezone="Asia/Tokyo")
    value = curve.value.tolist()
    bars = Bars(
        contract=Stock("7203", currency="JPY"),
        spec=BarSpec(),
        at=curve.at,
        open=value,
        high=value,
        low=value,
        close=value,
        volume=[1.0] * len(value),
        timezone="Asia/Tokyo",
    )
    free = CommissionPlan(per_unit=0.0, minimum=0.0)

    report = backtest_bars(Holds(), bars, BarSettings(cash=1e6, commission=free))

    assert report.figures.sharpe == figures_of(report.equity, (), "Asia/Tokyo").sharpe
    assert report.figures.sharpe != figures_of(report.equity, (), "America/New_York").sharpe


class Holds:
    """A share, always."""

    def on_bar(self, bar):
        return 1.0


@pytest.mark.parametrize(("count", "is_known"), [(19, False), (20, True)])
def test_twenty_sessions_are_enough_for_a_yearly_ratio(count, is_known):
    returns = [0.01 * (-1) ** row for row in range(count)]

    assert (figures_of(sessions(returns, begins=10, ends=16), ()).sharpe is not None) is is_known
