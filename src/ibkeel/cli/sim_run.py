"""The command that rehearses a script."""

import json
import re
from datetime import time
from pathlib import Path
from typing import Any, Final
from zoneinfo import available_timezones

import click

from ibkeel.cli.rehearsal import RehearsalOptions, rehearse, summary_lines
from ibkeel.cli.scenarios import chosen

_DATE: Final = click.DateTime(formats=["%Y-%m-%d"])
_CLOCK: Final = click.DateTime(formats=["%H:%M"])
_PORT: Final = click.IntRange(1, 65535)
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhd]?)+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


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
@click.option("--scenario", default=None, metavar="NAME|FILE", help="What goes wrong; a file ends in .toml.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of the simulated market.")
@click.option("--date", "day", type=_DATE, default=None, help="Trading date, YYYY-MM-DD.")
@click.option(
    "--start", type=_CLOCK, default="09:30", show_default=True, help="New York time at which it starts."
)
@click.option(
    "--for",
    "seconds",
    callback=_seconds,
    metavar="DURATION",
    help="When it ends, such as 90s, 30m, 1h30m or 2d. [default: at the close of the session]",
)
@click.option("--zone", callback=_zone, help="Local time zone that the script sees. [default: the machine's]")
@click.option(
    "--port", "ports", type=_PORT, multiple=True, help="One more port at which the Gateway is found."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; the script's output goes to stderr."
)
def sim_run(**given: Any) -> int:
    """Rehearse a script, unmodified, against the simulated Gateway on virtual time."""
    start = given["start"]
    rehearsal = rehearse(
        RehearsalOptions(
            script=given["script"],
            arguments=given["arguments"],
            seed=given["seed"],
            day=given["day"].date() if given["day"] else None,
            start=time(start.hour, start.minute),
            seconds=given["seconds"],
            scenario=chosen(given["scenario"]) if given["scenario"] else None,
            zone=given["zone"],
            ports=given["ports"],
            quiet_output=given["as_json"],
        )
    )
    if given["as_json"]:
        click.echo(json.dumps(rehearsal.as_data(), indent=2))
    else:
        for line in summary_lines(rehearsal):
            click.echo(f"ibkeel: {line}", err=True)
    return rehearsal.exit_code
