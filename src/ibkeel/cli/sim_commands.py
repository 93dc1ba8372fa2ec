"""The commands of the simulated Gateway."""

import json
from datetime import time
from typing import Any

import click
from rich.console import Console

from ibkeel.cli.scenarios import chosen, scenario_data, shipped
from ibkeel.cli.screen import announce
from ibkeel.cli.serve import ServeOptions, serve
from ibkeel.cli.tables import print_scenarios

__all__ = ["sim"]

_DATE = click.DateTime(formats=["%Y-%m-%d"])
_CLOCK = click.DateTime(formats=["%H:%M"])
_PORT = click.IntRange(0, 65535)


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
def sim_serve(**given: Any) -> None:
    """Serve any client on a real port, on a day when the market is open."""
    start = given["start"]
    options = ServeOptions(
        host=given["host"],
        port=given["port"],
        seed=given["seed"],
        day=given["day"].date() if given["day"] else None,
        start=time(start.hour, start.minute),
        scenario=chosen(given["scenario"]) if given["scenario"] else None,
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
