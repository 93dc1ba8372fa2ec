"""Plain ib_insync (or ib_async) against `ibkeel sim serve --port 4902`: no ibkeel in here."""

from ib_insync import IB, LimitOrder, Stock

ib = IB()
ib.connect("127.0.0.1", 4902, clientId=1)
spy = Stock("SPY", "SMART", "USD")
[ticker] = ib.reqTickers(*ib.qualifyContracts(spy))
bars = ib.reqHistoricalData(spy, "", "3600 S", "1 min", "TRADES", useRTH=True)
chain = next(c for c in ib.reqSecDefOptParams("SPY", "", "STK", spy.conId) if c.exchange == "SMART")
print(f"SPY {ticker.bid} x {ticker.ask}; {len(bars)} bars; {len(chain.expirations)} expiries")
trade = ib.placeOrder(spy, LimitOrder("BUY", 10, round(ticker.ask + 0.05, 2)))
ib.sleep(2)
print(trade.orderStatus.status, [fill.execution.price for fill in trade.fills])
ib.disconnect()
