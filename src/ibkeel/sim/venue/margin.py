"""What an account is worth, and how much of it is tied up: by covered options what they can cost at worst.

Source:
    The rule that a covered spread is charged its greatest loss follows Regulation T; how a Gateway
    pairs legs, and stock with short calls, is unverified, and stock is not counted as cover here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import lru_cache
from heapq import heappop, heappush
from operator import itemgetter
from typing import NamedTuple

import attrs

from ibkeel.sim.settings import VenueSettings
from ibkeel.sim.values import Market, MarketQuote, SimContract, SimOrder, SimPosition
from ibkeel.sim.venue.matching import LIMIT_TYPES, usable_price
from ibkeel.sim.venue.settlement import Account, Holding

Mark = Callable[[Holding], float]
"""The price per share at which a holding is valued."""


class PortfolioRow(NamedTuple):
    """One line of the portfolio; dollars, but for the price per share."""

    position: SimPosition
    market_price: float
    market_value: float
    unrealized: float
    realized: float


@attrs.frozen(kw_only=True)
class Valuation:
    """An account in dollars, at the prices of an instant.

    Attributes:
        cash: Settled or not; premium received for short options included.
        stocks: Signed value of stock holdings.
        options: Signed value of option holdings.
        gross: Absolute values of all holdings, added up.
        initial: Initial margin requirement.
        maintenance: Maintenance margin requirement.
        unrealized: Of open holdings.
        realized: Since the start.
    """

    cash: float
    stocks: float
    options: float
    gross: float
    initial: float
    maintenance: float
    unrealized: float
    realized: float

    @property
    def net_liquidation(self) -> float:
        """Cash and everything held."""
        return self.cash + self.stocks + self.options

    @property
    def equity_with_loan(self) -> float:
        """What margin may be held against: no value is lent on options."""
        return self.cash + self.stocks

    @property
    def available_funds(self) -> float:
        """What is left for new positions; negative after a loss beyond the margin."""
        return self.equity_with_loan - self.initial

    @property
    def excess_liquidity(self) -> float:
        """What is left before positions would be closed."""
        return self.equity_with_loan - self.maintenance


@attrs.frozen(kw_only=True)
class MarginPreview:
    """The account before and after an order that is not sent.

    Attributes:
        before: As it stands.
        after: As if the order had filled whole at its reference price.
        commission: Dollars; None when the feed shows no price to reckon with.
    """

    before: Valuation
    after: Valuation
    commission: float | None


def market_price(market: Market, holding: Holding, at: datetime) -> float:
    """Price per share at which a holding is valued.

    Mid of a two-sided quote; else the last trade, the previous close or its own cost, but not beyond the one side.
    """
    quote = market.quote(holding.contract, at)
    bid, ask = usable_price(quote.bid), usable_price(quote.ask)
    if bid is not None and ask is not None:
        return (bid + ask) / 2
    cost = holding.average_cost / holding.contract.multiplier
    price = usable_price(quote.last) or usable_price(quote.close) or cost
    return min(price, ask) if ask is not None else max(price, bid or price)


Claim = tuple[tuple[int, str, float], float, Holding | None]
"""Where a short option comes among the others, what the covered ones of its expiry cost at worst, what is naked of it."""

Parts = dict[str, tuple[list[Holding], Mapping[int, Claim]]]
"""By underlying, the options that were looked at last, and the claims of the short ones by contract."""


def cover_of(account: Account, parts: Parts) -> tuple[float, list[Holding]]:
    """What covered options can cost at worst, and the naked; `parts` spares the underlyings that are as they were."""
    options: defaultdict[str, list[Holding]] = defaultdict(list)
    for each in account.holdings.values():
        if each.contract.sec_type == "OPT":
            options[each.contract.symbol].append(each)
    claims: dict[int, Claim] = {}
    for symbol, held in options.items():
        if symbol not in parts or parts[symbol][0] != held:
            parts[symbol] = held, _claims(held)
        claims |= parts[symbol][1]
    # Sums of floats hang on their order, which is that of all underlyings together.
    rows = sorted((claims[each] for each in account.holdings if each in claims), key=itemgetter(0))
    return sum(worst for _, worst, _ in rows), [naked for _, _, naked in rows if naked is not None]


def _option_margin(account: Account, mark: Mark, fraction: float, parts: Parts) -> float:
    """Zero for a long option, which is paid in full."""
    worst, naked = cover_of(account, parts)
    return worst + sum(
        -each.quantity * each.contract.multiplier * (mark(each) + fraction * each.contract.strike)
        for each in naked
    )


def valued(
    account: Account, mark: Mark, settings: VenueSettings, parts: Parts, *, leaves: str = ""
) -> Valuation:
    """The account at the prices that `mark` gives; options left out are still in the margins."""
    stocks = options = gross_stocks = gross_options = unrealized = 0.0
    short_options = _option_margin(account, mark, settings.short_option_margin, parts)
    for row in portfolio(account, mark, leaves=leaves):
        value = row.market_value
        unrealized += row.unrealized
        if row.position.contract.sec_type == "OPT":
            options += value
            gross_options += abs(value)
        else:
            stocks += value
            gross_stocks += abs(value)
    return Valuation(
        cash=account.cash,
        stocks=stocks,
        options=options,
        gross=gross_stocks + gross_options,
        initial=gross_stocks * settings.stock_initial_margin + short_options,
        maintenance=gross_stocks * settings.stock_maintenance_margin + short_options,
        unrealized=unrealized,
        realized=account.realized,
    )


def portfolio(account: Account, mark: Mark, *, leaves: str = "") -> list[PortfolioRow]:
    """Every holding, but those of a type left out, and flat ones that once traded, in the order of their first trade."""
    rows = []
    for holding in account.holdings.values():
        if holding.contract.sec_type == leaves:
            continue
        price = mark(holding)
        value = holding.quantity * price * holding.contract.multiplier
        rows.append(
            PortfolioRow(
                position=account.position(holding),
                market_price=price,
                market_value=value,
                unrealized=value - holding.quantity * holding.average_cost,
                realized=holding.realized,
            )
        )
    return rows


def account_rows(name: str, valuation: Valuation, settings: VenueSettings) -> list[tuple[str, str, str]]:
    """Key, value and currency, under the keys of IB's account window."""
    funds, excess = valuation.available_funds, valuation.excess_liquidity
    dollars = {
        "AccruedCash": 0.0,
        "AvailableFunds": funds,
        "BuyingPower": max(0.0, funds) * settings.buying_power_factor,
        "CashBalance": valuation.cash,
        "EquityWithLoanValue": valuation.equity_with_loan,
        "ExcessLiquidity": excess,
        "FullAvailableFunds": funds,
        "FullExcessLiquidity": excess,
        "FullInitMarginReq": valuation.initial,
        "FullMaintMarginReq": valuation.maintenance,
        "GrossPositionValue": valuation.gross,
        "InitMarginReq": valuation.initial,
        "MaintMarginReq": valuation.maintenance,
        "NetLiquidation": valuation.net_liquidation,
        "OptionMarketValue": valuation.options,
        "RealizedPnL": valuation.realized,
        "StockMarketValue": valuation.stocks,
        "TotalCashBalance": valuation.cash,
        "TotalCashValue": valuation.cash,
        "UnrealizedPnL": valuation.unrealized,
    }
    worth = valuation.net_liquidation
    cushion = max(0.0, min(1.0, excess / worth)) if worth > 0 else 0.0
    return [
        ("AccountCode", name, ""),
        ("AccountReady", "true", ""),
        ("AccountType", "INDIVIDUAL", ""),
        ("Currency", "USD", "USD"),
        ("Cushion", f"{cushion:.6f}", ""),
        ("ExchangeRate", "1.00", "USD"),
        *((key, f"{value:.2f}", "USD") for key, value in dollars.items()),
    ]


def reference_price(order: SimOrder, quote: MarketQuote) -> float | None:
    """Price to reckon an order at before it fills: its limit, its stop, or the quote."""
    side = quote.ask if order.action == "BUY" else quote.bid
    own = order.limit_price if order.order_type in LIMIT_TYPES else None
    stop = order.trail_stop if order.order_type.startswith("TRAIL") else order.stop_price
    prices = map(usable_price, (own, stop, side, quote.last, quote.close))
    return next((price for price in prices if price is not None), None)


def after_order(account: Account, order: SimOrder, price: float, commission: float) -> tuple[Account, bool]:
    """The account as if the order's remainder had filled, and whether no unit of it opens or adds to a position."""
    quantity = order.quantity - order.filled
    signed = quantity if order.action == "BUY" else -quantity
    contract = order.contract
    reduces = account.holding(contract).closing_part(signed) >= quantity
    return account.traded(contract, signed, price, commission).account, reduces


class _Line(NamedTuple):
    strike: float
    right: str
    units: float  # shares' worth, signed

    def value(self, spot: float) -> float:
        above = spot - self.strike if self.right == "C" else self.strike - spot
        return self.units * max(0.0, above)


_Kind = tuple[str, int, bool]


def _cheapest_first(holding: Holding) -> tuple[str, float]:
    """The lowest call and the highest put cover best, and need cover most."""
    contract = holding.contract
    return contract.right, contract.strike if contract.right == "C" else -contract.strike


def _end(holding: Holding) -> date:
    return holding.contract.expiry or date.min


def _kind(holding: Holding) -> _Kind:
    """Options of one kind can cover each other; one that does not say when it ends cannot."""
    contract = holding.contract
    return contract.right, contract.multiplier, contract.expiry is None


def _claims(held: Iterable[Holding]) -> dict[int, Claim]:
    """Of the options of one underlying: pairs the short ones with the long ones that cover them."""
    options = sorted(held, key=_end)
    options.sort(key=_cheapest_first)
    shorts = sorted((each for each in options if each.quantity < 0), key=_end, reverse=True)
    waiting, left = _longs(options), [each.quantity for each in options]
    ready: defaultdict[_Kind, list[int]] = defaultdict(list)  # heaps of places among the options
    lines: defaultdict[date, list[_Line]] = defaultdict(list)
    naked: list[Holding | None] = []
    # The fewest cover the last to end, and what covers one covers all that end before it.
    for short in shorts:
        needed, row, covers = -short.quantity, waiting[_kind(short)], ready[_kind(short)]
        while row and row[-1][0] >= _end(short):
            heappush(covers, row.pop()[1])
        while needed and covers:
            place = covers[0]
            taken = min(needed, left[place])
            left[place] -= taken
            needed -= taken
            lines[_end(short)] += _pair(options[place].contract, short.contract, taken)
            if not left[place]:
                heappop(covers)
        naked.append(attrs.evolve(short, quantity=-needed) if needed else None)
    return {
        each.contract.con_id: (
            (-_end(each).toordinal(), *_cheapest_first(each)),
            _worst(tuple(lines.pop(_end(each), ()))),
            bare,
        )
        for each, bare in zip(shorts, naked, strict=True)
    }


def _longs(options: Iterable[Holding]) -> defaultdict[_Kind, list[tuple[date, int]]]:
    """When the long ones end, and their places among the options; by kind, the last to end at the end."""
    longs: defaultdict[_Kind, list[tuple[date, int]]] = defaultdict(list)
    for place, each in enumerate(options):
        if each.quantity > 0 and each.contract.expiry is not None:
            longs[_kind(each)].append((each.contract.expiry, place))
    for row in longs.values():
        row.sort()
    return longs


def _pair(long: SimContract, short: SimContract, quantity: float) -> Iterator[_Line]:
    units = quantity * short.multiplier
    yield _Line(long.strike, long.right, units)
    yield _Line(short.strike, short.right, -units)


@lru_cache(maxsize=4096)
def _worst(group: tuple[_Line, ...]) -> float:
    """Between strikes the value is linear, and beyond the last one it is level."""
    spots = {0.0, *(line.strike for line in group)}
    return max(0.0, *(-sum(line.value(spot) for line in group) for spot in spots))
