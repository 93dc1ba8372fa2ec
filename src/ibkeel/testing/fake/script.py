"""What a `FakeBroker` answers when: prices, and the errors and delays in their place."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Final, get_args

import attrs
import numpy as np

from ibkeel.errors import (
    AmbiguousContract,
    InvalidInput,
    NoData,
    OrderRejected,
    QuoteUnavailable,
    UnknownContract,
)
from ibkeel.model import (
    AccountValues,
    Bars,
    BarSpec,
    Combo,
    Contract,
    ContractDetails,
    MarginChange,
    Option,
    OptionChain,
    OrderPreview,
    OrderTicket,
    Quote,
    Side,
    Stock,
)
from ibkeel.model.bars import second_of
from ibkeel.model.checks import as_optional_decimal
from ibkeel.validators import expect

_COMBO_MULTIPLIER: Final = 100
_NO_SUCH_CONTRACT: Final = 200
_OFF_TICK: Final = 110
_CENT: Final = Decimal("0.01")


class PriceScript:
    """Quotes and bars by time, chains by underlying.

    Args:
        quotes: Several quotes of one contract follow each other: each holds from its `at` on.
        bars: Rows to answer from, one value for each contract, size and kind.
        chains: One for each underlying.
        details: Definitions; others get a tick of 0.01.
    """

    def __init__(
        self,
        *,
        quotes: Iterable[Quote] = (),
        bars: Iterable[Bars] = (),
        chains: Iterable[OptionChain] = (),
        details: Iterable[ContractDetails] = (),
    ) -> None:
        self._details = {row.contract: row for row in details}
        self._quotes: dict[Contract, list[Quote]] = {}
        for quote in quotes:
            self._quotes.setdefault(quote.contract, []).append(quote)
        for steps in self._quotes.values():
            steps.sort(key=attrgetter("at"))
        self._bars = {(rows.contract, rows.spec.size, rows.spec.kind): rows for rows in bars}
        self._chains = {chain.underlying: chain for chain in chains}

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """Every contract that the script knows, in the order given."""
        known = [*self._quotes, *(contract for contract, _, _ in self._bars), *self._chains]
        return tuple(dict.fromkeys(known))

    def find(self, contract: Contract) -> Contract:
        """The contract of the script that is meant.

        Raises:
            UnknownContract: None fits.
            AmbiguousContract: Options of several trading classes fit.
        """
        expect(contract, *get_args(Contract))
        fitting = [known for known in self.contracts if _fits(known, contract)]
        if not fitting:
            raise UnknownContract(f"no contract {contract} in the script of prices", code=_NO_SUCH_CONTRACT)
        if len(fitting) > 1:
            raise AmbiguousContract(
                f"{contract} may be {', '.join(map(repr, fitting))}; name the trading class",
                code=_NO_SUCH_CONTRACT,
            )
        return fitting[0]

    def details(self, contract: Contract) -> ContractDetails:
        """The definition of a contract."""
        known = self.find(contract)
        return self._details.get(known) or ContractDetails(contract=known, min_tick=_CENT)

    def check_ticks(self, *tickets: OrderTicket) -> None:
        """Refuse a price between two ticks, as the venue does: OrderRejected."""
        for ticket in tickets:
            is_combo = isinstance(ticket.contract, Combo)
            tick = _CENT if is_combo else self.details(ticket.contract).min_tick
            for price in (ticket.limit_price, ticket.stop_price):
                if price is not None and price % tick:
                    raise OrderRejected(
                        f"{price} is no multiple of {tick}, the tick of {ticket.contract}; round it",
                        code=_OFF_TICK,
                    )

    def quote(self, contract: Contract, at: datetime) -> Quote:
        """The quote in force at an instant.

        Raises:
            QuoteUnavailable: The script has none yet, or one without any price.
        """
        steps = self._quotes.get(self.find(contract), [])
        index = bisect_right(steps, at, key=attrgetter("at")) - 1
        if index < 0 or steps[index].bid is steps[index].ask is steps[index].last is None:
            raise QuoteUnavailable(f"no quote of {contract} at {at.isoformat()}: the script has none")
        return steps[index]

    def next_change(self, contract: Contract, after: datetime) -> datetime | None:
        """When the contract's quote changes next; None when it stays as it is."""
        steps = self._quotes.get(contract, [])
        index = bisect_right(steps, after, key=attrgetter("at"))
        return steps[index].at if index < len(steps) else None

    def bars(self, contract: Contract, spec: BarSpec, at: datetime) -> Bars:
        """The rows that begin in the span asked for and before `at`.

        Raises:
            NoData: There are none.
        """
        expect(spec, BarSpec)
        rows = self._bars.get((self.find(contract), spec.size, spec.kind))
        end = min(at, spec.end) if spec.end else at
        if rows is not None:
            instants = [second_of(end - timedelta(seconds=spec.duration_seconds)), second_of(end)]
            start, stop = np.searchsorted(rows.at, instants)
            if start < stop:
                return attrs.evolve(rows[start:stop], contract=contract, spec=spec)
        raise NoData(f"no {spec.size} bars of {contract} in {spec.duration} before {end.isoformat()}")

    def chain(self, underlying: Contract) -> OptionChain:
        """The chain of an underlying.

        Raises:
            NoData: It has no options.
        """
        known = self.find(underlying)
        if known not in self._chains:
            raise NoData(f"{underlying} has no options")
        return self._chains[known]


def _fits(known: Contract, asked: Contract) -> bool:
    if isinstance(known, Option) and isinstance(asked, Option):
        series = attrgetter("underlying", "expiry", "strike", "right", "currency")
        return series(known) == series(asked) and asked.trading_class in {"", known.trading_class}
    if isinstance(known, Stock) and isinstance(asked, Stock):
        return (known.symbol, known.currency) == (asked.symbol, asked.currency)
    return type(known) is type(asked) and known.symbol == asked.symbol


def preview_of(
    ticket: OrderTicket, prices: PriceScript, account: AccountValues, at: datetime
) -> OrderPreview:
    """The preview of a cash account: what is bought is paid in full, what is sold ties nothing up.

    A combo has no quote, and counts at its limit.

    Raises:
        UnknownContract: The script does not know the contract.
        QuoteUnavailable: It has no quote of it yet.
    """
    price = ticket.stop_price if ticket.limit_price is None else ticket.limit_price
    if not isinstance(ticket.contract, Combo):
        quote = prices.quote(ticket.contract, at)
        if price is None:
            price = as_optional_decimal(quote.ask if ticket.side is Side.BUY else quote.bid)
    change = None if price is None else max(Decimal(0), ticket.side.sign * price * _shares(ticket))
    margin = _added(account.initial_margin, change)
    return OrderPreview(
        ticket=ticket,
        at=at,
        initial_margin=margin,
        maintenance_margin=margin,
        equity_with_loan=_added(account.net_liquidation, Decimal(0)),
        commission=Decimal(0),
        currency=account.currency,
    )


def _shares(ticket: OrderTicket) -> int:
    match ticket.contract:
        case Option():
            return ticket.quantity * ticket.contract.multiplier
        case Combo():
            return ticket.quantity * _COMBO_MULTIPLIER
        case _:
            return ticket.quantity


def _added(before: Decimal | None, change: Decimal | None) -> MarginChange:
    start = before or Decimal(0)
    return MarginChange(before=start, change=change, after=None if change is None else start + change)


KINDS: Final = (
    "account", "all_open_orders", "bars", "cancel", "completed_orders", "connect", "executions", "health", "modify",
    "open_orders", "option_chain", "order_events", "place", "pnl", "positions", "preview", "qualify",
    "quote", "stream_quotes",
)  # fmt: skip
"""What a `FakeBroker` can be told to fail or delay: its methods; `quotes` counts as `quote`."""


@attrs.frozen
class Call:
    """One request that a `FakeBroker` was asked.

    Args:
        kind: One of `KINDS`.
        subject: A contract, an order or an order id; None where there is none.
    """

    kind: str
    subject: object = None


@attrs.define
class _Fault:
    error: Exception
    times: int | None
    subject: object | None


class Troubles:
    """Errors and delays, by kind of request.

    Args:
        delays: Seconds that a kind of request takes.

    Raises:
        InvalidInput: There is no such kind.
    """

    def __init__(self, delays: Mapping[str, float]) -> None:
        self._delays: dict[str, float] = {}
        self._faults: dict[str, list[_Fault]] = {}
        for kind, seconds in delays.items():
            self.delay(kind, seconds)

    def fail(self, kind: str, error: Exception, times: int | None, subject: object | None) -> None:
        """From now on end requests of a kind in an error, so many times, or until `heal`."""
        expect(error, BaseException)
        self._faults.setdefault(_known(kind), []).append(_Fault(error, times, subject))

    def heal(self, kind: str) -> None:
        """Forget the errors of a kind."""
        self._faults.pop(_known(kind), None)

    def delay(self, kind: str, seconds: float) -> None:
        """From now on let requests of a kind take so many seconds."""
        self._delays[_known(kind)] = seconds

    def delay_of(self, kind: str) -> float:
        """Seconds that a request of a kind takes."""
        return self._delays.get(kind, 0.0)

    def strike(self, kind: str, subject: object) -> None:
        """Raise the error that is due for a request, if one is."""
        for fault in self._faults.get(kind, ()):
            if fault.times != 0 and (fault.subject is None or fault.subject == subject):
                fault.times = None if fault.times is None else fault.times - 1
                raise fault.error


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise InvalidInput(f"{kind!r} is no kind of request; valid: {', '.join(KINDS)}")
    return kind
