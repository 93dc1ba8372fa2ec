from datetime import UTC, date, datetime

import attrs
import pytest

from ibkeel.errors import InvalidInput, NoData, QuoteUnavailable
from ibkeel.model import Option, Quote, Right, Side, Stock
from ibkeel.options import Leg, PriceBasis, Structure, closing, covered_call, iron_condor

FRIDAY = date(2026, 2, 20)
PUTS = [Option("SPY", FRIDAY, strike, Right.PUT, trading_class="SPY") for strike in (450, 460)]
CALLS = [Option("SPY", FRIDAY, strike, Right.CALL, trading_class="SPY") for strike in (500, 510)]
CONDOR = iron_condor(long_put=PUTS[0], short_put=PUTS[1], short_call=CALLS[0], long_call=CALLS[1])

DEEP = ((PUTS[0], None, 14.0), (PUTS[1], 23.0, 25.0))


def quotes(**bids):
    """Everything is offered at 0.05; bids are 0.02 but for those given, by right and strike."""
    at = datetime(2026, 1, 5, 17, tzinfo=UTC)
    return {
        one: Quote(contract=one, at=at, bid=bids.get(f"{one.right}{one.strike:.0f}", 0.02), ask=0.05)
        for one in (*PUTS, *CALLS)
    }


def sides(structure):
    return {leg.contract: leg.side for leg in structure.legs}


def test_every_leg_is_turned_round():
    found = closing(CONDOR, quotes())

    assert sides(found) == {
        PUTS[0]: Side.SELL,
        PUTS[1]: Side.BUY,
        CALLS[0]: Side.BUY,
        CALLS[1]: Side.SELL,
    }


def test_a_wing_that_nobody_bids_for_is_kept():
    found = closing(CONDOR, quotes(C510=None))

    assert CALLS[1] not in sides(found)
    assert found.priced(quotes(C510=None)).is_priced


def test_what_is_owed_is_bought_back_whether_somebody_bids_or_not():
    found = closing(CONDOR, quotes(P460=None, C500=None))

    assert sides(found)[PUTS[1]] is Side.BUY
    assert sides(found)[CALLS[0]] is Side.BUY


def test_an_option_that_costs_something_is_not_taken_for_worthless_because_its_bids_have_gone():
    fallen = quotes(P450=None)
    wing, short = (attrs.evolve(fallen[put], bid=bid, ask=ask) for put, bid, ask in DEEP)
    fallen |= {PUTS[0]: wing, PUTS[1]: short}

    found = closing(CONDOR, fallen)

    assert sides(found)[PUTS[0]] is Side.SELL
    with pytest.raises(QuoteUnavailable, match="450"):
        found.priced(fallen, PriceBasis.NATURAL)
    assert PUTS[0] not in sides(closing(CONDOR, fallen, worthless=14))


def test_shares_are_never_worthless():
    shares = Stock("SPY")
    covered = covered_call(stock=shares, call=CALLS[0])
    halted = quotes() | {shares: Quote(contract=shares, at=datetime(2026, 1, 5, tzinfo=UTC), ask=0.4)}

    assert sides(closing(covered, halted))[shares] is Side.SELL


@pytest.mark.parametrize("answer", [None, NoData("nothing came")])
def test_a_wing_without_a_quote_is_not_taken_for_worthless(answer):
    known = quotes()
    del known[CALLS[1]]

    found = closing(CONDOR, known if answer is None else known | {CALLS[1]: answer})

    assert CALLS[1] in sides(found)


def test_when_nobody_bids_for_anything_there_is_nothing_to_close():
    wing = Structure(name="wing", legs=[Leg(contract=PUTS[0], side=Side.BUY)])

    with pytest.raises(InvalidInput, match="nothing to close"):
        closing(wing, quotes(P450=None))
