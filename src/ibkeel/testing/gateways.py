"""A simulated Gateway for one test: of plain blocking code, or of coroutines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, TypeVar

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.model.checks import NEW_YORK
from ibkeel.sim import Scenario, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import ProcessLoop, bystander_context, virtual_clock, virtual_process

_HOST: Final = "127.0.0.1"
_PORT: Final = 4002
_ALIASES: Final = (4001, 7496, 7497)
_Moment = TypeVar("_Moment", date, time)


@asynccontextmanager
async def simulated_gateway(
    scenario: "Scenario | Path | str | None" = None, *, seed: int = 7, port: int = _PORT, **settings: Any
) -> AsyncIterator[SimulatedGateway]:
    """A Gateway that listens on the virtual loop while the context is open.

    Its market's session is that of the loop's present day, or the next one.

    Args:
        scenario: What goes wrong: a scenario, its name, or its file, which ends in .toml; None: nothing.
        seed: Of market and venue.
        port: Where it listens.
        **settings: What else `SimulatedGateway` takes.

    Raises:
        ConfigurationError: There is no such scenario.
        InvalidInput: The running loop is not a virtual one; use `run_virtual`.
    """
    clock = virtual_clock()
    day = clock.now().astimezone(NEW_YORK).date()
    market = settings.pop("market", None) or SeededMarket(seed, _session_from(day))
    gateway = SimulatedGateway(market=market, clock=clock, seed=seed, scenario=_chosen(scenario), **settings)
    async with gateway.listening(_HOST, port):
        yield gateway


class GatewayMaker:
    """What the fixture `ibkeel_gateway` gives: call it for a Gateway, or `play` one around the test.

    Args:
        stack: Ends with the test.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, **given: Any) -> SimulatedGateway:
        """A `SimulatedGateway` of these arguments; open it with `async with gateway.listening(host, port)`."""
        return SimulatedGateway(**given)

    def play(
        self,
        scenario: "Scenario | Path | str | None" = None,
        *,
        seed: int = 7,
        day: date | str | None = None,
        start: time | str = "09:30",
        seconds: float | None = None,
        **settings: Any,
    ) -> SimulatedGateway:
        """Put the rest of the test on virtual time, with a Gateway that listens.

        From here on `ib.sleep`, `time.sleep` and `asyncio.run` take no time, and clients find the Gateway
        on ports 4001, 4002, 7496 and 7497. It ends with the test.

        Args:
            scenario: What goes wrong: a scenario, its name, or its file, which ends in .toml; None: nothing.
            seed: Of market and venue.
            day: Trading date, or its text, such as 2024-11-29; None lets the seed choose, or the `market` that is given.
            start: Time of day in New York at which the test goes on, or its text.
            seconds: How long virtual time lasts: then `ibkeel.virtual.TimeIsUp` is raised in the test; None: for ever.
            **settings: What else `SimulatedGateway` takes.

        Raises:
            ConfigurationError: There is no such scenario, day or time, or the day is no session.
            InvalidInput: Called from a coroutine, whose loop is on the machine's time already; or for a market that
                has no day of its own, and no `day` is given.
        """
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            raise InvalidInput(
                "play() puts a plain test on virtual time, and here a loop runs already; call it before asyncio.run(), or "
                "give the coroutine to `ibkeel_virtual_time` and use `simulated_gateway` in it"
            )
        trouble, at = _chosen(scenario), _read(time, start)
        market, on = _market(settings.pop("market", None), seed, None if day is None else _read(date, day))
        begins = datetime.combine(on, at, NEW_YORK)
        loop = self._stack.enter_context(virtual_process(begins, seconds=seconds))
        gateway = SimulatedGateway(market=market, clock=loop.clock, seed=seed, scenario=trouble, **settings)
        loop.network.alias(_ALIASES, port=_PORT)
        loop.run_until_complete(loop.create_task(gateway.start(_HOST, _PORT), context=bystander_context()))
        self._stack.callback(_close, gateway, loop)
        return gateway


def _chosen(scenario: "Scenario | Path | str | None") -> Scenario | None:
    if scenario is None or isinstance(scenario, Scenario):
        return scenario
    if isinstance(scenario, Path) or scenario.endswith(".toml"):
        return Scenario.load(Path(scenario))
    return Scenario.named(scenario)


def _market(given: Any, seed: int, day: date | None) -> tuple[Any, date]:
    """A market, and the day on which it is played."""
    if given is None:
        given = SeededMarket(seed, day)
    on = day or getattr(given, "session_date", None)
    if on is None:
        name = type(given).__name__
        raise InvalidInput(f"{name} has no day of its own; say which: play(market=..., day='2024-09-05')")
    if not given.sessions(on, on):
        raise ConfigurationError(f"{on} is no session of the market that is given")
    return given, on


def _read(kind: type[_Moment], given: _Moment | str) -> _Moment:
    if not isinstance(given, str):
        return given
    try:
        return kind.fromisoformat(given)
    except ValueError as error:
        example = "2024-11-29" if kind is date else "15:30"
        raise ConfigurationError(f"{given!r} is not a {kind.__name__}; {example} would be") from error


def _session_from(day: date) -> date:
    return next(each.day for each in SeededMarket(0).sessions(day, date.max))


def _close(gateway: SimulatedGateway, loop: ProcessLoop) -> None:
    """Stop the Gateway, and let its clients hear that their connections have ended."""
    loop.run_until_complete(gateway.stop())
    loop.sleep(0.0)
