import math
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import attrs
import pytest
from typing_extensions import override

from ibkeel.errors import (
    InvalidInput,
    NoData,
    PacingExceeded,
    QuoteUnavailable,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.model import (
    ContractDetails,
    DataType,
    Index,
    Option,
    OptionChain,
    OptionClass,
    Quote,
    Right,
    Stock,
    TradingHours,
)
from ibkeel.options import (
    DeltaPlan,
    DeltaRule,
    LiquidityRule,
    Listing,
    RejectionKind,
    delta_listing,
    pick_by_delta,
    price,
)
from ibkeel.testing import FakeBroker

NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
TODAY = NOON.date()
EXPIRY = TODAY + timedelta(days=45)
YEARS = 45 / 365
SPOT = 500.0
STRIKES = tuple(Decimal(strike) for strike in range(400, 601))
ROW = OptionClass(trading_class="SPY", expiries=(EXPIRY,), strikes=STRIKES)
CHAIN = OptionChain(underlying=Stock("SPY"), classes=(ROW,))
LISTING = Listing(row=ROW, expiry=EXPIRY)
PUT = DeltaRule(right="P")


def volatility(strike):
    return 0.2 - 0.3 * math.log(float(strike) / SPOT)


def quote(option, at=NOON, **changes):
    value = float(
        price(
            volatility(option.strike), spot=SPOT, strike=float(option.strike), years=YEARS, right=option.right
        )
    )
    plain = Quote(contract=option, at=at, bid=0.99 * value, ask=1.01 * value, volume=50.0)
    return attrs.evolve(plain, **changes)


def answers(wave, missing=(), **changes):
    no = UnknownContract("no such contract", code=200)
    return {one: no if one.strike in missing else quote(one, **changes) for one in wave}


def run(rule=PUT, *, missing=(), spot=SPOT, without=(), **changes):
    plan = DeltaPlan.start(CHAIN, LISTING, rule=rule, spot=spot, years=YEARS, without=without)
    waves = []
    while wave := plan.next_wave():
        waves.append(wave)
        plan = plan.saw(answers(wave, missing, **changes), now=NOON)
    return plan.result, waves


def nearest(target, right, missing=()):
    """By the definition of delta: the slope of the price in the spot, strike after strike."""

    def delta(strike):
        up, down = (
            float(price(volatility(strike), spot=SPOT + h, strike=float(strike), years=YEARS, right=right))
            for h in (0.01, -0.01)
        )
        return abs(up - down) / 0.02

    return min((k for k in STRIKES if k not in missing), key=lambda k: abs(delta(k) - target))


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("target", [0.05, 0.16, 0.30, 0.50, 0.70])
def test_two_waves_find_what_quoting_everything_finds(right, target):
    pick, waves = run(DeltaRule(right=right, delta=target))

    assert pick.chosen.option.strike == nearest(target, right)
    assert pick.is_proven
    assert len(waves) <= 2
    assert pick.quoted == sum(map(len, waves)) <= 13


def test_a_plan_asks_for_nothing_twice_and_asking_it_again_changes_nothing():
    plan = DeltaPlan.start(CHAIN, LISTING, rule=PUT, spot=SPOT, years=YEARS)

    first = plan.next_wave()
    _, waves = run()

    assert plan.next_wave() == first
    asked = [option for wave in waves for option in wave]
    assert len(asked) == len(set(asked))


def test_strikes_that_do_not_exist_are_found_out_and_passed_over():
    missing = {strike for strike in STRIKES if strike % 5}

    pick, waves = run(missing=missing)

    assert pick.chosen.option.strike == nearest(0.30, Right.PUT, missing)
    assert pick.is_proven
    assert len(waves) <= 3
    assert {option.strike for option in pick.missing} <= missing


def test_options_known_to_be_missing_are_not_asked_for():
    first, _ = run(missing={Decimal(480), Decimal(500)})

    again, waves = run(missing={Decimal(480), Decimal(500)}, without=first.missing)

    assert first.missing
    assert not {option for wave in waves for option in wave} & set(first.missing)
    assert again.missing == ()


def test_the_forward_comes_from_another_pair_when_the_first_is_not_whole():
    pick, _ = run(missing={Decimal(500)})

    assert pick.has_parity
    assert pick.forward == pytest.approx(SPOT)


def test_without_any_pair_the_spot_serves_and_the_pick_says_so():
    pick, _ = run(missing={strike for strike in STRIKES if abs(strike - 500) <= 5})

    assert not pick.has_parity
    assert not pick.is_proven
    assert "by the spot alone" in pick.explain()


def test_one_sided_and_crossed_quotes_do_not_compete():
    def plan_of(**changes):
        plan = DeltaPlan.start(CHAIN, LISTING, rule=PUT, spot=SPOT, years=YEARS)
        wave = plan.next_wave()
        told = answers(wave)
        told[wave[0]] = quote(wave[0], **changes)
        return plan.saw(told, now=NOON).result.candidates[-1]

    one_sided, crossed, worthless = (
        plan_of(bid=None),
        plan_of(bid=9.0, ask=8.0),
        plan_of(bid=900.0, ask=901.0),
    )

    assert [rejection.kind for rejection in one_sided.rejections] == [RejectionKind.NO_BID]
    assert [rejection.kind for rejection in crossed.rejections] == [RejectionKind.CROSSED]
    assert [rejection.kind for rejection in worthless.rejections] == [RejectionKind.NO_VOLATILITY]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"data_type": DataType.DELAYED}, RejectionKind.NOT_LIVE),
        ({"at": NOON - timedelta(seconds=16)}, RejectionKind.STALE),
    ],
    ids=["delayed", "stale"],
)
def test_delayed_and_stale_quotes_are_refused_after_one_wave_unless_told(changes, kind):
    refused, waves = run(**changes)
    told, _ = run(attrs.evolve(PUT, live_only=False, max_age=None), **changes)

    assert refused.chosen is None
    assert "nothing fits" in refused.explain()
    assert len(waves) == 1
    assert {rejection.kind for one in refused.candidates for rejection in one.rejections} == {kind}
    assert told.chosen.option.strike == nearest(0.30, Right.PUT)


def test_the_next_nearest_is_taken_when_the_nearest_is_not_liquid():
    best = nearest(0.30, Right.PUT)
    rule = attrs.evolve(PUT, liquidity=LiquidityRule(min_volume=10, max_relative_spread=0.05))
    plan = DeltaPlan.start(CHAIN, LISTING, rule=rule, spot=SPOT, years=YEARS)

    while wave := plan.next_wave():
        told = {one: quote(one, volume=1.0 if one.strike == best else 50.0) for one in wave}
        plan = plan.saw(told, now=NOON)

    pick = plan.result
    dropped = next(one for one in pick.candidates if one.option.strike == best)
    assert abs(pick.chosen.option.strike - best) == 1
    assert [rejection.kind for rejection in dropped.rejections] == [RejectionKind.VOLUME_LOW]
    assert pick.is_proven


def test_a_budget_is_kept_and_an_unproven_pick_says_so():
    pick, waves = run(attrs.evolve(PUT, max_quotes=6))
    few, _ = run(attrs.evolve(PUT, max_waves=1))

    assert sum(map(len, waves)) == 6
    assert few.waves == 1
    assert not few.is_proven
    assert "may be nearer" in few.explain()
    assert pick.chosen is not None


def run_failing(error, failing):
    plan = DeltaPlan.start(CHAIN, LISTING, rule=PUT, spot=SPOT, years=YEARS)
    while wave := plan.next_wave():
        came = {one: error if failing(one, plan.waves) else quote(one) for one in wave}
        plan = plan.saw(came, now=NOON)
    return plan.result


@pytest.mark.parametrize(
    ("error", "is_proven"),
    [
        (RequestTimeout("no answer"), False),
        (PacingExceeded("too many"), False),
        (QuoteUnavailable("nothing came"), True),
        (UnknownContract("no such contract", code=200), True),
    ],
)
def test_a_nearer_one_whose_request_failed_leaves_a_pick_unproven(error, is_proven):
    best = run()[0].chosen.option

    found = run_failing(error, lambda option, _: option == best)

    assert found.chosen.option != best
    assert found.is_proven is is_proven


def test_when_all_about_the_target_time_out_the_pick_is_not_proven_and_others_are_asked():
    found = run_failing(RequestTimeout("no answer"), lambda _, waves: waves == 1)

    assert not found.is_proven
    assert found.waves == 3
    assert "may be nearer" in found.explain()


def test_a_failed_twin_leaves_the_pick_proven():
    found = run_failing(
        RequestTimeout("no answer"), lambda option, waves: waves == 0 and option.right is Right.CALL
    )

    assert found.is_proven
    assert found.has_parity


def test_a_target_beyond_the_last_strike_takes_the_last_one():
    row = attrs.evolve(ROW, strikes=STRIKES[90:])
    chain = attrs.evolve(CHAIN, classes=(row,))
    rule = DeltaRule(right="P", delta=0.10)
    plan = DeltaPlan.start(chain, Listing(row=row, expiry=EXPIRY), rule=rule, spot=SPOT, years=YEARS)

    while wave := plan.next_wave():
        plan = plan.saw(answers(wave), now=NOON)

    assert plan.result.chosen.option.strike == row.strikes[0]
    assert plan.result.is_proven


def test_an_answer_that_did_not_come_counts_as_none():
    plan = DeltaPlan.start(CHAIN, LISTING, rule=PUT, spot=SPOT, years=YEARS)

    told = plan.saw({}, now=NOON)

    assert {one.rejections[0].kind for one in told.result.candidates} == {RejectionKind.NO_QUOTE}
    assert told.next_wave()


@pytest.mark.parametrize("figures", [{"spot": 0.0}, {"years": 0.0}])
def test_a_plan_refuses_figures_that_price_nothing(figures):
    with pytest.raises(InvalidInput):
        DeltaPlan.start(CHAIN, LISTING, rule=PUT, **{"spot": SPOT, "years": YEARS, **figures})


def test_a_plan_without_a_strike_is_refused():
    none = attrs.evolve(ROW, strikes=())

    with pytest.raises(InvalidInput, match="no strike"):
        DeltaPlan.start(CHAIN, Listing(row=none, expiry=EXPIRY), rule=PUT, spot=SPOT, years=YEARS)


@pytest.mark.parametrize(
    "figures",
    [
        {"delta": 0},
        {"delta": 1},
        {"delta": -0.3},
        {"min_dte": 9, "max_dte": 8},
        {"min_dte": "30"},
        {"max_dte": None},
        {"max_dte": math.nan},
        {"target_dte": "45"},
        {"target_dte": math.nan},
        {"live_only": "False"},
        {"max_age": 0},
        {"max_error": -0.1},
        {"max_error": math.nan},
        {"max_quotes": 0},
    ],
    ids=str,
)
def test_a_rule_that_nothing_can_meet_is_refused(figures):
    with pytest.raises(InvalidInput, match=r"^DeltaRule"):
        DeltaRule(right="P", **figures)


def test_the_expiry_nearest_the_wanted_days_is_taken_the_earlier_of_two():
    days = [TODAY + timedelta(days=n) for n in (30, 40, 50, 60)]
    chain = attrs.evolve(CHAIN, classes=(attrs.evolve(ROW, expiries=tuple(days)),))

    def listed(**rule):
        found = delta_listing(chain, today=TODAY, rule=DeltaRule(right="P", **rule))
        return found and (found.expiry - TODAY).days

    assert listed() == 40
    assert listed(target_dte=52) == 50
    assert listed(kinds=["leaps"]) is None
    assert listed(min_dte=61, max_dte=90) is None


def test_adjusted_classes_are_passed_over_and_a_class_can_be_named():
    odd = attrs.evolve(ROW, trading_class="2SPY")
    chain = attrs.evolve(CHAIN, classes=(odd, ROW))

    usual = delta_listing(chain, today=TODAY, rule=PUT)
    named = delta_listing(chain, today=TODAY, rule=PUT, trading_class="2SPY")

    assert (usual.row.trading_class, named.row.trading_class) == ("SPY", "2SPY")


@pytest.mark.parametrize(
    ("kinds", "taken"), [(["monthly"], "SPX"), (["weekly"], "SPXW"), ([], "SPXW"), (["leaps"], None)]
)
def test_of_classes_of_one_day_the_kind_decides_or_else_the_one_with_more_expiries(kinds, taken):
    # A Gateway lists the monthly one, that settles at the open of the third Friday, by the day before.
    monthly = OptionClass(trading_class="SPX", expiries=(EXPIRY,), strikes=(5000,))
    weekly = OptionClass(trading_class="SPXW", expiries=(EXPIRY, EXPIRY + timedelta(days=1)), strikes=(5000,))
    chain = OptionChain(underlying=Index("SPX"), classes=(monthly, weekly))

    found = delta_listing(chain, today=TODAY, rule=DeltaRule(right="P", kinds=kinds))

    assert (found and found.row.trading_class) == taken


@pytest.mark.parametrize(("kind", "taken"), [("monthly", "VIX"), ("weekly", "VIXW")])
def test_monthly_options_that_expire_on_no_third_friday_are_known_by_their_class(kind, taken):
    classes = [
        OptionClass(trading_class=name, expiries=(TODAY + timedelta(days=days),), strikes=(20,))
        for name, days in (("VIX", 43), ("VIXW", 50))
    ]
    chain = OptionChain(underlying=Index("VIX"), classes=classes)

    found = delta_listing(chain, today=TODAY, rule=DeltaRule(right="P", kinds=[kind]))

    assert found.row.trading_class == taken


class StoppedClock:
    """A clock that stands still."""

    def monotonic(self):
        return 0.0

    def now(self):
        return NOON


def whole_chain(**changes):
    options = [
        Option("SPY", EXPIRY, strike, right, trading_class="SPY") for strike in STRIKES for right in Right
    ]
    spot = Quote(contract=Stock("SPY"), at=NOON, bid=SPOT - 0.01, ask=SPOT + 0.01)
    return FakeBroker(
        quotes=[spot, *(quote(one, **changes) for one in options)], chains=[CHAIN], clock=StoppedClock()
    )


async def test_a_broker_is_asked_for_a_dozen_quotes_and_no_more():
    broker = whole_chain()
    async with broker:
        pick = await pick_by_delta(broker, Stock("SPY"), PUT, clock=StoppedClock())

    assert pick.chosen.option.strike == nearest(0.30, Right.PUT)
    assert sum(call.kind == "quote" for call in broker.calls) == pick.quoted + 1 <= 14


async def test_chain_and_price_that_are_known_are_not_asked_for():
    broker = whole_chain()
    async with broker:
        await pick_by_delta(broker, Stock("SPY"), PUT, clock=StoppedClock(), chain=CHAIN, spot=SPOT)

    assert {call.kind for call in broker.calls} == {"connect", "quote"}
    assert Stock("SPY") not in {call.subject for call in broker.calls}


async def test_no_expiry_in_the_range_is_told_with_those_there_are():
    broker = whole_chain()
    async with broker:
        with pytest.raises(NoData, match=f"from 1 to 2 days .* listed are {EXPIRY}"):
            await pick_by_delta(
                broker, Stock("SPY"), DeltaRule(right="P", min_dte=1, max_dte=2), clock=StoppedClock()
            )


async def test_an_underlying_without_a_price_ends_the_search():
    broker = FakeBroker(chains=[CHAIN], clock=StoppedClock())
    async with broker:
        with pytest.raises(QuoteUnavailable):
            await pick_by_delta(broker, Stock("SPY"), PUT, clock=StoppedClock())


async def test_a_price_that_is_none_ends_the_search():
    class Silent(FakeBroker):
        async def quote(self, contract):
            return Quote(contract=contract, at=NOON, close=500.0)

    broker = Silent(chains=[CHAIN], clock=StoppedClock())
    async with broker:
        with pytest.raises(QuoteUnavailable, match="no price"):
            await pick_by_delta(broker, Stock("SPY"), PUT, clock=StoppedClock())


def test_a_series_that_trades_no_more_is_passed_over_when_the_hour_is_known():
    weekly = OptionClass(trading_class="SPXW", expiries=(TODAY + timedelta(days=7),), strikes=(5000,))
    monthly = OptionClass(trading_class="SPX", expiries=(TODAY,), strikes=(5000,))
    chain = OptionChain(underlying=Index("SPX"), classes=(monthly, weekly))
    rule = DeltaRule(right="P", min_dte=0, max_dte=14, target_dte=0)

    def taken(**known):
        return delta_listing(chain, today=TODAY, rule=rule, **known).row.trading_class

    assert taken() == "SPX"
    assert taken(now=NOON) == "SPX"  # what settles at the open is listed by its last trading day
    assert taken(now=NOON.replace(hour=20, minute=59)) == "SPX"
    assert taken(now=NOON.replace(hour=21)) == "SPXW"


HALF_DAY = datetime(2024, 11, 29, 17, tzinfo=UTC)
FRIDAYS = tuple(HALF_DAY.date() + timedelta(days=days) for days in (0, 7))
NEAR = DeltaRule(right="P", min_dte=0, max_dte=7, target_dte=0)


class NovemberClock(StoppedClock):
    def __init__(self, now):
        self._now = now

    @override
    def now(self):
        return self._now


def half_day_broker(clock, known):
    row = attrs.evolve(ROW, expiries=FRIDAYS)
    chain = OptionChain(underlying=Stock("SPY"), classes=(row,))
    puts = [
        Option("SPY", day, strike, right, trading_class="SPY")
        for day in FRIDAYS
        for strike in STRIKES
        for right in Right
    ]
    spot = Quote(contract=Stock("SPY"), at=clock.now(), bid=SPOT - 0.01, ask=SPOT + 0.01)
    hours = TradingHours(opens_at=HALF_DAY.replace(hour=14, minute=30), closes_at=HALF_DAY.replace(hour=18))
    details = ContractDetails(
        contract=Stock("SPY"), min_tick=Decimal("0.01"), liquid_hours=(hours,) if known else ()
    )
    quotes = [spot, *(quote(one, at=clock.now()) for one in puts)]
    return FakeBroker(quotes=quotes, chains=[chain], details=[details], clock=clock)


async def picked(now, *, known=True, **given):
    clock = NovemberClock(now)
    broker = half_day_broker(clock, known)
    async with broker:
        pick = await pick_by_delta(broker, Stock("SPY"), NEAR, clock=clock, **given)
    return pick, broker


@pytest.mark.parametrize(("minute", "known", "expiry"), [
    (59, True, FRIDAYS[0]), (60, True, FRIDAYS[1]), (60, False, FRIDAYS[0]),
])  # fmt: skip
async def test_the_hours_of_the_underlying_tell_of_an_early_close(minute, known, expiry):
    pick, broker = await picked(HALF_DAY + timedelta(minutes=minute), known=known)

    assert {one.option.expiry for one in pick.candidates} == {expiry}
    assert sum(call.kind == "qualify" for call in broker.calls) == 1
    assert sum(call.kind == "quote" for call in broker.calls) == pick.quoted + 1 <= 14


async def test_closes_that_are_given_are_not_asked_for():
    closes = {FRIDAYS[0]: HALF_DAY.replace(hour=16)}

    pick, broker = await picked(HALF_DAY, closes=closes)

    assert {one.option.expiry for one in pick.candidates} == {FRIDAYS[1]}
    assert "qualify" not in {call.kind for call in broker.calls}


async def test_an_early_close_shortens_the_life_that_volatility_is_reckoned_for():
    early, _ = await picked(HALF_DAY)
    usual, _ = await picked(HALF_DAY, known=False)

    def iv(pick):
        return {one.option.strike: one.iv for one in pick.candidates if one.iv}

    both = iv(early).keys() & iv(usual).keys()
    assert both
    for strike in both:  # one hour is left instead of four, so that volatility doubles at the same price
        assert iv(early)[strike] == pytest.approx(2 * iv(usual)[strike], rel=0.01)


async def test_on_the_evening_of_its_expiry_a_series_is_no_choice():
    class Evening(StoppedClock):
        def now(self):
            return datetime.combine(EXPIRY, time(20, 30), UTC)

    broker = whole_chain()
    async with broker:
        with pytest.raises(NoData, match="no expiry from 0 to 1 days"):
            await pick_by_delta(
                broker, Stock("SPY"), DeltaRule(right="P", min_dte=0, max_dte=1), clock=Evening()
            )


async def test_a_series_that_ends_while_the_price_is_on_its_way_is_no_choice():
    class LateBroker(FakeBroker):
        async def quote(self, contract):
            clock.move_to(at_the_close)
            return await super().quote(contract)

    class MovedClock(NovemberClock):
        def move_to(self, now):
            self._now = now

    at_the_close = datetime(2024, 4, 18, 20, tzinfo=UTC)
    clock = MovedClock(at_the_close - timedelta(seconds=1))
    spot = Quote(contract=Stock("SPY"), at=NOON, bid=SPOT - 0.01, ask=SPOT + 0.01)
    broker = LateBroker(quotes=[spot], chains=[CHAIN], clock=clock)

    async with broker:
        with pytest.raises(NoData, match="ended while SPY was quoted"):
            await pick_by_delta(
                broker,
                Stock("SPY"),
                DeltaRule(right="P", min_dte=0, max_dte=1),
                clock=clock,
                closes={},
            )


def test_a_delta_too_far_from_the_target_is_not_taken():
    few = (Decimal(500), Decimal(600))
    listing = Listing(row=attrs.evolve(ROW, strikes=few), expiry=EXPIRY)

    def taken(**limits):
        rule = attrs.evolve(PUT, delta=0.30, **limits)
        plan = DeltaPlan.start(CHAIN, listing, rule=rule, spot=SPOT, years=YEARS)
        while wave := plan.next_wave():
            plan = plan.saw(answers(wave), now=NOON)
        return plan.result

    loose, strict = taken(), taken(max_error=0.05)

    assert loose.chosen.option.strike == 500
    assert strict.chosen is None
    assert "from 0.3; allowed: 0.05" in strict.explain()
    assert {reason.kind for one in strict.candidates for reason in one.rejections} >= {RejectionKind.DELTA}


def test_a_delta_near_enough_is_taken_and_its_error_told():
    plan = DeltaPlan.start(
        CHAIN, LISTING, rule=attrs.evolve(PUT, delta=0.30, max_error=0.05), spot=SPOT, years=YEARS
    )
    while wave := plan.next_wave():
        plan = plan.saw(answers(wave), now=NOON)

    chosen = plan.result.chosen

    assert abs(abs(chosen.delta) - 0.30) <= 0.05
    assert chosen.rejections == ()
