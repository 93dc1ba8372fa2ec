"""The soak's adapter with everything that can watch it."""

import tempfile
from pathlib import Path
from typing import Final

from typing_extensions import override

from benchmarks.soak_rounds import Adapter
from ibkeel.monitor import Alerter, AlertsConfig, Board, EventLog, Metrics
from ibkeel.monitor.alerts import Message
from ibkeel.telemetry import Observers
from ibkeel.virtual import virtual_clock

__all__ = ["Monitored", "Quiet"]

_SCRAPED_EVERY: Final = 60


class Quiet:
    """A channel that takes everything."""

    name = "1 (quiet)"

    def deliver(self, message: Message) -> None:
        """Take it."""


class Monitored(Adapter):
    """By `IBKRBroker`, which board, metrics, event log and alerts listen to."""

    def __init__(self) -> None:
        board = Board()
        self._metrics = Metrics(board)
        self._folder = tempfile.TemporaryDirectory()
        # Without its thread, whose pace would be the machine's: what waits to be written would count as growth.
        self._log = EventLog(Path(self._folder.name) / "events.jsonl", megabytes=1.0)
        alerts = AlertsConfig(urls=("json://quiet",), least="info")
        self._alerter = Alerter(alerts, virtual_clock(), board.on_event, channels=[Quiet()])
        self._rounds = 0
        super().__init__(Observers((board, self._metrics, self._log, self._alerter)))

    @override
    async def begin(self) -> None:
        await self._alerter.__aenter__()
        await super().begin()

    @override
    async def end(self) -> None:
        await super().end()
        await self._alerter.__aexit__(None, None, None)
        self._folder.cleanup()

    @override
    async def serve(self, symbol: str) -> bool:
        served = await super().serve(symbol)
        self._alerter.look()
        self.broker.sample_pacing()
        self._log.flush()
        self._rounds += 1
        if self._rounds % _SCRAPED_EVERY == 0:
            self._metrics.text()
        return served
