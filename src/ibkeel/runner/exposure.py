"""The sensitivities of what a run holds: read between two cycles, and asked before an entry."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError, InvalidInput
from ibkeel.model import Contract, Greeks, Option, OrderReport, Position, Quote, Stock
from ibkeel.model.checks import NEW_YORK
from ibkeel.options import implied_greeks, years_to_expiry
from ibkeel.options.series import end_of
from ibkeel.orders import is_same_contract
from ibkeel.risk import FLAT, Exposure, ExposureLimits, RefusalKind, check_exposure
from ibkeel.runner.entry import View
from ibkeel.runner.feed import Feed
from ibkeel.runner.schedule import Session
from ibkeel.runner.tally import Failures

_SHARE: Final = Greeks(delta=1.0, gamma=0.0, theta=0.0, vega=0.0)
_FIGURES: Final = ("delta", "gamma", "theta", "vega")
_MOST: Final = 12
"""Contracts that are asked for between two cycles."""
_AT_ONCE: Final = 4  # so that an exit finds market data lines free
_GOOD_FOR: Final = 3  # cycles: a portfolio of three dozen contracts is read in as many


@attrs.frozen(kw_only=True)
class _Reading:
    at: datetime
    cycle: int
    greeks: Greeks


class PortfolioGreeks:
    """Remembers the sensitivities of contracts, and adds them up over a portfolio.

    They are asked for after a cycle's last symbol, in the time that is left before the next one, and
    never more than a few at once: neither an entry nor an exit waits for them. A contract is asked for again after
    `every` seconds. Nothing is asked where that is None, nor where nobody is told and there is no limit.
    """

    def __init__(
        self,
        feed: Feed,
        failures: Failures,
        clock: Clock,
        *,
        limits: ExposureLimits,
        every: float | None,
        is_told: bool,
    ) -> None:
        self._feed, self._failures, self._clock = feed, failures, clock
        self._limits, self._every, self._is_told = limits, every, is_told
        self._cycle = 0
        self._readings: dict[Contract, _Reading] = {}
        self._entered: list[tuple[Option, float]] = []
        self._session: Session | None = None

    def use(self, limits: ExposureLimits) -> None:
        """Let the portfolio lean so far from now on."""
        self._limits = limits

    @property
    def _is_wanted(self) -> bool:
        return self._every is not None and (self._is_told or self._limits.is_set)

    def begin_session(self, session: Session) -> None:
        """Forget the figures of another session."""
        self._readings.clear()
        self._session = session

    def begin_cycle(self) -> None:
        """What was entered in the cycle before is among the orders or positions by now."""
        self._cycle += 1
        self._entered.clear()

    def entered(self, option: Option, quantity: float) -> None:
        """An entry leaves in the cycle that runs."""
        self._entered.append((option, quantity))

    def learn(self, quote: Quote, spot: float | None = None) -> None:
        """Remember what an option's quote tells of its sensitivities; where it has none, those at `spot` are our own."""
        if not (self._is_wanted and isinstance(quote.contract, Option)):
            return
        now = self._clock.now()
        greeks = self._best(quote, spot, now)
        if greeks is not None:
            self._readings[quote.contract] = _Reading(at=now, cycle=self._cycle, greeks=greeks)

    def _best(self, quote: Quote, spot: float | None, now: datetime) -> Greeks | None:
        """The broker's figures when they are whole, else our own, else what there is."""
        sent = quote.greeks
        if _is_whole(sent):
            return sent
        spot = spot if sent is None or sent.underlying_price is None else sent.underlying_price
        own = None if spot is None else own_greeks(quote, spot=spot, now=now, session=self._session)
        return own or sent

    def of(self, positions: Iterable[Position] | None, currency: str | None = None) -> Exposure:
        """Sensitivities of positions; a figure is None unless it is known of every one of them.

        Money in another currency than the account's is not added to it.
        """
        if positions is None:
            return Exposure()
        return sum((self._part(row.contract, row.signed_quantity, currency) for row in positions), start=FLAT)

    def refusals(self, view: View, quote: Quote, quantity: float) -> tuple[str, ...]:
        """Every limit that buying so many of an option would take the portfolio beyond."""
        if not self._limits.is_set:
            return ()
        currency = view.account.currency if view.account else None
        pending = (*_openings(view.positions or (), view.open_orders or ()), *self._entered)
        on_their_way = [(contract, self._part(contract, shares, currency)) for contract, shares in pending]
        added = self._part(quote.contract, quantity, currency)
        found = check_exposure(
            self.of(view.positions, currency), added, self._limits, pending=[part for _, part in on_their_way]
        )
        held = [
            (row.contract, self._part(row.contract, row.signed_quantity, currency))
            for row in view.positions or ()
        ]
        parts = (*held, *on_their_way, (quote.contract, added))
        figures = [figure for figure, _ in self._limits.set_limits()]
        whose = ", ".join(str(of) for of, part in parts if None in (getattr(part, each) for each in figures))
        return tuple(
            f"{refusal.detail}; not known of {whose}"
            if whose and refusal.kind is RefusalKind.EXPOSURE_UNKNOWN
            else refusal.detail
            for refusal in found
        )

    async def refresh(self, view: View, *, within: float) -> bool:
        """Ask for what is due, the oldest first; whether anything was asked.

        What has not come within so many seconds is asked for after the next cycle.
        """
        wanted = self._due(view) if self._is_wanted and within > 0 else []
        if not wanted:
            return False
        limit = asyncio.timeout(within)
        try:
            async with limit:
                await self._read(wanted)
        except (IbkeelError, TimeoutError) as error:  # nothing that is only for information ends a run
            if not limit.expired():
                self._failures.note("", error, "greeks")
                for option in wanted:
                    self._readings.pop(option, None)
        return True

    def _due(self, view: View) -> list[Option]:
        if view.positions is None or view.open_orders is None:
            return []  # nobody knows what may be forgotten
        openings = _openings(view.positions, view.open_orders)
        held = dict.fromkeys(
            contract
            for contract in (*(row.contract for row in view.positions), *(row[0] for row in openings))
            if isinstance(contract, Option)
        )
        self._forget_all_but(held)
        now = self._clock.now()
        ages = {option: self._age(option, now) for option in held}
        due = [option for option in held if ages[option] >= (self._every or 0.0)]
        return sorted(due, key=lambda option: -ages[option])[:_MOST]

    def _forget_all_but(self, held: Iterable[Contract]) -> None:
        kept = (*held, *(option for option, _ in self._entered))
        self._readings = {key: self._readings[key] for key in kept if key in self._readings}

    def _age(self, contract: Contract, now: datetime) -> float:
        reading = self._readings.get(contract)
        return abs((now - reading.at).total_seconds()) if reading else float("inf")

    async def _read(self, wanted: Sequence[Option]) -> None:
        left, bare = _MOST - len(wanted), list[Quote]()
        for first in range(0, len(wanted), _AT_ONCE):
            bare += await self._read_some(wanted[first : first + _AT_ONCE])
        by_stock: dict[Stock, list[Quote]] = {}
        for quote in bare:
            # A ticker may stand for another stock, or the same at another price, in another currency.
            stock = Stock(quote.contract.symbol, currency=quote.contract.currency)
            by_stock.setdefault(stock, []).append(quote)
        for stock in tuple(by_stock)[:left]:
            spot = await self._spot(stock)
            for quote in by_stock[stock]:
                self.learn(quote, spot)

    async def _read_some(self, options: Sequence[Option]) -> list[Quote]:
        """Ask for some; those to whose greeks the price of the underlying is missing are given back."""
        by_symbol: dict[str, list[Option]] = {}
        for option in options:
            by_symbol.setdefault(option.symbol, []).append(option)
        bare = []
        for symbol, group in by_symbol.items():
            answers = await self._feed.quotes(symbol, group)
            for option in group:
                answer = answers.get(option)
                self._readings.pop(option, None)  # what could not be read now is not known now
                if isinstance(answer, Quote):
                    self.learn(answer)
                    if not _is_whole(answer.greeks):
                        bare.append(answer)
        return bare

    async def _spot(self, stock: Stock) -> float | None:
        quote = (await self._feed.quotes(stock.symbol, (stock,))).get(stock)
        return (quote.mid or quote.last) if isinstance(quote, Quote) else None

    def _part(self, contract: Contract, quantity: float, currency: str | None) -> Exposure:
        if quantity == 0:
            return FLAT
        if isinstance(contract, Stock):
            return Exposure.of(_SHARE, quantity)
        reading = self._readings.get(contract)
        if not isinstance(contract, Option) or reading is None or self._cycle - reading.cycle > _GOOD_FOR:
            return Exposure()
        found = Exposure.of(reading.greeks, quantity * contract.multiplier)
        is_other_money = currency is not None and contract.currency != currency
        return attrs.evolve(found, theta=None, vega=None) if is_other_money else found


def _openings(positions: Iterable[Position], orders: Iterable[OrderReport]) -> list[tuple[Contract, float]]:
    """What working orders may add: what closes a position, and children of a bracket, add nothing."""
    held, openings = tuple(positions), []
    for order in orders:
        if order.state.is_final or order.parent_id is not None:
            continue
        closes = (
            abs(row.signed_quantity)
            for row in held
            if order.side.sign * row.signed_quantity < 0 and is_same_contract(order.contract, row.contract)
        )
        left = order.quantity - order.filled - sum(closes)
        if left > 0:
            openings.append((order.contract, order.side.sign * left))
    return openings


def _is_whole(greeks: Greeks | None) -> bool:
    return greeks is not None and all(getattr(greeks, figure) is not None for figure in _FIGURES)


def own_greeks(quote: Quote, *, spot: float, now: datetime, session: Session | None = None) -> Greeks | None:
    """Sensitivities at the volatility of a quote's middle, without interest and dividends.

    Without these two, early exercise is worth nothing, so that an American option is a European one.

    Args:
        quote: Of an option.
        spot: Price of the underlying, per share.
        now: Aware.
        session: Tells when its day closes; another closes at 16:00.

    Returns:
        None when the quote is one-sided, its middle has no volatility, or the option has expired.
    """
    option, mid = quote.contract, quote.mid
    if not isinstance(option, Option) or mid is None:
        return None
    ends = end_of(option).replace(tzinfo=NEW_YORK)
    if session is not None and session.day == ends.date():
        ends = min(ends, session.closes_at)
    try:
        years = years_to_expiry(ends, now=now)
    except InvalidInput:
        return None
    found = implied_greeks(
        mid, spot=spot, strike=float(option.strike), years=years, right=option.right
    ).greeks
    if found.reasons.any():
        return None
    return Greeks(**{figure: float(getattr(found, figure)) for figure in _FIGURES}, underlying_price=spot)
