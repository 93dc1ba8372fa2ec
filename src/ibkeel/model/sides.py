"""Which way something trades."""

from enum import StrEnum

__all__ = ["Side"]


class Side(StrEnum):
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
