"""Our own book of orders, kept from what the wire says."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, TypeVar

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import IbkeelError, NotConnected
from ibkeel.ibkr.code_rows import ERROR_TABLE, REFUSED_CHANGES
from ibkeel.ibkr.codes import About, ErrorTable, Meaning
from ibkeel.ibkr.listed_orders import OrderList, RollCall, is_leg, is_of_client, report_of, with_average
from ibkeel.ibkr.order_news import NOT_FOUND, OrderEvent, OrderNews, of_orphan
from ibkeel.ibkr.pending import LATE
from ibkeel.ibkr.translate import execution_of, number_of, price_of
from ibkeel.model import (
    ClientOrderId,
    ConId,
    ExecId,
    Execution,
    OrderId,
    OrderReport,
    OrderState,
    OrderTicket,
    PermId,
    fill_name,
)
from ibkeel.orders import (
    CancelRequested,
    CancelUnanswered,
    ErrorFate,
    ErrorSeen,
    Evidence,
    Filled,
    LinkLost,
    OrderTruth,
    Sent,
    StatusSeen,
    Unlisted,
)
from ibkeel.telemetry import Observer

_Value = TypeVar("_Value", OrderReport, OrderTruth)
_gist: Final = attrgetter(*(field.name for field in attrs.fields(OrderReport) if field.name != "at"))
"""What makes a report news: all of it but its stamp."""
_STATUS_OF = {OrderState.FILLED: "Filled", OrderState.CANCELLED: "Cancelled"}


@attrs.define(kw_only=True, eq=False)
class _Entry:
    truth: OrderTruth
    report: OrderReport
    is_closing: bool = False
    told: OrderReport | None = None
    modifying: bool = False
    refusal: tuple[int, str] | None = None
    is_changed: bool = False
    answered: bool = False
    error: tuple[int | None, bool] = (None, False)


class OrderBook:
    """Orders of one client id, fills, and who waits for news of them."""

    def __init__(
        self, clock: Clock, observer: Observer, client_id: int, codes: ErrorTable = ERROR_TABLE
    ) -> None:
        self._clock, self._client_id, self._codes = clock, client_id, codes
        self._entries: dict[OrderId, _Entry] = {}
        self.roll = RollCall(clock.now)
        """Counts the venue's lists, and signs of its servers."""
        self._fills: dict[str, Execution] = {}
        self._early: deque[Any] = deque(maxlen=100)  # commissions of what is not told yet, or not ours
        self._news = OrderNews(clock, observer)
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.is_held_back: Callable[[OrderId], bool] = lambda _: False
        """Whether the bytes of an order wait for their turn here: no list of the venue can name it yet."""

    # What we did.

    def sent(
        self,
        order_id: OrderId,
        ticket: OrderTicket,
        client_order_id: ClientOrderId,
        *,
        con_id: ConId | None = None,
        parent: OrderId | None = None,
    ) -> None:
        """Note that an order's bytes left.

        The contract's number is told, for what was asked for may leave the trading class open; `parent` is the entry
        that it protects.
        """
        report = OrderReport(
            order_id=order_id,
            perm_id=PermId(0),
            client_id=self._client_id,
            client_order_id=client_order_id,
            contract=attrs.evolve(ticket.contract, con_id=con_id or ticket.contract.con_id),
            side=ticket.side,
            quantity=float(ticket.quantity),
            order_type=ticket.order_type.value,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
            tif=ticket.tif.value,
            parent_id=parent,
            oca_group=ticket.oca_group,
            state=OrderState.INTENT,
            at=self._clock.now(),
        )
        truth = OrderTruth(client_order_id=client_order_id, quantity=ticket.quantity)
        self._entries[order_id] = _Entry(truth=truth, report=report, is_closing=ticket.is_closing)
        self.roll.sent(order_id)
        self._saw(order_id, Sent())

    def modifying(self, order_id: OrderId, quantity: float) -> None:
        """Note that a change's bytes left: until it is answered, errors are about the change."""
        entry = self._entries[order_id]
        entry.modifying, entry.is_changed, entry.answered, entry.refusal = True, True, False, None
        entry.truth = attrs.evolve(entry.truth, asked=float(quantity))
        entry.report = attrs.evolve(entry.report, reason="")

    def cancelling(self, order_id: OrderId) -> None:
        """Note that a cancel's bytes left; what was said before is no answer to it."""
        self._entries[order_id].answered = False
        self._saw(order_id, CancelRequested())

    def cancel_unanswered(self, order_id: OrderId) -> None:
        """Note that a cancel's time is over: what became of the order is for the lists to tell."""
        self._saw(order_id, CancelUnanswered())

    def link_lost(self, error: IbkeelError) -> None:
        """Every order that was alive is UNKNOWN now, and all who wait for news are told so."""
        self.roll.doubt()
        for order_id in list(self._entries):
            self._saw(order_id, LinkLost())
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(
                    NotConnected(
                        f"{error}; what became of the order is unknown: connect, then read open_orders() "
                        "and executions() before acting on it"
                    )
                )
        self._news.end(error)

    # What the wire says.

    def on_open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        """An `openOrder` message."""
        # Order ids are numbers of one client: the same one of another client is another order.
        if order.whatIf or not is_of_client(self._client_id, order_id, order):
            return
        self.roll.named(OrderId(order_id))  # also when the rest of it cannot be read
        entry = self._entries.get(OrderId(order_id)) or self._adopt(OrderId(order_id), contract, order)
        entry.report = _changed(
            entry.report,
            perm_id=PermId(order.permId or entry.report.perm_id),
            limit_price=price_of(order.lmtPrice, entry.report.contract) if "LMT" in order.orderType else None,
            stop_price=price_of(order.auxPrice, entry.report.contract) if "STP" in order.orderType else None,
            order_type=order.orderType,
            tif=order.tif or entry.report.tif,
        )
        entry.truth = _changed(entry.truth, quantity=number_of(order.totalQuantity) or entry.report.quantity)
        is_new = entry.told is None or entry.truth.is_inferred
        if state.status or is_new:  # a row that was read in part has none
            self._answer(OrderId(order_id), StatusSeen(status=state.status))

    def _adopt(self, order_id: OrderId, contract: Any, order: Any) -> _Entry:
        told = report_of(order_id, contract, order, at=self._clock.now())
        truth = OrderTruth(client_order_id=told.client_order_id, quantity=told.quantity)
        entry = self._entries[order_id] = _Entry(truth=truth, report=told)
        return entry

    def on_status(
        self,
        order_id: int,
        status: str,
        filled: float,
        _remaining: float,
        average: float,
        perm_id: int,
        parent_id: int,
        _last_price: float,
        client_id: int,
        why_held: str,
        *_: object,
    ) -> None:
        """An `orderStatus` message."""
        entry = self._entries.get(OrderId(order_id))
        if entry is None or client_id != self._client_id:
            return
        report, count = entry.report, number_of(filled)
        parent = report.parent_id or OrderId(parent_id) or None
        report = attrs.evolve(report, perm_id=PermId(perm_id or report.perm_id), parent_id=parent)
        # A late message takes no fill back, and none fills more than was ordered.
        if count is not None and count >= report.filled and entry.truth.may_have_filled(count):
            price = price_of(average, report.contract) if count else None
            paid = None if price is None else float(price)
            report = attrs.evolve(report, average_fill_price=paid)
        entry.report = report
        self._answer(OrderId(order_id), StatusSeen(status=status, filled=count, reason=why_held))

    def on_execution(self, _: int, contract: Any, ib_execution: Any) -> None:
        """An `execDetails` message, live or asked for."""
        name = fill_name(ib_execution.execId)
        known = self._fills.get(name)
        if ib_execution.clientId != self._client_id or (known and known.exec_id >= ib_execution.execId):
            return
        self.roll.named(OrderId(ib_execution.orderId))  # also when the rest of it cannot be read
        fill = execution_of(contract, ib_execution)
        self._fills[name] = fill
        entry = self._entries.get(fill.order_id)
        if not (is_part := is_leg(fill, self.report(fill.order_id), self._fills.values())):
            if entry is not None:
                entry.report = with_average(entry.report, self._fills.values())
            self._answer(fill.order_id, Filled(exec_id=ExecId(name), quantity=fill.quantity))
        self._news.publish(fill, is_leg=is_part)
        for report in [early for early in self._early if early.execId == fill.exec_id]:
            self.on_commission(report)

    def on_commission(self, report: Any) -> None:
        """A `commissionReport` message; the fill is told again, complete."""
        name = fill_name(report.execId)
        fill = self._fills.get(name)
        if fill is None or fill.exec_id != report.execId:
            self._early.append(report)
            return
        cost = number_of(report.commission)
        if fill.commission is not None or cost is None:
            return
        fill = attrs.evolve(fill, commission=cost, realized_pnl=number_of(report.realizedPNL))
        self._fills[name] = fill
        self._news.publish(fill, is_leg=is_leg(fill, self.report(fill.order_id), self._fills.values()))

    def on_completed(self, told: OrderReport, ended: datetime | None = None) -> None:
        """The venue's own list of ended orders settles what nobody knew: their size too, for it cuts some itself."""
        for order_id in self.roll.of_ended(told, ended, [row.report for row in self._entries.values()]):
            self.roll.named(order_id)
            status, entry = _STATUS_OF.get(told.state), self._entries[order_id]
            if status is not None and not entry.report.state.is_final:
                entry.truth = attrs.evolve(entry.truth, asked=told.filled)
                self._answer(order_id, StatusSeen(status=status, filled=told.filled, reason=told.reason))

    def on_error(self, order_id: int, code: int, text: str) -> Meaning | None:
        """An `error` message with an order's id; returns its row, when the order is known."""
        entry = self._entries.get(OrderId(order_id))
        if entry is None:
            return None
        parent = None if entry.report.parent_id is None else self.report(entry.report.parent_id)
        meaning = self._codes.find(code, text, About.CHANGE if entry.modifying else About.ORDER)
        meaning = of_orphan(meaning, text, entry.truth, parent)
        words = f"{text}; {meaning.remedy}" if meaning.remedy else text
        entry.error, reason = (code, meaning.counts), f"error {code}: {words}"
        if entry.modifying and code in REFUSED_CHANGES:
            entry.refusal = code, reason
            entry.truth = attrs.evolve(entry.truth, asked=0.0)
        entry.report = attrs.evolve(entry.report, reason=reason)
        is_of_change = entry.is_changed and meaning.fate is ErrorFate.REJECTED  # the order works on as it was
        fate = ErrorFate.UNCERTAIN if is_of_change else meaning.fate
        evidence = ErrorSeen(fate=fate, code=code, text=words)
        self._answer(OrderId(order_id), evidence, is_trace=code not in NOT_FOUND)
        return meaning

    def _answer(self, order_id: OrderId, evidence: Evidence, *, is_trace: bool = True) -> None:
        entry = self._entries.get(order_id)
        if entry is None:
            return
        entry.answered, entry.modifying = True, False
        if is_trace:
            self.roll.named(order_id)
        self._saw(order_id, evidence)

    # What lists do not say.

    def list_read(self, which: OrderList, turn: int, at: float | None, *, is_whole: bool = True) -> bool:
        """A list is complete: what it lacks is of unknown fate, or, in time, provably gone.

        Args:
            which: Of what.
            turn: As `roll.begin` gave it.
            at: The loop's seconds; None when the session is not good, so that nothing is proved.
            is_whole: Whether all of it could be read; else what it lacks may be there.

        Returns:
            Whether it lacks an order that was said to work.
        """
        lacks = False
        for order_id, entry in list(self._entries.items()):
            is_here = self.is_held_back(order_id) and not entry.modifying
            if entry.truth.has_ended or is_here or not self.roll.is_missing(order_id, turn):
                continue
            before = entry.truth.state
            if which is OrderList.OPEN and is_whole:
                self._saw(order_id, Unlisted())
            lacks |= entry.truth.state is not before
            if (proof := self.roll.missed(order_id, which, at, closes=entry.is_closing)) is not None:
                self._saw(order_id, proof)
        return lacks

    def _saw(self, order_id: OrderId, evidence: Evidence) -> None:
        entry = self._entries[order_id]
        before, entry.truth = entry.truth, entry.truth.saw(evidence)
        filled = entry.truth.filled
        entry.report = attrs.evolve(
            entry.report,
            state=entry.truth.state,
            quantity=entry.truth.quantity,
            filled=filled,
            remaining=max(0.0, entry.truth.quantity - filled),
            reason=entry.truth.reason
            or ("" if entry.report.reason == before.reason else entry.report.reason),
            code=entry.truth.code,
            at=self._clock.now(),
        )
        # An openOrder knows no price of what filled: that is told with the orderStatus beside it.
        is_half = evidence == StatusSeen(status="Filled")
        if not is_half and (entry.told is None or _gist(entry.told) != _gist(entry.report)):
            entry.told = entry.report
            self._news.publish(entry.report)
        for words in entry.truth.contradictions[len(before.contradictions) :]:
            self._news.contradicted(entry.report, words)
        self._wake()

    def report(self, order_id: OrderId) -> OrderReport | None:
        """What is known of an order."""
        entry = self._entries.get(order_id)
        return None if entry is None else entry.report

    def reports(self) -> tuple[OrderReport, ...]:
        """Every order, in the order of their ids."""
        return tuple(self._entries[order_id].report for order_id in sorted(self._entries))

    def open_reports(self) -> tuple[OrderReport, ...]:
        """Those that may work."""
        return tuple(row for row in self.reports() if not self._entries[row.order_id].truth.has_ended)

    def fills(self) -> tuple[Execution, ...]:
        """Every fill, in order of arrival."""
        return tuple(self._fills.values())

    # Of an order that is known.

    def has_answer(self, order_id: OrderId) -> bool:
        """Whether the venue said anything since we last sent something for it."""
        return self._entries[order_id].answered

    def is_inferred(self, order_id: OrderId) -> bool:
        """Whether its end was inferred from the venue's silence."""
        return self._entries[order_id].truth.is_inferred

    def refusal(self, order_id: OrderId) -> tuple[int, str] | None:
        """By what code, and why, the venue left it as it was when it was last to be changed; None if it did not say so."""
        return self._entries[order_id].refusal

    def last_error(self, order_id: OrderId) -> tuple[int | None, bool]:
        """Code of the last error that named it, and whether that was a failure of the service, and not its answer."""
        return self._entries[order_id].error

    def highest_id(self) -> int:
        """The highest order id ever seen; 0 when there is none."""
        return max(self._entries, default=0)

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until a condition on the book holds; TimeoutError when it does not in time."""
        if condition():
            return
        loop = asyncio.get_running_loop()
        due, future = loop.time() + seconds, loop.create_future()
        self._waiters.append((condition, future))
        try:
            await asyncio.wait((future,), timeout=seconds)
            if loop.time() - due > LATE:  # what came meanwhile is yet to be read
                await asyncio.wait((future,), timeout=LATE)
            if not future.done():
                raise TimeoutError
            future.result()
        finally:
            self._waiters.remove((condition, future))

    def _wake(self) -> None:
        for condition, future in self._waiters:
            if not future.done() and condition():
                future.set_result(None)

    def events(self, check: Callable[[], None] = lambda: None) -> AsyncGenerator[OrderEvent, None]:
        """Reports and fills from the call on; `check` is asked when they are first read."""
        return self._news.events(check)


def _changed(value: _Value, **changes: Any) -> _Value:
    """The same with some fields changed; lists of orders say over and over what is known."""
    if all(getattr(value, name) == wanted for name, wanted in changes.items()):
        return value
    return attrs.evolve(value, **changes)
