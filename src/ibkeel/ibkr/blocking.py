"""`BlockingBroker`: the adapter for programs that do not await."""

import copy
import random
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from ibkeel.clock import Clock
from ibkeel.errors import RequestFailed
from ibkeel.ibkr.adapter import IBKRBroker
from ibkeel.ibkr.config import IBKRConfig
from ibkeel.ibkr.loop_thread import LoopThread, Stream
from ibkeel.model import (
    AccountValues,
    Bar,
    Bars,
    BarSpec,
    Bracket,
    Contract,
    ContractDetails,
    Execution,
    Health,
    Index,
    OptionChain,
    OrderId,
    OrderPreview,
    OrderReport,
    OrderTicket,
    Placement,
    PnL,
    Position,
    Quote,
    StaleBars,
    Stock,
)
from ibkeel.telemetry import Observer

T = TypeVar("T")


class BlockingBroker:
    """`IBKRBroker` for synchronous programs: the same methods, which return when they are done.

    It owns an event loop in a thread of its own, which reads the socket whatever the program does
    meanwhile, and may be called from any thread, also from one that runs a loop, as a notebook's
    does. Values and errors are those of the method of the same name of `IBKRBroker`. An exception
    in the caller while it waits, such as KeyboardInterrupt, cancels the request at the server.

    Every method raises NotConnected once the broker was closed, and WrongLoopError when it is
    called from the broker's own loop.

    Args:
        config: Where the Gateway is, who we are and what may be sent.
        clock: Wall time and monotonic seconds; None means the loop's time and the machine's.
        observer: Told of connections, requests, lines, notices and orders, in the broker's thread.
        jitter: Draws a number in [0, 1) that spreads connection attempts.

    Examples:
        ```python
        with BlockingBroker(IBKRConfig(host="127.0.0.1", port=4002, client_id=7)) as broker:
            quote = broker.quote(Stock("SPY"))
        ```
    """

    def __init__(
        self,
        config: IBKRConfig | None = None,
        *,
        clock: Clock | None = None,
        observer: Observer | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._broker = IBKRBroker(config, clock=clock, observer=observer, jitter=jitter)
        self._thread = LoopThread("ibkeel", self._broker.disconnect)
        # Also at the interpreter's end, so that the Gateway frees the client id.
        self._finalizer = weakref.finalize(self, self._thread.abandon)
        self._shared_with: BlockingBroker | None = None

    @property
    def config(self) -> IBKRConfig:
        """What was configured."""
        return self._broker.config

    @property
    def ib(self) -> Any:
        """The client library's own `IB` object, which belongs to the broker's loop: use it within `run`."""
        return self._broker.ib

    @property
    def open_lines(self) -> Mapping[int, str]:
        """Market data lines that are out: request id and what it is for."""
        return self._broker.open_lines

    def explain_pacing(self) -> str:
        """What waits for its turn now, as `IBKRBroker.explain_pacing`."""

        async def explain() -> str:
            return self._broker.explain_pacing()

        return self._thread.run(explain)

    def sample_pacing(self) -> None:
        """Tell the observer of the limits, as `IBKRBroker.sample_pacing`."""

        async def sample() -> None:
            self._broker.sample_pacing()

        self._thread.run(sample)

    def with_deadline(self, seconds: float) -> "BlockingBroker":
        """The same broker, on the same session, with one deadline for every kind of request.

        Args:
            seconds: Above 0 and at most 600; a probe is never more patient than configured, for others share it.
        """
        other = copy.copy(self)
        other._broker = self._broker.with_deadline(seconds)  # noqa: SLF001 - a copy of this object
        other._shared_with = self  # noqa: SLF001 - the session lives as long as either
        return other

    def run(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine of your own on the broker's loop, such as one of `ib`.

        Args:
            begin: Called on the loop; returns what is to be awaited.

        Examples:
            ```python
            stamp = broker.run(lambda: broker.ib.reqHeadTimeStampAsync(contract, "TRADES", True, 1))
            ```
        """
        return self._thread.run(begin)

    # Lifecycle.

    @property
    def client_id(self) -> int:
        """Number that our orders stand under."""
        return self._broker.client_id

    @property
    def is_connected(self) -> bool:
        """Whether a session exists; says nothing about its health."""
        return self._broker.is_connected

    def connect(self) -> None:
        """Open the session, as `IBKRBroker.connect`."""
        self._thread.run(self._broker.connect)

    def disconnect(self) -> None:
        """Close the session, as `IBKRBroker.disconnect`; the broker may connect again."""
        self._thread.run(self._broker.disconnect)

    def ready(self, within: float | None = None) -> None:
        """Wait until requests are taken, `within` seconds at the most, as `IBKRBroker.ready`."""
        self._thread.run(lambda: self._broker.ready(within))

    def close(self) -> None:
        """Close the session and end the thread, for good; does nothing when that was done.

        Calls under way end with NotConnected. It happens by itself at the end of a `with` block and
        of the program.
        """
        self._thread.close()
        self._finalizer.detach()

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def health(self) -> Health:
        """Make a round trip and say how things stand, as `IBKRBroker.health`."""
        return self._thread.run(self._broker.health)

    def server_time(self) -> datetime:
        """The Gateway's own clock, as `IBKRBroker.server_time`."""
        return self._thread.run(self._broker.server_time)

    # Market data.

    def quote(self, contract: Contract) -> Quote:
        """One quote, as `IBKRBroker.quote`."""
        return self._thread.run(lambda: self._broker.quote(contract))

    def quotes(self, contracts: Sequence[Contract]) -> Mapping[Contract, Quote | RequestFailed]:
        """One quote or one typed error for each contract, as `IBKRBroker.quotes`."""
        return self._thread.run(lambda: self._broker.quotes(contracts))

    def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        """Historical bars, as `IBKRBroker.bars`."""
        return self._thread.run(lambda: self._broker.bars(contract, spec))

    def last_good_bars(self, contract: Contract, spec: BarSpec) -> StaleBars | None:
        """The last bars that came for the same question, never for an entry, as `IBKRBroker.last_good_bars`."""
        return self._thread.run(lambda: self._broker.last_good_bars(contract, spec))

    def stream_quotes(self, contract: Contract) -> Stream[Quote]:
        """Quotes as they change, as `IBKRBroker.stream_quotes`.

        The line opens when the first is asked for. What changed while nobody asked for the next is
        in it. Close it, or use it in `with`, to give the line back.
        """
        return self._thread.iterate(lambda: self._broker.stream_quotes(contract), at_once=False)

    def stream_bars(self, contract: Contract, spec: BarSpec) -> Stream[Bar]:
        """The bars of the span that are over, then each as it closes, as `IBKRBroker.stream_bars`."""
        return self._thread.iterate(lambda: self._broker.stream_bars(contract, spec), at_once=False)

    # Definitions.

    def qualify(self, contract: Contract) -> ContractDetails:
        """The one contract that fits, as `IBKRBroker.qualify`."""
        return self._thread.run(lambda: self._broker.qualify(contract))

    def option_chain(self, underlying: Stock | Index) -> OptionChain:
        """Option classes of an underlying, as `IBKRBroker.option_chain`."""
        return self._thread.run(lambda: self._broker.option_chain(underlying))

    # Orders.

    def place(
        self, order: OrderTicket | Bracket, *, may_leave: Callable[[], None] | None = None
    ) -> Placement:
        """Place an order, or a bracket whole, as `IBKRBroker.place`; `may_leave` is asked in the loop's thread."""
        return self._thread.run(lambda: self._broker.place(order, may_leave=may_leave))

    def modify(self, order_id: OrderId, order: OrderTicket) -> OrderReport:
        """Replace price or quantity of a working order, as `IBKRBroker.modify`."""
        return self._thread.run(lambda: self._broker.modify(order_id, order))

    def cancel(self, order_id: OrderId) -> OrderReport:
        """Cancel and wait for the order's fate, as `IBKRBroker.cancel`."""
        return self._thread.run(lambda: self._broker.cancel(order_id))

    def preview(self, order: OrderTicket) -> OrderPreview:
        """Margin and commission that an order would bring, as `IBKRBroker.preview`."""
        return self._thread.run(lambda: self._broker.preview(order))

    def open_orders(self) -> tuple[OrderReport, ...]:
        """Orders that work now, as `IBKRBroker.open_orders`."""
        return self._thread.run(self._broker.open_orders)

    def all_open_orders(self) -> tuple[OrderReport, ...]:
        """Orders that work now, whoever sent them, as `IBKRBroker.all_open_orders`."""
        return self._thread.run(self._broker.all_open_orders)

    def completed_orders(self) -> tuple[OrderReport, ...]:
        """Orders of this session that ended, as `IBKRBroker.completed_orders`."""
        return self._thread.run(self._broker.completed_orders)

    def executions(self) -> tuple[Execution, ...]:
        """Fills of today and those seen before, as `IBKRBroker.executions`."""
        return self._thread.run(self._broker.executions)

    def use_order_ids_above(self, highest: int) -> None:
        """Never use an order id up to `highest` again, as `IBKRBroker.use_order_ids_above`."""

        async def use() -> None:
            self._broker.use_order_ids_above(highest)

        self._thread.run(use)

    def order_events(self) -> Stream[OrderReport | Execution]:
        """Reports and fills as they arrive, as `IBKRBroker.order_events`; none after this call is missed."""
        return self._thread.iterate(self._broker.order_events, at_once=True)

    # Account.

    def positions(self, account: str | None = None) -> tuple[Position, ...]:
        """Positions that are not zero, as `IBKRBroker.positions`."""
        return self._thread.run(lambda: self._broker.positions(account))

    def account(self, account: str | None = None) -> AccountValues:
        """Balances, as `IBKRBroker.account`."""
        return self._thread.run(lambda: self._broker.account(account))

    def pnl(self, account: str | None = None) -> PnL:
        """Profit and loss, as `IBKRBroker.pnl`."""
        return self._thread.run(lambda: self._broker.pnl(account))
