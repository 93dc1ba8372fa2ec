"""A Gateway that sends stored orders again: of the live orders of one intent all but one are found."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.model import OrderReport, OrderState, Side, Stock
from ibkeel.orders import doubled_orders

NOW = datetime(2026, 1, 5, 17, tzinfo=UTC)
reports = st.lists(
    st.builds(
        OrderReport,
        order_id=st.integers(1, 9),
        perm_id=st.sampled_from([0, *range(101, 110)]),
        client_id=st.sampled_from([0, 7]),
        client_order_id=st.sampled_from(["a", "b", ""]),
        contract=st.just(Stock("SPY")),
        side=st.just(Side.SELL),
        quantity=st.just(3),
        filled=st.integers(0, 2),
        order_type=st.just("STP"),
        state=st.sampled_from(OrderState),
        at=st.just(NOW),
    ),
    max_size=8,
)


def number(report):
    return report.client_id, report.order_id, report.perm_id


@given(reports)
def test_when_the_found_ones_are_cancelled_each_intent_has_one_live_order_the_most_filled(rows):
    found = doubled_orders(rows)

    for name in {row.client_order_id for row in rows}:
        # The last word on an order counts; a list may hold it twice.
        live = {number(row): row for row in rows if row.client_order_id == name and not row.state.is_final}
        gone = {number(row) for row in found.get(name, ())}
        stays = [row for key, row in live.items() if key not in gone]
        if not name:
            assert not gone
        elif live:
            assert len(stays) == 1
            assert stays[0].filled == max(row.filled for row in live.values())


@given(reports, st.randoms(use_true_random=False))
def test_the_order_of_the_list_does_not_matter(rows, chance):
    rows = list({row.order_id: row for row in rows}.values())
    shuffled = sorted(rows, key=lambda _: chance.random())

    assert doubled_orders(shuffled) == doubled_orders(rows)
