"""One common round of work with Interactive Brokers' own Python client; needs nothing but the library.

Prints one JSON object: what each step came to, and the frames of which a decoder left fields unread.
"""

import contextlib
import inspect
import json
import queue
import sys
import threading
import time

import ibapi
from ibapi import decoder as decoding
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.order_condition import PriceCondition, TimeCondition, VolumeCondition
from ibapi.scanner import ScannerSubscription
from ibapi.tag_value import TagValue
from ibapi.wrapper import EWrapper

PORT, CLIENT_ID = int(sys.argv[1]), int(sys.argv[2])
OFFSET = CLIENT_ID / 100  # several clients at once keep their resting orders apart
ALL_TAGS = "NetLiquidation,BuyingPower,TotalCashValue"


class Counted:
    """An iterator over fields that knows how many were not asked for."""

    newest = None

    def __init__(self, fields):
        self.left, self._fields = len(fields), list(fields).__iter__()
        Counted.newest = self

    def __iter__(self):
        return self

    def __next__(self):
        self.left -= 1
        return next(self._fields)


class Inspected:
    """Watches the library's decoder from outside: which frames came, and what it left."""

    def __init__(self):
        self.frames, self.unread, self.failures = 0, {}, []
        self.kinds = set()
        decoding.iter = Counted  # the module finds it before the builtin
        decoding.logger.error = lambda text, *values: self.failures.append(text % values)
        original = decoding.Decoder.interpret

        def interpret(decoder, fields, *number):
            kind = int(number[0] if number else next(iter(fields), 0))
            if not kind:  # it waits for the handshake
                return
            Counted.newest = None
            self.frames += 1
            self.kinds.add(kind)
            try:
                original(decoder, fields, *number)
            except BaseException as error:
                self.failures.append(f"{kind}: {error!r}")
                raise
            if Counted.newest is not None and Counted.newest.left:
                self.unread[str(kind)] = f"{Counted.newest.left} fields left"

        decoding.Decoder.interpret = interpret


class Application(EWrapper, EClient):
    """Keeps every callback, in order, as its name and arguments."""

    def __init__(self):
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.calls = queue.SimpleQueue()


def _kept(name):
    def callback(self, *args, **named):
        self.calls.put((name, (*args, *named.values())))

    return callback


for _name, _ in inspect.getmembers(EWrapper, inspect.isfunction):
    if not _name.startswith(("_", "log")):
        setattr(Application, _name, _kept(_name))


def stock(symbol="SPY"):
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, "STK", "SMART", "USD"
    return contract


def made(action, quantity, kind="LMT", price=0.0, stop=0.0, **others):
    order = Order()
    order.action, order.totalQuantity, order.orderType = action, quantity, kind
    # The oldest of these libraries sets two flags that today's Gateways refuse.
    order.eTradeOnly, order.firmQuoteOnly = False, False
    if price:
        order.lmtPrice = price
    if stop:
        order.auxPrice = stop
    for name, value in others.items():
        setattr(order, name, value)
    return order


class Round:
    """The library, connected, with everything that it was told."""

    def __init__(self):
        self.seen = []
        self.spy, self.option = stock(), None
        self.app, self.thread, self.version = None, None, 0
        self._request = 1000

    # What the steps are made of

    def request(self):
        self._request += 1
        return self._request

    def wait(self, name, fits=lambda *_: True, since=0, seconds=15.0):
        """The first callback of that name whose arguments fit, from `since` on."""
        at, deadline = since, time.monotonic() + seconds
        while True:
            while at < len(self.seen):
                called, args = self.seen[at]
                at += 1
                if called == name and fits(*args):
                    return args
            if self.app.calls.empty() and not self.thread.is_alive():
                raise ConnectionError(f"the library's thread ended before {name}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {name} within {seconds:g} s")
            with contextlib.suppress(queue.Empty):
                self.seen.append(self.app.calls.get(timeout=0.2))

    def drain(self):
        """Take what has come; the place where the next callback will be."""
        while not self.app.calls.empty():
            self.seen.append(self.app.calls.get())
        return len(self.seen)

    def error(self, number, since=0):
        """The code and text of the first error about a request or order."""
        args = self.wait("error", lambda which, *_: which == number, since)
        code = args[2] if isinstance(args[2], int) else args[1]
        return code, args

    def next_id(self):
        self.order_id += 1
        return self.order_id

    def place(self, contract, order, number=None):
        number = number or self.next_id()
        self.app.placeOrder(number, contract, order)
        return number

    def status(self, number, *statuses, since=0):
        return self.wait("orderStatus", lambda which, what, *_: which == number and what in statuses, since)

    def cancelled(self, number):
        """Cancel an order; the call has had three forms."""
        try:
            from ibapi.order_cancel import OrderCancel

            self.app.cancelOrder(number, OrderCancel())
        except ImportError:
            more = len(inspect.signature(EClient.cancelOrder).parameters) - 2
            self.app.cancelOrder(number, *([""] * more))

    # The steps

    def connect(self):
        self.app = Application()
        self.app.connect("127.0.0.1", PORT, CLIENT_ID)
        self.thread = threading.Thread(target=self.app.run, daemon=True)
        self.thread.start()
        here = len(self.seen)
        [self.account_name] = self.wait("managedAccounts", since=here)
        [first] = self.wait("nextValidId", since=here)
        self.order_id = max(first, getattr(self, "order_id", 0))
        self.version = self.app.serverVersion()

    def time(self):
        self.app.reqCurrentTime()
        self.wait("currentTime")
        if self.version >= 197:
            self.app.reqCurrentTimeInMillis()
            self.wait("currentTimeInMillis")

    def details(self):
        number = self.request()
        self.app.reqContractDetails(number, self.spy)
        _, found = self.wait("contractDetails", lambda which, *_: which == number)
        self.wait("contractDetailsEnd", lambda which: which == number)
        assert found.minTick > 0
        self.spy = found.contract
        self.spy.exchange = "SMART"
        self.rule = int(found.marketRuleIds.split(",")[0])

    def quotes(self):
        number = self.request()
        self.app.reqMktData(number, self.spy, "233,236", False, False, [])
        for kind in (1, 2):
            self.wait(
                "tickPrice", lambda which, what, price, *_, k=kind: (which, what) == (number, k) and price > 0
            )
        self.wait("tickSize", lambda which, what, size: (which, what) == (number, 0) and size > 0)
        self.app.cancelMktData(number)

    def snapshot(self):
        number = self.request()
        self.app.reqMktData(number, self.spy, "", True, False, [])
        _, _, self.price, *_ = self.wait("tickPrice", lambda which, what, *_: (which, what) == (number, 2))
        self.wait("tickSnapshotEnd", lambda which: which == number)

    def chain(self):
        number = self.request()
        self.app.reqSecDefOptParams(number, "SPY", "", "STK", self.spy.conId)
        args = self.wait(
            "securityDefinitionOptionParameter",
            lambda which, exchange, *_: (which, exchange) == (number, "SMART"),
        )
        self.wait("securityDefinitionOptionParameterEnd", lambda which: which == number)
        self.option = stock()
        self.option.secType, self.option.right = "OPT", "C"
        self.option.lastTradeDateOrContractMonth = sorted(args[5])[2]
        self.option.strike = min(args[6], key=lambda each: abs(each - self.price))
        number = self.request()
        self.app.reqContractDetails(number, self.option)
        _, found = self.wait("contractDetails", lambda which, *_: which == number)
        self.option = found.contract

    def greeks(self):
        number = self.request()
        self.app.reqMktData(number, self.option, "101,106", False, False, [])
        self.wait(
            "tickOptionComputation", lambda which, kind, *rest: (which, kind) == (number, 13) and _delta(rest)
        )
        self.wait("tickPrice", lambda which, kind, price, *_: (which, kind) == (number, 1) and price > 0)
        self.app.cancelMktData(number)

    def history(self):
        number, here = self.request(), self.drain()
        self.app.reqHistoricalData(number, self.spy, "", "1800 S", "1 min", "TRADES", 1, 1, False, [])
        self.wait("historicalDataEnd", lambda which, *_: which == number)
        bars = [args[1] for name, args in self.seen[here:] if name == "historicalData" and args[0] == number]
        assert len(bars) >= 29, len(bars)
        assert all(bar.low <= bar.close <= bar.high for bar in bars)
        number = self.request()
        self.app.reqHistoricalData(number, self.spy, "", "5 D", "1 day", "MIDPOINT", 1, 2, False, [])
        self.wait("historicalDataEnd", lambda which, *_: which == number)
        number = self.request()
        self.app.reqHistoricalData(number, self.spy, "", "1800 S", "5 secs", "TRADES", 1, 1, True, [])
        self.wait("historicalDataUpdate", lambda which, *_: which == number)
        self.app.cancelHistoricalData(number)

    def past(self):
        number = self.request()
        self.app.reqHeadTimeStamp(number, self.spy, "TRADES", 1, 1)
        self.wait("headTimestamp", lambda which, *_: which == number)
        self.app.cancelHeadTimeStamp(number)
        callbacks = {
            "TRADES": "historicalTicksLast",
            "BID_ASK": "historicalTicksBidAsk",
            "MIDPOINT": "historicalTicks",
        }
        for what, callback in callbacks.items():
            number = self.request()
            self.app.reqHistoricalTicks(number, self.spy, "20260105 15:00:00 UTC", "", 10, what, 1, True, [])
            assert self.wait(callback, lambda which, *_, n=number: which == n)[1]
        if self.version >= 165 and hasattr(EWrapper, "historicalSchedule"):  # else the library refuses to ask
            number = self.request()
            self.app.reqHistoricalData(number, self.spy, "", "3 D", "1 day", "SCHEDULE", 1, 1, False, [])
            self.wait("historicalSchedule", lambda which, *_: which == number)
        number = self.request()
        self.app.reqHistogramData(number, self.spy, True, "1 day")
        assert self.wait("histogramData", lambda which, *_: which == number)[1]

    def streams(self):
        ticks, bars, depth = self.request(), self.request(), self.request()
        self.app.reqTickByTickData(ticks, self.spy, "BidAsk", 0, False)
        self.app.reqRealTimeBars(bars, self.spy, 5, "TRADES", True, [])
        self.app.reqMktDepth(depth, self.spy, 3, False, [])
        self.wait("tickByTickBidAsk", lambda which, *_: which == ticks)
        self.wait("realtimeBar", lambda which, *_: which == bars)
        self.wait("updateMktDepth", lambda which, *_: which == depth)
        self.app.cancelTickByTickData(ticks)
        self.app.cancelRealTimeBars(bars)
        self.app.cancelMktDepth(depth, False)
        smart = self.request()
        self.app.reqMktDepth(smart, self.spy, 3, True, [])
        self.wait("updateMktDepthL2", lambda which, *_: which == smart)
        self.app.cancelMktDepth(smart, True)

    def reference(self):
        number = self.request()
        self.app.reqMatchingSymbols(number, "SPY")
        assert self.wait("symbolSamples", lambda which, *_: which == number)[1]
        self.app.reqMarketRule(self.rule)
        self.wait("marketRule")
        self.app.reqMktDepthExchanges()
        self.wait("mktDepthExchanges")
        number, scan = self.request(), ScannerSubscription()
        scan.instrument, scan.locationCode, scan.scanCode = "STK", "STK.US.MAJOR", "MOST_ACTIVE"
        self.app.reqScannerSubscription(number, scan, [], [])
        self.wait("scannerDataEnd", lambda which: which == number)
        self.app.cancelScannerSubscription(number)
        number = self.request()
        self.app.calculateImpliedVolatility(number, self.option, 5.0, self.price, [])
        self.wait("tickOptionComputation", lambda which, *_: which == number)

    def account(self):
        self.app.reqAccountUpdates(True, self.account_name)
        self.wait("accountDownloadEnd")
        self.app.reqAccountUpdates(False, self.account_name)
        assert any(name == "updateAccountValue" and args[0] == "NetLiquidation" for name, args in self.seen)
        number = self.request()
        self.app.reqAccountSummary(number, "All", ALL_TAGS)
        self.wait("accountSummaryEnd", lambda which: which == number)
        self.app.cancelAccountSummary(number)
        number = self.request()
        self.app.reqAccountUpdatesMulti(number, self.account_name, "", True)
        self.wait("accountUpdateMultiEnd", lambda which: which == number)
        self.app.cancelAccountUpdatesMulti(number)

    def profit(self):
        number = self.request()
        self.app.reqPnL(number, self.account_name, "")
        self.wait("pnl", lambda which, *_: which == number)
        self.app.cancelPnL(number)

    def place_order(self):
        self.resting = self.place(self.spy, made("BUY", 10, price=100.0 + OFFSET))
        assert self.status(self.resting, "Submitted")[5], "no permanent id"

    def modify(self):
        price = 101.0 + OFFSET
        self.place(self.spy, made("BUY", 10, price=price), self.resting)
        self.wait("openOrder", lambda which, _, order, *__: which == self.resting and order.lmtPrice == price)

    def cancel(self):
        self.cancelled(self.resting)
        self.status(self.resting, "Cancelled")
        assert self.error(self.resting)[0] == 202

    def fill(self):
        number = self.place(self.spy, made("BUY", 10, "MKT"))
        self.status(number, "Filled")
        _, _, execution = self.wait("execDetails", lambda _, __, done: done.orderId == number)
        report = "commissionReport" if hasattr(EWrapper, "commissionReport") else "commissionAndFeesReport"
        self.wait(report, lambda told: told.execId == execution.execId)
        here = self.drain()
        self.app.reqPositions()
        self.wait("position", lambda _, contract, held, *__: contract.symbol == "SPY" and held >= 10, here)
        self.wait("positionEnd")
        self.app.cancelPositions()
        multi = self.request()
        self.app.reqPositionsMulti(multi, self.account_name, "")
        self.wait("positionMultiEnd", lambda which: which == multi)
        single = self.request()
        self.app.reqPnLSingle(single, self.account_name, "", self.spy.conId)
        self.wait("pnlSingle", lambda which, *_: which == single)
        self.app.cancelPnLSingle(single)

    def bracket(self):
        parent = made("BUY", 5, price=102.0 + OFFSET, transmit=False)
        numbers = [self.place(self.spy, parent)]
        exits = (
            made("SELL", 5, price=900.0, parentId=numbers[0], transmit=False),
            made("SELL", 5, "STP", stop=50.0, parentId=numbers[0]),
        )
        numbers += [self.place(self.spy, order) for order in exits]
        for number in numbers:
            self.status(number, "PreSubmitted", "Submitted")
        self.cancelled(numbers[0])
        for number in numbers:
            self.status(number, "Cancelled")

    def shapes(self):
        """Orders with algorithm, conditions and group come back as they were sent."""
        order = made(
            "BUY", 1, price=99.0 + OFFSET, tif="GTC", orderRef="ref", ocaGroup=f"g{CLIENT_ID}", ocaType=1
        )
        order.algoStrategy, order.algoParams = "Adaptive", [TagValue("adaptivePriority", "Normal")]
        price, moment, volume = PriceCondition(), TimeCondition(), VolumeCondition()
        price.conId, price.exchange, price.isMore, price.price = self.spy.conId, "SMART", True, 1.0
        price.triggerMethod = 0
        moment.isMore, moment.time = True, "20200101 00:00:00 UTC"
        volume.conId, volume.exchange, volume.isMore, volume.volume = self.spy.conId, "SMART", True, 1
        order.conditions = [price, moment, volume]
        number = self.place(self.spy, order)
        self.status(number, "PreSubmitted", "Submitted")
        here = self.drain()
        self.app.reqAllOpenOrders()
        _, _, shown, _ = self.wait(
            "openOrder", lambda which, _, told, *__: which == number and told.clientId == CLIENT_ID, here
        )
        assert shown.algoStrategy == "Adaptive"
        assert len(shown.conditions) == 3
        self.wait("openOrderEnd", since=here)
        self.cancelled(number)
        self.status(number, "Cancelled")

    def what_if(self):
        number = self.place(self.spy, made("BUY", 10, price=round(self.price, 2), whatIf=True))
        *_, state = self.wait("openOrder", lambda which, *_: which == number)
        assert float(state.initMarginChange) > 0

    def reject(self):
        assert self.error(self.place(self.spy, made("BUY", 1, "BOGUS")))[0] == 321
        assert self.error(self.place(self.spy, made("BUY", 1, price=100.001)))[0] == 110
        code, args = self.error(self.place(self.spy, made("BUY", 1, price=round(self.price * 2, 2))))
        assert code == 201
        if self.version >= 166:
            assert json.loads(args[-1])["rejects"]

    def executions(self):
        number, wanted = self.request(), ExecutionFilter()
        self.app.reqExecutions(number, wanted)
        self.wait("execDetails", lambda which, *_: which == number)
        self.wait("execDetailsEnd", lambda which: which == number)
        here = self.drain()
        self.app.reqCompletedOrders(False)
        self.wait("completedOrdersEnd", since=here)
        done = {args[2].status for name, args in self.seen[here:] if name == "completedOrder"}
        assert {"Filled", "Cancelled"} <= done, done

    def reconnect(self):
        number = self.place(self.spy, made("BUY", 3, price=98.0 + OFFSET, tif="GTC"))
        perm_id = self.status(number, "Submitted")[5]
        self.app.disconnect()
        self.thread.join(timeout=10)
        time.sleep(1.5)  # the library's reader thread holds its socket for about a second
        self.connect()
        here = self.drain()
        self.app.reqOpenOrders()
        self.wait("openOrder", lambda which, _, order, *__: order.permId == perm_id, here)
        self.cancelled(number)
        self.status(number, "Cancelled", since=here)


def _delta(rest):
    """Whether a computation has a delta; an attribute before it is not sent to the oldest library."""
    return any(isinstance(each, float) and 0 < each < 1 for each in rest[:3])


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


def main():
    inspected, work, steps = Inspected(), Round(), {}
    for step in STEPS:
        try:
            getattr(work, "place_order" if step == "place" else step)()
        except Exception as error:
            steps[step] = f"{type(error).__name__}: {error}"[:200]
        else:
            steps[step] = "ok"
        if steps["connect"] != "ok":
            break
    work.app.disconnect()
    print(json.dumps({
        "version": work.version,
        "steps": steps,
        "kinds": sorted(inspected.kinds),
        "frames": inspected.frames,
        "unread": inspected.unread,
        "failures": inspected.failures[:5],
        "library": ibapi.__version__ if hasattr(ibapi, "__version__") else "",
    }))  # fmt: skip


main()
