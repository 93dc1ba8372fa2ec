"""How often things may be asked for: what was asked when, against the limits."""

from typing import Final

from ibkeel.sim.counters import SlidingWindow
from ibkeel.sim.settings import Limits

_HISTORY_SECONDS: Final = 600.0
_SAME_CONTRACT_SECONDS: Final = 2.0
_MANY: Final = 1024  # old entries are forgotten when so many have come together

Key = tuple[object, ...]


class Pacing:
    """The memory behind the limits; one for all clients.

    A request that breaks a rule counts as asked, so that those who insist stay out (unverified).

    Args:
        limits: What is allowed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._histories = SlidingWindow(limits.histories or 0, _HISTORY_SECONDS)
        self._by_contract: dict[Key, SlidingWindow] = {}
        self._asked: dict[Key, float] = {}

    def over_budget(self, now: float, weight: int = 1) -> bool:
        """Count a paced request; whether it exceeds the budget of 600 s."""
        within = self._histories.record(now, weight)
        return self._limits.histories is not None and not within

    def repeated(self, now: float, key: Key, seconds: float | None) -> bool:
        """Note that something was asked; whether the last time is less than `seconds` ago."""
        before = self._asked.get(key)
        if len(self._asked) >= _MANY:
            self._asked = {each: at for each, at in self._asked.items() if now - at < _HISTORY_SECONDS}
        self._asked[key] = now
        return seconds is not None and before is not None and now - before < seconds

    def crowded(self, now: float, key: Key) -> bool:
        """Note a request for a contract and kind; whether there were too many within 2 s."""
        limit = self._limits.same_contract_histories
        if limit is None:
            return False
        if key not in self._by_contract:
            self._by_contract[key] = SlidingWindow(limit, _SAME_CONTRACT_SECONDS)
        return not self._by_contract[key].record(now)
