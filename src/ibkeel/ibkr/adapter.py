"""`IBKRBroker`: the `Broker` protocol over a Gateway."""

import asyncio
import copy
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import InvalidInput, RequestFailed
from ibkeel.guards.bar_stream import bar_stream
from ibkeel.ibkr.accounts import Accounts, Previews
from ibkeel.ibkr.config import IBKRConfig
from ibkeel.ibkr.definitions import Definitions
from ibkeel.ibkr.health import take_health
from ibkeel.ibkr.keeper import Keeper
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.order_lists import FateFinder, OrderLists
from ibkeel.ibkr.prices import Prices
from ibkeel.ibkr.pulse import Gate, Pulse
from ibkeel.ibkr.streams import Streams
from ibkeel.ibkr.trading import Trading
from ibkeel.ibkr.waiting import gone
from ibkeel.model import (
    AccountValues,
    Bar,
    Bars,
    BarSpec,
    Bracket,
    Broker,
    Contract,
    ContractDetails,
    Execution,
    Health,
    Index,
    OptionChain,
    OrderId,
    OrderPreview,
    OrderReport,
    OrderTicket,
    Placement,
    PnL,
    Position,
    Quote,
    StaleBars,
    Stock,
)
from ibkeel.resilience import Deadlines
from ibkeel.system import SystemClock
from ibkeel.telemetry import HealthTaken, NullObserver, Observer, PacingSampled
from ibkeel.validators import ask, check_wait, expect, whole_number


class IBKRBroker(Broker):
    """A Gateway or TWS, as a `Broker`.

    It belongs to the event loop that connected it: only that loop reads the socket, so a call
    from another raises `WrongLoopError` at once. Every request has a deadline, is cancelled at
    the server when it is given up, and ends in a value or one typed error. Orders are not sent
    unless `config.orders` says so.

    Args:
        config: Where the Gateway is, who we are and what may be sent.
        clock: Wall time and monotonic seconds; None means the loop's time and the machine's.
        observer: Told of connections, requests, lines, notices and orders.
        jitter: Draws a number in [0, 1) that spreads connection attempts.

    Examples:
        ```python
        async with IBKRBroker(IBKRConfig(host="127.0.0.1", port=4002, client_id=7)) as broker:
            quote = await broker.quote(Stock("SPY"))
        ```
    """

    def __init__(
        self,
        config: IBKRConfig | None = None,
        *,
        clock: Clock | None = None,
        observer: Observer | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.config = config or IBKRConfig()
        self._link = Link(self.config, clock or SystemClock(), observer or NullObserver(), jitter)
        self._definitions = Definitions(self._link)
        self._accounts = Accounts(self._link)
        self._previews = Previews(self._link, self._definitions)
        self._keeper = Keeper(
            self._link,
            jitter,
            reconcile=self._reconcile,
            restore=self._restore,
        )
        self._lists = OrderLists(self._link, lambda: self._keeper.session.may_enter, self._keeper.raise_alarm)
        self._trading = Trading(self._link, self._definitions, self._lists.executions)
        self._gate = Gate(self._link, self._keeper)
        self._streams = Streams(
            self._link,
            self._definitions,
            usable=self._keeper.usable,
            reconnect=self._keeper.reconnect,
            alarm=self._keeper.raise_alarm,
        )
        self._prices = Prices(self._link, self._definitions, self._streams)
        self._pulse = Pulse(self._link, self._keeper)
        self._fates = FateFinder(
            self._link,
            self._lists,
            ask_servers=self._pulse.ask_servers,
            alarm=self._keeper.raise_alarm,
            broke=partial(self._keeper.faulted, "fates"),
        )
        self._deadlines = self.config.deadlines

    @property
    def ib(self) -> Any:
        """The client library's own `IB` object: counted and paced with ours, but untyped."""
        return self._link.ib

    @property
    def open_lines(self) -> Mapping[int, str]:
        """Market data lines that are out: request id and what it is for."""
        return self._link.lines.open

    def explain_pacing(self) -> str:
        """What waits for its turn now, for which limit and about how long, in words."""
        return "; ".join(self._link.wire.queues()) or "nothing waits"

    def with_deadline(self, seconds: float) -> "IBKRBroker":
        """The same broker, on the same session, with one deadline for every kind of request.

        Args:
            seconds: Above 0 and at most 600; a probe is never more patient than configured, for others share it.
        """
        other = copy.copy(self)
        other._deadlines = Deadlines.all(seconds)  # noqa: SLF001 - a copy of this object
        return other

    # Lifecycle.

    @property
    @override
    def client_id(self) -> int:
        return self.config.client_id

    @property
    @override
    def is_connected(self) -> bool:
        return self._link.is_up

    @override
    async def connect(self) -> None:
        await self._keeper.connect()
        self._pulse.start()
        self._fates.start()

    @override
    async def disconnect(self) -> None:
        self._link.check_loop()
        # Both end at once: whoever connects while they unwind begins anew.
        await gone([*self._keeper.end(), *self._pulse.end(), *self._fates.end()])

    @override
    async def ready(self, within: float | None = None) -> None:
        self._link.check_loop()
        check_wait(within)
        try:
            async with asyncio.timeout(None if within is None else float(within)):
                await self._keeper.usable()
        except TimeoutError:
            raise self._keeper.refusal() from None

    def _restore(self, must_send: bool) -> None:
        self._streams.restore(must_send)

    async def _reconcile(self) -> None:
        await self._lists.open_orders(self.config.deadlines)
        await self._lists.executions(self.config.deadlines)
        try:
            await self._lists.completed_orders(self.config.deadlines)
        except RequestFailed as error:
            # What works and what filled is known; only the fate of the lost ones stays open.
            self._keeper.raise_alarm("ended orders", f"orders of unknown fate stay unknown: {error}")
        if self._fates.is_needed:
            await self._pulse.ask_servers()

    @override
    async def health(self) -> Health:
        health = await take_health(self._link, self._keeper, self._pulse, self._deadlines.probe)
        self._link.observer.on_event(HealthTaken(at=self._link.clock.now(), health=health))
        return health

    def sample_pacing(self) -> None:
        """Tell the observer how much of each limit is used now, what waits, and how many lines are out."""
        link = self._link
        link.observer.on_event(
            PacingSampled(
                at=link.clock.now(),
                budgets=link.wire.budgets(),
                queues=link.wire.states(),
                open_lines=len(link.lines.open),
                line_capacity=link.lines.capacity,
            )
        )

    async def server_time(self) -> datetime:
        """The Gateway's own clock, aware, in UTC, to the second.

        Raises:
            NotConnected: There is no session.
            RequestTimeout: No answer within the deadline of a probe.
            GatewayRejected: It said no time.
        """
        return (await self._pulse.beat(self._deadlines.probe)).server_time

    # Market data.

    @override
    async def quote(self, contract: Contract) -> Quote:
        await self._gate.ready_for_requests()
        return await self._prices.quote(contract, self._deadlines)

    @override
    async def quotes(self, contracts: Sequence[Contract]) -> Mapping[Contract, Quote | RequestFailed]:
        await self._gate.ready_for_requests()
        return await self._prices.quotes(contracts, self._deadlines)

    @override
    async def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        await self._gate.ready_for_requests()
        return await self._prices.bars(contract, spec, self._deadlines)

    async def last_good_bars(self, contract: Contract, spec: BarSpec) -> StaleBars | None:
        """The last bars that came for the same question, as a type of their own: never for an entry.

        Nothing is sent.

        Args:
            contract: As `bars` was asked.
            spec: As `bars` was asked.

        Returns:
            The bars with their age; None when none came, or too long ago (`IBKRConfig.cache`).
        """
        self._link.check_loop()
        return self._prices.last_good_bars(contract, spec)

    @override
    def stream_quotes(self, contract: Contract) -> AsyncGenerator[Quote, None]:
        return self._streams.quotes(contract, self._gate.ready_for_requests)

    @override
    def stream_bars(self, contract: Contract, spec: BarSpec) -> AsyncGenerator[Bar, None]:
        async def ask(wanted: BarSpec) -> Bars:
            await self._gate.ready_for_requests()
            return await self._prices.new_bars(contract, wanted, self._deadlines)

        return bar_stream(ask, spec, self._link.clock)

    # Definitions.

    @override
    async def qualify(self, contract: Contract) -> ContractDetails:
        await self._gate.ready_for_requests()
        return await self._definitions.qualify(contract, self._deadlines)

    @override
    async def option_chain(self, underlying: Stock | Index) -> OptionChain:
        if not isinstance(underlying, Stock | Index):
            raise InvalidInput(f"{underlying!r} has no chain; valid: such as Stock('SPY') of ibkeel")
        await self._gate.ready_for_requests()
        return await self._definitions.option_chain(underlying, self._deadlines)

    # Orders.

    @override
    async def place(
        self, order: OrderTicket | Bracket, *, may_leave: Callable[[], None] | None = None
    ) -> Placement:
        expect(order, OrderTicket, Bracket)
        gate = self._gate
        if isinstance(order, OrderTicket) and order.is_closing:
            ready, check = gate.ready_for_exits, gate.check_exit
        else:
            ready, check = gate.ready_for_entries, gate.check_entry

        def may_go() -> None:
            check()
            ask(may_leave)

        await ready()
        return await self._trading.place(order, self._deadlines, may_go)

    @override
    async def preview(self, order: OrderTicket) -> OrderPreview:
        await self._gate.ready_for_requests()
        return await self._previews.preview(order, self._deadlines)

    @override
    async def modify(self, order_id: OrderId, order: OrderTicket) -> OrderReport:
        number = OrderId(whole_number("order_id", order_id))
        self._gate.check_link()
        return await self._trading.modify(number, order, self._deadlines)

    @override
    async def cancel(self, order_id: OrderId) -> OrderReport:
        number = OrderId(whole_number("order_id", order_id))
        self._gate.check_link()
        return await self._trading.cancel(number, self._deadlines)

    @override
    async def open_orders(self) -> tuple[OrderReport, ...]:
        self._gate.check_link()
        return await self._lists.open_orders(self._deadlines)

    @override
    async def all_open_orders(self) -> tuple[OrderReport, ...]:
        self._gate.check_link()
        return await self._lists.all_open_orders(self._deadlines)

    @override
    async def completed_orders(self) -> tuple[OrderReport, ...]:
        self._gate.check_link()
        return await self._lists.completed_orders(self._deadlines)

    @override
    async def executions(self) -> tuple[Execution, ...]:
        self._gate.check_link()
        return await self._lists.executions(self._deadlines)

    def use_order_ids_above(self, highest: int) -> None:
        """Never use an order id up to `highest` again, whatever the Gateway says is the next.

        A Gateway that restarted, or whose state was set back, counts from below ids that live orders
        bear. Within one object that is remembered; after a restart of the program only its journal knows.

        Args:
            highest: As `ibkeel.journal.highest_order_id` tells it; some are skipped on top for those
                that left and were not written down.
        """
        self._link.check_loop()
        self._trading.use_order_ids_above(whole_number("highest", highest))

    @override
    def order_events(self) -> AsyncGenerator[OrderReport | Execution, None]:
        return self._link.book.events(self._gate.check_link)

    # Account.

    @override
    async def positions(self, account: str | None = None) -> tuple[Position, ...]:
        await self._gate.ready_for_requests()
        return await self._accounts.positions(account, self._deadlines)

    @override
    async def account(self, account: str | None = None) -> AccountValues:
        await self._gate.ready_for_requests()
        return await self._accounts.account(account, self._deadlines)

    @override
    async def pnl(self, account: str | None = None) -> PnL:
        await self._gate.ready_for_requests()
        return await self._accounts.pnl(account, self._deadlines)
