"""One session of a stock or an index: what its feed shows, second by second."""

from datetime import datetime, timedelta
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.sim.market.draws import mixed, mixed_all
from ibkeel.sim.market.paths import DayPath
from ibkeel.sim.values import MarketQuote

__all__ = ["SpotDay", "lots"]

_SECOND: Final = timedelta(seconds=1)
_LOT: Final = 100
_MOST: Final = 24  # lots


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
    # What `lots` makes of each second's draw, for streams ask second after second.
    _draws: npt.NDArray[np.int16] = attrs.field(init=False, repr=False)

    @_draws.default
    def _drawn(self) -> npt.NDArray[np.int16]:
        return (mixed_all(self.key, len(self.path.mid)) % (_MOST * _MOST)).astype(np.int16)

    def quote(self, at: datetime) -> MarketQuote:
        """What the feed shows, at the open or later; after the last second what it left."""
        path, is_quoted = self.path, self.is_quoted
        second = min((at - self.opens_at) // _SECOND, len(path.mid) - 1)
        volume = path.volume.item(second)
        bid_size, ask_size = _sizes(self._draws.item(second)) if is_quoted else (None, None)
        # By position, which takes half as long.
        return MarketQuote(
            at,
            path.bid.item(second) if is_quoted else None,
            path.ask.item(second) if is_quoted else None,
            bid_size,
            ask_size,
            path.trade.item(second),
            volume - path.volume.item(second - 1) if second else volume,
            volume,
            path.trade.item(0),
            path.high.item(second),
            path.low.item(second),
            self.close,
        )


def lots(key: int, second: int) -> tuple[int, int]:
    """Shares at the bid and at the ask, in whole lots; before the open the second is -1."""
    return _sizes(mixed(key, second))


def _sizes(draw: int) -> tuple[int, int]:
    return _LOT * (1 + draw % _MOST), _LOT * (1 + draw // _MOST % _MOST)
