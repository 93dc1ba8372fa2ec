"""How many contracts to buy; zero is an answer."""

from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from enum import StrEnum

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import as_optional_count
from ibkeel.validators import whole_number

Amount = Decimal | float | None
"""Money as a broker reports it: None, NaN and infinity all mean that it could not be read."""


def readable(amount: Amount) -> Decimal | None:
    """The amount as a finite decimal; None when nobody can say what it is."""
    if amount is None:
        return None
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def require_fraction(name: str, value: float) -> Decimal:
    """A fraction above 0 and up to 1, exact; else InvalidInput."""
    number = readable(value)
    if number is None or not 0 < number <= 1:
        raise InvalidInput(f"{name} is {value!r}; valid: above 0, up to 1")
    return number


class SizeLimit(StrEnum):
    """What holds a size down."""

    EQUITY_UNREADABLE = "equity_unreadable"
    PREMIUM_UNREADABLE = "premium_unreadable"
    FUNDS_UNREADABLE = "funds_unreadable"
    RISK = "risk"
    CASH = "cash"
    FUNDS = "funds"
    MAX_CONTRACTS = "max_contracts"


@attrs.frozen(kw_only=True)
class SizeCap:
    """The most that one limit allows.

    Args:
        limit: Which limit.
        quantity: Contracts, 0 or more.
        detail: The figures behind it.
    """

    limit: SizeLimit
    quantity: int
    detail: str


@attrs.frozen(kw_only=True)
class PositionSize:
    """How many contracts, and every limit that was looked at.

    Args:
        caps: What each limit allows; never empty.
    """

    caps: tuple[SizeCap, ...]

    @property
    def quantity(self) -> int:
        """Contracts; 0 means do not buy."""
        return self.binding.quantity

    @property
    def binding(self) -> SizeCap:
        """The limit that decided; the first one of equals."""
        return min(self.caps, key=lambda cap: cap.quantity)

    def explain(self) -> str:
        """The decision in one line."""
        return f"{self.quantity} contracts, limited by {self.binding.limit.value}: {self.binding.detail}"


def _nothing(limit: SizeLimit, name: str, amount: object) -> PositionSize:
    detail = f"{name} is {amount}; needed: a finite number above 0"
    return PositionSize(caps=(SizeCap(limit=limit, quantity=0, detail=detail),))


def _cap(limit: SizeLimit, budget: Decimal, each: Decimal, words: str) -> SizeCap:
    count = max(int((budget / each).to_integral_value(rounding=ROUND_FLOOR)), 0)
    detail = f"{budget:.2f} {words}, {each:.2f} a contract"
    return SizeCap(limit=limit, quantity=count, detail=detail)


def position_size(
    *,
    equity: Amount,
    premium: Amount,
    stop_fraction: float = 0.20,
    risk_fraction: float = 0.01,
    multiplier: int = 100,
    cash_fraction: float = 0.95,
    available_funds: Amount = None,
    max_contracts: int | None = None,
) -> PositionSize:
    """Contracts whose loss at the stop stays within a fraction of equity.

    The least of: equity x risk fraction / (premium x stop fraction x multiplier), and
    cash fraction x equity / (premium x multiplier), both rounded down.

    Args:
        equity: Net liquidation value in the option's currency; unreadable gives zero.
        premium: Price to pay per share; unreadable or not above 0 gives zero.
        stop_fraction: Part of the premium lost at the stop, above 0, up to 1.
        risk_fraction: Part of equity that one trade may lose, above 0, up to 1.
        multiplier: Shares a contract.
        cash_fraction: Part of equity that one position may cost, above 0, up to 1.
        available_funds: What may be spent, a further limit; None leaves it out, NaN gives zero.
        max_contracts: A further limit; None for none.

    Returns:
        The quantity with every limit; never raised to one contract.

    Raises:
        InvalidInput: A fraction, the multiplier or `max_contracts` is out of its range.
    """
    stop = require_fraction("stop_fraction", stop_fraction)
    risk = require_fraction("risk_fraction", risk_fraction)
    part = require_fraction("cash_fraction", cash_fraction)
    shares = whole_number("multiplier", multiplier, least=1)
    most = None if max_contracts is None else whole_number("max_contracts", as_optional_count(max_contracts))
    worth, paid = readable(equity), readable(premium)
    if worth is None or worth <= 0:
        return _nothing(SizeLimit.EQUITY_UNREADABLE, "equity", equity)
    if paid is None or paid <= 0:
        return _nothing(SizeLimit.PREMIUM_UNREADABLE, "premium", premium)
    each = paid * shares
    caps = [
        _cap(SizeLimit.RISK, worth * risk, each * stop, "at risk"),
        _cap(SizeLimit.CASH, worth * part, each, "to spend of equity"),
    ]
    if available_funds is not None:
        funds = readable(available_funds)
        if funds is None:
            return _nothing(SizeLimit.FUNDS_UNREADABLE, "available funds", available_funds)
        caps.append(_cap(SizeLimit.FUNDS, funds, each, "available"))
    if most is not None:
        detail = f"configured limit {most}"
        caps.append(SizeCap(limit=SizeLimit.MAX_CONTRACTS, quantity=most, detail=detail))
    return PositionSize(caps=tuple(caps))
