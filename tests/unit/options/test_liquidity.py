from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import DataType, Option, Quote, Right
from ibkeel.options import LiquidityRule, RejectionKind, is_liquid, liquidity_rejections, preset

CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)


def quote(bid=1.0, ask=1.1, volume=100.0):
    return Quote(contract=CALL, at=NOON, bid=bid, ask=ask, volume=volume)


STANDARD = LiquidityRule()


def kinds(seen, rule=STANDARD):
    return [rejection.kind for rejection in liquidity_rejections(seen, rule)]


def test_a_spread_of_exactly_ten_cents_passes_whatever_floats_say():
    assert 1.1 - 1.0 > 0.10
    assert is_liquid(quote(1.0, 1.1))


def test_a_wide_spread_passes_when_it_is_small_against_mid():
    assert is_liquid(quote(10.0, 10.2))
    assert kinds(quote(10.0, 10.21)) == [RejectionKind.SPREAD_WIDE]


def test_a_locked_market_passes():
    assert is_liquid(quote(1.0, 1.0))


def test_a_crossed_market_is_rejected():
    assert kinds(quote(1.1, 1.0)) == [RejectionKind.CROSSED]


def test_missing_sides_and_volume_are_all_told_at_once():
    assert kinds(quote(None, None, None)) == [
        RejectionKind.NO_BID,
        RejectionKind.NO_ASK,
        RejectionKind.VOLUME_UNKNOWN,
    ]


def test_volume_is_inclusive():
    assert is_liquid(quote(volume=100.0))
    assert kinds(quote(volume=99.0)) == [RejectionKind.VOLUME_LOW]


def test_the_thin_preset_asks_for_less():
    rule = preset("thin").liquidity

    assert is_liquid(quote(10.0, 10.6, 10.0), rule)
    assert kinds(quote(10.0, 10.7, 9.0), rule) == [RejectionKind.SPREAD_WIDE, RejectionKind.VOLUME_LOW]


SIZED = attrs.evolve(quote(), open_interest=50.0, bid_size=5.0, ask_size=5.0)


@pytest.mark.parametrize(
    ("seen", "rule", "told"),
    [
        (quote(2.0, 2.5), {}, "spread 0.5 is 22.2% of mid; allowed: 2.0% of mid or 0.10"),
        (quote(2.5, 2.0), {}, "bid 2.5 is above ask 2.0"),
        (quote(bid=None), {}, "nobody bids"),
        (quote(ask=None), {}, "nobody offers"),
        (quote(volume=99.0), {}, "volume 99; wanted: 100 or more"),
        (quote(volume=None), {"min_volume": 1}, "no volume came; wanted: 1 or more"),
        (SIZED, {"min_open_interest": 51}, "open interest 50; wanted: 51 or more"),
        (quote(), {"min_open_interest": 51}, "no open interest came; wanted: 51 or more"),
        (attrs.evolve(SIZED, bid_size=4.0), {"min_size": 5}, "bid size 4; wanted: 5 or more"),
        (attrs.evolve(SIZED, ask_size=None), {"min_size": 5}, "no ask size came; wanted: 5 or more"),
        (quote(), {"max_age": 4.9}, "it is 5.0 s old; allowed: 4.9 s"),
        (
            attrs.evolve(quote(), data_type=DataType.DELAYED),
            {"live_only": True},
            "its prices are delayed, not live",
        ),
    ],
    ids=str,
)
def test_a_rejection_names_what_was_seen_and_what_is_wanted(seen, rule, told):
    [rejection] = liquidity_rejections(seen, LiquidityRule(**rule), now=NOON + timedelta(seconds=5))

    assert rejection.detail == told


def test_whatever_meets_its_limit_exactly_is_liquid():
    rule = LiquidityRule(min_open_interest=50, min_size=5, max_age=5, live_only=True)

    assert is_liquid(SIZED, rule, now=NOON + timedelta(seconds=5))
    assert not is_liquid(SIZED, rule, now=NOON + timedelta(seconds=6))


@pytest.mark.parametrize("field", ["min_volume", "max_relative_spread", "max_absolute_spread"])
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_limit_below_zero_or_not_finite_is_refused(field, value):
    with pytest.raises(InvalidInput, match=field):
        LiquidityRule(**{field: value})
