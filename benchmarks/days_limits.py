"""The limits in a bot's file, which somebody edits while it runs."""

from datetime import datetime, timedelta
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.orders import OrderLimits
from ibkeel.runner import LimitsSource, Reread, RiskConfig

__all__ = ["LimitsOnFile"]

_IN_FORCE: Final = timedelta(seconds=240)
"""After that a bot which looks before each cycle keeps to a new limit."""


class LimitsOnFile(LimitsSource):
    """What a bot's file says; some who edit it make mistakes.

    Args:
        risk: At first.
        clock: Notes when it changed.
    """

    def __init__(self, risk: RiskConfig, clock: Clock) -> None:
        self._clock = clock
        self._text: RiskConfig | None = risk
        self._edits = 0
        self.risk = risk
        """What it said last that was valid: a bot that starts with a mistake in it would not start."""
        self.history: list[tuple[datetime, int]] = [(clock.now(), risk.max_contracts)]
        """The most contracts of an entry, since when."""

    @override
    def mark(self) -> object:
        """How often it was edited."""
        return self._edits

    @override
    def read(self) -> Reread:
        """What it says."""
        if self._text is None:
            raise ConfigurationError("risk.max_contracts = -1 is not valid")
        return Reread(risk=self._text, limits=OrderLimits(efficiency=None))

    def edit(self, number: int) -> None:
        """Write something else into it."""
        self._edits += 1
        if number % 5 == 0:
            self._text = None
            return
        most = 1 + number % 8
        self._text = self.risk = attrs.evolve(
            self.risk, max_contracts=most, cooldown=60.0 * (number % 3), max_open_positions=1 + number % 4
        )
        self.history.append((self._clock.now(), most))

    def most_at(self, at: datetime) -> int:
        """The most contracts that an entry may have at an instant, where its bot need not have looked yet."""
        replaced = [*(since for since, _ in self.history[1:]), None]
        return max(
            most
            for (since, most), until in zip(self.history, replaced, strict=True)
            if since <= at and (until is None or until + _IN_FORCE > at)
        )
