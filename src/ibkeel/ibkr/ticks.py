"""From ticks to a quote; and how often a stream ticks, and what to do when it does not."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkeel.clock import Clock
from ibkeel.ibkr.client import numeric_unset
from ibkeel.model import Contract, DataType, Greeks, Option, Quote, Right, TradingHours

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
# Source: TWS API, "Available Tick Types": 1 and 2 are halts, -1 is not known. That 49 comes unasked, with the first
# prices, is unverified.
_HALTED: Final = 49
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
        self._is_halted = False
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
            case "tickGeneric" if args[0] == _HALTED:
                self._is_halted = args[1] > 0
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
            contract=self._contract,
            at=self._at,
            data_type=self._type,
            greeks=self._greeks,
            is_halted=self._is_halted,
            **self._fields,
        )


def _known(value: float | None, unset: int) -> float | None:
    return None if value is None or numeric_unset(value) or value == unset else float(value)


_KNOWN_AFTER: Final = 20  # ticks: from then on the gaps between them say something
_TIMES_THE_LONGEST: Final = 5.0
_FORGETS: Final = 0.98  # of the longest gap stays with each tick
_A_PAUSE: Final = 3600.0  # seconds: a night or a halt, not a gap between two ticks


class Step(StrEnum):
    """What to do about a stream that was interrupted, once its deadline is over."""

    RESTORED = "it ticks again"
    WAIT = "no tick is due, for its market is closed"
    RESUBSCRIBE = "cancel it and subscribe again"
    RECONNECT = "a new connection is worth trying"
    GIVE_UP = "end it with an error"


@attrs.frozen(kw_only=True)
class Restoration:
    """How far the search for a first tick is, since an interruption or a silence, in monotonic seconds."""

    since: float
    is_silence: bool = False
    was_sent: bool = False
    was_reconnected: bool = False

    def step(self, *, has_ticked: bool, is_due: bool) -> "tuple[Restoration, Step]":
        """What follows when a deadline is over: whether a tick came since the interruption, and whether one should have."""
        if has_ticked:
            return self, Step.RESTORED
        if not is_due:
            return self, Step.WAIT
        if not self.was_sent:
            return attrs.evolve(self, was_sent=True), Step.RESUBSCRIBE
        if not self.was_reconnected:
            return attrs.evolve(self, was_reconnected=True), Step.RECONNECT
        return self, Step.GIVE_UP

    def sent(self) -> "Restoration":
        """It was subscribed to anew, because of a new link or lost data."""
        return attrs.evolve(self, was_sent=True)


@attrs.define
class Rhythm:
    """How often a stream ticks: a stock every second, an option far from the money now and then.

    Its last tick is in monotonic seconds, and its longest gap of late in seconds.
    """

    last: float = float("-inf")
    longest: float = 0.0
    ticks: int = 0

    def ticked(self, now: float) -> None:
        """Note a tick."""
        gap = now - self.last
        if gap < _A_PAUSE:
            self.longest = max(gap, self.longest * _FORGETS)
        self.last = now
        self.ticks += 1

    def silence(self, least: float) -> float:
        """Seconds without a tick, `least` or more, that are too long for this stream; infinity while too little is known."""
        if self.ticks < _KNOWN_AFTER:
            return float("inf")
        return max(least, _TIMES_THE_LONGEST * self.longest)


def expects_ticks(hours: Iterable[TradingHours], now: datetime, *, ticked_before: bool) -> bool:
    """Whether a stream should tick at an instant.

    Where the hours of that day are not known, it should if it ticked shortly before the interruption.
    """
    known = tuple(hours)
    if any(span.opens_at <= now < span.closes_at for span in known):
        return True
    covers_now = bool(known) and now < max(span.closes_at for span in known)
    return ticked_before and not covers_now
