"""The commands of the simulated Gateway: serve it, rehearse a script on it, and which scenarios there are."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, time
from pathlib import Path
from typing import Any, Final, TextIO
from zoneinfo import available_timezones

import attrs
import click
from rich.console import Console

from ibkeel.cli.rehearsal import Rehearsal, RehearsalOptions, rehearse, strike, summary_lines
from ibkeel.cli.screen import CLOCK, DATE, NEW_YORK, Number, announce, host_name, table
from ibkeel.cli.sim_record import replay, sim_compare, sim_record
from ibkeel.cli.sim_view import Company, accompany, recording
from ibkeel.clock import OffsetClock
from ibkeel.sim import Fault, Scenario, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.transcripts.proxy import not_listening
from ibkeel.system import SystemClock

_OTHER_PORT: Final = click.IntRange(1, 65535)
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhd]?)+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_PORT = click.IntRange(0, 65535)
_FILE = click.Path(path_type=Path, dir_okay=False)


def chosen(text: str | None) -> Scenario | None:
    """The scenario of that name, or in that file when the text ends in `.toml`; None for no text."""
    if text is None:
        return None
    return Scenario.load(Path(text)) if text.endswith(".toml") else Scenario.named(text)


def shipped() -> tuple[Scenario, ...]:
    """The scenarios that come with the package, by name."""
    return tuple(Scenario.named(name) for name in Scenario.names())


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Seconds that `90`, `90s`, `30m` or `1h30m` mean."""
    if text is None:
        return None
    if not _DURATION.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not a duration; 90s, 30m, 1h30m or 2d would be")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if seconds <= 0:
        raise click.BadParameter(f"{text!r} is no time at all")
    return seconds


def _zone(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    if name is not None and name not in available_timezones():
        raise click.BadParameter(f"{name!r} is not a time zone; Europe/Berlin would be")
    return name


@click.command("run")
@click.argument("script", metavar="BOT.py", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("arguments", metavar="[-- ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--scenario", metavar="NAME|FILE", help="What goes wrong; a file ends in .toml.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of the simulated market.")
@click.option("--date", "day", type=DATE, help="Trading date, YYYY-MM-DD.")
@click.option(
    "--start", type=CLOCK, default="09:30", show_default=True, help="New York time at which it starts."
)
@click.option(
    "--for",
    "seconds",
    callback=_seconds,
    metavar="DURATION",
    help="When it ends, such as 90s, 30m, 1h30m or 2d. [default: at the close of the session]",
)
@click.option(
    "--timezone", callback=_zone, help="Local time zone that the script sees. [default: the machine's]"
)
@click.option(
    "--port", "ports", type=_OTHER_PORT, multiple=True, help="One more port at which the Gateway is found."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; the script's output goes to stderr."
)
def sim_run(**given: Any) -> int:
    """Rehearse a script, unmodified, against the simulated Gateway on virtual time."""
    start, as_json, out = given["start"], given["as_json"], sys.stdout

    def cut_off(rehearsal: Rehearsal) -> None:
        try:
            _report(rehearsal, out, as_json=as_json)
            out.flush()
            sys.stderr.flush()
        finally:
            os._exit(rehearsal.exit_code)

    rehearsal = rehearse(
        RehearsalOptions(
            script=given["script"],
            arguments=given["arguments"],
            seed=given["seed"],
            day=given["day"].date() if given["day"] else None,
            start=time(start.hour, start.minute),
            seconds=given["seconds"],
            scenario=chosen(given["scenario"]),
            timezone=given["timezone"],
            ports=given["ports"],
            quiet_output=as_json,
        ),
        cut_off,
    )
    _report(rehearsal, out, as_json=as_json)
    return rehearsal.exit_code


@click.group()
def sim() -> None:
    """The simulated Gateway."""


@sim.command("serve")
@click.option("--host", callback=host_name, default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", type=_PORT, default=4902, show_default=True, help="Port to bind; 0 takes a free one.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of the simulated market.")
@click.option("--date", "day", type=DATE, help="Trading date, YYYY-MM-DD.")
@click.option(
    "--start", type=CLOCK, default="11:00", show_default=True, help="New York time at which it starts."
)
@click.option("--scenario", metavar="NAME|FILE", help="What goes wrong; a file ends in .toml.")
@click.option(
    "--speed",
    type=Number(0.01, 1000.0),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="So many times faster than real time; a client's own deadlines stay real.",
)
@click.option("--record", type=_FILE, metavar="FILE", help="Write down everything that is said.")
@click.option(
    "--replay-transcript",
    "transcript",
    type=_FILE,
    metavar="FILE",
    help="Answer as this transcript did, instead of simulating.",
)
@click.option("--view", is_flag=True, help="Show a live picture in the terminal.")
@click.option("--web", type=click.IntRange(1, 65535), metavar="PORT", help="Serve a live page.")
def _sim_serve(**given: Any) -> None:
    """Serve any client on a real port, on a day when the market is open."""
    if given["transcript"]:
        replay(given["transcript"], given["host"], given["port"], announce)
        return
    scenario = chosen(given["scenario"])
    company = Company(record=given["record"], view=given["view"], web=given["web"])
    company.check()
    with contextlib.suppress(asyncio.CancelledError):  # by SIGTERM
        asyncio.run(_serve(given, scenario, company))


async def _serve(given: dict[str, Any], scenario: Scenario | None, company: Company) -> None:
    _end_by_sigterm()
    seed, speed, host = given["seed"], given["speed"], given["host"]
    market = SeededMarket(seed, given["day"].date() if given["day"] else None)
    start = datetime.combine(market.session_date, given["start"].time(), NEW_YORK)
    clock = OffsetClock(SystemClock(), start, speed=speed)
    gateway = SimulatedGateway(market=market, seed=seed, clock=clock, scenario=scenario, speed=speed)
    notes = {"seed": seed, "date": market.session_date.isoformat()}
    with recording(gateway, company.record, notes, announce):
        try:
            port = await gateway.start(host, given["port"])
        except OSError as error:
            raise not_listening(host, given["port"], error) from error
        announce(f"simulated Gateway on {host}:{port}, seed {seed}")
        announce(
            f"its clock began at {start:%Y-%m-%d %H:%M} New York; paper account, any client id; stop with Ctrl-C"
        )
        if speed != 1.0:
            announce(f"a minute of its day takes {60.0 / speed:g} s; use its time, not the machine's")
        if scenario is not None:
            announce(f"scenario {': '.join(filter(None, (scenario.name, scenario.title)))}")
        if company.web is not None:
            announce(f"watch it on http://127.0.0.1:{company.web}")
        try:
            await accompany(gateway, company, f"Simulated Gateway on {host}:{port}")
        finally:
            await gateway.stop()
            counters = gateway.counters
            announce(f"stopped: {counters.connections} connections, {counters.messages} messages")
            for seen in gateway.faults_seen:
                announce(strike(seen))


def _end_by_sigterm() -> None:
    """SIGTERM ends the service as Ctrl-C does, with its summary, where the system has such a signal."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows; a loop in another thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


@sim.command("scenarios")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, with every fault.")
def _sim_scenarios(*, as_json: bool) -> None:
    """List what can go wrong by name, for `sim serve --scenario`."""
    if as_json:
        click.echo(json.dumps([_scenario_data(each) for each in shipped()], indent=2, default=str))
    else:
        _print_scenarios(Console(), shipped())


sim.add_command(sim_run)
sim.add_command(sim_compare)
sim.add_command(sim_record)


def _print_scenarios(console: Console, scenarios: Iterable[Scenario]) -> None:
    rows = table("name", "what happens", "faults", justify="left")
    for each in scenarios:
        kinds = Counter(fault.kind for fault in each.faults)
        told = (kind if count == 1 else f"{kind} x{count}" for kind, count in kinds.items())
        rows.add_row(each.name, each.title, ", ".join(told) or "none")
    console.print(rows)


def _scenario_data(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "title": scenario.title,
        "summary": " ".join(scenario.summary.split()),
        "source": scenario.source,
        "seed": scenario.seed,
        "faults": [_fault_data(fault) for fault in scenario.faults],
    }


def _fault_data(fault: Fault) -> dict[str, Any]:
    """The keys that differ from their defaults, as a scenario file has them."""
    given = {
        field.name: value
        for field in attrs.fields(type(fault))
        if (value := getattr(fault, field.name)) != field.default
    }
    return {"kind": fault.kind, **given}


def _report(rehearsal: Rehearsal, out: TextIO, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rehearsal.as_data(), indent=2), file=out)
    else:
        for line in summary_lines(rehearsal):
            click.echo(f"ibkeel: {line}", err=True)
