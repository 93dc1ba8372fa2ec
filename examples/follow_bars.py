"""Follow bars as they close, through a Gateway that restarts: `python examples/follow_bars.py`.

Two averages of one-minute bars, and a line whenever one crosses the other. The stream ends in a typed error
when the Gateway is away; begun again it gives the span once more, so nothing of it is lost. It runs against
a simulated Gateway on virtual time.
"""

import logging
from contextlib import aclosing
from datetime import timedelta
from itertools import pairwise

from ibkeel import BarSpec, Stock
from ibkeel.errors import IbkeelError
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.indicators import Ema
from ibkeel.model import Bar, Broker
from ibkeel.sim import Scenario, SimulatedGateway, faults
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
SPEC = BarSpec(duration="3600 S", size="1 min")
FAST, SLOW = 9, 21
BARS = 180


class Crossings:
    """What the averages say of each bar, once for each."""

    def __init__(self) -> None:
        self.fast, self.slow = Ema(FAST), Ema(SLOW)
        self.seen: list[Bar] = []
        self._was_above: bool | None = None

    def take(self, bar: Bar) -> None:
        if self.seen and bar.at <= self.seen[-1].at:
            return  # it came before the stream was begun again
        self.seen.append(bar)
        fast, slow = self.fast.update(bar.close), self.slow.update(bar.close)
        if fast is None or slow is None:  # the slow one is not warm yet
            return
        if self._was_above is not None and (fast > slow) != self._was_above:
            print(
                f"{bar.at:%H:%M} UTC, {bar.close:.2f}: the fast average is {'above' if fast > slow else 'below'} now"
            )
        self._was_above = fast > slow


async def follow(broker: Broker, crossings: Crossings) -> None:
    while len(crossings.seen) < BARS:
        await broker.ready(within=600)
        try:
            async with aclosing(broker.stream_bars(SPY, SPEC)) as bars:
                async for bar in bars:
                    crossings.take(bar)
                    if len(crossings.seen) >= BARS:
                        break
        except IbkeelError as error:
            print(f"begun again after {type(error).__name__}")


async def main(market: SeededMarket) -> None:
    clock = virtual_clock()
    crash = Scenario(name="crash", faults=(faults.Crash(after=3600.0, duration=90.0),))
    gateway = SimulatedGateway(market=market, clock=clock, scenario=crash)
    async with gateway.listening("127.0.0.1", 4902), IBKRBroker(IBKRConfig(port=4902), clock=clock) as broker:
        crossings = Crossings()
        await follow(broker, crossings)
        late = clock.now() - crossings.seen[-1].at - timedelta(minutes=1)
        gaps = sum(after.at - bar.at > timedelta(minutes=1) for bar, after in pairwise(crossings.seen))
        print(
            f"{len(crossings.seen)} bars, {gaps} gaps, the last one {late.total_seconds():.1f} s after its close"
        )


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # what the client library has to say of the crash
    market = SeededMarket(7)
    [session] = market.sessions(market.session_date, market.session_date)
    run_virtual(main(market), start=session.opens_at + timedelta(hours=1))
