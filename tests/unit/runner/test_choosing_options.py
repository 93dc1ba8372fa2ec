"""Which options are looked at, day after day, and at which prices the order for one stands."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import InvalidInput, QuoteUnavailable, UnknownContract
from ibkeel.journal import Journal
from ibkeel.model import (
    AccountValues,
    Bar,
    Bars,
    BarSpec,
    Direction,
    Option,
    OptionChain,
    OptionClass,
    OrderReport,
    OrderState,
    Position,
    Quote,
    Reason,
    Right,
    Side,
    Signal,
    Stock,
)
from ibkeel.options import Candidate
from ibkeel.risk import GateRule, LossVerdict
from ibkeel.runner import RiskConfig, RunnerConfig, Session
from ibkeel.runner.entry import EntryPlanner, Outcome, Pending, Seen, Verdict, View, gate_rule, sized_bracket
from ibkeel.runner.feed import Feed, spot_of
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.strategy import Needs
from ibkeel.testing import FakeBroker
from ibkeel.virtual import virtual_clock

SPY, EXPIRY = Stock("SPY"), date(2025, 3, 21)
NEAR, FAR = (Option("SPY", EXPIRY, Decimal(k), Right.CALL, trading_class="SPY") for k in (560, 565))
CHAIN = OptionChain(
    underlying=SPY,
    classes=(OptionClass(trading_class="SPY", expiries=(EXPIRY,), strikes=(NEAR.strike, FAR.strike)),),
)


@attrs.frozen
class Up:
    name: str = "up"

    def needs(self):
        return Needs()

    def decide(self, _):
        return Signal(direction=Direction.UP, confidence=1.0)


@pytest.fixture
def recorder():
    with Journal.in_memory() as journal:
        yield Recorder(journal)


async def test_a_strike_that_is_listed_overnight_is_looked_at_the_next_day():
    clock = virtual_clock()
    quotes = [Quote(contract=SPY, at=clock.now(), bid=559.99, ask=560.01)]
    quotes += [Quote(contract=one, at=clock.now(), bid=4.0, ask=4.05, volume=500) for one in (NEAR, FAR)]
    broker = FakeBroker(quotes=quotes, chains=[CHAIN], clock=clock)
    journal = Journal.in_memory()
    feed = Feed(broker, Recorder(journal), Tally("t", ("SPY",)), clock)
    planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), RiskConfig())
    broker.fail("quote", UnknownContract("not listed", code=200), times=1, subject=NEAR)
    await broker.connect()

    async def chosen(day):
        choice = await planner._choice("SPY", Up().decide(None), 560.0, day)
        return choice.chosen.option

    today, tomorrow = date(2025, 3, 17), date(2025, 3, 18)

    with journal:
        assert [await chosen(today), await chosen(today), await chosen(tomorrow)] == [FAR, FAR, NEAR]


AT = datetime(2025, 3, 17, 14, 0, tzinfo=UTC)
RICH = AccountValues(account="DU0000001", at=AT, net_liquidation=100_000, available_funds=100_000)
FIVE = Quote(contract=NEAR, at=AT, bid=4.9, ask=5.0)
WIDE = RiskConfig(stop_fraction=0.2, risk_fraction=0.01, max_contracts=1000)  # 1000 at risk, 100 a contract


@pytest.mark.parametrize(
    ("risk", "account", "multiplier", "quantity"),
    [
        ({}, {}, 100, 10),
        ({"stop_fraction": 0.5}, {}, 100, 4),
        ({"risk_fraction": 0.02}, {}, 100, 20),
        ({"max_contracts": 3}, {}, 100, 3),
        ({}, {}, 10, 100),
        ({}, {"net_liquidation": 50_000}, 100, 5),
        ({}, {"available_funds": 1_200}, 100, 2),
    ],
)
def test_a_size_follows_what_may_be_risked_and_what_there_is(risk, account, multiplier, quantity):
    bracket, why = sized_bracket(FIVE, multiplier, attrs.evolve(RICH, **account), attrs.evolve(WIDE, **risk))

    assert bracket.entry.quantity == quantity
    assert why.startswith(f"{quantity} contracts, limited by")


@pytest.mark.parametrize(
    ("account", "why"),
    [
        (None, "0 contracts, limited by equity_unreadable"),
        (attrs.evolve(RICH, available_funds=10), "0 contracts, limited by funds"),
        (
            attrs.evolve(RICH, currency="EUR"),
            "kept in EUR, the option trades in USD: a size needs both in one currency",
        ),
    ],
)
def test_without_money_that_can_be_read_and_spent_there_is_no_order(account, why):
    bracket, told = sized_bracket(FIVE, 100, account, WIDE)

    assert bracket is None
    assert why in told


def test_a_stop_stands_as_far_off_as_the_limits_say():
    bracket, _ = sized_bracket(FIVE, 100, RICH, attrs.evolve(WIDE, stop_fraction=0.5))

    assert (bracket.entry.limit_price, bracket.stop_loss) == (5, Decimal("2.5"))


def held(symbol):
    return Position(account="DU0000001", contract=Stock(symbol), signed_quantity=1, average_price=1.0)


def works(symbol):
    return OrderReport(
        order_id=1, perm_id=5, client_id=9, client_order_id="", contract=Stock(symbol), side=Side.BUY, quantity=2,
        order_type="LMT", state=OrderState.WORKING, at=AT,
    )  # fmt: skip


HOURS = timedelta(hours=1)
OPEN = Session(day=AT.date(), opens_at=AT, closes_at=AT + 4 * HOURS)  # it opens now
TAKEN = "SPY has a position or a working order already"
UNREAD = "positions or open orders could not be read"
OTHERS = {"positions": (held("QQQ"), held("IWM")), "open_orders": (works("IWM"), works("DIA"))}


@pytest.mark.parametrize(
    ("seen", "done", "against"),
    [
        ({}, {}, []),
        ({"positions": None}, {}, [UNREAD]),
        ({"open_orders": None}, {}, [UNREAD]),
        ({"positions": (held("SPY"),)}, {}, [TAKEN]),
        ({"open_orders": (works("SPY"),)}, {}, [TAKEN]),
        ({}, {"entered": ("SPY",)}, [TAKEN]),
        (OTHERS, {"entered": ("DIA", "GLD")}, []),
        (OTHERS, {"entered": ("DIA", "GLD", "XLF")}, ["5 positions are open; at most 5"]),
        ({"account": None}, {}, ["available funds are unreadable: None"]),
        ({"account": attrs.evolve(RICH, available_funds=499)}, {}, ["available funds 499.00; needed: 500.00 or more"]),
        ({"loss": None}, {}, ["the daily loss is unknown"]),
        ({}, {"unknown_orders": 2}, ["the fate of 2 orders is unknown"]),
        ({}, {"halted": "by hand"}, ["entries are halted: by hand"]),
        ({}, {"funds_rejected": True}, ["the venue rejected an order with code 201, as for lack of funds"]),
        ({}, {"last_entry_at": AT - HOURS}, []),
        ({}, {"last_entry_at": AT - HOURS / 3}, ["last entry in this symbol 1200 s ago; the pause is 1800 s"]),
        ({"session": attrs.evolve(OPEN, opens_at=AT + HOURS)}, {}, ["the contract does not trade now"]),
        (
            {"session": attrs.evolve(OPEN, opens_at=AT - HOURS, closes_at=AT)},
            {},
            ["the contract does not trade now", "0 s to the close; entries stop 900 s before it"],
        ),
    ],
)  # fmt: skip
async def test_each_fact_that_speaks_against_an_entry_is_told_and_no_other(recorder, seen, done, against):
    clock = virtual_clock()
    feed = Feed(FakeBroker(clock=clock), recorder, Tally("t", ("SPY",)), clock)
    planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), RiskConfig())
    loss = LossVerdict(allowed=True, loss=0.0, reason="")
    usual = View(number=1, session=OPEN, account=RICH, loss=loss, positions=(), open_orders=())

    told = planner.refusals("SPY", attrs.evolve(usual, **seen), Pending(**done), now=AT, quote=FIVE)

    assert list(told) == against


@attrs.frozen
class Says:
    """Says what a test gives it."""

    signal: object
    needed: object = attrs.field(factory=Needs)
    name: str = "says"

    def needs(self):
        return self.needed

    def decide(self, _):
        return self.signal


UP = Signal(direction=Direction.UP, confidence=1.0)
FLAT = Signal(direction=Direction.NONE, reasons=(Reason("nothing", 0.0),))
MINUTES = BarSpec(duration="3600 S", size="1 min")


async def planned(strategy, *, bid=4.0, config=None, pending=None):
    """The verdict on SPY, its quote, and the instant when it was asked."""
    clock = virtual_clock()
    share = Quote(contract=SPY, at=clock.now(), bid=559.99, ask=560.01)
    calls = [Quote(contract=one, at=clock.now(), bid=bid, ask=4.05, volume=500) for one in (NEAR, FAR)]
    rows = [Bar(clock.now() - timedelta(minutes=n), 1.0, 1.0, 1.0, 1.0, 1.0) for n in (3, 2)]
    bars = Bars.from_rows(rows, contract=SPY, spec=MINUTES)
    broker = FakeBroker(quotes=[share, *calls], chains=[CHAIN], bars=[bars], clock=clock)
    now = clock.now()
    session = Session(day=AT.date(), opens_at=now, closes_at=now + timedelta(hours=4))
    loss = LossVerdict(allowed=True, loss=0.0, reason="")
    view = View(number=1, session=session, account=RICH, loss=loss, positions=(), open_orders=())
    async with broker:
        with Journal.in_memory() as journal:
            feed = Feed(broker, Recorder(journal), Tally("t", ("SPY",)), clock)
            planner = EntryPlanner(feed, strategy, config or RunnerConfig(symbols=("SPY",)), WIDE)
            return await planner.plan("SPY", view, lambda: pending or Pending()), Seen(share, now, now)


async def test_without_a_signal_the_verdict_says_what_was_seen():
    verdict, seen = await planned(Says(FLAT))

    assert verdict == Verdict(signal=FLAT, outcome=Outcome.NO_SIGNAL, seen=seen)


async def test_while_bars_are_lacking_the_verdict_says_how_many():
    verdict, seen = await planned(Says(UP, Needs(bars=(MINUTES,), least={MINUTES: 30})))

    assert (verdict.outcome, verdict.seen, verdict.bracket) == (Outcome.WARMING_UP, seen, None)
    assert verdict.reasons == tuple(reason.rule for reason in verdict.signal.reasons) != ()


async def test_what_speaks_against_a_signal_is_said_before_an_option_is_looked_for():
    verdict, seen = await planned(Says(UP), pending=Pending(entered=("SPY",), unknown_orders=1))

    told = (TAKEN, "the fate of 1 orders is unknown")
    assert verdict == Verdict(signal=UP, outcome=Outcome.REFUSED, reasons=told, seen=seen)


async def test_where_no_option_will_do_the_verdict_says_why():
    verdict, _ = await planned(Says(UP), bid=None)

    [why] = verdict.reasons
    assert why.count("bid") >= 2  # of either strike
    assert verdict == Verdict(signal=UP, outcome=Outcome.NO_OPTION, reasons=(why,))


async def test_an_option_that_will_do_is_bought_at_the_price_that_was_seen():
    verdict, _ = await planned(Says(UP))

    assert (verdict.outcome, verdict.candidate.option, verdict.spot) == (Outcome.ENTRY, NEAR, 560.0)
    assert verdict.bracket.entry.contract == NEAR


async def test_the_configured_days_to_expiry_take_the_place_of_the_presets():
    verdict, _ = await planned(Says(UP), config=RunnerConfig(symbols=("SPY",), min_dte=300))

    assert verdict.outcome is Outcome.NO_OPTION


@pytest.mark.parametrize("strategy", [Says("up"), Says(UP, needed="bars")], ids=["signal", "needs"])
async def test_a_strategy_that_says_something_else_is_told_by_its_name(strategy):
    with pytest.raises(InvalidInput, match=r"^strategy 'says' said '(up|bars)'; valid: a (Signal|Needs)"):
        await planned(strategy)


def test_every_limit_of_the_configuration_reaches_the_gate():
    config = RunnerConfig(symbols=("SPY",), entries_stop_before_close=77)
    risk = RiskConfig(min_funds=11, max_quote_age=22, max_open_positions=33, cooldown=44)

    assert gate_rule(config, risk) == GateRule(
        min_funds=11, max_quote_age=22, max_open_positions=33, cooldown=44, entries_stop_before_close=77
    )


async def test_limits_that_come_while_a_run_goes_on_rule_what_is_refused_and_how_many_are_bought(recorder):
    clock = virtual_clock()
    feed = Feed(FakeBroker(clock=clock), recorder, Tally("t", ("SPY",)), clock)
    planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), WIDE)
    session = Session(day=AT.date(), opens_at=AT - timedelta(hours=1), closes_at=AT + timedelta(hours=4))
    loss = LossVerdict(allowed=True, loss=0.0, reason="")
    view = View(number=1, session=session, account=RICH, loss=loss, positions=(), open_orders=())
    chosen = Candidate(option=NEAR, quote=FIVE, distance=0.0)

    def asked():
        against = planner.refusals("SPY", view, Pending(), now=AT, quote=FIVE)
        verdict = planner.sized(Up().decide(None), chosen, view, 560.0)
        return [row.partition(";")[0] for row in against], verdict.bracket.entry.quantity, verdict.spot

    before = asked()
    planner.use(attrs.evolve(WIDE, max_contracts=3, min_funds=200_000))

    assert before == ([], 10, 560.0)
    assert asked() == (["available funds 100000.00"], 3, 560.0)


@pytest.mark.parametrize(
    ("bid", "ask", "stop", "profit"),
    [
        (2.30, 2.34, "1.88", "3.55"),
        (2.30, 2.35, "1.90", "3.60"),
        (2.31, 2.35, "1.88", "3.55"),
        (5.20, 5.30, "4.30", "8.00"),
        (5.25, 5.30, "4.25", "7.95"),
        (0.60, 0.70, "0.56", "1.05"),  # 0.60 would fire at once
    ],
)
def test_a_quote_in_nickels_and_dimes_has_a_stop_and_a_profit_in_them(bid, ask, stop, profit):
    risk = RiskConfig(stop_fraction=0.2, take_profit_fraction=0.5)

    bracket, _ = sized_bracket(Quote(contract=NEAR, at=AT, bid=bid, ask=ask), 100, RICH, risk)

    assert (bracket.stop_loss, bracket.take_profit) == (Decimal(stop), Decimal(profit))


def test_an_option_too_cheap_for_a_stop_has_no_order_and_says_why():
    quote = Quote(contract=NEAR, at=AT, bid=0.01, ask=0.02)

    bracket, why = sized_bracket(quote, 100, RICH, RiskConfig(stop_fraction=0.2))

    assert bracket is None
    assert "stop" in why


@pytest.mark.parametrize("gone", [(), (560,), (559, 560, 561)], ids=str)
async def test_a_pair_that_is_not_listed_gives_way_to_the_next_nearest_and_nothing_is_asked_in_vain(gone):
    """Of the three strikes nearest to the price, which is a third above 560."""
    clock, strikes = virtual_clock(), (558, 559, 560, 561, 562, 563, 564)
    listed = {
        strike: Option("SPY", EXPIRY, Decimal(strike), Right.CALL, trading_class="SPY") for strike in strikes
    }
    row = OptionClass(trading_class="SPY", expiries=(EXPIRY,), strikes=tuple(map(Decimal, strikes)))
    quotes = [
        Quote(contract=option, at=clock.now(), bid=4.0, ask=4.05, volume=500)
        for strike, option in listed.items()
        if strike not in gone
    ]
    broker = FakeBroker(quotes=quotes, chains=[OptionChain(underlying=SPY, classes=(row,))], clock=clock)
    for strike in gone:
        broker.fail("quote", UnknownContract("not listed", code=200), subject=listed[strike])
    await broker.connect()

    with Journal.in_memory() as journal:
        feed = Feed(broker, Recorder(journal), Tally("t", ("SPY",)), clock)
        planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), RiskConfig())
        choice = await planner._choice("SPY", Up().decide(None), 560.33, date(2025, 3, 17))

    asked = [call.subject.strike for call in broker.calls if call.kind == "quote"]
    by_distance = sorted(strikes, key=lambda strike: abs(strike - 560.33))
    nearest = [strike for strike in by_distance if strike not in gone][:3]
    assert {int(one.option.strike) for one in choice.candidates} == set(nearest)
    assert set(asked) == {*by_distance[:3], *nearest}
    assert len(asked) <= 3 * (1 + len(gone))
    assert all(asked.count(strike) == 1 for strike in gone)


@pytest.mark.parametrize(("funds", "outcome"), [(100_000, Outcome.ENTRY), (100, Outcome.NO_SIZE)])
async def test_a_verdict_says_how_many_or_why_none(recorder, funds, outcome):
    clock = virtual_clock()
    feed = Feed(FakeBroker(clock=clock), recorder, Tally("t", ("SPY",)), clock)
    planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), WIDE)
    session = Session(day=AT.date(), opens_at=AT, closes_at=AT + timedelta(hours=4))
    account = attrs.evolve(RICH, available_funds=funds)
    view = View(number=1, session=session, account=account, loss=None, positions=(), open_orders=())
    chosen = Candidate(option=NEAR, quote=FIVE, distance=0.0)

    verdict = planner.sized(Up().decide(None), chosen, view, 560.0)

    bracket, why = sized_bracket(FIVE, 100, account, WIDE)
    assert verdict == Verdict(
        signal=Up().decide(None),
        outcome=outcome,
        reasons=(why,),
        candidate=chosen,
        bracket=bracket,
        spot=560.0,
    )
    assert (bracket is None) is (outcome is Outcome.NO_SIZE)


async def test_of_pairs_that_are_unlisted_again_and_again_nothing_is_chosen():
    clock = virtual_clock()
    strikes = tuple(Decimal(strike) for strike in range(540, 580))
    row = OptionClass(trading_class="SPY", expiries=(EXPIRY,), strikes=strikes)
    broker = FakeBroker(chains=[OptionChain(underlying=SPY, classes=(row,))], clock=clock)
    broker.fail("quote", UnknownContract("not listed", code=200))
    await broker.connect()

    with Journal.in_memory() as journal:
        feed = Feed(broker, Recorder(journal), Tally("t", ("SPY",)), clock)
        planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), RiskConfig())
        choice = await planner._choice("SPY", Up().decide(None), 560.0, date(2025, 3, 17))

    assert choice.chosen is None
    assert sum(call.kind == "quote" for call in broker.calls) < 20  # it is not gone through strike by strike


def test_a_quote_of_a_stock_that_has_no_price_is_no_price_to_go_by():
    at = datetime(2025, 3, 17, 14, 0, tzinfo=UTC)

    assert spot_of(Quote(contract=SPY, at=at, last=560.0)) == 560.0
    with pytest.raises(QuoteUnavailable, match=r"the quote of SPY at 2025-03-17.* has no price to go by"):
        spot_of(Quote(contract=SPY, at=at, bid=560.0))
