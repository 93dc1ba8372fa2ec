"""Strategies put together: one decides, others must agree."""

from collections.abc import Iterable
from functools import reduce

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Direction, Reason, Signal
from ibkeel.strategy.protocol import Needs, Strategy, StrategyContext


def _tuple(strategies: Iterable[Strategy]) -> tuple[Strategy, ...]:
    return tuple(strategies)


@attrs.frozen(kw_only=True)
class Confirmed:
    """Says what the first strategy says, if every other one says the same.

    A composition is a strategy itself, so compositions nest.

    Args:
        decides: Its direction, wish and exits are taken.
        confirms: Each must see the same direction.

    Raises:
        InvalidInput: Nothing confirms.
    """

    decides: Strategy
    confirms: tuple[Strategy, ...] = attrs.field(converter=_tuple)

    def __attrs_post_init__(self) -> None:
        if not self.confirms:
            raise InvalidInput("Confirmed.confirms is empty; valid: one strategy or more")

    @property
    def name(self) -> str:
        """The names joined by `+`, the one that decides first."""
        return "+".join(part.name for part in self._parts)

    @property
    def _parts(self) -> tuple[Strategy, ...]:
        return (self.decides, *self.confirms)

    def needs(self) -> Needs:
        """What all of them need together."""
        return reduce(Needs.__or__, (part.needs() for part in self._parts))

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict, with the reasons of everyone who was asked.

        Confidence is that of either being right, were they independent: confirmation adds to it.
        """
        lead = self.decides.decide(context)
        reasons, doubt = list(_named(self.decides, lead)), 1.0 - lead.confidence
        if lead.direction is Direction.NONE:
            return attrs.evolve(lead, reasons=tuple(reasons))
        for part in self.confirms:
            said = part.decide(context)
            reasons += _named(part, said)
            if said.direction is not lead.direction:
                return Signal(direction=Direction.NONE, reasons=tuple(reasons))
            doubt *= 1.0 - said.confidence
        return attrs.evolve(lead, confidence=1.0 - doubt, reasons=tuple(reasons))


def _named(strategy: Strategy, signal: Signal) -> tuple[Reason, ...]:
    """The reasons of a part, under its name."""
    return tuple(attrs.evolve(reason, name=f"{strategy.name}.{reason.name}") for reason in signal.reasons)
