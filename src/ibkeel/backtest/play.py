"""The runner of the live bot, on virtual time, over a market's sessions."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Final

import attrs

from ibkeel.backtest.barloop import settings_of
from ibkeel.backtest.broker import ACCOUNT, VenueBroker
from ibkeel.backtest.figures import Curve, Deal, figures_of, trades_of
from ibkeel.backtest.prices import DatedMarket, MarketSessions, MarketSource
from ibkeel.backtest.report import BacktestReport
from ibkeel.errors import ConfigurationError
from ibkeel.journal import Journal
from ibkeel.model import Execution, Option, Stock, mask_account
from ibkeel.model.checks import whole
from ibkeel.orders import OrderLimits
from ibkeel.runner import Progress, RiskConfig, Runner, RunnerConfig, RunReport, Safety
from ibkeel.sim.market import ReplayMarket
from ibkeel.sim.values import BarSize, ContractPattern, SimContract, SimSession
from ibkeel.sim.venue import Settlement, VenueSettings
from ibkeel.strategy import Strategy
from ibkeel.validators import above_zero
from ibkeel.virtual import run_virtual, virtual_clock

MODE: Final = "BACKTEST"
"""The order mode that the journal of a backtest names."""

RUN: Final = "backtest"
"""The run that it names."""

_EARLY: Final = timedelta(minutes=5)
_LAST_MINUTES: Final = timedelta(minutes=15)
_AHEAD: Final = timedelta(days=400)
_ERRORS_SHOWN: Final = 50

_NOTES: Final = (
    "Orders do not move the market: a fill takes the recorded or seeded bid or ask, and no more than its size.",
    "Between two recorded quotes nothing is seen; a stop in between fills at the next quote.",
    "Answers take no time, and no request fails: the demo and its scenarios rehearse that.",
    "Options are exercised or assigned at their end only, by the last trade of the underlying, without a fee.",
    "No interest, no dividends, no borrowing costs, no exchange or regulatory fees.",
)


@attrs.frozen(kw_only=True)
class BacktestSettings:
    """What is played, and with how much.

    Args:
        cash: Dollars at the start.
        sessions: How many follow each other; a recorded market has one.
        seed: Chooses the ids of orders and fills.
        equity_every: Seconds between two looks at the account.
        venue: How the venue fills and charges.
    """

    cash: float = attrs.field(default=100_000.0, validator=above_zero)
    sessions: int = attrs.field(default=1, validator=whole)
    seed: int = 0
    equity_every: float = attrs.field(default=60.0, validator=above_zero)
    venue: VenueSettings = attrs.field(factory=VenueSettings)


@attrs.frozen(kw_only=True)
class MarketTrial:
    """One backtest through the runner, as a value that can be sent to another process.

    Args:
        strategy: Decides.
        data: Makes the market.
        runner: When to look, at what.
        risk: How much.
        limits: What every entry must keep to; None for the runner's own.
        settings: What is played.
    """

    strategy: Strategy
    data: MarketSource
    runner: RunnerConfig = attrs.field(factory=RunnerConfig)
    risk: RiskConfig = attrs.field(factory=RiskConfig)
    limits: OrderLimits | None = None
    settings: BacktestSettings = BacktestSettings()

    def run(
        self, journal: Journal | None = None, progress: Callable[[Progress], None] | None = None
    ) -> BacktestReport:
        """Play it with a copy of its strategy, where that can be copied; see `backtest`."""
        strategy = self.strategy
        with suppress(Exception):  # whatever cannot be copied cannot be sent to another process either
            strategy = deepcopy(strategy)
        return backtest(
            strategy,
            self.data,
            self.runner,
            risk=self.risk,
            limits=self.limits,
            settings=self.settings,
            journal=journal,
            progress=progress,
        )


def backtest(
    strategy: Strategy,
    data: MarketSource | DatedMarket,
    config: RunnerConfig,
    *,
    risk: RiskConfig | None = None,
    limits: OrderLimits | None = None,
    settings: BacktestSettings | None = None,
    journal: Journal | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> BacktestReport:
    """Run a strategy over a market, with the runner, risk rules and orders of the live bot.

    Equal arguments give equal reports. It blocks, on a loop of its own: call it from outside of
    any loop.

    Args:
        strategy: Decides.
        data: A market, or what makes one.
        config: When to look, at what.
        risk: How much; by default the runner's own.
        limits: What every entry must keep to; by default the runner's own.
        settings: What is played.
        journal: Told of everything, and left open; earlier days in it are remembered. By default one in memory.
        progress: Called after each cycle.

    Raises:
        ConfigurationError: The market lacks the day or a symbol, or is recorded and should play several days; or the
            journal holds the day already.
        UnknownContract: The market does not list a symbol.
    """
    settings, risk = settings or BacktestSettings(), risk or RiskConfig()
    market = data.market(_listed(strategy, config)) if isinstance(data, MarketSource) else data
    if isinstance(market, ReplayMarket) and settings.sessions > 1:  # the next would show its last quotes
        raise ConfigurationError(
            f"sessions is {settings.sessions}; valid: 1, for a recorded day stands alone"
        )
    play = _Play(strategy, market, config, risk, limits, settings)
    begins = play.opens_at() - _EARLY
    with nullcontext(journal) if journal is not None else Journal.in_memory() as book:
        if later := next(book.events(since=begins), None):  # the run would take it for its own past
            raise ConfigurationError(
                f"the backtest begins at {begins}, and its journal holds what was done at {later.record.at}; "
                "give each backtest of a day a journal of its own"
            )
        return run_virtual(play.run(book, progress), start=begins, travel=False)


def _listed(strategy: Strategy, config: RunnerConfig) -> tuple[str, ...]:
    """Everything that will be asked for: what is traded, and what the strategy looks at beside it."""
    return tuple(dict.fromkeys((*config.symbols, *(row.symbol for row in strategy.needs().quotes))))


class _Play:
    def __init__(
        self,
        strategy: Strategy,
        market: DatedMarket,
        config: RunnerConfig,
        risk: RiskConfig,
        limits: OrderLimits | None,
        settings: BacktestSettings,
    ) -> None:
        self._strategy, self._market, self._config = strategy, market, config
        self._risk, self._settings, self._safety = risk, settings, Safety.of(risk, limits=limits)
        self._equity: list[tuple[datetime, float]] = []
        self._deals: list[Deal] = []
        self._sessions = MarketSessions(market)

    def opens_at(self) -> datetime:
        session = self._sessions.session(self._market.session_date)
        if session is None:
            raise ConfigurationError(f"{self._market.session_date} is no trading day; give another")
        return session.opens_at

    async def run(self, journal: Journal, progress: Callable[[Progress], None] | None) -> BacktestReport:
        clock = virtual_clock()
        self._broker = VenueBroker(
            self._market,
            clock=clock,
            cash=self._settings.cash,
            seed=self._settings.seed,
            settings=self._settings.venue,
            traded=self._traded,
            settled=self._ended,
        )
        self._clock = clock
        async with self._broker as broker:
            for symbol in self._config.symbols:
                await broker.qualify(Stock(symbol))
            watching = asyncio.create_task(self._watch_equity())
            runner = Runner(
                broker,
                self._strategy,
                self._config,
                journal,
                risk=self._risk,
                calendar=self._sessions,
                clock=clock,
                progress=progress,
                mode=MODE,
                run=RUN,
                safety=self._safety,
            )
            done = await runner.run(sessions=self._settings.sessions)
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            self._look()
            return self._report(done)

    async def _watch_equity(self) -> None:
        """Look at the account in every session, and at its close."""
        first, end = self._market.session_date, self._market.session_date + _AHEAD
        for session in self._market.sessions(first, end):
            at, step = session.opens_at, timedelta(seconds=self._settings.equity_every)
            while at < session.closes_at + step:
                at = min(at, session.closes_at)
                await asyncio.sleep(max((at - self._clock.now()).total_seconds(), 0.0))
                self._look()
                at += step

    def _look(self) -> None:
        self._equity.append((self._clock.now(), self._broker.valuation.net_liquidation))

    def _traded(self, fill: Execution) -> None:
        contract = fill.contract
        self._deals.append(
            Deal(
                name=str(contract),
                symbol=contract.symbol,
                at=fill.at,
                signed=fill.side.sign * fill.quantity,
                price=fill.price,
                commission=fill.commission or 0.0,
                multiplier=contract.multiplier if isinstance(contract, Option) else 1,
                cause=self._broker.cause_of(fill.order_id),
            )
        )
        self._look()

    def _ended(self, settlement: Settlement) -> None:
        """An option that ended is closed at what it was worth, and its shares taken at the market's price."""
        option, worth = settlement.contract, settlement.intrinsic
        sign = 1.0 if option.right == "C" else -1.0
        name = str(self._broker.name_of(option))
        cause = "assigned" if settlement.is_assignment else "exercised" if worth else "expired"
        common = Deal(
            name, option.symbol, settlement.at, -settlement.quantity, worth, 0.0, option.multiplier, cause
        )
        self._deals.append(common)
        if settlement.shares:
            spot = option.strike + sign * worth
            shares = common._replace(name=option.symbol, signed=settlement.shares, price=spot, multiplier=1)
            self._deals.append(shares)

    def _report(self, done: RunReport) -> BacktestReport:
        equity, trades = Curve.of(self._equity), trades_of(self._deals)
        last = self._clock.now().date()
        sessions = self._market.sessions(self._market.session_date, last)
        return BacktestReport(
            strategy=self._strategy.name,
            settings=dict(
                settings_of(
                    ("strategy", self._strategy),
                    ("runner", self._config),
                    ("risk", self._risk),
                    ("limits", self._safety.limits),
                    ("settings", self._settings),
                )
            ),
            symbols=self._config.symbols,
            first_session=sessions[0].day,
            last_session=sessions[-1].day,
            account=mask_account(ACCOUNT),
            equity=equity,
            prices={symbol: self._prices(symbol) for symbol in self._config.symbols},
            trades=trades,
            figures=figures_of(equity, trades),
            counts=_counts(done, len(sessions)),
            errors=(
                *self._silent(sessions[-1]),
                *(f"{row.kind}: {row.message}" for row in done.errors[:_ERRORS_SHOWN]),
            ),
            held=tuple(f"{row.signed_quantity:g} {row.contract}: {row.reason}" for row in done.held or ()),
            notes=_NOTES,
        )

    def _silent(self, session: SimSession) -> Iterator[str]:
        """Who showed nothing new in the last minutes of a session: their recording broke off."""
        begins = session.closes_at - _LAST_MINUTES
        for symbol in self._config.symbols:
            change = self._market.next_change(self._stock(symbol), begins)
            if change is None or change > session.closes_at:
                yield f"{symbol} shows nothing new from {begins:%H:%M} UTC to the close: what came then took its last prices"

    def _stock(self, symbol: str) -> SimContract:
        (stock,) = self._market.find(ContractPattern(symbol=symbol, sec_type="STK"))
        return stock

    def _prices(self, symbol: str) -> Curve:
        sessions = self._market.sessions(self._market.session_date, self._clock.now().date())
        bars = self._market.bars(
            self._stock(symbol),
            start=sessions[0].opens_at,
            end=self._clock.now(),
            size=BarSize.MIN_1,
            what="TRADES",
            rth=True,
        )
        return Curve.of((bar.at + timedelta(seconds=59), bar.close) for bar in bars)


def _counts(done: RunReport, sessions: int) -> dict[str, int]:
    return {
        "sessions": sessions,
        "cycles": done.cycles,
        "answers": sum(row.answers for row in done.symbols.values()),
        "signals": done.signals,
        "intents": done.intents,
        "orders": done.orders,
        "fills": done.fills,
        "failures": len(done.errors),
    }
