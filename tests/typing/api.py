"""Only type-checked: what users write against the public names must satisfy mypy --strict."""

from ibkeel import BarSpec, Broker, Stock
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Bars, Chains, Direction, MarketData, OptionChain, Quote, Signal
from ibkeel.strategy import Confirmed, Needs, Strategy, StrategyContext
from ibkeel.testing import FakeBroker


async def narrow(data: MarketData) -> Quote:
    return await data.quote(Stock("SPY"))


async def wide(broker: Broker) -> tuple[Bars, OptionChain]:
    spec: BarSpec = BarSpec(duration="1 D", size="5 mins")
    chains: Chains = broker
    return await broker.bars(Stock("SPY"), spec), await chains.option_chain(Stock("SPY"))


async def both(config: IBKRConfig, fake: FakeBroker) -> None:
    brokers: list[Broker] = [IBKRBroker(config), fake]
    async with IBKRBroker(config) as broker:
        patient: IBKRBroker = broker.with_deadline(30.0)
        await narrow(patient)
    for one in brokers:
        await wide(one)


class Never:
    """A strategy of a user."""

    @property
    def name(self) -> str:
        return "never"

    def needs(self) -> Needs:
        return Needs()

    def decide(self, context: StrategyContext) -> Signal:
        return Signal(direction=Direction.NONE)


strategy: Strategy = Never()
composed: Strategy = Confirmed(decides=strategy, confirms=(strategy,))
