"""From a chain to the few options worth a quote: rules and presets, expiries, strikes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, OptionChain, OptionClass, Right
from ibkeel.model.checks import Words, as_decimal, finite, whole
from ibkeel.options.liquidity import LiquidityRule
from ibkeel.options.series import SeriesKind, is_adjusted, series_kind
from ibkeel.validators import number, whole_number


class ExpiryChoice(Words):
    """Which listed expiries are looked at."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    NEAREST = "nearest"


class StrikeStep(Words):
    """Where the wanted strike lies, in strikes from the one at the money."""

    AT = "at"
    IN = "in"
    OUT = "out"


class Preference(Words):
    """Which of several good options wins."""

    TIGHTEST = "tightest"
    BUSIEST = "busiest"


def check_dte(what: str, least: int, most: int | None) -> None:
    """Refuse what is no range of days to expiry."""
    if least < 0 or (most is not None and least > most):
        raise InvalidInput(f"{what} {least} to {most}; valid: 0 <= min_dte <= max_dte")


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
    min_dte: int = attrs.field(default=0, validator=number("0 or more", lambda value: value >= 0))
    max_dte: int | None = attrs.field(default=None, validator=finite)
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
        check_dte("SelectionRule DTE range", self.min_dte, self.max_dte)
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


def dte(expiry: date, today: date) -> int:
    """Calendar days from `today` to `expiry`; negative once it has passed."""
    return (expiry - today).days


def expiries_within(
    expiries: Iterable[date], *, today: date, min_dte: int = 0, max_dte: int | None = None
) -> tuple[date, ...]:
    """Expiries whose DTE lies in a closed range.

    Args:
        expiries: Listed expiries, in any order.
        today: Trading date to count from, in the exchange's calendar.
        min_dte: Fewest calendar days to expiry, inclusive; 0 admits today's.
        max_dte: Most calendar days to expiry, inclusive; None for no limit.

    Returns:
        Matching expiries, ascending; empty when none match.

    Raises:
        InvalidInput: `min_dte` is negative or above `max_dte`.
    """
    check_dte("DTE range", min_dte, max_dte)
    return tuple(
        expiry
        for expiry in sorted(set(expiries))
        if dte(expiry, today) >= min_dte and (max_dte is None or dte(expiry, today) <= max_dte)
    )


def nearest_expiry(expiries: Iterable[date], *, today: date, min_dte: int = 0) -> date | None:
    """The first listed expiry at least `min_dte` calendar days away; None when there is none.

    Raises:
        InvalidInput: `min_dte` is negative.
    """
    return next(iter(expiries_within(expiries, today=today, min_dte=min_dte)), None)


def weekly_expiry(expiries: Iterable[date], *, today: date, min_dte: int = 0) -> date | None:
    """The last listed expiry of the first calendar week that has one at or after `min_dte`.

    That is this week's Friday where a Friday is listed, the Thursday when the exchange is shut
    on that Friday, and the next listed week when this one has none left.

    Args:
        expiries: Listed expiries, in any order.
        today: Trading date to count from, in the exchange's calendar.
        min_dte: Fewest calendar days to expiry, inclusive; 0 admits today's.

    Returns:
        A listed expiry, or None when all have passed.

    Raises:
        InvalidInput: `min_dte` is negative.
    """
    ahead = expiries_within(expiries, today=today, min_dte=min_dte)
    if not ahead:
        return None
    week = ahead[0].isocalendar()[:2]
    return max(expiry for expiry in ahead if expiry.isocalendar()[:2] == week)


def out_of_the_money(strike: float | Decimal, spot: float | Decimal, right: Right) -> Decimal:
    """How far out of the money a strike lies, as a fraction of spot; negative when in the money."""
    strike, spot = as_decimal(strike), _spot(spot)
    distance = strike - spot if Right(right) is Right.CALL else spot - strike
    return distance / spot


def nearest_strikes(strikes: Iterable[Decimal], to: float | Decimal, count: int) -> tuple[Decimal, ...]:
    """The `count` strikes nearest to a price, nearest first; the lower one of two as near.

    Raises:
        InvalidInput: `count` is no whole number, or below 0.
    """
    count, price = whole_number("count", count), as_decimal(to)
    return tuple(sorted(strikes, key=lambda strike: (abs(as_decimal(strike) - price), strike))[:count])


def at_the_money(strikes: Iterable[Decimal], forward: float | Decimal) -> Decimal:
    """The listed strike nearest to a forward, such as that of `parity_forward`; the lower of two as near.

    Args:
        strikes: Those that are listed, in any order.
        forward: Per share, in the strikes' currency.

    Raises:
        InvalidInput: There is no strike.
    """
    found = nearest_strikes(strikes, forward, 1)
    if not found:
        raise InvalidInput("no strike is listed; valid: one or more")
    return found[0]


def strikes_around(
    strikes: Iterable[Decimal], centre: float | Decimal, each_side: int
) -> tuple[Decimal, ...]:
    """The strike nearest to a price and its neighbours, ascending.

    Args:
        strikes: Those that are listed, in any order.
        centre: The price, per share.
        each_side: Neighbours below, and as many above; fewer where the list ends.

    Raises:
        InvalidInput: There is no strike, or `each_side` is no whole number, or below 0.
    """
    listed, each_side = sorted(set(strikes)), whole_number("each_side", each_side)
    at = listed.index(at_the_money(listed, centre))
    return tuple(listed[max(0, at - each_side) : at + each_side + 1])


def _wanted_strike(strikes: Sequence[Decimal], spot: Decimal, right: Right, step: StrikeStep) -> Decimal:
    """The price to gather strikes around: spot, or the listed strike one step in or out of the money."""
    if step is StrikeStep.AT:
        return spot
    at = strikes.index(nearest_strikes(strikes, spot, 1)[0])
    upwards = (right is Right.CALL) == (step is StrikeStep.OUT)
    return strikes[min(at + 1, len(strikes) - 1) if upwards else max(at - 1, 0)]


def _spot(spot: float | Decimal) -> Decimal:
    price = as_decimal(spot)
    if price <= 0:
        raise InvalidInput(f"spot is {spot!r}; valid: above 0")
    return price


def _expiries(row: OptionClass, today: date, rule: SelectionRule) -> tuple[date, ...]:
    listed = expiries_within(row.expiries, today=today, min_dte=rule.min_dte, max_dte=rule.max_dte)
    if rule.expiry is not ExpiryChoice.WEEKLY:
        fitting = (
            one for one in listed if rule.expiry is ExpiryChoice.NEAREST or _is_monthly(row, one, today)
        )
        return tuple(islice(fitting, rule.expiry_count))
    weekly = weekly_expiry(listed, today=today)
    return () if weekly is None else (weekly,)


def _is_monthly(row: OptionClass, expiry: date, today: date) -> bool:
    kind = series_kind(expiry, row.expiries, today=today, trading_class=row.trading_class)
    return kind in {SeriesKind.MONTHLY, SeriesKind.LEAPS}


def classes_of(chain: OptionChain, trading_class: str | None) -> list[OptionClass]:
    """The named class, or those that no corporate action has adjusted; by SMART where they are routed so."""
    if trading_class is None:
        found = [row for row in chain.classes if not is_adjusted(row.trading_class, chain.underlying.symbol)]
    else:
        found = [row for row in chain.classes if row.trading_class == trading_class]
        found = found or [chain.of_class(trading_class)]  # refuses it, and says what there is
    return [row for row in found if row.exchange == "SMART"] or found


def _is_in_range(strike: Decimal, spot: Decimal, right: Right, rule: SelectionRule) -> bool:
    distance = out_of_the_money(strike, spot, right)
    return (rule.min_otm is None or distance >= as_decimal(rule.min_otm)) and (
        rule.max_otm is None or distance <= as_decimal(rule.max_otm)
    )


def select(
    chain: OptionChain,
    *,
    spot: float | Decimal,
    today: date,
    right: Right,
    rule: SelectionRule,
    trading_class: str | None = None,
    without: Collection[Option] = (),
) -> tuple[Option, ...]:
    """The options of a chain worth a quote.

    Expiries and strikes of a class are unions, so a pair may not exist: put what ended in
    `UnknownContract` into `without` and ask again for the next nearest.

    Args:
        chain: Every class of the underlying.
        spot: Price of the underlying per share, above 0; give the forward to centre the strikes on it.
        today: Trading date, in the exchange's calendar.
        right: Calls or puts; decides which way is out of the money.
        rule: What to look for.
        trading_class: Which class; None takes the one with the most expiries of those that no corporate
            action has adjusted.
        without: Options to leave out.

    Returns:
        By expiry, then nearest to the wanted strike first; empty when the chain has none.

    Raises:
        InvalidInput: `spot` is not above zero, or the chain has no such class.
    """
    price, right = _spot(spot), Right(right)
    row = min(
        classes_of(chain, trading_class),
        key=lambda row: (-len(row.expiries), -len(row.strikes), row.trading_class, row.exchange),
        default=None,
    )
    if row is None or not row.strikes:
        return ()
    target = _wanted_strike(row.strikes, price, right, rule.step)
    chosen: list[Option] = []
    for expiry in _expiries(row, today, rule):
        options = {
            strike: chain.option(row, expiry, strike, right)
            for strike in row.strikes
            if _is_in_range(strike, price, right, rule)
        }
        listed = [strike for strike, option in options.items() if option not in without]
        chosen += [options[strike] for strike in nearest_strikes(listed, target, rule.strike_count)]
    return tuple(chosen)
