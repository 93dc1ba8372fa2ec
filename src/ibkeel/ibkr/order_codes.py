"""What the Gateway's message codes mean for the order they name.

An unknown code never means that an order is dead: it means that nobody knows.
"""

from types import MappingProxyType
from typing import Final

from ibkeel.orders import ErrorFate

__all__ = ["FATES", "MODIFY_FATES", "fate_of"]

# Source: TWS API, "Message Codes", and what clients saw of codes that are not in that table.
FATES: Final = MappingProxyType(
    {
        103: ErrorFate.UNCERTAIN,  # duplicate id: which of the two orders is meant?
        104: ErrorFate.NOTICE,  # a filled order cannot be changed: it stays filled
        105: ErrorFate.NOTICE,  # a change was refused: the order works on as it was
        106: ErrorFate.REJECTED,
        107: ErrorFate.REJECTED,
        109: ErrorFate.REJECTED,
        110: ErrorFate.REJECTED,
        135: ErrorFate.UNCERTAIN,  # can't find the order: it may have filled
        136: ErrorFate.CANCEL_REFUSED,
        161: ErrorFate.CANCEL_REFUSED,
        163: ErrorFate.REJECTED,
        164: ErrorFate.REJECTED,
        200: ErrorFate.REJECTED,
        201: ErrorFate.REJECTED,
        202: ErrorFate.CANCELLED,
        203: ErrorFate.REJECTED,
        321: ErrorFate.REJECTED,
        382: ErrorFate.REJECTED,
        383: ErrorFate.REJECTED,
        399: ErrorFate.NOTICE,  # often only "held until the market opens"
        404: ErrorFate.NOTICE,
        434: ErrorFate.REJECTED,
        492: ErrorFate.NOTICE,
        2102: ErrorFate.NOTICE,
        2109: ErrorFate.NOTICE,
        2137: ErrorFate.NOTICE,
        10006: ErrorFate.REJECTED,
        10147: ErrorFate.UNCERTAIN,
        10148: ErrorFate.CANCEL_REFUSED,
        10268: ErrorFate.REJECTED,
        10311: ErrorFate.NOTICE,
        10349: ErrorFate.NOTICE,
    }
)
"""Meaning of a code for a new order, or for a cancel."""

MODIFY_FATES: Final = MappingProxyType(
    {110: ErrorFate.NOTICE, 201: ErrorFate.UNCERTAIN, 321: ErrorFate.NOTICE}
)
"""Codes that mean something else when they answer a change: the order works on as it was."""

_NOTICES: Final = range(2100, 2200)


def fate_of(code: int, *, modifying: bool = False) -> ErrorFate:
    """What a code says about the order it names.

    Args:
        code: The Gateway's number.
        modifying: Whether the last thing we sent for the order was a change.
    """
    if modifying and code in MODIFY_FATES:
        return MODIFY_FATES[code]
    return FATES.get(code, ErrorFate.NOTICE if code in _NOTICES else ErrorFate.UNCERTAIN)
