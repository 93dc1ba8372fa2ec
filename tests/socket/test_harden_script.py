"""A program that does not await, with and without `harden`, against a Gateway in another thread."""

import subprocess
import sys

from ibkeel.ibkr.library import LIBRARY

PROGRAM = """
import sys
from LIBRARY import IB, LimitOrder, Stock

ib = IB()
HARDEN
ib.connect("127.0.0.1", int(sys.argv[1]), clientId=3)
[spy] = ib.qualifyContracts(Stock("SPY", "SMART", "USD"))
none = ib.reqContractDetails(Stock("NOSUCH", "SMART", "USD"))
bars = ib.reqHistoricalData(spy, "20260105 10:30:00 US/Eastern", "3600 S", "1 min", "TRADES", True)
chain = next(c for c in ib.reqSecDefOptParams("SPY", "", "STK", spy.conId) if c.exchange == "SMART")
[ticker] = ib.reqTickers(spy)
trade = ib.placeOrder(spy, LimitOrder("BUY", 10, round(ticker.ask + 1, 2)))
while not trade.isDone():
    ib.waitOnUpdate(timeout=5)
stream = ib.reqMktData(spy)
ib.sleep(0.1)
ib.cancelMktData(spy)
print(none, [(bar.date, bar.close) for bar in bars], sorted(chain.expirations), trade.orderStatus.status)
print([(position.contract.symbol, position.position) for position in ib.positions()])
AFTERWARDS
ib.disconnect()
"""

BURST = """
from time import monotonic
from ibkeel.errors import UnknownContract
sent, write = [], ib.client.conn.transport.write

def counted(data):
    sent.append(monotonic())
    write(data)

ib.client.conn.transport.write = counted
details = [ib.reqContractDetailsAsync(spy) for _ in range(120)]  # written while no loop runs
while not all(answer.done() for answer in details):
    ib.sleep(0.1)
try:
    with hardened.strict():
        ib.reqContractDetails(Stock("NOSUCH", "SMART", "USD"))
except UnknownContract as error:
    print("raised", hardened.counts["reqContractDetails"], len(hardened.failures))
print(ib.run(hardened.health()).grade.value, hardened.open_lines)
print(len(sent), max(sum(at <= other < at + 1 for other in sent) for at in sent))
"""

TWO_LOOPS = """
import asyncio, sys
from LIBRARY import IB, Stock

ib = IB()
HARDEN

async def look():
    await ib.connectAsync("127.0.0.1", int(sys.argv[1]), clientId=3)
    ib.disconnect()
    await asyncio.sleep(0.1)

asyncio.run(look())
asyncio.set_event_loop(asyncio.new_event_loop())
ib.connect("127.0.0.1", int(sys.argv[1]), clientId=3)
[spy] = ib.qualifyContracts(Stock("SPY", "SMART", "USD"))
stream = ib.reqMktData(spy)  # written while no loop runs
ib.sleep(0.5)
print(stream.bid > 0)
ib.disconnect()
"""

HARDEN = "from ibkeel.ibkr import harden; hardened = harden(ib)"


def output_of(served, harden="", afterwards="", program=PROGRAM):
    code = program.replace("HARDEN", harden).replace("AFTERWARDS", afterwards).replace("LIBRARY", LIBRARY)
    ran = subprocess.run(
        [sys.executable, "-c", code, str(served.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_program_that_does_not_await_gets_the_same_and_keeps_the_limits(served):
    plain = output_of(served)
    held = served.gateway.venue.positions()[0].quantity
    hardened = output_of(served, HARDEN, BURST)

    assert plain[0].endswith("Filled")
    assert hardened[0] == plain[0]
    assert (plain[1], hardened[1]) == (f"[('SPY', {held:.1f})]", f"[('SPY', {2 * held:.1f})]")
    assert hardened[2:4] == ["raised 123 2", "ok {}"]
    # Counted where they are sent: what a busy machine delivers late comes in heaps.
    messages, most_in_a_second = map(int, hardened[4].split())
    assert messages > 120
    assert most_in_a_second <= 50


def test_a_program_may_await_first_and_then_go_on_without(served):
    assert output_of(served, program=TWO_LOOPS) == ["True"]
    assert output_of(served, HARDEN, program=TWO_LOOPS) == ["True"]
