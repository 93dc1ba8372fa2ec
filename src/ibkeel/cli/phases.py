"""The phases of a first bot, from one symbol to a night with five: days to play with `ibkeel demo --phase`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

import attrs
from typing_extensions import override

from ibkeel.model import Broker, Direction, Quote, Reason, Right, Signal, Stock
from ibkeel.options import at_the_money, is_liquid, preset, select
from ibkeel.runner import RunnerConfig
from ibkeel.sim import Scenario
from ibkeel.sim.market import Mood, SeededMarket
from ibkeel.sim.values import OptionClass
from ibkeel.strategy import Needs, Scalp, Strategy

_DAY: Final = date(2025, 3, 12)
_SPOT: Final = 689.40
_STRIKES: Final = 427
_SESSION: Final = 23_400.0
_FOUR_HOURS: Final = _SESSION - 4 * 3600 - 60  # before the close: no cycle begins at or after it
_NIGHT: Final = """
title = "The nightly restart"
[[faults]]
kind = "restart"
after = 40440
duration = 90
"""


@attrs.frozen
class _Buys:
    """Wants a call whenever it is asked, so that the choice of an option is seen."""

    name: str = "buys"

    def needs(self) -> Needs:
        return Needs()

    def decide(self, _: object) -> Signal:
        return Signal(direction=Direction.UP, confidence=1.0, reasons=(Reason("asked", 1.0),))


class _WholeChain(SeededMarket):
    """More strikes of SPY than any expiry has, as the real answer is a union over expiries."""

    @override
    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """Strikes above the highest, until there are as many as there were on the day."""
        rows = super().option_classes(under_con_id)
        return [attrs.evolve(row, strikes=_padded(row.strikes)) for row in rows]


def _padded(strikes: Sequence[float]) -> tuple[float, ...]:
    further = (strikes[-1] + 5.0 * step for step in range(1, 1 + max(_STRIKES - len(strikes), 0)))
    return (*strikes, *further)


async def _survey(broker: Broker) -> Mapping[str, object]:
    """What the chain of SPY holds, and which of its options the preset would take."""
    rule, spy = preset("weekly"), Stock("SPY")
    chain, spot = await broker.option_chain(spy), (await broker.quote(spy)).mid
    assert spot is not None
    options = select(chain, spot=spot, today=_DAY, right=Right.CALL, rule=rule)
    answers = await broker.quotes(options)
    quotes = [answer for answer in answers.values() if isinstance(answer, Quote)]
    strikes = {strike for row in chain.classes for strike in row.strikes}
    return {
        "spot": round(spot, 2),
        "strikes": len(strikes),
        "at the money": int(at_the_money(strikes, spot)),
        "liquid": sum(is_liquid(quote, rule.liquidity) for quote in quotes),
    }


async def _nothing(_: Broker) -> Mapping[str, object]:
    return {}


@attrs.frozen(kw_only=True)
class Phase:
    """A day of one of the phases, in dry run, and what must come of it.

    Args:
        what: What is played, in words.
        config: When to look, and at what.
        cycles: How many cycles there must be.
        strategy: Decides.
        market: Makes the market of a seed.
        scenario: What the Gateway suffers; None for a good day.
        starts: Seconds from the open to where it begins.
        hours: How long it lasts; None until the session is over.
        survey: What is looked at first, and what is found.
        finds: What the survey must find.
    """

    what: str
    config: RunnerConfig
    cycles: int
    strategy: Strategy = attrs.field(factory=Scalp)
    market: Callable[[int], SeededMarket] = lambda seed: SeededMarket(seed, _DAY)
    scenario: Scenario | None = None
    starts: float = -300.0
    hours: float | None = None
    survey: Callable[[Broker], Awaitable[Mapping[str, object]]] = _nothing
    finds: Mapping[str, object] = MappingProxyType({})


def _first_market(seed: int) -> SeededMarket:
    return _WholeChain(seed, _DAY, mood=Mood(volatility=1.0, movement=0.0, closes=(("SPY", _SPOT),)))


PHASES: Final[Mapping[str, Phase]] = {
    "1": Phase(
        what=f"one symbol, SPY at {_SPOT:.2f}, a chain of {_STRIKES} strikes",
        config=RunnerConfig(preset="weekly", interval=3600),
        cycles=5,
        strategy=_Buys(),
        market=_first_market,
        starts=3600.0,
        survey=_survey,
        finds={"spot": _SPOT, "strikes": _STRIKES, "at the money": 689, "liquid": 11},
    ),
    "2": Phase(
        what="SPY, QQQ and AAPL together, 3 cycles",
        config=RunnerConfig(
            symbols=("SPY", "QQQ", "AAPL"),
            concurrency=3,
            interval=180,
            first_cycle=0,
            flatten_before_close=_SESSION - 420,
        ),
        cycles=3,
    ),
    "3": Phase(
        what="4 hours at 180 s with three symbols",
        config=RunnerConfig(
            symbols=("SPY", "QQQ", "AAPL"),
            concurrency=2,
            interval=180,
            first_cycle=0,
            flatten_before_close=_FOUR_HOURS,
        ),
        cycles=81,
    ),
    "3-conservative": Phase(
        what="4 hours at 600 s with one symbol",
        config=RunnerConfig(interval=600, first_cycle=0, flatten_before_close=_FOUR_HOURS),
        cycles=25,
    ),
    "4": Phase(
        what="24 hours from 12:31 at 600 s with five symbols, through the nightly restart",
        config=RunnerConfig(symbols=("SPY", "QQQ", "AAPL", "MSFT", "IWM"), interval=600, concurrency=2),
        cycles=19 + 18,  # from 12:40 to 15:40 and from 09:40 to 12:30
        scenario=Scenario.parse(_NIGHT),
        starts=3 * 3600.0 + 60,
        hours=24.0,
    ),
}
"""By the name that `--phase` takes."""
