"""Orders beside sinks that hang: a scraper that never reads, a webhook that never answers, a full disk."""

import asyncio
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from ibkeel.clock import OffsetClock
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.model import OrderTicket, OrderType, Side, Stock
from ibkeel.monitor import AlertsConfig, Monitor, TelemetryConfig
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.settings import GatewaySettings, Latency
from ibkeel.system import SystemClock
from ibkeel.telemetry import AlarmRaised, NullObserver, Observer
from ibkeel.virtual import DEFAULT_START

__all__ = ["order_delays"]

_HOST: Final = "127.0.0.1"
_AT_ONCE: Final = Latency(local=0, account=0, definitions=0, first_tick=0, history=0, orders=0)
_FULL: Final = "/dev/full" if Path("/dev/full").exists() else "/"  # where there is no such device: a folder
_APART: Final = 0.025  # seconds, for a limit of messages is kept too


class _Mute:
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server((_HOST, 0))
        self._held: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._held.append(self._listener.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        """Hang up."""
        self._listener.close()
        for held in self._held:
            held.close()


def order_delays(number: int) -> dict[str, float]:
    """Milliseconds from the call to the venue's acknowledgement, unwatched and beside sinks that hang."""
    return asyncio.run(_delays(number))


async def _delays(number: int) -> dict[str, float]:
    gateway = SimulatedGateway(
        market=SeededMarket(7, DEFAULT_START.date()),
        clock=OffsetClock(SystemClock(), DEFAULT_START),
        settings=GatewaySettings(latency=_AT_ONCE),
    )
    mute = _Mute()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(gateway.listening(_HOST))
        stuck = await stack.enter_async_context(_stuck(mute))
        again = await stack.enter_async_context(_stuck(mute))
        observers = {"unwatched": NullObserver(), "stuck": stuck, "stuck_again": again}
        brokers = {
            name: await stack.enter_async_context(_broker(port, place, observer))
            for place, (name, observer) in enumerate(observers.items(), 1)
        }
        took: dict[str, list[float]] = {name: [] for name in brokers}
        for turn in range(number):
            for name, broker in brokers.items():
                took[name].append(await _order(broker))
                if turn % 20 == 0:
                    observers[name].on_event(_alarm(turn))
        mute.close()
    return {
        f"{name}_{figure}_ms": value * 1e3
        for name, values in took.items()
        for figure, value in (
            ("median", statistics.median(values)),
            ("p99", _p99(values)),
            ("worst", max(values)),
        )
    }


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))]


def _alarm(number: int) -> AlarmRaised:
    return AlarmRaised(at=SystemClock().now(), name=f"alarm {number}", message="for the webhook that hangs")


@asynccontextmanager
async def _stuck(mute: _Mute) -> AsyncIterator[Monitor]:
    telemetry = TelemetryConfig(metrics_port=0, log=_FULL)
    alerts = AlertsConfig(urls=(f"json://{_HOST}:{mute.port}",), per_hour=1000)
    monitor = Monitor(telemetry, alerts, SystemClock())
    async with monitor.watching():
        assert monitor.metrics_port is not None
        with ExitStack() as scrapers:
            for _ in range(20):  # each asks, and reads nothing
                address = (_HOST, monitor.metrics_port)
                scraper = scrapers.enter_context(socket.create_connection(address))
                scraper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            yield monitor


@asynccontextmanager
async def _broker(port: int, client_id: int, observer: Observer) -> AsyncIterator[IBKRBroker]:
    config = IBKRConfig(host=_HOST, port=port, client_id=client_id, orders=OrderMode.PAPER)
    async with IBKRBroker(config, observer=observer, jitter=lambda: 0.0) as broker:
        await broker.qualify(Stock("SPY"))
        yield broker


async def _order(broker: IBKRBroker) -> float:
    """Place a limit order far from the market, and withdraw it."""
    ticket = OrderTicket(
        contract=Stock("SPY"), side=Side.BUY, quantity=1, order_type=OrderType.LMT, limit_price="1.00"
    )
    await asyncio.sleep(_APART)
    began = time.perf_counter()
    placement = await broker.place(ticket)
    took = time.perf_counter() - began
    assert placement.order_id is not None
    await broker.cancel(placement.order_id)
    return took
