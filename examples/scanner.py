"""Scan 1,000 symbols for those that moved most: `python examples/scanner.py [COUNT]`.

The adapter keeps within the Gateway's limits by itself: 100 market data lines, 50 messages a second, 60
requests for history in ten minutes. It runs against a simulated Gateway on virtual time.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import product
from string import ascii_uppercase

from ibkeel import BarSpec, Quote, Stock
from ibkeel.errors import RequestFailed
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Broker, Contract
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

TOP = 5
BARS = BarSpec(duration="3600 S", size="5 mins")


def tickers(count: int) -> tuple[str, ...]:
    """Made-up symbols: ZAAA, ZAAB and so on."""
    letters = product(ascii_uppercase, repeat=3)
    return tuple("Z" + "".join(row) for _, row in zip(range(count), letters, strict=False))


def moved(answers: Mapping[Contract, Quote | RequestFailed]) -> list[tuple[float, Contract]]:
    """Change since the last close, a fraction, the greatest first; what has no price is left out."""
    rows = [
        (quote.mid / quote.close - 1, contract)
        for contract, quote in answers.items()
        if isinstance(quote, Quote) and quote.mid is not None and quote.close
    ]
    return sorted(rows, key=lambda row: (-abs(row[0]), row[1].symbol))


async def scan(broker: Broker, symbols: Sequence[str]) -> None:
    """Quotes for all, then bars for the few that are worth a second look."""
    answers = await broker.quotes([Stock(symbol) for symbol in symbols])
    failed = sorted({type(row).__name__ for row in answers.values() if isinstance(row, RequestFailed)})
    ranked = moved(answers)
    print(f"{len(ranked)} of {len(answers)} quoted" + (f", others: {', '.join(failed)}" if failed else ""))
    async with asyncio.TaskGroup() as group:
        tasks = [
            (change, contract, group.create_task(broker.bars(contract, BARS)))
            for change, contract in ranked[:TOP]
        ]
    for change, contract, task in tasks:
        bars = task.result()
        print(f"{contract.symbol} {change:+.2%}; last hour {bars.close[0]:.2f} to {bars.close[-1]:.2f}")


async def main(market: SeededMarket, symbols: Sequence[str]) -> None:
    clock = virtual_clock()
    gateway = SimulatedGateway(market=market, clock=clock)
    async with gateway.listening("127.0.0.1", 4902), IBKRBroker(IBKRConfig(port=4902), clock=clock) as broker:
        began = clock.monotonic()
        await scan(broker, symbols)
        spent = clock.monotonic() - began
        counts = gateway.counters
        print(f"{spent:.0f} s at the Gateway, {len(counts.violations)} limits passed")


if __name__ == "__main__":
    wanted = tickers(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
    world = SeededMarket(7, symbols=wanted)
    [session] = world.sessions(world.session_date, world.session_date)
    run_virtual(main(world, wanted), start=session.opens_at + timedelta(minutes=90))
