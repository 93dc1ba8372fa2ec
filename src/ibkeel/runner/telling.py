"""What a run tells its observer, made from what the run knows."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import attrs

from ibkeel.clock import Clock
from ibkeel.journal import Intent, RunStarted
from ibkeel.model import (
    AccountValues,
    Bracket,
    OrderReport,
    OrderTicket,
    Position,
    Signal,
    name_of_series,
)
from ibkeel.orders.exits import Listed
from ibkeel.risk import Exposure, LossVerdict
from ibkeel.runner.entry import Verdict
from ibkeel.runner.schedule import Session
from ibkeel.runner.tally import Held
from ibkeel.telemetry import (
    AccountSeen,
    CycleEnded,
    CycleOverran,
    CycleStarted,
    DecisionMade,
    ExposureSeen,
    HaltChanged,
    HeldPosition,
    LossGuardRead,
    Observer,
    OrderIntended,
    PositionsSeen,
    ProtectiveOrder,
    RunBegan,
    RunFinished,
    SignalSeen,
    SymbolSkipped,
    SymbolWarmed,
    TradingDayClosed,
    TradingDayOpened,
    is_observed,
)

T = TypeVar("T")


class Teller:
    """Tells an observer of days, cycles, decisions and readings of the account; the run is part of its signals' ids."""

    def __init__(self, observer: Observer, clock: Clock, run: str) -> None:
        self._observer, self._clock, self._run = observer, clock, run
        self.is_observed = is_observed(observer)
        """Whether anybody is told."""

    def run_began(self, started: RunStarted) -> None:
        """The run begins, as its journal has it."""
        self._observer.on_event(
            RunBegan(
                at=started.at,
                run=started.run,
                mode=started.mode,
                strategy=started.strategy,
                symbols=started.symbols,
            )
        )

    def run_finished(self, outcome: str, left: str = "") -> None:
        """The run is over, and what it leaves open."""
        now = self._clock.now()
        self._observer.on_event(RunFinished(at=now, run=self._run, outcome=outcome, detail=left))

    def day_opened(self, session: Session) -> None:
        """A session is about to be traded."""
        self._observer.on_event(
            TradingDayOpened(
                at=self._clock.now(),
                day=session.day,
                opens_at=session.opens_at,
                closes_at=session.closes_at,
            )
        )

    def day_closed(self, session: Session, held: Sequence[Held] | None) -> None:
        """A session is over; what is still held, or None when nobody could look."""
        count, now = None if held is None else len(held), self._clock.now()
        detail = "; ".join(
            f"{row.signed_quantity:+.10g} {name_of_series(row.contract)}: {row.reason}" for row in held or ()
        )
        self._observer.on_event(TradingDayClosed(at=now, day=session.day, held=count, detail=detail))

    def cycle_started(self, number: int, interval: float) -> None:
        """A cycle begins."""
        self._observer.on_event(CycleStarted(at=self._clock.now(), number=number, interval=interval))

    def cycle_ended(self, number: int, seconds: float, failures: int, interval: float) -> None:
        """A cycle is over, in time or late."""
        now = self._clock.now()
        self._observer.on_event(CycleEnded(at=now, number=number, seconds=seconds, failures=failures))
        if seconds > interval:
            self.cycle_overran(number, seconds, interval)

    def cycle_overran(self, number: int, seconds: float, allowed: float) -> None:
        """A cycle took longer than it might."""
        self._observer.on_event(
            CycleOverran(at=self._clock.now(), number=number, seconds=seconds, allowed=allowed)
        )

    def warmed(self, symbol: str, detail: str, done: int, of: int, *, is_ready: bool) -> None:
        """A symbol was asked about before the first cycle."""
        self._observer.on_event(
            SymbolWarmed(
                at=self._clock.now(), symbol=symbol, is_ready=is_ready, detail=detail, done=done, of=of
            )
        )

    def skipped(self, symbol: str, failures: int, cycles_left: int) -> None:
        """A symbol sits out."""
        self._observer.on_event(
            SymbolSkipped(at=self._clock.now(), symbol=symbol, failures=failures, cycles_left=cycles_left)
        )

    def decided(self, symbol: str, cycle: int, verdict: Verdict) -> str:
        """What came of a symbol in a cycle; the id of the signal, by which its order is found."""
        signal_id = f"{self._run}-{cycle}-{symbol}"
        if self.is_observed:
            now, reasons = self._clock.now(), verdict.reasons
            if verdict.signal.is_entry:
                self._observer.on_event(_signal_seen(now, signal_id, symbol, verdict.signal))
            elif not reasons:
                reasons = tuple(map(str, verdict.signal.reasons))
            self._observer.on_event(
                DecisionMade(
                    at=now,
                    signal_id=signal_id,
                    symbol=symbol,
                    outcome=verdict.outcome.value,
                    reasons=reasons,
                )
            )
        return signal_id

    def saw_account(
        self,
        account: AccountValues | None,
        positions: Sequence[Position] | None,
        open_orders: Sequence[OrderReport] | None,
        exposure: Exposure,
    ) -> None:
        """What a cycle found in the account; None for what could not be read."""
        if not self.is_observed:
            return
        now = self._clock.now()
        if account is not None:
            self._observer.on_event(_account_seen(now, account))
        if positions is not None:
            self._observer.on_event(positions_seen(now, positions, open_orders))
            currency = account.currency if account else None
            self._observer.on_event(exposure_seen(now, positions, exposure, currency))

    def saw_positions(self, positions: Sequence[Position], open_orders: Sequence[OrderReport]) -> None:
        """What is held and what works, as read between two cycles."""
        if self.is_observed:
            self._observer.on_event(positions_seen(self._clock.now(), positions, open_orders))

    def saw_exposure(
        self, positions: Sequence[Position] | None, exposure: Exposure, currency: str | None
    ) -> None:
        """What positions amount to, their sensitivities read anew."""
        if self.is_observed and positions is not None:
            self._observer.on_event(exposure_seen(self._clock.now(), positions, exposure, currency))

    def halt_changed(self, reason: str) -> None:
        """Entries are halted, and why; or they may pass again, and the text is empty."""
        self._observer.on_event(HaltChanged(at=self._clock.now(), is_halted=bool(reason), reason=reason))

    def saw_loss(self, verdict: LossVerdict, *, limit: float, tripped: bool) -> None:
        """What the daily loss guard said."""
        self._observer.on_event(
            LossGuardRead(
                at=self._clock.now(),
                allowed=verdict.allowed,
                loss=verdict.loss,
                limit=limit,
                tripped=tripped,
                reason=verdict.reason,
            )
        )


def _signal_seen(at: datetime, signal_id: str, symbol: str, signal: Signal) -> SignalSeen:
    return SignalSeen(
        at=at,
        signal_id=signal_id,
        symbol=symbol,
        direction=signal.direction.value,
        confidence=signal.confidence,
        reasons=tuple(map(str, signal.reasons)),
    )


def _account_seen(at: datetime, account: AccountValues) -> AccountSeen:
    return AccountSeen(
        at=at,
        currency=account.currency,
        net_liquidation=float(account.net_liquidation),
        available_funds=None if account.available_funds is None else float(account.available_funds),
        excess_liquidity=None if account.excess_liquidity is None else float(account.excess_liquidity),
    )


def positions_seen(
    at: datetime, positions: Iterable[Position], open_orders: Iterable[OrderReport] | None
) -> PositionsSeen:
    """The positions, each with the working orders that would close it, where these could be read."""
    orders = None if open_orders is None else Listed(open_orders)
    return PositionsSeen(at=at, positions=tuple(_held(row, orders) for row in positions))


def _held(position: Position, orders: Listed | None) -> HeldPosition:
    protection = None
    if orders is not None:
        protection = tuple(
            _protective(order)
            for order in orders.parts(position.contract)
            if order.side.sign * position.signed_quantity < 0 and not order.state.is_final
        )
    return HeldPosition(
        subject=name_of_series(position.contract),
        symbol=position.contract.symbol,
        signed_quantity=position.signed_quantity,
        average_price=position.average_price,
        protection=protection,
    )


def _protective(order: OrderReport) -> ProtectiveOrder:
    price = order.stop_price if order.stop_price is not None else order.limit_price
    return ProtectiveOrder(
        client_order_id=order.client_order_id,
        order_type=order.order_type,
        price=None if price is None else float(price),
        quantity=order.quantity - order.filled,
        state=order.state.value,
    )


def exposure_seen(
    at: datetime, positions: Sequence[Position], exposure: Exposure, currency: str | None = None
) -> ExposureSeen:
    """What positions cost, each counted positive, and their sensitivities, as far as they are known.

    What they cost is known where they and the account have one currency.
    """
    at_cost = sum(
        abs(row.signed_quantity) * row.average_price * getattr(row.contract, "multiplier", 1)
        for row in positions
    )
    is_one = len({currency, *(row.contract.currency for row in positions)} - {None}) < 2
    return ExposureSeen(at=at, at_cost=at_cost if is_one else None, **attrs.asdict(exposure))


def ticket_of(record: Intent) -> OrderTicket:
    """The order that an intent begins with."""
    return record.order.entry if isinstance(record.order, Bracket) else record.order


def intended(record: Intent, signal_id: str = "") -> OrderIntended:
    """An order that is about to leave, as its journal has it."""
    ticket = ticket_of(record)
    return OrderIntended(
        at=record.at,
        client_order_id=record.client_order_id,
        signal_id=signal_id,
        symbol=record.symbol,
        subject=name_of_series(ticket.contract),
        purpose=record.purpose.value,
        side=ticket.side.value,
        quantity=ticket.quantity,
        reason=record.reason,
    )


def aside(tell: Callable[[T], None]) -> Callable[[T], None]:
    """The same; what it raises, as on a disk that is full, is told to the loop's exception handler, and ends nothing."""

    def attempt(told: T) -> None:
        try:
            tell(told)
        except Exception as error:  # noqa: BLE001 - positions must not be left alone for it
            words = f"who was to be told raised at {told}"
            asyncio.get_running_loop().call_exception_handler({"message": words, "exception": error})

    return attempt
