"""What is laid over any market: trading halts, and splits of stocks with what becomes of their options."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.sim.market.draws import digest
from ibkeel.sim.market.listing import fits, listing_order, local_symbol
from ibkeel.sim.split import ADJUSTED, Split
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
_IDS: Final = (1 << 31) - 2
_SLACK: Final = 1e-9
_PRICES: Final = ("bid", "ask", "last", "open", "high", "low", "close")
_COUNTS: Final = ("bid_size", "ask_size", "last_size", "volume")


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


class Overlay(Market):
    """A market that lists what the one under it lists."""

    def __init__(self, market: Market) -> None:
        self._market = market

    @override
    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        return self._market.find(pattern)

    @override
    def by_con_id(self, con_id: int) -> SimContract | None:
        return self._market.by_con_id(con_id)

    @override
    def underlyings(self) -> Sequence[SimContract]:
        return self._market.underlyings()

    @override
    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        return self._market.option_classes(under_con_id)

    @override
    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        return self._market.sessions(start, end)

    @override
    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        return self._market.greeks(contract, at)

    @override
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
        return self._market.bars(contract, start=start, end=end, size=size, what=what, rth=rth)


class HaltedMarket(Overlay):
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
        super().__init__(market)
        self._halts = tuple(halts)

    @override
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

    @override
    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        halt = self._halt(contract, after)
        if halt is not None:
            return halt.ends_at
        starts = [
            halt.starts_at
            for halt in self._halts
            if halt.symbol == contract.symbol and halt.starts_at > after
        ]
        return min(filter(None, [*starts, self._market.next_change(contract, after)]), default=None)

    @override
    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """Model greeks; None in a halt."""
        return None if self._halt(contract, at) else self._market.greeks(contract, at)

    def _halt(self, contract: SimContract, at: datetime) -> Halt | None:
        halts = (halt for halt in self._halts if halt.symbol == contract.symbol)
        return next((halt for halt in halts if halt.starts_at <= at < halt.ends_at), None)


class SplitMarket(Overlay):
    """A market in which stocks are split.

    From the instant of a split on, a stock shows its prices divided by the ratio, and its options no longer
    trade: in the place of each there is an adjusted one of a class of its own (`SPY1` for `SPY`), with the strike
    divided. After a split of two, three or so for one it delivers as many shares as before, and who held one
    contract holds two or three; after any other, such as three for two, it delivers 100 times the ratio. A
    `Venue` with the same splits books that. Definitions know no time, so both kinds are found always; where
    they share a strike, the class tells them apart. Bars are adjusted, all of them, when they are asked for up
    to an instant after the split.

    Source:
        OCC, "Characteristics and Risks of Standardized Options", adjustments for splits. That a class of its own
        and new contract ids come with every split, that strikes are divided after an uneven one too, and how a
        Gateway tells of it, is unverified.

    Args:
        market: The market under it.
        splits: At most one for each stock.

    Raises:
        InvalidInput: A split names no stock of the market, or one twice, or leaves options without a whole
            number of shares.
    """

    def __init__(self, market: Market, splits: Sequence[Split]) -> None:
        super().__init__(market)
        self._splits: Mapping[int, Split] = {each.con_id: each for each in splits}
        for con_id, split in self._splits.items():
            contract = market.by_con_id(con_id)
            if contract is None or contract.sec_type != "STK":
                raise InvalidInput(f"a split of contract {con_id}, which is no stock of the market")
            _ = split.deliverable
        if len(self._splits) < len(splits):
            raise InvalidInput("one split for each stock at most")

    @override
    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        """Every contract that fits, adjusted ones included."""
        found = self._market.find(pattern)
        adjusted = self._by_number.values() if pattern.symbol else ()
        more = [each for each in adjusted if fits(each, pattern)]
        return sorted((*found, *more), key=listing_order) if more else found

    @override
    def by_con_id(self, con_id: int) -> SimContract | None:
        return self._market.by_con_id(con_id) or self._by_number.get(con_id)

    @override
    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """Option-chain definitions, with those of adjusted options."""
        rows, split = self._market.option_classes(under_con_id), self._splits.get(under_con_id)
        if split is None:
            return rows
        return (*rows, *(_adjusted_class(row, split) for row in rows))

    @override
    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed shows; an option that does not trade yet shows nothing, and one that no longer does no sides."""
        split, original = self._split_of(contract), self._original.get(contract.con_id)
        if split is None:
            return self._market.quote(contract, at)
        if original is not None:
            return MarketQuote(at=at) if at < split.at else self._divided(original, split, at)
        if at < split.at:
            return self._market.quote(contract, at)
        if contract.sec_type == "STK":
            return self._divided(contract, split, at)
        left = self._market.quote(contract, split.at)
        return left._replace(at=at, bid=None, ask=None, bid_size=None, ask_size=None)

    @override
    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        split = self._split_of(contract)
        change = self._market.next_change(self._original.get(contract.con_id, contract), after)
        ahead = split.at if split is not None and split.at > after else None
        return min(filter(None, (ahead, change)), default=None)

    @override
    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """Model greeks, of an adjusted option from the split on and of its original until then."""
        split, original = self._split_of(contract), self._original.get(contract.con_id)
        if split is None:
            return self._market.greeks(contract, at)
        if (at < split.at) is (original is not None):
            return None
        greeks = self._market.greeks(original or contract, at)
        if greeks is None or original is None:
            return greeks
        divided = {
            name: getattr(greeks, name) / split.ratio
            for name in ("vega", "theta", "price", "underlying_price")
        }
        return attrs.evolve(greeks, gamma=greeks.gamma * split.ratio, **divided)

    @override
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
        """Bars with start <= at < end; those of an adjusted option are of its whole past."""
        split, original = self._split_of(contract), self._original.get(contract.con_id)
        found = self._market.bars(original or contract, start=start, end=end, size=size, what=what, rth=rth)
        is_left = original is None and contract.sec_type == "OPT"
        if split is None or end <= split.at or is_left:
            return found
        return tuple(_divided_bar(bar, split, contract) for bar in found)

    def _split_of(self, contract: SimContract) -> Split | None:
        return self._splits.get(contract.under_con_id or contract.con_id)

    def _divided(self, original: SimContract, split: Split, at: datetime) -> MarketQuote:
        quote = self._market.quote(original, at)
        tick = original.min_tick
        shown: dict[str, Any] = {}
        for name in _PRICES:
            price = getattr(quote, name)
            rounded = _ROUNDED.get(name, round)
            shown[name] = None if price is None else _on_tick(price / split.ratio, tick, rounded)
        factor = split.ratio if original.sec_type == "STK" else split.contracts
        for name in _COUNTS:
            count = getattr(quote, name)
            shown[name] = None if count is None else int(count * factor)
        return quote._replace(**shown)

    @cached_property
    def _original(self) -> Mapping[int, SimContract]:
        """What each adjusted option was before, by its own number."""
        made: dict[int, SimContract] = {}
        for con_id in self._splits:
            stock = self._market.by_con_id(con_id)
            assert stock is not None, "looked up when the market was made"
            for option in self._market.find(ContractPattern(symbol=stock.symbol, sec_type="OPT")):
                number = 1 + digest(ADJUSTED, option.con_id) % _IDS
                while number in made or self._market.by_con_id(number) is not None:
                    number = 1 + number % _IDS
                made[number] = option
        return made

    @cached_property
    def _by_number(self) -> Mapping[int, SimContract]:
        return {
            number: _adjusted_option(option, self._splits[option.under_con_id], number)
            for number, option in self._original.items()
        }


def _adjusted_option(option: SimContract, split: Split, number: int) -> SimContract:
    adjusted, expiry = split.adjusted(option), option.expiry
    assert expiry is not None, "every option has an expiry"
    symbol = local_symbol(adjusted.trading_class, expiry, option.right, adjusted.strike)
    return attrs.evolve(adjusted, con_id=number, local_symbol=symbol)


def _adjusted_class(row: OptionClass, split: Split) -> OptionClass:
    return attrs.evolve(
        row,
        trading_class=row.trading_class + ADJUSTED,
        multiplier=split.deliverable,
        strikes=tuple(split.strike(strike) for strike in row.strikes),
    )


def _down(price: float) -> float:
    return math.floor(price + _SLACK)


def _up(price: float) -> float:
    return math.ceil(price - _SLACK)


_ROUNDED: Final[Mapping[str, Callable[[float], float]]] = {"bid": _down, "ask": _up}


def _on_tick(price: float, tick: float, rounded: Callable[[float], float]) -> float:
    return round(rounded(price / tick) * tick, 6)


def _divided_bar(bar: SimBar, split: Split, contract: SimContract) -> SimBar:
    on_tick = partial(_on_tick, tick=contract.min_tick, rounded=round)
    prices: dict[str, Any] = {
        name: on_tick(getattr(bar, name) / split.ratio) for name in ("open", "high", "low", "close")
    }
    if bar.volume < 0:
        return attrs.evolve(bar, **prices)
    average = min(max(bar.wap / split.ratio, prices["low"]), prices["high"])
    factor = split.ratio if contract.sec_type == "STK" else split.contracts
    return attrs.evolve(bar, volume=int(bar.volume * factor), wap=round(average, 6), **prices)
