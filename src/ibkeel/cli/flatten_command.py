"""The command `ibkeel flatten`: entries cancelled, positions closed, and looked at until they are."""

import json
import os
import sys
from pathlib import Path

import attrs
import click

from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.cli.exits import ExitCode
from ibkeel.cli.flattening import FlattenOptions, flatten_directly, flatten_through_the_bot, planned
from ibkeel.cli.paths import state_directory
from ibkeel.errors import ClientIdInUse, ConfigurationError, OrderRefused
from ibkeel.runner import HALT_FILE, BotConfig, Flattened, Halt, load_config_as
from ibkeel.system import SystemClock

_PATH = click.Path(path_type=Path)


@click.command("flatten")
@click.argument("config", type=_PATH, default=Path("bot.toml"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--all", "everything", is_flag=True, help="Close also what the bot did not trade.")
@click.option(
    "--wait", type=click.FloatRange(1, 600), default=60.0, show_default=True, help="Seconds for the fills."
)
@click.option("--journal", type=_PATH, default=None, help="Where the bot's journal is.")
@click.option(
    "--follow-gateway-clock", "follow", is_flag=True, help="Take the time from the Gateway: for `sim serve`."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def flatten(
    config: Path,
    journal: Path | None,
    wait: float,
    *,
    yes: bool,
    everything: bool,
    follow: bool,
    as_json: bool,
) -> int:
    """Halt entries, cancel those that work, close every position, and look until they are closed.

    While the bot of CONFIG runs, the bot itself does it, with its own session; else a session under its client
    id is opened for it. Closed are positions in what the bot traded, as its journal says; --all closes
    everything that the account holds. Entries stay halted: `ibkeel halt --lift` lets them pass again.

    Ends with 0 when nothing is left, with 5 when something is, with 4 when orders is DRY_RUN.
    """
    bot = load_config_as(MonitoredBot, config, os.environ)
    state = state_directory(os.environ)
    configured = Path(bot.journal.path) if bot.journal.path else None
    options = FlattenOptions(
        journal=journal or configured or state / "journal.sqlite",
        state=state,
        port=bot.gateway.port,
        client_id=bot.gateway.client_id,
        everything=everything,
        wait=wait,
        follow_gateway=follow,
    )
    if not yes:
        _ask(bot, options)
    is_halted = bot.gateway.orders != "DRY_RUN" and _is_halted(state)
    done, by = _flattened(bot, options)
    if as_json:
        click.echo(json.dumps({**attrs.asdict(done), "is_flat": done.is_flat, "by": by}, indent=2))
    else:
        _tell(done, is_halted=is_halted)
    return ExitCode.SUCCESS if done.is_flat else ExitCode.FOUND


def _is_halted(state: Path) -> bool:
    """Halt entries of every bot of a state directory; a disk that takes no file keeps nobody from closing."""
    try:
        Halt(state / HALT_FILE).halt("ibkeel flatten", SystemClock().now())
    except ConfigurationError as error:
        click.echo(f"entries are not halted: {error}", err=True)
        return False
    return True


def _ask(bot: BotConfig, options: FlattenOptions) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to be asked; --yes closes without a question")
    if bot.gateway.orders == "DRY_RUN":
        return
    try:
        what = planned(bot, options).sentence()
    except ClientIdInUse:
        what = "halt the bot that runs, and let it cancel its entries and close what it holds"
    click.confirm(f"Shall I {what}?", abort=True)


def _flattened(bot: BotConfig, options: FlattenOptions) -> tuple[Flattened, str]:
    try:
        return flatten_directly(bot, options), "this command"
    except ClientIdInUse:
        if bot.gateway.orders == "DRY_RUN":
            raise OrderRefused("orders is DRY_RUN, and a bot runs: nothing was sent, by it neither") from None
        return flatten_through_the_bot(options), "the bot"


def _tell(done: Flattened, *, is_halted: bool) -> None:
    for name in done.cancelled:
        click.echo(f"cancelled {name}")
    for words in done.closed:
        click.echo(f"closed {words}")
    for row in done.left:
        click.echo(f"still held: {row.quantity:+g} {row.contract}: {row.reason}")
    for words in done.untouched:
        click.echo(f"not touched, for the bot did not trade it: {words}")
    if done.failure:
        click.echo(f"it could not be done: {done.failure}")
    elif done.is_flat:
        flat = "nothing that the bot traded is held" if done.untouched else "flat"
        halted = "entries are halted until `ibkeel halt --lift`" if is_halted else "entries are NOT halted"
        click.echo(f"{flat}; {halted}")
