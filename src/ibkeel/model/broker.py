"""The broker, as everything above the adapter sees it, and what its accounts hold.

Each role is narrow; ask for the narrowest that serves. Every method either returns a value or
raises one typed error of `ibkeel.errors`; none returns an empty list, NaN, -1 or 0.0 as a sign
of failure, and none waits for ever: the adapter has a deadline for each kind of request.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol, Self

import attrs

from ibkeel.errors import RequestFailed
from ibkeel.model.bars import Bar, Bars, BarSpec
from ibkeel.model.checks import as_decimal, as_optional_decimal, as_utc, finite
from ibkeel.model.contracts import Contract, ContractDetails, Index, OptionChain, OrderId, Stock
from ibkeel.model.health import Health
from ibkeel.model.orders import Bracket, Execution, OrderPreview, OrderReport, OrderTicket, Placement
from ibkeel.model.quotes import Quote


@attrs.frozen(kw_only=True)
class Position:
    """What an account holds of one contract.

    Args:
        account: Whole account id; mask it before it is shown.
        contract: What is held.
        signed_quantity: Contracts or shares; negative when short.
        average_price: Average entry price per share, commissions included.
    """

    account: str = attrs.field(repr=False)
    contract: Contract
    signed_quantity: float = attrs.field(validator=finite)
    average_price: float = attrs.field(validator=finite)


@attrs.frozen(kw_only=True)
class AccountValues:
    """Balances of one account, in its base currency; None where the broker sent nothing.

    Args:
        account: Whole account id; mask it before it is shown.
        at: When it was read.
        currency: ISO code of the base currency.
        net_liquidation: Value of everything if it were sold now.
        available_funds: What may be spent on new positions.
        buying_power: Available funds with the account's leverage.
        excess_liquidity: Cushion above the maintenance margin.
        initial_margin: Margin that new positions had to post.
        total_cash: Cash, settled or not.
    """

    account: str = attrs.field(repr=False)
    at: datetime = attrs.field(converter=as_utc)
    currency: str = "USD"
    net_liquidation: Decimal = attrs.field(converter=as_decimal)
    available_funds: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    buying_power: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    excess_liquidity: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    initial_margin: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    total_cash: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)


@attrs.frozen(kw_only=True)
class PnL:
    """Profit and loss of one account, in its base currency; None where the broker sent nothing.

    Args:
        unrealized: In the account's currency; None when the Gateway has no figure.
        realized: Of the day, in the account's currency; None when the Gateway has no figure.
    """

    account: str = attrs.field(repr=False)
    at: datetime = attrs.field(converter=as_utc)
    unrealized: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    realized: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)


# What `quotes` answered, as an argument: to a type checker a mapping of options is none of contracts, hence Any.
Answers = Mapping[Any, Quote | RequestFailed]


class MarketData(Protocol):
    """Prices, one request at a time."""

    async def quote(self, contract: Contract) -> Quote:
        """One quote.

        Raises:
            QuoteUnavailable: No bid, ask or last came within the deadline.
            UnknownContract: There is no such contract.
            NotEntitled: The account has no market data subscription for it.
            NotConnected: There is no session.
        """
        ...

    async def quotes(self, contracts: Sequence[Contract]) -> Mapping[Contract, Quote | RequestFailed]:
        """One quote or one typed error for each contract, in the order asked."""
        ...

    async def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        """Historical bars; never empty.

        Raises:
            NoData: The Gateway has none for that span.
            RequestTimeout: No answer within the deadline.
            PacingExceeded: A documented limit was hit.
        """
        ...


class Streams(Protocol):
    """Prices, as they change."""

    def stream_quotes(self, contract: Contract) -> AsyncGenerator[Quote, None]:
        """Quotes as they change; ends in a typed error, never in silence.

        Close it (`aclosing`) to give its market data line back. A time limit on a wait ends
        that wait alone.
        """
        ...

    def stream_bars(self, contract: Contract, spec: BarSpec) -> AsyncGenerator[Bar, None]:
        """The bars of the span that are over, then each as it closes, none twice and none left out.

        Nothing is kept open at the Gateway: `bars` is asked again when the next should have closed, at least
        15 s and at most half an hour later. Where nothing trades no bar comes; a question that fails ends the
        stream in its error. Whoever begins again gets the span again: pass over what is not later than the last.

        Raises:
            InvalidInput: `spec` has an end, or is no `BarSpec`; when the first bar is asked for.
            NoData: There is none; or nobody read for longer than one question reaches back.
        """
        ...


class Chains(Protocol):
    """Definitions of contracts."""

    async def qualify(self, contract: Contract) -> ContractDetails:
        """The one contract that fits, complete; answers are remembered, negative ones too.

        Raises:
            UnknownContract: None fits.
            AmbiguousContract: More than one fits.
        """
        ...

    async def option_chain(self, underlying: Stock | Index) -> OptionChain:
        """Option classes of an underlying; their expiries and strikes are unions.

        Raises:
            InvalidInput: It is neither a stock nor an index.
            NoData: The underlying has no options.
            UnknownContract: There is no such underlying.
        """
        ...


class Orders(Protocol):
    """Orders and what became of them."""

    @property
    def client_id(self) -> int:
        """Number that our orders stand under: those of another can be seen and counted, not changed."""
        ...

    async def place(
        self, order: OrderTicket | Bracket, *, may_leave: Callable[[], None] | None = None
    ) -> Placement:
        """Place an order, or a bracket whole.

        Args:
            order: What to place.
            may_leave: Asked after everything that waits, right before the first byte would leave. What
                it raises is raised here, and nothing was sent; it returns None, and an answer such as False
                is refused, not ignored. A kill switch is looked at in this way,
                for a contract's lookup or a session that comes back may outlast the moment of the order.

        Raises:
            InvalidInput: It is neither, or `may_leave` returned something; nothing was sent.
            SafetyRefused: A rule of ours said no; nothing was sent. A `client_order_id`
                belongs to one order until that has ended.
            UnknownContract: There is no such contract; nothing was sent.
            NotConnected: There is no session; nothing was sent.
            OrderRejected: The venue refused it.
        """
        ...

    async def preview(self, order: OrderTicket) -> OrderPreview:
        """Ask what an order would do to margin and equity; nothing is placed.

        Raises:
            OrderRejected: The venue would refuse the order, and says why.
            SafetyRefused: A rule of ours said no: in dry run nothing that looks like an order is
                sent.
            UnknownContract: There is no such contract.
            RequestTimeout: No answer within the deadline.
        """
        ...

    async def modify(self, order_id: OrderId, order: OrderTicket) -> OrderReport:
        """Replace price or quantity of a working order.

        Raises:
            InvalidInput: There is no such order, or contract, side or type would change; nothing was sent.
            OrderRefused: It does not work, or not for certain; nothing was sent.
            OrderRejected: The venue refused the change; the order is as it was.
        """
        ...

    async def cancel(self, order_id: OrderId) -> OrderReport:
        """Ask for a cancel and wait until the venue says what became of the order.

        Raises:
            InvalidInput: There is no such order of this client id.
            RequestTimeout: The venue did not say; the order's state is unknown.
        """
        ...

    async def open_orders(self) -> tuple[OrderReport, ...]:
        """Orders that work now, of this client id; empty when there are none."""
        ...

    async def all_open_orders(self) -> tuple[OrderReport, ...]:
        """Orders that work now, whoever sent them: our own, other clients', and those made by hand.

        An order of another client can be seen and counted, not changed: its `order_id` is a number
        of that client.
        """
        ...

    async def completed_orders(self) -> tuple[OrderReport, ...]:
        """Orders of this session that ended, whoever sent them; their `order_id` may be 0. Empty when there are none."""
        ...

    async def executions(self) -> tuple[Execution, ...]:
        """Fills of this client id since midnight of the account's day, and earlier ones that this broker saw."""
        ...

    def order_events(self) -> AsyncGenerator[OrderReport | Execution, None]:
        """Reports and fills from the call on; ends in a typed error, never in silence.

        A report may come before the fill that it counts, and a fill twice under its `exec_id`: again with
        its commission. A time limit on a wait ends that wait alone.
        """
        ...


class Account(Protocol):
    """What the account holds; `account=None` means the only one."""

    async def positions(self, account: str | None = None) -> tuple[Position, ...]:
        """Positions that are not zero; empty when there are none."""
        ...

    async def account(self, account: str | None = None) -> AccountValues:
        """Balances."""
        ...

    async def pnl(self, account: str | None = None) -> PnL:
        """Profit and loss."""
        ...


class Lifecycle(Protocol):
    """The session with the Gateway."""

    @property
    def is_connected(self) -> bool:
        """Whether a session exists; says nothing about its health."""
        ...

    async def connect(self) -> None:
        """Open the session; returns when every start-up answer is in.

        Raises:
            GatewayUnreachable: Nobody listens.
            GatewayMute: The port is open, the API does not answer.
            ClientIdInUse: Another session holds the client id.
            AccountMismatch: Port, account and order mode do not fit together.
        """
        ...

    async def disconnect(self) -> None:
        """Cancel every subscription and close the session; does nothing when there is none."""
        ...

    async def ready(self, within: float | None = None) -> None:
        """Wait until requests are taken: at once when they are, else until a lost session is back.

        Args:
            within: Most seconds to wait, above 0; None waits as long as a session is being sought.

        Raises:
            NotConnected: There is no session, and none came, or none is being sought.
            InvalidInput: `within` is no such number.
        """
        ...

    async def health(self) -> Health:
        """Make a round trip and say how things stand; never raises for a sick connection."""
        ...


class Broker(MarketData, Streams, Chains, Orders, Account, Lifecycle, Protocol):
    """All roles; ask for the narrowest that serves.

    What asks the Gateway raises `NotConnected` where there is no session, or it ends meanwhile.
    """

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.disconnect()
