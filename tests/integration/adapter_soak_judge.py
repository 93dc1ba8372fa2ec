"""What a soak of an adapter may not leave, by the books of the simulated Gateway and of its venue."""

import asyncio
from collections import Counter, deque

import attrs

from ibkeel.errors import IbkeelError
from ibkeel.model import BarSpec, OrderState, OrderTicket, Stock
from ibkeel.sim import faults
from ibkeel.sim.wire import GREETING, FrameReader

LINES = 6
PATIENCE = 15.0  # seconds for a turn and for a line
SPY, QQQ = Stock("SPY"), Stock("QQQ")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price="1")
MINUTES = BarSpec(duration="3600 S", size="1 min")
_STAGES = 5  # the most requests that one call makes one after the other
_SYNCS = 31.0  # seconds for which a call may wait for a sync
_GIVEN_UP = 1.0  # seconds in which a call that was given up has to end
_MESSAGES = 50  # of a second
_OWN = {"ibkeel pulse", "ibkeel fates"}
_LIVE = {OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIALLY_FILLED}
_ENDED = {OrderState.CANCELLED, OrderState.REJECTED}
_STATES = {"Filled": {OrderState.FILLED}, "Cancelled": _ENDED, "Inactive": _ENDED}


def now():
    """Seconds of the loop."""
    return asyncio.get_running_loop().time()


def tasks():
    """Names of the tasks of an adapter that run, but for those that run as long as it does."""
    names = (task.get_name() for task in asyncio.all_tasks())
    return sorted(name for name in names if name.startswith(("ibkeel", "stream of")))


@attrs.define(kw_only=True)
class Call:
    """One call, and how it ended."""

    name: str
    began: float
    patience: float
    given_up: float | None
    ended: float | None = None
    outcome: object = None


class Rate:
    """When messages of clients came, whatever the Gateway read when."""

    def __init__(self):
        self._readers, self._times = {}, []

    def opened(self, connection, _):
        """A connection begins."""
        self._readers[connection] = FrameReader()

    def heard(self, connection, sender, data, _):
        """Bytes came or left."""
        if sender == "client":
            texts = self._readers[connection].payloads(data.removeprefix(GREETING))
            self._times += [now()] * len(texts)

    def closed(self, connection, _):
        """A connection has ended."""

    def most(self):
        """The most messages within a second."""
        window, most = deque(), 0
        for at in self._times:
            window.append(at)
            while at - window[0] >= 1.0:
                window.popleft()
            most = max(most, len(window))
        return most


def end_of(call):
    """What is wrong with how a call ended; empty for nothing."""
    if call.ended is None:
        return ""
    took, given_up = call.ended - call.began, call.given_up
    if isinstance(call.outcome, asyncio.CancelledError):
        is_well = given_up is not None and given_up - 1e-6 <= took <= given_up + _GIVEN_UP
        return "" if is_well else f"cancelled by itself, or late: {call}"
    if isinstance(call.outcome, BaseException) and not isinstance(call.outcome, IbkeelError):
        return f"an error without a type: {call}"
    allowed = _STAGES * (call.patience + 0.1) + 3 * PATIENCE + _SYNCS
    is_late = call.name not in {"stream", "events"} and took > allowed
    return f"{took:.1f} s and not {allowed:.1f}: {call}" if is_late else ""


async def at_rest(broker, gateway, soak):
    """What is left once everybody has gone, and what is not well."""
    link, counters = broker._link, gateway.counters
    # What waits unread in a Gateway that hangs is read all at once.
    hangs = any(isinstance(fault, faults.HalfOpen) for _, fault in soak.faults)
    left = {
        "lines": dict(broker.open_lines),
        "requests": len(link.requests),
        "answers": len(link._answers),
        "waiting": link.wire.waiting(),
        "lines at the Gateway": counters.open_lines,
        "lines too many": max(counters.max_open_lines - LINES, 0),
        "histories at the Gateway": counters.open_histories,
        "locked": [name for name, lock in link._answers._turns.items() if lock.locked()],
        "tasks": [name for name in tasks() if name not in _OWN],
        "breaches": 0 if hangs else counters.pacing_violations,
        "messages too many": max(soak.rate.most() - _MESSAGES, 0),
        "failures of the Gateway": counters.failures,
    }
    wrong = [f"left: {name}: {what}" for name, what in left.items() if what]
    try:
        await broker.quote(SPY)
        await broker.bars(SPY, MINUTES)
        await broker.option_chain(QQQ)
        await broker.account()
        await broker.place(FAR)  # of services that failed, one request tries whether they are well
        await broker.open_orders()
    except IbkeelError as error:
        wrong.append(f"not well: {error!r}")
    health = await broker.health()
    return wrong + [f"not well: {check}" for check in health.checks if check.grade.name != "OK"]


async def orders_of(broker, venue):
    """Where the adapter's books and the venue's differ."""
    works = {row.order_id: row for row in venue.open_orders(broker.client_id)}
    ended = {row.order_id: row for row in venue.completed_orders()}
    filled = Counter()
    for fill, _ in venue.executions():
        filled[fill.order_id] += fill.quantity
    reports = {row.order_id: row for row in broker._link.book.reports()}
    names = Counter(row.order_ref for row in (*works.values(), *ended.values()))
    return [
        *(f"{count} orders are {name}" for name, count in names.items() if count > 1),
        *(f"not in our book: {row}" for key, row in works.items() if key not in reports),
        *(f"at the venue otherwise: {row}" for row in reports.values() if not _is_true(row, works, ended)),
        *(f"filled {filled[key]}: {row}" for key, row in reports.items() if row.filled != filled[key]),
        *await _differences(broker, venue, works),
    ]


def _is_true(report, works, ended):
    if report.order_id in works:
        return report.state in _LIVE
    if report.order_id in ended:
        return report.state in _STATES[ended[report.order_id].status]
    return report.state.is_final


async def _differences(broker, venue, works):
    fills = {row.exec_id for row in await broker.executions()}
    held = {row.contract.con_id: row.signed_quantity for row in await broker.positions()}
    listed = {row.order_id for row in await broker.open_orders()}
    ours = {"fills": fills, "positions": held, "open orders": listed}
    theirs = {
        "fills": {fill.exec_id for fill, _ in venue.executions()},
        "positions": {row.contract.con_id: row.quantity for row in venue.positions()},
        "open orders": set(works),
    }
    return [f"{name}: {ours[name]} and not {theirs[name]}" for name in ours if ours[name] != theirs[name]]
