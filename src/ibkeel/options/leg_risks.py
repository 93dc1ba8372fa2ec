"""What the legs of a structure come to: what can go wrong before it is traded, and sensitivities, added up."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

import attrs

from ibkeel.errors import InvalidInput, RequestFailed
from ibkeel.model import Contract, Greeks, Option, Quote, Right, Side
from ibkeel.model.broker import Answers
from ibkeel.model.checks import as_decimal, finite, whole
from ibkeel.options.greeks import greeks
from ibkeel.options.liquidity import LiquidityRule, RejectionKind, liquidity_rejections
from ibkeel.options.select import dte
from ibkeel.options.series import Exercise, end_of, is_adjusted
from ibkeel.options.structures import Leg, Structure

_Key = TypeVar("_Key")
_SUMMED: Final = ("delta", "gamma", "theta", "vega", "price")


class LegRiskKind(StrEnum):
    """What can go wrong."""

    NO_QUOTE = "no_quote"
    NOT_TWO_SIDED = "not_two_sided"
    CROSSED = "crossed"
    SPREAD_WIDE = "spread_wide"
    QUOTE_AGES = "quote_ages"
    ADJUSTED = "adjusted"
    MULTIPLIERS = "multipliers"
    EXPIRIES = "expiries"
    UNCOVERED = "uncovered"
    ASSIGNMENT = "assignment"
    EX_DIVIDEND = "ex_dividend"


@attrs.frozen(kw_only=True)
class LegRisk:
    """One thing that can go wrong, with the figures it rests on.

    Args:
        kind: What it is.
        detail: What was seen and what is wanted, in words.
        leg: The leg; None when it is about all of them.
    """

    kind: LegRiskKind
    detail: str
    leg: Leg | None = None


@attrs.frozen(kw_only=True)
class LegRiskRule:
    """Where risks begin.

    Args:
        max_relative_spread: Widest spread of a leg as a fraction of mid, inclusive.
        max_absolute_spread: Widest spread of a leg per share, inclusive; meeting either is enough.
        max_age_difference: Most seconds between the oldest and the newest quote.
        assignment_dte: Calendar days before expiry from which a short leg in the money counts.
    """

    max_relative_spread: float = attrs.field(default=0.10, validator=finite)
    max_absolute_spread: float = attrs.field(default=0.10, validator=finite)
    max_age_difference: float = attrs.field(default=5.0, validator=finite)
    assignment_dte: int = attrs.field(default=5, validator=whole)


_STANDARD: Final = LegRiskRule()
_KINDS: Final = {
    RejectionKind.NO_BID: LegRiskKind.NOT_TWO_SIDED,
    RejectionKind.NO_ASK: LegRiskKind.NOT_TWO_SIDED,
    RejectionKind.CROSSED: LegRiskKind.CROSSED,
    RejectionKind.SPREAD_WIDE: LegRiskKind.SPREAD_WIDE,
}


def leg_risks(
    structure: Structure,
    quotes: Answers,
    *,
    spot: float | Decimal,
    today: date,
    rule: LegRiskRule = _STANDARD,
    exercise: Exercise = Exercise.AMERICAN,
    dividends: Mapping[date, float] | None = None,
) -> tuple[LegRisk, ...]:
    """Everything that speaks for a second look; empty when nothing does.

    Args:
        structure: With prices or without.
        quotes: What `Broker.quotes` answered for the legs.
        spot: Price of the underlying per share.
        today: Trading date, in the exchange's calendar.
        rule: Where risks begin.
        exercise: EUROPEAN options are not assigned before they expire.
        dividends: Amounts per share by ex-dividend date, of the underlying.

    Returns:
        By leg first, then what concerns all of them.
    """
    price = as_decimal(spot)
    is_american = Exercise(exercise) is Exercise.AMERICAN
    assigned_from = rule.assignment_dte if is_american else 0
    risks = [risk for leg in structure.legs for risk in _quote_risks(leg, quotes.get(leg.contract), rule)]
    for leg in structure.legs:
        if isinstance(leg.contract, Option) and leg.side is Side.SELL:
            depth = _depth(leg.contract, price)
            risks += _near_expiry(leg, depth, dte(leg.contract.expiry, today), assigned_from)
            if is_american and depth > 0:
                quote = quotes.get(leg.contract)
                risks += _ex_dividend(leg, leg.contract, depth, today, dividends or {}, quote)
    risks += _uncovered(structure)
    risks += _mismatches(structure)
    return (*risks, *_age_risks(structure, quotes, rule))


def _quote_risks(leg: Leg, quote: Quote | RequestFailed | None, rule: LegRiskRule) -> Iterator[LegRisk]:
    if not isinstance(quote, Quote):
        why = "it was not quoted" if quote is None else f"no quote: {quote}"
        yield LegRisk(kind=LegRiskKind.NO_QUOTE, detail=f"{leg}: {why}", leg=leg)
        return
    spreads = LiquidityRule(
        min_volume=0,
        max_relative_spread=rule.max_relative_spread,
        max_absolute_spread=rule.max_absolute_spread,
    )
    for rejection in liquidity_rejections(quote, spreads):
        yield LegRisk(kind=_KINDS[rejection.kind], detail=f"{leg}: {rejection.detail}", leg=leg)


def _depth(option: Option, spot: Decimal) -> Decimal:
    """How far in the money, per share; below zero when it is out."""
    return spot - option.strike if option.right is Right.CALL else option.strike - spot


def _near_expiry(leg: Leg, depth: Decimal, days: int, assigned_from: int) -> Iterator[LegRisk]:
    if depth > 0 and days <= assigned_from:
        detail = f"{leg}: short and {depth:f} in the money with {days} days to expiry; it may be assigned"
        yield LegRisk(kind=LegRiskKind.ASSIGNMENT, detail=detail, leg=leg)


def _ex_dividend(
    leg: Leg,
    option: Option,
    depth: Decimal,
    today: date,
    dividends: Mapping[date, float],
    quote: Quote | RequestFailed | None,
) -> Iterator[LegRisk]:
    """Who holds a call in the money exercises it for a dividend above its time value."""
    mid = quote.mid if isinstance(quote, Quote) else None
    time_value = None if mid is None else mid - float(depth)
    for day, amount in sorted(dividends.items()):
        if option.right is not Right.CALL or not today < day <= option.expiry:
            continue
        if time_value is None or time_value < amount:
            left = "its time value is not known" if time_value is None else f"time value {time_value:.2f}"
            detail = f"{leg}: short, in the money over the ex-dividend date {day} of {amount:g}; {left}"
            yield LegRisk(kind=LegRiskKind.EX_DIVIDEND, detail=detail, leg=leg)


def _uncovered(structure: Structure) -> Iterator[LegRisk]:
    """Short options beyond what long ones that last as long, or shares, can answer for."""
    shares = sum(leg.shares for leg in structure.legs if not isinstance(leg.contract, Option))
    for right in Right:
        # Shares held answer for calls, shares owed for puts.
        cover = dict.fromkeys(structure.ends[-1:], max(0, shares if right is Right.CALL else -shares))
        legs = _of_right(structure, right)
        for end, leg in legs:
            cover[end] = cover.get(end, 0) + max(0, leg.shares)
        # What answers for a later short option could answer for an earlier one as well: the later first.
        for end, leg in reversed(legs):
            left = _uncovered_shares(-leg.shares, end, cover)
            if left > 0:
                detail = f"{leg}: {left} of {-leg.shares} shares are owed without cover"
                yield LegRisk(kind=LegRiskKind.UNCOVERED, detail=detail, leg=leg)


def _of_right(structure: Structure, right: Right) -> list[tuple[datetime, Leg]]:
    """By when they end, ascending."""
    found = [
        (end_of(leg.contract), leg)
        for leg in structure.legs
        if isinstance(leg.contract, Option) and leg.contract.right is right
    ]
    return sorted(found, key=lambda row: row[0])


def _uncovered_shares(owed: int, end: datetime, cover: dict[datetime, int]) -> int:
    """What is left owed after taking cover, which is then used up."""
    for until, shares in tuple(cover.items()):
        if until >= end:
            taken = max(0, min(owed, shares))
            cover[until] = shares - taken
            owed -= taken
    return owed


def _mismatches(structure: Structure) -> Iterator[LegRisk]:
    options = [leg.contract for leg in structure.legs if isinstance(leg.contract, Option)]
    for name in sorted({one.trading_class for one in options if is_adjusted(one.trading_class, one.symbol)}):
        detail = (
            f"class {name} was adjusted by a corporate action: its options deliver something else than the "
            "multiplier in shares, and no payoff or greek here knows what"
        )
        yield LegRisk(kind=LegRiskKind.ADJUSTED, detail=detail)
    multipliers = sorted({option.multiplier for option in options})
    if len(multipliers) > 1:
        detail = f"multipliers {multipliers}: the legs stand for different numbers of shares"
        yield LegRisk(kind=LegRiskKind.MULTIPLIERS, detail=detail)
    if len(structure.ends) > 1:
        days = ", ".join(map(str, structure.ends))
        detail = f"expiries {days}: when the first comes, the legs that live on stand alone"
        yield LegRisk(kind=LegRiskKind.EXPIRIES, detail=detail)


def _age_risks(structure: Structure, quotes: Answers, rule: LegRiskRule) -> Iterator[LegRisk]:
    answers = (quotes.get(leg.contract) for leg in structure.legs)
    instants = [answer.at for answer in answers if isinstance(answer, Quote)]
    apart = (max(instants) - min(instants)).total_seconds() if instants else 0.0
    if apart > rule.max_age_difference:
        detail = f"quotes {apart:g} s apart; wanted: {rule.max_age_difference:g} s or less"
        yield LegRisk(kind=LegRiskKind.QUOTE_AGES, detail=detail)


@attrs.frozen(kw_only=True)
class NetGreeks:
    """Sensitivities of a structure; a figure is None when a leg has none.

    Args:
        per_share: As those of one option are told: for one share of the multiplier; `price` is the
            net price, `iv` is None.
        per_contract: The same times the multiplier: `delta` in shares, `theta` and `vega` in the
            currency.
        missing: Legs without any figures.
    """

    per_share: Greeks
    per_contract: Greeks
    missing: tuple[Contract, ...] = ()


def net_greeks(
    structure: Structure,
    *,
    spot: float,
    volatility: float | Mapping[Option, float],
    years: float | Mapping[date, float],
    rate: float = 0.0,
    dividend_yield: float = 0.0,
) -> NetGreeks:
    """Sensitivities by Black-Scholes-Merton, every option taken for a European one.

    Args:
        structure: With prices or without.
        spot: Price of the underlying per share, above 0.
        volatility: A year, a fraction: of every option, or of each.
        years: Time to expiry: of every option, or by expiry; see `years_to_expiry`.
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.

    Raises:
        InvalidInput: A volatility or a time to expiry is missing.
    """

    def of(option: Option) -> Greeks:
        columns = greeks(
            _given(volatility, option, f"volatility of {option}"),
            spot=spot,
            strike=float(option.strike),
            years=_given(years, option.expiry, f"time to {option.expiry}"),
            right=option.right,
            rate=rate,
            dividend_yield=dividend_yield,
        )
        if columns.reasons.any():
            return Greeks()
        return Greeks(**{figure: float(getattr(columns, figure)) for figure in _SUMMED})

    return _summed(structure, of, spot)


def broker_net_greeks(structure: Structure, quotes: Answers, *, spot: float) -> NetGreeks:
    """Sensitivities as the broker computed them for each leg.

    Args:
        structure: With prices or without.
        quotes: What `Broker.quotes` answered for the legs.
        spot: Price of the underlying per share.
    """

    def of(option: Option) -> Greeks:
        quote = quotes.get(option)
        return (quote.greeks if isinstance(quote, Quote) else None) or Greeks()

    return _summed(structure, of, spot)


def _given(values: float | Mapping[_Key, float], key: _Key, what: str) -> float:
    if not isinstance(values, Mapping):
        return values
    if key not in values:
        raise InvalidInput(f"the {what} is missing")
    return values[key]


def _summed(structure: Structure, of: Callable[[Option], Greeks], spot: float) -> NetGreeks:
    share = Greeks(delta=1.0, gamma=0.0, theta=0.0, vega=0.0, price=spot)
    known = {
        leg.contract: of(leg.contract) if isinstance(leg.contract, Option) else share
        for leg in structure.legs
    }
    totals: dict[str, float] = {}
    for figure in _SUMMED:
        terms = [(leg.shares, getattr(known[leg.contract], figure)) for leg in structure.legs]
        if all(value is not None for _, value in terms):
            totals[figure] = sum(shares * value for shares, value in terms)
    return NetGreeks(
        per_share=Greeks(
            **{figure: total / structure.multiplier for figure, total in totals.items()},
            underlying_price=spot,
        ),
        per_contract=Greeks(**totals, underlying_price=spot),
        missing=tuple(contract for contract, found in known.items() if found == Greeks()),
    )
