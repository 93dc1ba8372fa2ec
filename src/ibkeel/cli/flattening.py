"""Closing everything that a bot holds, from outside: over a session of our own, or through the bot."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs

from ibkeel.cli.live import address_of, agree_on_time, clock_of, interlock_of, session_at
from ibkeel.cli.screen import announce
from ibkeel.clock import Clock
from ibkeel.errors import (
    ConfigurationError,
    GatewayMute,
    IbkeelError,
    JournalError,
    JournalInUse,
    OrderRefused,
    RequestFailed,
)
from ibkeel.ibkr import IBKRBroker, OrderMode
from ibkeel.journal import Journal, RunEnded, RunStarted, highest_order_id
from ibkeel.model import OrderReport, Position
from ibkeel.runner import (
    HALT_FILE,
    BotConfig,
    Flattened,
    FlattenRequest,
    FlattenRequests,
    Halt,
    Safety,
    Session,
)
from ibkeel.runner.closing import Handover
from ibkeel.runner.crew import Crew, beside, crew_of
from ibkeel.runner.flatten import close_everything, may_still_open, to_be_closed
from ibkeel.runner.memory import remember
from ibkeel.system import SystemClock
from ibkeel.telemetry import LoggingObserver

_LOOK: Final = 0.5
_PATIENCE: Final = 30.0  # beyond the exits' own wait, for what comes before and after
_DAY: Final = timedelta(days=1)
_MENDING: Final = 60.0  # a stop waits until the last fill has settled, and for answers
_STOP_IT: Final = "Stop it, which leaves its stops in place, and ask again"


@attrs.frozen(kw_only=True)
class FlattenOptions:
    """What to close, and how: the options of `ibkeel flatten`, and where the bot is."""

    journal: Path
    state: Path
    port: int
    client_id: int
    everything: bool = False
    wait: float = 60.0
    follow_gateway: bool = False


@attrs.frozen(kw_only=True)
class Plan:
    """What would be done now: the working entries that would be cancelled, the positions that would be closed."""

    entries: tuple[OrderReport, ...]
    positions: tuple[Position, ...]

    def sentence(self) -> str:
        """The plan in words."""
        held = ", ".join(f"{row.signed_quantity:+g} {row.contract}" for row in self.positions) or "nothing"
        return f"cancel {len(self.entries)} working entries and close {held}"


def planned(config: BotConfig, options: FlattenOptions) -> Plan:
    """What would be done, read from the Gateway; nothing is sent."""
    return asyncio.run(plan_over_a_session(config, options))


async def plan_over_a_session(config: BotConfig, options: FlattenOptions) -> Plan:
    """The same, in a loop that runs already."""
    async with _hand(config, options, OrderMode.DRY_RUN) as hand:
        orders, positions = await hand.broker.open_orders(), await hand.broker.positions()
        desk, everything = hand.crew.desk, options.everything
        return Plan(
            entries=tuple(may_still_open(orders, desk, positions if everything else None)),
            positions=tuple(to_be_closed(positions, desk, everything=everything)),
        )


def flatten_directly(config: BotConfig, options: FlattenOptions) -> Flattened:
    """Close over a session of our own, under the bot's client id, which no bot uses now.

    Raises:
        ClientIdInUse: A bot uses it.
        JournalInUse: A bot writes it, which may have lost the Gateway.
        ConnectionFailure: There is no Gateway to talk to.
        OrderRefused: `orders` is DRY_RUN: nothing is sent.
    """
    mode = OrderMode(config.gateway.orders)
    if mode is OrderMode.DRY_RUN:
        raise OrderRefused(
            f"orders is DRY_RUN, so nothing was sent; it would {planned(config, options).sentence()}"
        )
    return asyncio.run(flatten_over_a_session(config, options, mode))


async def flatten_over_a_session(config: BotConfig, options: FlattenOptions, mode: OrderMode) -> Flattened:
    """The same, in a loop that runs already."""
    async with _hand(config, options, mode) as hand:
        crew, clock, day = hand.crew, hand.clock, hand.session.day
        crew.recorder.keep(
            RunStarted(at=clock.now(), run=hand.run, session=day, mode=mode.value, strategy="flatten")
        )
        outcome, left = "failed", ""
        try:
            async with beside(crew.watch.run()), _protected(crew):
                done = await _closed(hand, options)
            outcome = "finished" if done.is_flat else "left"
        finally:
            if outcome != "finished":
                left = await Handover(hand.broker, crew.desk, announce).end()
            crew.recorder.keep(RunEnded(at=clock.now(), run=hand.run, outcome=outcome, detail=left))
        return done


async def _closed(hand: "_Hand", options: FlattenOptions) -> Flattened:
    try:
        await hand.crew.watch.catch_up()
    except IbkeelError as error:
        announce(f"what happened before could not be read, which keeps nothing from being closed: {error}")
    return await close_everything(
        hand.broker,
        hand.crew.desk,
        session=hand.session.day,
        wait=options.wait,
        everything=options.everything,
    )


@asynccontextmanager
async def _protected(crew: Crew) -> AsyncIterator[None]:
    """What is held after the body, however that ended, gets its stop back: the exits cancelled it."""
    try:
        yield
    finally:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _MENDING
        while not await _is_mended(crew):
            if loop.time() >= deadline:
                break
            await asyncio.sleep(_LOOK)


async def _is_mended(crew: Crew) -> bool:
    """Look once; whether all is well, or no more can be done."""
    try:
        gaps = await crew.protector.check()
    except IbkeelError:
        return False
    return not any(gap.mends or crew.desk.knows_nothing_of(gap.contract) for gap in gaps)


@attrs.frozen(kw_only=True)
class _Hand:
    broker: IBKRBroker
    crew: Crew
    clock: Clock
    session: Session
    run: str


@asynccontextmanager
async def _hand(config: BotConfig, options: FlattenOptions, mode: OrderMode) -> AsyncIterator[_Hand]:
    """A session under the bot's client id, and a desk that knows the bot's orders."""
    clock, observer = clock_of(SystemClock(), None, follow=True), LoggingObserver()
    address = attrs.evolve(address_of(config, options.journal), orders=mode)
    # The journal first: a bot that has lost its Gateway holds it all the same, and must find its client id free.
    with _opened(options) as journal:
        async with IBKRBroker(address, clock=clock, observer=observer) as broker:
            # A clock that is some hours off, or not told, keeps nobody from closing.
            try:
                is_near = abs(await broker.server_time() - clock.now()) < _DAY
                await agree_on_time(broker, clock, follow=is_near or options.follow_gateway)
            except RequestFailed as error:
                announce(f"the Gateway's time did not come, so this machine's counts: {error}")
            broker.use_order_ids_above(highest_order_id(journal, address.client_id))
            run = f"r{journal.count(RunStarted) + 1}"
            crew = crew_of(
                broker,
                journal,
                run=run,
                symbols=config.runner.symbols,
                config=config.runner,
                clock=clock,
                observer=observer,
                safety=Safety.of(
                    config.risk,
                    Halt(options.state / HALT_FILE),
                    limits=config.limits,
                    interlock=await interlock_of(config, broker),
                ),
            )
            session = session_at(clock.now())
            memory = remember(journal, session)
            for words in memory.unread:
                announce(f"not known: {words}")
            crew.desk.restore(memory.orders)
            crew.watch.restore(memory.fills, is_behind=False)
            yield _Hand(broker=broker, crew=crew, clock=clock, session=session, run=run)


def _opened(options: FlattenOptions) -> Journal:
    """The bot's journal, if need be to be read only: on a full disk positions are closed all the same."""
    if not options.journal.is_file():
        return _without_journal(options)
    try:
        return Journal.open(options.journal)
    except JournalInUse:
        raise
    except JournalError as error:
        announce(f"what is done will not be in the journal: {error}")
        try:
            return Journal.open(options.journal, read_only=True)
        except JournalError:
            if options.everything:
                return Journal.in_memory()
            raise


def _without_journal(options: FlattenOptions) -> Journal:
    """An empty journal knows of no position: none is left that would call an account flat that is not."""
    if options.everything:
        announce(f"what is done will not be in a journal: there is none at {options.journal}")
        return Journal.in_memory()
    raise ConfigurationError(
        f"there is no journal at {options.journal}, so nobody knows what the bot traded; nothing was closed. "
        "Name it with --journal, or close everything that the account holds with --all"
    )


def flatten_through_the_bot(options: FlattenOptions) -> Flattened:
    """Ask the bot that holds the session to close what it holds, and wait for its answer."""
    return asyncio.run(ask_the_bot(options))


async def ask_the_bot(options: FlattenOptions) -> Flattened:
    """The same, in a loop that runs already."""
    requests = FlattenRequests(options.state, port=options.port, client_id=options.client_id)
    patience = options.wait + _PATIENCE
    now = SystemClock().now()
    name = f"{now.isoformat()} {os.getpid()}"
    request = FlattenRequest(
        name=name,
        wait=options.wait,
        everything=options.everything,
        asked_until=now + timedelta(seconds=patience),
    )
    try:
        requests.ask(request)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"a bot holds the session and cannot be asked: {error}. {_STOP_IT}"
        ) from error
    try:
        async with asyncio.timeout(patience):
            while (done := requests.answered(name)) is None:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        raise GatewayMute(
            f"the bot that holds the session did not answer within {patience:g} s; entries are halted. Is "
            f"{options.state} its state directory? {_STOP_IT}"
        ) from None
    finally:
        requests.withdraw(name)
    return attrs.evolve(done, failure=f"{done.failure}. {_STOP_IT}") if done.failure else done
