"""American options as puts of strike 1, whose early exercise `boundary` prices.

A call is a put in which share and money change places: spot with strike, rate with dividend yield.
"""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.options.black import bell, normal_form, reach, spread
from ibkeel.options.boundary import Grid, PutTerms, early_premium
from ibkeel.options.inputs import Floats, Inputs

# 48 points a row: the sweep's arrays stay in the second-level cache.
CHUNK: Final = 256
# No deviation matters outside these.
LEAST, MOST = 1e-4, 20.0


@attrs.frozen(kw_only=True, eq=False)
class Puts:
    """A piece of a chain, as puts; each column of the piece's length.

    Args:
        inputs: The piece itself.
        share: Price of what is delivered on exercise.
        money: What is paid for it.
        rate: Interest on the money over the life.
        dividend: Yield of the share over the life.
        intrinsic: What exercise brings now.
    """

    inputs: Inputs
    share: Floats
    money: Floats
    rate: Floats
    dividend: Floats
    intrinsic: Floats

    @classmethod
    def of(cls, inputs: Inputs) -> "Puts":
        """Calls with spot and strike, rate and dividend yield changed places; puts as they are."""
        put = inputs.sign < 0
        share, money = np.where(put, inputs.spot, inputs.strike), np.where(put, inputs.strike, inputs.spot)
        rate = np.where(put, inputs.rate, inputs.dividend_yield) * inputs.years
        dividend = np.where(put, inputs.dividend_yield, inputs.rate) * inputs.years
        share, money, rate, dividend = (
            np.broadcast_to(column, inputs.shape) for column in (share, money, rate, dividend)
        )
        return cls(
            inputs=inputs,
            share=share,
            money=money,
            rate=rate,
            dividend=dividend,
            intrinsic=np.maximum(money - share, 0.0),
        )

    @property
    def has_two_boundaries(self) -> npt.NDArray[np.bool_]:
        """Interest below 0, dividends further below: exercise may pay between two prices."""
        return (self.rate < 0) & (self.dividend < self.rate)

    def price(self, deviation: Floats, grid: Grid) -> tuple[Floats, Floats]:
        """American price and European slope in the deviation; `inputs.given` plays no part."""
        form = normal_form(self.inputs)
        at = reach(form.distance, deviation)
        slope = form.scale * bell(at)
        value = form.intrinsic + slope * spread(at)
        # Without interest on the strike nothing is gained by paying it sooner.
        rows = np.flatnonzero(self.rate > 0)
        if rows.size:
            terms = PutTerms(deviation=deviation[rows], rate=self.rate[rows], dividend=self.dividend[rows])
            money = self.money[rows]
            premium, now = early_premium(self.share[rows] / money, terms, grid)
            value[rows] = np.where(now, self.intrinsic[rows], value[rows] + money * premium)
        return np.maximum(value, self.intrinsic), slope
