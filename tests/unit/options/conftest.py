from datetime import date, timedelta

import numpy as np
import pytest

from ibkeel.options import Exercise, american_price, fit_smile, price

TODAY = date(2025, 5, 16)


def skew(log_moneyness, level=0.2):
    """Volatility that falls with the strike and rises again, as those of indices do."""
    return level - 0.25 * log_moneyness + 0.8 * log_moneyness**2


@pytest.fixture
def quoted():
    """A whole expiry's quotes around a known smile: `quoted(days, ...)` gives the arguments of `fit_smile`."""

    def of(
        days=45,
        *,
        spot=100.0,
        rate=0.04,
        carry=0.01,
        spread=0.02,
        level=0.2,
        exercise=Exercise.EUROPEAN,
        width=0.3,
        step=2.5,
        smile=skew,
    ):
        years = days / 365
        forward = spot * np.exp((rate - carry) * years)
        strikes = (
            np.arange(np.ceil(spot * (1 - width) / step), np.floor(spot * (1 + width) / step) + 1) * step
        )
        volatility = smile(np.log(strikes / forward), level)
        value = american_price if exercise is Exercise.AMERICAN else price
        calls, puts = (
            value(
                volatility,
                spot=spot,
                strike=strikes,
                years=years,
                right=right,
                rate=rate,
                dividend_yield=carry,
            )
            for right in "CP"
        )
        return {
            "expiry": TODAY + timedelta(days=days),
            "strike": strikes,
            "call_bid": calls - spread / 2,
            "call_ask": calls + spread / 2,
            "put_bid": puts - spread / 2,
            "put_ask": puts + spread / 2,
            "spot": spot,
            "years": years,
            "rate": rate,
            "exercise": exercise,
        }

    return of


@pytest.fixture
def smile_at(quoted):
    """The smile fitted to `quoted(days, ...)`."""

    def of(days=45, **change):
        return fit_smile(**quoted(days, **change))

    return of
