"""The doctor names the right cause first, with a remedy, for each thing that is known to go wrong."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkeel.clock import Clock
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import Journal
from ibkeel.model import TradingHours
from ibkeel.monitor.doctor import Diagnosis, Machine, Setup, Verdict, examine
from ibkeel.monitor.doctor.looks import fetch_time
from ibkeel.resilience import Backoff
from ibkeel.runner import LiquidHours
from ibkeel.sim import GatewaySettings, SimulatedGateway, faults
from ibkeel.sim.venue import Venue
from ibkeel.virtual import virtual_clock

HOST, PORT = "127.0.0.1", 4902


def installed(**versions):
    return versions.get


WELL = Machine(python=(3, 11), version_of=installed(ib_insync="0.9.86", ibkeel="1.0"))


@attrs.frozen
class Late:
    """A clock that is wrong by so many seconds."""

    clock: Clock
    seconds: float

    def monotonic(self):
        return self.clock.monotonic()

    def now(self):
        return self.clock.now() + timedelta(seconds=self.seconds)


@attrs.define
class Ward:
    """A set-up that is well until a case spoils it."""

    stack: AsyncExitStack
    market: Any
    folder: Path
    gateway: SimulatedGateway | None = None
    machine: Machine = WELL
    skew: float = 0.0
    setup: Setup = attrs.field(factory=lambda: Setup(host=HOST, port=PORT, client_id=5))
    config: dict[str, Any] = attrs.field(factory=dict)

    async def open_gateway(self, settings=None, account="DU1234567", venue=None):
        """Ten minutes into the session."""
        await asyncio.sleep(600)
        self.gateway = SimulatedGateway(
            market=self.market, clock=virtual_clock(), settings=settings, account=account, venue=venue
        )
        await self.stack.enter_async_context(self.gateway.listening(HOST, PORT))

    async def serve(self, answer):
        """Another program on the port."""
        server = await asyncio.get_running_loop().create_server(answer, HOST, PORT)
        self.stack.callback(server.close)

    def broker(self):
        config = IBKRConfig(
            **{
                "port": self.setup.port,
                "client_id": 5,
                "reconnect": False,
                "connect_backoff": Backoff(attempts=1),
                **self.config,
            }
        )
        return IBKRBroker(config, clock=self.clock, jitter=lambda: 0.0)

    @property
    def clock(self):
        """The machine's."""
        return Late(virtual_clock(), self.skew)

    async def examined(self) -> Diagnosis:
        session = self.market.sessions(self.market.session_date, self.market.session_date)[0]
        hours = LiquidHours((TradingHours(opens_at=session.opens_at, closes_at=session.closes_at),))
        return await examine(self.setup, self.broker, self.clock, machine=self.machine, calendar=hours)


Case = Callable[[Ward], Coroutine[Any, Any, None]]


async def closed_port(_):
    """Nobody listens."""


async def mute_port(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.Mute(duration=600.0))


class Web(asyncio.Protocol):
    """What a web server does with a greeting that it does not know."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, _):
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        self.transport.close()


class Nowhere(Web):
    """A Gateway whose time zone is a name of Windows."""

    def data_received(self, _):
        answer = b"178\x0020260105 09:40:00 Pacific Standard Time\x00"
        self.transport.write(len(answer).to_bytes(4, "big") + answer)


class Ancient(Web):
    """A program whose time is before all time, once its zone is taken off."""

    def data_received(self, _):
        answer = b"178\x0000010101 00:00:00 Asia/Tokyo\x00"
        self.transport.write(len(answer).to_bytes(4, "big") + answer)


class Hanger(Web):
    def data_received(self, _):
        self.transport.close()


async def wrong_product(ward):
    await ward.serve(Web)


async def closes_at_greeting(ward):
    await ward.serve(Hanger)


async def id_in_use(ward):
    await ward.open_gateway()
    await ward.stack.enter_async_context(ward.broker())


async def half_open(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.HalfOpen(when_request="current_time", duration=3600.0))


async def upstream_lost(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.UpstreamLost(duration=3600.0))


async def farm_lost(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.FarmBroken(duration=3600.0))


async def no_permission(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.NotEntitled(code=354))


async def delayed_only(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.NotEntitled(code=10089))


async def shows_delayed(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.NotEntitled(code=10167))


async def competing_session(ward):
    await ward.open_gateway()
    ward.gateway.inject(faults.CompetingSession(duration=3600.0))


async def read_only(ward):
    await ward.open_gateway(GatewaySettings(is_read_only=True))
    ward.config["orders"] = "PAPER"
    ward.setup = attrs.evolve(ward.setup, sends_orders=True)


async def live_and_paper(ward):
    await ward.open_gateway(account="U1234567")
    ward.config["orders"] = "PAPER"


async def skewed_clock(ward):
    await ward.open_gateway()
    ward.skew = 5.0


async def corrupt_journal(ward):
    await ward.open_gateway()
    path = ward.folder / "journal.sqlite"
    Journal.open(path).close()
    with sqlite3.connect(path) as file:
        file.executemany("INSERT INTO events (at, kind, symbol, reference, data) VALUES ('', 'x', '', '', ?)", [("y" * 500,)] * 200)  # fmt: skip
    file.close()
    path.with_name("journal.sqlite-wal").unlink(missing_ok=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:16384] + b"\xff" * 8192 + whole[24576:])
    ward.setup = attrs.evolve(ward.setup, journal=path)


async def python_and_library(ward):
    await ward.open_gateway()
    ward.machine = Machine(python=(3, 14), version_of=installed(ib_insync="0.9.86"))


async def both_libraries(ward):
    await ward.open_gateway()
    ward.machine = Machine(python=(3, 12), version_of=installed(ib_insync="0.9.86", ib_async="2.1.0"))


async def no_library(ward):
    ward.machine = Machine(python=(3, 12), version_of=installed())


CASES = (
    (closed_port, "port", "nobody listens on 127.0.0.1:4902", "start the Gateway"),
    (mute_port, "handshake", "accepts connections and says nothing", "look at the Gateway's window"),
    (wrong_product, "handshake", "no Gateway: it said 'HTTP/1.1 400 Bad Request'", "another program"),
    (closes_at_greeting, "handshake", "closes the connection at the API's greeting", "Trusted IPs"),
    (id_in_use, "client id", "client id 5 in use", "--client-id with another number"),
    (half_open, "round trip", "the connection is half open", "restart the Gateway"),
    (upstream_lost, "upstream", "no link to Interactive Brokers' servers", "check this machine's network"),
    (farm_lost, "farms", "2103", "come back by themselves"),
    (no_permission, "data SPY", "354", "Market Data Subscriptions"),
    (delayed_only, "data SPY", "only delayed data", "Nothing is entered on delayed quotes"),
    (shows_delayed, "data SPY", "only delayed data", "Nothing is entered on delayed quotes"),
    (competing_session, "data SPY", "10197", "end the other session"),
    (read_only, "read-only", "takes no orders", "untick 'Read-Only API'"),
    (live_and_paper, "account", "orders is PAPER, but the Gateway reports a live account", "fit together"),
    (skewed_clock, "clock", "5 s ahead of the Gateway's", "network time"),
    (corrupt_journal, "journal", "journal.sqlite", "restore the last backup"),
    (python_and_library, "library", "cannot be imported on Python 3.14", "pip install ib_async"),
    (both_libraries, "library", "overwrite each other", "pip uninstall"),
    (no_library, "library", "no Interactive Brokers client", "pip install ib_async"),
)


@pytest.fixture
def ward(market, tmp_path):
    return lambda stack: Ward(stack=stack, market=market, folder=tmp_path)


@pytest.mark.parametrize(
    ("spoil", "check", "said", "remedy"), CASES, ids=lambda value: getattr(value, "__name__", "")
)
async def test_the_right_cause_comes_first_with_its_remedy(ward, spoil, check, said, remedy):
    async with AsyncExitStack() as stack:
        patient = ward(stack)
        await spoil(patient)

        diagnosis = await patient.examined()

    assert diagnosis.cause is not None
    assert diagnosis.cause.check == check
    assert said in diagnosis.cause.said
    assert remedy in diagnosis.cause.remedy


async def test_a_set_up_that_is_well_has_no_cause_and_leaves_nothing_behind(ward, tmp_path):
    async with AsyncExitStack() as stack:
        patient = ward(stack)
        await patient.open_gateway()
        Journal.open(tmp_path / "journal.sqlite").close()
        patient.config["orders"] = "PAPER"
        patient.setup = attrs.evolve(
            patient.setup,
            journal=tmp_path / "journal.sqlite",
            sends_orders=True,
            symbols=("SPY", "QQQ"),
        )

        diagnosis = await patient.examined()

        assert diagnosis.cause is None, diagnosis.cause
        assert {row.verdict for row in diagnosis.findings} == {Verdict.OK}
        assert [row.check for row in diagnosis.findings] == [
            "python", "library", "journal", "session hours", "port", "handshake", "account", "round trip", "farms",
            "clock", "data SPY", "data QQQ", "orders", "pacing",
        ]  # fmt: skip
        assert not patient.gateway.counters.violations
        assert patient.gateway.counters.open_lines == 0


async def test_account_ids_are_masked_in_what_is_said(ward):
    async with AsyncExitStack() as stack:
        patient = ward(stack)
        await patient.open_gateway(account="U1234567")
        patient.config |= {"orders": "LIVE", "live_account": "U7654321"}

        diagnosis = await patient.examined()

    told = str(diagnosis.as_data())
    assert "***" in told
    assert "U1234567" not in told
    assert "U7654321" not in told


async def test_a_gateway_tells_its_time_to_who_only_greets_it(ward):
    async with AsyncExitStack() as stack:
        await ward(stack).open_gateway()

        told = await fetch_time(HOST, PORT)

    assert abs(told - virtual_clock().now()) <= timedelta(seconds=1)


@pytest.mark.parametrize("answer", [None, Web, Hanger, Nowhere, Ancient])
async def test_what_tells_no_time_has_none(ward, answer):
    async with AsyncExitStack() as stack:
        if answer is not None:
            await ward(stack).serve(answer)

        assert await fetch_time(HOST, PORT) is None


async def test_an_account_with_a_name_is_told_by_it(ward):
    async with AsyncExitStack() as stack:
        patient = ward(stack)
        await patient.open_gateway()
        patient.setup = attrs.evolve(patient.setup, aliases={"DU1234567": "main"})

        diagnosis = await patient.examined()

    assert "client id 5 is logged on to main" in str(diagnosis.as_data())


class EuroVenue(Venue):
    """It keeps an account in euros."""

    def account_values(self, at, account):
        rows = super().account_values(at, account)
        return [(key, value, currency.replace("USD", "EUR")) for key, value, currency in rows]


async def test_an_account_in_which_nothing_will_be_entered_is_told_of(ward):
    async with AsyncExitStack() as stack:
        patient = ward(stack)
        await patient.open_gateway(venue=EuroVenue(patient.market))

        diagnosis = await patient.examined()

    assert (diagnosis.cause.check, diagnosis.cause.verdict) == ("account", Verdict.WARNING)
    assert "kept in EUR" in diagnosis.cause.said
    assert "will enter nothing" in diagnosis.cause.remedy
