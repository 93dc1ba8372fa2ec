"""Contracts and chains: each looked up once, the answer remembered, also when it is no."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

from ibkeel.errors import AmbiguousContract, NoData, UnknownContract
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.pending import collecting
from ibkeel.ibkr.services import loop_time
from ibkeel.ibkr.translate import details_of, option_class_of, reading, to_ib_contract
from ibkeel.model import Combo, ConId, Contract, ContractDetails, Index, OptionChain, Stock
from ibkeel.resilience import CacheKind, Deadlines, Fresh, Refused, RequestKind

_COMBO_TICK: Final = Decimal("0.01")  # unverified for combos on indices


def key_of(contract: Contract) -> tuple[Contract, ConId | None]:
    """What an answer depends on: the number names a contract for sure, and plays no part in equality."""
    if not isinstance(contract, Contract):
        to_ib_contract(contract)  # refuses it with a sentence
    return contract, contract.con_id


def _told(one: Any) -> str:
    """What tells one of several alike from the others."""
    return f"{one.localSymbol} {one.tradingClass} {one.primaryExchange or one.exchange} {one.currency}"


class Definitions:
    """Looks contracts up."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._day: date | None = None

    def _forget_yesterday(self) -> None:
        """Expiries are listed and trading hours are published anew each day."""
        today = self._link.clock.now().date()
        if self._day is not None and today != self._day:
            self._link.cache.clear()
        self._day = today

    def refuse_known_bad(self, contract: Contract) -> None:
        """Raise what an earlier look-up of the same contract raised; nothing is sent."""
        found = self._link.cache.get(key_of(contract), loop_time())
        if isinstance(found, Refused):
            raise found.as_error()

    def note_refusal(self, contract: Contract, error: UnknownContract | AmbiguousContract) -> None:
        """Remember that the Gateway knows no such contract, or several.

        Not while its definitions farm is broken, for then it may say so of anything.
        """
        if self._link.trusts_definitions():
            remembered = type(error)(f"remembered from an earlier request: {error}", code=error.code)
            self._link.cache.refuse(key_of(contract), remembered, loop_time(), kind=CacheKind.DEFINITIONS)

    def best_known(self, contract: Contract) -> Contract:
        """The contract with its number, when it was looked up before."""
        details = self.known(contract)
        return contract if details is None else details.contract

    def known(self, contract: Contract) -> ContractDetails | None:
        """What an earlier look-up said of a contract."""
        found = self._link.cache.get(key_of(contract), loop_time())
        return found.value if isinstance(found, Fresh) else None

    async def qualify(self, contract: Contract, deadlines: Deadlines) -> ContractDetails:
        """The one contract that fits."""
        if isinstance(contract, Combo):  # it has no definition: its legs carry their own numbers
            return ContractDetails(contract=contract, min_tick=_COMBO_TICK)
        self._forget_yesterday()
        known = self.known(contract)
        if known is not None:
            return known
        self.refuse_known_bad(contract)
        return await self._link.shared(
            ("qualify", *key_of(contract), deadlines.definitions), lambda: self._qualify(contract, deadlines)
        )

    async def _qualify(self, contract: Contract, deadlines: Deadlines) -> ContractDetails:
        try:
            details = await self._look_up(contract, deadlines)
        except (UnknownContract, AmbiguousContract) as error:
            self.note_refusal(contract, error)
            raise
        for key in (key_of(contract), (contract, details.contract.con_id)):
            self._link.cache.put(key, details, loop_time(), kind=CacheKind.DEFINITIONS)
        return details

    async def _look_up(self, contract: Contract, deadlines: Deadlines) -> ContractDetails:
        request_id, ib_contract = self._link.request_id(), to_ib_contract(contract)
        rows = await self._link.requests.ask(
            request_id,
            RequestKind.DEFINITIONS,
            f"the contract {contract}",
            deadline=deadlines.definitions,
            send=lambda: self._link.ib.client.reqContractDetails(request_id, ib_contract),
            heard=collecting("contractDetails"),
        )
        found = list({row[0].contract.conId: row[0] for row in rows}.values())  # a row that came twice is one
        if not found:
            raise UnknownContract(f"the contract {contract}: the Gateway sent no definition", code=200)
        if len(found) > 1:
            some = ", ".join(_told(row.contract) for row in found[:4])
            raise AmbiguousContract(
                f"the contract {contract} fits {len(found)} definitions ({some}...); "
                "name the exchange, currency, primary exchange or trading class",
                code=200,
            )
        with reading(f"the contract {contract}"):
            return details_of(found[0], contract)

    async def option_chain(self, underlying: Stock | Index, deadlines: Deadlines) -> OptionChain:
        """The option classes of an underlying."""
        details = await self.qualify(underlying, deadlines)
        found = self._link.cache.get(("chain", *key_of(underlying)), loop_time())
        if isinstance(found, Fresh):
            chain: OptionChain = found.value
            return chain
        return await self._link.shared(
            ("chain", *key_of(underlying), deadlines.definitions),
            lambda: self._fetch_chain(underlying, details, deadlines),
        )

    async def _fetch_chain(
        self, underlying: Stock | Index, details: ContractDetails, deadlines: Deadlines
    ) -> OptionChain:
        request_id = self._link.request_id()
        kind = "STK" if isinstance(underlying, Stock) else "IND"
        rows = await self._link.requests.ask(
            request_id,
            RequestKind.DEFINITIONS,
            f"the option chain of {underlying}",
            deadline=deadlines.definitions,
            send=lambda: self._link.ib.client.reqSecDefOptParams(
                request_id, underlying.symbol, "", kind, details.contract.con_id
            ),
            heard=collecting("securityDefinitionOptionParameter"),
        )
        if not rows:
            raise NoData(f"{underlying} has no options")
        with reading(f"the option chain of {underlying}"):
            classes = [
                option_class_of(exchange, trading_class, multiplier, expirations, strikes)
                for exchange, _, trading_class, multiplier, expirations, strikes in rows
            ]
        classes.sort(key=lambda row: (row.exchange != "SMART", row.exchange, row.trading_class))
        chain = OptionChain(underlying=underlying, classes=tuple(classes))
        self._link.cache.put(("chain", *key_of(underlying)), chain, loop_time(), kind=CacheKind.CHAINS)
        return chain
