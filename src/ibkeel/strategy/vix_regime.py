"""Options months ahead, by the regime that the VIX is in."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Direction, Index, OptionWish, Quote, Reason, Signal
from ibkeel.strategy.protocol import Needs, StrategyContext
from ibkeel.strategy.walk import nothing
from ibkeel.validators import above_zero, mapping

VIX: Final = Index("VIX")


class Regime(StrEnum):
    """How much fear the VIX shows."""

    COMPLACENCY = "complacency"
    NORMAL = "normal"
    ELEVATED = "elevated"
    PEAK_FEAR = "peak_fear"


_SAYS: Final = MappingProxyType(
    {
        Regime.COMPLACENCY: (Direction.DOWN, 0.85),
        Regime.NORMAL: (Direction.UP, 0.60),
        Regime.ELEVATED: (Direction.UP, 0.75),
        Regime.PEAK_FEAR: (Direction.NONE, 0.0),
    }
)
"""Direction and confidence of each regime: puts while nobody is afraid, calls once some are."""


_PUTS: Final = MappingProxyType(
    {
        "SPY": OptionWish(min_otm=0.05, max_otm=0.10, min_dte=30, max_dte=60),
        "QQQ": OptionWish(min_otm=0.00, max_otm=0.10, min_dte=30, max_dte=45),
        "IWM": OptionWish(min_otm=0.05, max_otm=0.10, min_dte=30, max_dte=60),
        "NVDA": OptionWish(min_otm=0.00, max_otm=0.10, min_dte=30, max_dte=60),
        "TSLA": OptionWish(min_otm=0.10, max_otm=0.20, min_dte=30, max_dte=60),
    }
)
_CALLS: Final = MappingProxyType(
    {
        "GLD": OptionWish(min_otm=0.02, max_otm=0.05, min_dte=60, max_dte=90),
        "LMT": OptionWish(min_otm=0.02, max_otm=0.05, min_dte=45, max_dte=90),
        "XLE": OptionWish(min_otm=0.02, max_otm=0.05, min_dte=30, max_dte=60),
    }
)


@attrs.frozen(kw_only=True)
class VixRegime:
    """Puts on one universe of symbols while the VIX is low, calls on another while it is raised.

    Without a VIX that is live and fresh it says nothing: no level is assumed.

    Args:
        calm: Level below which the market is complacent.
        raised: Level from which on it is elevated.
        fear: Level from which on nothing is bought.
        max_age: Oldest VIX that counts, in seconds.
        puts: Symbols to buy puts on, and which.
        calls: Symbols to buy calls on, and which.

    Raises:
        InvalidInput: A parameter is out of its range, or the levels do not ascend.
    """

    calm: float = attrs.field(default=15.0, validator=above_zero)
    raised: float = attrs.field(default=20.0, validator=above_zero)
    fear: float = attrs.field(default=30.0, validator=above_zero)
    max_age: float = attrs.field(default=900.0, validator=above_zero)
    puts: Mapping[str, OptionWish] = attrs.field(default=_PUTS, converter=mapping)
    calls: Mapping[str, OptionWish] = attrs.field(default=_CALLS, converter=mapping)

    def __attrs_post_init__(self) -> None:
        if not self.calm < self.raised < self.fear:
            raise InvalidInput(
                f"VixRegime levels calm {self.calm:g}, raised {self.raised:g}, fear {self.fear:g}; "
                "valid: calm < raised < fear"
            )

    @property
    def name(self) -> str:
        """`vix_regime`."""
        return "vix_regime"

    def needs(self) -> Needs:
        """A quote of the VIX."""
        return Needs(quotes=(VIX,))

    def regime(self, vix: float) -> Regime:
        """The regime of a level of the `vix`, in its points; each begins at its lower bound."""
        if vix < self.calm:
            return Regime.COMPLACENCY
        if vix < self.raised:
            return Regime.NORMAL
        return Regime.ELEVATED if vix < self.fear else Regime.PEAK_FEAR

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict on a symbol of either universe."""
        quote = context.quotes.get(VIX)
        if quote is None or quote.last is None:
            return nothing(Reason("vix_known", 0.0, "a VIX that could be read"))
        against = self._unfit(quote, context)
        if against is not None:
            return nothing(against)
        regime = self.regime(quote.last)
        direction, confidence = _SAYS[regime]
        universe = self.puts if direction is Direction.DOWN else self.calls
        seen = Reason("vix", quote.last, regime.value)
        if direction is Direction.NONE:
            return nothing(seen)
        if context.symbol not in universe:
            return nothing(seen, Reason("in_universe", 0.0, f"one of {', '.join(universe)}"))
        return Signal(
            direction=direction, confidence=confidence, reasons=(seen,), wish=universe[context.symbol]
        )

    def _unfit(self, quote: Quote, context: StrategyContext) -> Reason | None:
        age = (context.now - quote.at).total_seconds()
        if not quote.is_live:
            return Reason("vix_live", 0.0, f"live data, not {quote.data_type.value}")
        return Reason("vix_age", age, f"at most {self.max_age:g} s") if age > self.max_age else None
