"""Sweeps: one order of rows on every executor, failures beside successes, progress."""

import math
import pickle
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import attrs
import numpy as np
import pytest

from ibkeel.backtest import BarSettings, BarTrial, MarketTrial, SeededData, backtest_bars, sweep
from ibkeel.errors import InvalidInput
from ibkeel.indicators import Ema
from ibkeel.model import Bars, BarSpec, Stock
from ibkeel.runner import RunnerConfig
from ibkeel.strategy import Confirmed, DailyVolume, Needs, Scalp, Whale

COUNT = 120
GRID = {"params.period": [3, 5, 8], "settings.half_spread": [0.0, 0.01]}


class AboveAverage:
    """Holds while the close is above its average."""

    def __init__(self, period=5):
        self._average = Ema(period)

    def on_bar(self, bar):
        average = self._average.update(bar.close)
        return None if average is None else 10 if bar.close > average else 0


class Picky(AboveAverage):
    """Does not do for six bars."""

    def __init__(self, period):
        super().__init__(period // (period != 6))


class Breaking(Executor):
    """Loses its second task, as a pool does whose process is killed."""

    def __init__(self):
        self._left = 2

    def submit(self, fn, /, *args, **kwargs):
        future, self._left = Future(), self._left - 1
        if self._left:
            future.set_result(fn(*args, **kwargs))
        else:
            future.set_exception(BrokenExecutor("a process ended"))
        return future


@attrs.frozen(kw_only=True)
class Named:
    """Says what its strategy was made of."""

    strategy: Confirmed

    def run(self):
        whale, volume = self.strategy.confirms
        raise InvalidInput(f"{self.strategy.decides.fast} {whale.volume_ratio} {volume.band}")


def some_bars():
    closes = 100 + np.cumsum(np.random.default_rng(3).normal(0, 0.3, COUNT))
    at = np.datetime64("2024-03-04T14:30:00", "s") + 60 * np.arange(COUNT).astype("timedelta64[s]")
    columns = {"open": closes, "high": closes, "low": closes, "close": closes, "volume": np.ones(COUNT)}
    return Bars(contract=Stock("SPY"), spec=BarSpec(), at=at, **columns)


TRIAL = BarTrial(strategy=AboveAverage, bars=some_bars())


def test_rows_come_in_the_order_of_the_grid():
    swept = sweep(TRIAL, GRID)

    pairs = [tuple(row.settings.values()) for row in swept.rows]
    assert pairs == [(p, s) for p in GRID["params.period"] for s in GRID["settings.half_spread"]]
    alone = backtest_bars(AboveAverage(5), some_bars(), BarSettings(half_spread=0.01))
    assert swept.rows[3].figures == alone.figures


def test_threads_give_the_same_rows():
    here = sweep(TRIAL, GRID)

    with ThreadPoolExecutor(3) as threads:
        threaded = sweep(TRIAL, GRID, executor=threads)

    assert threaded == here


def test_a_trial_and_its_report_travel_between_processes():
    trial = MarketTrial(strategy=Scalp(), data=SeededData())

    assert pickle.loads(pickle.dumps(trial)) == trial
    report = TRIAL.run()
    assert pickle.loads(pickle.dumps(report)).to_json() == report.to_json()


def test_progress_counts_up_to_the_whole():
    told = []

    sweep(TRIAL, GRID, progress=lambda done, total: told.append((done, total)))

    assert told == [(done, 6) for done in range(1, 7)]


def test_settings_that_fit_only_together_are_set_together():
    trial = MarketTrial(strategy=Scalp(), data=SeededData())

    rows = sweep(trial, {"strategy.fast": [30], "strategy.slow": [20], "strategy.min_bars": [40]}).rows

    assert rows[0].figures is None
    assert "fast < slow" in rows[0].error


def test_one_that_fails_does_not_keep_the_others():
    rows = sweep(TRIAL, {"params.period": [0, 5]}).rows

    assert [row.figures is None for row in rows] == [True, False]
    assert rows[0].error.startswith("InvalidInput")
    assert rows[0].as_data()["figures"] is None


@attrs.frozen(kw_only=True)
class Broken:
    """Raises at every look."""

    name: str = "broken"

    def needs(self):
        return Needs()

    def decide(self, context):
        raise KeyError(context.symbol)


def test_a_strategy_that_fails_at_every_look_has_no_figures():
    trial = MarketTrial(strategy=Broken(), data=SeededData(), runner=RunnerConfig(interval=3600))

    [row] = sweep(trial, {"risk.stop_fraction": [0.2]}).rows

    assert (row.figures, row.counts["signals"]) == (None, 0)
    assert row.error == "every look failed: KeyError: 'SPY'"


@attrs.frozen(kw_only=True)
class BrokenOnceWarm:
    """Raises as soon as it has bars enough to be asked."""

    name: str = "broken once warm"

    def needs(self):
        bars = BarSpec(duration="1 D", size="5 mins")
        return Needs(bars=(bars,), least={bars: 7})

    def decide(self, context):
        raise KeyError(context.symbol)


def test_looks_while_the_strategy_warms_up_do_not_excuse_the_failures():
    trial = MarketTrial(strategy=BrokenOnceWarm(), data=SeededData(), runner=RunnerConfig(interval=1200))

    [row] = sweep(trial, {"risk.stop_fraction": [0.2]}).rows

    assert row.counts["cycles"] > row.counts["failures"]
    assert (row.figures, row.error) == (None, "every look failed: KeyError: 'SPY'")


@attrs.frozen
class Unchecked(BrokenOnceWarm):
    share: float = attrs.field(default=0.5, validator=lambda _, __, value: value < 1)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("risk.stop_fraction", "stop_fraction is 'abc'; valid: above 0, below 1"),
        ("strategy.share", "a value is of the wrong type: '<' not supported"),
    ],
)
def test_a_value_of_the_wrong_type_is_called_one(key, words):
    trial = MarketTrial(strategy=Unchecked(), data=SeededData())

    [row] = sweep(trial, {key: ["abc"]}).rows

    assert row.error.startswith(words)


@pytest.mark.parametrize(
    ("key", "valid"), [("settings.cahs", "cash"), ("settngs.cash", "settings"), ("settings.cash.x", "none")]
)
def test_a_key_that_names_nothing_is_refused(key, valid):
    with pytest.raises(InvalidInput, match=valid):
        sweep(TRIAL, {key: [1]})


def test_a_key_of_what_is_left_at_its_default_of_none_says_so():
    trial = MarketTrial(strategy=Scalp(), data=SeededData(seed=7))

    with pytest.raises(
        InvalidInput, match=r"no setting limits\.max_quantity: .* None, the default: give it a value"
    ):
        sweep(trial, {"limits.max_quantity": [1, 2]})


def test_those_that_confirm_are_swept_by_their_number():
    both = Confirmed(decides=Scalp(), confirms=(Whale(), DailyVolume()))
    trial = Named(strategy=both)

    swept = sweep(trial, {"strategy.confirms.1.band": [0.5, -1.0], "strategy.decides.fast": [3]})

    assert swept.rows[0].error == "InvalidInput: 3 1.2 0.5"
    assert "band" in swept.rows[1].error
    with pytest.raises(InvalidInput, match="'2' is not one of 0, 1"):
        sweep(trial, {"strategy.confirms.2.band": [0.5]})


def test_whatever_one_strategy_raises_the_others_go_on():
    with ThreadPoolExecutor(1) as threads:
        for executor in (None, threads):
            rows = sweep(
                attrs.evolve(TRIAL, strategy=Picky), {"params.period": [5, 6, 7]}, executor=executor
            ).rows

            assert [row.error.partition(":")[0] for row in rows] == ["", "ZeroDivisionError", ""]
            assert rows[1].error.endswith(" by zero")
            assert rows[2].figures is not None


def test_what_a_broken_executor_left_is_told_in_its_row():
    rows = sweep(TRIAL, {"params.period": [5, 6, 7]}, executor=Breaking()).rows

    assert [row.error for row in rows] == ["", "BrokenExecutor: a process ended", ""]


def test_values_that_json_has_not_are_text():
    rows = sweep(TRIAL, {"settings.cash": [math.nan, math.inf, 5.0]}).as_data()["rows"]

    assert [row["settings"]["settings.cash"] for row in rows] == ["nan", "inf", 5.0]


def test_a_key_without_values_is_refused():
    with pytest.raises(InvalidInput, match=r"no values of params\.period"):
        sweep(TRIAL, {"params.period": []})


def test_the_best_row_is_the_first_of_the_highest():
    swept = sweep(TRIAL, GRID)

    best = swept.best("net_profit")

    assert best.figures.net_profit == max(row.figures.net_profit for row in swept.rows)
    with pytest.raises(InvalidInput, match="valid: start_equity"):
        swept.best("profits")
    with pytest.raises(InvalidInput, match="no combination"):
        swept.best("sharpe")


def test_a_progress_that_raises_ends_the_sweep():
    def stop(done, total):
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as threads, pytest.raises(KeyboardInterrupt):
        sweep(TRIAL, GRID, executor=threads, progress=stop)


def test_rows_are_plain_data():
    row = sweep(TRIAL, {"params.period": [5]}).as_data()["rows"][0]

    assert row["settings"] == {"params.period": 5}
    assert row["counts"]["bars"] == COUNT
