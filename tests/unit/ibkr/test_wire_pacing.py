"""Every message of an IB object waits for its turn at the wire."""

import asyncio
from types import SimpleNamespace

import pytest

from ibkeel.errors import NotConnected
from ibkeel.guards import gateway_rules
from ibkeel.ibkr.client import Tap, library
from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import About, Effect
from ibkeel.ibkr.wire_pacing import WirePacer
from ibkeel.resilience import Lane, Request, Rule
from ibkeel.telemetry import PacingHeld, PacingWaited
from ibkeel.virtual import virtual_clock

SPY = library.Stock("SPY", "SMART", "USD")


class Wire:
    """An IB object whose bytes are kept, with the times at which they left."""

    def __init__(self, rules=None, *, margin=0.0):
        # Not the client of the IB object itself, which would say good-bye when it is thrown away.
        self.wrapper = library.IB().wrapper
        self.client = library.client.Client(self.wrapper)
        self.ib = SimpleNamespace(client=self.client, wrapper=self.wrapper)
        self.client.conn = SimpleNamespace(sendMsg=self._sent)
        self.client.connState = self.client.CONNECTED
        self.client._serverVersion = 176
        self.sent, self.told = [], []
        self.tap = Tap(self.wrapper)
        self.pacer = WirePacer(
            self.ib,
            self.tap,
            gateway_rules() if rules is None else rules,
            clock=virtual_clock(),
            observer=self,
            ends=lambda code, text: ERROR_TABLE.find(code, text, About.REQUEST).effect is Effect.ENDS,
            margin=margin,
        )
        self.pacer.begin()

    def _sent(self, data):
        self.sent.append((asyncio.get_running_loop().time(), data[4:].decode().split("\0")))

    def on_event(self, event):
        self.told.append(event)

    def quote(self, key):
        self.client.reqMktData(key, SPY, "", False, False, [])

    def bars(self, key, size="5 secs"):
        self.client.reqHistoricalData(key, SPY, "", "60 S", size, "TRADES", True, 2, False, [])

    def numbers(self):
        return [fields[0] for _, fields in self.sent]


def few(limit=3):
    return [Rule(name="messages", limit=limit, seconds=1.0, source="a test")]


async def test_no_more_leave_in_any_second_than_the_rule_says():
    wire = Wire()
    for key in range(200):
        wire.client.reqContractDetails(key, SPY)
    await asyncio.sleep(10)

    times = [at for at, _ in wire.sent]
    assert len(times) == 200
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[44:], strict=False))


async def test_what_waited_is_told():
    wire = Wire(few(1))
    wire.quote(1)
    wire.client.reqCurrentTime()
    await asyncio.sleep(2)

    [event] = wire.told
    assert isinstance(event, PacingWaited)
    assert "messages" in event.rule
    assert event.seconds == pytest.approx(1.0, abs=1e-3)


async def test_a_cancel_of_an_order_overtakes_requests_for_data():
    wire = Wire()
    for key in range(400):
        wire.client.reqContractDetails(key, SPY)
    wire.client.cancelOrder(5, "")

    assert wire.numbers()[-1] == "4"


async def test_a_cancel_takes_back_what_still_waits_and_neither_leaves():
    wire = Wire(few(1))
    wire.client.reqCurrentTime()
    wire.quote(1)
    wire.client.cancelMktData(1)
    await asyncio.sleep(5)

    assert wire.numbers() == ["49"]
    assert wire.pacer.waiting() == ()


async def test_what_was_given_up_does_not_wait_any_more():
    wire = Wire(few(1))
    wire.client.reqCurrentTime()
    order = wire.pacer.sent_by(lambda: wire.client.placeOrder(9, SPY, library.LimitOrder("BUY", 1, 1.0)))
    waited = wire.pacer.holds_order(9)
    order.end()

    assert (waited, wire.pacer.holds_order(9)) == (True, False)


async def test_a_cancel_of_all_orders_takes_back_no_question():
    wire = Wire(few())
    for key in range(3):
        wire.bars(key)
    wire.client.placeOrder(7, SPY, library.LimitOrder("BUY", 1, 1.0))
    wire.bars(8)

    wire.client.reqGlobalCancel()
    await asyncio.sleep(10)

    left = [fields[:2] for _, fields in wire.sent if fields[0] in {"3", "4", "20", "58"}]
    assert left.count(["3", "7"]) == left.count(["4", "1"]) <= 1  # the order, and its own cancel after it
    assert [fields[0] for fields in left].count("20") == 4
    assert [fields[0] for fields in left].count("58") == 1


async def test_what_the_librarys_own_timer_says_sends_nothing():
    wire = Wire()

    wire.client.sendMsg("")
    await asyncio.sleep(1)

    assert (wire.sent, wire.pacer.counts) == ([], {})


async def test_a_cancel_never_overtakes_its_order():
    wire = Wire(few(1))
    wire.client.reqCurrentTime()
    wire.client.placeOrder(9, SPY, library.LimitOrder("BUY", 1, 1.0))
    wire.client.cancelOrder(9, "")
    await asyncio.sleep(5)

    assert wire.numbers() == ["49", "3", "4"]


async def test_lines_are_given_back_when_the_cancel_has_left():
    lines = Rule(
        name="lines",
        limit=1,
        seconds=None,
        source="a test",
        key=lambda request: "" if request.kind == "market data" else None,
    )
    wire = Wire([lines])
    wire.quote(1)
    wire.quote(2)
    assert wire.numbers() == ["1"]
    wire.client.cancelMktData(1)
    await asyncio.sleep(1)

    assert wire.numbers() == ["1", "2", "1"]


@pytest.mark.parametrize(
    "end",
    [
        lambda wire: wire.wrapper.historicalDataEnd(1, "", ""),
        lambda wire: wire.wrapper.error(1, 162, "HMDS query returned no data", ""),
        lambda wire: wire.client.cancelHistoricalData(1),
        lambda wire: wire.client.reset(),
    ],
)
async def test_an_open_history_ends_with_its_answer_its_error_its_cancel_or_the_session(end):
    wire = Wire(
        [Rule(name="open", limit=1, seconds=None, source="a test", key=lambda r: r.kind == "history" or None)]
    )
    wire.bars(1)
    end(wire)
    wire.client.connState = wire.client.CONNECTED
    wire.bars(2, "10 secs")
    await asyncio.sleep(1)

    assert wire.numbers().count("20") == 2


async def test_a_warning_ends_nothing():
    wire = Wire(
        [Rule(name="open", limit=1, seconds=None, source="a test", key=lambda r: r.kind == "history" or None)]
    )
    wire.bars(1)
    wire.wrapper.error(1, 2106, "HMDS data farm connection is OK:ushmds", "")
    wire.bars(2, "10 secs")
    await asyncio.sleep(1)

    assert wire.numbers().count("20") == 1


async def test_a_session_that_ends_gives_up_what_waits():
    wire = Wire(few(1))
    wire.client.reqCurrentTime()
    outgoing = wire.pacer.sent_by(lambda: wire.quote(1))
    waiting = asyncio.create_task(outgoing.sent(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0.1)
    wire.client.reset()

    with pytest.raises(NotConnected, match="nothing was sent"):
        await waiting
    await asyncio.sleep(5)
    assert wire.numbers() == ["49"]


async def test_windows_outlive_the_session():
    wire = Wire(few(2))
    wire.client.reqCurrentTime()
    wire.client.reqCurrentTime()
    wire.client.reset()
    wire.client.connState = wire.client.CONNECTED
    wire.client.reqCurrentTime()
    await asyncio.sleep(5)

    assert wire.sent[2][0] - wire.sent[0][0] >= 1.0


async def test_windows_survive_a_restart_of_the_program():
    before, after = Wire(few(2)), Wire(few(2))
    before.client.reqCurrentTime()
    before.client.reqCurrentTime()
    after.pacer.restore(before.pacer.saved())
    after.client.reqCurrentTime()
    await asyncio.sleep(5)

    assert after.sent[0][0] >= 1.0


async def test_it_says_in_words_who_waits_for_what():
    wire = Wire(few(1))
    wire.client.reqCurrentTime()
    wire.quote(1)

    [line] = wire.pacer.waiting()
    assert line.startswith("market data of SPY STK on SMART waits for messages")
    assert "messages" in wire.pacer.explain(Request(kind="message"))


async def test_it_says_how_long_one_more_would_wait():
    wire = Wire(few(10))
    for key in range(60):
        wire.client.reqContractDetails(key, SPY)

    [line] = wire.pacer.queues()
    assert line.startswith("50 of message wait; one more: ")
    assert "waits about 6.000 s, 50 ahead" in line


async def test_it_names_the_limits_that_hold_one_more_back_and_no_field_of_the_wire():
    wire = Wire()
    for key in range(8):
        wire.client.reqHistoricalData(
            key, SPY, "", f"{60 + 5 * key} S", "5 secs", "TRADES", True, 2, False, []
        )

    [line] = wire.pacer.queues()

    assert line == (
        "3 of history wait; one more: history of a contract (5 in 2 s) for SPY STK on SMART TRADES: "
        "5 used, waits about 2.000 s, 3 ahead"
    )


async def test_a_history_that_is_identical_is_named_in_words():
    wire = Wire()
    wire.bars(1)
    wire.bars(2)

    [line] = wire.pacer.queues()

    assert "identical history (1 in 15 s) for 0 SPY STK 0.0 SMART USD" in line
    assert line.isprintable()


async def test_it_knows_the_limit_that_it_waits_for_now_and_the_one_that_held_it_back_first():
    def per_kind(name, limit, seconds):
        return Rule(name=name, limit=limit, seconds=seconds, source="a test")

    wire = Wire([per_kind("narrow", 1, 5.0), per_kind("broad", 2, 60.0)])
    wire.quote(1)
    wire.quote(2)
    outgoing = [wire.pacer.sent_by(lambda key=key: wire.quote(key)) for key in (3, 4)]
    await asyncio.sleep(30)

    assert outgoing[0].waited_for == "narrow (1 in 5 s)"
    assert outgoing[0].waits_for == "broad (2 in 60 s)"


async def test_a_limit_that_the_gateway_reached_first_is_held_but_for_closing_orders():
    wire = Wire()
    wire.pacer.hold("messages")
    wire.quote(1)
    wire.client.placeOrder(2, SPY, library.LimitOrder("BUY", 1, 1.0))
    with wire.pacer.lane(Lane.CLOSING):
        wire.client.placeOrder(3, SPY, library.LimitOrder("SELL", 1, 1.0))
    at_once = list(wire.numbers())
    await asyncio.sleep(2)

    assert at_once == ["3"]
    assert sorted(wire.numbers()) == ["1", "3", "3"]


async def test_the_library_gets_its_own_sending_back():
    wire = Wire(few(1))
    wire.pacer.release()

    assert "sendMsg" not in vars(wire.client)
    assert wire.client.MaxRequests == type(wire.client).MaxRequests


async def test_messages_are_counted_by_name():
    wire = Wire()
    wire.quote(1)
    wire.client.cancelMktData(1)
    wire.client.reqCurrentTime()

    assert wire.pacer.counts == {"reqMktData": 1, "cancelMktData": 1, "reqCurrentTime": 1}


async def test_budgets_and_queues_are_told_as_figures():
    wire = Wire(few(2))
    for key in range(4):
        wire.quote(key)
    await asyncio.sleep(0.5)

    (budget,), (queue,) = wire.pacer.budgets(), wire.pacer.states()

    assert (budget.rule, budget.used, budget.limit, budget.seconds) == ("messages", 2, 2, 1.0)
    assert (queue.kind, queue.waiting, queue.oldest) == ("market data", 2, pytest.approx(0.5, abs=1e-3))
    assert queue.waits_for.startswith("messages")


async def test_a_limit_that_the_gateway_says_was_passed_is_told():
    wire = Wire(few(2))

    wire.pacer.hold("messages")

    assert [event.rule for event in wire.told if isinstance(event, PacingHeld)] == ["messages"]
    assert wire.pacer.budgets()[0].used == 2
