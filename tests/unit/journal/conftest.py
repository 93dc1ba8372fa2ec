"""One record of each kind, and an open journal."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ibkeel.journal import (
    CommissionSeen,
    CycleDone,
    Decision,
    Failure,
    FillSeen,
    Intent,
    Journal,
    LimitsTaken,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    QuoteSeen,
    RunEnded,
    RunStarted,
)
from ibkeel.model import (
    Bracket,
    Direction,
    Execution,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Quote,
    Reason,
    Right,
    Side,
    Signal,
    Stock,
)
from ibkeel.orders import EntryIntent, ExitIntent
from ibkeel.risk import DailyLossGuard

NOW = datetime(2024, 3, 4, 17, tzinfo=UTC)
CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
SIGNAL = Signal(direction=Direction.UP, confidence=0.5, reasons=(Reason("rsi14", 55.0, "45 <= rsi14 <= 70"),))
ACCOUNT = "DU1234567"


def every_kind():
    entry = OrderTicket(
        contract=CALL,
        side=Side.BUY,
        quantity=1,
        order_type=OrderType.LMT,
        limit_price=2,
        client_order_id="ibk-1",
    )
    intent = EntryIntent(
        client_order_id="ibk-1",
        symbol="SPY",
        at=NOW,
        signal=SIGNAL,
        bracket=Bracket(entry=entry, stop_loss="1.6"),
        reason="tightest",
    )
    leave = OrderTicket(contract=CALL, side=Side.SELL, quantity=1, client_order_id="ibk-2")
    away = ExitIntent(client_order_id="ibk-2", symbol="SPY", at=NOW, ticket=leave, cause="end_of_day")
    names = {"order_id": 5, "perm_id": 9, "client_order_id": "ibk-1", "contract": CALL, "side": Side.BUY}
    report = OrderReport(**names, client_id=7, quantity=1, order_type="LMT", state=OrderState.WORKING, at=NOW)
    fill = Execution(**names, exec_id="e1", account=ACCOUNT, quantity=1, price=2.0, at=NOW)
    return (
        RunStarted(
            at=NOW,
            run="a1",
            session=date(2024, 3, 4),
            mode="DRY_RUN",
            strategy="scalp",
            symbols=("SPY",),
            settings={"interval": "180"},
        ),
        QuoteSeen(at=NOW, symbol="SPY", quote=Quote(contract=Stock("SPY"), at=NOW, bid=1.0, ask=1.1)),
        Decision(at=NOW, symbol="SPY", signal=SIGNAL, outcome="intended"),
        Intent.of(intent),
        OrderUpdate(at=NOW, report=report),
        FillSeen(at=NOW, execution=fill),
        Failure(
            at=NOW, symbol="QQQ", kind="NoData", message=f"no bars for {ACCOUNT} or U7654321", service="bars"
        ),
        Intent.of(away),
        LossGuardKept(at=NOW, guard=DailyLossGuard(session=date(2024, 3, 4), start_equity=1000)),
        CycleDone(at=NOW + timedelta(seconds=2), symbol="SPY", cycle=1, outcome="entered", seconds=2.0),
        OrderSettled(
            at=NOW + timedelta(seconds=3),
            symbol="SPY",
            client_order_id="ibk-1",
            state=OrderState.CANCELLED,
            reason="on no list",
        ),
        LimitsTaken(
            at=NOW + timedelta(seconds=4),
            changes=("risk.max_contracts: 10 -> 5",),
            needs_restart=("runner.symbols",),
        ),
        CommissionSeen(
            at=NOW + timedelta(seconds=5),
            symbol="SPY",
            client_order_id="ibk-1",
            exec_id="e1",
            commission=0.65,
            realized_pnl=12.5,
        ),
        RunEnded(at=NOW + timedelta(seconds=9), run="a1", outcome="done"),
    )


@pytest.fixture
def records():
    return every_kind()


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        yield journal
