"""Quotes and bars of a simulated market, as the model has them."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import attrs
import numpy as np

from ibkeel.backtest.directory import Directory
from ibkeel.errors import NoData, QuoteUnavailable
from ibkeel.model import Bars, BarSpec, Contract, Greeks, Index, Option, Quote
from ibkeel.sim.services.durations import Duration, start_of
from ibkeel.sim.values import BarSize, Market, MarketQuote, ModelGreeks, SimBar, SimContract

__all__ = ["Prices"]

_SIZES: Final = {size.text: size for size in BarSize}
_DURATION: Final = re.compile(r"(\d+) ([SDWMY])")


class Prices:
    """Reads a market; nothing shows before its time.

    Args:
        market: Where the prices come from.
        directory: Knows its contracts.
    """

    def __init__(self, market: Market, directory: Directory) -> None:
        self._market, self._directory = market, directory

    def quote(self, contract: Contract, now: datetime) -> Quote:
        """What the market shows of a contract.

        Raises:
            QuoteUnavailable: It has neither bid, ask nor last.
            UnknownContract: There is no such contract.
        """
        listed = self._directory.find(contract)
        shown = self._market.quote(listed, now)
        greeks = self._market.greeks(listed, now) if isinstance(contract, Option) else None
        quote = _quote(contract, shown, greeks, now)
        if quote.bid is None and quote.ask is None and quote.last is None:
            raise QuoteUnavailable(f"the market shows no price of {contract} at {now.isoformat()}")
        return quote

    def next_change(self, contract: Contract, now: datetime) -> datetime | None:
        """When the quote may differ next; None for never."""
        return self._market.next_change(self._directory.find(contract), now)

    def bars(self, contract: Contract, spec: BarSpec, now: datetime) -> Bars:
        """Bars up to now; the one that covers now holds what has traded, as a live Gateway's does.

        Raises:
            NoData: There are none, or the market keeps no bars of that size.
            UnknownContract: There is no such contract.
        """
        listed, size = self._directory.find(contract), _SIZES.get(spec.size)
        if size is None:
            raise NoData(f"the market keeps no bars of {spec.size!r}; it has {', '.join(_SIZES)}")
        end = now if spec.end is None else min(spec.end, now)
        rows = self._market.bars(
            listed,
            start=self._start(listed, spec, size, end),
            end=end,
            size=size,
            what=spec.kind.value,
            rth=spec.rth,
        )
        if not rows:
            raise NoData(
                f"no bars of {spec.size!r} over {spec.duration!r} of {contract} to {end.isoformat()}"
            )
        return _bars(rows, contract, spec, listed.timezone)

    def _start(self, listed: SimContract, spec: BarSpec, size: BarSize, end: datetime) -> datetime:
        match = _DURATION.fullmatch(spec.duration)
        assert match is not None
        return start_of(
            Duration(int(match[1]), match[2]),
            end,
            size,
            sessions=self._market.sessions,
            zone=ZoneInfo(listed.timezone),
            rth=spec.rth,
        )


def _price(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _quote(contract: Contract, shown: MarketQuote, greeks: ModelGreeks | None, now: datetime) -> Quote:
    is_index = isinstance(contract, Index)
    return Quote(
        contract=contract,
        at=now,
        bid=_price(shown.bid),
        ask=_price(shown.ask),
        last=_price(shown.last),
        bid_size=shown.bid_size,
        ask_size=shown.ask_size,
        last_size=shown.last_size,
        volume=None if is_index else shown.volume,
        open_interest=shown.open_interest,
        close=_price(shown.close),
        greeks=None if greeks is None else Greeks(**attrs.asdict(greeks)),
    )


def _bars(rows: Sequence[SimBar], contract: Contract, spec: BarSpec, timezone: str) -> Bars:
    return Bars(
        contract=contract,
        spec=spec,
        at=np.array([int(row.at.timestamp()) for row in rows], dtype="datetime64[s]"),
        open=[row.open for row in rows],
        high=[row.high for row in rows],
        low=[row.low for row in rows],
        close=[row.close for row in rows],
        volume=[max(row.volume, 0) for row in rows],
        timezone=timezone,
    )
