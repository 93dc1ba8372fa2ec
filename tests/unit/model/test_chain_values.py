from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import InvalidInput
from ibkeel.model import Index, Option, OptionChain, OptionClass, Right, Stock

FRIDAY, MONDAY = date(2026, 1, 16), date(2026, 1, 12)
MONTHLY = OptionClass(trading_class="SPX", exchange="CBOE", expiries=(FRIDAY,), strikes=(Decimal(6000),))
WEEKLY = OptionClass(trading_class="SPXW", expiries=(FRIDAY, MONDAY), strikes=(Decimal(5995), Decimal(6000)))
CHAIN = OptionChain(underlying=Index("SPX"), classes=(MONTHLY, WEEKLY))


@given(st.lists(st.dates()), st.lists(st.integers(1, 20_000).map(lambda halves: halves / 2)))
def test_a_class_keeps_its_union_ascending_and_once(expiries, strikes):
    row = OptionClass(trading_class="SPY", expiries=tuple(expiries), strikes=tuple(strikes))

    assert list(row.expiries) == sorted(set(expiries))
    assert list(row.strikes) == sorted({Decimal(str(strike)) for strike in strikes})


def test_a_chain_joins_the_unions_of_its_classes():
    assert CHAIN.expiries == (MONDAY, FRIDAY)
    assert CHAIN.strikes == (Decimal(5995), Decimal(6000))
    assert OptionChain(underlying=Stock("SPY")).expiries == ()


def test_a_class_is_found_by_name_and_exchange():
    assert CHAIN.of_class("SPXW") is WEEKLY
    assert CHAIN.of_class("SPX", exchange="CBOE") is MONTHLY


def test_a_class_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InvalidInput, match=r"no class 'SPX' on 'SMART'.*SPX on CBOE, SPXW on SMART"):
        CHAIN.of_class("SPX")


def test_an_option_of_a_class_carries_what_tells_it_apart():
    option = CHAIN.option(MONTHLY, FRIDAY, Decimal(6000), Right.PUT)

    assert option == Option("SPX", FRIDAY, 6000, Right.PUT, trading_class="SPX", exchange="CBOE")


def test_an_option_of_a_class_is_in_the_money_of_its_underlying_and_stands_for_as_many_shares_as_the_class():
    mini = OptionClass(trading_class="ODAX", multiplier=5, expiries=(FRIDAY,), strikes=(20_000,))
    chain = OptionChain(underlying=Index("DAX", currency="EUR"), classes=(mini,))

    option = chain.option(mini, FRIDAY, Decimal(20_000), Right.CALL)

    assert (option.multiplier, option.currency) == (5, "EUR")


@pytest.mark.parametrize("wrong", [{"trading_class": ""}, {"multiplier": 0}, {"strikes": (float("nan"),)}])
def test_a_class_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput):
        OptionClass(**{"trading_class": "SPY", "expiries": (FRIDAY,), "strikes": (1,), **wrong})
