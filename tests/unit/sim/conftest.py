"""A small market and a small exchange: whole, but simple enough to foresee."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import attrs
import pytest

from ibkeel.ibkr.client import library as ii
from ibkeel.sim import GatewaySettings, SimulatedGateway
from ibkeel.sim.values import (
    Commission,
    Execution,
    MarketQuote,
    ModelGreeks,
    OptionClass,
    OrderEcho,
    OrderError,
    OrderStatus,
    SimBar,
    SimContract,
    SimPosition,
    SimSession,
)
from ibkeel.sim.venue import MarginPreview, PortfolioRow, Valuation
from ibkeel.virtual import run_virtual, virtual_clock

GATEWAY_HOST, GATEWAY_PORT = "127.0.0.1", 4002

SPY = SimContract(
    con_id=756733,
    symbol="SPY",
    sec_type="STK",
    primary_exchange="ARCA",
    local_symbol="SPY",
    trading_class="SPY",
    long_name="SPDR S&P 500 é ETF",
)
VIX = SimContract(con_id=13455763, symbol="VIX", sec_type="IND", exchange="CBOE", local_symbol="VIX")
EXPIRIES = (date(2026, 1, 9), date(2026, 1, 16))
STRIKES = (495.0, 500.0, 505.0)


def option(number, expiry, right, strike):
    return SimContract(
        con_id=900_000 + number,
        symbol="SPY",
        sec_type="OPT",
        expiry=expiry,
        strike=strike,
        right=right,
        multiplier=100,
        trading_class="SPY",
        local_symbol=f"SPY   {expiry:%y%m%d}{right}{int(strike * 1000):08d}",
        under_con_id=SPY.con_id,
    )


OPTIONS = [
    option(number, expiry, right, strike)
    for number, (expiry, right, strike) in enumerate(
        (expiry, right, strike) for expiry in EXPIRIES for right in "CP" for strike in STRIKES
    )
]


class SmallMarket:
    """SPY walks a zigzag of one cent a second around 500, VIX stands still; weekdays only."""

    contracts = (SPY, VIX, *OPTIONS)

    def find(self, pattern):
        return [each for each in self.contracts if self._fits(each, pattern)]

    def _fits(self, contract, pattern):
        expiry = "" if contract.expiry is None else f"{contract.expiry:%Y%m%d}"
        return (
            expiry.startswith(pattern.expiry)
            and pattern.strike in {0.0, contract.strike}
            and all(
                getattr(pattern, name) in {"", getattr(contract, name)}
                for name in ("symbol", "sec_type", "right", "local_symbol")
            )
        )

    def by_con_id(self, con_id):
        return next((each for each in self.contracts if each.con_id == con_id), None)

    def underlyings(self):
        return [SPY, VIX]

    def option_classes(self, under_con_id):
        if under_con_id != SPY.con_id:
            return []
        return [
            OptionClass(
                exchange="SMART",
                trading_class="SPY",
                multiplier=100,
                expiries=EXPIRIES,
                strikes=STRIKES,
            )
        ]

    def _mid(self, contract, at):
        spot = 500 + abs(int(at.timestamp()) % 20 - 10) / 100
        if contract.sec_type == "STK":
            return spot
        if contract.sec_type == "IND":
            return 15.0
        inner = spot - contract.strike if contract.right == "C" else contract.strike - spot
        return round(max(inner, 0.0) + 4.0, 2)

    def quote(self, contract, at):
        mid = self._mid(contract, at)
        day = {"volume": 1000, "open": mid, "high": mid + 1, "low": mid - 1, "close": mid}
        if contract.sec_type == "IND":
            return MarketQuote(at=at, last=mid, **{**day, "volume": None})
        if contract.strike == 505.0 and contract.right == "C":  # nobody traded this one today
            return MarketQuote(at=at, bid=0.05, ask=0.1, bid_size=1, ask_size=1, close=mid)
        return MarketQuote(
            at=at,
            bid=round(mid - 0.01, 2),
            ask=round(mid + 0.01, 2),
            bid_size=10,
            ask_size=20,
            last=mid,
            last_size=5,
            open_interest=77 if contract.sec_type == "OPT" else None,
            **day,
        )

    def next_change(self, contract, after):
        return None if contract.sec_type == "IND" else self._second_after(after)

    def _second_after(self, after):
        session = next(
            (s for s in self.sessions(after.date(), after.date() + timedelta(days=5)) if after < s.closes_at),
            None,
        )
        return max(after.replace(microsecond=0) + timedelta(seconds=1), session.opens_at)

    def greeks(self, contract, at):
        return ModelGreeks(
            iv=0.2, delta=0.5, gamma=0.01, vega=0.3, theta=-0.1,
            price=self._mid(contract, at), underlying_price=500.0,
        )  # fmt: skip

    def bars(self, contract, *, start, end, size, what, rth):
        made = []
        for session in self.sessions(start.date(), end.date()):
            at = session.opens_at
            while at < session.closes_at:
                if start <= at < end or (size.seconds == 86_400 and start <= at < end):
                    made.append(self._bar(contract, at))
                at += timedelta(seconds=size.seconds)
        return made

    def _bar(self, contract, at):
        mid = self._mid(contract, at)
        return SimBar(at=at, open=mid, high=mid + 1, low=mid - 1, close=mid, volume=100, wap=mid, count=7)

    def sessions(self, start, end):
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        return [
            SimSession(
                day=day,
                opens_at=datetime.combine(day, time(14, 30), tzinfo=UTC),
                closes_at=datetime.combine(day, time(21), tzinfo=UTC),
            )
            for day in days
            if day.weekday() < 5
        ]


class SmallExchange:
    """Fills market orders at once and whole; everything else rests until it is cancelled."""

    def __init__(self, market):
        self.market = market
        self.orders, self.ended, self.fills, self.held = {}, [], [], {}
        self.looks = []  # instants at which `advance` was called

    def submit(self, order, at):
        key = order.client_id, order.order_id
        order.perm_id = 1000 + order.order_id
        order.status = "Submitted"
        self.orders[key] = order
        return [OrderEcho(order=order, status="Submitted"), self._status(order)]

    def _status(self, order):
        return OrderStatus(
            client_id=order.client_id,
            order_id=order.order_id,
            status=order.status,
            filled=order.filled,
            remaining=order.quantity - order.filled,
            average_fill_price=order.average_fill_price,
            perm_id=order.perm_id,
            parent_id=0,
            last_fill_price=order.last_fill_price,
        )

    def cancel(self, client_id, order_id, at):
        order = self.orders.pop((client_id, order_id), None)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return [OrderError(client_id=client_id, order_id=order_id, code=10147, text=text)]
        order.status, order.completed_at = "Cancelled", at
        self.ended.append(order)
        text = "Order Canceled - reason:"
        return [
            self._status(order),
            OrderError(client_id=client_id, order_id=order_id, code=202, text=text),
        ]

    def cancel_all(self, at):
        return [event for key in list(self.orders) for event in self.cancel(*key, at)]

    def advance(self, at):
        self.looks.append(at)
        return [
            event
            for order in list(self.orders.values())
            if order.order_type == "MKT"
            for event in self._fill(order, at)
        ]

    def _fill(self, order, at):
        quote = self.market.quote(order.contract, at)
        price = quote.ask if order.action == "BUY" else quote.bid
        order.status, order.filled, order.completed_at = "Filled", order.quantity, at
        order.average_fill_price = order.last_fill_price = price
        del self.orders[order.client_id, order.order_id]
        self.ended.append(order)
        signed = order.quantity if order.action == "BUY" else -order.quantity
        con_id = order.contract.con_id
        before = self.held.get(con_id)
        self.held[con_id] = SimPosition(
            account=order.account,
            contract=order.contract,
            quantity=signed + (before.quantity if before else 0.0),
            average_cost=price,
        )
        execution = Execution(
            exec_id=f"0001.{len(self.fills):02d}", at=at, client_id=order.client_id,
            order_id=order.order_id, perm_id=order.perm_id, contract=order.contract,
            account=order.account, exchange="SMART", side="BOT" if signed > 0 else "SLD",
            quantity=order.quantity, price=price, cumulative_quantity=order.quantity,
            average_price=price, order_ref=order.order_ref,
        )  # fmt: skip
        commission = Commission(
            client_id=order.client_id, exec_id=execution.exec_id, commission=1.0,
            currency="USD", realized_pnl=None,
        )  # fmt: skip
        self.fills.append((execution, commission))
        return [execution, OrderEcho(order=order, status="Filled"), self._status(order), commission]

    def next_event(self, after):
        return None

    def open_orders(self, client_id=None):
        return [each for each in self.orders.values() if client_id in {None, each.client_id}]

    def completed_orders(self):
        return self.ended

    def executions(self):
        return self.fills

    def positions(self):
        return list(self.held.values())

    def portfolio(self, at, account):
        return [PortfolioRow(each, 500.0, 500.0 * each.quantity, 1.0, 2.0) for each in self.held.values()]

    def objection(self, order, at):
        return None

    def preview(self, order, at):
        margin = order.quantity * order.limit_price / 2
        worth = Valuation(
            cash=1e5, stocks=0.0, options=0.0, gross=0.0, initial=0.0, maintenance=0.0,
            unrealized=0.0, realized=0.0,
        )  # fmt: skip
        after = attrs.evolve(worth, initial=margin, maintenance=margin)
        return MarginPreview(before=worth, after=after, commission=1.0)

    def account_values(self, at, account):
        return [
            ("NetLiquidation", "100000.00", "USD"),
            ("BuyingPower", "400000.00", "USD"),
            ("InitMarginReq", "0.00", "USD"),
        ]


class Wire:
    """A transport that keeps what it was given."""

    def __init__(self):
        self.written, self.is_closed = [], False

    def write(self, data):
        self.written.append(data)

    def close(self):
        self.is_closed = True


@pytest.fixture
def small_market():
    return SmallMarket()


@pytest.fixture
def small_exchange(small_market):
    return SmallExchange(small_market)


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def spy():
    return attrs.evolve(SPY)


@pytest.fixture
def gateway_run(small_market, small_exchange):
    """Run a coroutine function with a gateway that listens and a client that is connected.

    The venue is the small exchange; `venue=None` asks for the whole one.
    """

    def run(scene, *, market=small_market, venue=small_exchange, start=None, **settings):
        async def main():
            asyncio.set_event_loop(asyncio.get_running_loop())
            gateway = SimulatedGateway(
                market=market,
                venue=venue,
                clock=virtual_clock(),
                settings=GatewaySettings(**settings),
            )
            ib = ii.IB()
            try:
                async with gateway.listening(GATEWAY_HOST, GATEWAY_PORT):
                    await ib.connectAsync(GATEWAY_HOST, GATEWAY_PORT, clientId=5)
                    ib.errors = []
                    ib.errorEvent += lambda *args: ib.errors.append(args[:3])
                    outcome = await scene(gateway, ib)
                    ib.disconnect()
                    await asyncio.sleep(1)
            finally:
                asyncio.set_event_loop(None)
            assert gateway.counters.failures == 0
            return outcome

        return run_virtual(main()) if start is None else run_virtual(main(), start=start)

    return run
