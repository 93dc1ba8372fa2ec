"""What the seeded market lists, as a table, and made-up figures for any other ticker.

Prices, volumes and volatilities are round figures of the right size, not data: the simulated
world only has to look like the real one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.sim.market.draws import uniform

MARKET_VOLATILITY: Final = 0.15  # a year, of the factor that all symbols share


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

TABLE: Final[Mapping[str, Underlying]] = MappingProxyType({row.symbol: row for row in _ROWS})

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
