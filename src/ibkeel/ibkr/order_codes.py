"""The fate of an order by code alone, from the error table."""

from ibkeel.ibkr.codes import ERROR_TABLE
from ibkeel.ibkr.meaning import About
from ibkeel.orders import ErrorFate

__all__ = ["fate_of"]


def fate_of(code: int, *, modifying: bool = False) -> ErrorFate:
    """What a code says about the order it names.

    Args:
        code: The Gateway's number.
        modifying: Whether the last thing we sent for the order was a change.
    """
    return ERROR_TABLE.find(code, "", About.CHANGE if modifying else About.ORDER).fate
