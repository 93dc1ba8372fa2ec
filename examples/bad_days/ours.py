"""The same bot on `IBKRBroker`."""

import asyncio
from contextlib import aclosing

from bad_days.diary import Seen
from ibkeel.errors import ConnectionFailure, RequestFailed, SafetyRefused
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.model import Bars, BarSpec, ClientOrderId, OrderState, OrderTicket, Stock
from ibkeel.resilience import Deadlines
from ibkeel.telemetry import AlarmRaised, Event, OrderChanged, SessionChanged
from ibkeel.virtual import virtual_clock

__all__ = ["Ours"]

SPY = Stock("SPY")
MINUTES = BarSpec(duration="3600 S", size="1 min")


class Ours:
    """Asks for the same things, goes on at the next minute after an error, and sends no order twice.

    One that provably is not at the venue it sends anew.

    Args:
        port: The Gateway's.
    """

    name = "ibkeel"

    def __init__(self, port: int) -> None:
        self.broker = IBKRBroker(
            # A round that outlasts its minute is no use to a bot of minutes.
            IBKRConfig(port=port, orders=OrderMode.PAPER, deadlines=Deadlines(history=35.0)),
            clock=virtual_clock(),
            observer=self,
            jitter=lambda: 0.0,
        )
        self.ticks: list[float] = []
        self.confirmed: set[str] = set()
        self.unknown: set[str] = set()
        self.lost: list[str] = []
        self.ids: list[int] = []
        self.alarms: tuple[tuple[float, str], ...] = ()
        self.warned: list[float] = []
        self._reading: asyncio.Task[None] | None = None

    def on_event(self, event: Event) -> None:
        """What an operator would hear."""
        now = asyncio.get_running_loop().time()
        if isinstance(event, AlarmRaised):
            self.alarms = (*self.alarms, (now, event.message))
        if isinstance(event, OrderChanged) and event.state == "cancelled":
            self.lost += self.unknown & {event.client_order_id}
        if isinstance(event, AlarmRaised) or (isinstance(event, SessionChanged) and event.before == "ready"):
            self.warned.append(now)

    async def begin(self) -> None:
        await self.broker.connect()
        await self.broker.account()
        self._reading = asyncio.create_task(self._read())

    async def round(self) -> Seen:
        try:
            quote = await self.broker.quote(SPY)
            age = (virtual_clock().now() - quote.at).total_seconds()
            bars = await self._bars()
            if self.unknown:
                await self._look_for_orders()
            while self.lost:
                self.unknown.discard(self.lost[0])
                await self.order(self.lost.pop(0))
        except (RequestFailed, ConnectionFailure) as error:
            return Seen(error=type(error).__name__)
        return Seen(price=quote.mid or quote.last, age=age, bars=len(bars))

    async def _bars(self) -> Bars:
        return await self.broker.bars(SPY, MINUTES)

    async def order(self, name: str) -> bool:
        """True once it was sent: from then on it is looked for, and never sent again."""
        ticket = OrderTicket(
            contract=SPY,
            side="BUY",
            quantity=1,
            order_type="LMT",
            limit_price="100",
            client_order_id=ClientOrderId(name),
        )
        try:
            placed = await self.broker.place(ticket)
        except (RequestFailed, ConnectionFailure, SafetyRefused):
            return False  # nothing was sent
        if placed.order_id is not None:
            self.ids.append(placed.order_id)
        (self.confirmed if _is_known(placed.state) else self.unknown).add(name)
        return True

    async def _look_for_orders(self) -> None:
        for report in await self.broker.open_orders():
            if report.client_order_id in self.unknown and _is_known(report.state):
                self.unknown.discard(report.client_order_id)
                self.confirmed.add(report.client_order_id)

    async def end(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self.broker.disconnect()

    async def _read(self) -> None:
        """The stream, which is opened again when it ends with an error."""
        while True:
            try:
                async with aclosing(self.broker.stream_quotes(SPY)) as quotes:
                    async for _ in quotes:
                        self.ticks.append(asyncio.get_running_loop().time())
            except (RequestFailed, ConnectionFailure):
                await asyncio.sleep(30)


def _is_known(state: OrderState) -> bool:
    return state not in {OrderState.SENT, OrderState.UNKNOWN}
