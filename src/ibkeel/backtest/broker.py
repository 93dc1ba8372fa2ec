"""A whole broker on the simulated venue, without the wire: what a backtest trades with."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from typing_extensions import override

from ibkeel.backtest.dealing import CLIENT, Dealing, OrderEvent, order_of
from ibkeel.backtest.prices import Directory, Prices
from ibkeel.clock import Clock
from ibkeel.errors import InvalidInput, NoData, NotConnected, OrderRejected, QuoteUnavailable, RequestFailed
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
    MarginChange,
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
from ibkeel.sim.values import Market, SimContract, SimPosition
from ibkeel.sim.venue import Settlement, Valuation, Venue, VenueSettings
from ibkeel.validators import ask, check_wait, expect, series, whole_number

ACCOUNT: Final = "DU0000001"
"""The account of every backtest."""

_CENT: Final = Decimal("0.01")
_LOOK: Final = timedelta(days=10)
_DEFAULTS: Final = VenueSettings()


def _nobody(_: object) -> None:
    """Listens to nothing."""


class VenueBroker(Broker):
    """Answers at once from a market, and fills orders against its bid and ask.

    It runs on the loop's time: a fill comes when the market reaches its price. Options held at
    the close of their last session are exercised, assigned or dropped then.

    Args:
        market: Seeded or recorded.
        clock: Wall time of the loop, such as `virtual_clock()`.
        cash: Dollars at the start.
        seed: Chooses permanent and execution ids.
        settings: How the venue fills and charges.
        traded: Called after each fill.
        settled: Called for each option that ended while it was held.
    """

    def __init__(
        self,
        market: Market,
        *,
        clock: Clock,
        cash: float = 100_000.0,
        seed: int = 0,
        settings: VenueSettings = _DEFAULTS,
        traded: Callable[[Execution], None] = _nobody,
        settled: Callable[[Settlement], None] = _nobody,
    ) -> None:
        self._market, self._clock = market, clock
        self._settings, self._settled = settings, settled
        self._directory = Directory(market)
        self._prices = Prices(market, self._directory)
        self._venue = Venue(market, account=ACCOUNT, cash=cash, seed=seed, settings=settings)
        self._dealing = Dealing(self._venue, self._directory, clock, traded)
        self._at_close: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._is_connected = False

    @property
    def valuation(self) -> Valuation:
        """What the account is worth now."""
        return self._venue.valuation(self._clock.now())

    def cause_of(self, order_id: OrderId) -> str:
        """What kind of order it is, in a word or two: `entry`, `stop`, `take profit` or `exit`."""
        return self._dealing.cause_of(order_id)

    def name_of(self, listed: SimContract) -> Contract:
        """A listed contract, as it was asked for."""
        return self._directory.name(listed)

    # Lifecycle.

    @property
    @override
    def is_connected(self) -> bool:
        return self._is_connected

    @override
    async def connect(self) -> None:
        """Begin; from now on the closes of sessions settle options; again does nothing."""
        if self._is_connected:
            return
        self._is_connected = True
        self._ended.clear()
        self._await_close()

    @override
    async def disconnect(self) -> None:
        self._is_connected = False
        self._ended.set()
        self._dealing.stop()
        if self._at_close is not None:
            self._at_close.cancel()

    @override
    async def ready(self, within: float | None = None) -> None:
        check_wait(within)
        self._now()

    @override
    async def health(self) -> Health:
        """One tier; DOWN when it is not connected."""
        grade = Grade.OK if self._is_connected else Grade.DOWN
        evidence = "a backtest has no link to lose" if self._is_connected else "not connected"
        remedy = "" if self._is_connected else "call connect() first"
        check = HealthCheck(
            name="session", grade=grade, evidence=evidence, at=self._clock.now(), remedy=remedy
        )
        return Health(checks=(check,), round_trip=0.0 if self._is_connected else None)

    # Prices and definitions.

    @override
    async def quote(self, contract: Contract) -> Quote:
        return self._prices.quote(contract, self._now())

    @override
    async def quotes(self, contracts: Sequence[Contract]) -> Mapping[Contract, Quote | RequestFailed]:
        now, answers = self._now(), dict[Contract, Quote | RequestFailed]()
        for contract in series(contracts):
            try:
                answers[contract] = self._prices.quote(contract, now)
            except RequestFailed as error:
                answers[contract] = error
        return answers

    @override
    async def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        return self._prices.bars(contract, spec, self._now())

    @override
    def stream_quotes(self, contract: Contract) -> AsyncGenerator[Quote, None]:
        """The quote, again whenever it may have changed.

        Raises:
            NoData: The recorded market has no further quote.
        """
        return AsyncStream(lambda: self._quoted(contract))

    @override
    def stream_bars(self, contract: Contract, spec: BarSpec) -> AsyncGenerator[Bar, None]:
        return bar_stream(lambda wanted: self.bars(contract, wanted), spec, self._clock)

    async def _quoted(self, contract: Contract) -> Held[Quote]:
        due: datetime | None = self._now()

        async def following() -> Quote:
            nonlocal due
            while due is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max((due - self._clock.now()).total_seconds(), 0.0)):
                        await self._ended.wait()
                now = self._now()
                due = self._prices.next_change(contract, now)
                with suppress(QuoteUnavailable):
                    return self._prices.quote(contract, now)
            raise NoData(f"the market has no further quote of {contract}")

        yield following

    @override
    async def qualify(self, contract: Contract) -> ContractDetails:
        return self._directory.details(contract, self._now())

    @override
    async def option_chain(self, underlying: Stock | Index) -> OptionChain:
        expect(underlying, Stock, Index)
        self._now()
        return self._directory.chain(underlying)

    # Orders.

    @override
    async def place(
        self, order: OrderTicket | Bracket, *, may_leave: Callable[[], None] | None = None
    ) -> Placement:
        self._now()
        expect(order, OrderTicket, Bracket)
        ask(may_leave)
        return self._dealing.place(order)

    @override
    async def preview(self, order: OrderTicket) -> OrderPreview:
        """What an order would do to margin and equity; nothing is placed.

        Raises:
            OrderRejected: The venue would refuse it, or the market shows no price to reckon with.
        """
        now = self._now()
        expect(order, OrderTicket)
        asked = order_of(order, self._directory.find(order.contract), order_id=0, name="preview")
        if (no := self._venue.objection(asked, now)) is not None:
            raise OrderRejected(
                f"the preview of {order.side} {order.quantity} {order.contract}: {no.text}", code=no.code
            )
        seen = self._venue.preview(asked, now)
        if seen.commission is None:
            raise OrderRejected(f"the market shows no price of {order.contract} to reckon with", code=201)
        before, after = seen.before, seen.after
        return OrderPreview(
            ticket=order,
            at=now,
            initial_margin=_change(before.initial, after.initial),
            maintenance_margin=_change(before.maintenance, after.maintenance),
            equity_with_loan=_change(before.equity_with_loan, after.equity_with_loan),
            commission=_dollars(seen.commission),
            currency=order.contract.currency,
        )

    @override
    async def modify(self, order_id: OrderId, order: OrderTicket) -> OrderReport:
        self._now()
        return self._dealing.modify(OrderId(whole_number("order_id", order_id)), order)

    @override
    async def cancel(self, order_id: OrderId) -> OrderReport:
        self._now()
        return self._dealing.cancel(OrderId(whole_number("order_id", order_id)))

    @property
    @override
    def client_id(self) -> int:
        return CLIENT

    @override
    async def open_orders(self) -> tuple[OrderReport, ...]:
        self._now()
        return self._dealing.open_orders()

    @override
    async def all_open_orders(self) -> tuple[OrderReport, ...]:
        return await self.open_orders()

    @override
    async def completed_orders(self) -> tuple[OrderReport, ...]:
        self._now()
        return self._dealing.completed_orders()

    @override
    async def executions(self) -> tuple[Execution, ...]:
        self._now()
        return self._dealing.executions()

    @override
    def order_events(self) -> AsyncGenerator[OrderEvent, None]:
        queue = self._dealing.listen()
        return AsyncStream(lambda: self._heard(queue))

    async def _heard(self, queue: asyncio.Queue[OrderEvent | Exception]) -> Held[OrderEvent]:
        self._now()
        yield lambda: next_of(queue)

    # The account.

    @override
    async def positions(self, account: str | None = None) -> tuple[Position, ...]:
        self._now()
        _check_account(account)
        return tuple(self._position(row) for row in self._venue.positions())

    @override
    async def account(self, account: str | None = None) -> AccountValues:
        now = self._now()
        _check_account(account)
        worth = self._venue.valuation(now)
        funds = worth.available_funds
        return AccountValues(
            account=ACCOUNT,
            at=now,
            net_liquidation=_dollars(worth.net_liquidation),
            available_funds=_dollars(funds),
            buying_power=_dollars(max(funds, 0.0) * self._settings.buying_power_factor),
            excess_liquidity=_dollars(worth.excess_liquidity),
            initial_margin=_dollars(worth.initial),
            total_cash=_dollars(worth.cash),
        )

    @override
    async def pnl(self, account: str | None = None) -> PnL:
        """Profit and loss since the start."""
        now = self._now()
        _check_account(account)
        worth = self._venue.valuation(now)
        return PnL(
            account=ACCOUNT,
            at=now,
            unrealized=_dollars(worth.unrealized),
            realized=_dollars(worth.realized),
        )

    def _now(self) -> datetime:
        if not self._is_connected:
            raise NotConnected("the backtest's broker is not connected; call connect() first")
        return self._clock.now()

    def _position(self, row: SimPosition) -> Position:
        return Position(
            account=ACCOUNT,
            contract=self._directory.name(row.contract),
            signed_quantity=row.quantity,
            average_price=row.average_cost / row.contract.multiplier,
        )

    def _await_close(self) -> None:
        """Settle at the next close."""
        now = self._clock.now()
        closes = (
            row.closes_at
            for row in self._market.sessions(now.date(), (now + _LOOK).date())
            if row.closes_at > now
        )
        closes_at = next(iter(closes), None)
        if closes_at is None:
            return
        wait = (closes_at - now).total_seconds()
        self._at_close = asyncio.get_running_loop().call_later(wait, self._close)

    def _close(self) -> None:
        for settlement in self._venue.settle(self._clock.now()):
            self._settled(settlement)
        self._await_close()


def _check_account(account: str | None) -> None:
    if account not in {None, ACCOUNT}:
        raise InvalidInput("a backtest has one account; leave account out")


def _dollars(value: float) -> Decimal:
    return Decimal(str(value)).quantize(_CENT)


def _change(before: float, after: float) -> MarginChange:
    return MarginChange(before=_dollars(before), change=_dollars(after - before), after=_dollars(after))
