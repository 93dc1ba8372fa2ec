"""An unmodified script against the simulated Gateway, in this process and on virtual time."""

import contextlib
import logging
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import attrs

from ibkeel.cli.screen import NEW_YORK
from ibkeel.errors import ConfigurationError
from ibkeel.sim import FaultSeen, GatewayCounters, Scenario, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import ProcessLoop, TimeIsUp, bystander_context, virtual_process
from ibkeel.virtual.process import machine_monotonic

_OURS: Final = Path(__file__).resolve().parents[1]
_HOST: Final = "127.0.0.1"
_PORT: Final = 4002
_ALIASES: Final = (
    4001,
    4003,
    4004,
    4902,
    7496,
    7497,
)  # live and paper, Gateway and TWS, the usual containers
_INTERRUPTED: Final = 130
_SILENCE: Final = 10.0  # seconds of the machine's without a word
_LOOK: Final = 3600.0  # virtual seconds between two looks at the machine's clock


class Ending(StrEnum):
    """How a script ended."""

    RETURNED = "returned"
    EXITED = "exited"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    TIME_UP = "time up"
    CUT_OFF = "cut off"  # it went on when its time was up


@attrs.frozen(kw_only=True)
class RehearsalOptions:
    """What to rehearse: the options of `ibkeel sim run`."""

    script: Path
    arguments: tuple[str, ...] = ()
    seed: int = 7
    day: date | None = None
    start: time = time(9, 30)
    seconds: float | None = None
    scenario: Scenario | None = None
    timezone: str | None = None
    ports: tuple[int, ...] = ()
    quiet_output: bool = False


@attrs.frozen(kw_only=True)
class Rehearsal:
    """What came of it."""

    options: RehearsalOptions
    started_at: datetime
    virtual_seconds: float
    wall_seconds: float
    ending: Ending
    exit_code: int
    counters: GatewayCounters
    fills: int
    open_lines_at_end: int
    faults: tuple[FaultSeen, ...]

    def as_data(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        counters, scenario = self.counters, self.options.scenario
        return {
            "script": str(self.options.script),
            "seed": self.options.seed,
            "scenario": None if scenario is None else scenario.name,
            "started_at": self.started_at.isoformat(),
            "virtual_seconds": round(self.virtual_seconds, 3),
            "wall_seconds": round(self.wall_seconds, 3),
            "ending": self.ending.value,
            "exit_code": self.exit_code,
            "connections": counters.connections,
            "messages": counters.messages,
            "requests": dict(counters.requests),
            "orders": counters.requests["place_order"],
            "fills": self.fills,
            "faults": [attrs.asdict(seen, value_serializer=_plain) for seen in self.faults],
            "violations": dict(counters.violations),
            "pacing_violations": counters.pacing_violations,
            "open_lines_at_end": self.open_lines_at_end,
            "max_open_lines": counters.max_open_lines,
            "gateway_failures": counters.failures,
        }


def rehearse(options: RehearsalOptions, cut_off: Callable[[Rehearsal], None] | None = None) -> Rehearsal:
    """Run the script to its end, or to the end of its time.

    Args:
        options: What to rehearse.
        cut_off: Told what came of a script that goes on a minute after its time was up; it has to end the
            process, since the script may catch whatever could be raised. None: the script goes on.
    """
    if not options.script.is_file():
        raise ConfigurationError(f"there is no script {options.script}")
    began = machine_monotonic()
    market = SeededMarket(options.seed, options.day)
    start = datetime.combine(market.session_date, options.start, NEW_YORK)
    with virtual_process(start, seconds=_seconds(options, market, start), timezone=options.timezone) as loop:
        gateway = SimulatedGateway(
            market=market, seed=options.seed, clock=loop.clock, scenario=options.scenario
        )
        loop.network.alias((*_ALIASES, *options.ports), port=_PORT)
        loop.run_until_complete(loop.create_task(gateway.start(_HOST, _PORT), context=bystander_context()))

        def summed_up(ending: Ending, exit_code: int) -> Rehearsal:
            return Rehearsal(
                options=options,
                started_at=loop.clock.now() - timedelta(seconds=loop.clock.monotonic()),
                virtual_seconds=loop.clock.monotonic(),
                wall_seconds=machine_monotonic() - began,
                ending=ending,
                exit_code=exit_code,
                counters=gateway.counters,
                fills=len(gateway.venue.executions()),
                open_lines_at_end=gateway.counters.open_lines,
                faults=gateway.faults_seen,
            )

        _tell_progress(loop)
        if cut_off is not None:
            loop.at_last = lambda: cut_off(summed_up(Ending.CUT_OFF, 0))
        rehearsal = summed_up(*_played(options, loop))
        loop.run_until_complete(gateway.stop())
    return rehearsal


def _tell_progress(loop: ProcessLoop) -> None:
    """Say every ten seconds of the machine's how far virtual time has come."""
    told_at = machine_monotonic()

    def look() -> None:
        nonlocal told_at
        if machine_monotonic() - told_at >= _SILENCE:
            told_at = machine_monotonic()
            until = "" if loop.ends_at is None else f" of {_span(loop.ends_at)}"
            print(f"ibkeel: {_span(loop.time())}{until} of virtual time", file=sys.stderr)  # noqa: T201 - as the summary
        loop.call_later(_LOOK, look)

    loop.call_later(_LOOK, look, context=bystander_context())


def _seconds(options: RehearsalOptions, market: SeededMarket, start: datetime) -> float:
    if options.seconds is not None:
        return options.seconds
    [session] = market.sessions(market.session_date, market.session_date)
    if start >= session.closes_at:
        raise ConfigurationError(
            f"the session of {session.day} ends at {session.closes_at.astimezone(NEW_YORK):%H:%M} New York, "
            "before the script starts; say how long it is to run, with --for"
        )
    return (session.closes_at - start).total_seconds()


def _played(options: RehearsalOptions, loop: ProcessLoop) -> tuple[Ending, int]:
    with _as_main(options), _deaf_to_no_second_signal():
        try:
            runpy.run_path(str(options.script), run_name="__main__")
        except TimeIsUp:
            return Ending.TIME_UP, 0
        except KeyboardInterrupt:
            return Ending.INTERRUPTED, _INTERRUPTED
        except SystemExit as ended:
            return Ending.EXITED, _exit_code(ended)
        except BaseException as error:  # noqa: BLE001 - it is the script's, and its author wants to see it
            _show(error, options.script)
            return Ending.FAILED, 1
        finally:
            _settle(loop)
    return Ending.RETURNED, 0


def _settle(loop: ProcessLoop) -> None:
    """Let the Gateway hear what the script said last."""
    loop.ends_at = None
    loop.sleep(0.0)


@contextlib.contextmanager
def _as_main(options: RehearsalOptions) -> Iterator[None]:
    """`sys.argv` and the first folder of `sys.path` as for a script of its own."""
    arguments, path, handlers = sys.argv, sys.path.copy(), logging.root.handlers
    sys.argv = [str(options.script), *options.arguments]
    sys.path.insert(0, str(options.script.resolve().parent))
    logging.root.handlers = []  # those of the command would keep `logging.basicConfig` from doing anything
    try:
        with contextlib.redirect_stdout(sys.stderr) if options.quiet_output else contextlib.nullcontext():
            yield
    finally:
        sys.argv, sys.path[:], logging.root.handlers = arguments, path, handlers


@contextlib.contextmanager
def _deaf_to_no_second_signal() -> Iterator[None]:
    """Ctrl-C or SIGTERM interrupts the script; the next one ends the process, whatever the script catches."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def interrupt(*_: object) -> None:
        for number in handlers:
            signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    for number in handlers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


def _show(error: BaseException, script: Path) -> None:
    """Print a traceback without the frames around the script, and without those of virtual time."""
    shown, folder = traceback.TracebackException.from_exception(error), script.resolve().parent
    has_begun = any(_is_under(frame.filename, folder) for frame in shown.stack)
    _shorten(shown, folder)
    is_unreadable = isinstance(error, SyntaxError) and not has_begun  # all frames are around the script
    lines = shown.format_exception_only() if is_unreadable else shown.format()
    print("".join(lines), end="", file=sys.stderr)  # noqa: T201 - as the interpreter does


def _shorten(shown: traceback.TracebackException, folder: Path) -> None:
    own = [frame for frame in shown.stack if _is_under(frame.filename, folder)]
    shown.stack = traceback.StackSummary.from_list(own or shown.stack)
    context = shown.__context__
    if context is not None and not any(_is_under(frame.filename, folder) for frame in context.stack):
        shown.__context__ = None  # what a library handled within itself
    for other in (shown.__cause__, shown.__context__, *(shown.exceptions or ())):
        if other is not None:
            _shorten(other, folder)


def _is_under(filename: str, folder: Path) -> bool:
    if filename.startswith("<"):  # `<frozen runpy>` is no file, in no folder
        return False
    path = Path(filename).resolve()
    is_own = not path.is_relative_to(_OURS) and "site-packages" not in path.parts
    return is_own and path.is_relative_to(folder)


def _plain(_: object, __: object, value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def summary_lines(rehearsal: Rehearsal) -> Sequence[str]:
    """The summary, for people."""
    counters = rehearsal.counters
    violations = ", ".join(f"{rule} {number}" for rule, number in sorted(counters.violations.items()))
    traffic = (
        f"{counters.messages} messages, {counters.requests['place_order']} orders, {rehearsal.fills} fills, "
        f"{counters.connections} connections"
    )
    limits = (
        f"limits broken: {violations or 'none'}; market data lines open at the end: "
        f"{rehearsal.open_lines_at_end} (at most {counters.max_open_lines})"
    )
    ended = f"{rehearsal.ending}: {_span(rehearsal.virtual_seconds)} of virtual time in {rehearsal.wall_seconds:.1f} s"
    return [ended, traffic, limits, *(f"fault: {strike(seen, ' New York')}" for seen in rehearsal.faults)]


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=round(seconds))


def strike(seen: FaultSeen, zone: str = "") -> str:
    """A fault in one line; times of day in New York, which `zone` may say."""
    text = f"{seen.at.astimezone(NEW_YORK):%H:%M:%S}{zone} {seen.kind} {seen.detail}".rstrip()
    if seen.ended_at is None or seen.ended_at == seen.at:
        return text
    return f"{text} until {seen.ended_at.astimezone(NEW_YORK):%H:%M:%S}"
