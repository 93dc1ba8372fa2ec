"""Ask a broker what a delta plan wants to know."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Final, Protocol

from ibkeel.clock import Clock
from ibkeel.errors import NoData, QuoteUnavailable
from ibkeel.model import Chains, Index, MarketData, Option, OptionChain, Stock
from ibkeel.model.checks import NEW_YORK
from ibkeel.options.delta_plan import DeltaPick, DeltaPlan
from ibkeel.options.delta_rule import DeltaRule, delta_listing
from ibkeel.options.select import dte
from ibkeel.options.series import closes_by_day, series_of, years_to_expiry

_DAYS_TOLD: Final = 7  # a definition tells the hours of about a week


class QuotedChains(MarketData, Chains, Protocol):
    """What finding an option needs of a broker: definitions and quotes."""


async def pick_by_delta(
    broker: QuotedChains,
    underlying: Stock | Index,
    rule: DeltaRule,
    *,
    clock: Clock,
    chain: OptionChain | None = None,
    spot: float | None = None,
    trading_class: str | None = None,
    without: Collection[Option] = (),
    closes: Mapping[date, datetime] | None = None,
) -> DeltaPick:
    """The listed option whose own delta is nearest to a target, for a dozen quotes.

    It asks for the chain, for the price of the underlying, and then for two or three waves of options. A
    caller who fetches chain and price at the same time and passes them on saves their time.

    Args:
        broker: Any; its quotes come one wave at a time.
        underlying: The stock or index.
        rule: What to look for, and what may be spent.
        clock: For the time to expiry and the age of quotes.
        chain: Option classes, when they are known.
        spot: Price of the underlying per share, when it is known; roughly will do.
        trading_class: Which class; None takes any that no corporate action has adjusted.
        without: Options known not to exist, such as those of an earlier `DeltaPick.missing`.
        closes: When the exchange closes, by its date; a day that is not there closes at 16:00. None takes
            them from the broker's definition of the underlying, when the expiry is within a week.

    Returns:
        The pick with every candidate and its reasons; nothing is chosen when all were rejected.

    Raises:
        NoData: No listed expiry that still trades fits the rule, or the underlying has no options.
        QuoteUnavailable: The underlying has no price.
        NotConnected: There is no session.
    """
    known = await broker.option_chain(underlying) if chain is None else chain
    now = clock.now()
    today = now.astimezone(NEW_YORK).date()
    if closes is None:
        closes = await told_closes(broker, known, rule=rule, today=today)
    listing = delta_listing(
        known, today=today, rule=rule, trading_class=trading_class, now=now, closes=closes
    )
    if listing is None:
        raise NoData(
            f"{underlying} has no expiry from {rule.min_dte} to {rule.max_dte} days after {today} that still trades"
            f"{' of the kinds ' + ', '.join(sorted(rule.kinds)) if rule.kinds else ''}; listed are "
            f"{', '.join(map(str, known.expiries)) or 'none'}"
        )
    price = await _spot(broker, underlying) if spot is None else spot
    series = series_of(underlying, listing.row, listing.expiry, today=today, closes=closes)
    now = clock.now()
    if series.trades_until <= now:
        raise NoData(f"{series.trading_class} {series.expiry} ended while {underlying} was quoted; ask again")
    years = years_to_expiry(series.expires_at, now=now)
    plan = DeltaPlan.start(known, listing, rule=rule, spot=price, years=years, without=without)
    while wave := plan.next_wave():
        plan = plan.saw(await broker.quotes(wave), now=clock.now())
    return plan.result


async def told_closes(
    broker: Chains, chain: OptionChain, *, rule: DeltaRule, today: date
) -> Mapping[date, datetime]:
    """The closes that the definition of an underlying tells; none when no expiry is near enough.

    Args:
        broker: It keeps the definition: whoever has asked it for the chain sends no request here.
        chain: Option classes of the underlying.
        rule: Its range of days to expiry.
        today: Trading date.

    Returns:
        In UTC, by the exchange's date.
    """
    last = min(rule.max_dte, _DAYS_TOLD)
    if not any(rule.min_dte <= dte(expiry, today) <= last for expiry in chain.expiries):
        return {}
    return closes_by_day((await broker.qualify(chain.underlying)).liquid_hours)


async def _spot(broker: MarketData, underlying: Stock | Index) -> float:
    quote = await broker.quote(underlying)
    price = quote.mid or quote.last or quote.bid or quote.ask
    if price is None:
        raise QuoteUnavailable(f"{underlying} has no price")
    return price
