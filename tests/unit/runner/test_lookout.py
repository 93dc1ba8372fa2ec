import asyncio
from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import GatesShut, NotConnected, OrderRejected, RequestTimeout
from ibkeel.model import ContractDetails, Grade, Health, HealthCheck, OrderTicket, Quote, Stock, TradingHours
from ibkeel.orders import GateKind
from ibkeel.runner import Session
from ibkeel.runner.doorkeeper import Doorkeeper, Lookout, Standing
from ibkeel.testing import FakeBroker
from ibkeel.virtual import virtual_clock

SPY = Stock("SPY")
TICKET = OrderTicket(contract=SPY, side="BUY", quantity=2, order_type="LMT", limit_price="10")


class Ailing(FakeBroker):
    """A broker whose health is what a test says."""

    health_now: Health

    async def health(self):
        return self.health_now


def quote():
    return Quote(contract=SPY, at=virtual_clock().now(), bid=9.9, ask=10.0)


def tier(name, grade=Grade.DOWN, evidence="it is ill"):
    return HealthCheck(name=name, grade=grade, evidence=evidence, at=virtual_clock().now())


def today(opens=-1, closes=1):
    now = virtual_clock().now()
    hour = timedelta(hours=1)
    return Session(day=now.date(), opens_at=now + opens * hour, closes_at=now + closes * hour)


def kinds(standing):
    return [row.kind for row in Doorkeeper(virtual_clock()).refusals(TICKET, quote(), (), standing)]


async def ask(session=None, *, kind=FakeBroker, tell=lambda _: None, broker=(), **options):
    fake = kind(quotes=[quote()], clock=virtual_clock(), **dict(broker))
    await fake.connect()
    tell(fake)
    return await Lookout(fake, virtual_clock(), **options).standing(TICKET, session)


async def test_where_all_is_well_nothing_is_refused():
    standing = await ask(today())

    assert kinds(standing) == []
    assert standing.preview is not None
    assert standing == attrs.evolve(Standing(), preview=standing.preview)


@pytest.mark.parametrize(
    ("health", "kind"),
    [
        ({"is_read_only": True}, GateKind.READ_ONLY),
        ({"entry_refusal": "the servers are out of reach"}, GateKind.SESSION),
        ({"checks": ("session",)}, GateKind.SESSION),
        ({"checks": ("data path",)}, GateKind.HEALTH),
    ],
)
async def test_health_speaks_for_itself(health, kind):
    checks = map(tier, ("port", *health.get("checks", ())), (Grade.OK, Grade.DOWN))
    told = Health(**(health | {"checks": tuple(checks)}))

    def tell(broker):
        broker.health_now = told

    standing = await ask(today(), kind=Ailing, tell=tell)

    assert kinds(standing) == [kind]
    assert standing.preview is None


async def test_a_tier_that_is_only_degraded_keeps_nothing_back():
    def tell(broker):
        broker.health_now = Health(checks=(tier("data path", Grade.DEGRADED),))

    assert kinds(await ask(today(), kind=Ailing, tell=tell)) == []


@pytest.mark.parametrize(
    ("opens", "closes", "shut"), [(-2, -1, True), (-1, 1, False), (1, 2, True), (0, 1, False), (-1, 0, True)]
)
async def test_the_contracts_own_hours_count(opens, closes, shut):
    own = today(opens, closes)
    hours = (TradingHours(opens_at=own.opens_at, closes_at=own.closes_at),)
    details = ContractDetails(contract=SPY, min_tick=Decimal("0.01"), liquid_hours=hours)

    standing = await ask(today(), broker={"details": [details]})

    assert kinds(standing) == [GateKind.MARKET] * shut


async def test_in_the_evening_the_hours_of_the_exchanges_day_are_its_own():
    """An hour after midnight, UTC, it is that day in New York still."""
    day = virtual_clock().now().replace(hour=0, minute=0)
    hours = (TradingHours(opens_at=day + timedelta(hours=14.5), closes_at=day + timedelta(hours=21)),)
    details = ContractDetails(contract=SPY, min_tick=Decimal("0.01"), liquid_hours=hours)
    await asyncio.sleep((day + timedelta(hours=25) - virtual_clock().now()).total_seconds())

    assert kinds(await ask(today(), broker={"details": [details]})) == [GateKind.MARKET]


@pytest.mark.parametrize(
    ("opens", "closes", "shut"), [(-2, -1, True), (-1, 1, False), (1, 2, True), (0, 1, False), (-1, 0, True)]
)
async def test_where_it_has_none_the_session_does(opens, closes, shut):
    assert kinds(await ask(today(opens, closes))) == [GateKind.MARKET] * shut


async def test_where_there_is_no_session_either_nobody_knows():
    assert kinds(await ask(None)) == [GateKind.MARKET]


async def test_what_is_down_is_told_with_its_evidence_and_the_rest_is_not():
    def tell(broker):
        names = ("port", "data path", "session")
        broker.health_now = Health(checks=tuple(tier(name, evidence=f"{name} is out") for name in names))

    standing = await ask(today(), kind=Ailing, tell=tell)

    assert standing.sick == "port: port is out; data path: data path is out"
    assert standing.session_refusal == "session is out"


async def test_an_order_that_the_account_cannot_carry_is_refused_with_both_figures():
    standing = await ask(today())
    poor = attrs.evolve(standing.preview.equity_with_loan, after=Decimal("19.99"))
    standing = attrs.evolve(standing, preview=attrs.evolve(standing.preview, equity_with_loan=poor))

    with pytest.raises(GatesShut) as refused:
        Doorkeeper(virtual_clock()).check(TICKET, quote(), (), standing)

    assert "initial margin 20.00" in str(refused.value)
    assert "19.99 or less" in str(refused.value)


async def test_a_what_if_without_figures_is_no_yes():
    standing = await ask(today())
    silent = attrs.evolve(standing.preview.initial_margin, after=None)

    standing = attrs.evolve(standing, preview=attrs.evolve(standing.preview, initial_margin=silent))

    assert kinds(standing) == [GateKind.BUYING_POWER]


@pytest.mark.parametrize(
    "error", [OrderRejected("no funds", code=201), RequestTimeout("late"), NotConnected("gone")]
)
async def test_a_what_if_that_is_refused_or_not_answered_is_a_reason(error):
    standing = await ask(today(), tell=lambda broker: broker.fail("preview", error))

    assert kinds(standing) == [GateKind.BUYING_POWER]
    assert standing.preview_refusal == f"{type(error).__name__}: {error}"


async def test_nothing_is_asked_of_the_venue_in_dry_run_or_when_nobody_wants_it():
    dry = await ask(today(), broker={"dry_run": True})
    plain = await ask(today(), what_if=False)

    assert kinds(dry) == kinds(plain) == []
    assert dry.preview is plain.preview is None


async def test_whether_the_venue_is_asked_may_change_while_a_run_goes_on():
    fake = FakeBroker(quotes=[quote()], clock=virtual_clock())
    lookout = Lookout(fake, virtual_clock(), what_if=False)
    seen = []
    async with fake:
        for what_if in (True, False):
            lookout.use(what_if=what_if)
            seen.append((await lookout.standing(TICKET, today())).preview is not None)

    assert seen == [True, False]
