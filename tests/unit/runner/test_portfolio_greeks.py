"""What a run knows of the sensitivities of what it holds."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.errors import InvalidInput, NotConnected, QuoteUnavailable, RequestTimeout
from ibkeel.journal import Decision, Journal
from ibkeel.model import (
    AccountValues,
    ClientOrderId,
    DataType,
    Greeks,
    Option,
    OrderId,
    OrderReport,
    OrderState,
    OtherContract,
    PermId,
    Position,
    Quote,
    Right,
    Side,
    Stock,
)
from ibkeel.options import implied_greeks
from ibkeel.risk import FLAT, Exposure, ExposureLimits
from ibkeel.runner import BotConfig, RiskConfig, RunnerConfig, Session
from ibkeel.runner.entry import View
from ibkeel.runner.exposure import PortfolioGreeks, own_greeks
from ibkeel.runner.load import load_config
from ibkeel.runner.settings import clashes
from ibkeel.virtual import run_virtual, virtual_clock

HELD_CALL = Option("SPY", date(2025, 3, 21), Decimal(560), Right.CALL, trading_class="SPY")  # of `held_day`
START = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
DAY = date(2025, 3, 14)
SESSION = Session(day=DAY, opens_at=START, closes_at=START + timedelta(hours=6.5))
SENT = Greeks(iv=0.2, delta=0.5, gamma=0.03125, theta=-0.125, vega=0.25, underlying_price=560.0)
ACCOUNT = AccountValues(account="DU1", currency="USD", net_liquidation=Decimal(10_000), at=START)


def call(strike=560, **fields):
    return Option("SPY", date(2025, 3, 21), Decimal(strike), Right.CALL, trading_class="SPY", **fields)


def held(contract, quantity=1.0):
    return Position(account="DU1", contract=contract, signed_quantity=quantity, average_price=4.0)


def order(contract, quantity=1.0, *, side=Side.BUY, parent=None, filled=0.0, state=OrderState.WORKING):
    return OrderReport(
        order_id=OrderId(1), perm_id=PermId(1), client_id=1, client_order_id=ClientOrderId("o"), contract=contract,
        side=side, quantity=quantity, order_type="LMT", parent_id=parent, filled=filled, state=state, at=START,
    )  # fmt: skip


def view(*positions, orders=(), account=ACCOUNT):
    return View(
        number=1, session=SESSION, account=account, loss=None, positions=tuple(positions), open_orders=tuple(orders)
    )  # fmt: skip


def quote(contract, greeks=SENT, *, mid=4.0):
    return Quote(contract=contract, at=START, bid=mid - 0.02, ask=mid + 0.02, greeks=greeks)


class _Market:
    """Answers quotes from a table, and remembers who was asked for; what it does not know fails."""

    def __init__(self, *quotes, takes=0.0):
        self.known = {row.contract: row for row in quotes}
        self.asked, self.takes, self.fails = [], takes, None

    async def quotes(self, symbol, contracts):
        self.asked.append(tuple(contracts))
        await asyncio.sleep(self.takes)
        if self.fails is not None:
            raise self.fails
        return {one: self.known.get(one) or QuoteUnavailable(f"{symbol}: no quote") for one in contracts}


class _Failures:
    def __init__(self):
        self.noted = []

    def note(self, symbol, error, service=""):
        self.noted.append((symbol, type(error), service))


def play(market, script, *, limits=None, every=60.0, is_told=True):
    failures = _Failures()

    async def main():
        greeks = PortfolioGreeks(
            market, failures, virtual_clock(), limits=limits or ExposureLimits(), every=every, is_told=is_told
        )  # fmt: skip
        return await script(greeks)

    return SimpleNamespace(found=run_virtual(main(), start=START), failures=failures.noted)


def test_the_brokers_figures_are_added_up_by_multiplier_and_sign():
    market = _Market(quote(call(560)), quote(call(570), attrs.evolve(SENT, delta=0.25)))

    async def script(greeks):
        seen = view(held(call(560), 2), held(call(570), -1), held(Stock("SPY"), 30))
        assert await greeks.refresh(seen, within=60)
        return greeks.of(seen.positions)

    total = play(market, script).found

    assert total == Exposure(delta=105.0, gamma=3.125, theta=-12.5, vega=25.0)


def test_nothing_held_needs_no_question_and_amounts_to_nothing():
    market = _Market()

    async def script(greeks):
        assert not await greeks.refresh(view(held(Stock("SPY"), 5)), within=60)
        return greeks.of(())

    assert play(market, script).found == FLAT
    assert market.asked == []


def test_one_quote_that_fails_leaves_the_whole_unknown_not_a_part_of_it():
    market = _Market(quote(call(560)), quote(call(570)))

    async def script(greeks):
        seen = view(held(call(560)), held(call(570)))
        await greeks.refresh(seen, within=60)
        before = greeks.of(seen.positions)
        del market.known[call(570)]
        await asyncio.sleep(180)
        await greeks.refresh(seen, within=60)
        return before, greeks.of(seen.positions)

    before, after = play(market, script).found

    assert before.delta == 100.0
    assert after == Exposure()


@pytest.mark.parametrize(
    "error", [NotConnected("gone"), RequestTimeout("slow"), InvalidInput("alike"), TimeoutError()]
)
def test_what_fails_as_a_whole_is_noted_and_leaves_the_figures_unknown(error):
    market = _Market(quote(call()))

    async def script(greeks):
        seen = view(held(call()))
        await greeks.refresh(seen, within=60)
        market.fails = error
        await asyncio.sleep(180)
        await greeks.refresh(seen, within=60)
        return greeks.of(seen.positions)

    played = play(market, script)

    assert played.found == Exposure()
    assert played.failures == [("", type(error), "greeks")]


def test_figures_from_before_the_clock_was_set_back_are_read_again():
    market, off = _Market(quote(call())), [timedelta(0)]
    clock = SimpleNamespace(now=lambda: virtual_clock().now() + off[0])

    async def main():
        greeks = PortfolioGreeks(
            market, _Failures(), clock, limits=ExposureLimits(), every=60.0, is_told=True
        )
        await greeks.refresh(view(held(call())), within=60)
        off[0] = -timedelta(hours=1)
        await asyncio.sleep(60)
        return await greeks.refresh(view(held(call())), within=60)

    assert run_virtual(main(), start=START)


def test_a_portfolio_of_many_is_read_a_dozen_at_a_time_and_four_at_once():
    strikes = [500 + step for step in range(30)]
    market = _Market(*(quote(call(strike)) for strike in strikes))
    seen = view(*(held(call(strike)) for strike in strikes))

    async def script(greeks):
        deltas = []
        for _ in range(3):
            await greeks.refresh(seen, within=60)
            deltas.append(greeks.of(seen.positions).delta)
            await asyncio.sleep(180)
        return deltas

    deltas = play(market, script).found

    assert deltas == [None, None, 1500.0]
    assert max(map(len, market.asked)) == 4
    first, second = market.asked[:3], market.asked[3:6]
    assert sum(map(len, first)) == sum(map(len, second)) == 12
    assert not {one for row in first for one in row} & {one for row in second for one in row}


def test_a_contract_is_not_asked_for_again_before_its_time():
    market = _Market(quote(call()))

    async def script(greeks):
        for _ in range(4):
            await greeks.refresh(view(held(call())), within=10)
            await asyncio.sleep(100)

    play(market, script, every=150.0)

    assert len(market.asked) == 2


def test_a_contract_is_asked_for_again_as_soon_as_its_time_has_come():
    market = _Market(quote(call()))

    async def script(greeks):
        await greeks.refresh(view(held(call())), within=0.5)
        await asyncio.sleep(60)
        await greeks.refresh(view(held(call())), within=0.5)

    play(market, script, every=60.0)

    assert len(market.asked) == 2


def test_reading_ends_with_the_time_it_was_given():
    market = _Market(quote(call()), takes=3600.0)

    async def script(greeks):
        began = asyncio.get_running_loop().time()
        await greeks.refresh(view(held(call())), within=20)
        return asyncio.get_running_loop().time() - began, greeks.of((held(call()),))

    took, total = play(market, script).found

    assert took == pytest.approx(20.0, abs=0.01)
    assert total == Exposure()
    assert not play(market, lambda greeks: greeks.refresh(view(held(call())), within=0.0)).found


def test_figures_that_nobody_read_again_are_not_known_any_more():
    async def script(greeks):
        await greeks.refresh(view(held(call())), within=20)
        deltas = []
        for _ in range(4):
            greeks.begin_cycle()
            deltas.append(greeks.of((held(call()),)).delta)
        return deltas

    assert play(_Market(quote(call())), script).found == [50.0, 50.0, 50.0, None]


def test_positions_that_could_not_be_read_make_nothing_forgotten():
    async def script(greeks):
        await greeks.refresh(view(held(call())), within=20)
        asked = await greeks.refresh(attrs.evolve(view(), positions=None), within=20)
        return asked, greeks.of((held(call()),)).delta

    assert play(_Market(quote(call())), script).found == (False, 50.0)


def test_figures_do_not_last_over_night():
    async def script(greeks):
        await greeks.refresh(view(held(call())), within=20)
        greeks.begin_session(SESSION)
        return greeks.of((held(call()),))

    assert play(_Market(quote(call())), script).found == Exposure()


def test_limits_that_are_set_later_are_kept_from_then_on():
    market = _Market(quote(call()))

    async def script(greeks):
        before = await greeks.refresh(view(held(call())), within=60)
        greeks.use(DELTA_150)
        await greeks.refresh(view(held(call())), within=60)
        greeks.learn(quote(call(580)))
        return before, greeks.refusals(view(held(call())), quote(call(580)), 3)

    asked_before, refusals = play(market, script, is_told=False).found

    assert not asked_before
    assert "200.00" in refusals[0]


@pytest.mark.parametrize("sent", [None, Greeks(delta=0.5)])
def test_our_own_figures_stand_in_for_those_that_the_broker_did_not_send(sent):
    market = _Market(quote(call(), sent), quote(Stock("SPY"), None, mid=560.0))

    async def script(greeks):
        await greeks.refresh(view(held(call())), within=60)
        return greeks.of((held(call()),))

    total = play(market, script).found

    assert 45 < total.delta < 60
    assert total.gamma > 0 > total.theta
    assert total.vega > 0
    assert market.asked == [(call(),), (Stock("SPY"),)]


def test_the_price_that_the_broker_reckoned_with_serves_for_our_own_figures():
    sent = Greeks(delta=0.5, underlying_price=560.0)
    market = _Market(quote(call(), sent))

    async def script(greeks):
        await greeks.refresh(view(held(call())), within=60)
        return greeks.of((held(call()),))

    found = play(market, script).found

    own = own_greeks(quote(call()), spot=560.0, now=START)
    assert own.underlying_price == 560.0
    assert found == Exposure.of(own, 100)


def test_our_own_figures_are_made_for_as_many_as_are_read():
    options = [call(strike) for strike in range(560, 569)]
    market = _Market(*(quote(one, None) for one in options), quote(Stock("SPY"), None, mid=560.0))

    async def script(greeks):
        await greeks.refresh(view(*map(held, options)), within=60)
        return [greeks.of((held(one),)).delta for one in options]

    assert None not in play(market, script).found


def test_prices_of_underlyings_count_among_the_dozen_that_are_asked_for():
    options = [Option(f"S{number}", date(2025, 3, 21), 560, Right.CALL) for number in range(9)]
    market = _Market(*(quote(one, None) for one in options))

    play(market, lambda greeks: greeks.refresh(view(*map(held, options)), within=60))

    assert sum(map(len, market.asked)) == 12


def test_without_a_price_of_the_underlying_only_what_was_sent_is_known():
    market = _Market(quote(call(), Greeks(delta=0.5)))

    async def script(greeks):
        await greeks.refresh(view(held(call())), within=60)
        return greeks.of((held(call()),))

    assert play(market, script).found == Exposure(delta=50.0)


@pytest.mark.parametrize(
    "quoted",
    [
        Quote(contract=call(), at=START, bid=4.0),
        quote(call(), mid=0.03),
        quote(Stock("SPY"), mid=560.0),
        quote(attrs.evolve(call(), expiry=date(2025, 3, 13))),
    ],
    ids=["one-sided", "below what exercise brings", "a stock", "expired"],
)
def test_what_has_no_volatility_has_no_figures_of_our_own(quoted):
    assert own_greeks(quoted, spot=580.0, now=START) is None


def test_what_expires_on_a_half_day_lives_until_its_close():
    noon, last = datetime(2025, 7, 3, 16, tzinfo=UTC), Option("SPY", date(2025, 7, 3), 560, Right.CALL)
    half = Session(day=last.expiry, opens_at=noon - timedelta(hours=2.5), closes_at=noon + timedelta(hours=1))
    seen = Quote(contract=last, at=noon, bid=0.70, ask=0.72)

    found = own_greeks(seen, spot=560.0, now=noon, session=half)

    years = 1 / (24 * 365)
    expected = implied_greeks(0.71, spot=560.0, strike=560.0, years=years, right="C").greeks
    assert (found.theta, found.vega) == (pytest.approx(expected.theta), pytest.approx(expected.vega))
    assert own_greeks(seen, spot=560.0, now=noon).theta == pytest.approx(expected.theta / 4)
    tomorrow = attrs.evolve(half, day=date(2025, 7, 4))
    assert own_greeks(seen, spot=560.0, now=noon, session=tomorrow) == own_greeks(seen, spot=560.0, now=noon)


def test_a_run_reckons_with_the_close_of_its_session():
    market = _Market(quote(call(), None), quote(Stock("SPY"), None, mid=560.0))
    last = attrs.evolve(SESSION, day=call().expiry, closes_at=START + timedelta(hours=1))

    async def script(greeks):
        greeks.begin_session(last)
        await greeks.refresh(view(held(call())), within=60)
        return greeks.of((held(call()),))

    expected = implied_greeks(4.0, spot=560.0, strike=560.0, years=1 / (24 * 365), right="C").greeks

    assert play(market, script).found.theta == pytest.approx(100 * float(expected.theta), rel=1e-3)


def test_what_is_neither_stock_nor_option_makes_the_whole_unknown():
    future = OtherContract("ES", kind="FUT")

    assert play(_Market(), lambda greeks: _later(greeks.of((held(future),)))).found == Exposure()
    assert play(_Market(), lambda greeks: _later(greeks.of(None))).found == Exposure()


async def _later(value):
    return value


def test_money_of_another_currency_is_not_added_to_the_accounts():
    async def script(greeks):
        await greeks.refresh(view(held(call())), within=60)
        return greeks.of((held(call()),), "EUR")

    total = play(_Market(quote(call())), script).found

    assert total == Exposure(delta=50.0, gamma=3.125)


def test_the_price_of_an_underlying_is_asked_for_in_the_money_of_its_options():
    option = attrs.evolve(call(), currency="CAD")
    market = _Market(quote(option, None), Quote(contract=Stock("SPY"), at=START, last=560.0))

    async def script(greeks):
        await greeks.refresh(view(held(option)), within=60)
        return greeks.of((held(option),))

    assert play(market, script).found == Exposure()
    assert market.asked[-1] == (Stock("SPY", currency="CAD"),)


@pytest.mark.parametrize("options", [{"is_told": False}, {"every": None}])
def test_what_nobody_wants_to_know_is_not_asked(options):
    market = _Market(quote(call()))

    asked = play(market, lambda greeks: greeks.refresh(view(held(call())), within=60), **options).found

    assert not asked
    assert market.asked == []


DELTA_150 = ExposureLimits(max_delta=150.0)


def refused(
    positions=(), orders=(), *, entered=(), known=True, limits=DELTA_150, quantity=1.0, is_told=False
):
    """What is said of another call of delta 50 for each contract."""

    async def script(greeks):
        seen = view(*positions, orders=orders)
        if known:
            await greeks.refresh(seen, within=60)
        greeks.learn(quote(call(580)))
        for contract, number in entered:
            greeks.learn(quote(contract))
            greeks.entered(contract, number)
        return greeks.refusals(seen, quote(call(580)), quantity)

    market = _Market(quote(call(560)), quote(call(570)))
    return play(market, script, limits=limits, is_told=is_told).found


def test_an_entry_passes_up_to_the_limit_and_not_beyond_it():
    assert refused([held(call(560), 2)]) == ()
    (why,) = refused([held(call(560), 2)], quantity=2.0)
    assert why == "delta of the portfolio with it 200.00; needed: 150 shares or less"


def test_a_limit_fails_closed_while_the_portfolio_is_unknown():
    (why,) = refused([held(call(560), 1), held(call(570), 1)], known=False)

    assert why == (
        "delta of the portfolio with it is unknown; needed: 150 shares or less; "
        f"not known of {call(560)}, {call(570)}"
    )


def test_only_what_is_not_known_is_named_and_only_for_a_limit_that_needs_it():
    (why,) = refused([held(call(560), 1), held(call(590), 1)])
    assert why.endswith(f"; not known of {call(590)}")

    limits, foreign = ExposureLimits(max_delta=150.0, max_theta=99.0), call(570, currency="CAD")
    delta, theta = refused([held(call(560), 2)], entered=[(foreign, 1)], limits=limits)
    assert delta == "delta of the portfolio with it 200.00; needed: 150 shares or less"
    assert theta.endswith(f"; not known of {foreign}")


@pytest.mark.parametrize("how", ["held", "ordered", "entered", "wanted"])
def test_money_of_another_currency_than_the_accounts_is_not_known(how):
    foreign, limits = call(570, currency="CAD"), ExposureLimits(max_vega=99.0)

    async def script(greeks, account):
        greeks.learn(quote(foreign))
        greeks.learn(quote(call()))
        if how == "entered":
            greeks.entered(foreign, 1)
        seen = view(
            *([held(foreign)] if how == "held" else []),
            orders=[order(foreign)] if how == "ordered" else [],
            account=account,
        )
        return greeks.refusals(seen, quote(foreign if how == "wanted" else call()), 1)

    (why,) = play(_Market(), lambda greeks: script(greeks, ACCOUNT), limits=limits).found
    assert why.startswith("vega of the portfolio with it is unknown")
    assert why.endswith(f"; not known of {foreign}")
    assert play(_Market(), lambda greeks: script(greeks, None), limits=limits).found == ()


def test_entries_that_work_or_left_in_this_cycle_count_as_if_they_filled():
    assert refused(orders=[order(call(560), 2)]) == ()
    assert refused(orders=[order(call(560), 3)]) != ()
    assert refused(orders=[order(call(560), 3, filled=1.0)]) == ()
    assert refused(entered=[(call(570), 2)]) == ()
    assert refused(entered=[(call(570), 3)]) != ()


def test_stops_and_orders_that_are_over_count_for_nothing():
    exits = [
        order(call(560), 2, side=Side.SELL),
        order(call(570), 9, side=Side.SELL, parent=OrderId(7)),
        order(call(570), 9, state=OrderState.CANCELLED),
    ]

    assert refused([held(call(560), 2)], exits) == ()
    assert refused([held(call(560), 2)], [*exits, order(call(560), 1)]) != ()


def test_an_order_closes_only_what_is_held_of_its_contract_on_the_other_side():
    assert refused([held(call(560), 2)], [order(call(560), 1)]) != ()
    assert refused([held(call(570), -1)], [order(call(560), 4)]) != ()
    assert refused([held(call(560), 0)], [order(call(560), 2)]) == ()
    assert refused([held(Stock("SPY"), 0.5)], [order(Stock("SPY"), 100)]) != ()
    assert refused([held(Stock("SPY"), 99.5)], [order(Stock("SPY"), 1)]) != ()


def test_an_order_that_would_go_past_zero_counts_for_what_is_beyond():
    assert refused([held(call(560), 1)], [order(call(560), 6, side=Side.SELL)]) == ()
    assert refused([held(call(560), 1)], [order(call(560), 7, side=Side.SELL)]) != ()


def test_what_was_entered_in_the_cycle_before_is_not_counted_again():
    async def script(greeks):
        greeks.learn(quote(call(580)))
        greeks.entered(call(580), 3)
        before = greeks.refusals(view(), quote(call(580)), 1)
        greeks.begin_cycle()
        return before, greeks.refusals(view(), quote(call(580)), 1)

    before, after = play(_Market(), script, limits=DELTA_150).found

    assert before
    assert after == ()


def test_without_limits_nothing_is_refused_and_nothing_need_be_known():
    assert refused([held(call(560), 99)], known=False, limits=ExposureLimits()) == ()


class _Told:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if type(event).__name__ == kind]


def test_a_run_tells_the_sensitivities_of_what_it_holds(held_day):
    told = _Told()

    played = held_day(observer=told)

    seen = told.of("ExposureSeen")
    while_held = [event for event in seen if event.at_cost]
    assert while_held
    assert all(event.delta is not None and event.delta > 0 for event in while_held)
    assert all(event.delta == 0 for event in seen if not event.at_cost)
    assert played.report.errors == ()


def test_a_run_that_nobody_watches_asks_for_no_sensitivities(held_day):
    played = held_day()

    assert played.report.fills > 0
    assert played.report.latencies["quotes"].count == 1  # before the entry


def test_greeks_that_do_not_come_hold_up_neither_cycles_nor_exits(held_day):
    told = _Told()

    async def slow_down(fake, _):
        await asyncio.sleep(90)
        fake.delay("quote", 14.0)

    played = held_day(observer=told, beside=slow_down)

    assert (played.report.cycles, played.report.fills, played.report.errors) == (49, 2, ())
    due = [START + timedelta(seconds=60 * number) for number in range(1, 50)]
    starts = [event.at for event in told.of("CycleStarted")]
    assert max(abs(one - other) for one, other in zip(starts, due, strict=True)) < timedelta(seconds=0.1)
    assert [event.delta for event in told.of("ExposureSeen") if event.at_cost][-1] is None


def test_quotes_that_fail_leave_the_run_as_it_is_and_its_exposure_unknown(held_day):
    told = _Told()

    async def stop_quoting(fake, _):
        await asyncio.sleep(90)
        fake.fail("quote", RequestTimeout("no answer"), subject=HELD_CALL)

    played = held_day(observer=told, beside=stop_quoting)

    last = [event for event in told.of("ExposureSeen") if event.at_cost][-1]
    assert (last.delta, last.vega) == (None, None)
    assert (played.report.fills, played.report.errors) == (2, ())


@pytest.mark.parametrize("error", [RequestTimeout("no answer"), InvalidInput("two are alike")])
def test_a_reading_that_fails_as_a_whole_ends_no_run_that_holds_something(held_day, error):
    async def stop_quoting(fake, _):
        await asyncio.sleep(90)

        async def broken(contracts):
            raise error

        fake.quotes = broken

    played = held_day(observer=_Told(), beside=stop_quoting)

    assert (played.report.fills, {row.kind for row in played.report.errors}) == (2, {type(error).__name__})


@pytest.mark.parametrize(("limit", "outcome"), [(1e6, "entry"), (1.0, "refused")])
def test_an_entry_beyond_the_portfolios_limit_does_not_leave(held_day, limit, outcome):
    played = held_day(risk=RiskConfig(max_delta=limit))

    with Journal.open(played.journal) as journal:
        decisions = [entry.record for entry in journal.events(Decision)]
    (row,) = [one for one in decisions if one.signal.is_entry]
    assert row.outcome == outcome
    assert ("delta of the portfolio" in " ".join(row.reasons)) is (outcome == "refused")
    assert (played.report.fills > 0) is (outcome == "entry")


def test_a_delayed_quote_still_tells_what_is_held():
    delayed = attrs.evolve(quote(call()), data_type=DataType.DELAYED)

    async def script(greeks):
        await greeks.refresh(view(held(call())), within=60)
        return greeks.of((held(call()),)).delta

    assert play(_Market(delayed), script).found == 50.0


@pytest.mark.parametrize(
    ("risk", "keys"), [({"max_vega": 100.0}, ["runner.greeks_interval"]), ({"max_contracts": 1}, [])]
)
def test_what_is_limited_must_also_be_read(risk, keys):
    config = BotConfig(runner=RunnerConfig(greeks_interval=None), risk=RiskConfig(**risk))

    assert [clash.key for clash in clashes(config)] == keys


def test_a_limit_of_the_portfolio_is_set_in_the_file(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text(
        '[risk]\nmax_delta = 300\nmax_theta = "off"\n[runner]\ngreeks_interval = 30\n', encoding="utf-8"
    )

    config = load_config(path, {"IBKEEL_RISK__MAX_VEGA": "50"})

    assert config.risk.exposure == ExposureLimits(max_delta=300.0, max_vega=50.0)
    assert config.runner.greeks_interval == 30.0


def test_each_underlyings_own_price_stands_behind_our_figures_of_its_options():
    other = attrs.evolve(call(), underlying="QQQ", trading_class="QQQ")
    market = _Market(
        quote(call(), None),
        quote(other, None, mid=25.0),
        quote(Stock("SPY"), None, mid=560.0),
        quote(Stock("QQQ"), None, mid=580.0),
    )

    async def script(greeks):
        await greeks.refresh(view(held(call()), held(other)), within=60)
        return greeks.of((held(call()),)), greeks.of((held(other),)), greeks.of((held(other, 0.0),))

    near, deep, nothing = play(market, script).found

    assert 45 < near.delta < 60
    assert deep.delta > 70
    assert nothing == FLAT


def test_what_settles_at_the_open_lives_for_the_night_after_its_last_session():
    closing = datetime(2026, 1, 15, 20, 30, tzinfo=UTC)
    last = Session(
        day=closing.date(), opens_at=closing - timedelta(hours=6), closes_at=closing + timedelta(hours=0.5)
    )
    monthly = Option("SPX", closing.date(), 6000, Right.CALL, trading_class="SPX")
    seen = Quote(contract=monthly, at=closing, bid=19.9, ask=20.1)

    found = own_greeks(seen, spot=6000.0, now=closing, session=last)

    expected = implied_greeks(20.0, spot=6000.0, strike=6000.0, years=18 / (24 * 365), right="C").greeks
    assert found.theta == pytest.approx(expected.theta)
