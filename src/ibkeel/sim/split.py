"""What a split makes of shares, and of the options on them."""

from datetime import datetime
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.sim.settings import above_zero
from ibkeel.sim.values import SimContract

ADJUSTED: Final = "1"
"""What the class of an adjusted option ends with."""

_SHARES: Final = 100


@attrs.frozen(kw_only=True)
class Split:
    """More shares for each that was held, of less value each.

    Args:
        con_id: The stock.
        at: When.
        ratio: New shares for an old one; below 1 for a reverse split.
    """

    con_id: int
    at: datetime
    ratio: float = attrs.field(validator=above_zero)

    @property
    def contracts(self) -> float:
        """Adjusted option contracts for an old one: the ratio where it is a whole number, else one."""
        return self.ratio if float(self.ratio).is_integer() else 1.0

    @property
    def deliverable(self) -> int:
        """Shares of an adjusted option contract.

        Raises:
            InvalidInput: They are no whole number.
        """
        shares = _SHARES * self.ratio / self.contracts
        if abs(shares - round(shares)) > 1e-6:  # a ratio such as 1/3 is not exact
            raise InvalidInput(f"options on a split of {self.ratio} would deliver {shares} shares")
        return round(shares)

    def strike(self, strike: float) -> float:
        """The strike of an adjusted option."""
        return round(strike / self.ratio, 3)

    def adjusted(self, option: SimContract) -> SimContract:
        """The terms of an option once the split is done; its ids are left as they are."""
        return attrs.evolve(
            option,
            strike=self.strike(option.strike),
            multiplier=self.deliverable,
            trading_class=option.trading_class + ADJUSTED,
        )
