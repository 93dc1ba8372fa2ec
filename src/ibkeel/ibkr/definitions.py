"""Contracts and chains: each looked up once, the answer remembered, also when it is no."""

from datetime import date, datetime, timedelta
from typing import Any, Final

import attrs

from ibkeel.errors import AmbiguousContract, NoData, UnknownContract
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.requests import Pending
from ibkeel.ibkr.translate import contract_of, details_of, option_class_of, to_ib_contract
from ibkeel.model import Contract, ContractDetails, Index, OptionChain, Stock
from ibkeel.resilience import Deadlines, RequestKind

__all__ = ["Definitions"]

_REFUSAL_LASTS: Final = timedelta(minutes=10)  # a farm that is down can say 200 too


def _collect(end: str) -> Any:
    def heard(pending: Pending, message: str, args: tuple[Any, ...]) -> None:
        if message == end:
            pending.finish(pending.rows)
        else:
            pending.rows.append(args)

    return heard


@attrs.frozen(kw_only=True)
class _Refusal:
    kind: type[UnknownContract] | type[AmbiguousContract]
    text: str
    at: datetime


class Definitions:
    """Looks contracts up.

    Args:
        link: The session.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._day: date | None = None
        self._known: dict[Contract, ContractDetails] = {}
        self._refused: dict[Contract, _Refusal] = {}
        self._chains: dict[Stock | Index, OptionChain] = {}

    def _forget_yesterday(self) -> None:
        """Expiries are listed and trading hours are published anew each day."""
        today = self._link.clock.now().date()
        if today != self._day:
            self._day = today
            self._known.clear()
            self._chains.clear()

    def refuse_known_bad(self, contract: Contract) -> None:
        """Raise what an earlier look-up of the same contract raised; nothing is sent.

        Raises:
            UnknownContract: The Gateway knows none.
            AmbiguousContract: It knows several.
        """
        refusal = self._refused.get(contract)
        if refusal is not None and self._link.clock.now() - refusal.at < _REFUSAL_LASTS:
            raise refusal.kind(refusal.text, code=200)

    def note_refusal(self, contract: Contract, error: UnknownContract | AmbiguousContract) -> None:
        """Remember that the Gateway knows no such contract, or several."""
        self._refused[contract] = _Refusal(
            kind=type(error), text=f"{error} (remembered)", at=self._link.clock.now()
        )

    def best_known(self, contract: Contract) -> Contract:
        """The contract with its number, when it was looked up before."""
        details = self._known.get(contract)
        return contract if details is None else details.contract

    def known(self, contract: Contract) -> ContractDetails | None:
        """What an earlier look-up said of a contract."""
        return self._known.get(contract)

    async def qualify(self, contract: Contract, deadlines: Deadlines) -> ContractDetails:
        """The one contract that fits.

        Raises:
            UnknownContract: None fits.
            AmbiguousContract: More than one fits.
        """
        self._forget_yesterday()
        if contract in self._known:
            return self._known[contract]
        self.refuse_known_bad(contract)
        # Those who ask for the same contract meanwhile wait for the first answer.
        async with self._link.lock(f"qualify {contract!r}"):
            if contract in self._known:
                return self._known[contract]
            self.refuse_known_bad(contract)
            try:
                details = await self._look_up(contract, deadlines)
            except (UnknownContract, AmbiguousContract) as error:
                self.note_refusal(contract, error)
                raise
            self._known[contract] = details
            return details

    async def _look_up(self, contract: Contract, deadlines: Deadlines) -> ContractDetails:
        request_id, ib_contract = self._link.request_id(), to_ib_contract(contract)
        rows = await self._link.requests.ask(
            request_id,
            RequestKind.DEFINITIONS,
            f"the contract {contract}",
            deadline=deadlines.definitions,
            send=lambda: self._link.ib.client.reqContractDetails(request_id, ib_contract),
            heard=_collect("contractDetailsEnd"),
        )
        found = [row[0] for row in rows]
        if not found:
            raise UnknownContract(f"the contract {contract}: the Gateway sent no definition", code=200)
        if len(found) > 1:
            some = ", ".join(str(contract_of(row.contract)) for row in found[:4])
            raise AmbiguousContract(
                f"the contract {contract} fits {len(found)} definitions ({some}...); "
                "name the exchange, currency, primary exchange or trading class",
                code=200,
            )
        return details_of(found[0], contract)

    async def option_chain(self, underlying: Stock | Index, deadlines: Deadlines) -> OptionChain:
        """The option classes of an underlying.

        Raises:
            NoData: It has no options.
            UnknownContract: There is no such underlying.
        """
        details = await self.qualify(underlying, deadlines)
        async with self._link.lock(f"chain {underlying!r}"):
            if underlying not in self._chains:
                self._chains[underlying] = await self._fetch_chain(underlying, details, deadlines)
            return self._chains[underlying]

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
            heard=_collect("securityDefinitionOptionParameterEnd"),
        )
        if not rows:
            raise NoData(f"{underlying} has no options")
        classes = [
            option_class_of(exchange, trading_class, multiplier, expirations, strikes)
            for exchange, _, trading_class, multiplier, expirations, strikes in rows
        ]
        classes.sort(key=lambda row: (row.exchange != "SMART", row.exchange, row.trading_class))
        return OptionChain(underlying=underlying, classes=tuple(classes))
