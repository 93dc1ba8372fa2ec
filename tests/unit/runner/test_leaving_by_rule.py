"""What a strategy's rules end during a session: what the run opened, and nothing that somebody else holds."""

from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.journal import Intent, Journal
from ibkeel.model import Direction, ExitPolicy, Option, OrderState, Position, Quote, Side, Signal, Stock
from ibkeel.runner import EndOfDay, RunnerConfig, Session
from ibkeel.runner.crew import crew_of
from ibkeel.runner.memory import OwnOrder
from ibkeel.telemetry import NullObserver
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

NOW = datetime(2025, 3, 14, 18, tzinfo=UTC)
CALL = Option("SPY", date(2025, 3, 21), 560, "C", trading_class="SPY", con_id=1)
SPY = Stock("SPY")
HELD = Position(account="DU1", contract=CALL, signed_quantity=1, average_price=4)
SESSION = Session(day=NOW.date(), opens_at=NOW - timedelta(hours=4), closes_at=NOW + timedelta(hours=2))
BOUGHT, SOLD = (
    OwnOrder(
        contract=CALL,
        side=side,
        is_entry=side is Side.BUY,
        state=OrderState.FILLED,
        has_filled=True,
        filled=1,
        placed_at=NOW,
    )
    for side in (Side.BUY, Side.SELL)
)


def looked(orders, *, policy=None, held=HELD, end_of_day=EndOfDay.FLATTEN):
    """One look at a position: the contracts of the exits that left, what was asked, and whether it ends today."""

    async def main():
        quote = Quote(contract=held.contract, at=NOW, bid=4, ask=4.05)
        clock = virtual_clock()
        async with FakeBroker(clock=clock, positions=[held], quotes=[quote]) as broker:
            with Journal.in_memory() as journal:
                config = RunnerConfig(end_of_day=end_of_day)
                crew = crew_of(
                    broker,
                    journal,
                    run="r1",
                    symbols=(),
                    config=config,
                    clock=clock,
                    observer=NullObserver(),
                )
                crew.desk.restore({f"mine-{at}": row for at, row in enumerate(orders)})
                if policy is not None:
                    signal = Signal(direction=Direction.UP, confidence=0.5, exits=policy)
                    crew.leaving.mind(held.contract, signal)
                await crew.leaving.look([held], SESSION, SESSION.closes_at)
                intents = [entry.record for entry in journal.events(Intent)]
                ends = crew.leaving.ends(held.contract)
        return [row.order.contract for row in intents], broker.calls, ends

    return run_virtual(main(), start=NOW)


@pytest.mark.parametrize(("orders", "sold"), [([BOUGHT], [CALL]), ([BOUGHT, SOLD], [])])
def test_what_somebody_holds_after_the_run_left_is_not_sold_by_the_rules_of_what_it_had(orders, sold):
    exits, _, _ = looked(orders, policy=ExitPolicy(min_dte=30))

    assert exits == sold


@pytest.mark.parametrize("held", [attrs.evolve(HELD, signed_quantity=-1), attrs.evolve(HELD, contract=SPY)])
def test_rules_are_for_options_that_are_held_long(held):
    side = Side.BUY if held.signed_quantity > 0 else Side.SELL
    opened = attrs.evolve(BOUGHT, contract=held.contract, side=side)

    exits, _, _ = looked([opened], policy=ExitPolicy(min_dte=30), held=held)

    assert exits == []


@pytest.mark.parametrize(("end_of_day", "does_end"), [("flatten", True), ("hold", False)])
def test_what_was_entered_for_a_reason_nobody_can_read_any_more_ends_as_configured(end_of_day, does_end):
    exits, _, ends = looked([BOUGHT], end_of_day=EndOfDay(end_of_day))

    assert (exits, ends) == ([], does_end)


def test_a_trail_follows_the_stock_in_the_currency_of_the_option():
    abroad = attrs.evolve(CALL, underlying="SAP", trading_class="SAP", currency="EUR")

    _, calls, _ = looked(
        [attrs.evolve(BOUGHT, contract=abroad)],
        policy=ExitPolicy(trail_period=20),
        held=attrs.evolve(HELD, contract=abroad),
    )

    assert [call.subject for call in calls if call.kind == "bars"] == [Stock("SAP", currency="EUR")]
