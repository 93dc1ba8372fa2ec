import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.errors import (
    GatesShut,
    JournalError,
    NotConnected,
    OrderRejected,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.journal import (
    CycleDone,
    Decision,
    Failure,
    FillSeen,
    Intent,
    Journal,
    LossGuardKept,
    OrderSettled,
    OrderUpdate,
    QuoteSeen,
    RunEnded,
    RunStarted,
)
from ibkeel.model import (
    AccountValues,
    Bar,
    Bars,
    BarSpec,
    ClientOrderId,
    ContractDetails,
    Direction,
    Option,
    OptionChain,
    OptionClass,
    OrderReport,
    OrderState,
    OrderTicket,
    Position,
    Quote,
    Right,
    Side,
    Signal,
    Stock,
    TradingHours,
)
from ibkeel.orders import Interlock, OrderLimits, build_bracket
from ibkeel.risk import DailyLossGuard
from ibkeel.runner import EndOfDay, Halt, OverrunPolicy, RiskConfig, Runner, RunnerConfig, Safety, Session
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.doorkeeper import Doorkeeper
from ibkeel.runner.feed import Feed
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.strategy import Needs
from ibkeel.telemetry import AlarmRaised, NullObserver, Observer, OrderFilled, PositionsSeen
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

DAY = date(2025, 3, 14)
OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
CLOSE = OPEN + timedelta(hours=1)
MINUTES = BarSpec(duration="3600 S", size="1 min")
SPY = Stock("SPY")
QQQ = Stock("QQQ")


def option(symbol, right, strike):
    return Option(symbol, date(2025, 3, 21), Decimal(strike), right, trading_class=symbol)


CALL, PUT = option("SPY", Right.CALL, 560), option("SPY", Right.PUT, 560)


class OneHour:
    """A calendar with one short session a day, Monday to Friday."""

    def session(self, day):
        if day.isoweekday() > 5:
            return None
        opens = OPEN + timedelta(days=(day - DAY).days)
        return Session(day=day, opens_at=opens, closes_at=opens + timedelta(hours=1))


@attrs.frozen
class Says:
    """A strategy that always says the same, or what a script says by symbol."""

    direction: Direction = Direction.UP
    by_symbol: Mapping = attrs.field(factory=dict)
    name: str = "says"

    def needs(self):
        return Needs(bars=(MINUTES,))

    def decide(self, context):
        said = self.by_symbol.get(context.symbol, self.direction)
        if isinstance(said, Exception):
            raise said
        return Signal(direction=said, confidence=0.5)


def quote_at(contract, bid, ask, *, seconds=0, volume=500.0):
    return Quote(
        contract=contract, at=OPEN + timedelta(seconds=seconds), bid=bid, ask=ask, last=bid, volume=volume
    )


def fresh(contract, bid, ask, *, start=0, stop=3600):
    """A quote that is renewed each 5 seconds, so that it is never stale."""
    return [quote_at(contract, bid, ask, seconds=second) for second in range(start, stop, 5)]


def bars_of(contract):
    start = OPEN - timedelta(hours=1)
    rows = [Bar(start + timedelta(minutes=i), 560.0, 560.5, 559.5, 560.2, 1000.0) for i in range(120)]
    return Bars.from_rows(rows, contract=contract, spec=MINUTES)


def chain_of(stock):
    row = OptionClass(trading_class=stock.symbol, expiries=(CALL.expiry,), strikes=(Decimal(560),))
    return OptionChain(underlying=stock, classes=(row,))


@pytest.fixture
def play(tmp_path):
    """Runs one session and gives back report, broker and the journal's records."""

    def run(
        *,
        steps=None,
        symbols=("SPY",),
        strategy=None,
        prepare=None,
        sessions=1,
        start=OPEN,
        broker=None,
        clock=None,
        unknown=None,
        **options,
    ):
        steps = {CALL: fresh(CALL, 4.0, 4.05), PUT: fresh(PUT, 4.0, 4.05)} | (steps or {})
        stocks = [Stock(symbol) for symbol in symbols]
        quotes = [row for stock in stocks for row in fresh(stock, 560.0, 560.02)]
        config = options.pop("config", {})

        async def main():
            fake = FakeBroker(
                quotes=[*quotes, *(row for rows in steps.values() for row in rows)],
                bars=[bars_of(stock) for stock in stocks],
                chains=[chain_of(stock) for stock in stocks],
                **{"clock": virtual_clock(), **(broker or {})},
            )
            with Journal.open(tmp_path / "journal.sqlite") as journal:
                async with fake:
                    runner = Runner(
                        fake,
                        strategy or Says(),
                        RunnerConfig(symbols=symbols, **config),
                        journal,
                        calendar=OneHour(),
                        clock=clock or virtual_clock(),
                        **options,
                    )
                    if prepare:
                        prepare(fake, asyncio.get_running_loop())
                    report = await runner.run(sessions=sessions, **({"unknown": unknown} if unknown else {}))
                records = [entry.record for entry in journal.events()]
            return SimpleNamespace(report=report, broker=fake, records=records)

        return run_virtual(main(), start=start)

    return run


def of_kind(records, kind):
    return [record for record in records if isinstance(record, kind)]


def test_it_looks_at_every_symbol_in_every_cycle_until_the_flatten_before_the_close(play):
    world = play(strategy=Says(Direction.NONE), symbols=("SPY", "QQQ"))

    assert world.report.cycles == 16
    assert {name: row.cycles for name, row in world.report.symbols.items()} == {"SPY": 16, "QQQ": 16}
    assert world.report.errors == ()
    cycles = of_kind(world.records, CycleDone)
    assert timedelta(seconds=180) <= cycles[0].at - OPEN < timedelta(seconds=181)
    assert {row.outcome for row in cycles} == {"no_signal"}


def test_a_run_is_journaled_from_its_start_to_its_end(play):
    world = play(strategy=Says(Direction.NONE))

    first, last = world.records[0], world.records[-1]
    assert isinstance(first, RunStarted)
    assert (first.run, first.strategy, first.symbols) == ("r1", "says", ("SPY",))
    assert isinstance(last, RunEnded)
    assert last.outcome == "finished"


def test_a_dry_run_journals_intents_and_sends_nothing(play):
    world = play(broker={"dry_run": True})

    intents = of_kind(world.records, Intent)
    assert world.report.orders_sent == 0
    assert world.report.intents == len(intents) == len(world.broker.intents) == 2
    assert world.report.orders == 4
    assert intents[1].at - intents[0].at >= timedelta(seconds=1800)
    assert intents[0].order.entry.contract == CALL
    assert {row.outcome for row in of_kind(world.records, Decision)} == {"entry", "refused"}


class Faulty(Observer):
    """Raises at every event."""

    def on_event(self, event):
        raise ZeroDivisionError(type(event).__name__)


def test_a_run_goes_on_whatever_its_observer_raises(play):
    complaints = []

    def prepare(_, loop):
        loop.set_exception_handler(lambda _, context: complaints.append(str(context["exception"])))

    world = play(observer=Faulty(), prepare=prepare)

    assert (world.report.fills, world.report.held) == (2, ())
    assert {"RunBegan", "CycleStarted", "OrderIntended", "OrderFilled", "RunFinished"} <= set(complaints)
    assert len(complaints) == len(set(complaints))


def test_a_signal_down_buys_a_put(play):
    world = play(strategy=Says(Direction.DOWN), broker={"dry_run": True})

    assert {intent.order.entry.contract for intent in of_kind(world.records, Intent)} == {PUT}


def test_a_filled_entry_is_protected_held_once_and_sold_before_the_close(play):
    world = play()

    tickets = [intent.order for intent in of_kind(world.records, Intent)]
    assert world.report.held == ()
    assert [type(ticket).__name__ for ticket in tickets] == ["Bracket", "OrderTicket"]
    assert isinstance(tickets[1], OrderTicket)
    assert (tickets[1].side, tickets[1].quantity) == (Side.SELL, tickets[0].entry.quantity)
    fills = [record.execution for record in of_kind(world.records, FillSeen)]
    assert [(fill.side, fill.contract) for fill in fills] == [(Side.BUY, CALL), (Side.SELL, CALL)]
    assert world.report.fills == 2
    assert world.report.orders == world.report.orders_sent == 3
    sold = next(fill for fill in fills if fill.side is Side.SELL)
    assert sold.at - OPEN >= timedelta(minutes=50)


@pytest.mark.parametrize(
    ("worth", "funds", "said"),
    [("50000", "50000", "loss 50.00% of 100000.00"), ("100000", "100", "limited by funds: 100.00 available")],
)
def test_an_entry_late_in_a_long_cycle_is_judged_by_the_account_of_that_moment(play, worth, funds, said):
    quiet = tuple(f"A{number}" for number in range(12))
    after = AccountValues(account="DU0000001", net_liquidation=worth, available_funds=funds, at=OPEN)

    def prepare(fake, loop):
        fake.delay("bars", 10)
        loop.call_later(280, fake.set_account, after)

    world = play(
        symbols=(*quiet, "SPY"),
        strategy=Says(by_symbol=dict.fromkeys(quiet, Direction.NONE)),
        prepare=prepare,
        config={"interval": 250.0, "warm_up": 0.0},
    )

    words = [" ".join(row.reasons) for row in of_kind(world.records, Decision) if row.symbol == "SPY"]
    assert of_kind(world.records, Intent) == []
    assert said in words[0]


def test_an_entry_is_sized_by_what_the_one_before_it_in_the_cycle_left(play):
    def prepare(fake, _):
        place = fake.place

        async def paid(order, **options):
            placed = await place(order, **options)
            if not isinstance(order, OrderTicket):
                account = await fake.account()
                cost = order.entry.quantity * order.entry.limit_price * 100
                fake.set_account(attrs.evolve(account, available_funds=account.available_funds - cost))
            return placed

        fake.place = paid

    account = AccountValues(account="DU0000001", net_liquidation="100000", available_funds="5000", at=OPEN)
    qqq = option("QQQ", Right.CALL, 560)
    world = play(
        symbols=("SPY", "QQQ"),
        steps={qqq: fresh(qqq, 4.0, 4.05)},
        broker={"account": account},
        prepare=prepare,
    )

    bought = [row.order.entry for row in of_kind(world.records, Intent) if row.purpose == "entry"]
    assert sum(row.quantity * row.limit_price * 100 for row in bought) <= 5000


@pytest.mark.parametrize("halted", [Stock("SPY"), CALL], ids=["the stock", "the option"])
def test_what_its_venue_has_halted_is_not_entered(play, halted):
    def prepare(fake, _):
        quote, quotes = fake.quote, fake.quotes

        def told(row):
            return attrs.evolve(row, is_halted=True) if row.contract == halted else row

        async def one(contract):
            return told(await quote(contract))

        async def many(contracts):
            return {contract: told(row) for contract, row in (await quotes(contracts)).items()}

        fake.quote, fake.quotes = one, many

    world = play(prepare=prepare)

    assert f"the venue has halted {halted}" in " ".join(of_kind(world.records, Decision)[0].reasons)
    assert of_kind(world.records, Intent) == []
    seen = {row.quote.contract: row.quote.is_halted for row in of_kind(world.records, QuoteSeen)}
    assert seen[halted] is True


def test_what_is_held_leaves_though_its_venue_has_halted_it(play):
    late = [attrs.evolve(row, is_halted=True) for row in fresh(CALL, 4.0, 4.05, start=1200)]

    world = play(steps={CALL: [*fresh(CALL, 4.0, 4.05, stop=1200), *late]})

    assert world.report.held == ()
    assert [row.execution.side for row in of_kind(world.records, FillSeen)] == [Side.BUY, Side.SELL]


def test_what_another_bot_is_about_to_buy_is_not_bought_as_well(play):
    put = option("SPY", Right.PUT, 550)
    theirs = OrderReport(
        order_id=3, perm_id=4, client_id=8, contract=put, side="BUY", quantity=1, order_type="LMT", tif="DAY", limit_price=1,
        state=OrderState.WORKING, filled=0, client_order_id=ClientOrderId(""), at=OPEN,
    )  # fmt: skip

    elsewhere = [
        attrs.evolve(theirs, contract=Stock(symbol), order_id=number)
        for number, symbol in enumerate(("A", "B", "C", "D", "E"), 10)
    ]
    qqq = option("QQQ", Right.CALL, 560)
    world = play(
        symbols=("SPY", "QQQ"), steps={qqq: fresh(qqq, 4.0, 4.05)},
        prepare=lambda fake, _: fake.set_foreign_orders([theirs, *elsewhere]),
    )  # fmt: skip

    decided = [row for row in of_kind(world.records, Decision) if row.symbol == "SPY"]
    assert decided[0].reasons == ("SPY has a position or a working order already",)
    bought = [row.symbol for row in of_kind(world.records, Intent) if row.purpose == "entry"]
    assert bought == ["QQQ"], "what others order elsewhere counts for nothing"


class ClockSetForward:
    """Somebody sets it 45 minutes forward, 12 minutes after the open."""

    def now(self):
        now = virtual_clock().now()
        return now + timedelta(minutes=45) if now - OPEN > timedelta(minutes=12) else now

    def monotonic(self):
        return virtual_clock().monotonic()


def test_a_clock_that_is_set_forward_does_not_make_the_exits_late(play):
    world = play(config={"interval": 600.0}, clock=ClockSetForward())

    _, sold = (record.execution for record in of_kind(world.records, FillSeen))
    assert sold.side is Side.SELL
    assert sold.at - OPEN < timedelta(minutes=15), "the market has closed by then"


class ClockSetBack(ClockSetForward):
    """Somebody sets it 20 minutes back, 12 minutes after the open."""

    def now(self):
        now = virtual_clock().now()
        return now - timedelta(minutes=20) if now - OPEN > timedelta(minutes=12) else now


@pytest.mark.parametrize("config", [{"interval": 60.0}, {"interval": 60.0, "overrun": OverrunPolicy.AT_ONCE}])
def test_a_clock_that_is_set_back_does_not_keep_the_cycles_waiting(play, config):
    """Trails and expiries are looked at in them."""
    world = play(config=config, clock=ClockSetBack(), strategy=Says(Direction.NONE))

    minutes = [(row.at - OPEN) // timedelta(minutes=1) for row in of_kind(world.records, CycleDone)]
    assert minutes == [*range(1, 12), *range(2, 50)]


class Asleep:
    """Virtual time, but for `off`, for which the machine slept: only wall time went on, the market's too."""

    def __init__(self, *, minutes=0, at=None):
        self.off, self.minutes, self.at = timedelta(0), minutes, at

    def now(self):
        now = virtual_clock().now()
        if self.at is not None and now - OPEN > timedelta(minutes=self.at):
            self.off = timedelta(minutes=self.minutes)
        return now + self.off

    def monotonic(self):
        return virtual_clock().monotonic()


@attrs.define
class SleepsAfter(Says):
    """The machine sleeps for 20 minutes when a symbol was decided about for the first time."""

    clock: Asleep = attrs.field(factory=Asleep)
    symbol: str = "SPY"

    def decide(self, context):
        said = super().decide(context)
        if context.symbol == self.symbol:
            self.clock.off = timedelta(minutes=20)
        return said


@pytest.mark.parametrize("minutes", [42, 6 * 60])
def test_a_cycle_that_the_machine_slept_over_does_not_begin_when_positions_leave_or_the_market_is_closed(
    play, minutes
):
    clock = Asleep(minutes=minutes, at=12)
    world = play(config={"interval": 600.0}, clock=clock, broker={"clock": clock})

    assert (world.report.cycles, [row.kind for row in world.report.errors]) == (1, [])


@pytest.mark.parametrize("overrun", OverrunPolicy)
def test_cycles_that_the_machine_slept_over_are_made_up_for_once(play, overrun):
    clock = Asleep(minutes=20, at=10.5)
    world = play(
        config={"interval": 60.0, "overrun": overrun},
        clock=clock,
        broker={"clock": clock},
        strategy=Says(Direction.NONE),
    )

    minutes = [(row.at - OPEN) // timedelta(minutes=1) for row in of_kind(world.records, CycleDone)]
    assert minutes == [*range(1, 11), *range(31, 50)]


def test_nothing_is_entered_on_what_was_decided_before_the_machine_slept(play):
    strategy = SleepsAfter()
    world = play(
        config={"interval": 600.0},
        clock=strategy.clock,
        broker={"clock": strategy.clock},
        strategy=strategy,
    )

    decided = of_kind(world.records, Decision)
    assert [row.outcome for row in decided[:2]] == ["refused", "entry"]
    assert decided[0].reasons == ("it took 1200 s to decide",)


def test_the_account_is_read_anew_before_an_entry_when_the_machine_slept_in_the_cycle(play):
    strategy = SleepsAfter(by_symbol={"QQQ": Direction.NONE}, symbol="QQQ")
    world = play(
        config={"interval": 600.0},
        clock=strategy.clock,
        broker={"clock": strategy.clock},
        strategy=strategy,
        symbols=("QQQ", "SPY"),
    )

    kinds = [call.kind for call in world.broker.calls]
    assert kinds[: kinds.index("place")].count("account") == 2


def test_children_are_cancelled_before_the_position_is_sold(play):
    world = play()

    states = [
        (record.report.order_type, record.report.side, record.report.state)
        for record in of_kind(world.records, OrderUpdate)
        if record.report.state.is_final
    ]
    assert states == [
        ("LMT", Side.BUY, OrderState.FILLED),
        ("STP", Side.SELL, OrderState.CANCELLED),
        ("MKT", Side.SELL, OrderState.FILLED),
    ]


def test_the_intent_is_in_the_journal_before_the_order_leaves(play):
    def prepare(broker, _):
        broker.fail("place", OrderRejected("no funds", code=201))

    world = play(prepare=prepare)

    assert len(of_kind(world.records, Intent)) == 1
    assert [call.kind for call in world.broker.calls].count("place") == 1
    assert [error.kind for error in world.report.errors] == ["OrderRejected"]
    refusals = " ".join(reason for row in of_kind(world.records, Decision) for reason in row.reasons)
    assert "lack of funds" in refusals


def test_an_order_whose_answer_is_lost_stops_further_entries(play):
    def prepare(broker, _):
        broker.fail("place", RequestTimeout("no answer"))

    world = play(prepare=prepare, risk=RiskConfig(cooldown=0))

    assert len(of_kind(world.records, Intent)) == 1
    refusals = " ".join(reason for row in of_kind(world.records, Decision) for reason in row.reasons)
    assert "unknown" in refusals


def test_one_symbol_that_fails_does_not_stop_the_others_and_sits_out_cycles(play):
    def prepare(broker, _):
        broker.fail("bars", RequestTimeout("no answer in 60 s"), subject=Stock("QQQ"))

    world = play(strategy=Says(Direction.NONE), symbols=("SPY", "QQQ"), prepare=prepare)

    tallies = world.report.symbols
    assert (tallies["SPY"].cycles, tallies["SPY"].failures) == (16, 0)
    outcomes = [row.outcome for row in of_kind(world.records, CycleDone) if row.symbol == "QQQ"]
    assert outcomes[:7] == ["failed", "failed", "failed", "skipped", "skipped", "failed", "skipped"]
    assert tallies["QQQ"].skipped == outcomes.count("skipped")
    assert (
        world.report.timeouts == tallies["QQQ"].failures + 1
    )  # before the first cycle it was asked for, too
    assert {row.kind for row in of_kind(world.records, Failure)} == {"RequestTimeout"}


def test_a_symbol_that_recovers_is_looked_at_in_every_cycle_again(play):
    def prepare(broker, _):
        broker.fail("bars", RequestTimeout("no answer"), times=3)

    world = play(strategy=Says(Direction.NONE), prepare=prepare, config={"warm_up": 0})

    outcomes = [row.outcome for row in of_kind(world.records, CycleDone)]
    assert outcomes == ["failed"] * 3 + ["skipped"] * 2 + ["no_signal"] * 11


def test_after_a_lost_session_every_symbol_is_looked_at_again_at_once(play):
    def prepare(broker, _):
        broker.fail("quote", NotConnected("no session"), times=4)

    world = play(strategy=Says(Direction.NONE), prepare=prepare, config={"warm_up": 0})

    outcomes = [row.outcome for row in of_kind(world.records, CycleDone)]
    assert outcomes == ["failed"] * 4 + ["no_signal"] * 12


def test_a_strategy_with_a_bug_is_reported_and_the_others_go_on(play, caplog):
    world = play(strategy=Says(Direction.NONE, {"SPY": ZeroDivisionError("oops")}), symbols=("SPY", "QQQ"))

    assert {error.kind for error in world.report.errors} == {"ZeroDivisionError"}
    assert world.report.symbols["QQQ"].failures == 0
    assert "cycle failed symbol=SPY" in caplog.text


def test_unreadable_balances_refuse_every_entry(play):
    def prepare(broker, _):
        broker.fail("account", RequestTimeout("no answer"))

    world = play(prepare=prepare)

    assert world.report.intents == 0
    reasons = {reason for row in of_kind(world.records, Decision) for reason in row.reasons}
    assert any("unreadable" in reason for reason in reasons)


def test_unreadable_positions_refuse_every_entry(play):
    def prepare(broker, _):
        broker.fail("positions", RequestTimeout("no answer"))

    world = play(prepare=prepare)

    assert world.report.intents == 0
    assert any("could not be read" in " ".join(row.reasons) for row in of_kind(world.records, Decision))


def test_an_illiquid_option_is_not_bought_and_the_reason_is_kept(play):
    wide = {CALL: fresh(CALL, 4.0, 4.6)}

    world = play(steps=wide)

    assert world.report.intents == 0
    (reasons,) = {row.reasons for row in of_kind(world.records, Decision) if row.outcome == "no_option"}
    assert "spread" in reasons[0]


def test_a_premium_beyond_the_risk_budget_buys_nothing(play):
    world = play(risk=RiskConfig(risk_fraction=0.0001))

    assert world.report.intents == 0
    assert {row.outcome for row in of_kind(world.records, Decision)} == {"no_size", "refused"}


def test_no_entry_leaves_within_the_stop_before_the_close(play):
    world = play(config={"entries_stop_before_close": 3600.0})

    assert world.report.intents == 0
    assert world.report.signals == 16


def test_every_quote_that_was_used_is_in_the_journal(play):
    world = play(broker={"dry_run": True})

    seen = of_kind(world.records, QuoteSeen)
    assert {record.quote.contract for record in seen} == {Stock("SPY"), CALL}
    assert all(record.quote.at <= record.at for record in seen)


def test_an_entry_that_does_not_fill_is_cancelled_after_its_life(play):
    steps = {CALL: [*fresh(CALL, 4.0, 4.05, stop=183), *fresh(CALL, 4.3, 4.35, start=183)]}

    world = play(steps=steps, broker={"delays": {"place": 4.0}}, risk=RiskConfig(cooldown=86400))

    ended = [row.report for row in of_kind(world.records, OrderUpdate) if row.report.state.is_final]
    assert {report.state for report in ended} == {OrderState.CANCELLED}
    assert ended[0].at - OPEN < timedelta(seconds=500)
    assert world.report.fills == 0


def test_positions_stay_when_the_day_ends_with_a_hold(play):
    world = play(config={"end_of_day": EndOfDay.HOLD})

    assert [(row.contract, row.reason) for row in world.report.held] == [(CALL, "end_of_day is hold")]
    assert [type(intent.order).__name__ for intent in of_kind(world.records, Intent)] == ["Bracket"]


def test_what_cannot_be_sold_is_reported_with_its_reason(play):
    no_bid = [quote_at(CALL, None, 4.05, seconds=second) for second in range(300, 3600, 5)]

    world = play(steps={CALL: [*fresh(CALL, 4.0, 4.05, stop=300), *no_bid]})

    (held,) = world.report.held
    assert held.contract == CALL
    assert held.signed_quantity > 0
    assert "did not fill within 60 s" in held.reason
    assert of_kind(world.records, Failure)[-1].kind == "StillHeld"
    exits = [row.order for row in of_kind(world.records, Intent) if row.purpose == "exit"]
    assert {ticket.quantity for ticket in exits} == {held.signed_quantity}


def test_a_lost_session_is_a_failure_of_each_cycle_and_not_the_end(play):
    def prepare(broker, loop):
        loop.call_later(100, broker.drop)

    world = play(strategy=Says(Direction.NONE), prepare=prepare)

    assert world.report.cycles == 16
    assert {error.kind for error in world.report.errors} == {NotConnected.__name__}


def test_concurrent_symbols_do_not_pass_the_limit_of_positions_together(play):
    symbols = ("SPY", "QQQ")

    other = option("QQQ", Right.CALL, 560)

    world = play(
        symbols=symbols,
        steps={other: fresh(other, 4.0, 4.05)},
        config={"concurrency": 2, "symbol_gap": 0.0},
        risk=RiskConfig(max_open_positions=1),
        broker={"delays": {"quote": 0.3}},
    )

    entries = [row for row in of_kind(world.records, Intent) if row.purpose == "entry"]
    assert len(entries) == 1


def test_the_next_session_begins_on_the_next_trading_day(play):
    world = play(strategy=Says(Direction.NONE), sessions=2)

    days = {
        row.at.date().isoformat() for row in of_kind(world.records, CycleDone) if row.outcome == "no_signal"
    }
    assert days == {"2025-03-14"}
    assert {row.at.date() for row in of_kind(world.records, CycleDone)} == {DAY, DAY + timedelta(days=3)}


def test_two_runs_are_equal_record_by_record(play, tmp_path):
    first = play(symbols=("SPY", "QQQ")).records
    (tmp_path / "journal.sqlite").unlink()

    second = play(symbols=("SPY", "QQQ")).records

    assert first == second


def test_latencies_are_told_by_kind_of_request(play):
    world = play(strategy=Says(Direction.NONE), broker={"delays": {"bars": 0.25}})

    assert world.report.latencies["bars"].median == pytest.approx(0.25)
    assert world.report.latencies["quote"].longest == 0


def own_hours(*closes_after):
    hours = [
        TradingHours(
            opens_at=OPEN + timedelta(days=days), closes_at=OPEN + timedelta(days=days, seconds=seconds)
        )
        for days, seconds in closes_after
    ]
    details = ContractDetails(contract=Stock("SPY"), min_tick=Decimal("0.01"), liquid_hours=tuple(hours))
    return {"details": [details]}


def test_the_contracts_own_early_close_wins_over_the_calendar(play):
    world = play(strategy=Says(Direction.NONE), broker=own_hours((0, 1800)))

    assert world.report.cycles == 6
    assert world.records[-1].at - OPEN < timedelta(seconds=1801)


def test_a_day_without_hours_of_its_own_is_not_traded(play):
    world = play(strategy=Says(Direction.NONE), broker=own_hours((-1, 3600), (3, 3600)))

    assert {row.at.date() for row in of_kind(world.records, CycleDone)} == {DAY + timedelta(days=3)}


def test_without_the_definition_the_calendar_serves(play):
    def prepare(broker, _):
        broker.fail("qualify", RequestTimeout("no answer"))

    world = play(strategy=Says(Direction.NONE), prepare=prepare)

    assert world.report.cycles == 16
    assert [error.kind for error in world.report.errors] == ["RequestTimeout"]


def test_an_unknown_symbol_is_told_and_counted_and_asked_for_again_while_the_others_are_traded(play):
    gone, told = UnknownContract("no security definition has been found", code=200), []

    def prepare(broker, loop):
        run, late = broker.quote, gone
        qqq_is_back = OPEN + timedelta(minutes=30)

        async def quote(contract):
            if contract == QQQ and virtual_clock().now() < qqq_is_back:
                raise late
            return await run(contract)

        broker.quote = quote
        broker.fail("qualify", gone, subject=QQQ)

    class Alarms(NullObserver):
        def on_event(self, event):
            told.extend([event] if isinstance(event, AlarmRaised) else [])

    hours = own_hours((0, 3000))
    world = play(
        strategy=Says(by_symbol={"QQQ": Direction.NONE}),
        symbols=("QQQ", "SPY"),
        prepare=prepare,
        broker=hours,
        observer=Alarms(),
        unknown={"QQQ": gone},
    )

    [alarm] = told
    assert alarm.name == "symbol QQQ"
    assert "no security definition" in alarm.message
    qqq, spy = world.report.symbols["QQQ"], world.report.symbols["SPY"]
    assert qqq.failures > 2
    assert qqq.skipped > 1
    assert qqq.answers > 1, "it is asked for again"
    assert (spy.failures, spy.signals > 1, world.report.fills) == (0, True, 2)
    assert world.report.held == ()
    failures = [row for row in of_kind(world.records, Failure) if row.symbol == "QQQ"]
    assert failures[0].service == "qualify"
    assert isinstance(world.records[0], RunStarted)
    assert max(row.at for row in of_kind(world.records, CycleDone)) - OPEN < timedelta(seconds=3000)


def test_a_run_that_is_cancelled_says_so_in_its_journal(play):
    cancelled = []

    def prepare(_, loop):
        task = asyncio.current_task()
        loop.call_later(400, lambda: cancelled.append(task.cancel()))

    with pytest.raises(asyncio.CancelledError):
        play(strategy=Says(Direction.NONE), prepare=prepare)

    assert cancelled == [True]


def test_an_entry_that_waits_to_leave_does_not_leave_once_the_run_is_cancelled(play):
    """Nobody would withdraw it after its life, and what is said to be left open would not name it."""
    sent, said = [], []

    def prepare(broker, loop):
        place, positions = broker.place, broker.positions

        async def look_up_and_place(order, **asked):
            await asyncio.sleep(2)
            placed = await place(order, **asked)
            sent.append(order)
            return placed

        async def slow_positions():
            await asyncio.sleep(3)
            return await positions()

        def stop(task):
            broker.place, broker.positions = look_up_and_place, slow_positions
            task.cancel()

        broker.place = look_up_and_place
        loop.call_later(181, stop, asyncio.current_task())

    with pytest.raises(asyncio.CancelledError):
        play(prepare=prepare, announce=said.append)

    assert sent == []
    assert len(said) == 1


def test_a_strategy_may_want_to_be_told_of_an_entry_for_ever(play):
    class Long(Says):
        def needs(self):
            return attrs.evolve(super().needs(), memory=1e15)

    assert play(strategy=Long(Direction.NONE)).report.cycles == 16


def test_positions_that_cannot_be_read_at_the_end_are_a_failure_and_not_called_flat(play):
    def prepare(broker, loop):
        loop.call_later(2990, lambda: broker.fail("positions", RequestTimeout("no answer")))

    world = play(prepare=prepare)

    assert world.report.held is None
    assert "RequestTimeout" in {error.kind for error in world.report.errors}
    assert [row.purpose for row in of_kind(world.records, Intent)] == ["entry"]


STOP = CLOSE - timedelta(seconds=600)
OTHER = option("QQQ", Right.CALL, 560)
TWO = {"symbols": ("SPY", "QQQ"), "steps": {OTHER: fresh(OTHER, 4.0, 4.05)}}


def rejecting_exits_of(contract):
    def prepare(broker, _):
        place = broker.place

        async def refuse(order, **asked):
            if isinstance(order, OrderTicket) and order.contract == contract:
                raise OrderRejected("not today", code=201)
            return await place(order, **asked)

        broker.place = refuse

    return prepare


def cancelled_after(seconds, *, prepare=None):
    def arrange(broker, loop):
        loop.call_later(seconds, asyncio.current_task().cancel)
        if prepare:
            prepare(broker, loop)

    return arrange


def test_an_exit_that_is_refused_does_not_keep_the_other_positions(play):
    world = play(prepare=rejecting_exits_of(CALL), **TWO)

    (held,) = world.report.held
    assert held.contract == CALL
    assert "OrderRejected: not today" in held.reason
    assert "no stop worked for it" in held.reason


def test_a_cancel_that_is_not_answered_leaves_that_stop_and_closes_the_others(play):
    def prepare(broker, loop):
        loop.call_later(2990, broker.fail, "cancel", RequestTimeout("no answer"))
        cancel = broker.cancel

        async def only_spy(order_id):
            report = next(row for row in await broker.open_orders() if row.order_id == order_id)
            if report.contract == CALL:
                broker.heal("cancel")
            else:
                broker.fail("cancel", RequestTimeout("no answer"), times=1)
            return await cancel(order_id)

        broker.cancel = only_spy

    world = play(prepare=prepare, **TWO)

    (held,) = world.report.held
    assert held.contract == OTHER
    assert held.reason == "RequestTimeout: no answer"


def test_a_blip_when_positions_are_to_be_closed_is_outlasted(play):
    def prepare(broker, loop):
        loop.call_later(2999, broker.fail, "positions", NotConnected("blip"))
        loop.call_later(3040, broker.heal, "positions")

    world = play(prepare=prepare)

    assert world.report.held == ()
    (sold,) = [row for row in of_kind(world.records, Intent) if row.purpose == "exit"]
    assert sold.at - STOP < timedelta(seconds=60)


def test_a_slow_cycle_is_ended_so_that_the_exit_leaves_in_time(play):
    def prepare(broker, loop):
        async def slow(*_):
            await asyncio.sleep(400)
            raise RequestTimeout("no answer in 400 s")

        loop.call_later(2700, setattr, broker, "bars", slow)

    world = play(prepare=prepare)

    (sold,) = [row for row in of_kind(world.records, Intent) if row.purpose == "exit"]
    assert sold.at - STOP < timedelta(seconds=1)
    assert "still going" in world.report.errors[-1].message
    assert world.report.held == ()


LATE = {"interval": 590.0, "entries_stop_before_close": 0.0, "flatten_before_close": 3000.0}


def test_an_entry_in_flight_when_its_cycle_is_ended_is_sold_too(play):
    def prepare(broker, loop):
        place = broker.place

        async def answered_late(*order, **asked):
            placed = await place(*order, **asked)
            await asyncio.sleep(30)
            return placed

        broker.place = answered_late

    world = play(prepare=prepare, config=LATE)

    assert [fill.execution.side for fill in of_kind(world.records, FillSeen)] == [Side.BUY, Side.SELL]
    assert world.report.held == ()


def test_an_entry_that_is_held_up_until_its_cycle_is_ended_does_not_leave(play):
    world = play(broker={"delays": {"place": 30.0}}, config=LATE)

    assert of_kind(world.records, FillSeen) == []
    assert "quote_age: 30.0 s; needed: 15 s or less; market: 2025-03-14T13:40:20" in (
        world.report.errors[-1].message
    )
    assert world.report.held == ()


def test_a_run_that_takes_over_sells_what_the_first_one_bought(play):
    broken = []
    with pytest.raises(asyncio.CancelledError):
        play(prepare=cancelled_after(600, prepare=lambda broker, _: broken.append(broker)), mode="PAPER")
    bought = Position(account="DU0000001", contract=CALL, signed_quantity=10, average_price=4.05)

    world = play(broker={"positions": [bought]}, start=OPEN + timedelta(minutes=20), mode="PAPER")

    exits = [row.order for row in of_kind(world.records, Intent) if row.purpose == "exit"]
    assert [(ticket.contract, ticket.quantity) for ticket in exits] == [(CALL, 10)]
    assert world.report.held == ()


def test_a_run_that_takes_over_does_not_sell_what_a_dry_run_only_meant_to_buy(play):
    with pytest.raises(asyncio.CancelledError):
        play(prepare=cancelled_after(600), broker={"dry_run": True})
    theirs = Position(account="DU0000001", contract=CALL, signed_quantity=3, average_price=4.05)

    world = play(broker={"positions": [theirs]}, start=OPEN + timedelta(minutes=20), mode="PAPER")

    assert [row.purpose for row in of_kind(world.records, Intent)] == ["entry"]
    assert [(row.signed_quantity, row.is_ours) for row in world.report.held] == [(3, False)]


def test_the_daily_loss_is_counted_for_each_account(play):
    def traded(account, equity, minutes):
        values = AccountValues(
            account=account, at=OPEN, net_liquidation=Decimal(equity), available_funds=Decimal(equity)
        )
        start = OPEN + timedelta(minutes=minutes)
        with pytest.raises(asyncio.CancelledError):
            play(
                prepare=cancelled_after(300),
                broker={"account": values},
                start=start,
                strategy=Says(Direction.NONE),
            )

    traded("U7654321", 50_000, 0)
    traded("DU0000001", 1_000_000, 10)
    traded(
        "U7654321", 42_000, 20
    )  # beside the paper account's equity any loss is one; beside its own it is 16 %
    traded("DU0000001", 900_000, 30)
    traded("U7654399", 40_000, 40)
    world = play(strategy=Says(Direction.NONE), start=OPEN + timedelta(minutes=50))

    kept = [row.guard for row in of_kind(world.records, LossGuardKept)]
    assert [(int(guard.start_equity), guard.tripped) for guard in kept[:4]] == [
        (50_000, False),
        (1_000_000, False),
        (50_000, True),
        (40_000, False),
    ]
    assert kept[0].owner == kept[2].owner
    assert len({guard.owner for guard in kept[:4]}) == 3
    assert not any("7654321" in guard.owner for guard in kept)


def test_an_equity_whose_account_nobody_noted_counts_for_any(play, tmp_path):
    earlier = DailyLossGuard(session=OPEN.date(), start_equity=Decimal(1_000_000))
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.record(LossGuardKept(at=OPEN, guard=earlier))

    world = play(strategy=Says(Direction.NONE))

    assert [row.guard.tripped for row in of_kind(world.records, LossGuardKept)] == [False, True]


def test_the_daily_loss_outlives_a_restart(play):
    def worth(equity):
        return AccountValues(
            account="DU0000001", at=OPEN, net_liquidation=Decimal(equity), available_funds=Decimal(equity)
        )

    def lose(broker, loop):
        loop.call_later(300, broker.set_account, worth(70_000))

    with pytest.raises(asyncio.CancelledError):
        play(prepare=cancelled_after(1500, prepare=lose), strategy=Says(Direction.NONE))

    world = play(broker={"account": worth(70_000)}, start=OPEN + timedelta(minutes=26))

    assert [kept.guard.tripped for kept in of_kind(world.records, LossGuardKept)] == [False, True]
    assert world.report.intents == 0


def test_a_position_that_is_not_ours_is_named_and_left_alone(play):
    theirs = Position(account="DU0000001", contract=QQQ, signed_quantity=100, average_price=400.0)

    world = play(strategy=Says(Direction.NONE), broker={"positions": [theirs]})

    (held,) = world.report.held
    assert (held.contract, held.is_ours) == (QQQ, False)
    assert of_kind(world.records, Failure) == []


def test_an_order_that_never_left_does_not_stop_further_entries(play):
    def prepare(broker, _):
        broker.fail("place", NotConnected("no session; nothing was sent"), times=1)

    world = play(prepare=prepare, risk=RiskConfig(cooldown=0))

    entries = [row for row in of_kind(world.records, Intent) if row.purpose == "entry"]
    assert len(entries) == 2
    assert world.report.held == ()


def test_a_bracket_whose_answer_was_lost_is_known_by_the_venues_word_and_closed(play):
    def prepare(broker, _):
        place, lost = broker.place, []

        async def lose_the_answer(order, **asked):
            placement = await place(order, **asked)
            if not lost:
                lost.append(placement)
                raise RequestTimeout("no answer")
            return placement

        broker.place = lose_the_answer

    world = play(prepare=prepare)

    exits = [row.order for row in of_kind(world.records, Intent) if row.purpose == "exit"]
    assert [ticket.contract for ticket in exits] == [CALL]
    assert world.report.held == ()


def test_the_end_of_a_session_waits_for_what_nobody_knows(play):
    def lose(broker, _):
        async def never_arrives(_, **_asked):
            raise RequestTimeout("no answer")

        broker.place = never_arrives

    with pytest.raises(asyncio.CancelledError):
        play(prepare=cancelled_after(200, prepare=lose), mode="PAPER")

    world = play(start=STOP - timedelta(seconds=1), mode="PAPER")

    # One reading when the closing begins, and another 15 seconds later, prove it.
    settled = of_kind(world.records, OrderSettled)
    assert [row.state for row in settled] == [OrderState.CANCELLED] * 2
    assert settled[0].at - STOP < timedelta(seconds=20)


def test_fills_that_a_lost_session_hid_are_caught_up_on(play):
    def prepare(broker, loop):
        events = broker.order_events

        async def deaf():
            raise NotConnected("the stream ended")
            yield

        broker.order_events = deaf
        loop.call_later(400, setattr, broker, "order_events", events)

    world = play(prepare=prepare)

    bought = next(row for row in of_kind(world.records, FillSeen))
    assert bought.execution.side is Side.BUY
    assert world.report.fills == 2
    assert world.report.held == ()


def full_disk_from(instant):
    """Makes every write of the journal fail from an instant on; gives back how to undo it."""
    write = Journal.record_all

    def fails(self, records):
        if virtual_clock().now() >= instant:
            raise JournalError("disk full")
        return write(self, records)

    return fails


def test_a_journal_that_cannot_be_written_refuses_entries(play, monkeypatch):
    def prepare(*_):
        monkeypatch.setattr(Journal, "record_all", full_disk_from(OPEN + timedelta(seconds=1)))

    world = play(prepare=prepare)

    assert [call.kind for call in world.broker.calls].count("place") == 0
    assert {error.kind for error in world.report.errors} == {"JournalError"}


def test_a_journal_that_cannot_be_written_does_not_keep_an_exit(play, monkeypatch, caplog):
    def prepare(*_):
        monkeypatch.setattr(Journal, "record_all", full_disk_from(STOP))

    world = play(prepare=prepare)

    assert [call.kind for call in world.broker.calls].count("place") == 2
    assert world.report.held == ()
    assert "record kept in memory kind=Intent" in caplog.text


def test_an_account_in_another_currency_buys_nothing_and_says_why(play):
    yen = AccountValues(
        account="DU0000001",
        at=OPEN,
        currency="JPY",
        net_liquidation=Decimal(1_500_000),
        available_funds=Decimal(1_500_000),
    )

    world = play(broker={"account": yen})

    assert world.report.intents == 0
    assert any("kept in JPY" in " ".join(row.reasons) for row in of_kind(world.records, Decision))


def test_a_session_that_its_own_hours_ended_early_is_not_traded_again(play):
    world = play(strategy=Says(Direction.NONE), sessions=2, broker=own_hours((0, 1800), (3, 3600)))

    assert {row.at.date() for row in of_kind(world.records, CycleDone)} == {DAY, DAY + timedelta(days=3)}
    assert world.report.cycles == 6 + 16


def test_order_events_that_break_do_not_make_the_run_deaf(play, caplog):
    def prepare(broker, _):
        broker.fail("order_events", ZeroDivisionError("oops"), times=1)

    world = play(prepare=prepare)

    assert "order events failed" in caplog.text
    assert world.report.fills == 2
    assert world.report.held == ()


class Listening:
    """Keeps what it is told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


def test_what_a_fill_opened_is_told_before_the_next_cycle_with_what_protects_it(play):
    observer = Listening()

    play(observer=observer)

    filled = next(event for event in observer.events if isinstance(event, OrderFilled))
    soon = filled.at + timedelta(seconds=5)
    seen = [
        event.positions
        for event in observer.events
        if isinstance(event, PositionsSeen) and filled.at < event.at <= soon
    ]
    assert [(row.subject, row.signed_quantity) for row in seen[0]] == [(str(CALL), filled.quantity)]
    assert [row.order_type for row in seen[0][0].protection] == ["STP"]


def test_what_another_bot_holds_is_told_with_the_stop_that_the_other_bot_has_for_it(play):
    put, observer = option("QQQ", Right.PUT, 560), Listening()
    theirs = OrderReport(
        order_id=3, perm_id=4, client_id=8, contract=put, side=Side.SELL, quantity=2, order_type="STP", tif="DAY", stop_price=1,
        state=OrderState.WORKING, filled=0, client_order_id=ClientOrderId("b-1"), at=OPEN,
    )  # fmt: skip
    held = Position(account="DU1234567", contract=put, signed_quantity=2.0, average_price=4.0)

    play(
        observer=observer,
        broker={"positions": [held]},
        prepare=lambda fake, _: fake.set_foreign_orders([theirs]),
    )

    seen = [row for event in observer.events if isinstance(event, PositionsSeen) for row in event.positions]
    assert {row.uncovered for row in seen if row.symbol == "QQQ"} == {0.0}


def test_a_takeover_learns_from_the_open_orders_that_an_unanswered_one_does_not_work(play):
    def prepare(broker, loop):
        broker.fail("place", RequestTimeout("no answer"))

    with pytest.raises(asyncio.CancelledError):
        play(prepare=cancelled_after(200, prepare=prepare), mode="PAPER")

    world = play(start=OPEN + timedelta(minutes=5), mode="PAPER", risk=RiskConfig(cooldown=0))

    entries = [row for row in of_kind(world.records, Intent) if row.purpose == "entry"]
    assert len(entries) == 2
    assert world.report.held == ()


def reasons_of(world):
    return " ".join(reason for row in of_kind(world.records, Decision) for reason in row.reasons)


def test_a_halted_bot_enters_nothing_and_says_why(play):
    halt = Halt()
    halt.halt("by hand", OPEN)

    world = play(safety=Safety(halt=halt))

    assert of_kind(world.records, Intent) == []
    assert "halted: by hand" in reasons_of(world)
    assert world.report.errors == ()


def test_a_halt_by_a_file_cancels_an_entry_that_works_within_seconds(play, tmp_path):
    path, cancels = tmp_path / "halt", []
    moved = fresh(CALL, 4.0, 4.05, stop=182) + fresh(CALL, 4.0, 4.3, start=182)

    def prepare(broker, loop):
        loop.call_later(186.0, path.write_text, "by file")
        loop.call_later(195.0, lambda: cancels.append([row.kind for row in broker.calls].count("cancel")))

    world = play(
        steps={CALL: moved},
        safety=Safety(halt=Halt(path)),
        prepare=prepare,
        broker={"delays": {"place": 4.0}},
        risk=RiskConfig(cooldown=0),
    )

    assert len(of_kind(world.records, Intent)) == 1
    assert cancels == [1]
    assert world.report.fills == 0
    assert "halted: by file" in reasons_of(world)


def test_a_halt_lets_the_exits_pass(play, tmp_path):
    path = tmp_path / "halt"

    world = play(
        safety=Safety(halt=Halt(path)),
        prepare=lambda _, loop: loop.call_later(600.0, path.write_text, "by file"),
    )

    assert world.report.held == ()
    assert [row.purpose for row in of_kind(world.records, Intent)] == ["entry", "exit"]


def test_a_halt_by_call_reaches_an_order_whose_record_is_still_being_written(tmp_path):
    async def main():
        disk = ByHand()
        fake = FakeBroker(quotes=fresh(CALL, 4.0, 4.05), clock=virtual_clock())
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            async with fake:
                recorder, tally = Recorder(journal, disk), Tally("t", ("SPY",))
                doorkeeper = Doorkeeper(virtual_clock())
                desk = OrderDesk(
                    fake,
                    Feed(fake, recorder, tally, virtual_clock()),
                    recorder,
                    tally,
                    virtual_clock(),
                    NullObserver(),
                    "t",
                    doorkeeper,
                )
                quote = await fake.quote(CALL)
                bracket = build_bracket(quote=quote, quantity=1)
                signal = Signal(direction=Direction.UP, confidence=0.5)
                entering = asyncio.ensure_future(desk.enter("SPY", bracket, signal, DAY, "", quote=quote))
                while not disk.jobs:
                    await asyncio.sleep(0)
                doorkeeper.halt.halt("by call", OPEN)
                disk.do()
                with pytest.raises(GatesShut, match="by call") as refused:
                    await entering
                return [call.kind for call in fake.calls], refused.value.refusals, desk.unknown_orders

    calls, refusals, unknown = run_virtual(main(), start=OPEN)

    assert "place" not in calls
    assert [refusal.kind for refusal in refusals] == ["halted"]
    assert unknown == 0


def test_a_gate_that_is_shut_is_a_reason_of_the_decision(play):
    world = play(safety=Safety(limits=OrderLimits(max_quantity=0)))

    assert of_kind(world.records, Intent) == []
    assert {row.outcome for row in of_kind(world.records, Decision)} == {"refused"}
    assert "quantity: " in reasons_of(world)
    assert "needed: 0 or fewer" in reasons_of(world)


def test_a_bots_own_age_of_quotes_holds_at_the_door_too():
    safety = Safety.of(RiskConfig(max_quote_age=60.0, stop_fraction=0.3))

    assert (safety.limits.max_quote_age, safety.stop_fraction) == (60.0, 0.3)


def test_an_account_that_does_not_fit_stops_everything(play):
    world = play(safety=Safety(interlock=Interlock(mode="LIVE", account="U1234567")))

    assert of_kind(world.records, Intent) == []
    assert "the second yes" in reasons_of(world)


class ByHand(Executor):
    """Does the work when it is told to."""

    def __init__(self):
        self.jobs = []

    def submit(self, work, /, *args):
        done = Future()
        self.jobs.append((done, work, args))
        return done

    def do(self):
        done, work, args = self.jobs.pop(0)
        done.set_result(work(*args))
