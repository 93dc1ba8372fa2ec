"""One soak, in a process of its own: prints what it found as JSON."""

import asyncio
import gc
import json
import logging
import resource
import sys
from array import array
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from benchmarks.lockstep import GatewayCounts, LockstepGateway
from benchmarks.soak_monitored import Monitored
from benchmarks.soak_rounds import SYMBOLS, Adapter, Bare, Rounds
from ibkeel.sim import Scenario, faults
from ibkeel.virtual import DEFAULT_START, run_virtual, virtual_clock

__all__ = ["soak"]

_ROUND: Final = 60.0
_HOUR: Final = 3600.0
_MAKERS: Final[dict[str, Callable[[], Rounds]]] = {"adapter": Adapter, "bare": Bare, "monitored": Monitored}
# By the kind that the Gateway names; anything else that goes wrong is no excuse.
_OUTAGES: Final = frozenset({"restart", "crash", "id_in_use", "upstream_lost", "farm_broken"})


class _Unhandled(logging.Handler):
    """Counts errors that nobody caught: those the loop was told of, and those that were only logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: Counter[str] = Counter()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.note(record.exc_info[1], record.getMessage())

    def note(self, error: object, message: str) -> None:
        """Count one."""
        self.seen[f"{type(error).__name__}: {error} ({message[:80]})"] += 1

    def from_loop(self, _: object, context: dict[str, Any]) -> None:
        """For `loop.set_exception_handler`."""
        self.note(context.get("exception"), str(context.get("message")))


class Tally:
    """What became of the rounds: begin and end in seconds, and how many of the symbols were served.

    In arrays that have their size from the start, so that counting does not show in what is counted.
    """

    def __init__(self, minutes: int) -> None:
        self.began, self.ended = array("d", [0.0] * minutes), array("d", [0.0] * minutes)
        self.served = array("b", [0] * minutes)

    def note(self, minute: int, began: float, ended: float, served: int) -> None:
        """One minute's."""
        self.began[minute], self.ended[minute], self.served[minute] = began, ended, served


def _scenario(seconds: float) -> Scenario:
    """The bad moments of a day; for 24 hours from the opening, the restart is at six to midnight."""
    return Scenario(
        name="soak",
        title="A day",
        faults=(
            faults.FarmBroken(after=0.15 * seconds, duration=3.0),
            faults.UpstreamLost(after=0.25 * seconds, duration=120.0, restores_as=1101),
            faults.Restart(after=0.60 * seconds, duration=90.0),
            faults.Crash(after=0.80 * seconds, duration=5.0),
            faults.IdInUse(after=0.80 * seconds, duration=50.0),
        ),
    )


async def soak(mode: str, hours: float) -> dict[str, Any]:
    """Ask for so many virtual hours, and count."""
    start, loop = virtual_clock().now(), asyncio.get_running_loop()
    unhandled = _Unhandled()
    logging.getLogger().addHandler(unhandled)
    loop.set_exception_handler(unhandled.from_loop)
    samples: list[tuple[int, int]] = []
    minutes = round(hours * _HOUR / _ROUND)
    tally = Tally(minutes)
    async with LockstepGateway(start, _scenario(hours * _HOUR)) as gateway:
        rounds: Rounds = _MAKERS[mode]()
        await rounds.begin()
        for minute in range(minutes):
            await _until(_ROUND * (minute + 1))
            await _one_round(minute, rounds, tally, unhandled)
            if (minute + 1) % (_HOUR / _ROUND) == 0:
                samples.append(_memory())
        await asyncio.sleep(_ROUND)
        lines = rounds.lines + gateway.counts().open_lines
        await rounds.end()
        await asyncio.sleep(_ROUND)
        counts = gateway.counts()
        lines = max(lines, counts.open_lines)
        del rounds
        gc.collect()
    return {
        "unhandled": dict(unhandled.seen),
        "leaked_lines": lines,
        "blocks": [blocks for blocks, _ in samples],
        "rss_kb": [rss for _, rss in samples],
        "cpu_s": resource.getrusage(resource.RUSAGE_SELF).ru_utime,
        **_judged(tally, counts, start),
    }


async def _one_round(minute: int, rounds: Rounds, tally: Tally, unhandled: _Unhandled) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(*map(rounds.serve, SYMBOLS), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            unhandled.note(answer, "a round")
    tally.note(minute, began, loop.time(), sum(answer is True for answer in answers))


async def _until(at: float) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, at - loop.time()))


def _memory() -> tuple[int, int]:
    gc.collect()
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return sys.getallocatedblocks(), pages * resource.getpagesize() // 1024


def _judged(tally: Tally, counts: GatewayCounts, start: datetime) -> dict[str, Any]:
    outages = [
        ((at - start).total_seconds(), (ended - start).total_seconds())
        for kind, at, ended in counts.faults
        if kind in _OUTAGES and ended is not None
    ]
    rounds = list(zip(tally.began, tally.ended, tally.served, strict=True))
    fair = [
        served
        for began, ended, served in rounds
        if not any(began <= until and at <= ended for at, until in outages)
    ]
    return {
        "rounds": len(rounds) * len(SYMBOLS),
        "rounds_outside": len(fair) * len(SYMBOLS),
        "served_outside": sum(fair),
        "served": sum(tally.served),
        "unserved_at_s": [round(began) for began, _, served in rounds if served < len(SYMBOLS)],
        "pacing_violations": counts.pacing_violations,
        "max_open_lines": counts.max_open_lines,
        "messages": counts.messages,
        "gateway_failures": counts.failures,
        "requests": counts.requests,
        "outages_s": outages,
    }


def _main() -> None:
    mode, hours = sys.argv[1], float(sys.argv[2])
    start = DEFAULT_START - timedelta(seconds=_ROUND)
    print(json.dumps(run_virtual(soak(mode, hours), start=start)))


if __name__ == "__main__":
    _main()
