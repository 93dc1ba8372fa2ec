"""What a strategy says."""

from enum import StrEnum

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import finite, positive
from ibkeel.model.contracts import Right


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

    @override
    def __str__(self) -> str:
        """As people read it, such as `rsi14 44.3 (45 <= rsi14 <= 70)`."""
        return f"{self.name} {self.value:g} ({self.rule})" if self.rule else f"{self.name} {self.value:g}"


def _fraction(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise InvalidInput(f"Signal.{attribute.name} is {value!r}; valid: 0 to 1")


@attrs.frozen(kw_only=True)
class OptionWish:
    """Which options a strategy has in mind; None leaves a limit to the runner's preset.

    Args:
        min_dte: Fewest calendar days to expiry.
        max_dte: Most calendar days to expiry.
        min_otm: Least distance out of the money, a fraction of spot: 0.05 is 5 %.
        max_otm: Greatest distance out of the money, a fraction of spot.

    Raises:
        InvalidInput: A range is the wrong way round.
    """

    min_dte: int | None = None
    max_dte: int | None = None
    min_otm: float | None = attrs.field(default=None, validator=finite)
    max_otm: float | None = attrs.field(default=None, validator=finite)

    def __attrs_post_init__(self) -> None:
        for what, least, most in (
            ("DTE", self.min_dte, self.max_dte),
            ("out of the money", self.min_otm, self.max_otm),
        ):
            if least is not None and most is not None and least > most:
                raise InvalidInput(f"OptionWish {what} {least} to {most}; valid: min <= max")
        if self.min_dte is not None and self.min_dte < 0:
            raise InvalidInput(f"OptionWish.min_dte is {self.min_dte}; valid: 0 or more")


@attrs.frozen(kw_only=True)
class ExitPolicy:
    """When a position that a signal opened is to end; None leaves it to the runner's configuration.

    Stop and take profit are orders at the venue, sent with the entry. There is no way to ask for
    an entry without a stop.

    Args:
        stop_fraction: Part of the premium lost at the stop, above 0 and below 1.
        take_profit_fraction: Gain on the premium at which to sell, above 0.
        trail_period: Period of the exponential average of hourly closes that trails the position:
            a close on its wrong side ends it.
        min_dte: The position ends when fewer calendar days are left to its expiry.
        ends_with_session: Whether it ends before the close.

    Raises:
        InvalidInput: A value is out of its range.
    """

    stop_fraction: float | None = attrs.field(default=None, validator=positive)
    take_profit_fraction: float | None = attrs.field(default=None, validator=positive)
    trail_period: int | None = attrs.field(default=None, validator=positive)
    min_dte: int | None = attrs.field(default=None, validator=positive)
    ends_with_session: bool | None = None

    def __attrs_post_init__(self) -> None:
        if self.stop_fraction is not None and self.stop_fraction >= 1:
            raise InvalidInput(f"ExitPolicy.stop_fraction is {self.stop_fraction!r}; valid: above 0, below 1")


@attrs.frozen(kw_only=True)
class Signal:
    """A strategy's verdict on one symbol.

    Args:
        direction: Expected move; NONE means do nothing.
        confidence: From 0 to 1; 0 when there is nothing to do.
        reasons: The facts it rests on.
        wish: Which options it has in mind.
        exits: When the position is to end.
    """

    direction: Direction
    confidence: float = attrs.field(default=0.0, validator=_fraction)
    reasons: tuple[Reason, ...] = ()
    wish: OptionWish = OptionWish()
    exits: ExitPolicy = ExitPolicy()

    @property
    def is_entry(self) -> bool:
        """Whether the strategy wants a position."""
        return self.direction is not Direction.NONE
