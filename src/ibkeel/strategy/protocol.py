"""What a strategy is, what it asks for and what it is given."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Bars, BarSpec, Contract, OptionChain, Quote, Signal
from ibkeel.model.checks import as_optional_utc, as_utc
from ibkeel.validators import Fixed, from_zero, is_whole, mapping


@attrs.frozen(kw_only=True)
class Needs:
    """What a strategy must be given to decide.

    Args:
        bars: Bars of the symbol under test.
        least: Fewest bars of a specification, one of `bars`, on which it has something to say; with fewer the
            symbol is warming up, and the runner does not ask.
        quotes: Quotes of other contracts, such as an index.
        chain: Whether it looks at the option chain's expiries and strikes.
        memory: For how many seconds it must be told of its last entry in a symbol, over nights
            and restarts.

    Raises:
        InvalidInput: `least` names bars that are not asked for, or fewer than 1.
    """

    bars: tuple[BarSpec, ...] = ()
    least: Mapping[BarSpec, int] = attrs.field(factory=dict, converter=mapping, hash=False)
    quotes: tuple[Contract, ...] = ()
    chain: bool = False
    memory: float = attrs.field(default=0.0, validator=from_zero)

    def __attrs_post_init__(self) -> None:
        for spec, count in self.least.items():
            if spec not in self.bars or not (is_whole(count) and count >= 1):
                raise InvalidInput(
                    f"Needs.least is {count!r} for {spec.duration!r} of {spec.size!r}; "
                    "valid: 1 or more, of what is among its bars"
                )

    def __or__(self, other: "Needs") -> "Needs":
        """What two strategies need together, each thing once."""
        return Needs(
            bars=tuple(dict.fromkeys((*self.bars, *other.bars))),
            least={
                spec: max(self.least.get(spec, 1), other.least.get(spec, 1))
                for spec in (*self.least, *other.least)
            },
            quotes=tuple(dict.fromkeys((*self.quotes, *other.quotes))),
            chain=self.chain or other.chain,
            memory=max(self.memory, other.memory),
        )


@attrs.frozen(kw_only=True, eq=False)
class StrategyContext:
    """What the market shows of one symbol at one instant.

    Args:
        symbol: Ticker of the underlying.
        now: The present instant, aware; kept in UTC.
        bars: What `Needs.bars` asked for. In a run the last one may be unfinished: it holds what has traded so far.
        quotes: What `Needs.quotes` asked for.
        chain: The option chain, when `Needs.chain` asked for it.
        last_entry_at: When the symbol was last entered, as the journal knows; None for not within
            `Needs.memory`. It is all the past that a strategy has: it keeps none itself.
    """

    symbol: str
    now: datetime = attrs.field(converter=as_utc)
    bars: Mapping[BarSpec, Bars]
    quotes: Mapping[Contract, Quote] = Fixed({})
    chain: OptionChain | None = None
    last_entry_at: datetime | None = attrs.field(default=None, converter=as_optional_utc)

    @property
    def since_entry(self) -> float | None:
        """Seconds since the symbol was last entered; None for never, as far as is known."""
        return None if self.last_entry_at is None else (self.now - self.last_entry_at).total_seconds()

    def bars_for(self, spec: BarSpec) -> Bars:
        """The bars of one specification.

        Raises:
            InvalidInput: They were not supplied: the strategy's `needs` must name them.
        """
        found = self.bars.get(spec)
        if found is None:
            raise InvalidInput(
                f"no bars {spec.duration!r} of {spec.size!r} for {self.symbol}; "
                "a strategy is given what its needs() names"
            )
        return found


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
