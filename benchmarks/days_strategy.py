"""Strategies as strangers write them: eager, of two minds, broken, slow, or full of wishes that nobody can fulfil."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from typing_extensions import override

from ibkeel.model import BarSpec, Direction, ExitPolicy, OptionWish, Reason, Signal, Stock
from ibkeel.strategy import Needs, StrategyContext
from ibkeel.virtual.loop import VirtualLoop

__all__ = ["Mannered"]

_QUIET: Final = Signal(direction=Direction.NONE)
_SLOWEST: Final = 100.0


class _Wordless(Exception):
    """Has no words."""

    @override
    def __str__(self) -> str:
        raise TypeError("no words")


class _Coded(Exception):
    """Has a code that is no number, as the errors of some libraries."""

    code = "e3q8"


def _raising(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


_RAISED: Final[tuple[BaseException, ...]] = (
    ValueError("no value"),
    ZeroDivisionError("division by zero"),
    StopIteration(),
    StopAsyncIteration(),
    TimeoutError("its own"),
    RecursionError("deep"),
    MemoryError(),
    KeyError("rsi"),
    ExceptionGroup("two", [ValueError("a"), TypeError("b")]),
    asyncio.CancelledError("a future of its own"),
    AssertionError(),
    GeneratorExit(),
    _Wordless(),
    _Coded("no such column"),
    ValueError("half \ud83d of a pair"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
)
_UP: Final[dict[str, Any]] = {"direction": Direction.UP, "confidence": 0.5}
_NONSENSE: Final[tuple[Callable[[], Any], ...]] = (
    lambda: None,
    lambda: "BUY",
    lambda: Direction.UP,
    lambda: math.nan,
    lambda: Signal(direction="up", confidence=0.5),
    lambda: Signal(**{**_UP, "confidence": math.nan}),
    lambda: Signal(**{**_UP, "confidence": math.inf}),
    lambda: Signal(**{**_UP, "confidence": "0.5"}),
    lambda: Signal(**{**_UP, "confidence": np.float32(0.5)}),
    lambda: Signal(**{**_UP, "confidence": np.float64("nan")}),
    lambda: Signal(**_UP, reasons=(Reason("rsi", np.float64(44.0)),)),
    lambda: Signal(**_UP, reasons=(Reason("rsi", math.inf),)),
    lambda: Signal(**_UP, reasons=[Reason("rsi", 1.0)]),
    lambda: Signal(**{**_UP, "reasons": "because"}),
    lambda: Signal(**_UP, wish=OptionWish(min_dte=np.int64(1))),
    lambda: Signal(**_UP, wish=OptionWish(min_otm=math.nan)),
    lambda: Signal(**_UP, wish=OptionWish(max_dte=0)),
    lambda: Signal(**_UP, wish=OptionWish(min_dte=4000)),
    lambda: Signal(**_UP, wish=OptionWish(min_otm=5.0, max_otm=6.0)),
    lambda: Signal(**_UP, exits=ExitPolicy(stop_fraction=1e-9)),
    lambda: Signal(**_UP, exits=ExitPolicy(stop_fraction=0.999999)),
    lambda: Signal(**_UP, exits=ExitPolicy(take_profit_fraction=1e9)),
    lambda: Signal(**_UP, exits=ExitPolicy(take_profit_fraction=1e-9)),
    lambda: Signal(**_UP, exits=ExitPolicy(min_dte=10_000)),
    lambda: Signal(**{**_UP, "exits": {"stop_fraction": 0.2}}),
    object,
)


_NEEDED: Final[tuple[Callable[[], Any], ...]] = (
    Needs,
    Needs,
    lambda: Needs(chain=True),
    lambda: Needs(quotes=(Stock("NOSUCH"),)),
    lambda: Needs(bars=(BarSpec(),)),
    lambda: None,
    list,
    _raising(ValueError("no needs")),
    _raising(asyncio.CancelledError()),
)


class Mannered:
    """A strategy that does as its manners have it.

    Args:
        manners: Which.
        seed: Of what it draws; equal instants give equal answers.
    """

    def __init__(self, manners: str, seed: int) -> None:
        self._manners, self._seed, self._asked = manners, seed, 0
        self.name = f"mannered {manners}"
        self._ways: Mapping[str, Callable[[np.random.Generator], Any]] = {
            "eager": _eager,
            "flips": _flips,
            "raises": lambda draw: _now_and_then(draw, tuple(map(_raising, _RAISED))),
            "nonsense": lambda draw: _now_and_then(draw, _NONSENSE),
            "slow": _slow,
            "needy": _eager,
            "wishes": _wishes,
            "whims": lambda draw: _wishes(draw) if draw.random() < 0.5 else _flips(draw),
        }

    def needs(self) -> Needs:
        """Nothing; of a needy one, anything once it was asked before."""
        self._asked += 1
        if self._manners == "needy" and self._asked > 1:
            draw = np.random.default_rng([self._seed, 3, self._asked])
            return _one_of(draw, _NEEDED)()  # type: ignore[no-any-return]
        return Needs(memory=60.0)

    def decide(self, context: StrategyContext) -> Signal:
        """Whatever it is."""
        draw = np.random.default_rng([self._seed, 2, int(context.now.timestamp()), ord(context.symbol[0])])
        return self._ways[self._manners](draw)  # type: ignore[no-any-return]


def _one_of(draw: np.random.Generator, rows: tuple[Any, ...]) -> Any:
    return rows[int(draw.integers(len(rows)))]


def _eager(draw: np.random.Generator) -> Signal:
    """Wants in at every second look."""
    if draw.random() < 0.5:
        return _QUIET
    return Signal(direction=_one_of(draw, (Direction.UP, Direction.DOWN)), confidence=float(draw.random()))


def _flips(draw: np.random.Generator) -> Signal:
    """Wants in at every look, one way or the other."""
    return Signal(direction=_one_of(draw, (Direction.UP, Direction.DOWN)), confidence=1.0)


def _now_and_then(draw: np.random.Generator, answers: tuple[Callable[[], Any], ...]) -> Any:
    return _one_of(draw, answers)() if draw.random() < 0.4 else _eager(draw)


def _slow(draw: np.random.Generator) -> Signal:
    """Reckons for a while, and nothing else runs meanwhile."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop) and draw.random() < 0.3:
        loop.pass_until(loop.time() + float(draw.uniform(0.1, _SLOWEST)))
    return _eager(draw)


def _wishes(draw: np.random.Generator) -> Signal:
    """Has an opinion on everything."""
    wish = OptionWish(max_dte=int(draw.integers(0, 12))) if draw.random() < 0.5 else OptionWish()
    exits = ExitPolicy(
        stop_fraction=_one_of(draw, (None, 0.02, 0.3, 0.95)),
        take_profit_fraction=_one_of(draw, (None, 0.05, 0.5, 20.0)),
        min_dte=_one_of(draw, (None, None, 1, 4)),
        ends_with_session=_one_of(draw, (None, True, False)),
        trail_period=_one_of(draw, (None, None, None, 8)),
    )
    return Signal(
        direction=_one_of(draw, (Direction.UP, Direction.DOWN)), confidence=0.5, wish=wish, exits=exits
    )
