"""From a chain to the few options worth a quote."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, OptionChain, OptionClass, Right
from ibkeel.model.checks import as_decimal
from ibkeel.options.expiries import expiries_within, weekly_expiry
from ibkeel.options.rules import ExpiryChoice, SelectionRule, StrikeStep
from ibkeel.options.series import SeriesKind, is_adjusted, series_kind


def out_of_the_money(strike: Decimal, spot: Decimal, right: Right) -> Decimal:
    """How far out of the money a strike lies, as a fraction of spot; negative when in the money."""
    distance = strike - spot if right is Right.CALL else spot - strike
    return distance / spot


def nearest_strikes(strikes: Iterable[Decimal], to: Decimal, count: int) -> tuple[Decimal, ...]:
    """The `count` strikes nearest to a price, nearest first; the lower one of two as near."""
    return tuple(sorted(strikes, key=lambda strike: (abs(strike - to), strike))[:count])


def at_the_money(strikes: Iterable[Decimal], forward: float | Decimal) -> Decimal:
    """The listed strike nearest to a forward, such as that of `parity_forward`; the lower of two as near.

    Args:
        strikes: Those that are listed, in any order.
        forward: Per share, in the strikes' currency.

    Raises:
        InvalidInput: There is no strike.
    """
    found = nearest_strikes(strikes, as_decimal(forward), 1)
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
    """
    listed = sorted(set(strikes))
    at = listed.index(at_the_money(listed, centre))
    return tuple(listed[max(0, at - each_side) : at + each_side + 1])


def wanted_strike(strikes: Sequence[Decimal], spot: Decimal, right: Right, step: StrikeStep) -> Decimal:
    """The price to gather strikes around: spot, or the strike one step in or out of the money.

    Args:
        strikes: Listed strikes, ascending, not empty.
        spot: Price of the underlying.
        right: Decides which way is out of the money.
        step: Where to go; the outermost strike when there is none beyond.
    """
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


def _class_of(chain: OptionChain, trading_class: str | None) -> OptionClass | None:
    """The named class, or the one with the most expiries that no corporate action has adjusted."""
    if trading_class is not None:
        return chain.of_class(trading_class)
    symbol = chain.underlying.symbol
    plain = [row for row in chain.classes if not is_adjusted(row.trading_class, symbol)]
    smart = [row for row in plain if row.exchange == "SMART"] or plain
    return min(
        smart,
        key=lambda row: (-len(row.expiries), -len(row.strikes), row.trading_class, row.exchange),
        default=None,
    )


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
    price = _spot(spot)
    row = _class_of(chain, trading_class)
    if row is None or not row.strikes:
        return ()
    target = wanted_strike(row.strikes, price, right, rule.step)
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
