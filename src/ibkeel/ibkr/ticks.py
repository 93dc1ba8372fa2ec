"""From ticks to a quote."""

from types import MappingProxyType
from typing import Any, Final

from ibkeel.clock import Clock
from ibkeel.ibkr.client import numeric_unset
from ibkeel.model import Contract, DataType, Greeks, Option, Quote, Right

# Source: TWS API, "Available Tick Types"; the second number of a pair is the delayed twin.
_PRICES: Final = MappingProxyType(
    {1: "bid", 66: "bid", 2: "ask", 67: "ask", 4: "last", 68: "last", 9: "close", 75: "close"}
)
_SIZES: Final = MappingProxyType(
    {
        0: "bid_size",
        69: "bid_size",
        3: "ask_size",
        70: "ask_size",
        5: "last_size",
        71: "last_size",
        8: "volume",
        74: "volume",
    }
)
_OPEN_INTEREST: Final = MappingProxyType({27: Right.CALL, 28: Right.PUT})
_DELAYED_IDS: Final = range(66, 91)  # every twin lies here. Source: TWS API, "Available Tick Types"
_MODEL: Final = frozenset({13, 83})
_DATA_TYPES: Final = MappingProxyType(
    {1: DataType.LIVE, 2: DataType.FROZEN, 3: DataType.DELAYED, 4: DataType.DELAYED_FROZEN}
)
_SIZE_OF_PRICE: Final = MappingProxyType({"bid": "bid_size", "ask": "ask_size", "last": "last_size"})

_OF_THE_SESSION: Final = frozenset({"close", "open_interest"})
_TICKS: Final = frozenset({"priceSizeTick", "tickSize", "tickOptionComputation"})

GENERIC_TICKS: Final = "101"
"""Open interest: the one generic tick that an option's quote needs."""


class TickCollector:
    """Collects the ticks of one market data line."""

    def __init__(self, contract: Contract, clock: Clock) -> None:
        self._contract = contract
        self._clock = clock
        self._fields: dict[str, float] = {}
        self._greeks: Greeks | None = None
        self._type = DataType.LIVE
        self._answered: set[str] = set()
        self._at = clock.now()

    @property
    def is_priced(self) -> bool:
        """Whether any of bid, ask and last is there."""
        return any(side in self._fields for side in ("bid", "ask", "last"))

    @property
    def is_two_sided(self) -> bool:
        """Whether bid and ask are there."""
        return "bid" in self._fields and "ask" in self._fields

    @property
    def is_complete(self) -> bool:
        """Whether every field that a liquid contract has is in."""
        wanted = {"bid", "ask", "last", "volume", "close"}
        if isinstance(self._contract, Option):
            wanted = {"bid", "ask", "volume", "open_interest", "greeks"}
        return wanted <= self._answered

    def on_message(self, message: str, args: tuple[Any, ...]) -> None:
        """Take in one message of the line."""
        if message in _TICKS and args[0] in _DELAYED_IDS and self._type is DataType.LIVE:
            self._type = DataType.DELAYED
        match message:
            case "priceSizeTick":
                self._price(*args)
            case "tickSize":
                self._size(*args)
            case "tickOptionComputation":
                self._computation(*args)
            case "marketDataType":
                self._type = _DATA_TYPES.get(args[0], self._type)

    def forget(self) -> None:
        """The source was lost: nothing is known to hold but what the session began with, and how fresh the feed is."""
        self._fields = {field: value for field, value in self._fields.items() if field in _OF_THE_SESSION}
        self._answered &= _OF_THE_SESSION
        self._greeks = None

    def delayed(self) -> None:
        """The Gateway said that it sends delayed data."""
        self._type = DataType.DELAYED

    def _note(self, field: str, value: float | None) -> None:
        self._at = self._clock.now()
        self._answered.add(field)
        if value is None:
            self._fields.pop(field, None)
        else:
            self._fields[field] = float(value)

    def _price(self, tick: int, price: float, size: float) -> None:
        field = _PRICES.get(tick)
        if field is None:
            return
        there = not numeric_unset(price) and price > 0
        self._note(field, price if there else None)
        if field in _SIZE_OF_PRICE:
            self._note(
                _SIZE_OF_PRICE[field], size if there and not numeric_unset(size) and size >= 0 else None
            )

    def _size(self, tick: int, size: float) -> None:
        field = _SIZES.get(tick)
        if tick in _OPEN_INTEREST:
            # Both counts are sent for an underlying; an option has its own right's only.
            if not isinstance(self._contract, Option) or _OPEN_INTEREST[tick] is not self._contract.right:
                return
            field = "open_interest"
        if field is not None:
            self._note(field, size if not numeric_unset(size) and size >= 0 else None)

    def _computation(
        self, tick: int, _: int, iv: float, delta: float, price: float, __: float, *rest: float
    ) -> None:
        if tick not in _MODEL:
            return
        gamma, vega, theta, underlying = rest
        self._at = self._clock.now()
        self._answered.add("greeks")
        # -1 and -2 mean "not computed". Source: TWS API, "Option Greeks".
        self._greeks = Greeks(
            iv=_known(iv, -1),
            delta=_known(delta, -2),
            gamma=_known(gamma, -2),
            theta=_known(theta, -2),
            vega=_known(vega, -2),
            price=_known(price, -1),
            underlying_price=_known(underlying, -1),
        )

    def quote(self) -> Quote:
        """What is known by now."""
        return Quote(
            contract=self._contract, at=self._at, data_type=self._type, greeks=self._greeks, **self._fields
        )


def _known(value: float | None, unset: int) -> float | None:
    return None if value is None or numeric_unset(value) or value == unset else float(value)
