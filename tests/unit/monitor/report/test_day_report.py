"""The report of a day says what the journal says, whole, and nothing that must not be shown."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser

import attrs
import pytest

from ibkeel.cli.app import run
from ibkeel.errors import JournalError
from ibkeel.journal import (
    CommissionSeen,
    CycleDone,
    Decision,
    Failure,
    FillSeen,
    Journal,
    LossGuardKept,
    OrderSettled,
    QuoteSeen,
    RunEnded,
    RunStarted,
)
from ibkeel.model import (
    Direction,
    Execution,
    Option,
    OtherContract,
    Quote,
    Reason,
    Right,
    Side,
    Signal,
    Stock,
)
from ibkeel.monitor.board import Snapshot, fold
from ibkeel.monitor.report import report_of, report_page, sessions_of
from ibkeel.risk import DailyLossGuard
from ibkeel.telemetry import (
    AccountSeen,
    AlarmRaised,
    HaltChanged,
    RequestEnded,
    ServiceChanged,
    TradingDayOpened,
)

DAY = date(2024, 3, 5)
AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
CALL = Option("SPY", date(2024, 3, 8), Decimal(510), Right.CALL)
UP = Signal(direction=Direction.UP, confidence=0.5, reasons=(Reason("close", 510.0, "<b>above</b>"),))


def later(minutes):
    return AT + timedelta(minutes=minutes)


def fill(number, side, quantity, price, exec_id=None):
    return FillSeen(
        at=later(number),
        execution=Execution(
            exec_id=exec_id or f"0000.{number}.01",
            order_id=number,
            perm_id=number,
            client_order_id=f"ibk-{number}",
            account="DU1234567",
            contract=CALL,
            side=side,
            quantity=quantity,
            price=price,
            at=later(number),
            commission=1.30,
        ),
    )


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as opened:
        opened.record(
            RunStarted(
                at=AT - timedelta(days=1), run="r0", session=date(2024, 3, 4), mode="PAPER", strategy="whale"
            )
        )
        opened.record(
            RunStarted(at=AT, run="r1", session=DAY, mode="PAPER", strategy="scalp", symbols=("SPY",))
        )
        opened.record(
            LossGuardKept(at=AT, guard=DailyLossGuard(limit=0.15, session=DAY, start_equity=Decimal(100_000)))
        )
        for minute, price in enumerate((510.0, 511.0, 509.5)):
            quote = Quote(contract=Stock("SPY"), at=later(minute), last=price)
            opened.record(QuoteSeen(at=later(minute), symbol="SPY", quote=quote))
        opened.record(
            Decision(at=later(1), symbol="SPY", signal=UP, outcome="entry", reasons=("2 contracts",))
        )
        opened.record(
            Decision(at=later(2), symbol="SPY", signal=UP, outcome="refused", reasons=("899 s to the close",))
        )
        opened.record(
            Decision(at=later(3), symbol="SPY", signal=UP, outcome="refused", reasons=("719 s to the close",))
        )
        opened.record(fill(1, Side.BUY, 2.0, 2.50))
        opened.record(fill(2, Side.SELL, 2.0, 9.99, "0000.2.01"))
        opened.record(fill(2, Side.SELL, 2.0, 2.80, "0000.2.02"))
        opened.record(
            Failure(at=later(4), symbol="SPY", kind="RequestTimeout", message="of DU1234567", service="bars")
        )
        opened.record(CycleDone(at=later(5), symbol="SPY", cycle=1, outcome="refused"))
        opened.record(RunEnded(at=later(6), run="r1", outcome="finished"))
        yield opened


def test_the_last_session_is_told_with_its_figures(journal):
    report = report_of(journal)

    assert report.session == DAY
    assert (report.runs, report.strategy, report.outcome, report.cycles) == (("r1",), "scalp", "finished", 1)
    assert report.start_equity == 100_000.0
    assert [(row.outcome, row.count) for row in report.outcomes] == [("refused", 2), ("entry", 1)]
    assert [point.price for point in report.prices["SPY"]] == [510.0, 511.0, 509.5]
    assert [row.what for row in report.incidents] == ["RequestTimeout"]


def test_a_corrected_fill_counts_once_and_cash_has_multiplier_and_commission(journal):
    report = report_of(journal)

    assert [row.price for row in report.fills] == [2.50, 2.80]
    assert report.cash == {"USD": pytest.approx(2 * 100 * 0.30 - 2 * 1.30)}
    assert report.open_after == {}


def test_the_fill_of_a_combo_as_a_whole_is_neither_cash_nor_a_position(journal):
    plain = report_of(journal)
    whole = fill(9, Side.BUY, 1, 7.0)
    bag = attrs.evolve(whole.execution, contract=OtherContract("SPY", kind="BAG"))

    journal.record(attrs.evolve(whole, execution=bag))

    report = report_of(journal)
    assert (report.cash, report.fills, report.open_after) == (plain.cash, plain.fills, plain.open_after)


def test_each_day_of_a_run_of_weeks_has_a_report(tmp_path):
    guard = DailyLossGuard(limit=0.15, start_equity=Decimal(100_000))
    friday = AT - timedelta(days=4)
    run = RunStarted(at=friday, run="r1", session=date(2024, 3, 4), mode="PAPER", strategy="scalp")
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(run)
        for day in (1, 0):
            at = AT - timedelta(days=day)
            journal.record(LossGuardKept(at=at, guard=attrs.evolve(guard, session=DAY - timedelta(days=day))))
            journal.record(CycleDone(at=at, symbol="SPY", cycle=2 - day, outcome="none"))
        journal.record(fill(1, Side.BUY, 1.0, 2.50))

        known, monday, tuesday = (
            sessions_of(journal),
            report_of(journal, date(2024, 3, 4)),
            report_of(journal),
        )

    assert known == (date(2024, 3, 4), DAY)
    assert (monday.session, monday.runs, monday.cycles, len(monday.fills)) == (known[0], ("r1",), 1, 0)
    assert (tuesday.session, tuesday.runs, tuesday.cycles, len(tuesday.fills)) == (DAY, ("r1",), 1, 1)


def test_a_day_without_an_equity_is_known_to_the_bots_own_board(tmp_path):
    run = RunStarted(
        at=AT - timedelta(days=1), run="r1", session=date(2024, 3, 4), mode="PAPER", strategy="s"
    )
    opened = TradingDayOpened(at=AT, day=DAY, opens_at=AT, closes_at=later(60))
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(run)
        journal.record(Failure(at=AT, symbol="SPY", kind="NotConnected", message="x", service="bars"))

        report = report_of(journal, DAY, snapshot=fold(Snapshot(), (opened,)))

    assert (report.runs, len(report.incidents)) == (("r1",), 1)
    assert "<dt>daily loss guard</dt><dd>had no equity</dd>" in report_page(report)


def test_cycles_of_a_run_that_took_over_count_too(journal):
    journal.record(RunStarted(at=later(10), run="r2", session=DAY, mode="PAPER", strategy="scalp"))
    for symbol, cycle in (("SPY", 1), ("QQQ", 1), ("SPY", 2)):
        journal.record(CycleDone(at=later(10 + cycle), symbol=symbol, cycle=cycle, outcome="none"))

    report = report_of(journal)

    assert (report.runs, report.cycles) == (("r1", "r2"), 3)


def test_a_run_that_went_on_from_the_day_before_is_told_with_the_one_that_took_over(journal):
    day = date(2024, 3, 6)
    tomorrow = AT + timedelta(days=1)
    journal.record(CycleDone(at=tomorrow, symbol="SPY", cycle=9, outcome="none"))
    journal.record(
        RunStarted(at=tomorrow + timedelta(hours=1), run="r2", session=day, mode="PAPER", strategy="s")
    )

    assert report_of(journal, day).runs == ("r1", "r2")


def test_a_run_that_was_killed_is_an_incident_of_the_one_that_took_over(journal):
    for minutes, name in ((10, "r2"), (20, "r3")):
        start = RunStarted(at=later(minutes), run=name, session=DAY, mode="PAPER", strategy="scalp")
        journal.record(start)

    killed = [row for row in report_of(journal).incidents if row.what == "run killed"]

    assert [(row.at, row.text) for row in killed] == [
        (later(20), "the run r2 before this one did not end in order")
    ]


def test_cash_whose_commissions_nobody_told_says_so(journal):
    told = report_page(report_of(journal))
    row = fill(5, Side.BUY, 1.0, 1.0)

    journal.record(attrs.evolve(row, execution=attrs.evolve(row.execution, commission=None)))

    assert ", before commissions</dt>" not in told
    assert ", before commissions</dt>" in report_page(report_of(journal))


def test_fills_that_leave_what_was_held_before_as_it_was_have_cash_and_no_result(journal):
    flat = report_of(journal)
    carried = fill(-24 * 60, Side.BUY, 2.0, 2.00)

    journal.record(carried)

    report, page = report_of(journal), report_page(report_of(journal))
    assert (report.fills, report.open_after, report.cash) == (flat.fills, {}, flat.cash)
    assert (flat.held_before, report.held_before) == ({}, {str(CALL): 2.0})
    assert f"<dt>cash of the fills, with +2 {CALL} held before</dt>" in page
    assert "result of the fills" not in page


def test_what_was_bought_and_sold_again_before_leaves_a_result(journal):
    journal.record(fill(-24 * 60, Side.BUY, 2.0, 2.00))
    journal.record(fill(1 - 24 * 60, Side.SELL, 2.0, 2.10))

    report = report_of(journal)

    assert (report.held_before, len(report.fills)) == ({}, 2)
    assert "<dt>result of the fills</dt>" in report_page(report)


def test_money_of_two_currencies_is_not_added_up(journal):
    sap = Stock("SAP", currency="EUR")
    for row in (fill(5, Side.BUY, 10.0, 100.0), fill(6, Side.SELL, 10.0, 101.0)):
        journal.record(attrs.evolve(row, execution=attrs.evolve(row.execution, contract=sap)))

    report = report_of(journal)

    page = report_page(report)
    assert report.cash == {"USD": pytest.approx(57.40), "EUR": pytest.approx(10 - 2 * 1.30)}
    assert "<dt>result of the fills</dt><dd>+57.40 USD; +7.40 EUR</dd>" in page
    assert "-1,001.30 EUR" in page
    assert "added up" not in page


def test_a_day_without_fills_has_no_result(journal):
    assert "<dt>result of the fills</dt><dd>none</dd>" in report_page(report_of(journal, date(2024, 3, 4)))


def test_a_commission_that_was_told_the_day_after_counts_on_the_day_of_its_fill(journal):
    row = fill(5, Side.BUY, 1.0, 1.0)
    journal.record(attrs.evolve(row, execution=attrs.evolve(row.execution, commission=None)))

    journal.record(CommissionSeen.of(row.execution, later(24 * 60)))

    assert report_of(journal).fills[-1].commission == 1.30


def test_a_fill_that_is_corrected_the_day_after_stays_on_its_day(journal):
    day = DAY + timedelta(days=1)
    journal.record(RunStarted(at=later(24 * 60), run="r2", session=day, mode="PAPER", strategy="s"))
    journal.record(fill(24 * 60, Side.SELL, 1.0, 2.80, "0000.2.03"))

    first, second = report_of(journal, DAY), report_of(journal, day)

    assert [(row.quantity, row.at) for row in first.fills] == [(2.0, later(1)), (1.0, later(2))]
    assert first.open_after == {str(CALL): 1.0}
    assert second.fills == ()


def test_what_was_held_before_and_sold_today_is_not_called_open(journal):
    before = report_page(report_of(journal))
    journal.record(fill(5, Side.SELL, 2.0, 3.0))

    report = report_of(journal)

    page = report_page(report)
    assert report.open_after == {str(CALL): -2.0}
    assert f"What is held changed by -2 {CALL}" in page
    assert "still open" not in page
    assert "What is held changed" not in before


def test_a_commission_that_was_told_after_the_fill_counts(journal):
    row = fill(5, Side.BUY, 1.0, 1.0)
    before = report_of(journal).cash["USD"]
    journal.record(attrs.evolve(row, execution=attrs.evolve(row.execution, commission=None)))
    journal.record(CommissionSeen.of(row.execution, later(6)))

    report = report_of(journal)

    assert report.fills[-1].commission == 1.30
    assert report.cash["USD"] - before == pytest.approx(-100 - 1.30)
    assert ", before commissions</dt>" not in report_page(report)


def test_fills_whose_names_have_one_part_are_none_of_each_others_corrections(journal):
    for number in (7, 8):
        journal.record(fill(number, Side.BUY, 1.0, 1.0, f"e{number}"))

    assert len(report_of(journal).fills) == 4


def test_no_account_is_shown_by_what_the_venue_said_of_an_order(journal):
    reasons = ("the venue says: account DU1234567 may not trade this",)
    journal.record(Decision(at=later(8), symbol="SPY", signal=UP, outcome="refused", reasons=reasons))
    journal.record(
        OrderSettled(
            at=later(9),
            symbol="SPY",
            client_order_id="o",
            state="cancelled",
            reason="not listed for DU1234567",
        )
    )

    report = report_of(journal)

    assert "DU1234567" not in report_page(report) + json.dumps(report.as_data())


def test_what_began_on_another_day_says_on_which(journal):
    began = ServiceChanged(
        at=AT - timedelta(days=1), service="quotes", before="closed", after="open", cause="RequestTimeout"
    )

    assert "04 Mar 10:00:00" in report_page(report_of(journal, snapshot=fold(Snapshot(), (began,))))


def test_reasons_that_differ_by_figures_alone_count_together(journal):
    assert [(row.outcome, row.count) for row in report_of(journal).not_done] == [("… s to the close", 2)]


def test_another_session_is_asked_for_by_date_and_an_unknown_one_is_refused(journal):
    assert sessions_of(journal) == (date(2024, 3, 4), DAY)
    assert report_of(journal, date(2024, 3, 4)).strategy == "whale"
    with pytest.raises(JournalError, match="tells nothing of 2024-03-06; it tells of 2024-03-04, 2024-03-05"):
        report_of(journal, date(2024, 3, 6))


def test_an_empty_journal_says_that_it_is_empty(tmp_path):
    with (
        Journal.open(tmp_path / "new.sqlite") as empty,
        pytest.raises(JournalError, match="tells of none: it has no RunStarted"),
    ):
        report_of(empty)


def test_failures_that_say_the_same_minute_after_minute_are_one_incident(journal):
    for minute in (10, 11, 21.1, 40, 41):  # while it lasts a run keeps one in ten minutes and a few seconds
        at = AT + timedelta(minutes=minute)
        message = f"no session for {minute} s"
        journal.record(Failure(at=at, symbol="", kind="NotConnected", message=message, service="protection"))

    rows = [row for row in report_of(journal).incidents if row.what == "NotConnected"]

    assert [(row.text, row.ended_at - row.at) for row in rows] == [
        ("no session for 10 s (3 times)", timedelta(minutes=11.1)),
        ("no session for 40 s (2 times)", timedelta(minutes=1)),
    ]


def test_what_happened_in_an_instant_of_an_earlier_session_is_no_incident_of_this_one(journal):
    before = AT - timedelta(days=1)
    happened = (
        AlarmRaised(at=before, name="clock", message="off"),
        HaltChanged(at=before, is_halted=True, reason="me"),
    )

    report = report_of(journal, snapshot=fold(Snapshot(), happened))

    assert [row.what for row in report.incidents if row.at < AT] == ["halt entries"]


def test_the_board_of_a_bot_that_runs_adds_equity_latency_and_incidents(journal):
    seen = fold(
        Snapshot(),
        (
            AccountSeen(at=AT, currency="USD", net_liquidation=100_000.0),
            AccountSeen(at=later(9), currency="USD", net_liquidation=100_050.0),
            RequestEnded(at=later(1), kind="quote", seconds=0.25),
            ServiceChanged(
                at=later(2), service="historical data", before="closed", after="open", cause="RequestTimeout"
            ),
        ),
    )

    report = report_of(journal, snapshot=seen)

    assert [value for _, value in report.equity] == [100_000.0, 100_050.0]
    assert [(row.kind, row.p50) for row in report.latencies] == [("quote", 0.25)]
    assert "service historical data" in [row.what for row in report.incidents]


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in {"meta", "line", "polyline"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_loads_nothing_and_shows_no_markup_or_account_of_others(journal):
    page = report_page(report_of(journal))

    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert {"svg", "table"} <= tags.seen
    assert not tags.seen & {"script", "link", "img", "iframe", "b"}
    assert "&lt;b&gt;above&lt;/b&gt;" in page
    assert "DU1234567" not in page
    assert "http" not in page


def test_a_page_that_lacks_fills_says_so(journal):
    for number in range(3, 201):
        journal.record(fill(number, Side.BUY, 1.0, 2.50))
    whole = report_page(report_of(journal))
    journal.record(fill(201, Side.BUY, 1.0, 2.50))

    assert "The last 200 of" not in whole
    assert "<h2>Fills</h2><p>The last 200 of 201.</p>" in report_page(report_of(journal))


def test_the_command_writes_a_page_or_one_json_object(journal, tmp_path, capsys):
    target = tmp_path / "day.html"

    assert run(["report", str(target), "--journal", str(journal.path)]) == 0
    assert "2 fills" in capsys.readouterr().out
    assert run(["report", "--json", "--date", "2024-03-05", "--journal", str(journal.path)]) == 0
    told = json.loads(capsys.readouterr().out)

    assert target.read_text().startswith("<!doctype html>")
    assert told["fills"][0]["price"] == 2.5
    assert run(["report", str(tmp_path / "no" / "day.html"), "--journal", str(journal.path)]) == 2
    assert run(["report", "--date", "2020-01-01", "--journal", str(journal.path)]) == 2


def test_the_command_calls_no_result_what_is_the_price_of_a_position(journal, tmp_path, capsys):
    arguments = ["report", str(tmp_path / "day.html"), "--journal", str(journal.path)]

    run(arguments)
    flat = capsys.readouterr().out
    journal.record(fill(5, Side.BUY, 1.0, 3.00))
    run(arguments)
    held = capsys.readouterr().out

    assert "2 fills, result of the fills: +57.40 USD; see " in flat
    assert "3 fills, cash of the fills, which change what is held: -243.90 USD; see " in held


@pytest.mark.parametrize("name", ["journal.sqlite", "link", "bot.toml"])
def test_the_command_replaces_no_file_but_an_earlier_report(name, journal, tmp_path, capsys):
    (tmp_path / "link").symlink_to(journal.path)
    (tmp_path / "bot.toml").write_text("[runner]\n")
    kept = (tmp_path / name).read_bytes()

    code = run(["report", str(tmp_path / name), "--journal", str(journal.path)])

    assert code == 2
    assert (
        f"{tmp_path / name} exists and is not a report; choose another path, such as day.html"
        in capsys.readouterr().err
    )
    assert (tmp_path / name).read_bytes() == kept


def test_the_command_replaces_an_earlier_report(journal, tmp_path):
    target = tmp_path / "day.html"

    codes = [run(["report", str(target), "--journal", str(journal.path)]) for _ in range(2)]

    assert codes == [0, 0]


def test_a_report_that_is_to_be_a_directory_is_a_sentence(journal, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code = run(["report", ".", "--journal", str(journal.path)])

    assert code == 2
    assert "cannot write .: it is a directory; name a file in it" in capsys.readouterr().err


def test_a_day_with_a_record_that_cannot_be_read_is_reported_and_says_so(journal):
    whole = report_of(journal)
    with closing(sqlite3.connect(journal.path)) as file:
        file.execute("UPDATE events SET data = '{}' WHERE seq IN (2, 3)")
        file.commit()

    with pytest.raises(JournalError, match="tells nothing of 2024-03-05; it tells of 2024-03-04"):
        report_of(journal, DAY)
    journal.record(RunStarted(at=AT, run="r2", session=DAY, mode="PAPER", strategy="scalp"))
    report = report_of(journal)

    told = [row.text for row in report.incidents if row.what == "unreadable record"]
    assert [text.partition(" of ")[0] for text in told] == ["record 2", "record 3"]
    assert report.fills == whole.fills
