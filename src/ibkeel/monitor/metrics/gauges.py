"""Gauges: read from the board when somebody scrapes."""

from collections.abc import Iterator
from typing import Final

from ibkeel.model import Grade
from ibkeel.monitor.board import Snapshot

__all__ = ["gauges"]

Sample = tuple[str, tuple[str, ...], float]

_GRADES: Final = {Grade.OK.value: 0.0, Grade.DEGRADED.value: 1.0, Grade.DOWN.value: 2.0}
_CIRCUITS: Final = {"closed": 0.0, "half open": 1.0, "open": 2.0}
_UNKNOWN: Final = "unknown"


def gauges(snapshot: Snapshot) -> Iterator[Sample]:
    """Name, labels and value of everything that can go up and down; what is not known is left out.

    Args:
        snapshot: Of the board.
    """
    if snapshot.at is not None:
        yield "ibkeel_last_event_timestamp_seconds", (), snapshot.at.timestamp()
    yield from _of_requests(snapshot)
    yield from _of_session(snapshot)
    yield from _of_run(snapshot)
    yield from _of_money(snapshot)
    yield from _of_guards(snapshot)
    yield "ibkeel_alerts_waiting", (), float(snapshot.alerts.waiting)
    yield "ibkeel_heartbeat_failing", (), float(bool(snapshot.alerts.heartbeat_failing))
    yield "ibkeel_incidents_open", (), float(len(snapshot.incidents.open))


def _of_requests(snapshot: Snapshot) -> Iterator[Sample]:
    yield "ibkeel_requests_under_way", (), float(snapshot.requests.under_way)
    for budget in snapshot.pacing.budgets:
        yield "ibkeel_pacing_budget_used", (budget.rule,), float(budget.used)
        yield "ibkeel_pacing_budget_limit", (budget.rule,), float(budget.limit)
    for queue in snapshot.pacing.queues:
        yield "ibkeel_queue_depth", (queue.kind,), float(queue.waiting)
        yield "ibkeel_queue_age_seconds", (queue.kind,), queue.oldest
    yield "ibkeel_lines_open", (), float(snapshot.lines.count)
    yield "ibkeel_lines_capacity", (), float(snapshot.lines.capacity)


def _of_session(snapshot: Snapshot) -> Iterator[Sample]:
    session, health = snapshot.session, snapshot.health
    seen = dict.fromkeys(span.state for span in session.timeline)
    for state in seen:
        yield "ibkeel_session_state", (state,), float(state == session.state)
    for row in snapshot.services.rows.values():
        yield "ibkeel_service_state", (row.name,), _CIRCUITS.get(row.state, 2.0)
    for farm in snapshot.farms.rows.values():
        yield "ibkeel_farm_grade", (farm.farm,), _GRADES.get(farm.after, 2.0)
    for tier in snapshot.tiers:
        yield "ibkeel_health_grade", (tier.name,), _GRADES[tier.grade.value]
    if health.at is not None:
        yield "ibkeel_health_checked_timestamp_seconds", (), health.at.timestamp()
    if health.round_trip is not None:
        yield "ibkeel_round_trip_seconds", (), health.round_trip


def _of_run(snapshot: Snapshot) -> Iterator[Sample]:
    run = snapshot.run
    if run.run:
        yield "ibkeel_run_info", (run.run, run.mode, run.strategy), 1.0
    unknown = sum(row.state == _UNKNOWN for row in snapshot.orders.rows.values())
    yield "ibkeel_orders_unknown", (), float(unknown)


def _of_money(snapshot: Snapshot) -> Iterator[Sample]:
    money = snapshot.money
    if money.account is not None:
        currency = (money.account.currency,)
        yield "ibkeel_equity", currency, money.account.net_liquidation
        if money.account.available_funds is not None:
            yield "ibkeel_available_funds", currency, money.account.available_funds
    if money.positions_at is not None:
        yield "ibkeel_positions", (), float(len(money.positions))
        bare = sum(row.protection == () for row in money.positions)
        yield "ibkeel_positions_unprotected", (), float(bare)
    if money.exposure is not None:
        yield "ibkeel_exposure_at_cost", (), money.exposure.at_cost
        for name in ("delta", "gamma", "theta", "vega"):
            value: float | None = getattr(money.exposure, name)
            if value is not None:
                yield f"ibkeel_{name}", (), value


def _of_guards(snapshot: Snapshot) -> Iterator[Sample]:
    loss = snapshot.guard.loss
    if loss is not None:
        if loss.loss is not None:
            yield "ibkeel_daily_loss_fraction", (), loss.loss
        yield "ibkeel_daily_loss_limit_fraction", (), loss.limit
        yield "ibkeel_daily_loss_tripped", (), float(loss.tripped)
    yield "ibkeel_entries_halted", (), float(snapshot.guard.is_halted)
