"""The commands of the simulated Gateway."""

import json
from datetime import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ibkeel.cli.scenarios import chosen, scenario_data, shipped
from ibkeel.cli.screen import announce
from ibkeel.cli.serve import ServeOptions, serve
from ibkeel.cli.sim_company import Company
from ibkeel.cli.sim_compare import sim_compare
from ibkeel.cli.sim_record import replay, sim_record
from ibkeel.cli.sim_run import sim_run
from ibkeel.cli.tables import print_scenarios

_DATE = click.DateTime(formats=["%Y-%m-%d"])
_CLOCK = click.DateTime(formats=["%H:%M"])
_PORT = click.IntRange(0, 65535)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def sim() -> None:
    """The simulated Gateway."""


@sim.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", type=_PORT, default=4902, show_default=True, help="Port to bind; 0 takes a free one.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of the simulated market.")
@click.option("--date", "day", type=_DATE, default=None, help="Trading date, YYYY-MM-DD.")
@click.option(
    "--start", type=_CLOCK, default="11:00", show_default=True, help="New York time at which it starts."
)
@click.option("--scenario", default=None, metavar="NAME|FILE", help="What goes wrong; a file ends in .toml.")
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 1000.0),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="So many times faster than real time; a client's own deadlines stay real.",
)
@click.option(
    "--record", type=_FILE, default=None, metavar="FILE", help="Write down everything that is said."
)
@click.option(
    "--replay-transcript",
    "transcript",
    type=_FILE,
    default=None,
    metavar="FILE",
    help="Answer as this transcript did, instead of simulating.",
)
@click.option("--view", is_flag=True, help="Show a live picture in the terminal.")
@click.option("--web", type=click.IntRange(1, 65535), default=None, metavar="PORT", help="Serve a live page.")
def sim_serve(**given: Any) -> None:
    """Serve any client on a real port, on a day when the market is open."""
    if given["transcript"]:
        replay(given["transcript"], given["host"], given["port"], announce)
        return
    start = given["start"]
    options = ServeOptions(
        host=given["host"],
        port=given["port"],
        seed=given["seed"],
        day=given["day"].date() if given["day"] else None,
        start=time(start.hour, start.minute),
        scenario=chosen(given["scenario"]) if given["scenario"] else None,
        company=Company(record=given["record"], view=given["view"], web=given["web"]),
        speed=given["speed"],
    )
    serve(options, announce)


@sim.command("scenarios")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, with every fault.")
def sim_scenarios(*, as_json: bool) -> None:
    """List what can go wrong by name, for `sim serve --scenario`."""
    if as_json:
        click.echo(json.dumps([scenario_data(each) for each in shipped()], indent=2, default=str))
    else:
        print_scenarios(Console(), shipped())


sim.add_command(sim_run)


sim.add_command(sim_compare)
sim.add_command(sim_record)
