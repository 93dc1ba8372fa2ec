from hypothesis import given

from ibkeel.model import BarSpec, Stock
from ibkeel.testing.strategies import START, chains, histories

SPEC = BarSpec(duration="3600 S", size="1 min")


@given(histories(SPEC, Stock("SPY"), max_size=50))
def test_histories_are_bars_as_a_market_makes_them(bars):
    assert len(bars) <= 50
    assert (bars.contract, bars.spec) == (Stock("SPY"), SPEC)
    for row in bars:
        assert row.at >= START
        assert 0 < row.low <= min(row.open, row.close)
        assert row.high >= max(row.open, row.close)
        assert row.volume >= 0


@given(chains())
def test_chains_have_expiries_and_strikes(chain):
    assert chain.classes
    assert chain.expiries == tuple(sorted(chain.expiries))
    assert chain.strikes[0] > 0


@given(chains(Stock("SPY")))
def test_a_chain_may_be_of_a_given_stock(chain):
    assert chain.underlying == Stock("SPY")
    assert {row.trading_class for row in chain.classes} <= {"SPY", "SPYW"}
