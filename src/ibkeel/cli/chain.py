"""What is listed on an underlying, and the option of a wanted delta: against the simulated Gateway, or a real one."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final

import attrs

from ibkeel.cli.screen import NEW_YORK
from ibkeel.clock import Clock, OffsetClock
from ibkeel.errors import QuoteUnavailable, UnknownContract
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Broker, Index, Option, OptionChain, Stock
from ibkeel.options import (
    Candidate,
    CheckTerms,
    CrossCheck,
    DeltaPick,
    DeltaRule,
    Liquid,
    LiquidityRule,
    Listing,
    Series,
    candidates_of,
    cross_check,
    delta_listing,
    dte,
    expiries_within,
    implied_dividend_yield,
    nearest_strikes,
    pick_by_delta,
    series_of,
    sift,
    told_closes,
    years_to_expiry,
)
from ibkeel.resilience import Backoff
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.system import SystemClock
from ibkeel.virtual import run_virtual, virtual_clock

_HOST: Final = "127.0.0.1"
_PORT: Final = 4002
_DELAYED: Final = 4  # and frozen, out of hours. Source: TWS API, "Market Data Types"
ANY_SPREAD: Final = 2.0  # a bid above 0 keeps the spread below twice the middle


@attrs.frozen(kw_only=True)
class Address:
    """A Gateway that listens."""

    host: str
    port: int
    client_id: int


@attrs.frozen(kw_only=True)
class Rehearsal:
    """The simulated Gateway, on virtual time."""

    seed: int = 7
    day: date | None = None
    at: time = time(11, 0)


@attrs.frozen(kw_only=True)
class ChainOptions:
    """What to look at: the options of `ibkeel chain`."""

    symbol: str
    rule: DeltaRule
    has_target: bool = False
    strikes: int = 0
    trading_class: str | None = None
    is_index: bool = False
    where: Address | Rehearsal


@attrs.frozen(kw_only=True)
class ChainReport:
    """What was found.

    Args:
        options: What was looked at.
        at: Gateway time, aware.
        spot: Price of the underlying; None when nothing was quoted.
        close: Its last close, which strikes are quoted around where there is no price.
        series: Listed series in the range of days, ascending.
        listed: Every expiry of the chain.
        pick: What the search for a delta gave; None when no delta was wanted.
        window: Options quoted around the price, ascending by strike.
        check: The broker's greeks of the option chosen beside our own; None when it sent none.
    """

    options: ChainOptions
    at: datetime
    spot: float | None = None
    close: float | None = None
    series: tuple[Series, ...] = ()
    listed: tuple[date, ...] = ()
    pick: DeltaPick | None = None
    window: tuple[Candidate, ...] = ()
    check: CrossCheck | None = None

    @property
    def today(self) -> date:
        """Trading date, in the exchange's calendar."""
        return _day(self.at)

    @property
    def is_empty(self) -> bool:
        """Whether nothing fits what was asked for."""
        if self.pick is not None:
            return self.pick.chosen is None
        if self.options.strikes:
            return not any(candidate.is_kept for candidate in self.window)
        return not self.series

    def as_data(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        rule, pick = self.options.rule, self.pick
        chosen = None if pick is None else pick.chosen
        candidates = self.window if pick is None else pick.candidates
        return {
            "symbol": self.options.symbol,
            "at": self.at.isoformat(timespec="seconds"),
            "spot": self.spot,
            "dte": [rule.min_dte, rule.max_dte],
            "right": rule.right.value,
            "target_delta": rule.delta if self.options.has_target else None,
            "chosen": None if chosen is None else _candidate_data(chosen, self.today),
            "greeks_check": None if self.check is None else [one.detail for one in self.check.disagreements],
            "is_proven": None if pick is None else pick.is_proven,
            "forward": None if pick is None else pick.forward,
            "quotes": len(self.window) if pick is None else pick.quoted,
            "waves": int(bool(self.window)) if pick is None else pick.waves,
            "candidates": [_candidate_data(candidate, self.today) for candidate in candidates],
            "series": [_series_data(series, self.today) for series in self.series],
        }


def _candidate_data(candidate: Candidate, today: date) -> dict[str, Any]:
    option, quote = candidate.option, candidate.quote
    return {
        "trading_class": option.trading_class,
        "expiry": option.expiry.isoformat(),
        "dte": dte(option.expiry, today),
        "strike": float(option.strike),
        "right": option.right.value,
        "bid": quote and quote.bid,
        "ask": quote and quote.ask,
        "iv": candidate.iv,
        "delta": candidate.delta,
        "volume": quote and quote.volume,
        "open_interest": quote and quote.open_interest,
        "rejections": [rejection.detail for rejection in candidate.rejections],
    }


def _series_data(series: Series, today: date) -> dict[str, Any]:
    return {
        "trading_class": series.trading_class,
        "expiry": series.expiry.isoformat(),
        "dte": dte(series.expiry, today),
        "kind": series.kind.value,
        "settlement": series.settlement.value,
        "exercise": series.exercise.value,
        "last_trading_day": series.last_trading_day.isoformat(),
        "is_adjusted": series.is_adjusted,
    }


def look(options: ChainOptions) -> ChainReport:
    """Ask a Gateway."""
    if isinstance(options.where, Address):
        return asyncio.run(_real(options, options.where))
    rehearsal = options.where
    market = SeededMarket(rehearsal.seed, rehearsal.day)
    start = datetime.combine(market.session_date, rehearsal.at, NEW_YORK)
    return run_virtual(_simulated(options, market, rehearsal.seed), start=start)


async def _real(options: ChainOptions, address: Address) -> ChainReport:
    machine = SystemClock()
    clock = OffsetClock(machine, machine.now())
    once = Backoff(attempts=1)  # whoever typed the command can type it again
    config = IBKRConfig(
        host=address.host, port=address.port, client_id=address.client_id, connect_backoff=once
    )
    async with IBKRBroker(config, clock=clock) as broker:
        clock.show(await broker.server_time())
        if not options.rule.live_only:
            broker.ib.reqMarketDataType(_DELAYED)  # where there are live prices they come all the same
        return await _looked(options, broker, clock)


async def _simulated(options: ChainOptions, market: SeededMarket, seed: int) -> ChainReport:
    clock = virtual_clock()
    gateway = SimulatedGateway(market=market, seed=seed, clock=clock)
    broker = IBKRBroker(IBKRConfig(host=_HOST, port=_PORT), clock=clock, jitter=lambda: 0.0)
    async with gateway.listening(_HOST, _PORT), broker:
        return await _looked(options, broker, clock)


async def _looked(options: ChainOptions, broker: Broker, clock: Clock) -> ChainReport:
    underlying = await _underlying(broker, options)
    if not (options.has_target or options.strikes):
        chain = await broker.option_chain(underlying)
        closes = await told_closes(broker, chain, rule=options.rule, today=_day(clock.now()))
        return _listed(options, chain, closes, clock.now())
    async with asyncio.TaskGroup() as group:
        definitions = group.create_task(broker.option_chain(underlying))
        price = group.create_task(broker.quote(underlying))
    chain, quote = definitions.result(), price.result()
    spot = quote.mid or quote.last or quote.bid or quote.ask
    closes = await told_closes(broker, chain, rule=options.rule, today=_day(clock.now()))
    report = attrs.evolve(_listed(options, chain, closes, clock.now()), spot=spot, close=quote.close)
    if not options.has_target:
        return attrs.evolve(report, window=await _window(report, chain, closes, broker))
    pick = await pick_by_delta(
        broker,
        underlying,
        options.rule,
        clock=clock,
        chain=chain,
        spot=spot,
        trading_class=options.trading_class,
        closes=closes,
    )
    check = checked(pick, chain, closes, spot=spot or pick.forward, rate=options.rule.rate)
    return attrs.evolve(report, pick=pick, check=check)


async def _underlying(broker: Broker, options: ChainOptions) -> Stock | Index:
    stock, index = Stock(options.symbol), Index(options.symbol)
    if options.is_index:
        return index
    try:
        await broker.qualify(stock)
    except UnknownContract as no_stock:
        try:
            await broker.qualify(index)
        except UnknownContract:
            raise no_stock from None
        return index
    return stock


def _day(now: datetime) -> date:
    return now.astimezone(NEW_YORK).date()


def _listed(
    options: ChainOptions, chain: OptionChain, closes: Mapping[date, datetime], now: datetime
) -> ChainReport:
    today, rule, name = _day(now), options.rule, options.trading_class
    rows = [row for row in chain.classes if row.exchange == "SMART"] or chain.classes
    rows = rows if name is None else [chain.of_class(name)]
    found = [
        series_of(chain.underlying, row, expiry, today=today, closes=closes)
        for row in rows
        for expiry in expiries_within(row.expiries, today=today, min_dte=rule.min_dte, max_dte=rule.max_dte)
    ]
    alive = [series for series in found if series.trades_until > now]
    fitting = [series for series in alive if not rule.kinds or series.kind in rule.kinds]
    fitting.sort(key=lambda series: (series.expiry, series.trading_class))
    return ChainReport(options=options, at=now, series=tuple(fitting), listed=chain.expiries)


async def _window(
    report: ChainReport, chain: OptionChain, closes: Mapping[date, datetime], broker: Broker
) -> tuple[Candidate, ...]:
    options, rule, spot = report.options, report.options.rule, report.spot or report.close
    if spot is None:
        raise QuoteUnavailable(
            f"{options.symbol} has neither a price now nor a last close, so that nothing tells which strikes are around "
            "it; ask in its trading hours, or find an option by --delta, which needs neither"
        )
    listing = delta_listing(
        chain,
        today=report.today,
        rule=rule,
        trading_class=options.trading_class,
        now=report.at,
        closes=closes,
    )
    if listing is None:
        return ()
    wanted = _nearest(chain, listing, options, spot)
    answers = await broker.quotes(wanted)
    asked = rule.liquidity or LiquidityRule(min_volume=0, max_relative_spread=ANY_SPREAD)
    judge = Liquid(attrs.evolve(asked, live_only=rule.live_only))
    return tuple(_marked(one) for one in sift(candidates_of(wanted, answers, spot=spot), [judge]))


def _nearest(chain: OptionChain, listing: Listing, options: ChainOptions, spot: float) -> list[Option]:
    strikes = sorted(nearest_strikes(listing.row.strikes, spot, options.strikes))
    return [chain.option(listing.row, listing.expiry, strike, options.rule.right) for strike in strikes]


def _marked(candidate: Candidate) -> Candidate:
    """With the broker's own volatility and delta, where it sent them."""
    greeks = None if candidate.quote is None else candidate.quote.greeks
    return candidate if greeks is None else attrs.evolve(candidate, iv=greeks.iv, delta=greeks.delta)


def checked(
    pick: DeltaPick,
    chain: OptionChain,
    closes: Mapping[date, datetime],
    *,
    spot: float,
    rate: float,
) -> CrossCheck | None:
    """Compare the greeks of the option chosen, at the forward and the instant of its quote.

    Returns:
        None when nothing was chosen, the broker sent no greeks, or the option is settled by then.
    """
    chosen = pick.chosen
    quote = None if chosen is None else chosen.quote
    if chosen is None or quote is None or quote.greeks is None:
        return None
    option = chosen.option
    row = next(row for row in chain.classes if row.trading_class == option.trading_class)
    series = series_of(chain.underlying, row, option.expiry, today=option.expiry, closes=closes)
    if series.expires_at <= quote.at:
        return None
    years = years_to_expiry(series.expires_at, now=quote.at)
    carry = implied_dividend_yield(forward=pick.forward, spot=spot, years=years, rate=rate)
    terms = CheckTerms(spot=spot, years=years, rate=rate, dividend_yield=carry, exercise=series.exercise)
    return cross_check(quote, terms)
