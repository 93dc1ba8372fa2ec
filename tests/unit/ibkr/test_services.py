"""Which outcomes count for which circuit breaker, and what a breaker that cannot heal leads to."""

import asyncio

import pytest

from ibkeel.errors import (
    CircuitOpen,
    GatewayRejected,
    NoData,
    NotConnected,
    PacingExceeded,
    RequestTimeout,
)
from ibkeel.ibkr import Farm
from ibkeel.ibkr.services import Service, Services, is_answer, is_fault
from ibkeel.resilience import BreakerPolicy, BreakerState, Deadlines, Escalation, RequestKind
from ibkeel.virtual import virtual_clock


class Desk:
    def __init__(self, **policies):
        self.events, self.escalations = [], []
        self.services = Services(
            {name.replace("_", " "): policy for name, policy in policies.items()},
            Deadlines(),
            clock=virtual_clock(),
            observer=self,
            jitter=lambda: 0.0,
            on_escalation=lambda *details: self.escalations.append(details),
        )

    def on_event(self, event):
        self.events.append(event)

    def fail(self, service, error=None):
        try:
            with self.services[service].attempt():
                raise error or RequestTimeout("no answer")
        except (RequestTimeout, CircuitOpen, NoData):
            pass


@pytest.mark.parametrize(
    ("error", "fault", "answer"),
    [
        (RequestTimeout("late"), True, False),
        (NotConnected("gone"), True, False),
        (NoData("none", code=162), False, True),
        (GatewayRejected("320", code=320, is_fault=True), True, False),
        (PacingExceeded("our own wait"), False, False),
        (CircuitOpen("history", wait=1.0, cause=""), False, False),
        (ValueError("a fault of the caller"), False, False),
    ],
)
def test_what_counts(error, fault, answer):
    assert (is_fault(error), is_answer(error)) == (fault, answer)


@pytest.mark.parametrize("kind", [RequestKind.PROBE, RequestKind.ORDERS])
async def test_probes_and_lists_of_orders_always_pass(kind):
    assert Desk().services.of(kind) is None


async def test_each_service_fails_by_itself():
    desk = Desk()
    for _ in range(3):
        desk.fail(Service.HISTORY)

    states = {breaker.name: breaker.state for breaker in desk.services}
    assert [name for name, state in states.items() if state is BreakerState.OPEN] == ["historical data"]
    [event] = desk.events
    assert (event.service, event.before, event.after) == ("historical data", "closed", "open")
    assert "RequestTimeout" in event.cause


async def test_answers_of_no_data_never_open_a_circuit():
    desk = Desk()
    for _ in range(50):
        desk.fail(Service.HISTORY, NoData("none", code=162))

    assert desk.services[Service.HISTORY].state is BreakerState.CLOSED


async def test_calls_that_take_most_of_their_deadline_open_it_too():
    desk = Desk()
    for _ in range(10):
        with desk.services[Service.HISTORY].attempt():
            await asyncio.sleep(50)

    assert desk.services[Service.HISTORY].state is BreakerState.OPEN


async def test_what_the_limits_held_back_is_not_slow():
    desk = Desk()
    for _ in range(20):
        with desk.services[Service.HISTORY].attempt() as attempt:
            await asyncio.sleep(50)
            attempt.restart()

    assert desk.services[Service.HISTORY].state is BreakerState.CLOSED


async def test_probes_that_fail_lead_to_a_new_connection_then_to_a_person():
    desk = Desk(historical_data=BreakerPolicy(failures=1, open_seconds=1, reconnect_at=2, stop_at=4))
    for _ in range(4):
        desk.fail(Service.HISTORY)
        desk.services.try_again()

    assert [(service, step) for service, step, _ in desk.escalations] == [
        (Service.HISTORY, Escalation.RECONNECT),
        (Service.HISTORY, Escalation.RECONNECT),
        (Service.HISTORY, Escalation.STOP),
    ]


async def test_a_farm_that_serves_again_closes_the_circuit_of_its_service():
    desk = Desk(historical_data=BreakerPolicy(failures=1), market_data=BreakerPolicy(failures=1))
    desk.fail(Service.HISTORY)
    desk.fail(Service.MARKET_DATA)
    desk.services.farm_is_well(Farm.HISTORY)

    assert desk.services[Service.HISTORY].state is BreakerState.CLOSED
    assert desk.services[Service.MARKET_DATA].state is BreakerState.OPEN


async def test_what_was_asked_before_the_farm_served_again_counts_no_more():
    desk = Desk(historical_data=BreakerPolicy(failures=1))

    async def asked_in_vain():
        with desk.services[Service.HISTORY].attempt():
            await asyncio.sleep(60)
            raise RequestTimeout("no answer")

    asking = asyncio.create_task(asked_in_vain())
    await asyncio.sleep(30)
    desk.services.farm_is_well(Farm.HISTORY)
    with pytest.raises(RequestTimeout):
        await asking

    assert desk.services[Service.HISTORY].state is BreakerState.CLOSED
    assert desk.events == []


async def test_a_new_session_lets_one_probe_pass_at_once():
    desk = Desk(historical_data=BreakerPolicy(failures=1, open_seconds=300))
    desk.fail(Service.HISTORY)
    desk.services.try_again()

    with (
        desk.services[Service.HISTORY].attempt(),
        pytest.raises(CircuitOpen),
        desk.services[Service.HISTORY].attempt(),
    ):
        pass
    assert desk.services[Service.HISTORY].state is BreakerState.CLOSED
