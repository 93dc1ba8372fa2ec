from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import ContractDetails, Index, Option, OptionClass, Right, Stock
from ibkeel.options import Exercise, SeriesKind, Settlement, is_adjusted, series_kind, series_of, settles_at

TODAY = date(2024, 3, 4)
SPX, SPY = Index("SPX"), Stock("SPY")


def row(name, *expiries):
    return OptionClass(trading_class=name, expiries=expiries, strikes=(500,))


def told(underlying, name, expiry, **details):
    return series_of(underlying, row(name, expiry), expiry, today=TODAY, **details)


@pytest.mark.parametrize(
    ("expiry", "kind"),
    [
        (date(2024, 3, 15), SeriesKind.MONTHLY),
        (date(2024, 3, 8), SeriesKind.WEEKLY),
        (date(2024, 3, 6), SeriesKind.WEEKLY),
        (date(2024, 6, 28), SeriesKind.QUARTERLY),
        (date(2024, 12, 31), SeriesKind.QUARTERLY),
        (date(2024, 5, 31), SeriesKind.WEEKLY),
        (date(2026, 1, 16), SeriesKind.LEAPS),
        (date(2014, 6, 21), SeriesKind.MONTHLY),
    ],
    ids=str,
)
def test_the_date_tells_the_kind_of_a_series(expiry, kind):
    assert series_kind(expiry, [expiry], today=min(TODAY, expiry) if expiry.year < 2024 else TODAY) is kind


def test_a_monthly_one_belongs_to_the_leaps_when_it_is_more_than_a_year_away():
    expiry = date(2025, 3, 21)

    kinds = [series_kind(expiry, [expiry], today=date(2024, 3, day)) for day in (21, 20)]

    assert kinds == [SeriesKind.MONTHLY, SeriesKind.LEAPS]


def test_a_holiday_moves_a_monthly_expiry_to_the_thursday_unless_the_friday_is_listed():
    thursday, friday = date(2025, 4, 17), date(2025, 4, 18)  # Good Friday

    alone = series_kind(thursday, [thursday], today=TODAY)
    beside = series_kind(thursday, [thursday, friday], today=TODAY)

    assert (alone, beside) == (SeriesKind.LEAPS, SeriesKind.WEEKLY)
    assert series_kind(thursday, [thursday], today=date(2025, 3, 3)) is SeriesKind.MONTHLY


def test_a_quarter_that_ends_on_a_holiday_ends_a_day_earlier():
    assert series_kind(date(2024, 3, 28), [date(2024, 3, 28)], today=TODAY) is SeriesKind.QUARTERLY


def test_monthly_index_options_settle_at_the_open_and_trade_until_the_day_before():
    series = told(SPX, "SPX", date(2024, 3, 15))

    assert (series.settlement, series.exercise) == (Settlement.AM, Exercise.EUROPEAN)
    assert series.last_trading_day == date(2024, 3, 14)
    assert series.expires_at == datetime(2024, 3, 15, 13, 30, tzinfo=UTC)


def test_weekly_index_options_and_all_others_settle_at_the_close():
    weekly, fund = told(SPX, "SPXW", date(2024, 3, 15)), told(SPY, "SPY", date(2024, 3, 15))

    assert (weekly.settlement, weekly.exercise) == (Settlement.PM, Exercise.EUROPEAN)
    assert (fund.settlement, fund.exercise) == (Settlement.PM, Exercise.AMERICAN)
    assert fund.last_trading_day == fund.expiry
    assert fund.expires_at == datetime(2024, 3, 15, 20, tzinfo=UTC)


def test_an_old_saturday_stamp_means_the_friday():
    series = told(SPY, "SPY", date(2014, 6, 21))

    assert series.last_trading_day == date(2014, 6, 20)
    assert series.expires_at == datetime(2014, 6, 20, 20, tzinfo=UTC)


def test_a_definition_gives_last_trading_day_and_price_steps():
    option = Option("SPX", date(2024, 3, 15), 5000, Right.CALL, trading_class="SPX")
    details = ContractDetails(contract=option, min_tick=Decimal("0.05"), last_trading_day=date(2024, 3, 13))

    plain, defined = (
        told(SPX, "SPX", date(2024, 3, 15)),
        told(SPX, "SPX", date(2024, 3, 15), details=details),
    )

    assert (plain.ticks, defined.last_trading_day) == ((), date(2024, 3, 13))
    assert defined.ticks == ((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10")))
    assert defined.inferred == {"kind", "settlement", "exercise", "is_adjusted", "ticks"}
    assert plain.inferred == defined.inferred | {"last_trading_day"}
    assert (plain.is_adjusted, told(SPY, "SPY1", date(2024, 3, 15)).is_adjusted) == (False, True)


@pytest.mark.parametrize(
    ("name", "listed", "opens"),
    [
        ("SPX", date(2020, 1, 16), datetime(2020, 1, 17, 14, 30, tzinfo=UTC)),  # as a Gateway listed them
        ("SPX", date(2019, 4, 17), datetime(2019, 4, 18, 13, 30, tzinfo=UTC)),  # before Good Friday
        ("VIX", date(2023, 6, 20), datetime(2023, 6, 21, 13, 30, tzinfo=UTC)),
        ("VIXW", date(2024, 5, 24), datetime(2024, 5, 27, 13, 30, tzinfo=UTC)),  # no holiday is known
    ],
)
def test_what_settles_at_the_open_is_listed_by_its_last_trading_day(name, listed, opens):
    """Source: erdewit/ib_insync, notebooks/option_chain.ipynb: expirations of SPX, 20200116 for SPX 200117P03205000."""
    series = told(Index(name[:3]), name, listed)

    assert (series.expiry, series.last_trading_day) == (listed, listed)
    assert series.expires_at == opens
    assert series.trades_until == settles_at(listed)
    assert (series.kind is SeriesKind.WEEKLY) is (name == "VIXW")


def test_a_definition_that_names_the_listed_day_tells_the_last_trading_day():
    day = date(2024, 3, 14)
    option = Option("SPX", day, 5000, Right.CALL, trading_class="SPX")
    details = ContractDetails(contract=option, min_tick=Decimal("0.05"), last_trading_day=day)

    series = told(SPX, "SPX", day, details=details)

    assert (series.last_trading_day, series.kind) == (day, SeriesKind.MONTHLY)
    assert "last_trading_day" not in series.inferred


def test_the_day_on_which_the_opening_prices_settle_is_no_trading_day_though_a_definition_names_it():
    """The wire has one field for both, and a Gateway may put the expiry there."""
    day = date(2024, 3, 15)
    option = Option("SPX", day, 5000, Right.CALL, trading_class="SPX")
    details = ContractDetails(contract=option, min_tick=Decimal("0.05"), last_trading_day=day)

    series = told(SPX, "SPX", day, details=details)

    assert series.last_trading_day == date(2024, 3, 14)
    assert series.trades_until == datetime(2024, 3, 14, 20, tzinfo=UTC)
    assert "last_trading_day" in series.inferred


@pytest.mark.parametrize(
    ("name", "least", "steps"),
    [("SPY", "0.01", 1), ("AAPL", "0.01", 2), ("LMT", "0.05", 2), ("ODD", "0.02", 1)],
)
def test_price_steps_follow_from_the_smallest_one(name, least, steps):
    option = Option(name, date(2024, 3, 15), 500, Right.CALL)
    details = ContractDetails(contract=option, min_tick=Decimal(least))

    series = told(Stock(name), name, date(2024, 3, 15), details=details)

    assert len(series.ticks) == steps
    assert series.ticks[0] == (0, Decimal(least))


@pytest.mark.parametrize(
    ("name", "symbol", "adjusted"),
    [
        ("AAPL1", "AAPL", True),
        ("2AAPL", "AAPL", True),
        ("AAPL", "AAPL", False),
        ("SPXW", "SPX", False),
        ("BRK B", "BRK B", False),
        ("BRKB", "BRK B", False),
        ("BRKB1", "BRK B", True),
        ("2AAPL1", "AAPL", True),
        ("A1", "A", True),
        ("K2001", "K200", True),
        ("K200", "K200", False),
        ("1", "A", False),
    ],
)
def test_a_digit_beside_the_ticker_marks_an_adjusted_class(name, symbol, adjusted):
    assert is_adjusted(name, symbol) is adjusted


def test_the_wednesdays_of_the_volatility_index_are_monthly_in_its_own_class_alone():
    wednesday = date(2024, 4, 17)

    assert told(Index("VIX"), "VIX", wednesday).kind is SeriesKind.MONTHLY
    assert told(Index("VIX"), "VIXW", wednesday).kind is SeriesKind.WEEKLY
    assert told(Index("VIX"), "VIX", wednesday).last_trading_day == date(2024, 4, 16)


BLACK_FRIDAY, EARLY = date(2024, 11, 29), datetime(2024, 11, 29, 18, tzinfo=UTC)


def test_an_early_close_ends_what_settles_from_the_close():
    series = told(SPY, "SPY", BLACK_FRIDAY, closes={BLACK_FRIDAY: EARLY})

    assert series.expires_at == series.trades_until == EARLY


@pytest.mark.parametrize(
    "closes", [{}, {date(2024, 11, 27): EARLY}, {BLACK_FRIDAY: EARLY.replace(hour=21, minute=15)}], ids=str
)
def test_a_day_without_hours_or_with_longer_ones_closes_at_four(closes):
    series = told(SPY, "SPY", BLACK_FRIDAY, closes=closes)

    assert series.expires_at == EARLY.replace(hour=21)


def test_a_close_without_a_time_zone_is_refused():
    with pytest.raises(InvalidInput):
        told(SPY, "SPY", BLACK_FRIDAY, closes={BLACK_FRIDAY: EARLY.replace(tzinfo=None)})


def test_what_settles_at_the_open_trades_until_the_close_of_the_day_before():
    plain, stamped = told(SPX, "SPX", date(2024, 3, 15)), told(SPX, "SPX", date(2014, 6, 21))

    assert plain.trades_until == datetime(2024, 3, 14, 20, tzinfo=UTC)
    assert stamped.trades_until == datetime(2014, 6, 19, 20, tzinfo=UTC)
    assert stamped.expires_at == datetime(2014, 6, 20, 13, 30, tzinfo=UTC)


def test_an_early_close_the_day_before_does_not_move_the_opening():
    day, expiry = date(2024, 7, 3), date(2024, 7, 5)
    option = Option("SPX", expiry, 5000, Right.CALL, trading_class="SPX")
    details = ContractDetails(contract=option, min_tick=Decimal("0.05"), last_trading_day=day)
    closes = {day: datetime(2024, 7, 3, 17, tzinfo=UTC), expiry: datetime(2024, 7, 5, 13, tzinfo=UTC)}

    series = told(SPX, "SPX", expiry, details=details, closes=closes)

    assert series.trades_until == closes[day]
    assert series.expires_at == datetime(2024, 7, 5, 13, 30, tzinfo=UTC)
