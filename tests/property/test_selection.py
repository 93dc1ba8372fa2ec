"""What selection returns: never what its filters exclude, and the same in whatever order things come."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import OptionChain, OptionClass, Quote, Right, Stock
from ibkeel.options import (
    DteWithin,
    ExpiryChoice,
    Liquid,
    LiquidityRule,
    MoneynessWithin,
    OutOfTheMoneyWithin,
    PremiumWithin,
    RightIs,
    SelectionRule,
    candidates_of,
    choose,
    dte,
    is_liquid,
    out_of_the_money,
    select,
    sift,
)

TODAY = date(2024, 3, 4)
NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
SPOT = 100

rows = st.builds(
    OptionClass,
    trading_class=st.sampled_from(["SPY", "SPYW", "2SPY"]),
    exchange=st.sampled_from(["SMART", "CBOE"]),
    expiries=st.lists(st.integers(0, 90).map(lambda n: TODAY + timedelta(days=n)), max_size=6).map(tuple),
    strikes=st.lists(st.integers(60, 140), max_size=25).map(tuple),
)
chains = st.lists(rows, max_size=4, unique_by=lambda row: (row.trading_class, row.exchange))


@st.composite
def rules(draw):
    least_dte, least_otm = draw(st.integers(0, 40)), draw(st.none() | st.floats(-0.2, 0.2))
    least_premium = draw(st.none() | st.floats(0.1, 2))
    return SelectionRule(
        expiry=draw(st.sampled_from(ExpiryChoice)),
        min_dte=least_dte,
        max_dte=draw(st.none() | st.integers(least_dte, 90)),
        expiry_count=draw(st.integers(1, 3)),
        strike_count=draw(st.integers(1, 8)),
        min_otm=least_otm,
        max_otm=draw(st.none() | st.floats(least_otm or 0.0, 0.5)),
        min_premium=least_premium,
        max_premium=draw(st.none() | st.floats(least_premium or 0.1, 5)),
        liquidity=LiquidityRule(
            min_volume=draw(st.integers(0, 50)), max_relative_spread=draw(st.floats(0, 0.5))
        ),
        prefer=draw(st.sampled_from(["tightest", "busiest"])),
    )


@st.composite
def markets(draw, options):
    made = {}
    for option in options:
        bid, width = draw(st.integers(1, 400)), draw(st.integers(0, 80))
        sides = draw(st.sampled_from(["both", "both", "bid", "ask"]))
        made[option] = Quote(
            contract=option,
            at=NOON,
            bid=bid / 100 if sides != "ask" else None,
            ask=(bid + width) / 100 if sides != "bid" else None,
            volume=draw(st.none() | st.integers(0, 100).map(float)),
        )
    return made


@given(chains, rules(), st.sampled_from(Right), st.data())
def test_selection_returns_nothing_that_its_rule_excludes(row_list, rule, right, data):
    chain = OptionChain(underlying=Stock("SPY"), classes=tuple(row_list))

    options = select(chain, spot=SPOT, today=TODAY, right=right, rule=rule)
    choice = choose(options, data.draw(markets(options)), spot=SPOT, rule=rule)

    for option in options:
        distance = out_of_the_money(option.strike, SPOT, right)
        assert option.right is right
        assert rule.min_dte <= dte(option.expiry, TODAY) <= (1000 if rule.max_dte is None else rule.max_dte)
        assert rule.min_otm is None or distance >= rule.min_otm
        assert rule.max_otm is None or distance <= rule.max_otm
    if choice.chosen is not None:
        assert is_liquid(choice.chosen.quote, rule.liquidity)
        assert rule.min_premium is None or choice.chosen.mid >= rule.min_premium
        assert rule.max_premium is None or choice.chosen.mid <= rule.max_premium


@given(chains, rules(), st.sampled_from(Right), st.data())
def test_selection_is_stable_under_permutation(row_list, rule, right, data):
    mixed_rows = data.draw(st.permutations(row_list))
    chain, mixed = (
        OptionChain(underlying=Stock("SPY"), classes=tuple(each)) for each in (row_list, mixed_rows)
    )

    options = select(chain, spot=SPOT, today=TODAY, right=right, rule=rule)
    quotes = data.draw(markets(options))
    shuffled = data.draw(st.permutations(options))

    assert select(mixed, spot=SPOT, today=TODAY, right=right, rule=rule) == options
    assert choose(shuffled, quotes, spot=SPOT, rule=rule) == choose(options, quotes, spot=SPOT, rule=rule)


@given(chains, rules(), st.data())
def test_what_passes_filters_passes_each_of_them_in_any_order(row_list, rule, data):
    chain = OptionChain(underlying=Stock("SPY"), classes=tuple(row_list))
    options = [
        chain.option(row, expiry, strike, right)
        for row in chain.classes
        for expiry in row.expiries[:2]
        for strike in row.strikes[:3]
        for right in Right
    ][:12]
    filters = [
        RightIs("C"),
        DteWithin(today=TODAY, least=rule.min_dte, most=rule.max_dte),
        MoneynessWithin(spot=SPOT, most=1.3),
        OutOfTheMoneyWithin(spot=SPOT, least=rule.min_otm, most=rule.max_otm),
        PremiumWithin(least=rule.min_premium, most=rule.max_premium),
        Liquid(rule.liquidity),
    ]
    seen = candidates_of(options, data.draw(markets(options)), spot=SPOT)

    forwards, backwards = sift(seen, filters), sift(seen, filters[::-1])

    for one, other in zip(forwards, backwards, strict=True):
        passes = [rule.judge(one) is None for rule in filters]
        assert one.is_kept == other.is_kept == all(passes)
        assert len(one.passed) == sum(passes)
        assert set(one.rejections) == set(other.rejections)
        assert str(one.option) in one.explain()
