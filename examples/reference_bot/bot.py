"""A whole bot: `python bot.py` rehearses one day on the simulated Gateway, on virtual time.

Change host and port in `bot.toml` and the same code trades through a real Gateway, session after
session, until Ctrl-C or SIGTERM. Then it says what it leaves open; the stops stay at the venue.
Its journal and the file that halts it, `ibkeel halt --state FOLDER`, are in this folder.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError
from ibkeel.ibkr import IBKRBroker, IBKRConfig, windows_of
from ibkeel.journal import Journal, highest_order_id
from ibkeel.runner import HALT_FILE, BotConfig, Halt, Runner, RunReport, Safety, load_config
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.strategy import default_registry
from ibkeel.system import SystemClock
from ibkeel.telemetry import LoggingObserver
from ibkeel.virtual import run_virtual, virtual_clock

HERE = Path(__file__).parent
SIMULATED_PORT = 4902


async def trade(config: BotConfig, journal: Journal, clock: Clock, *, sessions: int | None) -> RunReport:
    """Connect, and run the configured strategy over its symbols."""
    gateway = IBKRConfig(
        host=config.gateway.host,
        port=config.gateway.port,
        client_id=config.gateway.client_id,
        orders=config.gateway.orders,
        live_account=config.gateway.live_account,
        aliases=config.gateway.aliases,
        reset_windows=windows_of(config.gateway.region, config.gateway.auto_restart),
        market_data_lines=config.gateway.market_data_lines,
    )
    strategy = default_registry().create(config.strategy.name, config.strategy.params)
    async with IBKRBroker(gateway, clock=clock, observer=LoggingObserver()) as broker:
        broker.use_order_ids_above(highest_order_id(journal, gateway.client_id))
        runner = Runner(
            broker,
            strategy,
            config.runner,
            journal,
            risk=config.risk,
            clock=clock,
            mode=config.gateway.orders,
            safety=Safety.of(config.risk, Halt(HERE / HALT_FILE), limits=config.limits),
            announce=lambda line: print(line, file=sys.stderr),
        )
        return await runner.run(sessions=sessions)


def rehearse(config: BotConfig, seed: int = 7) -> RunReport:
    """One session against a simulated Gateway that this program starts itself; no real journal hears of it."""
    market = SeededMarket(seed, symbols=config.runner.symbols)
    [session] = market.sessions(market.session_date, market.session_date)

    async def day() -> RunReport:
        gateway = SimulatedGateway(market=market, clock=virtual_clock(), seed=seed)
        with Journal.in_memory() as journal:
            async with gateway.listening(config.gateway.host, config.gateway.port):
                return await trade(config, journal, virtual_clock(), sessions=1)

    return run_virtual(day(), start=session.opens_at)


def main(path: Path, environ: Mapping[str, str]) -> int:
    """Run the bot that a file describes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a script's `&` would have it ignore
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # as Ctrl-C: in order
    try:
        config = load_config(path, environ)
        if config.gateway.port == SIMULATED_PORT:
            report = rehearse(config)
        else:
            with Journal.open(Path(config.journal.path or HERE / "journal.sqlite")) as journal:
                report = asyncio.run(trade(config, journal, SystemClock(), sessions=None))
    except IbkeelError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{report.cycles} cycles, {report.signals} signals, {report.intents} intents, {report.fills} fills")
    if report.held is None:
        print("the positions could not be read: look at the account before you trust that nothing is held")
    for held in report.held or ():
        print(f"still held: {held.signed_quantity:g} {held.contract}: {held.reason}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "bot.toml", os.environ))
