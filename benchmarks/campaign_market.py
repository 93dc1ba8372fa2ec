"""A market of three contracts whose quotes move every few seconds: thin, seeded, and cheap to ask."""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ibkeel.sim.market.listing import fits
from ibkeel.sim.values import (
    BarSize,
    ContractPattern,
    MarketQuote,
    ModelGreeks,
    OptionClass,
    SimBar,
    SimContract,
    SimSession,
)

__all__ = ["CONTRACTS", "ThinMarket"]

_STEP: Final = 5.0  # seconds between two quotes
_STEPS: Final = 600
_DAY: Final = date(2026, 1, 5)
_EXPIRY: Final = date(2026, 1, 16)
_STOCK: Final = SimContract(con_id=101, symbol="SPY", sec_type="STK", primary_exchange="ARCA")


def _option(con_id: int, right: str) -> SimContract:
    return SimContract(
        con_id=con_id,
        symbol="SPY",
        sec_type="OPT",
        expiry=_EXPIRY,
        last_trading_day=_EXPIRY,
        strike=100.0,
        right=right,
        multiplier=100,
        local_symbol=f"SPY   260116{right}00100000",
        trading_class="SPY",
        under_con_id=101,
    )


CONTRACTS: Final = (_STOCK, _option(102, "C"), _option(103, "P"))
_OPENS: Final = (100.0, 2.2, 1.8)
_SPREADS: Final = (0.02, 0.02, 0.02)
_WILDNESS: Final = (0.0008, 0.006, 0.006)  # standard deviation of one step, a fraction of the price
_LARGEST: Final = 6


class ThinMarket:
    """Quotes are a function of time: a random walk in steps of five seconds, with small sizes.

    Args:
        seed: Of the walk.
        start: When it begins, aware.
    """

    def __init__(self, seed: int, start: datetime) -> None:
        self._start = start
        draw = np.random.default_rng([seed, 1])
        walks = draw.standard_normal((len(CONTRACTS), _STEPS)) * np.array(_WILDNESS)[:, None]
        prices = np.array(_OPENS)[:, None] * np.exp(np.cumsum(walks, axis=1))
        half = np.array(_SPREADS)[:, None] / 2
        self._bids: NDArray[Any] = np.round(np.maximum(prices - half, 0.05), 2)
        self._asks: NDArray[Any] = np.round(self._bids + 2 * half, 2)
        self._sizes: NDArray[Any] = draw.integers(1, _LARGEST + 1, (len(CONTRACTS), _STEPS))
        self._rows = {contract.con_id: number for number, contract in enumerate(CONTRACTS)}
        day = datetime(_DAY.year, _DAY.month, _DAY.day, tzinfo=start.tzinfo)
        self._session = SimSession(
            day=_DAY, opens_at=day + timedelta(hours=14, minutes=30), closes_at=day + timedelta(hours=21)
        )

    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        """Every contract that fits."""
        if pattern.con_id:
            return tuple(row for row in CONTRACTS if row.con_id == pattern.con_id)
        return tuple(row for row in CONTRACTS if fits(row, pattern))

    def by_con_id(self, con_id: int) -> SimContract | None:
        """The contract of that id."""
        return next((row for row in CONTRACTS if row.con_id == con_id), None)

    def underlyings(self) -> Sequence[SimContract]:
        """The stock."""
        return (_STOCK,)

    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """None: contracts are named in full here."""
        del under_con_id
        return ()

    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed shows."""
        row, step = self._rows[contract.con_id], self._step(at)
        bid, ask, size = (
            float(self._bids[row, step]),
            float(self._asks[row, step]),
            int(self._sizes[row, step]),
        )
        return MarketQuote(at=at, bid=bid, ask=ask, bid_size=size, ask_size=size, last=bid, last_size=1)

    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        """The next step."""
        del contract
        step = math.floor((after - self._start).total_seconds() / _STEP + 1e-9) + 1
        return None if step >= _STEPS else self._start + timedelta(seconds=step * _STEP)

    def fills_at(self, contract: SimContract, limit: float, after: datetime) -> datetime | None:
        """When an ask first comes down to a limit after an instant: what nobody could know but its author."""
        row, first = self._rows[contract.con_id], self._step(after) + 1
        found = np.flatnonzero(self._asks[row, first:] <= limit)
        return None if not len(found) else self._start + timedelta(seconds=(first + int(found[0])) * _STEP)

    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """None."""
        del contract, at
        return None

    def bars(
        self, contract: SimContract, *, start: datetime, end: datetime, size: BarSize, what: str, rth: bool
    ) -> Sequence[SimBar]:
        """None."""
        del contract, start, end, size, what, rth
        return ()

    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        """One day."""
        return (self._session,) if start <= _DAY <= end else ()

    def _step(self, at: datetime) -> int:
        return min(max(math.floor((at - self._start).total_seconds() / _STEP + 1e-9), 0), _STEPS - 1)
