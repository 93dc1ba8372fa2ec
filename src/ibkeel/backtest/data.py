"""Where a backtest's prices come from: values that can be sent to another process."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Protocol, runtime_checkable

import attrs
from typing_extensions import override

from ibkeel.runner import Session, SessionCalendar
from ibkeel.sim.market import ReplayMarket, SeededMarket
from ibkeel.sim.values import Market

__all__ = ["DatedMarket", "MarketSessions", "MarketSource", "RecordedData", "SeededData"]


class DatedMarket(Market, Protocol):
    """A market with a session to begin with."""

    @property
    def session_date(self) -> date:
        """Its first session to trade."""
        ...


@runtime_checkable
class MarketSource(Protocol):
    """Makes a market; equal sources make equal markets."""

    def market(self, symbols: Sequence[str]) -> DatedMarket:
        """The market that lists those symbols."""
        ...


@attrs.frozen(kw_only=True)
class SeededData:
    """A market that a seed makes up.

    Args:
        seed: Equal seeds make equal markets.
        day: The first session; None lets the seed choose.
    """

    seed: int = 7
    day: date | None = None

    def market(self, symbols: Sequence[str]) -> DatedMarket:
        """The market.

        Raises:
            ConfigurationError: `day` is no session that the calendar can serve.
        """
        return SeededMarket(self.seed, self.day, symbols)


@attrs.frozen(kw_only=True)
class RecordedData:
    """One recorded session, in the format of the folder that IBKEEL_DATA names.

    Args:
        folder: Root of the recordings.
        day: The session.
    """

    folder: Path = attrs.field(converter=Path)
    day: date

    def market(self, symbols: Sequence[str]) -> DatedMarket:
        """The market.

        Raises:
            ConfigurationError: The day or a symbol was not recorded; the message says what was.
        """
        return ReplayMarket(self.folder, day=self.day, symbols=symbols)


class MarketSessions(SessionCalendar):
    """A market's own sessions, early closes included.

    Args:
        market: Whose.
    """

    def __init__(self, market: Market) -> None:
        self._market = market

    @override
    def session(self, day: date) -> Session | None:
        """The session of a day; None when there is none."""
        rows = self._market.sessions(day, day)
        if not rows:
            return None
        return Session(day=day, opens_at=rows[0].opens_at, closes_at=rows[0].closes_at)
