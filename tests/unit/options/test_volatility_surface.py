from datetime import date
from xml.etree import ElementTree as ET

import attrs
import numpy as np
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.options import ArbitrageKind, Surface, surface_svg


def flat(log_moneyness, level):
    return level + 0.0 * log_moneyness


@pytest.fixture
def surface(smile_at):
    return Surface(
        smiles=[smile_at(days, level=level) for days, level in ((90, 0.22), (30, 0.2), (60, 0.21))]
    )


def test_smiles_are_kept_by_time(surface):
    assert [round(smile.years * 365) for smile in surface.smiles] == [30, 60, 90]


def test_no_smile_or_two_of_one_time_are_refused(smile_at):
    with pytest.raises(InvalidInput, match="each another"):
        Surface(smiles=())
    with pytest.raises(InvalidInput, match="each another"):
        Surface(smiles=[smile_at(30), smile_at(30)])


def test_the_smile_of_an_expiry_is_found_or_the_known_ones_are_named(surface):
    first = surface.smiles[0]

    assert surface.smile(first.expiry) is first
    with pytest.raises(
        InvalidInput, match="no smile of 2030-01-18; valid: 2025-06-15, 2025-07-15, 2025-08-14"
    ):
        surface.smile(date(2030, 1, 18))


def test_at_an_expiry_the_surface_is_its_smile(surface):
    strikes = np.linspace(85, 115, 7)

    for smile in surface.smiles:
        got = surface.volatility(strikes, smile.years)
        assert got == pytest.approx(smile.volatility(strikes), rel=1e-12, nan_ok=True)


def test_between_expiries_total_variance_grows_in_proportion_to_time(surface):
    near, far = surface.smiles[:2]

    got = surface.volatility(surface.forward(45 / 365), 45 / 365)

    expected = np.mean([near.atm_volatility**2 * near.years, far.atm_volatility**2 * far.years])
    assert got**2 * 45 / 365 == pytest.approx(expected, rel=1e-6)


def test_beyond_strikes_and_expiries_there_is_no_number_unless_asked_for(surface):
    strikes, years = [100.0, 100.0, 1.0, 100.0], [0.01, 2.0, 0.2, 0.2]

    assert np.isnan(surface.volatility(strikes, years)).tolist() == [True, True, True, False]
    assert np.isfinite(surface.volatility(strikes, years, extrapolate=True)).all()


def test_before_the_first_expiry_its_volatilities_are_extrapolated(surface):
    first = surface.smiles[0]

    got = surface.volatility(surface.forward(0.01), 0.01, extrapolate=True)

    assert got == pytest.approx(first.atm_volatility, rel=1e-9)


def test_one_smile_is_a_surface_of_one_time(smile_at):
    smile = smile_at(30)

    got = Surface(smiles=[smile]).volatility([95.0, 95.0], [30 / 365, 31 / 365])

    assert got[0] == pytest.approx(float(smile.volatility(95.0)))
    assert np.isnan(got[1])


def test_the_forward_goes_from_spot_to_each_expiry_and_on(surface):
    got = surface.forward([0.0, 60 / 365, 180 / 365])

    assert got == pytest.approx(
        [100.0, 100 * np.exp(0.03 * 60 / 365), 100 * np.exp(0.03 * 180 / 365)], abs=0.05
    )


def test_the_term_structure_has_the_volatility_of_the_time_in_between(surface):
    near, middle, far = surface.term_structure()

    assert [near.atm_volatility, middle.atm_volatility, far.atm_volatility] == pytest.approx(
        [0.2, 0.21, 0.22], abs=2e-3
    )
    assert near.forward_volatility == near.atm_volatility
    assert middle.forward_volatility == pytest.approx((0.21**2 * 60 - 0.2**2 * 30) ** 0.5 / 30**0.5, abs=5e-3)
    assert near.move.sigma < middle.move.sigma < far.move.sigma


def test_variance_that_falls_has_no_volatility_in_between(smile_at):
    got = Surface(smiles=[smile_at(30, level=0.4), smile_at(40, level=0.2)]).term_structure()

    assert np.isnan(got[1].forward_volatility)


def test_a_surface_in_order_has_no_warnings(surface):
    assert surface.warnings() == ()


def test_more_time_with_less_variance_is_a_calendar_warning(smile_at):
    surface = Surface(smiles=[smile_at(30, level=0.4), smile_at(40, level=0.2)])

    [warning] = surface.warnings()

    assert warning.kind is ArbitrageKind.CALENDAR
    assert warning.expiry == surface.smiles[1].expiry
    assert warning.low < 100 < warning.high
    assert warning.worst == pytest.approx(0.4 * (30 / 40) ** 0.5 - 0.2, abs=0.03)
    assert "calendar 2025-06-25: strikes" in str(warning)


def test_a_smile_that_bends_down_is_a_butterfly_warning(smile_at):
    def arched(log_moneyness, level):
        return level - 5.0 * log_moneyness**2

    surface = Surface(smiles=[smile_at(180, smile=arched, width=0.2, spread=0.001, level=0.3)])

    warnings = surface.warnings()

    assert {warning.kind for warning in warnings} == {ArbitrageKind.BUTTERFLY}
    assert all(warning.worst < 0 for warning in warnings)
    assert "density ratio" in str(warnings[0])


def test_smiles_that_share_no_strikes_cannot_contradict_each_other(smile_at):
    near, far = smile_at(30, level=0.4), smile_at(40, level=0.2)
    moved = attrs.evolve(far, curve=attrs.evolve(far.curve, x=far.curve.x + 5.0))

    assert Surface(smiles=[near, moved]).warnings() == ()


def elements(svg, name):
    return ET.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{name}")


def test_the_picture_has_a_line_and_a_point_for_each_expiry(surface):
    got = surface_svg(surface, title="A & B <surface>")

    smiles = [line for line in elements(got, "polyline") if line.get("class") == "smile"]
    assert len(smiles) == 3
    assert len(list(elements(got, "circle"))) == 3
    assert len([line for line in elements(got, "line") if line.get("class") == "quote"]) > 30
    assert next(title.text for title in elements(got, "title")) == "A & B <surface>"
    assert "no arbitrage warnings" in got


def test_every_number_in_the_picture_lies_within_it(surface):
    got = surface_svg(surface)

    for line in elements(got, "polyline"):
        for pair in line.get("points").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= 960
            assert 0 <= y <= 420


def test_warnings_are_counted_in_the_picture(smile_at):
    surface = Surface(smiles=[smile_at(30, level=0.4), smile_at(40, level=0.2)])

    assert "1 arbitrage warning" in surface_svg(surface)


def test_names_of_near_expiries_do_not_overlap(smile_at):
    surface = Surface(smiles=[smile_at(days, smile=flat) for days in (30, 31, 32, 90)])

    names = [
        text.text for text in elements(surface_svg(surface), "text") if (text.text or "").startswith("2025-")
    ]

    assert names == ["2025-06-15", "2025-08-14"]


@pytest.mark.parametrize("times", [(10, 36, 110, 219, 365), range(30, 360, 12)])
def test_names_at_the_edges_of_the_picture_stay_inside_and_apart(smile_at, times):
    surface = Surface(smiles=[smile_at(days, smile=flat) for days in times])

    names = [one for one in elements(surface_svg(surface), "text") if (one.text or "").startswith("202")]

    places = [float(one.get("x")) for one in names]
    assert {one.get("class") for one in names} == {"middle"}
    assert len(places) >= 2
    assert all(680 + 35 <= place <= 944 - 35 for place in places)
    assert min(np.diff(places)) >= 70


def test_the_axis_names_volatilities_where_its_lines_are(smile_at):
    surface = Surface(smiles=[smile_at(180, spread=0.002, smile=flat)])

    found = [
        float((one.text or "").removesuffix(" %"))
        for one in elements(surface_svg(surface), "text")
        if one.get("class") == "right" and one.get("x") == "60"
    ]

    assert np.diff(found) == pytest.approx(found[1] - found[0])


@pytest.mark.parametrize("extrapolate", [False, True])
def test_a_strike_that_is_no_price_has_no_volatility(surface, extrapolate):
    found = surface.volatility([-5.0, 0.0, np.nan, np.inf, 100.0], 0.15, extrapolate=extrapolate)

    assert np.isnan(found).tolist() == [True, True, True, True, False]


def test_a_smile_off_the_picture_or_without_its_forward_does_no_harm(smile_at):
    near, far = smile_at(30), smile_at(60)
    moved = attrs.evolve(far, curve=attrs.evolve(far.curve, x=far.curve.x + 5.0))
    uncovered = attrs.evolve(far, points=far.points[:5], years=0.3)

    got = surface_svg(Surface(smiles=[near, smile_at(45), smile_at(50), moved, uncovered]))

    assert len(list(elements(got, "circle"))) == 4
