"""Trading halts, laid over any market."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.sim.values import (
    BarSize,
    ContractPattern,
    Market,
    MarketQuote,
    ModelGreeks,
    OptionClass,
    SimBar,
    SimContract,
    SimSession,
)

# Source: TWS API, "Available Tick Types", tick 49.
_GENERAL: Final = 1
_VOLATILITY: Final = 2


@attrs.frozen(kw_only=True)
class Halt:
    """A span in which nobody trades a symbol, nor its options: starts_at <= t < ends_at.

    Args:
        symbol: Of the stock.
        starts_at: The first instant.
        ends_at: When trading goes on.
        is_volatility: Whether the price's own movement set it off (a limit up, limit down pause), which
            clients are told as 2 instead of 1.
    """

    symbol: str
    starts_at: datetime
    is_volatility: bool = False
    ends_at: datetime = attrs.field()

    @ends_at.validator
    def _after_start(self, _: object, ends_at: datetime) -> None:
        if ends_at <= self.starts_at:
            raise InvalidInput(f"a halt ends after it starts; not {self.starts_at} to {ends_at}")


class HaltedMarket:
    """A market in which some symbols are halted at times.

    During a halt a contract shows no bid and no ask, and its last trade stands still, so that no order
    fills; afterwards it goes on where the market under it is. Bars of the past are those of the market
    under it: unverified, a real one has none for the span. Clients that stream the contract, or one of
    its options, get tick 49 when a halt begins and when it ends.

    Args:
        market: The market under it.
        halts: Spans, in any order.
    """

    def __init__(self, market: Market, halts: Sequence[Halt]) -> None:
        self._market, self._halts = market, tuple(halts)

    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        """Every contract that fits."""
        return self._market.find(pattern)

    def by_con_id(self, con_id: int) -> SimContract | None:
        """The contract of that id."""
        return self._market.by_con_id(con_id)

    def underlyings(self) -> Sequence[SimContract]:
        """Every stock and index that is listed."""
        return self._market.underlyings()

    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """Option-chain definitions."""
        return self._market.option_classes(under_con_id)

    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        """Regular sessions with start <= day <= end."""
        return self._market.sessions(start, end)

    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed shows; no sides in a halt."""
        halt = self._halt(contract, at)
        if halt is None:
            return self._market.quote(contract, at)
        stood = self._market.quote(contract, halt.starts_at)
        return stood._replace(
            at=at,
            bid=None,
            ask=None,
            bid_size=None,
            ask_size=None,
            halted=_VOLATILITY if halt.is_volatility else _GENERAL,
        )

    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        """First instant after `after` at which the quote may differ."""
        halt = self._halt(contract, after)
        if halt is not None:
            return halt.ends_at
        starts = [
            halt.starts_at
            for halt in self._halts
            if halt.symbol == contract.symbol and halt.starts_at > after
        ]
        change = self._market.next_change(contract, after)
        return min([*starts, *(() if change is None else (change,))], default=None)

    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """Model greeks; None in a halt."""
        return None if self._halt(contract, at) else self._market.greeks(contract, at)

    def bars(
        self,
        contract: SimContract,
        *,
        start: datetime,
        end: datetime,
        size: BarSize,
        what: str,
        rth: bool,
    ) -> Sequence[SimBar]:
        """Bars of the market under it."""
        return self._market.bars(contract, start=start, end=end, size=size, what=what, rth=rth)

    def _halt(self, contract: SimContract, at: datetime) -> Halt | None:
        halts = (halt for halt in self._halts if halt.symbol == contract.symbol)
        return next((halt for halt in halts if halt.starts_at <= at < halt.ends_at), None)
