"""What to look for in a chain, and the presets."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import finite, whole
from ibkeel.options.liquidity import LiquidityRule


class ExpiryChoice(StrEnum):
    """Which listed expiries are looked at."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    NEAREST = "nearest"


class StrikeStep(StrEnum):
    """Where the wanted strike lies, in strikes from the one at the money."""

    AT = "at"
    IN = "in"
    OUT = "out"


class Preference(StrEnum):
    """Which of several good options wins."""

    TIGHTEST = "tightest"
    BUSIEST = "busiest"


@attrs.frozen(kw_only=True)
class SelectionRule:
    """Which options of a chain to quote, and which of them to take.

    Args:
        expiry: WEEKLY takes one week's last expiry, MONTHLY the first monthly ones in the DTE range (LEAPS
            among them), NEAREST the first ones of any kind.
        min_dte: Fewest calendar days to expiry, inclusive.
        max_dte: Most calendar days to expiry, inclusive; None for no limit.
        expiry_count: How many expiries MONTHLY and NEAREST take.
        step: Whether the wanted strike is at, one step in or one step out of the money.
        strike_count: How many strikes to quote an expiry, nearest to the wanted one first.
        min_otm: Least distance out of the money, a fraction of spot; None for any.
        max_otm: Greatest distance out of the money, a fraction of spot; None for any.
        min_premium: Least premium at mid, per share; None for any.
        max_premium: Greatest premium at mid, per share; None for any.
        liquidity: What a quote must show.
        prefer: TIGHTEST takes the narrowest relative spread, then the nearest strike; BUSIEST
            the highest volume, then the narrowest spread.

    Raises:
        InvalidInput: A range is the wrong way round, or a count not above zero.
    """

    expiry: ExpiryChoice = attrs.field(default=ExpiryChoice.WEEKLY, converter=ExpiryChoice)
    min_dte: int = 0
    max_dte: int | None = None
    expiry_count: int = attrs.field(default=1, validator=whole)
    step: StrikeStep = attrs.field(default=StrikeStep.AT, converter=StrikeStep)
    strike_count: int = attrs.field(default=3, validator=whole)
    min_otm: float | None = attrs.field(default=None, validator=finite)
    max_otm: float | None = attrs.field(default=None, validator=finite)
    min_premium: float | None = attrs.field(default=None, validator=finite)
    max_premium: float | None = attrs.field(default=None, validator=finite)
    liquidity: LiquidityRule = attrs.field(factory=LiquidityRule)
    prefer: Preference = attrs.field(default=Preference.TIGHTEST, converter=Preference)

    def __attrs_post_init__(self) -> None:
        if self.min_dte < 0 or (self.max_dte is not None and self.max_dte < self.min_dte):
            raise InvalidInput(
                f"SelectionRule DTE range {self.min_dte} to {self.max_dte}; valid: 0 <= min_dte <= max_dte"
            )
        for what, least, most in (
            ("out of the money", self.min_otm, self.max_otm),
            ("of the premium", self.min_premium, self.max_premium),
        ):
            if least is not None and most is not None and least > most:
                raise InvalidInput(f"SelectionRule range {what} {least} to {most}; valid: min <= max")


PRESETS: Final[Mapping[str, SelectionRule]] = MappingProxyType(
    {
        "standard": SelectionRule(),
        "strategic": SelectionRule(
            expiry=ExpiryChoice.NEAREST,
            min_dte=30,
            max_dte=60,
            expiry_count=3,
            strike_count=10,
            min_otm=0.05,
            max_otm=0.10,
            liquidity=LiquidityRule(min_volume=10, max_relative_spread=0.05, max_absolute_spread=0.0),
            prefer=Preference.BUSIEST,
        ),
        "thin": SelectionRule(
            strike_count=10, liquidity=LiquidityRule(min_volume=10, max_relative_spread=0.06)
        ),
        "weekly": SelectionRule(strike_count=11),
    }
)
"""Rules by name: liquid names, months ahead and out of the money, thin names, more strikes of liquid ones."""


def preset(name: str) -> SelectionRule:
    """The rule of that name.

    Raises:
        InvalidInput: There is none.
    """
    if name not in PRESETS:
        raise InvalidInput(f"no preset {name!r}; valid: {', '.join(PRESETS)}")
    return PRESETS[name]
