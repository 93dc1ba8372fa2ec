"""The adapter: what it adds to the client library's own work, by request and by import."""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.canned_gateway import Answer, CannedGateway, Recorder
from benchmarks.environments import ROOT, version
from benchmarks.interleaved import in_turns, median_ratio
from benchmarks.report import Bar, Report
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.ibkr.client import LIBRARY, library
from ibkeel.ibkr.translate import to_ib_contract
from ibkeel.model import BarSpec, Stock
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.settings import GatewaySettings, Latency
from ibkeel.telemetry import Observer
from ibkeel.virtual import DEFAULT_START, run_virtual, virtual_clock

__all__ = ["HISTORY", "SPEC", "START", "STOCK", "canned_broker", "measure_asked", "recorded_answers", "run"]

_HOST: Final = "127.0.0.1"
_PORT, _BEHIND = 4002, 4902
STOCK: Final = Stock("SPY")
SPEC: Final = BarSpec(duration="3540 S", size="1 min")  # and the bar that is not over yet
_BARS: Final = 60
START: Final = DEFAULT_START + timedelta(hours=2)
_APART: Final = 20.0  # virtual seconds: no cache, no pacing rule and no other request's answer comes between
_COMPILED: Final = str(Path(tempfile.gettempdir()) / "ibkeel-bench" / "compiled")
HISTORY, _TIME = "20", "49"
_AT_ONCE: Final = Latency(local=0, account=0, definitions=0, first_tick=0, history=0, orders=0)

Ask = Callable[[], Awaitable[Any]]


@attrs.frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int = 24
    requests: int = 100
    imports: int = 15


QUICK: Final = Sizes(rounds=3, requests=5, imports=2)


def run(*, quick: bool) -> Report:
    """Measure ours, ours again and the bare client."""
    sizes = QUICK if quick else Sizes()
    answers = run_virtual(recorded_answers(), start=START, travel=False)
    requests = run_virtual(_measured(answers, sizes), start=START, travel=False)
    imports = in_turns(
        {
            "bare": partial(_import_seconds, f"import {LIBRARY}"),
            "ibkeel": partial(_import_seconds, "import ibkeel.ibkr"),
            "ibkeel again": partial(_import_seconds, "import ibkeel.ibkr"),
            "with IBKRBroker": partial(_import_seconds, "from ibkeel.ibkr import IBKRBroker"),
            "nothing": partial(_import_seconds, "import sys"),
        },
        sizes.imports,
    )
    figures: dict[str, Any] = {
        "versions": {LIBRARY: version(LIBRARY.replace("_", "-"))},
        **requests,
        "import_ms": {name: statistics.median(values) * 1e3 for name, values in imports.items()},
        "import_ratio": {
            name: median_ratio(imports[name], imports["bare"])
            for name in ("ibkeel", "ibkeel again", "with IBKRBroker")
        },
    }
    limits = {"history_ratio": 1.10, "small_request_futures": 12, "import_ratio": 1.3}
    bars = tuple(
        Bar(
            name=name,
            value=figures[name]["ibkeel"],
            op="<=",
            limit=limit,
            strays=abs(figures[name]["ibkeel"] - figures[name]["ibkeel again"]),
        )
        for name, limit in limits.items()
    )
    return Report(name="adapter", figures=figures, bars=bars)


async def recorded_answers() -> dict[str, list[Answer]]:
    """What a simulated Gateway says to all that is asked below."""
    clock = virtual_clock()
    gateway = SimulatedGateway(
        market=SeededMarket(7, clock.now().date()),
        clock=clock,
        settings=GatewaySettings(latency=_AT_ONCE),
    )

    async def script() -> None:
        async with canned_broker(1) as broker:
            await broker.server_time()
            assert len(await broker.bars(STOCK, SPEC)) == _BARS

    async with gateway.listening(_HOST, _BEHIND):
        return await Recorder((_HOST, _BEHIND)).play(_HOST, _PORT, script)


def canned_broker(client_id: int, observer: Observer | None = None) -> IBKRBroker:
    """One that asks a canned Gateway."""
    # Silence is long here and no news: a heartbeat would be one more request of the kind that is counted.
    config = IBKRConfig(host=_HOST, port=_PORT, client_id=client_id, heartbeat=1e6)
    return IBKRBroker(config, observer=observer, jitter=lambda: 0.0)


async def _measured(answers: dict[str, list[Answer]], sizes: Sizes) -> dict[str, Any]:
    gateway = CannedGateway(answers)
    server = await asyncio.get_running_loop().create_server(gateway, _HOST, _PORT)
    ib = library.IB()
    ib.MaxSyncedSubAccounts = 0  # as ours: what the canned Gateway was not asked it does not answer
    try:
        async with canned_broker(1) as ours, canned_broker(2) as again:
            await ib.connectAsync(_HOST, _PORT, clientId=3)
            contract = to_ib_contract((await ours.qualify(STOCK)).contract)
            history: dict[str, Ask] = {
                "bare": lambda: _bare_bars(ib, contract),
                "ibkeel": lambda: ours.bars(STOCK, SPEC),
                "ibkeel again": lambda: again.bars(STOCK, SPEC),
            }
            small: dict[str, Ask] = {
                "bare": ib.reqCurrentTimeAsync,
                "ibkeel": ours.server_time,
                "ibkeel again": again.server_time,
            }
            long = await _costs(gateway, HISTORY, history, sizes)
            short = await _costs(gateway, _TIME, small, sizes)
            ib.disconnect()
    finally:
        server.close()
    return _request_figures(long, short)


async def _bare_bars(ib: Any, contract: Any) -> None:
    bars = await ib.reqHistoricalDataAsync(
        contract, "", SPEC.duration, SPEC.size, SPEC.kind.value, SPEC.rth, formatDate=2
    )
    assert len(bars) == _BARS


@attrs.define(kw_only=True)
class Costs:
    """CPU seconds of a request, one for each round."""

    client: dict[str, list[float]]
    """Without the Gateway's own time."""
    gateway: list[float]
    futures: list[float]
    """Of one future that `call_soon` ends, awaited on the same loop."""


async def _costs(gateway: CannedGateway, number: str, asks: dict[str, Ask], sizes: Sizes) -> Costs:
    """Subjects in turns; the first round warms up. Proves that every request reached the Gateway."""
    costs = Costs(client={name: [] for name in asks}, gateway=[], futures=[])
    asked = gateway.requests[number]
    # Whoever comes after the bare client finds the processor's caches cold: each order in its turn.
    orders = tuple(permutations(asks.items()))
    for turn in range(sizes.rounds + 1):
        for name, ask in orders[turn % len(orders)]:
            total, in_gateway = await measure_asked(gateway, ask, sizes.requests)
            if turn:
                costs.client[name].append(total - in_gateway)
                costs.gateway.append(in_gateway)
        futures = await _future_seconds(sizes.requests * 20)
        if turn:
            costs.futures.append(futures)
    expected = (sizes.rounds + 1) * sizes.requests * len(asks)
    answered = gateway.requests[number] - asked
    if answered != expected:
        raise AssertionError(f"{expected} requests were made and {answered} reached the Gateway")
    return costs


async def measure_asked(gateway: CannedGateway, ask: Ask, number: int) -> tuple[float, float]:
    """CPU seconds of one request, all told and in the Gateway."""
    total, before = 0.0, gateway.seconds
    for _ in range(number):
        await asyncio.sleep(_APART)
        began = time.process_time()
        await ask()
        total += time.process_time() - began
    return total / number, (gateway.seconds - before) / number


async def _future_seconds(number: int) -> float:
    loop = asyncio.get_running_loop()
    began = time.process_time()
    for _ in range(number):
        future: asyncio.Future[None] = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future
    return (time.process_time() - began) / number


def _request_figures(long: Costs, short: Costs) -> dict[str, Any]:
    def micro(values: list[float]) -> float:
        return statistics.median(values) * 1e6

    names = ("ibkeel", "ibkeel again")
    return {
        "history_us": {name: micro(values) for name, values in long.client.items()},
        "history_gateway_us": micro(long.gateway),
        "history_ratio": {name: median_ratio(long.client[name], long.client["bare"]) for name in names},
        "small_request_us": {name: micro(values) for name, values in short.client.items()},
        "small_request_gateway_us": micro(short.gateway),
        "future_us": micro(short.futures),
        "small_request_futures": {
            name: statistics.median(
                (ours - bare) / future
                for ours, bare, future in zip(
                    short.client[name], short.client["bare"], short.futures, strict=True
                )
            )
            for name in names
        },
    }


def _import_seconds(statement: str) -> float:
    """CPU seconds of a whole process that executes one statement."""
    # Compiled as it is installed; the first round writes what is missing.
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": _COMPILED}
    environment = {**os.environ, **compiled, "PYTHONPATH": str(ROOT / "src")}
    before = _children_seconds()
    subprocess.run([sys.executable, "-c", statement], env=environment, check=True)
    return _children_seconds() - before


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
