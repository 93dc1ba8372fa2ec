"""One common round of work with ib_insync or ib_async; needs nothing but the library.

Prints one JSON object: what each step came to, and what the library's decoder made of every frame.
"""

import asyncio
import importlib
import json
import math
import sys
from types import SimpleNamespace

LIBRARY, PORT, CLIENT_ID = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
lib = importlib.import_module(LIBRARY)
decoding = importlib.import_module(f"{LIBRARY}.decoder")
ACCOUNT_TAGS = {"NetLiquidation", "BuyingPower", "TotalCashValue"}
OFFSET = CLIENT_ID / 100  # several clients at once keep their resting orders apart


class Round:
    """The library, connected, with everything that the Gateway sent it."""

    def __init__(self):
        self.ib, self.frames, self.errors = lib.IB(), [], []
        self.ib.errorEvent += lambda number, code, text, *_: self.errors.append((number, code, text))
        self.failures = []
        self._listen()
        self.spy = lib.Stock("SPY", "SMART", "USD")
        self.option = None

    def _listen(self):
        decoder = self.ib.client.decoder
        original = decoder.interpret

        def interpret(fields):
            self.frames.append(tuple(fields))
            original(fields)

        decoder.interpret = interpret
        decoder.logger = SimpleNamespace(
            exception=self.failures.append, error=self.failures.append, warning=self.failures.append
        )

    async def connect(self):
        await self.ib.connectAsync("127.0.0.1", PORT, clientId=CLIENT_ID, timeout=10)
        assert self.ib.managedAccounts(), "no account"

    async def time(self):
        assert (await self.ib.reqCurrentTimeAsync()).year > 2000

    async def details(self):
        [found] = await self.ib.reqContractDetailsAsync(self.spy)
        assert found.minTick > 0
        assert "SMART" in found.validExchanges
        await self.ib.qualifyContractsAsync(self.spy)
        assert self.spy.conId

    async def quotes(self):
        ticker = self.ib.reqMktData(self.spy, "233,236")
        await until(lambda: ticker.bid > 0 and ticker.ask >= ticker.bid and ticker.bidSize > 0)
        self.ib.cancelMktData(self.spy)

    async def snapshot(self):
        [ticker] = await self.ib.reqTickersAsync(self.spy)
        assert 0 < ticker.bid <= ticker.ask
        self.price = ticker.ask

    async def chain(self):
        chains = await self.ib.reqSecDefOptParamsAsync("SPY", "", "STK", self.spy.conId)
        chain = next(each for each in chains if each.exchange == "SMART")
        expiry = sorted(chain.expirations)[2]
        strike = min(chain.strikes, key=lambda each: abs(each - self.price))
        self.option = lib.Option("SPY", expiry, strike, "C", "SMART", currency="USD")
        found = await self.ib.reqContractDetailsAsync(self.option)
        assert len(found) == 1, found
        await self.ib.qualifyContractsAsync(self.option)

    async def greeks(self):
        ticker = self.ib.reqMktData(self.option, "101,106")
        await until(lambda: ticker.modelGreeks and ticker.modelGreeks.delta is not None and ticker.bid > 0)
        assert 0 < ticker.modelGreeks.delta < 1
        self.ib.cancelMktData(self.option)

    async def history(self):
        bars = await self.ib.reqHistoricalDataAsync(self.spy, "", "1800 S", "1 min", "TRADES", useRTH=True)
        assert len(bars) >= 29, len(bars)
        assert all(bar.low <= bar.close <= bar.high for bar in bars)
        daily = await self.ib.reqHistoricalDataAsync(self.spy, "", "5 D", "1 day", "MIDPOINT", useRTH=True)
        assert daily
        kept = await self.ib.reqHistoricalDataAsync(
            self.spy, "", "1800 S", "5 secs", "TRADES", useRTH=True, keepUpToDate=True
        )
        updates = []
        kept.updateEvent += lambda *_: updates.append(1)
        await until(lambda: updates)
        self.ib.cancelHistoricalData(kept)

    async def past(self):
        assert await self.ib.reqHeadTimeStampAsync(self.spy, "TRADES", useRTH=True, formatDate=1)
        start = (await self.ib.reqCurrentTimeAsync()).strftime("%Y%m%d 15:00:00 UTC")
        for what in ("TRADES", "BID_ASK", "MIDPOINT"):
            assert await self.ib.reqHistoricalTicksAsync(self.spy, start, "", 10, what, useRth=True)
        schedule = await self.ib.reqHistoricalScheduleAsync(self.spy, 3)
        assert schedule.sessions
        assert await self.ib.reqHistogramDataAsync(self.spy, True, "1 day")

    async def streams(self):
        ticks = self.ib.reqTickByTickData(self.spy, "BidAsk")
        bars = self.ib.reqRealTimeBars(self.spy, 5, "TRADES", useRTH=True)
        depth = self.ib.reqMktDepth(self.spy, 3)
        await until(lambda: ticks.tickByTicks and bars and depth.domBids and depth.domAsks)
        self.ib.cancelTickByTickData(self.spy, "BidAsk")
        self.ib.cancelRealTimeBars(bars)
        self.ib.cancelMktDepth(self.spy)

    async def reference(self):
        assert await self.ib.reqMatchingSymbolsAsync("SPY")
        assert await self.ib.reqMarketRuleAsync(await self._rule())
        assert await self.ib.reqMktDepthExchangesAsync()
        scan = lib.ScannerSubscription(instrument="STK", locationCode="STK.US.MAJOR", scanCode="MOST_ACTIVE")
        assert await self.ib.reqScannerDataAsync(scan)
        greeks = await self.ib.calculateImpliedVolatilityAsync(self.option, 5.0, self.price)
        assert greeks.impliedVol > 0

    async def _rule(self):
        [found] = await self.ib.reqContractDetailsAsync(self.spy)
        return int(found.marketRuleIds.split(",")[0])

    async def account(self):
        tags = {value.tag for value in self.ib.accountValues()}
        assert tags & ACCOUNT_TAGS, tags
        summary = await self.ib.accountSummaryAsync()
        assert {value.tag for value in summary} >= ACCOUNT_TAGS

    async def profit(self):
        account = self.ib.managedAccounts()[0]
        pnl = self.ib.reqPnL(account)
        await until(lambda: not math.isnan(pnl.dailyPnL))
        self.ib.cancelPnL(account)

    async def place(self):
        self.order = lib.LimitOrder("BUY", 10, 100.0 + OFFSET)
        self.trade = self.ib.placeOrder(self.spy, self.order)
        await until(lambda: self.trade.orderStatus.status == "Submitted")
        assert self.trade.orderStatus.permId

    async def modify(self):
        self.order.lmtPrice = 101.0 + OFFSET
        self.ib.placeOrder(self.spy, self.order)
        number = str(self.order.orderId)
        await until(lambda: any(f[0] == "5" and f[1] == number and _is(f, 101.0) for f in self.frames))

    async def cancel(self):
        self.ib.cancelOrder(self.order)
        await until(lambda: self.trade.orderStatus.status == "Cancelled")

    async def fill(self):
        before = self._held()
        trade = self.ib.placeOrder(self.spy, lib.MarketOrder("BUY", 10))
        await until(lambda: trade.orderStatus.status == "Filled")
        await until(lambda: all(fill.commissionReport.execId for fill in trade.fills))
        await until(lambda: self._held() >= before + 10)
        account = self.ib.managedAccounts()[0]
        single = self.ib.reqPnLSingle(account, "", self.spy.conId)
        await until(lambda: not math.isnan(single.value))
        self.ib.cancelPnLSingle(account, "", self.spy.conId)

    def _held(self):
        return sum(each.position for each in self.ib.positions() if each.contract.symbol == "SPY")

    async def bracket(self):
        orders = self.ib.bracketOrder("BUY", 5, 102.0 + OFFSET, 900.0, 50.0)
        trades = [self.ib.placeOrder(self.spy, order) for order in orders]
        await until(lambda: all(t.orderStatus.status in {"PreSubmitted", "Submitted"} for t in trades))
        await until(lambda: all(t.orderStatus.permId for t in trades))
        self.ib.cancelOrder(orders.parent)
        await until(lambda: all(t.orderStatus.status == "Cancelled" for t in trades))

    async def shapes(self):
        """Orders with algorithm, conditions, group and legs come back as they were sent."""
        order = lib.LimitOrder("BUY", 1, 99.0 + OFFSET)
        order.tif, order.orderRef, order.ocaGroup, order.ocaType = "GTC", "ref-é", f"g{CLIENT_ID}", 1
        order.algoStrategy = "Adaptive"
        order.algoParams = [lib.TagValue("adaptivePriority", "Normal")]
        order.conditions = [
            lib.PriceCondition(conId=self.spy.conId, exch="SMART", isMore=True, price=1.0),
            lib.TimeCondition(isMore=True, time="20200101 00:00:00 UTC"),
            lib.VolumeCondition(conId=self.spy.conId, exch="SMART", isMore=True, volume=1),
        ]
        trade = self.ib.placeOrder(self.spy, order)
        await until(lambda: trade.orderStatus.status in {"PreSubmitted", "Submitted"})
        await self.ib.reqAllOpenOrdersAsync()
        shown = next(t.order for t in self.ib.trades() if t.order.permId == trade.orderStatus.permId)
        assert shown.algoStrategy == "Adaptive"
        assert len(shown.conditions) == 3
        self.ib.cancelOrder(order)
        await until(lambda: trade.orderStatus.status == "Cancelled")

    async def what_if(self):
        state = await self.ib.whatIfOrderAsync(self.spy, lib.LimitOrder("BUY", 10, round(self.price, 2)))
        assert float(state.initMarginChange) > 0
        assert 0 < state.commission < 1e6

    async def reject(self):
        before = len(self.errors)
        self.ib.placeOrder(self.spy, lib.Order(action="BUY", totalQuantity=1, orderType="BOGUS"))
        await until(lambda: 321 in self._codes(before))
        self.ib.placeOrder(self.spy, lib.LimitOrder("BUY", 1, 100.001))
        await until(lambda: 110 in self._codes(before))
        trade = self.ib.placeOrder(self.spy, lib.LimitOrder("BUY", 1, round(self.price * 2, 2)))
        await until(lambda: 201 in self._codes(before))
        if self.ib.client.serverVersion() >= 166:
            assert json.loads(trade.advancedError)["rejects"]

    def _codes(self, start):
        return {code for _, code, _ in self.errors[start:]}

    async def executions(self):
        fills = await self.ib.reqExecutionsAsync()
        assert any(fill.execution.clientId == CLIENT_ID for fill in fills)
        done = await self.ib.reqCompletedOrdersAsync(apiOnly=False)
        statuses = {trade.orderStatus.status for trade in done}
        assert {"Filled", "Cancelled"} <= statuses, statuses

    async def reconnect(self):
        resting = self.ib.placeOrder(self.spy, lib.LimitOrder("BUY", 3, 98.0 + OFFSET, tif="GTC"))
        await until(lambda: resting.orderStatus.status == "Submitted")
        perm_id = resting.orderStatus.permId
        self.ib.disconnect()
        await asyncio.sleep(0.3)
        await self.connect()
        again = next(t for t in self.ib.openTrades() if t.order.permId == perm_id)
        self.ib.cancelOrder(again.order)
        await until(lambda: again.orderStatus.status == "Cancelled")
        await self.ib.qualifyContractsAsync(self.spy)


def _is(fields, price):
    return any(_number(field) == price + OFFSET for field in fields[10:20])


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


async def until(is_true, seconds=15.0):
    """Wait for the condition; a plain loop, for there is no event for it."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not is_true():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain")
        await asyncio.sleep(0.01)


class Notebook:
    """A wrapper that writes down what the decoder tells it."""

    def __init__(self):
        self.ib = SimpleNamespace(TimezoneTWS="UTC", TimezoneTWSName="UTC")
        self.defaultTimezone = None
        self.defaults = SimpleNamespace(timezone=None, emptyPrice=-1, emptySize=0, unset=math.nan)
        self.told = []

    def __getattr__(self, name):
        return lambda *args: self.told.append((name, repr(args)))


def decoded(fields, version):
    """What the library makes of a frame; None when it cannot read it."""
    notebook, failures = Notebook(), []
    decoder = decoding.Decoder(notebook, version)
    decoder.logger = SimpleNamespace(exception=failures.append, error=failures.append)
    decoder.interpret(list(fields))
    return None if failures else notebook.told


def unread(frames, version):
    """Kinds of frame that the decoder cannot read, or from which it does not miss the last field."""
    found = {}
    for fields in {(frame[0], len(frame)): frame for frame in frames}.values():
        whole = decoded(fields, version)
        if whole is None:
            found[fields[0]] = "cannot be read"
        elif len(fields) > 2 and decoded(fields[:-1], version) == whole:
            found[fields[0]] = "last field not read"
    return found


STEPS = [
    "connect",
    "time",
    "details",
    "quotes",
    "snapshot",
    "chain",
    "greeks",
    "history",
    "past",
    "streams",
    "reference",
    "account",
    "profit",
    "place",
    "modify",
    "cancel",
    "fill",
    "bracket",
    "shapes",
    "what_if",
    "reject",
    "executions",
    "reconnect",
]


async def main():
    work, steps = Round(), {}
    for step in STEPS:
        try:
            await getattr(work, step)()
        except Exception as error:
            steps[step] = f"{type(error).__name__}: {error}"[:200]
        else:
            steps[step] = "ok"
        if steps["connect"] != "ok":
            break
    version = work.ib.client.serverVersion() if steps["connect"] == "ok" else 0
    work.ib.disconnect()
    kinds = sorted({int(frame[0]) for frame in work.frames})
    print(json.dumps({
        "version": version,
        "steps": steps,
        "kinds": kinds,
        "frames": len(work.frames),
        "unread": unread(work.frames, version),
        "failures": [str(each) for each in work.failures[:5]],
    }))  # fmt: skip


asyncio.run(main())
