from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import Option, OrderReport, OrderState, Position, Right, Side
from ibkeel.orders import plan_exit

CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)


@st.composite
def reports(draw):
    quantity = draw(st.integers(1, 20))
    return OrderReport(
        order_id=draw(st.integers(1, 1000)),
        perm_id=draw(st.integers(1, 10**6)),
        client_id=7,
        client_order_id="x",
        contract=CALL,
        side=draw(st.sampled_from(Side)),
        quantity=quantity,
        order_type="LMT",
        state=draw(st.sampled_from(OrderState)),
        filled=draw(st.integers(0, quantity)),
        at=datetime(2024, 3, 4, tzinfo=UTC),
    )


@given(
    st.integers(-50, 50), st.lists(reports(), max_size=5, unique_by=lambda one: (one.order_id, one.perm_id))
)
def test_even_if_every_open_exit_fills_the_position_does_not_turn(quantity, orders):
    position = Position(account="DU1234567", contract=CALL, signed_quantity=quantity, average_price=1.0)

    plan = plan_exit(position, orders)

    if plan.ticket is not None:
        exits = [o for o in orders if o.side is plan.ticket.side and not o.state.is_final]
        after = quantity + plan.ticket.side.sign * (
            plan.ticket.quantity + sum(o.quantity - o.filled for o in exits)
        )
        assert plan.ticket.side.sign * quantity < 0
        assert after * quantity >= 0
