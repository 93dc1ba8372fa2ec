"""Option chains, as the definitions tell them."""

from datetime import date
from decimal import Decimal

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import as_decimal, name, whole
from ibkeel.model.contracts import Index, Option, Right, Stock


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
