"""What a strategy says."""

import math
from collections.abc import Iterable
from typing import Any

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import (
    Words,
    as_flag,
    as_number,
    as_optional_count,
    as_optional_number,
    as_text,
    count,
    finite,
    flag,
    number,
    positive,
    text,
)
from ibkeel.model.contracts import Right


class Direction(Words):
    """Which way a strategy expects the underlying to move."""

    UP = "up"
    DOWN = "down"
    NONE = "none"

    @property
    def right(self) -> Right | None:
        """The long option that profits: a call for UP, a put for DOWN, None for NONE."""
        return {Direction.UP: Right.CALL, Direction.DOWN: Right.PUT}.get(self)


def _known(instance: "Reason", _: object, value: Any) -> None:
    if type(value) is float and math.isfinite(value):
        return
    if value is None or (type(value) is float and math.isnan(value)):
        said = "None" if value is None else "NaN"
        raise InvalidInput(f"Reason({instance.name!r}) is {said}; leave a fact out that is not known yet")
    raise InvalidInput(f"Reason({instance.name!r}) is {value!r}; valid: a finite number")


@attrs.frozen
class Reason:
    """One fact that a signal rests on.

    A fact that is not known yet, as an indicator that is not warm, is left out.

    Args:
        name: The fact, such as `rsi14`.
        value: What it was, a finite number; one of numpy's becomes a float.
        rule: What it was held against, such as `45 <= rsi14 <= 70`.

    Raises:
        InvalidInput: The value is no finite number, or a text cannot be written as UTF-8.
    """

    name: str = attrs.field(converter=as_text, validator=text)
    value: float = attrs.field(converter=as_number, validator=_known)
    rule: str = attrs.field(default="", converter=as_text, validator=text)

    @override
    def __str__(self) -> str:
        """As people read it, such as `rsi14 44.3 (45 <= rsi14 <= 70)`."""
        return f"{self.name} {self.value:g} ({self.rule})" if self.rule else f"{self.name} {self.value:g}"


def _fraction(_: object, attribute: "attrs.Attribute[float]", value: object) -> None:
    if type(value) is not float or not 0.0 <= value <= 1.0:
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
        InvalidInput: A range is the wrong way round, or a value is no number of its kind.
    """

    min_dte: int | None = attrs.field(default=None, converter=as_optional_count, validator=count)
    max_dte: int | None = attrs.field(default=None, converter=as_optional_count, validator=count)
    min_otm: float | None = attrs.field(
        default=None, converter=as_optional_number, validator=[number, finite]
    )
    max_otm: float | None = attrs.field(
        default=None, converter=as_optional_number, validator=[number, finite]
    )

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
    """When a position that a signal opened is to end.

    None leaves stop, take profit and the end of the session to the runner's configuration; a trail and a least
    number of days are the strategy's alone, and None means never.

    Stop and take profit are orders at the venue, sent with the entry. There is no way to ask for
    an entry without a stop.

    Args:
        stop_fraction: Part of the premium lost at the stop, above 0 and below 1.
        take_profit_fraction: Gain on the premium at which to sell, above 0.
        trail_period: Period of the exponential average of hourly closes that trails the position:
            a close on its wrong side ends it.
        min_dte: The position ends when fewer calendar days are left to its expiry.
        ends_with_session: Whether it ends before the close; on the day of its expiry it does in any case.

    Raises:
        InvalidInput: A value is out of its range.
    """

    stop_fraction: float | None = attrs.field(
        default=None, converter=as_optional_number, validator=[number, positive]
    )
    take_profit_fraction: float | None = attrs.field(
        default=None, converter=as_optional_number, validator=[number, positive]
    )
    trail_period: int | None = attrs.field(
        default=None, converter=as_optional_count, validator=[count, positive]
    )
    min_dte: int | None = attrs.field(default=None, converter=as_optional_count, validator=[count, positive])
    ends_with_session: bool | None = attrs.field(default=None, converter=as_flag, validator=flag)

    def __attrs_post_init__(self) -> None:
        if self.stop_fraction is not None and self.stop_fraction >= 1:
            raise InvalidInput(f"ExitPolicy.stop_fraction is {self.stop_fraction!r}; valid: above 0, below 1")


def _as_direction(value: Direction | str) -> Direction:
    return value if type(value) is Direction else Direction(value)


def _as_tuple(value: Iterable[Reason]) -> tuple[Reason, ...]:
    return tuple(value) if isinstance(value, list) else value  # type: ignore[return-value]  # `_reasons` refuses it


def _reasons(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, tuple) or any(type(each) is not Reason for each in value):
        valid = "Reason values in a tuple, such as (Reason('rsi14', 44.3),)"
        raise InvalidInput(f"Signal.{attribute.name} is {value!r}; valid: {valid}")


def _part(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    # A subclass would be journaled with fields that nobody reads back.
    if type(value) is not type(attribute.default):
        raise InvalidInput(f"Signal.{attribute.name} is {value!r}; valid: {attribute.default}")


@attrs.frozen(kw_only=True)
class Signal:
    """A strategy's verdict on one symbol.

    What it holds is journaled, so that numbers of numpy's become Python's, and what is no data is refused.

    Args:
        direction: Expected move; NONE means do nothing.
        confidence: From 0 to 1; 0 when there is nothing to do.
        reasons: The facts it rests on.
        wish: Which options it has in mind.
        exits: When the position is to end.

    Raises:
        InvalidInput: A value is not of its kind, or out of its range.
    """

    direction: Direction = attrs.field(converter=_as_direction)
    confidence: float = attrs.field(default=0.0, converter=as_number, validator=_fraction)
    reasons: tuple[Reason, ...] = attrs.field(default=(), converter=_as_tuple, validator=_reasons)
    wish: OptionWish = attrs.field(default=OptionWish(), validator=_part)
    exits: ExitPolicy = attrs.field(default=ExitPolicy(), validator=_part)

    @property
    def is_entry(self) -> bool:
        """Whether the strategy wants a position."""
        return self.direction is not Direction.NONE
