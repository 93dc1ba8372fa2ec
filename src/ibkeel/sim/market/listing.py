"""What the seeded market lists: its underlyings, their option series, and what a client's description names.

Prices, volumes and volatilities of the underlyings are round figures of the right size, not data: the
simulated world only has to look like the real one. Any ticker that the table lacks has made-up figures.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import attrs

from ibkeel.sim.market.calendar import latest_session, previous_session
from ibkeel.sim.market.draws import uniform
from ibkeel.sim.values import ContractPattern, SimContract

MARKET_VOLATILITY: Final = 0.15  # a year, of the factor that all symbols share
_OCC_LENGTH: Final = 21
_OCC_ROOT: Final = 6
_WEEKLIES: Final = 8
_MONTHLIES: Final = 4
_QUARTERLIES: Final = 4
_LEAPS: Final = 2
_FRIDAY: Final = 4


@attrs.frozen(kw_only=True)
class Underlying:
    """One stock, fund or index of the seeded world.

    Args:
        symbol: Ticker.
        long_name: Name, as contract details show it.
        sec_type: STK or IND.
        exchange: Where it is listed; the exchange to ask for an index.
        price: Last price before the session date, before the seed moves it by up to 8 %.
        beta: Sensitivity to the market factor.
        own_volatility: Volatility that the market factor does not explain, a fraction a year.
        day_volume: Shares in an ordinary session; 0 for an index.
        option_volume: Contracts in an ordinary session at the most active strike; 0: no options.
        steps: Distance between strikes near the money and far from it.
        option_ticks: Least price change below 3 USD and from there on.
        spread: Factor on the width of stock and option quotes; 1 is SPY.
        index_options: Options are cash-settled on an index: weekly series have their own class,
            monthly ones last trade on the session before they expire.
    """

    symbol: str
    long_name: str
    sec_type: str = "STK"
    exchange: str = "NASDAQ"
    price: float
    beta: float = 1.0
    own_volatility: float = 0.0
    day_volume: int = 0
    option_volume: int = 0
    steps: tuple[float, float] = (2.5, 5.0)
    option_ticks: tuple[float, float] = (0.01, 0.05)
    spread: float = 1.0
    index_options: bool = False

    @property
    def trading_class(self) -> str:
        """The class that the Gateway shows for the underlying itself."""
        return "NMS" if (self.sec_type, self.exchange) == ("STK", "NASDAQ") else self.symbol


_PENNY: Final = (0.01, 0.01)
_ROWS: Final = (
    Underlying(symbol="SPY", long_name="SPDR S&P 500 ETF TRUST", exchange="ARCA", price=480.0,
               own_volatility=0.005, day_volume=75_000_000, option_volume=60_000,
               steps=(1.0, 5.0), option_ticks=_PENNY),
    Underlying(symbol="QQQ", long_name="INVESCO QQQ TRUST SERIES 1", price=410.0, beta=1.25,
               own_volatility=0.06, day_volume=45_000_000, option_volume=40_000,
               steps=(1.0, 5.0), option_ticks=_PENNY, spread=1.1),
    Underlying(symbol="IWM", long_name="ISHARES RUSSELL 2000 ETF", exchange="ARCA", price=200.0,
               beta=1.15, own_volatility=0.11, day_volume=30_000_000, option_volume=15_000,
               steps=(1.0, 5.0), option_ticks=_PENNY, spread=1.3),
    Underlying(symbol="AAPL", long_name="APPLE INC", price=190.0, beta=1.15, own_volatility=0.15,
               day_volume=55_000_000, option_volume=30_000, spread=1.3),
    Underlying(symbol="MSFT", long_name="MICROSOFT CORP", price=400.0, beta=1.1,
               own_volatility=0.15, day_volume=22_000_000, option_volume=12_000, spread=1.8),
    Underlying(symbol="NVDA", long_name="NVIDIA CORP", price=120.0, beta=1.8,
               own_volatility=0.35, day_volume=250_000_000, option_volume=60_000,
               steps=(1.0, 5.0), spread=1.2),
    Underlying(symbol="TSLA", long_name="TESLA INC", price=240.0, beta=1.7, own_volatility=0.42,
               day_volume=95_000_000, option_volume=50_000, spread=1.4),
    Underlying(symbol="AMD", long_name="ADVANCED MICRO DEVICES", price=140.0, beta=1.6,
               own_volatility=0.32, day_volume=50_000_000, option_volume=12_000,
               steps=(1.0, 5.0), spread=1.6),
    Underlying(symbol="GOOG", long_name="ALPHABET INC-CL C", price=160.0, beta=1.1,
               own_volatility=0.19, day_volume=20_000_000, option_volume=6_000, spread=1.8),
    Underlying(symbol="AMZN", long_name="AMAZON.COM INC", price=180.0, beta=1.2,
               own_volatility=0.2, day_volume=40_000_000, option_volume=15_000, spread=1.5),
    Underlying(symbol="META", long_name="META PLATFORMS INC-CLASS A", price=490.0, beta=1.25,
               own_volatility=0.25, day_volume=14_000_000, option_volume=10_000, spread=2.0),
    Underlying(symbol="GLD", long_name="SPDR GOLD SHARES", exchange="ARCA", price=215.0, beta=0.1,
               own_volatility=0.13, day_volume=8_000_000, option_volume=4_000, steps=(1.0, 5.0),
               option_ticks=_PENNY, spread=1.5),
    Underlying(symbol="XLE", long_name="ENERGY SELECT SECTOR SPDR", exchange="ARCA", price=90.0,
               beta=0.8, own_volatility=0.17, day_volume=15_000_000, option_volume=3_000,
               steps=(1.0, 5.0), option_ticks=_PENNY, spread=1.6),
    Underlying(symbol="LMT", long_name="LOCKHEED MARTIN CORP", exchange="NYSE", price=460.0,
               beta=0.5, own_volatility=0.17, day_volume=1_100_000, option_volume=400,
               spread=5.0, steps=(5.0, 10.0)),
    Underlying(symbol="SPX", long_name="S&P 500 STOCK INDEX", sec_type="IND", exchange="CBOE",
               price=4800.0, option_volume=4_000, steps=(5.0, 25.0), option_ticks=(0.05, 0.1),
               spread=1.5, index_options=True),
    Underlying(symbol="VIX", long_name="CBOE VOLATILITY INDEX", sec_type="IND", exchange="CBOE",
               price=16.0, beta=0.0),
)  # fmt: skip

TABLE: Final[Mapping[str, Underlying]] = {row.symbol: row for row in _ROWS}

# Strike grids by price: below this price, near step and far step.
_GRIDS: Final = ((25.0, (0.5, 1.0)), (100.0, (1.0, 5.0)), (250.0, (2.5, 5.0)))
_WIDEST_GRID: Final = (5.0, 10.0)


def made_up(symbol: str) -> Underlying:
    """A thinly traded stock for a ticker that the table does not hold; always the same one."""
    price = round(15.0 * 20.0 ** uniform("price", symbol), 2)
    return Underlying(
        symbol=symbol,
        long_name=f"{symbol} INC",
        exchange="NYSE",
        price=price,
        beta=0.6 + uniform("beta", symbol),
        own_volatility=0.15 + 0.3 * uniform("volatility", symbol),
        day_volume=int(500_000 * 20.0 ** uniform("volume", symbol)),
        option_volume=int(100 * 20.0 ** uniform("options", symbol)),
        steps=next((grid for below, grid in _GRIDS if price < below), _WIDEST_GRID),
        spread=2.0 + 3.0 * uniform("spread", symbol),
    )


def wanted_symbol(pattern: ContractPattern) -> str:
    """The underlying that a pattern names; by its local symbol when it gives no symbol."""
    if pattern.symbol or len(pattern.local_symbol) != _OCC_LENGTH:
        return pattern.symbol or pattern.local_symbol
    return pattern.local_symbol[:_OCC_ROOT].strip()


def fits(contract: SimContract, pattern: ContractPattern) -> bool:
    """Whether every field that the pattern gives agrees with the contract.

    The symbol is not compared when the pattern only has a local symbol; an `expiry` may name
    the expiry or the last trading day, a whole date or a month.
    """
    return (
        _texts_fit(contract, pattern)
        and _strike_fits(contract, pattern)
        and _expiry_fits(contract, pattern)
        and _exchange_fits(contract, pattern)
    )


def listing_order(contract: SimContract) -> tuple[str, date, str, float]:
    """Sort key: by expiry, right and strike within a symbol."""
    return (contract.symbol, contract.expiry or date.min, contract.right, contract.strike)


def _exchange_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    known = {"", contract.exchange, contract.primary_exchange}
    return pattern.exchange in known and pattern.primary_exchange in {
        "",
        contract.primary_exchange,
    }


def _expiry_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    if not pattern.expiry:
        return True
    dates = (contract.expiry, contract.last_trading_day)
    return any(day is not None and f"{day:%Y%m%d}".startswith(pattern.expiry) for day in dates)


def _strike_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    return not pattern.strike or abs(contract.strike - pattern.strike) < 1e-6  # wire rounding


def _texts_fit(contract: SimContract, pattern: ContractPattern) -> bool:
    pairs = (
        (pattern.symbol, contract.symbol),
        (pattern.sec_type, contract.sec_type),
        (pattern.right, contract.right),
        (pattern.currency, contract.currency),
        (pattern.local_symbol, contract.local_symbol),
        (pattern.trading_class, contract.trading_class),
        (pattern.multiplier, str(contract.multiplier)),
    )
    return all(given in {"", has} for given, has in pairs)


@attrs.frozen(kw_only=True)
class Series:
    """Every strike of one expiry.

    Args:
        expiry: The date that names the series.
        trading_class: As on the wire; index weeklies have one of their own.
        last_trading_day: Before `expiry` for monthly index options, which settle at the open.
        expires_at: The instant at which time value is gone.
        strikes: Listed strikes, ascending.
    """

    expiry: date
    trading_class: str
    last_trading_day: date
    expires_at: datetime
    strikes: tuple[float, ...]


@attrs.frozen(kw_only=True)
class _Grid:
    """Strikes of one kind of series: reach from the spot, as a fraction, and step."""

    near: float
    near_step: float
    far: float
    far_step: float

    def strikes(self, spot: float) -> tuple[float, ...]:
        """Both grids together, ascending."""
        fine = _multiples(self.near_step, spot * (1 - self.near), spot * (1 + self.near))
        coarse = _multiples(self.far_step, spot * (1 - self.far), spot * (1 + self.far))
        return tuple(sorted({*fine, *coarse}))


def listed(underlying: Underlying, *, today: date, spot: float, daily: bool = False) -> tuple[Series, ...]:
    """The series of an underlying on a session date, those that expire on it included, ascending by expiry.

    Near expiries have finer and narrower strike grids around `spot` than far ones, so the union of strikes
    and the union of expiries contain combinations that do not exist, as on the real exchange.
    """
    if not underlying.option_volume:
        return ()
    monthly = {third_friday(year, month) for year, month in _months(today)}
    days = 7 * _WEEKLIES
    others = {latest_session(today + timedelta(days=n)).day for n in range(days)} if daily else ()
    return tuple(
        _series(underlying, expiry, monthly=expiry in monthly, today=today, spot=spot)
        for expiry in sorted(monthly.union(_weeklies(today), others))
        if expiry >= today
    )


def third_friday(year: int, month: int) -> date:
    """Monthly expiry: the third Friday, or the session before it when that is a holiday."""
    first = date(year, month, 1)
    friday = first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)
    return latest_session(friday).day


def weekly_expiry(day: date) -> date:
    """Expiry of the week of `day`: its Friday, or the session before it on a holiday."""
    return latest_session(day + timedelta(days=_FRIDAY - day.weekday())).day


@lru_cache(maxsize=1024)
def series_number(expiry: date) -> int:
    """One for each expiry among those that are listed together, modulo 256.

    The last expiry of a week has the week's number. Listed are some hundred and ten weeks ahead, and daily
    ones eight: those of each other weekday have thirty-two numbers behind.
    """
    week = (expiry.toordinal() - 1) // 7
    return week if expiry == weekly_expiry(expiry) else week + 120 + 32 * expiry.weekday()


def local_symbol(root: str, expiry: date, right: str, strike: float) -> str:
    """The 21-character symbol of an option.

    Source: OCC, "Series Key Format" (2010): root padded to six, yymmdd, right, strike in mills.
    """
    return f"{root:<6}{expiry:%y%m%d}{right}{round(strike * 1000):08d}"


def _series(underlying: Underlying, expiry: date, *, monthly: bool, today: date, spot: float) -> Series:
    at_open = underlying.index_options and monthly
    weekly_class = f"{underlying.symbol}W" if underlying.index_options else underlying.symbol
    session = latest_session(expiry)
    return Series(
        expiry=expiry,
        trading_class=underlying.symbol if monthly else weekly_class,
        last_trading_day=previous_session(expiry).day if at_open else expiry,
        expires_at=session.opens_at if at_open else session.closes_at,
        strikes=_grid(underlying, (expiry - today).days).strikes(spot),
    )


def _grid(underlying: Underlying, dte: int) -> _Grid:
    near, far = underlying.steps
    if dte <= 70:  # ten weeks: the weeklies and the next two monthlies
        return _Grid(near=0.12, near_step=near, far=0.35, far_step=far)
    if dte <= 300:  # monthlies and quarterlies
        return _Grid(near=0.20, near_step=far, far=0.45, far_step=far)
    return _Grid(near=0.25, near_step=far, far=0.60, far_step=2 * far)


def _multiples(step: float, low: float, high: float) -> list[float]:
    return [n * step for n in range(max(1, math.ceil(low / step)), math.floor(high / step) + 1)]


def _weeklies(today: date) -> set[date]:
    return {weekly_expiry(today + timedelta(days=7 * n)) for n in range(_WEEKLIES)}


def _months(today: date) -> set[tuple[int, int]]:
    """Year and month of the monthly series: the next ones, quarter ends, Januaries."""
    ahead = [(today.year + m // 12, m % 12 + 1) for m in range(today.month - 1, today.month + 14)]
    quarters = [(year, month) for year, month in ahead if month % 3 == 0]
    leaps = [(today.year + n, 1) for n in range(1, _LEAPS + 1)]
    return {*ahead[: _MONTHLIES + 1], *quarters[: _QUARTERLIES + 1], *leaps}
