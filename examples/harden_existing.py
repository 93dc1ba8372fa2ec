"""A plain ib_insync (or ib_async) program, hardened by one line, on `ibkeel sim serve --port 4902`."""

import asyncio

from ib_insync import IB, Stock

from ibkeel.errors import RequestFailed
from ibkeel.ibkr import harden

ib = IB()
hardened = harden(ib)
ib.connect("127.0.0.1", 4902, clientId=3)
spy = Stock("SPY", "SMART", "USD")
ib.qualifyContracts(spy)
ib.run(asyncio.gather(*[ib.reqContractDetailsAsync(spy) for _ in range(150)]))
print(f"{sum(hardened.counts.values())} messages left, none above the rate of the Gateway")

nothing = ib.reqContractDetails(Stock("NOSUCH", "SMART", "USD"))
print(f"the library returned {nothing}; the reason: {hardened.last_error()}")
try:
    with hardened.strict():
        ib.reqContractDetails(Stock("NOSUCH", "SMART", "USD"))
except RequestFailed as error:
    print(f"strictly, it is {type(error).__name__}")
print(f"health: {ib.run(hardened.health()).grade}")
ib.disconnect()
