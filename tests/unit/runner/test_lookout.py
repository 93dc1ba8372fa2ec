from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import GatesShut, NotConnected, OrderRejected, RequestTimeout
from ibkeel.model import ContractDetails, Grade, Health, HealthCheck, OrderTicket, Quote, Stock, TradingHours
from ibkeel.orders import GateKind
from ibkeel.runner import Session
from ibkeel.runner.doorkeeper import Doorkeeper, Lookout
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


async def ask(session=None, *, kind=FakeBroker, tell=lambda _: None, what_if=True, **broker):
    fake = kind(quotes=[quote()], clock=virtual_clock(), **broker)
    await fake.connect()
    tell(fake)
    return await Lookout(fake, virtual_clock(), what_if=what_if).standing(TICKET, session)


async def test_where_all_is_well_nothing_is_refused():
    standing = await ask(today())

    assert kinds(standing) == []
    assert standing.preview is not None


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

    standing = await ask(today(), details=[details])

    assert kinds(standing) == [GateKind.MARKET] * shut


async def test_where_it_has_none_the_session_does_and_without_one_nobody_knows():
    assert kinds(await ask(today(1, 2))) == [GateKind.MARKET]
    assert kinds(await ask(None)) == [GateKind.MARKET]


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
    assert str(error) in standing.preview_refusal


async def test_nothing_is_asked_of_the_venue_in_dry_run_or_when_nobody_wants_it():
    dry = await ask(today(), dry_run=True)
    plain = await ask(today(), what_if=False)

    assert kinds(dry) == kinds(plain) == []
    assert dry.preview is plain.preview is None
