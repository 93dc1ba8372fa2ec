"""How far a portfolio may lean: limits on its sensitivities, and what an entry would add to them."""

import math
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from ibkeel.model import Greeks
from ibkeel.model.checks import finite
from ibkeel.risk.gate import Refusal, RefusalKind
from ibkeel.validators import number, optional

_FIGURES: Final = ("delta", "gamma", "theta", "vega")
_UNITS: Final = {"delta": "shares", "theta": "a day", "vega": "a volatility point"}


@attrs.frozen(kw_only=True)
class Exposure:
    """Sensitivities of what is held; a figure is None when any part of it is not known.

    Args:
        delta: In shares.
        gamma: In shares per unit of price.
        theta: In the currency, a calendar day.
        vega: In the currency, a volatility point.
    """

    delta: float | None = attrs.field(default=None, validator=finite)
    gamma: float | None = attrs.field(default=None, validator=finite)
    theta: float | None = attrs.field(default=None, validator=finite)
    vega: float | None = attrs.field(default=None, validator=finite)

    @classmethod
    def of(cls, greeks: Greeks | None, shares: float) -> "Exposure":
        """Of so many shares of a contract.

        Args:
            greeks: For one share of the contract's multiplier; None when they are not known.
            shares: Contracts and multiplier multiplied, below zero for what is owed.
        """
        each = greeks or Greeks()
        return cls(**{figure: _times(getattr(each, figure), shares) for figure in _FIGURES})

    def __add__(self, other: "Exposure") -> "Exposure":
        return Exposure(
            **{figure: _sum(getattr(self, figure), getattr(other, figure)) for figure in _FIGURES}
        )


def _times(figure: float | None, shares: float) -> float | None:
    return None if figure is None else figure * shares


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


FLAT: Final = Exposure(delta=0.0, gamma=0.0, theta=0.0, vega=0.0)
"""Of nothing held."""


_limit: Final = optional(number("above 0, or None for no limit", lambda value: 0 < value < math.inf))


@attrs.frozen(kw_only=True)
class ExposureLimits:
    """How far a portfolio may lean to either side; None sets no limit.

    Args:
        max_delta: Shares, long or short, inclusive.
        max_theta: Account currency a calendar day, earned or paid, inclusive.
        max_vega: Account currency a volatility point, long or short, inclusive.
    """

    max_delta: float | None = attrs.field(default=None, validator=_limit)
    max_theta: float | None = attrs.field(default=None, validator=_limit)
    max_vega: float | None = attrs.field(default=None, validator=_limit)

    def set_limits(self) -> Iterator[tuple[str, float]]:
        """Names of the limited figures, each with its limit."""
        for figure in _UNITS:
            limit: float | None = getattr(self, f"max_{figure}")
            if limit is not None:
                yield figure, limit

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return any(True for _ in self.set_limits())


def check_exposure(
    held: Exposure, added: Exposure, limits: ExposureLimits, *, pending: Iterable[Exposure] = ()
) -> tuple[Refusal, ...]:
    """Every limit that the portfolio would be beyond with an entry filled; what is unknown is beyond.

    Args:
        held: What is held.
        added: What the entry would add.
        limits: How far it may lean.
        pending: What each working entry would add. Nobody knows which of them fill, so the limits hold
            whichever do.

    Returns:
        One refusal a limit, with its figures; empty when nothing speaks against the entry.
    """
    on_their_way, filled = tuple(pending), held + added
    found = (
        _beyond(figure, limit, getattr(filled, figure), [getattr(each, figure) for each in on_their_way])
        for figure, limit in limits.set_limits()
    )
    return tuple(refusal for refusal in found if refusal is not None)


def _beyond(figure: str, limit: float, filled: float | None, pending: list[float | None]) -> Refusal | None:
    known = [each for each in pending if each is not None]
    if filled is None or len(known) < len(pending):
        detail = f"{figure} of the portfolio with it is unknown; needed: {limit:g} {_UNITS[figure]} or less"
        return Refusal(kind=RefusalKind.EXPOSURE_UNKNOWN, detail=detail)
    lowest = filled + sum(each for each in known if each < 0)
    highest = filled + sum(each for each in known if each > 0)
    worst = max(lowest, highest, key=abs)
    if abs(worst) <= limit:
        return None
    detail = f"{figure} of the portfolio with it {worst:.2f}; needed: {limit:g} {_UNITS[figure]} or less"
    return Refusal(kind=RefusalKind.EXPOSURE, detail=detail)
