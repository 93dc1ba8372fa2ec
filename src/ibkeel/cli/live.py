"""The runner against a real Gateway, or any other that listens."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from ibkeel.cli.demo import qualified
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.journal import Journal
from ibkeel.runner import BotConfig, Progress, Runner, RunReport
from ibkeel.strategy import Strategy, default_registry
from ibkeel.telemetry import LoggingObserver

__all__ = ["trade"]


def trade(
    config: BotConfig, journal: Path, *, sessions: int | None, progress: Callable[[Progress], None] | None
) -> RunReport:
    """Run a bot until its sessions are over or it is interrupted.

    Args:
        config: The whole bot.
        journal: Where its journal is.
        sessions: How many sessions; None never ends by itself.
        progress: Called after each cycle.

    Raises:
        UnknownStrategy: No strategy has that name.
        ConnectionFailure: There is no Gateway to talk to.
        SafetyRefused: Port, account and order mode do not fit together.
        UnknownContract: The Gateway does not know a symbol.
    """
    strategy = default_registry().create(config.strategy.name, config.strategy.params)
    gateway = config.gateway
    address = IBKRConfig(
        host=gateway.host,
        port=gateway.port,
        client_id=gateway.client_id,
        orders=OrderMode(gateway.orders),
        live_account=gateway.live_account,
    )
    return asyncio.run(_trade(config, address, strategy, journal, sessions, progress))


async def _trade(
    config: BotConfig,
    address: IBKRConfig,
    strategy: Strategy,
    path: Path,
    sessions: int | None,
    progress: Callable[[Progress], None] | None,
) -> RunReport:
    observer = LoggingObserver()
    async with IBKRBroker(address, observer=observer) as broker:
        await qualified(broker, config.runner.symbols)
        with Journal.open(path) as journal:
            runner = Runner(
                broker,
                strategy,
                config.runner,
                journal,
                risk=config.risk,
                observer=observer,
                progress=progress,
                mode=address.orders.value,
            )
            return await runner.run(sessions=sessions)
