"""One run of the simulator benchmark, in a process of its own: prints what it found as JSON."""

import asyncio
import gc
import hashlib
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import ib_insync

from benchmarks.simulator_market import CROWD, RoundTheClock
from ibkeel.sim import GatewaySettings, Latency, Limits, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

HOST: Final = "127.0.0.1"
PORT: Final = 4002
SEED: Final = 7
SYMBOLS: Final = ("SPY", "QQQ", "AAPL", "MSFT", "NVDA")
FASTER: Final = 1000.0
NOTICES: Final = range(2100, 2170)


def stock(symbol: str) -> ib_insync.Contract:
    return ib_insync.Stock(symbol, "SMART", "USD")


@asynccontextmanager
async def connected(market: Any) -> Any:
    """A Gateway in memory and one client."""
    gateway = SimulatedGateway(market=market, clock=virtual_clock(), seed=SEED)
    async with gateway.listening(HOST, PORT):
        ib = ib_insync.IB()
        await ib.connectAsync(HOST, PORT, clientId=1)
        try:
            yield gateway, ib
        finally:
            ib.disconnect()


def virtually(main: Callable[[Any], Awaitable[Any]], market: Any, opens_at: datetime) -> Any:
    return run_virtual(main(market), start=opens_at + timedelta(hours=1))  # type: ignore[arg-type]


def rounds(hours: float) -> dict[str, float]:
    """Every virtual minute a quote and 60 one-minute bars of one symbol, in turn."""

    async def main(market: Any) -> dict[str, float]:
        async with connected(market) as (_, ib):
            contracts = await ib.qualifyContractsAsync(*map(stock, SYMBOLS))
            loop, bars, quotes = asyncio.get_running_loop(), 0, 0
            began, started = loop.time(), time.process_time()
            for minute in range(int(hours * 60)):
                contract = contracts[minute % len(contracts)]
                [ticker] = await ib.reqTickersAsync(contract)
                found = await ib.reqHistoricalDataAsync(contract, "", "3600 S", "1 min", "TRADES", True)
                bars, quotes = bars + len(found), quotes + (ticker.last > 0)
                await asyncio.sleep(began + 60.0 * (minute + 1) - loop.time())
            return {
                "virtual": loop.time() - began,
                "cpu": time.process_time() - started,
                "bars": bars,
                "quotes": quotes,
            }

    market = SeededMarket(SEED)
    [session] = market.sessions(market.session_date, market.session_date)
    return virtually(main, market, session.opens_at)


def streams(hours: float) -> dict[str, float]:
    """Five symbols, each of which changes every second."""

    async def main(market: Any) -> dict[str, float]:
        async with connected(market) as (_, ib):
            seen, loop = [0], asyncio.get_running_loop()

            def count(tickers: Any) -> None:
                seen[0] += len(tickers)

            ib.pendingTickersEvent += count
            for symbol in SYMBOLS:
                ib.reqMktData(stock(symbol))
            began, started = loop.time(), time.process_time()
            await asyncio.sleep(3600.0 * hours)
            return {"virtual": loop.time() - began, "cpu": time.process_time() - started, "updates": seen[0]}

    market = RoundTheClock(SEED)
    return virtually(main, market, market.opens_at)


def determinism(hours: float) -> dict[str, str]:
    """A hash of every byte, update, order event and bar that a busy client sees, and of their instants."""

    async def main(market: Any) -> dict[str, str]:
        digest, loop = hashlib.blake2b(), asyncio.get_running_loop()

        def note(*what: object) -> None:
            digest.update(repr((loop.time(), what)).encode())

        with tapped(note):
            async with connected(market) as (gateway, ib):
                ib.pendingTickersEvent += lambda tickers: note(
                    [(each.contract.symbol, each.last) for each in tickers]
                )
                ib.orderStatusEvent += lambda trade: note(trade.orderStatus)
                ib.execDetailsEvent += lambda _, fill: note(fill)
                contracts = await ib.qualifyContractsAsync(*map(stock, SYMBOLS))
                for contract in contracts:
                    ib.reqMktData(contract, "100,101,104,106,165,233")
                for turn in range(int(hours * 60)):
                    contract = contracts[turn % len(contracts)]
                    side = "BUY" if turn % 2 else "SELL"
                    ib.placeOrder(contract, ib_insync.MarketOrder(side, 10 + turn))
                    note(await ib.reqHistoricalDataAsync(contract, "", "1 D", "5 mins", "TRADES", True))
                    note(await ib.reqSecDefOptParamsAsync(contract.symbol, "", "STK", contract.conId))
                    await asyncio.sleep(50.0)
                note(gateway.counters)
        return {"hash": digest.hexdigest()}

    market = SeededMarket(SEED)
    [session] = market.sessions(market.session_date, market.session_date)
    return virtually(main, market, session.opens_at)


@contextmanager
def tapped(hear: Callable[[bytes], object]) -> Iterator[None]:
    """Let somebody hear what clients receive."""
    kind = ib_insync.client.Client
    plain = kind._onSocketHasData  # noqa: SLF001 - where bytes come in

    def heard(self: Any, data: bytes) -> None:
        hear(data)
        plain(self, data)

    kind._onSocketHasData = heard  # noqa: SLF001 - the same
    try:
        yield
    finally:
        kind._onSocketHasData = plain  # noqa: SLF001 - the same


# Over TCP, the Gateway in a process of its own.


class Hurried:
    """The market's clock, so many times faster than the machine's."""

    def __init__(self, start: datetime, speed: float) -> None:
        self._start, self._speed, self._began = start, speed, time.monotonic()  # noqa: TID251 - real time

    def monotonic(self) -> float:
        return time.monotonic()  # noqa: TID251 - real time

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(self.monotonic() - self._began) * self._speed)


async def serve(speed: float) -> None:
    """Serve until the input ends; answer each line with counts."""
    market = RoundTheClock(SEED)
    settings = GatewaySettings(
        limits=Limits.none(), market_data_lines=10_000, latency=Latency(first_tick=0.0)
    )
    gateway = SimulatedGateway(
        market=market,
        clock=Hurried(market.opens_at, speed),
        seed=SEED,
        settings=settings,
        speed=speed,
    )
    loop = asyncio.get_running_loop()
    async with gateway.listening(HOST, 0) as port:
        print(port, flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            gc.collect()
            counts = {"blocks": sys.getallocatedblocks(), "failures": gateway.counters.failures}
            print(json.dumps({**counts, "clients": len(gateway.client_ids)}), flush=True)


class Served:
    """The Gateway in its own process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process, self.port = process, port

    async def counts(self) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        found: dict[str, int] = json.loads(await self._process.stdout.readline())
        return found


@asynccontextmanager
async def served(speed: float) -> Any:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.simulator_run", "serve", str(speed), stdin=pipe, stdout=pipe
    )
    try:
        assert process.stdout is not None
        yield Served(process, int(await process.stdout.readline()))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def tcp(seconds: float) -> dict[str, float]:
    """As many ticks as come through in so many real seconds, and how fast the client decodes them again."""
    chunks: list[bytes] = []

    async def main() -> dict[str, float]:
        async with served(FASTER) as gateway:
            ib = ib_insync.IB()
            await ib.connectAsync(HOST, gateway.port, clientId=1)
            contracts = [stock(symbol) for symbol in (*SYMBOLS, *CROWD)]
            for contract in contracts:
                ib.reqMktData(contract)
            await asyncio.sleep(2.0)
            chunks[:] = [ib.client._data]  # noqa: SLF001 - half a message may be in: the next chunk begins within it
            began = time.perf_counter()
            await asyncio.sleep(seconds)
            passed, heard = time.perf_counter() - began, list(chunks)
            rate = messages(heard) / passed
            for contract in contracts:
                ib.cancelMktData(contract)
            await asyncio.sleep(1.0)
            whole = b"".join(heard)[: 8 << 20]
            ib.client._data = b""  # noqa: SLF001 - what was half received belongs to no chunk
            pieces = [whole[at : at + 65536] for at in range(0, len(whole), 65536)]
            started = time.perf_counter()
            for piece in pieces:
                ib.client._onSocketHasData(piece)  # noqa: SLF001 - the client's own decoding
            decode = messages(pieces) / (time.perf_counter() - started)
            ib.disconnect()
            return {"ticks": rate, "decode": decode, "streams": len(contracts)}

    with tapped(chunks.append):
        return asyncio.run(main())


def messages(chunks: list[bytes]) -> int:
    """Whole frames in a stream."""
    data, at, found = b"".join(chunks), 0, 0
    while at + 4 <= len(data):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
        found += at <= len(data)
    return found


def crowd(seconds: float) -> dict[str, Any]:
    """Two hundred clients at once, each with a stream; memory of the Gateway in the second half."""

    async def main() -> dict[str, Any]:
        errors: list[str] = []
        async with served(1.0) as gateway:
            clients = [ib_insync.IB() for _ in range(200)]
            for number, ib in enumerate(clients):
                ib.errorEvent += lambda _, code, text, __: code in NOTICES or errors.append(f"{code} {text}")
                ib.disconnectedEvent += lambda number=number: errors.append(f"client {number} lost")
            await asyncio.gather(
                *(
                    ib.connectAsync(HOST, gateway.port, clientId=n + 1, timeout=30)
                    for n, ib in enumerate(clients)
                )
            )
            tickers = [ib.reqMktData(stock(SYMBOLS[n % 5])) for n, ib in enumerate(clients)]
            blocks = []
            for _ in range(6):
                await asyncio.sleep(seconds / 6)
                counts = await gateway.counts()
                blocks.append(counts["blocks"])
            silent = sum(not ticker.hasBidAsk() for ticker in tickers)
            for ib in clients:
                ib.disconnectedEvent.clear()
                ib.disconnect()
            return {
                "errors": len(errors) + silent + counts["failures"] + (200 - counts["clients"]),
                "growth": blocks[-1] / blocks[1] - 1,
                "blocks": blocks,
                "first_errors": errors[:3],
            }

    return asyncio.run(main())


def main() -> None:
    """Run what the arguments name."""
    mode, amount = sys.argv[1], float(sys.argv[2])
    logging.getLogger("ib_insync").setLevel(logging.CRITICAL)
    if mode == "serve":
        asyncio.run(serve(amount))
        return
    modes: dict[str, Callable[[float], Any]] = {
        "rounds": rounds, "streams": streams, "determinism": determinism, "tcp": tcp, "crowd": crowd,
    }  # fmt: skip
    print(json.dumps(modes[mode](amount)))


if __name__ == "__main__":
    main()
