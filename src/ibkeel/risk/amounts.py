"""Amounts of money that may not be readable."""

from decimal import Decimal, InvalidOperation

from ibkeel.errors import InvalidInput

Amount = Decimal | float | None
"""Money as a broker reports it: None, NaN and infinity all mean that it could not be read."""


def readable(amount: Amount) -> Decimal | None:
    """The amount as a finite decimal; None when nobody can say what it is."""
    if amount is None:
        return None
    try:
        number = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def require_fraction(name: str, value: float) -> Decimal:
    """A fraction above 0 and up to 1, exact.

    Raises:
        InvalidInput: It is not.
    """
    if not 0.0 < value <= 1.0:
        raise InvalidInput(f"{name} is {value!r}; valid: above 0, up to 1")
    return Decimal(str(value))
