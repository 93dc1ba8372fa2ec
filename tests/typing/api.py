"""Only type-checked: what users write against the public names must satisfy mypy --strict and pyright.

What they mistake must not: an `ignore` that nothing needs any more is an error of both.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from datetime import date, datetime
from decimal import Decimal
from typing import assert_type

from ibkeel import BarSpec, Broker, Option, OrderTicket, Right, Stock
from ibkeel.guards import CircuitBreaker
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import Entry, Intent, Journal, OrderUpdate, Record
from ibkeel.model import Bars, Chains, ContractDetails, Direction, MarketData, OptionChain, Quote, Signal
from ibkeel.options import (
    GreekColumns,
    Structure,
    broker_net_greeks,
    candidates_of,
    closing,
    greeks,
    leg_risks,
    nearest_strikes,
    out_of_the_money,
)
from ibkeel.orders import round_to_tick
from ibkeel.sim.faults import Unanswered
from ibkeel.strategy import Confirmed, Needs, Strategy, StrategyContext
from ibkeel.system import SystemClock
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


def told(entry: Entry) -> datetime:
    return entry.record.at


def read(journal: Journal) -> str:
    for entry in journal.events(OrderUpdate):
        assert_type(entry.record, OrderUpdate)
        told(entry)
    last = journal.last(Intent)
    assert_type(last, Entry[Intent] | None)
    assert_type(next(journal.events("intent")).record, Record)
    assert_type(next(journal.events()).record, Record)
    return last.record.reason if last else ""


def priced(chain: OptionChain, quote: Quote) -> GreekColumns:
    option = Option("SPY", date(2026, 1, 16), 600, Right.CALL)
    spot = quote.mid or 600.0
    near = nearest_strikes(chain.strikes, spot, 3)
    out_of_the_money(option.strike, spot, option.right)
    greeks(0.2, spot=spot, strike=chain.strikes, years=0.1, right="C")
    greeks(0.2, spot=spot, strike=list(near), years=0.1, right="C")
    return greeks(0.2, spot=spot, strike=option.strike, years=0.1, right=option.right)


breakers = [
    CircuitBreaker("mine", clock=SystemClock()),
    CircuitBreaker("mine", clock=SystemClock().monotonic),
]


def of_options_alone(condor: Structure, quotes: dict[Option, Quote], today: date) -> Structure:
    candidates_of([*quotes], quotes, spot=600.0)
    leg_risks(condor, quotes, spot=600.0, today=today)
    broker_net_greeks(condor, quotes, spot=600.0)
    return closing(condor.priced(quotes), quotes)


async def ordered(broker: Broker, condor: Structure, step: Decimal) -> OrderTicket:
    details = {leg.contract: await broker.qualify(leg.contract) for leg in condor.legs}
    assert_type(details, dict[Option | Stock, ContractDetails])
    limit = round_to_tick(condor.net.per_share, ticks=step, side="BUY", is_combo=True)
    return OrderTicket(
        contract=condor.combo(details), side="BUY", quantity=1, order_type="LMT", limit_price=limit, tif="GTC"
    )


def mistaken(bars: Bars) -> tuple[object, ...]:
    from ibkeel import Sotck  # type: ignore[attr-defined]
    from ibkeel.ibkr import IBKRBrokr  # type: ignore[attr-defined]
    from ibkeel.testing import FakeBrokr  # type: ignore[attr-defined]

    ticket = OrderTicket(contract=Stock("SPY"), side=-1, quantity=1)  # type: ignore[arg-type]
    option = Option("SPY", date(2026, 1, 16), Right.CALL, 600)  # type: ignore[arg-type]
    BarSpec(end="2024-03-04")  # type: ignore[arg-type]
    Unanswered(when_request="historical_data", duration="60")  # type: ignore[arg-type]
    return Sotck, IBKRBrokr, FakeBrokr, ticket, option, {bars}  # pyright: ignore[reportUnhashable]
