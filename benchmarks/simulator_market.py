"""A market that never closes: the seeded session again and again."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from ibkeel.sim.market import SeededMarket
from ibkeel.sim.values import MarketQuote, SimContract, SimSession

__all__ = ["CROWD", "RoundTheClock"]

CROWD = tuple(f"CROWD{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")

_SECOND = timedelta(seconds=1)


class RoundTheClock:
    """The quotes of one seeded session, one change a second, for as long as anybody looks.

    Args:
        seed: Names the world.
    """

    def __init__(self, seed: int) -> None:
        self._market = SeededMarket(seed, symbols=CROWD)
        [session] = self._market.sessions(self._market.session_date, self._market.session_date)
        self._opens_at = session.opens_at
        self._length = session.closes_at - session.opens_at
        self._closes_at, self._shift = session.closes_at, timedelta()  # so long after the first round
        self._session = SimSession(
            day=session.day, opens_at=session.opens_at, closes_at=session.opens_at + timedelta(days=30)
        )

    @property
    def opens_at(self) -> datetime:
        """When it begins."""
        return self._opens_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._market, name)

    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        """The one session there is."""
        return (self._session,)

    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the session showed so long after its opening, however often it has come round."""
        shown = at - self._shift
        if not self._opens_at <= shown < self._closes_at:
            self._shift = (at - self._opens_at) // self._length * self._length
            shown = at - self._shift
        return self._market.quote(contract, shown)

    def next_change(self, contract: SimContract, after: datetime) -> datetime:
        """The next whole second."""
        return after.replace(microsecond=0) + _SECOND
