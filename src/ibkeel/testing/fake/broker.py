"""A whole `Broker` in memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from weakref import WeakKeyDictionary

import attrs
from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import InvalidInput, NotConnected, OrderRefused, RequestFailed, RequestTimeout
from ibkeel.guards import AsyncStream, Held, next_of
from ibkeel.guards.bar_stream import bar_stream
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
    Grade,
    Health,
    HealthCheck,
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
    Stock,
)
from ibkeel.orders import check_name
from ibkeel.system import SystemClock
from ibkeel.testing.fake.book import Book
from ibkeel.testing.fake.script import Call, PriceScript, Troubles, preview_of
from ibkeel.validators import ask, check_wait, expect, series, whole_number

OrderEvent = OrderReport | Execution
_Queue = asyncio.Queue[OrderEvent | Exception]


class FakeBroker(Broker):
    """Answers from a script of prices and fills orders against it, without any Gateway.

    Args:
        quotes: Several quotes of one contract follow each other: each holds from its `at` on.
        bars: Rows to answer `bars` from; nothing at or after the present instant is shown.
        chains: Option chains.
        positions: What the account holds at the start.
        account: Balances; by default 100,000 USD.
        details: Definitions that `qualify` answers; others get a tick of 0.01.
        delays: Seconds of the loop's time that a kind of request takes.
        dry_run: Whether `place` keeps the order to itself, as an adapter in dry run does.
        clock: Tells which quote is in force and stamps what happens.

    Examples:
        A broker that fails twice, then answers::

            broker = FakeBroker(quotes=[quote])
            broker.fail("quote", RequestTimeout("no answer"), times=2)
    """

    def __init__(
        self,
        *,
        quotes: Iterable[Quote] = (),
        bars: Iterable[Bars] = (),
        chains: Iterable[OptionChain] = (),
        positions: Iterable[Position] = (),
        account: AccountValues | None = None,
        details: Iterable[ContractDetails] = (),
        delays: Mapping[str, float] | None = None,
        dry_run: bool = False,
        clock: Clock | None = None,
    ) -> None:
        held = tuple(positions)
        self._clock = clock or SystemClock()
        self._prices = PriceScript(quotes=quotes, bars=bars, chains=chains, details=details)
        self._account = account or AccountValues(
            account=held[0].account if held else "DU0000001",
            at=self._clock.now(),
            net_liquidation=Decimal(100_000),
            available_funds=Decimal(100_000),
        )
        self._book = Book(account=self._account.account, find=self._prices.find, positions=held)
        self._troubles = Troubles(delays or {})
        self._dry_run = dry_run
        self._listeners: WeakKeyDictionary[_Queue, None] = WeakKeyDictionary()
        self._timer: asyncio.TimerHandle | None = None
        self._foreign: tuple[OrderReport, ...] = ()
        self._is_connected = False
        self.calls: list[Call] = []
        """Every request so far, those that failed included."""
        self.intents: list[OrderTicket | Bracket] = []
        """What `place` kept to itself in dry run."""

    def fail(
        self, kind: str, error: Exception, *, times: int | None = None, subject: object | None = None
    ) -> None:
        """From now on end requests of a kind in an error.

        Args:
            kind: One of `KINDS`.
            error: What to raise.
            times: How many requests; None until `heal`.
            subject: Only requests about this contract, order or order id.
        """
        self._troubles.fail(kind, error, times, subject)

    def heal(self, kind: str) -> None:
        """Forget what `fail` was told about a kind."""
        self._troubles.heal(kind)

    def delay(self, kind: str, seconds: float) -> None:
        """From now on let requests of a kind take so many seconds of the loop's time; 0 for none.

        Args:
            kind: One of `KINDS`.
            seconds: From the request to its answer, 0 or more.
        """
        self._troubles.delay(kind, seconds)

    def drop(self) -> None:
        """Lose the session, as when a Gateway ends; streams end in `NotConnected`."""
        self._is_connected = False
        if self._timer:
            self._timer.cancel()
        self._tell([*self._book.lost(), NotConnected("the session of the fake broker ended")])

    @property
    @override
    def is_connected(self) -> bool:
        """Whether a session exists."""
        return self._is_connected

    @override
    async def connect(self) -> None:
        """Open the session."""
        await self._answer("connect")
        self._is_connected = True

    @override
    async def disconnect(self) -> None:
        """Close the session; streams end in `NotConnected`."""
        self.drop()

    @override
    async def ready(self, within: float | None = None) -> None:
        """Nothing to wait for, `within` any seconds: the fake seeks no session; NotConnected when there is none."""
        check_wait(within)
        self._require_session("ready")

    @override
    async def health(self) -> Health:
        """One tier, the session; DOWN when there is none or `health` was told to fail."""
        started = asyncio.get_running_loop().time()
        grade, evidence = Grade.OK, "answered"
        try:
            await self._answer("health")
        except (NotConnected, RequestFailed) as error:
            grade, evidence = Grade.DOWN, str(error)
        remedy = "" if self._is_connected else "call connect() first"
        check = HealthCheck(
            name="session", grade=grade, evidence=evidence, at=self._clock.now(), remedy=remedy
        )
        took = asyncio.get_running_loop().time() - started
        return Health(checks=(check,), round_trip=took if grade is Grade.OK else None)

    @override
    async def quote(self, contract: Contract) -> Quote:
        """The quote in force now."""
        await self._answer("quote", contract)
        return attrs.evolve(self._prices.quote(contract, self._clock.now()), contract=contract)

    @override
    async def quotes(self, contracts: Sequence[Contract]) -> Mapping[Contract, Quote | RequestFailed]:
        """One quote or one typed error for each contract, in the order asked."""
        self._require_session("quotes")
        answers: dict[Contract, Quote | RequestFailed] = {}
        for contract in series(contracts):
            try:
                answers[contract] = await self.quote(contract)
            except RequestFailed as error:
                answers[contract] = error
        return answers

    @override
    async def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        """Rows of the script that begin before now."""
        await self._answer("bars", contract)
        return self._prices.bars(contract, spec, self._clock.now())

    @override
    def stream_quotes(self, contract: Contract) -> AsyncGenerator[Quote, None]:
        """Each quote of the script as its time comes."""
        return AsyncStream(lambda: self._quoted(contract))

    @override
    def stream_bars(self, contract: Contract, spec: BarSpec) -> AsyncGenerator[Bar, None]:
        """Rows of the script as they close; asks for `bars`, whose troubles are its own."""
        return bar_stream(lambda wanted: self.bars(contract, wanted), spec, self._clock)

    async def _quoted(self, contract: Contract) -> Held[Quote]:
        await self._answer("stream_quotes", contract)
        known = self._prices.find(contract)
        due: datetime | None = self._clock.now()

        async def following() -> Quote:
            nonlocal due
            while due is not None:
                await asyncio.sleep(max(0.0, (due - self._clock.now()).total_seconds()))
                self._require_session("stream_quotes")
                due = self._prices.next_change(known, now := self._clock.now())
                with suppress(RequestFailed):
                    return attrs.evolve(self._prices.quote(known, now), contract=contract)
            raise RequestTimeout(f"the script of {contract} ended at {self._clock.now().isoformat()}")

        yield following

    @override
    async def qualify(self, contract: Contract) -> ContractDetails:
        """The script's contract."""
        await self._answer("qualify", contract)
        return self._prices.details(contract)

    @override
    async def option_chain(self, underlying: Stock | Index) -> OptionChain:
        """The script's chain."""
        expect(underlying, Stock, Index)
        await self._answer("option_chain", underlying)
        return self._prices.chain(underlying)

    @override
    async def place(
        self, order: OrderTicket | Bracket, *, may_leave: Callable[[], None] | None = None
    ) -> Placement:
        """Take the order in and fill it as soon as the script allows."""
        expect(order, OrderTicket, Bracket)
        await self._answer("place", order)
        entry = order if isinstance(order, OrderTicket) else order.entry
        children = order.children() if isinstance(order, Bracket) else ()
        check_name(order, self._book.working())
        self._prices.find(entry.contract)
        if self._dry_run:
            self.intents.append(order)
            return Placement.kept(entry.client_order_id or f"fake-intent-{len(self.intents)}", len(children))
        ask(may_leave)
        self._prices.check_ticks(entry, *children)
        placement, reports = self._book.enter(order, self._clock.now())
        self._tell(reports)
        self._match()
        return self._book.placed(placement)

    @override
    async def preview(self, order: OrderTicket) -> OrderPreview:
        """What the order would tie up in a cash account; OrderRefused in dry run."""
        expect(order, OrderTicket)
        await self._answer("preview", order)
        if self._dry_run:
            raise OrderRefused("the fake is in dry run, and a what-if travels as an order")
        self._prices.check_ticks(order)
        return preview_of(order, self._prices, self._account, self._clock.now())

    @override
    async def modify(self, order_id: OrderId, order: OrderTicket) -> OrderReport:
        """Replace price or quantity of a working order."""
        expect(order, OrderTicket)
        number = OrderId(whole_number("order_id", order_id))
        await self._answer("modify", number)
        self._book.check_change(number, order)
        self._prices.check_ticks(order)
        self._tell([self._book.modify(number, order, self._clock.now())])
        self._match()
        return self._book.report(number)

    @override
    async def cancel(self, order_id: OrderId) -> OrderReport:
        """Cancel an order and its children; a final order is reported as it is."""
        number = OrderId(whole_number("order_id", order_id))
        await self._answer("cancel", number)
        self._match()
        was_final = self._book.report(number).state.is_final
        reports = self._book.cancel(number, self._clock.now())
        self._tell([] if was_final else reports)
        return reports[0]

    @property
    @override
    def client_id(self) -> int:
        return self._book.client_id

    @override
    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Orders that work now."""
        await self._answer("open_orders")
        self._match()
        return self._book.working()

    @override
    async def all_open_orders(self) -> tuple[OrderReport, ...]:
        """Orders that work now, those given to `set_foreign_orders` included."""
        await self._answer("all_open_orders")
        self._match()
        return (*self._book.working(), *self._foreign)

    @override
    async def completed_orders(self) -> tuple[OrderReport, ...]:
        """Orders that ended."""
        await self._answer("completed_orders")
        self._match()
        return self._book.ended()

    @override
    async def executions(self) -> tuple[Execution, ...]:
        """Fills, in the order made."""
        await self._answer("executions")
        self._match()
        return self._book.executions()

    @override
    def order_events(self) -> AsyncGenerator[OrderEvent, None]:
        """Reports and fills from the call on; NotConnected when the session ends."""
        listener: _Queue = asyncio.Queue()
        self._listeners[listener] = None
        return AsyncStream(lambda: self._heard(listener))

    async def _heard(self, listener: _Queue) -> Held[OrderEvent]:
        await self._answer("order_events")
        yield lambda: next_of(listener)

    @override
    async def positions(self, account: str | None = None) -> tuple[Position, ...]:
        """What is held and not zero."""
        await self._answer_for(account, "positions")
        self._match()
        return self._book.positions()

    @override
    async def account(self, account: str | None = None) -> AccountValues:
        """The balances given to the constructor; fills do not change them."""
        await self._answer_for(account, "account")
        return attrs.evolve(self._account, at=self._clock.now())

    @override
    async def pnl(self, account: str | None = None) -> PnL:
        """No figures: the fake keeps no profit and loss."""
        await self._answer_for(account, "pnl")
        return PnL(account=self._account.account, at=self._clock.now())

    def set_foreign_orders(self, orders: Iterable[OrderReport]) -> None:
        """List these as open orders of other clients from now on; they never fill."""
        self._foreign = tuple(orders)

    def set_account(self, account: AccountValues) -> None:
        """Answer `account` with other balances from now on."""
        self._account = account

    async def _answer(self, kind: str, subject: object = None) -> None:
        self.calls.append(Call(kind, subject))
        self._require_session(kind)
        await asyncio.sleep(self._troubles.delay_of(kind))
        self._require_session(kind)
        self._troubles.strike(kind, subject)

    async def _answer_for(self, account: str | None, kind: str) -> None:
        await self._answer(kind, account)
        if account not in {None, self._account.account}:
            raise InvalidInput("the fake has one account, that of its balances; leave account out")

    def _require_session(self, kind: str) -> None:
        if not self._is_connected and kind != "connect":
            raise NotConnected(f"{kind} was asked without a session; call connect first")

    def _tell(self, events: Iterable[OrderEvent | Exception]) -> None:
        for event in events:
            for listener in self._listeners:
                listener.put_nowait(event)

    def _match(self) -> None:
        """Fill what can fill now, and come back when the script next moves a working order's price."""
        now = self._clock.now()
        self._tell(self._book.match(lambda contract: self._prices.quote(contract, now), now))
        script = self._prices
        changes = [script.next_change(script.find(row.contract), now) for row in self._book.working()]
        nearest = min((change for change in changes if change is not None), default=None)
        if self._timer:
            self._timer.cancel()
        if nearest is not None:
            self._timer = asyncio.get_running_loop().call_later((nearest - now).total_seconds(), self._match)
