"""Keeps every position that we opened behind a stop that works at the venue."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, assert_never

import attrs

from ibkeel.clock import Clock
from ibkeel.errors import (
    ConnectionFailure,
    IbkeelError,
    InvalidInput,
    OrderRefused,
    RequestFailed,
    SafetyRefused,
)
from ibkeel.model import (
    Account,
    Chains,
    ClientOrderId,
    Contract,
    MarketData,
    OrderId,
    OrderReport,
    Orders,
    OrderState,
    OrderTicket,
    OrderType,
    Position,
    TimeInForce,
    name_of_series,
)
from ibkeel.orders import (
    CancelOrder,
    ChangeOrder,
    Gap,
    GapKind,
    PlaceStop,
    ProtectionPolicy,
    is_same_contract,
    is_stop,
    part_in,
    protection_gaps,
    venue_day,
)
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.flatten import is_among
from ibkeel.runner.own_orders import is_explained, last_stop, stop_price_for
from ibkeel.runner.tally import Failures
from ibkeel.telemetry import AlarmEnded, AlarmRaised, Event, Observer


class Protected(Orders, Account, Chains, MarketData, Protocol):
    """What the protection of positions needs."""


@attrs.frozen(kw_only=True)
class ProtectionTimes:
    """How patient the verifier is, in seconds.

    Args:
        gather: Between a piece of news and the look that it brings about: a fill and what follows from
            it come as many messages, and one look answers them all.
        settle: Between the two looks that must agree before anything is done: lists of orders and
            of positions are never of one instant.
        again: Between looks while something is wrong; a stop that was refused is not sent again earlier.
        rest: Between looks while nothing is heard and all is well, or no more can be done: nothing is left
            to send, and a person was told.
        deadline: That a gap may last before a person is told; only seconds with a session count, those of several
            sessions together. From then on between two stops that are refused.
        calm: Since the last fill before a stop is added: a position may lag behind the fill that closed it.
        sure: Since the last fill before anything is taken for too much: a position may lag behind the fill that
            opened it. Until then, and as long after each mend, it does not rest.
    """

    gather: float = 1.0
    settle: float = 1.0
    again: float = 5.0
    rest: float = 60.0
    deadline: float = 30.0
    calm: float = 5.0
    sure: float = 15.0


_TIMES: Final = ProtectionTimes()
_LACKS: Final = frozenset({GapKind.NAKED, GapKind.UNDERSIZED})
_Key = tuple[Contract, GapKind]


class _Countdown:
    """Calls when its seconds are over; they count only while it runs."""

    def __init__(self, seconds: float, over: Callable[[], None], clock: Clock) -> None:
        self._left, self._over, self._clock, self._since = seconds, over, clock, 0.0
        self._timer: asyncio.TimerHandle | None = None

    def run(self, since: float) -> None:
        """Count from that instant on, in monotonic seconds; again does nothing."""
        if self._timer is None:
            self._since = since
            left = max(self._left - (self._clock.monotonic() - since), 0.0)
            self._timer = asyncio.get_running_loop().call_later(left, self._over)

    def hold(self) -> None:
        """Count no more until it runs again."""
        if self._timer is not None:
            self._timer.cancel()
            self._left -= self._clock.monotonic() - self._since
            self._timer = None


class Protector:
    """Looks at positions and stops after each piece of news, mends what is wrong, or raises an alarm.

    It touches only orders of ours and only contracts that orders of ours were sent for. A position on the
    side that no entry of ours could open gets no stop: a person is told.

    Args:
        broker: Where positions and orders are.
        desk: Knows our orders; the door by which a stop leaves.
        failures: Told of what could not be mended.
        clock: Wall time for stamps, monotonic seconds for ages.
        observer: Told of alarms.
        policy: What is wanted.
        news: Set when there is news of an order, a fill, a position or the session.
        catch_up: Learns from the venue's lists what became of orders of unknown fate.
        times: How patient it is.
        stop_fraction: Where a stop goes when none of ours is known: so far from the average price.
        ends: Whether a position is to end with the session; the stop of any other must outlive the day.
        seen: Told at each look what is held and what works.
    """

    def __init__(
        self,
        broker: Protected,
        desk: OrderDesk,
        failures: Failures,
        clock: Clock,
        observer: Observer,
        *,
        policy: ProtectionPolicy,
        news: asyncio.Event,
        catch_up: Callable[[], Awaitable[None]],
        times: ProtectionTimes = _TIMES,
        stop_fraction: float = 0.20,
        ends: Callable[[Contract], bool] = lambda _: True,
        seen: Callable[[Sequence[Position], Sequence[OrderReport]], None] = lambda *_: None,
    ) -> None:
        self._broker, self._desk, self._failures, self._clock = broker, desk, failures, clock
        self._observer, self._policy, self._news, self._catch_up = observer, policy, news, catch_up
        self._times, self._stop_fraction, self._ends, self._seen = times, stop_fraction, ends, seen
        self._present: dict[_Key, Gap] = {}
        self._deadlines: dict[_Key, _Countdown] = {}
        self._told: dict[_Key, GapKind] = {}
        self._alarmed: set[Contract] = set()  # also while there is no session
        self._answered: dict[OrderId, str] = {}
        self._tried_at: dict[Contract, float] = {}  # when a stop was last sent
        self._mended_at = self._looked_at = -math.inf

    def use(self, *, stop_fraction: float) -> None:
        """Where a stop goes from now on when none of ours is known; one that works stays where it is.

        Args:
            stop_fraction: How far from the average price, as a fraction of it.
        """
        self._stop_fraction = stop_fraction

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        try:
            while True:
                self._news.clear()
                may_rest = await self._look_after()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._times.rest if may_rest else self._times.again):
                        await self._news.wait()
                    await asyncio.sleep(self._times.gather)
        finally:
            self._hold_deadlines()

    async def _look_after(self) -> bool:
        """Whether all is known to be well, or no more can be done."""
        try:
            gaps = await self.check()
        except ConnectionFailure:
            self._hold_deadlines()
            return False
        except IbkeelError as error:
            self._failures.note("", error, "protection")
            for deadline in self._deadlines.values():
                deadline.run(self._looked_at)
            return False
        self._mind_deadlines(gaps)
        is_quiet = self._is_over(self._times.sure, self._mended_at, self._desk.filled_at)
        return is_quiet and all(self._is_beyond_us(gap) for gap in gaps)

    def _is_beyond_us(self, gap: Gap) -> bool:
        """Whether a person was told and nothing is left to send, or to be found out."""
        return _key(gap) in self._told and not gap.mends and not self._desk.knows_nothing_of(gap.contract)

    async def check(self) -> tuple[Gap, ...]:
        """Look once, mend what two looks agree on, and say what was wrong.

        Raises:
            RequestFailed: Orders or positions could not be read.
            ConnectionFailure: There is no session.
        """
        if not self._desk.contracts:
            return ()
        self._looked_at = self._clock.monotonic()
        gaps, _ = await self._gaps()
        self._begin_deadlines(gaps)
        if any(self._desk.knows_nothing_of(gap.contract) for gap in gaps):
            await self._catch_up()
        elif not any(gap.mends for gap in gaps):
            return gaps  # nothing is wrong, or only time or a person can mend it
        async with self._desk.turn:
            await asyncio.sleep(self._times.settle)
            again, positions = await self._gaps()
            before = [_gist(gap) for gap in gaps]
            for gap in (row for row in again if _gist(row) in before):
                await self._mend(gap, positions)
        return again

    async def _gaps(self) -> tuple[tuple[Gap, ...], Sequence[Position]]:
        positions, orders = await self._broker.positions(), await self._broker.all_open_orders()
        self._seen(positions, orders)
        ours = [row for row in positions if self._desk.may_own(row)]
        others = [row.contract for row in positions if row not in ours]
        known = [contract for contract in self._desk.contracts if not is_among(others, contract)]
        of_ours = [row for row in orders if is_among(known, row.contract)]
        parts = [part_in(row, held.contract) for held in ours for row in orders]  # combos by their legs
        of_ours += [part for part in parts if part and part not in of_ours]
        gaps: list[Gap] = []
        for ends in (True, False):
            gaps += protection_gaps(
                [row for row in ours if self._ends(row.contract) is ends],
                [row for row in of_ours if self._ends(row.contract) is ends],
                attrs.evolve(self._policy, tifs=self._tifs(ends=ends)),
            )
        return tuple(map(self._within_our_book, gaps)), ours

    def _within_our_book(self, gap: Gap) -> Gap:
        """What no entry of ours explains is a person's to close: where its stop belongs nobody knows."""
        if gap.kind not in _LACKS or self._explains(gap):
            return gap
        return attrs.evolve(gap, mends=tuple(m for m in gap.mends if not isinstance(m, PlaceStop)))

    def _explains(self, gap: Gap) -> bool:
        return not gap.held or is_explained(self._desk.of_contract(gap.contract), is_long=gap.held > 0)

    def _tifs(self, *, ends: bool) -> tuple[TimeInForce, ...]:
        """How long a stop may work; one that ended with the day would leave bare what is held over night."""
        return self._policy.tifs if ends else (TimeInForce.GTC,)

    async def _mend(self, gap: Gap, positions: Sequence[Position]) -> None:
        """Take the steps; one that fails is noted, and tried again at the next look."""
        patience = self._times.calm if gap.kind in _LACKS else self._times.sure
        if gap.kind is not GapKind.WRONG_TIF and not self._is_over(patience, self._desk.filled_at):
            return  # what is held may not show yet, or not be held any more
        self._mended_at = self._clock.monotonic()
        for step in gap.mends:
            try:
                match step:
                    case PlaceStop():
                        await self._place(gap, step, positions)
                    case _ if not self._desk.can_change(step.order) or self._desk.is_entry(step.order):
                        pass
                    case CancelOrder():
                        await self._cancel(gap, step.order)
                    case ChangeOrder():
                        await self._change(gap, step)
                    case _:
                        assert_never(step)
            except (RequestFailed, SafetyRefused, InvalidInput) as error:
                self._failures.note(gap.contract.symbol, error, "protection")

    async def _cancel(self, gap: Gap, order: OrderReport) -> None:
        if order.state is OrderState.UNKNOWN and self._answered.get(order.order_id) == order.reason:
            return  # nothing was said of it since the venue answered a cancel; its lists tell the rest
        told = await self._desk.cancel(order)
        self._desk.saw(told)
        if told.state is OrderState.UNKNOWN:
            self._answered[order.order_id] = told.reason
        if told.state is OrderState.CANCELLED:
            self._tell_of_profit(gap, order, "was cancelled")

    async def _change(self, gap: Gap, step: ChangeOrder) -> None:
        order = step.order
        ticket = OrderTicket(
            contract=order.contract,
            side=order.side,
            quantity=step.quantity,
            order_type=OrderType(order.order_type),
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            tif=TimeInForce(order.tif) if step.tif is None else step.tif,
            oca_group=order.oca_group,
            client_order_id=order.client_order_id,
            is_closing=True,
        )
        after = await self._desk.change(order, ticket)
        if after.quantity == step.quantity < order.quantity:
            self._tell_of_profit(gap, order, f"was cut from {order.quantity:g} to {step.quantity}")

    def _tell_of_profit(self, gap: Gap, order: OrderReport, fate: str) -> None:
        """A person hears why a take profit was for too much: what it was for was closed by somebody else."""
        if gap.kind not in _LACKS and not is_stop(order):
            what = f"take profit {order.client_order_id} ({order.side.value} {order.quantity:g})"
            self._tell(AlarmRaised, gap.contract, f"{gap.kind.value}: {gap.detail}; {what} {fate}")

    def _tell(self, kind: Callable[..., Event], contract: Contract, message: str) -> None:
        name = f"protection of {name_of_series(contract)}"
        self._observer.on_event(kind(at=self._clock.now(), name=name, message=message))

    async def _place(self, gap: Gap, step: PlaceStop, positions: Sequence[Position]) -> None:
        pause = self._times.deadline if _key(gap) in self._told else self._times.again
        is_early = not self._is_over(pause, self._tried_at.get(gap.contract, -math.inf))
        if is_early or self._desk.knows_nothing_of(gap.contract):
            return  # a refusal is news, and would be followed by the next; a stop that is slow to show be doubled
        position = next(row for row in positions if is_same_contract(row.contract, gap.contract))
        price = last_stop(self._desk.of_contract(gap.contract), step.side)
        if price is None:
            price = await stop_price_for(self._broker, position, self._stop_fraction)

        def ticket(name: ClientOrderId) -> OrderTicket:
            return OrderTicket(
                contract=position.contract,
                side=step.side,
                quantity=step.quantity,
                order_type=OrderType.STP,
                stop_price=price,
                tif=next(iter(self._tifs(ends=self._ends(gap.contract))), TimeInForce.DAY),
                client_order_id=name,
                is_closing=True,
            )

        now, self._tried_at[gap.contract] = self._clock.now(), self._clock.monotonic()
        await self._desk.protect(ticket, gap.kind, venue_day(now), gap.detail)

    def _is_over(self, patience: float, *instants: float) -> bool:
        return self._clock.monotonic() - max(instants) >= patience

    def _mind_deadlines(self, gaps: Sequence[Gap]) -> None:
        """Only those that are left count on; of one that went and comes again a person hears again."""
        for key in self._deadlines.keys() - set(map(_key, gaps)):
            self._forget(key)
        self._begin_deadlines(gaps)
        for contract in self._alarmed - {gap.contract for gap in gaps}:
            self._alarmed.remove(contract)
            self._tell(AlarmEnded, contract, "position and exits are in order again")

    def _begin_deadlines(self, gaps: Sequence[Gap]) -> None:
        """A countdown for each, for what mends a gap may itself wait for an answer."""
        for gap in gaps:
            key = _key(gap)
            if self._told.get(key, gap.kind) is not gap.kind:
                self._forget(key)  # it is another one than that which was told
            self._present[key] = gap
            if key not in self._deadlines:
                over = partial(self._alarm, key)
                self._deadlines[key] = _Countdown(self._times.deadline, over, self._clock)
            self._deadlines[key].run(self._looked_at)

    def _hold_deadlines(self) -> None:
        """They count on with the next session; of what was told already a person then hears again."""
        for key in tuple(self._told):
            self._forget(key)
        for deadline in self._deadlines.values():
            deadline.hold()

    def _forget(self, key: _Key) -> None:
        self._deadlines.pop(key).hold()
        del self._present[key]
        self._told.pop(key, None)

    def _alarm(self, key: _Key) -> None:
        gap = self._present[key]
        self._told[key] = gap.kind
        why = "it" if self._explains(gap) else "no entry of ours opened it; it"
        seconds = f"{self._times.deadline:g} s"
        message = f"{gap.kind.value}: {gap.detail}; {why} could not be mended within {seconds}"
        self._failures.note(gap.contract.symbol, OrderRefused(message), "protection")
        self._alarmed.add(gap.contract)
        self._tell(partial(AlarmRaised, lasts=True), gap.contract, message)


def _key(gap: Gap) -> _Key:
    """What a deadline is about: a position may go from no stop to too small a one and back, and is never covered."""
    return gap.contract, GapKind.NAKED if gap.kind in _LACKS else gap.kind


def _gist(gap: Gap) -> tuple[object, ...]:
    """What two looks must agree on; the stamps of reports differ."""
    steps = [step if isinstance(step, PlaceStop) else step.order.order_id for step in gap.mends]
    return gap.kind, gap.contract, gap.held, gap.covered, gap.uncertain, gap.profits, steps
