"""`IBKRBroker`: the `Broker` protocol over a Gateway."""

import asyncio
import copy
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConnectionFailure, InvalidInput, RequestFailed
from ibkeel.ibkr.accounts import Accounts
from ibkeel.ibkr.config import IBKRConfig
from ibkeel.ibkr.definitions import Definitions
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.prices import Prices
from ibkeel.ibkr.requests import Pending
from ibkeel.ibkr.trading import Trading
from ibkeel.model import (
    AccountValues,
    Bars,
    BarSpec,
    Bracket,
    Broker,
    Contract,
    ContractDetails,
    Execution,
    Grade,
    Health,
    HealthCheck,
    Index,
    OptionChain,
    OrderId,
    OrderReport,
    OrderTicket,
    Placement,
    PnL,
    Position,
    Quote,
    Stock,
)
from ibkeel.resilience import Deadlines, RequestKind
from ibkeel.system import SystemClock
from ibkeel.telemetry import NullObserver, Observer

__all__ = ["IBKRBroker"]


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
        self._prices = Prices(self._link, self._definitions)
        self._accounts = Accounts(self._link)
        self._trading = Trading(self._link, self._definitions)
        self._deadlines = self.config.deadlines

    @property
    def ib(self) -> Any:
        """The client library's own `IB` object: counted and paced with ours, but untyped."""
        return self._link.ib

    @property
    def open_lines(self) -> Mapping[int, str]:
        """Market data lines that are out: request id and what it is for."""
        return self._link.lines.open

    def with_deadline(self, seconds: float) -> "IBKRBroker":
        """The same broker, on the same session, with one deadline for every kind of request.

        Args:
            seconds: Above 0 and at most 600.
        """
        other = copy.copy(self)
        other._deadlines = Deadlines.all(seconds)  # noqa: SLF001 - a copy of this object
        return other

    # Lifecycle.

    @property
    @override
    def is_connected(self) -> bool:
        return self._link.is_up

    @override
    async def connect(self) -> None:
        await self._link.connect()

    @override
    async def disconnect(self) -> None:
        await self._link.disconnect()

    @override
    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    @override
    async def health(self) -> Health:
        now = self._link.clock.now
        began = asyncio.get_running_loop().time()
        try:
            self._link.check()
        except ConnectionFailure as error:
            return Health(
                checks=(HealthCheck(name="socket", grade=Grade.DOWN, evidence=str(error), at=now()),)
            )
        socket = HealthCheck(name="socket", grade=Grade.OK, evidence="a session is open", at=now())
        try:
            server_time = await self.server_time()
        except (RequestFailed, ConnectionFailure) as error:
            probe = HealthCheck(name="server time", grade=Grade.DOWN, evidence=str(error), at=now())
            return Health(checks=(socket, probe, *self._link.notices.checks()))
        took = asyncio.get_running_loop().time() - began
        evidence = f"the Gateway said {server_time:%H:%M:%S} UTC in {took:.3f} s"
        probe = HealthCheck(name="server time", grade=Grade.OK, evidence=evidence, at=now())
        return Health(checks=(socket, probe, *self._link.notices.checks()), round_trip=took)

    async def server_time(self) -> datetime:
        """The Gateway's own clock, aware, in UTC, to the second.

        Raises:
            NotConnected: There is no session.
            RequestTimeout: No answer within the deadline of a probe.
        """
        self._link.check()

        def heard(pending: Pending, _: str, args: tuple[Any, ...]) -> None:
            pending.finish(args[0])

        async with self._link.lock("currentTime"):
            epoch = await self._link.requests.ask(
                "currentTime",
                RequestKind.PROBE,
                "the server's time",
                deadline=self._deadlines.probe,
                send=self._link.ib.client.reqCurrentTime,
                heard=heard,
            )
        return datetime.fromtimestamp(epoch, UTC)

    # Market data.

    @override
    async def quote(self, contract: Contract) -> Quote:
        self._link.check()
        return await self._prices.quote(contract, self._deadlines)

    @override
    async def quotes(self, contracts: Sequence[Contract]) -> Mapping[Contract, Quote | RequestFailed]:
        self._link.check()
        return await self._prices.quotes(contracts, self._deadlines)

    @override
    async def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        self._link.check()
        return await self._prices.bars(contract, spec, self._deadlines)

    @override
    def stream_quotes(self, contract: Contract) -> AsyncGenerator[Quote, None]:
        return self._prices.stream_quotes(contract)

    # Definitions.

    @override
    async def qualify(self, contract: Contract) -> ContractDetails:
        self._link.check()
        return await self._definitions.qualify(contract, self._deadlines)

    @override
    async def option_chain(self, underlying: Stock | Index) -> OptionChain:
        self._link.check()
        return await self._definitions.option_chain(underlying, self._deadlines)

    # Orders.

    @override
    async def place(self, order: OrderTicket | Bracket) -> Placement:
        self._link.check()
        if not isinstance(order, OrderTicket | Bracket):
            raise InvalidInput(f"cannot place {order!r}; give an OrderTicket or a Bracket")
        return await self._trading.place(order, self._deadlines)

    @override
    async def modify(self, order_id: OrderId, order: OrderTicket) -> OrderReport:
        self._link.check()
        return await self._trading.modify(order_id, order, self._deadlines)

    @override
    async def cancel(self, order_id: OrderId) -> OrderReport:
        self._link.check()
        return await self._trading.cancel(order_id, self._deadlines)

    @override
    async def open_orders(self) -> tuple[OrderReport, ...]:
        self._link.check()
        return await self._trading.open_orders(self._deadlines)

    @override
    async def completed_orders(self) -> tuple[OrderReport, ...]:
        self._link.check()
        return await self._trading.completed_orders(self._deadlines)

    @override
    async def executions(self) -> tuple[Execution, ...]:
        self._link.check()
        return await self._trading.executions(self._deadlines)

    @override
    async def order_events(self) -> AsyncGenerator[OrderReport | Execution, None]:
        self._link.check()
        events = self._link.book.events()
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    # Account.

    @override
    async def positions(self, account: str | None = None) -> tuple[Position, ...]:
        self._link.check()
        return await self._accounts.positions(account, self._deadlines)

    @override
    async def account(self, account: str | None = None) -> AccountValues:
        self._link.check()
        return await self._accounts.account(account, self._deadlines)

    @override
    async def pnl(self, account: str | None = None) -> PnL:
        self._link.check()
        return await self._accounts.pnl(account)
