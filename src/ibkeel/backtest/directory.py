"""Contracts of the model and of the simulated market, each told as the other."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, get_args

from ibkeel.errors import AmbiguousContract, NoData, UnknownContract
from ibkeel.model import (
    ConId,
    Contract,
    ContractDetails,
    Index,
    Option,
    OptionChain,
    OptionClass,
    OtherContract,
    Right,
    Stock,
    TradingHours,
)
from ibkeel.sim.values import ContractPattern, Market, SimContract
from ibkeel.validators import expect

_AHEAD: Final = timedelta(days=7)
_NO_DEFINITION: Final = 200


class Directory:
    """Finds what a contract of the model is in a market, and remembers how it was called."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._found: dict[Contract, SimContract] = {}
        self._names: dict[int, Contract] = {}

    def find(self, contract: Contract) -> SimContract:
        """The one listed contract that fits."""
        known = self._found.get(contract)
        if known is not None:
            return known
        expect(contract, *get_args(Contract))
        rows = self._market.find(_pattern(contract))
        if not rows:
            raise UnknownContract(f"the market does not list {contract}", code=_NO_DEFINITION)
        if len(rows) > 1:
            raise AmbiguousContract(
                f"{contract} fits {len(rows)} listed contracts; name its trading class", code=_NO_DEFINITION
            )
        self._found[contract] = rows[0]
        self._names.setdefault(rows[0].con_id, contract)
        return rows[0]

    def name(self, listed: SimContract) -> Contract:
        """A listed contract as it was first asked for, else by all its fields."""
        if listed.con_id not in self._names:
            self._names[listed.con_id] = _contract(listed)
        return self._names[listed.con_id]

    def details(self, contract: Contract, now: datetime) -> ContractDetails:
        """The definition of a contract, with the hours of the days from `now` on."""
        listed = self.find(contract)
        sessions = self._market.sessions(now.date(), (now + _AHEAD).date())
        hours = tuple(TradingHours(opens_at=row.opens_at, closes_at=row.closes_at) for row in sessions)
        return ContractDetails(
            contract=_contract(listed),
            long_name=listed.long_name,
            min_tick=Decimal(str(listed.min_tick)),
            timezone=listed.timezone,
            liquid_hours=hours,
            under_con_id=ConId(listed.under_con_id) if listed.under_con_id else None,
            last_trading_day=listed.last_trading_day or listed.expiry,
        )

    def chain(self, underlying: Stock | Index) -> OptionChain:
        """The option classes of an underlying."""
        rows = self._market.option_classes(self.find(underlying).con_id)
        if not rows:
            raise NoData(f"{underlying} has no options")
        classes = tuple(
            OptionClass(
                trading_class=row.trading_class,
                exchange=row.exchange,
                multiplier=row.multiplier,
                expiries=row.expiries,
                strikes=tuple(Decimal(str(strike)) for strike in row.strikes),
            )
            for row in rows
        )
        return OptionChain(underlying=underlying, classes=classes)


def _pattern(contract: Contract) -> ContractPattern:
    match contract:
        case Stock():
            return ContractPattern(
                symbol=contract.symbol, sec_type="STK", primary_exchange=contract.primary_exchange
            )
        case Index():
            return ContractPattern(symbol=contract.symbol, sec_type="IND")
        case Option():
            return ContractPattern(
                symbol=contract.underlying,
                sec_type="OPT",
                expiry=f"{contract.expiry:%Y%m%d}",
                strike=float(contract.strike),
                right=contract.right.value,
                trading_class=contract.trading_class,
            )
        case _:
            raise UnknownContract(
                f"{contract}: the market lists stocks, indices and options", code=_NO_DEFINITION
            )


def _contract(listed: SimContract) -> Contract:
    number = ConId(listed.con_id)
    if listed.sec_type == "STK":
        return Stock(
            listed.symbol,
            exchange=listed.exchange,
            primary_exchange=listed.primary_exchange,
            currency=listed.currency,
            con_id=number,
        )
    if listed.sec_type == "IND":
        return Index(listed.symbol, exchange=listed.exchange, currency=listed.currency, con_id=number)
    if listed.expiry is None:
        return OtherContract(listed.symbol, kind=listed.sec_type, con_id=number)
    return Option(
        listed.symbol,
        listed.expiry,
        Decimal(str(listed.strike)),
        Right(listed.right),
        trading_class=listed.trading_class,
        multiplier=listed.multiplier,
        exchange=listed.exchange,
        currency=listed.currency,
        con_id=number,
    )
