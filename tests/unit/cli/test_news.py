"""What `ibkeel run` tells a person at the terminal."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ibkeel.cli import screen
from ibkeel.cli.news import News
from ibkeel.journal import FillSeen
from ibkeel.model import Execution, Side, Stock
from ibkeel.telemetry import (
    AccountSeen,
    AlarmEnded,
    AlarmRaised,
    AlertUndelivered,
    Connected,
    ConnectionLost,
    DecisionMade,
    HaltChanged,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    RunBegan,
    SessionChanged,
    SymbolFailed,
    TradingDayOpened,
)

AT = datetime(2026, 1, 5, 15, 4, 5, tzinfo=UTC)
ORDER = {"at": AT, "client_order_id": "a", "subject": "SPY 600 C", "side": "BUY"}
DAY = TradingDayOpened(at=AT, day=date(2026, 1, 5), opens_at=AT, closes_at=AT + timedelta(hours=6))


BEGAN = RunBegan(at=AT, run="r1", mode="PAPER", strategy="scalp")


def told(*events, began=BEGAN):
    lines = []
    news = News(lines.append)
    for event in (began, *events):
        news.on_event(event)
    assert all(line.startswith("10:04:05 ") for line in lines)
    return [line.removeprefix("10:04:05 ") for line in lines]


def intended(**changes):
    usual = {"symbol": "SPY", "purpose": "entry", "quantity": 2, "reason": "2 contracts"}
    return OrderIntended(**{**ORDER, **usual, **changes})


def placed(**changes):
    return OrderPlaced(**{**ORDER, "quantity": 2, "was_sent": True, **changes})


def refused(*reasons, **changes):
    usual = {"at": AT, "signal_id": "s", "symbol": "SPY", "outcome": "refused", "reasons": reasons}
    return DecisionMade(**{**usual, **changes})


def failed(symbol="SPY", error="NoData", message="nothing came"):
    return SymbolFailed(at=AT, symbol=symbol, error=error, message=message)


def test_an_order_is_one_line_though_broker_and_runner_both_tell_of_it():
    child = placed(client_order_id="a-1", side="SELL", terms="STP 3.65")
    entry = placed(terms="LMT 4.05")

    assert told(intended(), entry, child, entry) == [
        "entry: BUY 2 SPY 600 C LMT 4.05 (a); 2 contracts",
        "with it: SELL 2 SPY 600 C STP 3.65 (a-1)",
    ]


def test_an_order_of_a_dry_run_is_said_not_to_have_left():
    assert told(intended(), placed(was_sent=False)) == [
        "entry: BUY 2 SPY 600 C (a), not sent: dry run; 2 contracts"
    ]


def test_a_fill_is_one_line_and_the_part_of_a_leg_none():
    fill = OrderFilled(**ORDER, exec_id="e", quantity=1.0, price=4.05)
    leg = OrderFilled(**ORDER, exec_id="f", quantity=1.0, price=4.05, is_leg=True)

    assert told(fill, fill, leg) == ["filled: BUY 1 SPY 600 C at 4.05 (a)"]


def test_a_corrected_fill_is_not_told_as_one_more():
    first = OrderFilled(**ORDER, exec_id="1f.2a.01.01", quantity=1.0, price=4.05)
    corrected = OrderFilled(**ORDER, exec_id="1f.2a.01.02", quantity=1.0, price=4.15)

    assert told(first, corrected) == [
        "filled: BUY 1 SPY 600 C at 4.05 (a)",
        "corrected: BUY 1 SPY 600 C at 4.15 (a)",
    ]


def test_a_fill_of_a_dear_share_is_told_to_the_cent():
    fill = Execution(
        exec_id="e",
        order_id=1,
        perm_id=1,
        client_order_id="a",
        account="DU1234567",
        contract=Stock("BRK A"),
        side=Side.BUY,
        quantity=1.0,
        price=741_234.56,
        at=AT,
    )

    [line] = told(OrderFilled(**ORDER, exec_id="e", quantity=1.0, price=741_234.56))
    _, row = screen.told(FillSeen(at=AT, execution=fill))

    assert line == "filled: BUY 1 SPY 600 C at 741234.56 (a)"
    assert row == "BUY 1 BRK A at 741234.56"


def test_fills_of_earlier_runs_which_a_session_begins_with_are_not_told_again():
    fill = OrderFilled(**ORDER, exec_id="e", quantity=1.0, price=4.05)

    assert told(BEGAN, DAY, fill, began=fill) == ["session of Monday, 05 January 2026, until 16:04 New York"]


def test_what_the_venue_refuses_is_told_and_other_changes_are_not():
    states = [
        OrderChanged(at=AT, client_order_id="a", state=state, filled=0.0, reason="201 no\nfunds")
        for state in ("working", "rejected", "rejected")
    ]

    assert told(*states) == ["rejected by the venue: a: 201 no funds"]


def test_a_refusal_is_told_again_only_when_there_is_a_new_kind_of_reason():
    lines = told(
        refused("the pause is 12 s", "it is held"),
        refused("the pause is 9 s"),
        refused("it is held", "entries are halted"),
        refused("the pause is 9 s", symbol="QQQ"),
        refused("debit 4.05 above 3", outcome="no_size"),
        refused("0 of 3 will do", outcome="no_option"),
        refused("rsi 44", outcome="no_signal"),
    )

    assert lines == [
        "SPY not entered, refused: the pause is 12 s; it is held",
        "SPY not entered, refused: it is held; entries are halted",
        "QQQ not entered, refused: the pause is 9 s",
        "SPY not entered, no size: debit 4.05 above 3",
        "SPY not entered, no option will do: 0 of 3 will do",
    ]


def test_an_error_is_told_once_for_each_symbol_and_kind_and_again_the_next_day():
    assert told(failed(), failed(message="again"), failed(symbol=""), DAY, failed()) == [
        "SPY: NoData: nothing came",
        "bot: NoData: nothing came",
        "session of Monday, 05 January 2026, until 16:04 New York",
        "SPY: NoData: nothing came",
    ]


def test_a_halt_and_its_end_are_told_once_each_whoever_writes_the_file():
    changes = ["ibkeel flatten, since 15:04 UTC", "ibkeel flatten, since 15:05 UTC", "", ""]

    lines = told(*(HaltChanged(at=AT, is_halted=bool(why), reason=why) for why in changes))

    assert lines == ["entries are halted: ibkeel flatten", "the halt is lifted: entries may pass again"]


def test_a_gateway_that_is_not_there_is_waited_for_in_so_many_words():
    first = {"at": AT, "before": "connecting", "after": "reconnecting", "cause": "nobody listens"}
    reset = {**first, "before": "reconnecting", "after": "maintenance"}

    lines = told(SessionChanged(**first), SessionChanged(**reset), SessionChanged(**reset))

    assert lines == [
        "no connection, trying again: nobody listens",
        "the Gateway resets at this hour: attempts to connect are farther apart",
    ]


def test_a_lost_connection_and_its_return_are_told_and_the_first_connection_is_not():
    up = Connected(at=AT, host="127.0.0.1", port=4002, client_id=7)
    down = ConnectionLost(at=AT, cause="it closed")

    assert told(up, down, up) == ["connection lost: it closed", "connected again"]


@pytest.mark.parametrize("times", [1, 3])
def test_an_alarm_is_told_once(times):
    alarm = AlarmRaised(at=AT, name="session", message="look")

    assert told(*[alarm] * times) == ["ALARM session: look"]


def test_the_end_of_an_alarm_is_told_and_the_next_of_its_name_anew():
    alarm = AlarmRaised(at=AT, name="clock", message="off", lasts=True)
    other = AlarmRaised(at=AT, name="session", message="look")
    end = AlarmEnded(at=AT, name="clock", message="they agree")

    assert told(alarm, other, end, alarm, other) == [
        "ALARM clock: off",
        "ALARM session: look",
        "alarm over, clock: they agree",
        "ALARM clock: off",
    ]


def test_alerts_that_do_not_arrive_are_told_once_for_each_channel():
    mail = AlertUndelivered(at=AT, number=1, channel="2 (e-mail)", attempts=1, cause="no", is_final=False)
    beat = AlertUndelivered(at=AT, number=0, channel="heartbeat", attempts=1, cause="404", is_final=True)

    assert told(mail, beat, mail, beat) == [
        "an alert does not arrive by 2 (e-mail): no",
        "the heartbeat does not arrive by heartbeat: 404",
    ]


def test_what_goes_on_all_the_time_is_not_told():
    assert told(AccountSeen(at=AT, currency="USD", net_liquidation=1.0)) == []
