"""What a strategy says."""

from enum import StrEnum

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model.contracts import Right

__all__ = ["Direction", "Reason", "Signal"]


class Direction(StrEnum):
    """Which way a strategy expects the underlying to move."""

    UP = "up"
    DOWN = "down"
    NONE = "none"

    @property
    def right(self) -> Right | None:
        """The long option that profits: a call for UP, a put for DOWN, None for NONE."""
        return {Direction.UP: Right.CALL, Direction.DOWN: Right.PUT}.get(self)


@attrs.frozen
class Reason:
    """One fact that a signal rests on.

    Args:
        name: The fact, such as `rsi14`.
        value: What it was.
        rule: What it was held against, such as `45 <= rsi14 <= 70`.
    """

    name: str
    value: float
    rule: str = ""


def _fraction(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise InvalidInput(f"Signal.{attribute.name} is {value!r}; valid: 0 to 1")


@attrs.frozen(kw_only=True)
class Signal:
    """A strategy's verdict on one symbol.

    Args:
        direction: Expected move; NONE means do nothing.
        confidence: From 0 to 1; 0 when there is nothing to do.
        reasons: The facts it rests on.
    """

    direction: Direction
    confidence: float = attrs.field(default=0.0, validator=_fraction)
    reasons: tuple[Reason, ...] = ()

    @property
    def is_entry(self) -> bool:
        """Whether the strategy wants a position."""
        return self.direction is not Direction.NONE
