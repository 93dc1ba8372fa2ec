"""A seeded heap of calls of a broker, while a Gateway suffers: who asks what, who gives up when, and what goes wrong."""

import asyncio
import logging
import random
from contextlib import aclosing

import attrs

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Bracket, OrderTicket, Stock
from ibkeel.sim import GatewaySettings, SimulatedGateway, faults
from ibkeel.sim.codec import REPLIES
from ibkeel.virtual import virtual_clock

from .adapter_soak_judge import (
    LINES,
    MINUTES,
    PATIENCE,
    QQQ,
    SPY,
    Call,
    Rate,
    at_rest,
    end_of,
    now,
    orders_of,
    tasks,
)

PORT = 4002
STOCKS = (SPY, QQQ, *map(Stock, ("AAPL", "MSFT", "NVDA", "IWM")))
NO_SUCH = Stock("NOSUCH")
ASKERS = 12
TROUBLE = 240.0  # seconds in which calls are made and things go wrong
LATER = 420.0  # seconds after which everything must be well again
MOST = 600.0  # seconds for calls that are under way by then
SPECS = (
    MINUTES,
    BarSpec(duration="1800 S", size="5 mins"),
    BarSpec(duration="300 S", size="5 secs"),
)
ANSWERED = (
    "account_summary",
    "account_updates",
    "all_open_orders",
    "cancel_order",
    "completed_orders",
    "contract_details",
    "current_time",
    "executions",
    "historical_data",
    "market_data",
    "matching_symbols",
    "open_orders",
    "option_parameters",
    "positions",
)
# A definition that comes twice is two definitions.
DOUBLED = tuple(sorted(set(REPLIES) - {"completed_order", "contract_data", "option_parameters"}))
EXECUTED = ("open_order", "order_status", "execution", "commission_report")


class Complaints(logging.Handler):
    """What nobody handled: told to the loop, or logged as an error."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.seen = []

    def emit(self, record):
        self.seen.append(f"{record.name}: {record.getMessage()[:200]}")

    def from_loop(self, _, context):
        self.seen.append(f"loop: {context['message']} {context.get('exception')!r}")


@attrs.define(kw_only=True)
class Soak:
    """One play of a seed."""

    seed: int
    market: object
    option: object
    calls: list = attrs.field(factory=list)
    placed: list = attrs.field(factory=list)
    complaints: Complaints = attrs.field(factory=Complaints)
    faults: list = attrs.field(factory=list)
    alarms: list = attrs.field(factory=list)
    rate: Rate = attrs.field(factory=Rate)

    def on_event(self, event):
        """Keep what a person would be told."""
        if type(event).__name__ == "AlarmRaised":
            self.alarms.append((now(), event.name, event.message))

    # What is asked.

    def _contract(self, draw):
        return draw.choice((*STOCKS, self.option, self.option, NO_SUCH))

    async def _stream(self, broker, draw):
        last = draw.randint(1, 400)
        async with aclosing(broker.stream_quotes(self._contract(draw))) as quotes:
            async for _ in quotes:
                last -= 1
                if not last:
                    return

    async def _events(self, broker, draw):
        async with aclosing(broker.order_events()) as events:
            async for _ in events:
                if draw.random() < 0.1:
                    return

    def _ticket(self, draw):
        contract = draw.choice((*STOCKS[:3], self.option))
        kind = draw.choice(("far", "near", "market"))
        price = (
            {"far": "1", "near": "9999"}.get(kind)
            if contract is not self.option
            else {"far": "0.05", "near": "99"}.get(kind)
        )
        changes = {"order_type": "LMT", "limit_price": price} if price else {}
        return OrderTicket(contract=contract, side="BUY", quantity=draw.randint(1, 3), **changes)

    async def _place(self, broker, draw):
        ticket = self._ticket(draw)
        if ticket.limit_price is not None and draw.random() < 0.4:
            far = ticket.limit_price < 2
            stop = "0.5" if ticket.contract is not self.option else "0.01"
            profit = (
                ("2" if far else "20000") if ticket.contract is not self.option else ("0.1" if far else "200")
            )
            placed = await broker.place(Bracket(entry=ticket, stop_loss=stop, take_profit=profit))
        else:
            if draw.random() < 0.3:
                ticket = attrs.evolve(ticket, side="SELL", is_closing=True)
            placed = await broker.place(ticket)
        self.placed += placed.family()

    async def _cancel(self, broker, draw):
        rows = [row for row in broker._link.book.reports() if not row.state.is_final]
        await broker.cancel(draw.choice(rows).order_id if rows else 987654)

    async def _modify(self, broker, draw):
        rows = [
            row
            for row in broker._link.book.reports()
            if not row.state.is_final and row.order_type == "LMT" and row.parent_id is None
        ]
        if not rows:
            return
        row = draw.choice(rows)
        ticket = OrderTicket(
            contract=row.contract,
            side=row.side,
            quantity=int(row.quantity),
            order_type="LMT",
            limit_price=draw.choice(("1.01", "1.02", "0.07")),
            client_order_id=row.client_order_id,
        )
        await broker.modify(row.order_id, ticket)

    def _ways(self, draw):
        return {
            "quote": (6, lambda b: b.quote(self._contract(draw))),
            "quotes": (3, lambda b: b.quotes([self._contract(draw) for _ in range(draw.randint(1, 9))])),
            "bars": (4, lambda b: b.bars(self._contract(draw), draw.choice(SPECS))),
            "chain": (2, lambda b: b.option_chain(draw.choice(STOCKS))),
            "qualify": (2, lambda b: b.qualify(self._contract(draw))),
            "stream": (4, lambda b: self._stream(b, draw)),
            "events": (1, lambda b: self._events(b, draw)),
            "place": (5, lambda b: self._place(b, draw)),
            "cancel": (3, lambda b: self._cancel(b, draw)),
            "modify": (2, lambda b: self._modify(b, draw)),
            "preview": (1, lambda b: b.preview(self._ticket(draw))),
            "open_orders": (1, lambda b: b.open_orders()),
            "all_open_orders": (1, lambda b: b.all_open_orders()),
            "completed_orders": (1, lambda b: b.completed_orders()),
            "executions": (1, lambda b: b.executions()),
            "positions": (1, lambda b: b.positions()),
            "account": (1, lambda b: b.account()),
            "pnl": (1, lambda b: b.pnl()),
            "health": (2, lambda b: b.health()),
            "time": (1, lambda b: b.server_time()),
            "ready": (1, lambda b: b.ready(draw.uniform(0.1, 10))),
        }

    async def _ask(self, broker, draw, until):
        ways = self._ways(draw)
        names, weights = list(ways), [weight for weight, _ in ways.values()]
        while now() < until:
            await asyncio.sleep(draw.expovariate(1 / 2.0))
            name = draw.choices(names, weights)[0]
            patience = draw.choice((None, draw.uniform(0.05, 2), draw.uniform(2, 20)))
            given_up = draw.choice((None, None, draw.uniform(0, 0.5), draw.uniform(0, 15)))
            if name in {"stream", "events"} and given_up is None:
                given_up = draw.uniform(0, 90)
            asked = broker if patience is None else broker.with_deadline(patience)
            call = Call(
                name=name, began=now(), patience=60.0 if patience is None else patience, given_up=given_up
            )
            self.calls.append(call)
            await self._make(call, lambda asked=asked, name=name: ways[name][1](asked))

    async def _make(self, call, make):
        task = asyncio.create_task(make(), name=f"call {call.name}")
        if call.given_up is not None:
            asyncio.get_running_loop().call_later(call.given_up, task.cancel)
        await asyncio.wait([task])
        call.ended = now()
        call.outcome = asyncio.CancelledError() if task.cancelled() else task.exception() or task.result()

    # What goes wrong.

    def _fault(self, draw):
        lasts = draw.choice((draw.uniform(0.2, 5), draw.uniform(5, 40)))
        kinds = {
            faults.Restart: {"rolls_back_ids": draw.random() < 0.3},
            faults.Crash: {},
            faults.ConnectionLost: {},
            faults.PortClosed: {},
            faults.Mute: {},
            faults.CloseAtOnce: {},
            faults.IdInUse: {},
            faults.HalfOpen: {},
            faults.UpstreamLost: {
                "restores_as": draw.choice((1101, 1102)),
                "holds_reports": draw.random() < 0.5,
                "says_again_every": draw.choice((0.0, 5.0)),
            },
            faults.FarmBroken: {
                "service": draw.choice(("market_data", "history", "definitions")),
                "revives": draw.random() < 0.5,
            },
            faults.SilentStreams: {},
            faults.CompetingSession: {"revives": draw.random() < 0.5},
            faults.Bust: {},
            faults.NotEntitled: {"code": draw.choice((354, 10089, 10090, 10167))},
            faults.Unanswered: {"when_request": draw.choice((*ANSWERED, "place_order"))},
            faults.AnsweredWith: {
                "when_request": draw.choice(ANSWERED),
                "code": draw.choice((162, 200, 321, 322, 354, 366, 420, 10148, 99999)),
                "text": "no",
            },
            faults.Slow: {"delay": draw.uniform(0.1, 20), "when_request": draw.choice((None, *ANSWERED))},
            faults.LostAcknowledgement: {"times": 2},
            faults.Duplicated: {"messages": DOUBLED},
            faults.Delayed: {"delay": draw.choice((0.05, 3.0))},
            faults.Reordered: {"messages": EXECUTED},
            faults.Truncated: {},
            faults.Garbage: {"framed": draw.random() < 0.5},
            faults.Notice: {"code": draw.choice((2108, 2110, 1102, 504)), "text": "of the soak:usfarm"},
        }
        kind = draw.choice(list(kinds))
        more = {} if kind.is_momentary else {"duration": lasts}
        return kind(**more, **kinds[kind])

    async def _trouble(self, gateway, draw):
        until = now() + TROUBLE
        pause = draw.choice((8.0, 20.0, 50.0))
        while now() < until:
            await asyncio.sleep(draw.expovariate(1 / pause))
            fault = self._fault(draw)
            self.faults.append((round(now(), 1), fault))
            gateway.inject(fault)

    async def run(self):
        """Play it; what is wrong, in words."""
        loop, draw, clock = asyncio.get_running_loop(), random.Random(self.seed), virtual_clock()
        loop.set_exception_handler(self.complaints.from_loop)
        logging.getLogger("ibkeel").addHandler(self.complaints)
        gateway = SimulatedGateway(
            market=self.market, clock=clock, settings=GatewaySettings(market_data_lines=LINES), cash=1e7
        )
        gateway.listen_in(self.rate)
        config = IBKRConfig(
            orders="PAPER", market_data_lines=LINES, line_patience=PATIENCE, pacing_patience=PATIENCE
        )
        broker = IBKRBroker(config, clock=clock, observer=self, jitter=draw.random)
        try:
            async with gateway.listening("127.0.0.1", PORT), broker:
                return await self._played(broker, gateway, draw)
        finally:
            logging.getLogger("ibkeel").removeHandler(self.complaints)

    async def _played(self, broker, gateway, draw):
        until = now() + TROUBLE
        askers = [
            asyncio.create_task(self._ask(broker, random.Random(draw.random()), until), name=f"asker {n}")
            for n in range(ASKERS)
        ]
        await self._trouble(gateway, draw)
        gateway.heal()
        _, late = await asyncio.wait(askers, timeout=MOST)
        for task in askers:
            task.cancel()
        for result in await asyncio.gather(*askers, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        await asyncio.sleep(LATER)
        wrong = [f"never ended: {call}" for call in self.calls if late and call.ended is None]
        wrong += [words for call in self.calls if (words := end_of(call))]
        wrong += await at_rest(broker, gateway, self)
        wrong += await orders_of(broker, gateway.venue)
        await broker.disconnect()
        await asyncio.sleep(1)
        wrong += [f"after the end: {name}" for name in tasks()]
        return [*wrong, *self.complaints.seen]
