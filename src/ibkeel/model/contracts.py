"""What can be traded or quoted, and which way; and identifiers.

An identifier has a type of its own, so that one is never passed for another.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, NewType

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import Words, as_decimal, as_utc, as_whole, day, field_text, name, positive, whole
from ibkeel.validators import series

ConId = NewType("ConId", int)
"""Interactive Brokers' number of a contract."""

OrderId = NewType("OrderId", int)
"""Number of an order within one client id; ids can roll back when a Gateway restarts."""

ClientOrderId = NewType("ClientOrderId", str)
"""Our own name of an order, carried to the venue and back in `orderRef`."""

PermId = NewType("PermId", int)
"""The venue's lasting number of an order; 0 until the first answer."""

ExecId = NewType("ExecId", str)
"""Name of one fill."""

RequestId = NewType("RequestId", int)
"""Number of a request within one connection."""


class Side(Words):
    """Which way an order, or a leg of it, trades."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sale."""
        return 1 if self is Side.BUY else -1


class Right(Words):
    """What an option lets its holder do with the underlying."""

    CALL = "C"
    PUT = "P"


# As a converter an enum itself takes a value of any type: checkers and editors believe its signature.
def as_side(value: Side | str) -> Side:
    """The side of that name."""
    return value if type(value) is Side else Side(value)


def as_right(value: Right | str) -> Right:
    """The right of that name."""
    return value if type(value) is Right else Right(value)


_number: Final = attrs.validators.optional(whole)


def _as_number(value: ConId | None) -> ConId | None:
    """On the wire it counts for more than the rest of a contract."""
    return value if value is None else ConId(as_whole(value))


@attrs.frozen(cache_hash=True)  # a key of many books
class Stock:
    """A share or an exchange-traded fund.

    Args:
        symbol: Ticker, such as `"SPY"`.
        exchange: Where to route or quote; `SMART` lets the broker choose.
        currency: ISO code of the currency it trades in.
        primary_exchange: Listing exchange; tells apart tickers that exist twice.
        con_id: Interactive Brokers' number, once known; plays no part in equality.
    """

    symbol: str = attrs.field(validator=name)
    exchange: str = attrs.field(default="SMART", kw_only=True, validator=name)
    currency: str = attrs.field(default="USD", kw_only=True, validator=name)
    primary_exchange: str = attrs.field(default="", kw_only=True, validator=field_text)
    con_id: ConId | None = attrs.field(
        default=None, kw_only=True, eq=False, converter=_as_number, validator=_number
    )

    @override
    def __str__(self) -> str:
        return self.symbol


@attrs.frozen(cache_hash=True)  # a key of many books
class Index:
    """An index: quoted, never traded.

    Args:
        symbol: Ticker, such as `"VIX"`.
        exchange: The exchange that computes it.
        currency: ISO code.
        con_id: Interactive Brokers' number, once known; plays no part in equality.
    """

    symbol: str = attrs.field(validator=name)
    exchange: str = attrs.field(default="CBOE", kw_only=True, validator=name)
    currency: str = attrs.field(default="USD", kw_only=True, validator=name)
    con_id: ConId | None = attrs.field(
        default=None, kw_only=True, eq=False, converter=_as_number, validator=_number
    )

    @override
    def __str__(self) -> str:
        return self.symbol


@attrs.frozen(cache_hash=True)  # a key of many books
class Option:
    """An option on a stock, a fund or an index.

    Args:
        underlying: Ticker of the underlying.
        expiry: Expiration date; the last trading day may be earlier.
        strike: Per share; a float counts as its shortest decimal text.
        right: `Right.CALL` or `Right.PUT`.
        trading_class: Tells apart series such as SPX and SPXW; empty means any.
        multiplier: Shares a contract.
        exchange: Where to route or quote.
        currency: ISO code.
        con_id: Interactive Brokers' number, once known; plays no part in equality.
    """

    underlying: str = attrs.field(validator=name)
    expiry: date = attrs.field(validator=day)
    strike: Decimal = attrs.field(converter=as_decimal, validator=positive)
    right: Right = attrs.field(converter=as_right)
    trading_class: str = attrs.field(default="", kw_only=True, validator=field_text)
    multiplier: int = attrs.field(default=100, kw_only=True, converter=as_whole, validator=whole)
    exchange: str = attrs.field(default="SMART", kw_only=True, validator=name)
    currency: str = attrs.field(default="USD", kw_only=True, validator=name)
    con_id: ConId | None = attrs.field(
        default=None, kw_only=True, eq=False, converter=_as_number, validator=_number
    )

    @property
    def symbol(self) -> str:
        """Ticker of the underlying, as every contract has one."""
        return self.underlying

    @override
    def __str__(self) -> str:
        return f"{self.underlying} {self.expiry:%Y-%m-%d} {self.strike.normalize():f} {self.right.value}"


@attrs.frozen(kw_only=True)
class ComboLeg:
    """One leg of a combo.

    Args:
        con_id: Interactive Brokers' number of the leg's contract.
        side: What happens to the leg when the combo is bought.
        ratio: Contracts of an option, or shares of a stock, for one combo.
        exchange: Where to route it; the same as the combo's.
    """

    con_id: ConId = attrs.field(validator=whole)
    side: Side = attrs.field(converter=as_side)
    ratio: int = attrs.field(default=1, converter=as_whole, validator=whole)
    exchange: str = attrs.field(default="SMART", validator=name)


@attrs.frozen
class Combo:
    """Several contracts, traded as one at one price: `BAG` on the wire.

    Its price is per share: what its buyer pays for the legs together, divided by the multiplier of
    its options; below zero when the buyer is paid.

    Args:
        underlying: Ticker of the underlying.
        legs: Two at least, each contract once, in the order in which they are shown.
        exchange: Where to route.
        currency: ISO code.
        con_id: Interactive Brokers' number, if it gave one; plays no part in equality.

    Raises:
        InvalidInput: There are fewer than two legs, or a contract occurs twice.
    """

    underlying: str = attrs.field(validator=name)
    legs: tuple[ComboLeg, ...] = attrs.field(converter=series)
    exchange: str = attrs.field(default="SMART", kw_only=True, validator=name)
    currency: str = attrs.field(default="USD", kw_only=True, validator=name)
    con_id: ConId | None = attrs.field(
        default=None, kw_only=True, eq=False, converter=_as_number, validator=_number
    )

    @legs.validator
    def _check_legs(self, _: "attrs.Attribute[tuple[ComboLeg, ...]]", value: tuple[ComboLeg, ...]) -> None:
        if not all(isinstance(leg, ComboLeg) for leg in value):
            raise InvalidInput(f"Combo.legs is {value!r}; valid: two or more of ComboLeg")
        numbers = [leg.con_id for leg in value]
        if len(set(numbers)) != len(numbers) or len(numbers) < 2:  # one leg is no combo
            raise InvalidInput(f"Combo.legs has the contracts {numbers}; valid: two or more, each once")

    @property
    def symbol(self) -> str:
        """Ticker of the underlying, as every contract has one."""
        return self.underlying

    @override
    def __str__(self) -> str:
        legs = ", ".join(f"{leg.side.sign * leg.ratio:+d} of {leg.con_id}" for leg in self.legs)
        return f"{self.underlying} combo ({legs})"


@attrs.frozen
class OtherContract:
    """A contract of a kind that ibkeel does not trade, such as a future or cash: held, and shown.

    Args:
        symbol: Ticker.
        kind: The wire's name of its kind, such as `FUT`.
        local_symbol: Its name at the exchange.
        exchange: Where it is listed.
        currency: ISO code.
        con_id: Interactive Brokers' number; plays no part in equality.
    """

    symbol: str = attrs.field(validator=name)
    kind: str = attrs.field(kw_only=True, validator=name)
    local_symbol: str = attrs.field(default="", kw_only=True)
    exchange: str = attrs.field(default="SMART", kw_only=True)
    currency: str = attrs.field(default="USD", kw_only=True)
    con_id: ConId | None = attrs.field(
        default=None, kw_only=True, eq=False, converter=_as_number, validator=_number
    )

    @override
    def __str__(self) -> str:
        return f"{self.local_symbol or self.symbol} ({self.kind})"


Contract = Stock | Index | Option | Combo | OtherContract


"""Anything that can be held or ordered; stocks, indices and options can be quoted."""


def name_of_series(contract: Contract) -> str:
    """A contract's name, with its class where that is not its underlying's: SPX and SPXW share strikes and days."""
    series = getattr(contract, "trading_class", "")
    return str(contract) if series in {"", contract.symbol} else f"{contract} ({series})"


@attrs.frozen(kw_only=True)
class TradingHours:
    """One open interval of a contract; the end is exclusive."""

    opens_at: datetime = attrs.field(converter=as_utc)
    closes_at: datetime = attrs.field(converter=as_utc)


@attrs.frozen(kw_only=True)
class ContractDetails:
    """What the broker knows about one contract.

    Args:
        contract: The contract, complete with its `con_id`.
        long_name: The issuer's name.
        min_tick: Smallest price step.
        timezone: IANA or IB name of the exchange's time zone.
        liquid_hours: Regular trading hours of the coming days, ascending.
        under_con_id: Number of the underlying, for options.
        last_trading_day: Last day on which an option trades.
    """

    contract: Contract
    long_name: str = ""
    min_tick: Decimal = attrs.field(converter=as_decimal, validator=positive)
    timezone: str = ""
    liquid_hours: tuple[TradingHours, ...] = ()
    under_con_id: ConId | None = None
    last_trading_day: date | None = None


def _ascending_dates(dates: "tuple[date, ...]") -> tuple[date, ...]:
    return tuple(sorted(set(dates)))


def _ascending_strikes(strikes: "tuple[Decimal, ...]") -> tuple[Decimal, ...]:
    return tuple(sorted({as_decimal(strike) for strike in strikes}))


@attrs.frozen(kw_only=True)
class OptionClass:
    """The series of one trading class on one exchange.

    The expiries and strikes are unions: a pair taken from both need not exist, and asking for
    it ends in `UnknownContract`.

    Args:
        trading_class: Such as `"SPX"` or `"SPXW"`.
        exchange: Where the class is listed, or `SMART`.
        multiplier: Shares a contract.
        expiries: Expiration dates, ascending.
        strikes: Per share, ascending.
    """

    trading_class: str = attrs.field(validator=name)
    exchange: str = attrs.field(default="SMART", validator=name)
    multiplier: int = attrs.field(default=100, validator=whole)
    expiries: tuple[date, ...] = attrs.field(converter=_ascending_dates)
    strikes: tuple[Decimal, ...] = attrs.field(converter=_ascending_strikes)


@attrs.frozen(kw_only=True)
class OptionChain:
    """Every option class of an underlying.

    Args:
        underlying: The stock or index.
        classes: One for each trading class and exchange.
    """

    underlying: Stock | Index
    classes: tuple[OptionClass, ...] = ()

    @property
    def expiries(self) -> tuple[date, ...]:
        """Expiration dates of all classes, ascending."""
        return _ascending_dates(tuple(day for row in self.classes for day in row.expiries))

    @property
    def strikes(self) -> tuple[Decimal, ...]:
        """Strikes of all classes, ascending."""
        return _ascending_strikes(tuple(strike for row in self.classes for strike in row.strikes))

    def of_class(self, trading_class: str, *, exchange: str = "SMART") -> OptionClass:
        """The class of that name on that exchange.

        Raises:
            InvalidInput: The chain has no such class.
        """
        for row in self.classes:
            if (row.trading_class, row.exchange) == (trading_class, exchange):
                return row
        known = ", ".join(f"{row.trading_class} on {row.exchange}" for row in self.classes)
        raise InvalidInput(
            f"no class {trading_class!r} on {exchange!r} in the chain of {self.underlying}; it has {known}"
        )

    def option(self, row: OptionClass, expiry: date, strike: Decimal, right: Right) -> Option:
        """The contract of one class, expiry, strike and right."""
        return Option(
            self.underlying.symbol,
            expiry,
            strike,
            right,
            trading_class=row.trading_class,
            multiplier=row.multiplier,
            exchange=row.exchange,
            currency=self.underlying.currency,
        )
