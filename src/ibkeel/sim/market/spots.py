"""One session of a stock or an index: what its feed shows, second by second."""

from datetime import datetime
from typing import Final

import attrs

from ibkeel.sim.market.draws import mixed
from ibkeel.sim.market.paths import DayPath
from ibkeel.sim.values import MarketQuote

__all__ = ["SpotDay", "lots"]

_LOT: Final = 100


@attrs.frozen(kw_only=True, eq=False)
class SpotDay:
    """A session whose path is drawn.

    Args:
        opens_at: When it begins.
        path: What happens in it.
        close: Price at the end of the session before.
        is_quoted: Whether there is a bid and an ask; an index has none.
        key: Names the draws of sizes.
    """

    opens_at: datetime
    path: DayPath
    close: float
    is_quoted: bool
    key: int

    def quote(self, at: datetime) -> MarketQuote:
        """What the feed shows, at the open or later; after the last second what it left."""
        path, is_quoted = self.path, self.is_quoted
        second = min(int((at - self.opens_at).total_seconds()), len(path.mid) - 1)
        volume = path.volume.item(second)
        bid_size, ask_size = lots(self.key, second) if is_quoted else (None, None)
        return MarketQuote(
            at=at,
            bid=path.bid.item(second) if is_quoted else None,
            ask=path.ask.item(second) if is_quoted else None,
            bid_size=bid_size,
            ask_size=ask_size,
            last=path.trade.item(second),
            last_size=volume - path.volume.item(second - 1) if second else volume,
            volume=volume,
            open=path.trade.item(0),
            high=path.high.item(second),
            low=path.low.item(second),
            close=self.close,
        )


def lots(key: int, second: int) -> tuple[int, int]:
    """Shares at the bid and at the ask, in whole lots; before the open the second is -1."""
    draw = mixed(key, second)
    return _LOT * (1 + draw % 24), _LOT * (1 + draw // 24 % 24)
