"""What a strategy is, what it asks for and what it is given."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Bars, BarSpec, Contract, Quote, Signal
from ibkeel.model.checks import as_utc

__all__ = ["Needs", "Strategy", "StrategyContext"]


@attrs.frozen(kw_only=True)
class Needs:
    """What a strategy must be given to decide.

    Args:
        bars: Bars of the symbol under test.
        quotes: Quotes of other contracts, such as an index.
    """

    bars: tuple[BarSpec, ...] = ()
    quotes: tuple[Contract, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class StrategyContext:
    """What the market shows of one symbol at one instant.

    Args:
        symbol: Ticker of the underlying.
        now: The present instant, aware; kept in UTC.
        bars: What `Needs.bars` asked for.
        quotes: What `Needs.quotes` asked for.
    """

    symbol: str
    now: datetime = attrs.field(converter=as_utc)
    bars: Mapping[BarSpec, Bars]
    quotes: Mapping[Contract, Quote] = MappingProxyType({})

    def bars_for(self, spec: BarSpec) -> Bars:
        """The bars of one specification.

        Raises:
            InvalidInput: They were not supplied: the strategy's `needs` must name them.
        """
        if spec not in self.bars:
            raise InvalidInput(
                f"no bars {spec.duration!r} of {spec.size!r} for {self.symbol}; "
                "a strategy is given what its needs() names"
            )
        return self.bars[spec]


class Strategy(Protocol):
    """Turns what the market shows into a signal; no IO, no clock, equal inputs give equal signals."""

    @property
    def name(self) -> str:
        """The name it is registered under."""
        ...

    def needs(self) -> Needs:
        """What it must be given."""
        ...

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict; `Direction.NONE` with reasons when there is nothing to do."""
        ...
