"""The loop over bars: an independent slow account, no look-ahead, stops, limits."""

from datetime import UTC, date, datetime

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.backtest import BarSettings, BarTrial, backtest_bars
from ibkeel.errors import InvalidInput
from ibkeel.indicators import Sma
from ibkeel.model import Bars, BarSpec, Stock
from ibkeel.sim.venue import CommissionPlan

FREE = CommissionPlan(per_unit=0.0, minimum=0.0)
OPEN = np.datetime64("2024-03-04T14:30:00", "s")


def bars_of(rows):
    """Bars from rows of open, high, low and close."""
    opens, highs, lows, closes = zip(*rows, strict=True)
    return Bars(
        contract=Stock("SPY"),
        spec=BarSpec(),
        at=OPEN + 60 * np.arange(len(rows)).astype("timedelta64[s]"),
        open=opens,
        high=highs,
        low=lows,
        close=closes,
        volume=np.ones(len(rows)),
    )


def walk(seed, count=300):
    """A seeded walk; bars that leave gaps between close and open."""
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, count)))
    opens = closes * np.exp(rng.normal(0, 0.002, count))
    reach = np.abs(rng.normal(0, 0.2, count))
    return [
        (o, max(o, c) + r, min(o, c) - r, c)
        for o, c, r in zip(opens.tolist(), closes.tolist(), reach.tolist(), strict=True)
    ]


class SmaCross:
    """Long above, short below."""

    def __init__(self, fast=5, slow=20, size=100):
        self._fast, self._slow, self._size = Sma(fast), Sma(slow), size

    def on_bar(self, bar):
        fast, slow = self._fast.update(bar.close), self._slow.update(bar.close)
        return None if slow is None else self._size if fast > slow else -self._size


class Holding:
    """Wants what it is told, bar by bar."""

    def __init__(self, *wanted):
        self._wanted = iter(wanted)

    def on_bar(self, bar):
        return next(self._wanted, None)


def slow_account(rows, settings, fast, slow, size):
    """Equity of the crossing strategy, written the obvious way."""
    closes = [row[3] for row in rows]
    cash, held, equity, wanted = settings.cash, 0, [], None
    for row, (first, _, _, last) in enumerate(rows):
        if wanted is not None and wanted != held:
            change = wanted - held
            price = first + settings.half_spread if change > 0 else first - settings.half_spread
            cash -= change * price + max(1.0, 0.005 * abs(change))
            held = wanted
        equity.append(cash + held * last)
        if row + 1 >= slow:
            quick = sum(closes[row + 1 - fast : row + 1]) / fast
            wanted = size if quick > sum(closes[row + 1 - slow : row + 1]) / slow else -size
    return equity


@pytest.mark.parametrize("seed", range(4))
def test_equity_is_that_of_a_slow_account(seed):
    rows, settings = walk(seed), BarSettings(half_spread=0.01)

    report = backtest_bars(SmaCross(), bars_of(rows), settings)

    assert report.equity.value == pytest.approx(slow_account(rows, settings, 5, 20, 100))
    assert report.figures.trades > 5


@given(st.integers(0, 5), st.integers(30, 119), st.integers(0, 5))
def test_no_future_bar_changes_what_was_done_before_it(seed, cut, other):
    rows = walk(seed, 120)
    changed = [*rows[:cut], *walk(other + 10, 120)[cut:]]

    one = backtest_bars(SmaCross(), bars_of(rows)).equity.value
    two = backtest_bars(SmaCross(), bars_of(changed)).equity.value

    assert one[:cut].tolist() == two[:cut].tolist()


def test_an_order_fills_at_the_next_open_half_a_spread_away():
    rows = [(10, 11, 9, 10), (12, 13, 11, 12), (14, 15, 13, 14)]
    settings = BarSettings(cash=1000.0, half_spread=0.5, commission=FREE)

    report = backtest_bars(Holding(10, 0), bars_of(rows), settings)

    (trade,) = report.trades
    assert (trade.entry_price, trade.exit_price, trade.profit) == (12.5, 13.5, 10.0)
    assert report.equity.value.tolist() == [1000.0, 1000.0 - 125.0 + 120.0, 1010.0]


@pytest.mark.parametrize(
    ("wanted", "rows", "left_at"),
    [
        (10, [(10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 8, 9)], 9.0),
        (10, [(10, 10, 10, 10), (10, 10, 10, 10), (7, 8, 6, 7)], 7.0),
        (-10, [(10, 10, 10, 10), (10, 10, 10, 10), (10, 12, 10, 10)], 11.0),
        (-10, [(10, 10, 10, 10), (10, 10, 10, 10), (13, 13, 12, 12)], 13.0),
        (10, [(10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 9, 10)], 9.0),
        (-10, [(10, 10, 10, 10), (10, 10, 10, 10), (10, 11, 10, 10)], 11.0),
        (0.5, [(10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 8, 9)], 9.0),
        (0.5, [(10, 10, 10, 10), (10, 10, 10, 10), (10, 12, 9.5, 12)], None),
    ],
)
def test_a_stop_fills_at_its_price_or_beyond_a_gap(wanted, rows, left_at):
    settings = BarSettings(cash=1000.0, commission=FREE, stop_fraction=0.1)

    report = backtest_bars(Holding(wanted), bars_of(rows), settings)

    (trade,) = report.trades
    assert (trade.cause, trade.exit_price) == ("stop" if left_at else "", left_at)


def test_a_stop_is_reckoned_from_the_average_of_all_entries():
    rows = [(10, 10, 10, 10), (10, 10, 10, 10), (12, 12, 12, 12), (11, 11, 10.5, 11), (11, 11, 9, 9)]
    settings = BarSettings(cash=1000.0, commission=FREE, stop_fraction=0.1)

    report = backtest_bars(Holding(10, 20), bars_of(rows), settings)

    (trade,) = report.trades
    assert (trade.entry_price, trade.exit_price) == (11.0, pytest.approx(9.9))


def test_what_is_left_of_a_position_keeps_its_entry_price():
    rows = [(10, 10, 10, 10), (10, 10, 10, 10), (12, 12, 12, 12), (12, 12, 8, 8)]
    settings = BarSettings(cash=1000.0, commission=FREE, stop_fraction=0.1)

    report = backtest_bars(Holding(10, 5), bars_of(rows), settings)

    (trade,) = report.trades
    assert (trade.cause, trade.exit_price) == ("stop", pytest.approx((12.0 + 9.0) / 2))


def test_a_strategy_that_wants_no_number_is_refused():
    with pytest.raises(InvalidInput, match="wants nan shares at bar 1; valid: a number"):
        backtest_bars(Holding(float("nan")), bars_of([(10, 10, 10, 10)] * 2))


def test_a_turn_begins_a_position_with_an_entry_price_of_its_own():
    rows = [(10, 10, 10, 10), (10, 10, 10, 10), (20, 20, 20, 20), (20, 21.9, 20, 20), (20, 22, 20, 20)]
    settings = BarSettings(cash=1000.0, commission=FREE, stop_fraction=0.1)

    report = backtest_bars(Holding(10, -10), bars_of(rows), settings)

    assert [(trade.entry_price, trade.exit_price, trade.cause) for trade in report.trades] == [
        (10.0, 20.0, "signal"),
        (20.0, pytest.approx(22.0), "stop"),
    ]


def test_a_part_of_a_share_is_dealt_in_like_a_whole_one():
    rows = [(10, 10, 10, 10), (10, 10, 10, 10), (12, 12, 12, 12), (12, 12, 10.7, 11)]
    settings = BarSettings(cash=1000.0, commission=FREE, stop_fraction=0.1, half_spread=0.5)

    report = backtest_bars(Holding(0.1, 0.2), bars_of(rows), settings)

    (trade,) = report.trades
    assert (trade.entry_price, trade.exit_price) == (pytest.approx(11.5), None)
    assert report.equity.value.tolist() == pytest.approx([1000, 999.95, 1000.1, 999.9])


def test_a_stop_may_fall_in_the_bar_of_the_entry():
    rows = [(10, 10, 10, 10), (10, 10, 5, 9)]
    settings = BarSettings(cash=1000.0, commission=FREE, stop_fraction=0.1)

    report = backtest_bars(Holding(10), bars_of(rows), settings)

    assert report.trades[0].exit_price == 9.0


def test_more_than_the_account_can_hold_is_refused_and_counted():
    rows = [(10, 10, 10, 10)] * 3

    report = backtest_bars(Holding(200, 100), bars_of(rows), BarSettings(cash=1000.0, commission=FREE))

    assert (report.counts["refused"], report.counts["fills"]) == (1, 1)
    assert report.held == ("100 SPY",)


def test_a_turn_to_the_other_side_needs_the_equity_too():
    rows = [(10, 10, 10, 10)] * 2 + [(18, 18, 18, 18)] * 2

    report = backtest_bars(Holding(-100, -100, 100), bars_of(rows), BarSettings(cash=1000.0, commission=FREE))

    assert report.figures.end_equity == 200.0
    assert (report.counts["refused"], report.counts["fills"]) == (1, 1)
    assert report.held == ("-100 SPY",)


def test_a_position_within_its_stop_is_kept_and_one_that_is_wanted_again_is_not_traded():
    rows = [(10, 10, 10, 10)] * 4
    settings = BarSettings(cash=1000.0, commission=FREE, stop_fraction=0.5)

    report = backtest_bars(Holding(10, 10, -10), bars_of(rows), settings)

    assert [trade.quantity for trade in report.trades] == [10, -10]


def test_a_trial_makes_a_fresh_strategy_each_time():
    trial = BarTrial(strategy=SmaCross, bars=bars_of(walk(1)), params={"fast": 3})

    one, two = trial.run(), trial.run()

    assert one.to_json() == two.to_json()
    assert one.strategy == "SmaCross"


def test_a_trial_is_played_with_its_settings():
    trial = BarTrial(
        strategy=SmaCross, bars=bars_of(walk(1)), settings=BarSettings(cash=7_000.0, leverage=9.0)
    )

    assert trial.run().figures.start_equity == 7_000.0


def test_a_report_tells_what_was_played_and_when():
    rows = [(10, 10, 10, 10)] * 3
    bars = bars_of(rows)
    starts = np.array(["2024-03-04T02:00", "2024-03-05T12:00", "2024-03-07T03:00"], dtype="datetime64[s]")
    bars = attrs.evolve(bars, at=starts, spec=BarSpec(duration="1 W", size="1 hour"))
    seen = []

    class Looking(Holding):
        def on_bar(self, bar):
            seen.append(bar.at)
            return super().on_bar(bar)

    report = backtest_bars(Looking(10, 0), bars, BarSettings(cash=1000.0, commission=FREE))

    assert (report.strategy, report.symbols, report.account) == ("Looking", ("SPY",), "DU***01")
    assert (report.first_session, report.last_session) == (date(2024, 3, 3), date(2024, 3, 6))  # New York's
    assert seen == [datetime(2024, 3, day, hour, tzinfo=UTC) for day, hour in ((4, 2), (5, 12), (7, 3))]
    assert report.equity.at.tolist() == (starts + np.timedelta64(3600, "s")).tolist()
    assert report.counts == {"bars": 3, "fills": 2, "refused": 0}
    (trade,) = report.trades
    assert (trade.name, trade.symbol, trade.cause, trade.entered_at) == ("SPY", "SPY", "signal", seen[1])
    assert any("open of the next" in note for note in report.notes)


@attrs.define
class Set:
    _seen: int = attrs.field(default=0, init=False)
    size: int = 5
    count: int = attrs.field(default=0, init=False)
    _kept: int = 3
    unit: int = 7

    def on_bar(self, bar):
        return None


def test_bars_in_another_currency_say_what_their_dollars_are():
    bars = bars_of([(10, 10, 10, 10)])
    euros = attrs.evolve(bars, contract=Stock("SAP", currency="EUR"))

    told = [note for note in backtest_bars(Holding(), euros).notes if "EUR" in note]

    assert told == ["Dollars here are EUR: nothing was converted."]
    assert not [note for note in backtest_bars(Holding(), bars).notes if "Dollars" in note]


def test_the_settings_of_a_report_are_those_of_the_strategy_and_of_the_fills():
    settings = backtest_bars(Set(), bars_of([(10, 10, 10, 10)])).settings

    assert {key: text for key, text in settings.items() if key.startswith("strategy.")} == {
        "strategy.size": "5",
        "strategy.unit": "7",
    }
    assert (settings["bars.cash"], settings["bars.commission.per_unit"]) == ("100000.0", "0.005")
    assert "bars.cash" in backtest_bars(Holding(), bars_of([(10, 10, 10, 10)])).settings


def test_no_bars_are_no_backtest():
    with pytest.raises(InvalidInput, match="one bar"):
        backtest_bars(Holding(), bars_of([(1, 1, 1, 1)])[:0])


@pytest.mark.parametrize("field", ["cash", "leverage", "stop_fraction", "half_spread"])
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(InvalidInput, match=field):
        BarSettings(**{field: -1.0})


@pytest.mark.parametrize(("held", "worst", "later"), [(-9, 250, 20), (18, 40, 300)])
def test_a_position_that_has_cost_the_whole_account_is_not_held_until_prices_come_back(held, worst, later):
    rows = [(price,) * 4 for price in (100, 100, worst, later, later)]

    report = backtest_bars(
        Holding(held, held, held, held),
        bars_of(rows),
        BarSettings(cash=1_000.0, leverage=2.0, commission=FREE),
    )

    (trade,) = report.trades
    left = 1_000.0 + held * (worst - 100)
    assert left < 0
    assert report.equity.value.tolist() == [1_000.0, 1_000.0, left, left, left]
    assert (trade.cause, report.counts["refused"], report.held) == ("ruin", 2, ())


@pytest.mark.parametrize(("worst", "cause"), [(89.9, "ruin"), (90.0, "ruin"), (90.05, "")])
def test_an_account_that_is_worth_nothing_is_ruined_and_one_that_is_worth_something_is_not(worst, cause):
    rows = [(price,) * 4 for price in (100, 100, worst)]
    settings = BarSettings(cash=100.0, leverage=10.0, commission=FREE)

    report = backtest_bars(Holding(10), bars_of(rows), settings)

    assert report.trades[0].cause == cause
