import attrs
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import Greeks
from ibkeel.risk import FLAT, Exposure, ExposureLimits, RefusalKind, check_exposure

LIMITED = ("delta", "theta", "vega")
# Whole numbers: their sums are exact in any order.
figures = st.integers(-200, 200).map(float)
exposures = st.builds(Exposure, delta=figures, gamma=figures, theta=figures, vega=figures)
partly_known = st.builds(
    Exposure, delta=st.none() | figures, gamma=figures, theta=st.none() | figures, vega=st.none() | figures
)
maybe = st.none() | st.integers(1, 300).map(float)
limits = st.builds(ExposureLimits, max_delta=maybe, max_theta=maybe, max_vega=maybe)
few = st.lists(exposures, max_size=4)


def every_outcome(held, added, pending):
    """What the portfolio may come to: the entry fills, and any of those that work."""
    outcomes = [held + added]
    for each in pending:
        outcomes += [outcome + each for outcome in outcomes]
    return outcomes


@given(exposures, exposures, limits, few)
def test_an_entry_passes_just_when_no_outcome_is_beyond_a_limit(held, added, bounds, pending):
    refused = check_exposure(held, added, bounds, pending=pending)

    beyond = {
        figure
        for figure, limit in bounds.set_limits()
        for outcome in every_outcome(held, added, pending)
        if abs(getattr(outcome, figure)) > limit
    }
    assert {row.detail.partition(" ")[0] for row in refused} == beyond
    assert {row.kind for row in refused} <= {RefusalKind.EXPOSURE}


@given(partly_known, partly_known, limits, st.lists(partly_known, max_size=3))
def test_a_limited_figure_that_is_not_known_refuses(held, added, bounds, pending):
    refused = check_exposure(held, added, bounds, pending=pending)

    unknown = {
        figure
        for figure, _ in bounds.set_limits()
        if any(getattr(part, figure) is None for part in (held, added, *pending))
    }
    assert {
        row.detail.partition(" ")[0] for row in refused if row.kind is RefusalKind.EXPOSURE_UNKNOWN
    } == unknown


@given(partly_known, partly_known, st.lists(partly_known, max_size=3))
def test_without_a_limit_nothing_is_refused(held, added, pending):
    assert check_exposure(held, added, ExposureLimits(), pending=pending) == ()


@given(exposures, exposures, limits, few, st.sampled_from(LIMITED), st.integers(0, 100))
def test_a_wider_limit_refuses_no_more(held, added, bounds, pending, figure, more):
    name = f"max_{figure}"
    given_limit = getattr(bounds, name)
    wider = attrs.evolve(bounds, **{name: None if given_limit is None else given_limit + more})

    narrow = {row.detail.partition(" ")[0] for row in check_exposure(held, added, bounds, pending=pending)}
    wide = {row.detail.partition(" ")[0] for row in check_exposure(held, added, wider, pending=pending)}
    assert wide <= narrow


@given(st.lists(partly_known, max_size=5))
def test_a_sum_is_known_just_where_every_part_is(parts):
    total = sum(parts, start=FLAT)

    for figure in LIMITED:
        values = [getattr(part, figure) for part in parts]
        expected = None if None in values else sum(values)
        assert getattr(total, figure) == expected


@given(figures, st.integers(-50, 50))
def test_what_is_owed_counts_against_what_is_held(delta, shares):
    greeks = Greeks(delta=delta, gamma=0.5, theta=-0.1, vega=0.2)

    assert Exposure.of(greeks, shares) + Exposure.of(greeks, -shares) == FLAT
