"""What every strategy must do, as tests to inherit.

In your own tests::

    class TestThreeUp(StrategyContract):
        def make_strategy(self):
            return ThreeUp(run=3)

pytest then runs every promise against it, over bars that Hypothesis makes up; a strategy that needs
a richer world says so by overriding `histories` or `quotes_at`.
"""

import random
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import attrs
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ibkeel.model import (
    AccountValues,
    Bars,
    BarSpec,
    Contract,
    DataType,
    Direction,
    Option,
    OptionChain,
    OptionClass,
    Quote,
    Right,
    Signal,
    Stock,
)
from ibkeel.model.bars import second_of
from ibkeel.risk import DailyLossGuard
from ibkeel.runner import RiskConfig, RunnerConfig, Session
from ibkeel.runner.entry import Pending, View, exits_of, gate_rule, refusals, sized_bracket
from ibkeel.strategy import Strategy, StrategyContext, visible, warming_up
from ibkeel.testing.strategies import START, histories
from ibkeel.virtual.run import wall_clock

_SETTINGS: Final = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
_STRIKES: Final = tuple(Decimal(strike) for strike in range(5, 1_000, 5))
_LEVELS: Final = tuple(range(5, 80))
_MONTH: Final = timedelta(days=30)
_ANOTHER_TIME: Final = timedelta(days=401, hours=5, minutes=7, seconds=11)  # on every face of a clock
_ACCOUNT: Final = AccountValues(
    account="DU0000001",
    at=START,
    currency="USD",
    net_liquidation=Decimal(100_000),
    available_funds=Decimal(100_000),
)


class StrategyContract:
    """The promises of a strategy; inherit it in a test class and say which strategy is meant."""

    def make_strategy(self) -> Strategy:
        """A new strategy, equal to every other one that this makes."""
        raise NotImplementedError("a StrategyContract says how its strategy is made: def make_strategy(self)")

    def symbol(self) -> str:
        """The ticker that it is asked about."""
        return "SPY"

    def histories(self, spec: BarSpec) -> SearchStrategy[Bars]:
        """Bars of one specification; by default random walks with gaps, quiet hours and outbreaks."""
        least = self.make_strategy().needs().least.get(spec, 1)
        return histories(spec, Stock(self.symbol()), max_size=max(160, 3 * least))

    def quotes_at(self, now: datetime, level: float) -> Mapping[Contract, Quote]:
        """A fresh live quote, around `level` per share, of every other contract that it needs."""
        return {
            contract: Quote(contract=contract, at=now, bid=level, ask=level + 0.01, last=level)
            for contract in self.make_strategy().needs().quotes
        }

    def chain(self) -> OptionChain:
        """The option chain that it is shown if it needs one."""
        row = OptionClass(
            trading_class=self.symbol(), expiries=(date(2024, 3, 15), date(2024, 4, 19)), strikes=_STRIKES
        )
        return OptionChain(underlying=Stock(self.symbol()), classes=(row,))

    def worlds(self) -> SearchStrategy[tuple[dict[BarSpec, Bars], float]]:
        """The bars of everything that it needs, and a level for its quotes."""
        bars = {spec: self.histories(spec) for spec in self.make_strategy().needs().bars}
        return st.tuples(st.fixed_dictionaries(bars), st.floats(5.0, 80.0))

    def context(self, bars: Mapping[BarSpec, Bars], level: float, now: datetime) -> StrategyContext:
        """What the runner would give it at an instant, quotes around `level`: nothing that was not over by then."""
        return StrategyContext(
            symbol=self.symbol(),
            now=now,
            bars={spec: visible(rows, spec, now) for spec, rows in bars.items()},
            quotes=self.quotes_at(now, level),
            chain=self.chain() if self.make_strategy().needs().chain else None,
        )

    def _tempting(self, bars: Mapping[BarSpec, Bars], drawn: float) -> StrategyContext:
        """A world in which it enters, if one is found by going over the levels: few strategies enter at most of them."""
        contexts = (self.context(bars, level, _end(bars)) for level in (*_LEVELS, drawn))
        for context in contexts:
            if not context.quotes or _said(self.make_strategy(), context).is_entry:
                break
        return context

    def test_it_has_a_name_and_constant_needs(self) -> None:
        """The runner asks for its needs in every cycle."""
        one, other = self.make_strategy(), self.make_strategy()

        assert one.name
        assert one.name == other.name
        assert one.needs() == other.needs() == one.needs()

    def test_equal_inputs_give_equal_signals_whatever_was_asked_before(self) -> None:
        """Pure and deterministic: nothing that it saw earlier, no chance and no clock of its own plays a part."""

        @_SETTINGS
        @given(self.worlds(), self.worlds())
        def check(world: Any, another: Any) -> None:
            used, (bars, level) = self.make_strategy(), world
            lots = _lots()
            with wall_clock(_end(bars), travel=True):
                first = _said(self.make_strategy(), self.context(bars, level, _end(bars)))
            for seen, other_level in (another, world, another):
                _said(used, self.context(seen, other_level, _end(seen)))

            with wall_clock(_end(bars) + _ANOTHER_TIME, travel=True):
                again = _said(used, self.context(bars, level, _end(bars)))

            assert again == first, (
                "it says another thing of the same: what does it keep, or which clock does it read?"
            )
            assert _lots() == lots, "it draws lots: `random` or `numpy.random` went on while it was asked"

        check()

    def test_what_it_was_given_is_left_as_it_was(self) -> None:
        """The runner gives the same values to others."""

        @_SETTINGS
        @given(self.worlds())
        def check(world: Any) -> None:
            bars, level = world
            context = self.context(bars, level, _end(bars))
            before = {spec: attrs.evolve(rows) for spec, rows in context.bars.items()}
            quotes = dict(context.quotes)

            _said(self.make_strategy(), context)

            assert (dict(context.bars), dict(context.quotes)) == (before, quotes)

        check()

    def test_no_future_bar_changes_a_past_signal(self) -> None:
        """No look-ahead: whatever comes after an instant, the signal at that instant stays."""

        @_SETTINGS
        @given(self.worlds(), st.floats(0.2, 5.0), st.floats(0.0, 1.0))
        def check(world: Any, factor: float, share: float) -> None:
            bars, level = world
            now = START + share * (_end(bars) - START)
            other = {spec: _changed_after(rows, spec, now, factor) for spec, rows in bars.items()}

            said = _said(self.make_strategy(), self.context(bars, level, now))

            assert _said(self.make_strategy(), self.context(other, level, now)) == said

        check()

    def test_it_survives_gaps_few_bars_and_none(self) -> None:
        """Too little to go by is no reason to fail."""

        @_SETTINGS
        @given(self.worlds())
        def check(world: Any) -> None:
            bars, level = world
            for count in range(6):  # none first: what fails is the same however the worlds are drawn
                few = {spec: rows[:count] for spec, rows in bars.items()}
                _check_signal(_said(self.make_strategy(), self.context(few, level, _end(bars))))

        check()

    def test_it_survives_quotes_that_are_missing_stale_or_delayed(self) -> None:
        """What cannot be known is no reason to buy, and none to fail."""

        @_SETTINGS
        @given(self.worlds())
        def check(world: Any) -> None:
            context = self._tempting(*world)
            old = {c: attrs.evolve(q, at=q.at - _MONTH) for c, q in context.quotes.items()}
            slow = {c: attrs.evolve(q, data_type=DataType.DELAYED) for c, q in context.quotes.items()}
            bare = {c: Quote(contract=c, at=q.at) for c, q in context.quotes.items()}

            for quotes in ({}, old, slow, bare) if context.quotes else ():
                signal = _said(self.make_strategy(), attrs.evolve(context, quotes=quotes))
                _check_signal(signal)
                assert not signal.is_entry, f"{signal} on quotes {quotes}"

        check()

    def test_its_signals_are_well_formed(self) -> None:
        """Confidence within 0 and 1, 0 when there is nothing to do; finite reasons, always some."""

        @_SETTINGS
        @given(self.worlds())
        def check(world: Any) -> None:
            bars, level = world

            _check_signal(_said(self.make_strategy(), self.context(bars, level, _end(bars))))

        check()

    def test_no_order_leaves_without_a_stop(self) -> None:
        """The order that the runner makes of a signal is a bracket with its stop below the entry."""

        @_SETTINGS
        @given(self.worlds(), st.integers(20, 2_000))
        def check(world: Any, cents: int) -> None:
            bars, level = world
            signal = _said(self.make_strategy(), self.context(bars, level, _end(bars)))
            bracket, _ = sized_bracket(
                _option_quote(cents), 100, _ACCOUNT, exits_of(signal.exits, RiskConfig())
            )

            assert bracket is None or bracket.entry.limit_price is not None
            assert bracket is None or Decimal(0) < bracket.stop_loss < Decimal(str(bracket.entry.limit_price))

        check()

    def test_nothing_is_entered_once_the_daily_loss_is_reached(self) -> None:
        """However sure it is, a halted session refuses what an open one lets through."""

        @_SETTINGS
        @given(self.worlds())
        def check(world: Any) -> None:
            bars, level = world
            signal = _said(self.make_strategy(), self.context(bars, level, _end(bars)))
            against = {
                loss: refusals(
                    self.symbol(),
                    _view(equity),
                    Pending(),
                    now=START,
                    quote=_option_quote(500),
                    rule=gate_rule(RunnerConfig(), RiskConfig()),
                )
                for loss, equity in (("none", 1.0), ("whole", 0.5))
            }

            assert not against["none"], against
            assert against["whole"], f"{signal} was let through"

        check()


def _said(strategy: Strategy, context: StrategyContext) -> Signal:
    """Its signal; with fewer bars than its `least` it is not asked, by the runner neither."""
    return warming_up(strategy.needs(), context.bars) or strategy.decide(context)


def _lots() -> tuple[object, ...]:
    """What the next draws of everybody's generators will be; Hypothesis begins each example with the same."""
    state: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - a strategy may use it
    return random.getstate(), state["state"]["pos"], state["state"]["key"].tobytes(), state["has_gauss"]


def _end(bars: Mapping[BarSpec, Bars]) -> datetime:
    """When the last bar of all is over."""
    ends = (rows[-1].at + timedelta(seconds=rows.spec.size_seconds) for rows in bars.values() if len(rows))
    return max([START, *ends])


def _changed_after(bars: Bars, spec: BarSpec, now: datetime, factor: float) -> Bars:
    """The same bars until an instant; those that were not over by then are others."""
    future = bars.at + np.timedelta64(spec.size_seconds, "s") > second_of(now)
    scale = np.where(future, factor, 1.0)
    prices = {name: getattr(bars, name) * scale for name in ("open", "high", "low", "close")}
    return attrs.evolve(bars, **prices, volume=bars.volume * scale * scale)


def _view(part: float) -> View:
    """An account that has this part of its first equity left."""
    guard, _ = DailyLossGuard().observe(START.date(), 100_000.0)
    _, loss = guard.observe(START.date(), 100_000.0 * part)
    session = Session(day=START.date(), opens_at=START, closes_at=START + timedelta(hours=6.5))
    return View(number=1, session=session, account=_ACCOUNT, loss=loss, positions=(), open_orders=())


def _option_quote(cents: int) -> Quote:
    option = Option("SPY", date(2024, 9, 20), Decimal(500), Right.CALL)
    return Quote(contract=option, at=START, bid=(cents - 1) / 100, ask=cents / 100, volume=500.0)


def _check_signal(signal: Signal) -> None:
    assert isinstance(signal, Signal)
    assert signal.reasons, "a signal says why, also when there is nothing to do"
    assert all(np.isfinite(reason.value) for reason in signal.reasons), signal.reasons
    assert signal.is_entry or signal.confidence == 0.0
    assert signal.direction is Direction.NONE or 0.0 <= signal.confidence <= 1.0
