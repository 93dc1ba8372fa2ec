from datetime import UTC, date, datetime
from io import StringIO

import attrs
import pytest
from rich.console import Console

from ibkeel.cli.structures import payoff_table
from ibkeel.errors import InvalidInput
from ibkeel.model import MarginChange, Option, OrderPreview, OrderTicket, Right, Stock
from ibkeel.options import calendar, iron_condor, straddle

NEAR, FAR = date(2026, 2, 20), date(2026, 3, 20)


def option(strike, right="C", expiry=NEAR):
    return Option("SPY", expiry, strike, Right(right), trading_class="SPY")


def at(structure, *prices):
    legs = zip(structure.legs, prices, strict=True)
    return attrs.evolve(structure, legs=[attrs.evolve(leg, price=price) for leg, price in legs])


CONDOR = at(
    iron_condor(
        long_put=option(540, "P"), short_put=option(550, "P"), short_call=option(580), long_call=option(590)
    ),
    "2.10", "3.85", "3.40", "1.65",
)  # fmt: skip


def shown(structure, **options):
    """The rows as they are printed, without the room between words."""
    console = Console(file=StringIO(), width=100)
    console.print(payoff_table(structure, **options))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_table_tells_legs_net_price_bounds_and_profits():
    rows = shown(CONDOR, spot=565.2)

    assert rows[0] == "SPY iron condor"
    assert "SPY 2026-02-20 550 P SELL 1 3.85" in rows
    for row in (
        "net credit 3.50 350.00",
        "max gain 3.50 350.00",
        "max loss 6.50 650.00",
        "break-even 546.50",
        "540.00 -6.50 -650.00 strike",
        "546.50 0.00 0.00 break-even",
        "565.20 3.50 350.00 now",
        "590.00 -6.50 -650.00 strike",
    ):
        assert row in rows


def test_the_prices_to_show_can_be_chosen():
    rows = shown(CONDOR, spots=[545, 700])

    assert "545.00 -1.50 -150.00" in rows
    assert "700.00 -6.50 -650.00" in rows
    assert not any(row.startswith("550.00") for row in rows)


@pytest.mark.parametrize(("quantity", "label"), [(1, "initial margin"), (3, "initial margin of 3")])
def test_what_the_broker_said_is_told_with_it(quantity, label):
    preview = OrderPreview(
        ticket=OrderTicket(contract=Stock("SPY"), side="BUY", quantity=quantity),
        at=datetime(2026, 1, 5, 17, tzinfo=UTC),
        initial_margin=MarginChange(change=1000),
        commission="2.60",
    )

    rows = shown(CONDOR, preview=preview)

    assert f"{label} 1,000.00" in rows
    assert not any("maintenance" in row for row in rows)


def test_what_has_no_bound_says_so():
    pair = at(straddle(call=option(565), put=option(565, "P")), "9.10", "8.20")

    assert "max gain unbounded unbounded" in shown(pair)
    assert "net debit 17.30 1,730.00" in shown(pair)


def test_a_structure_of_several_expiries_has_no_such_table():
    with pytest.raises(InvalidInput, match="use value_at_near_expiry"):
        shown(at(calendar(near=option(565), far=option(565, expiry=FAR)), "9", "13"))
