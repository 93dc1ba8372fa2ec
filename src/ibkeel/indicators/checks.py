"""What every indicator asks of its input."""

import math

import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput


def checked_period(period: int, *, least: int = 1) -> int:
    """The period, if it is a whole number of at least `least`.

    Raises:
        InvalidInput: It is not.
    """
    if isinstance(period, bool) or not isinstance(period, int) or period < least:
        raise InvalidInput(f"period is {period!r}; valid: a whole number from {least} on")
    return period


def checked_positive(name: str, value: float) -> float:
    """The value, if it is finite and above zero.

    Raises:
        InvalidInput: It is not.
    """
    if not (math.isfinite(value) and value > 0):
        raise InvalidInput(f"{name} is {value!r}; valid: above 0")
    return value


def not_finite(*values: float) -> InvalidInput:
    """The error for a number that is NaN or infinite: one would spoil every later value."""
    return InvalidInput(f"indicator input {values} is not finite; leave the bar out instead")


def as_column(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The values as floats of shape `(n,)`.

    Raises:
        InvalidInput: Another shape, or a value that is not finite.
    """
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise InvalidInput(f"indicator input has shape {column.shape}; valid: (n,)")
    if not np.isfinite(column).all():
        raise InvalidInput("indicator input holds NaN or infinity; leave the bars out instead")
    return column


def as_columns(*columns: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], ...]:
    """Several columns of one length.

    Raises:
        InvalidInput: They differ in length, or one of them is not valid.
    """
    checked = tuple(as_column(column) for column in columns)
    if len({column.shape for column in checked}) > 1:
        raise InvalidInput(f"indicator inputs have shapes {[c.shape for c in checked]}; valid: equal")
    return checked
