"""What the seeded market lists, and how clients find it."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.market.calendar import sessions_between
from ibkeel.sim.market.listing import (
    TABLE,
    listed,
    local_symbol,
    made_up,
    series_number,
    third_friday,
    weekly_expiry,
)
from ibkeel.sim.values import ContractPattern

MARKET = SeededMarket(7, date(2024, 9, 5))


def spot(symbol, market=MARKET):
    kind = TABLE[symbol].sec_type if symbol in TABLE else "STK"
    (found,) = market.find(ContractPattern(symbol=symbol, sec_type=kind))
    return found


def options(**fields):
    return MARKET.find(ContractPattern(sec_type="OPT", **fields))


@pytest.mark.parametrize("symbol", sorted(TABLE))
def test_every_row_of_the_table_is_found_and_found_again_by_its_id(symbol):
    contract = spot(symbol)

    assert contract.symbol == symbol
    assert MARKET.by_con_id(contract.con_id) == contract


def test_ids_of_a_whole_chain_are_unique_and_lead_back():
    chain = options(symbol="SPY")

    ids = [contract.con_id for contract in chain]

    assert len(set(ids)) == len(ids)
    assert all(0 < con_id < 2**31 for con_id in ids)
    assert [MARKET.by_con_id(con_id) for con_id in ids] == list(chain)


@given(st.integers(0, 2**31 - 1))
def test_an_id_is_unknown_or_names_a_contract_with_that_id(con_id):
    contract = MARKET.by_con_id(con_id)

    assert contract is None or contract.con_id == con_id


def test_a_contract_keeps_its_id_in_other_worlds_on_other_days():
    other = SeededMarket(8, date(2024, 9, 12), symbols=["ZZZ", "ABC"])
    (here,) = options(symbol="SPY", expiry="20241220", right="C", strike=480.0)

    (there,) = other.find(
        ContractPattern(symbol="SPY", sec_type="OPT", expiry="20241220", right="C", strike=480.0)
    )

    assert there.con_id == here.con_id


def test_a_chain_comes_ordered_by_expiry_right_and_strike():
    chain = options(symbol="QQQ")

    keys = [(contract.expiry, contract.right, contract.strike) for contract in chain]

    assert keys == sorted(keys)


def test_definitions_are_unions_so_some_combinations_do_not_exist():
    (definition,) = [each for each in MARKET.option_classes(spot("SPY").con_id) if each.exchange == "SMART"]

    wanted = [(day, strike) for day in definition.expiries for strike in definition.strikes]
    missing = [
        (day, strike)
        for day, strike in wanted
        if not options(symbol="SPY", expiry=f"{day:%Y%m%d}", strike=strike, right="C")
    ]

    assert 0 < len(missing) < len(wanted)


def test_a_month_finds_every_expiry_in_it():
    found = {contract.expiry for contract in options(symbol="SPY", expiry="202409")}

    assert found == {date(2024, 9, day) for day in (6, 13, 20, 27)}


def test_an_occ_symbol_alone_finds_its_option():
    (contract,) = options(local_symbol="SPY   240906C00480000")

    assert (contract.strike, contract.right) == (480.0, "C")
    assert contract.under_con_id == spot("SPY").con_id


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": "NOSUCH", "sec_type": "STK"},
        {"symbol": "SPY", "sec_type": "IND"},
        {"symbol": "SPY", "sec_type": "STK", "currency": "EUR"},
        {"symbol": "SPY", "sec_type": "STK", "exchange": "IBIS"},
        {"symbol": "VIX", "sec_type": "IND", "exchange": "SMART"},
        {"symbol": "SPY", "sec_type": "OPT", "expiry": "20240906", "strike": 480.5},
        {"symbol": "SPY", "sec_type": "OPT", "expiry": "20240907", "strike": 480.0},
        {"symbol": "SPY", "sec_type": "OPT", "multiplier": "10"},
        {"symbol": "GLD", "sec_type": "OPT", "trading_class": "SPY"},
        {"con_id": 1},
    ],
)
def test_what_does_not_exist_is_not_found(fields):
    assert not MARKET.find(ContractPattern(**fields))


def test_an_index_has_weekly_options_of_their_own_class_and_monthly_ones_that_end_early():
    weekly = options(symbol="SPX", expiry="20240906")[0]
    monthly = options(symbol="SPX", expiry="20240920")[0]

    assert (weekly.trading_class, weekly.last_trading_day) == ("SPXW", date(2024, 9, 6))
    assert (monthly.trading_class, monthly.last_trading_day) == ("SPX", date(2024, 9, 19))
    assert options(symbol="SPX", expiry="20240919")[0] == monthly


def test_the_volatility_index_has_no_options():
    assert not MARKET.option_classes(spot("VIX").con_id)
    assert not MARKET.option_classes(options(symbol="SPY")[0].con_id)


def test_a_friday_holiday_moves_the_expiry_to_thursday():
    assert weekly_expiry(date(2024, 3, 26)) == date(2024, 3, 28)
    assert third_friday(2025, 4) == date(2025, 4, 17)


@given(st.dates(date(2015, 1, 2), date(2027, 12, 31)), st.sampled_from(sorted(TABLE)))
def test_expiries_are_distinct_sessions_from_today_on_with_leaps_in_two_januaries(today, symbol):
    series = listed(TABLE[symbol], today=today, spot=TABLE[symbol].price)

    expiries = [each.expiry for each in series]

    assert expiries == sorted(set(expiries))
    assert all(day >= today for day in expiries)
    if TABLE[symbol].option_volume:
        assert {(day.year, day.month) for day in expiries} >= {
            (today.year + 1, 1),
            (today.year + 2, 1),
        }


DAILY = SeededMarket(7, date(2024, 9, 5), daily=["SPX", "SPY"])


@given(st.dates(date(2015, 1, 2), date(2027, 12, 31)))
def test_daily_expiries_are_the_sessions_of_eight_weeks_beside_the_others_and_have_numbers_of_their_own(
    today,
):
    plain = {each.expiry for each in listed(TABLE["SPY"], today=today, spot=480.0)}
    daily = {each.expiry for each in listed(TABLE["SPY"], today=today, spot=480.0, daily=True)}
    first, end = today, today + timedelta(days=7 * 8)

    assert daily - plain == {each.day for each in sessions_between(first, end - timedelta(days=1))} - plain
    assert plain <= daily
    assert len({series_number(each) % 256 for each in daily}) == len(daily)


def test_daily_options_are_found_and_found_again_by_their_ids_beside_the_others_which_keep_theirs():
    chain = DAILY.find(ContractPattern(symbol="SPY", sec_type="OPT"))

    assert [DAILY.by_con_id(each.con_id) for each in chain] == list(chain)
    assert len({each.con_id for each in chain}) == len(chain)
    assert set(options(symbol="SPY")) < set(chain)
    assert DAILY.find(ContractPattern(symbol="QQQ", sec_type="OPT")) == options(symbol="QQQ")


def test_an_index_has_daily_options_of_the_weekly_class_that_have_a_price_until_their_close():
    [call] = DAILY.find(
        ContractPattern(symbol="SPX", sec_type="OPT", expiry="20240909", right="C", strike=4_800.0)
    )
    noon = datetime(2024, 9, 9, 12, tzinfo=ZoneInfo("America/New_York"))

    assert (call.trading_class, call.last_trading_day) == ("SPXW", date(2024, 9, 9))
    assert DAILY.quote(call, noon).ask > 0
    assert DAILY.greeks(call, noon) is not None
    assert DAILY.greeks(call, noon.replace(hour=16)) is None


def test_daily_options_of_what_is_not_listed_are_refused():
    with pytest.raises(ConfigurationError, match=r"'NONE'.* valid: .*'AAPL'"):
        SeededMarket(7, daily=["SPX", "NONE"])


def test_an_unknown_ticker_gets_the_same_figures_every_time():
    market = SeededMarket(7, date(2024, 9, 5), symbols=["ZZZ"])

    contract = spot("ZZZ", market)

    assert made_up("ZZZ") == made_up("ZZZ")
    assert market.by_con_id(contract.con_id) == contract
    assert market.option_classes(contract.con_id)


def test_a_thousand_symbols_have_room_and_too_many_are_refused():
    market = SeededMarket(1, date(2024, 9, 5), symbols=[f"T{n}" for n in range(1_000)])

    ids = {spot(f"T{n}", market).con_id for n in range(1_000)}

    assert len(ids) == 1_000
    with pytest.raises(ConfigurationError, match="room for 1000"):
        SeededMarket(1, symbols=[f"T{n}" for n in range(1_001)])


def test_a_local_symbol_has_the_form_of_the_clearing_house():
    assert local_symbol("SPY", date(2024, 9, 6), "P", 472.5) == "SPY   240906P00472500"
