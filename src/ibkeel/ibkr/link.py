"""The session: one owner loop, what is under way on it, and its end."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ibkeel.clock import Clock
from ibkeel.errors import AccountMismatch, ConfigurationError, InvalidInput, NotConnected, WrongLoopError
from ibkeel.ibkr.client import (
    Tap,
    adopt_running_loop,
    give_types,
    hear_history,
    is_waited_for,
    keep_orders_back,
    keep_summaries_back,
    library,
    loop_of,
    next_request_id,
    note_order_id,
)
from ibkeel.ibkr.codes import About, Effect, Farm, Reaction
from ibkeel.ibkr.config import IBKRConfig, OrderMode, check_account
from ibkeel.ibkr.connecting import attempt
from ibkeel.ibkr.notices import Notices
from ibkeel.ibkr.order_book import OrderBook
from ibkeel.ibkr.pending import BY_NAME, BY_REQUEST, ENDS_BY_NAME, Lines
from ibkeel.ibkr.requests import Requests
from ibkeel.ibkr.services import Service, Services
from ibkeel.ibkr.waiting import SharedAnswers
from ibkeel.ibkr.wire_pacing import PacingStore, WirePacer, rules_of
from ibkeel.model import OrderId
from ibkeel.resilience import Cache, Escalation
from ibkeel.telemetry import (
    AlarmEnded,
    AlarmRaised,
    Connected,
    ConnectionLost,
    Disconnected,
    Observer,
    redact,
    unfailing,
)

T = TypeVar("T")

_NO_REQUEST = -1
_REFUSED_INPUT = 321
_READ_ONLY = "read-only"
_OUTAGES = {Reaction.UPSTREAM_LOST, Reaction.FARM_BROKEN}
_HOLDS = {Reaction.SLOW_DOWN: "messages", Reaction.HOLD_HISTORY: "history"}


class Link:
    """The connection of one adapter."""

    def __init__(
        self, config: IBKRConfig, clock: Clock, observer: Observer, jitter: Callable[[], float]
    ) -> None:
        self.config = config
        self.clock = clock
        self.on_closed: Callable[[str], None] = lambda _: None
        """Called when somebody else closed the connection: who."""
        self.on_outage: Callable[[], None] = lambda: None
        """Called when the source of prices is lost, that of all or of some: which ones is not published."""
        self.on_notice: Callable[[int, str], None] = lambda _, __: None
        """Called with each message that names no request."""
        self.trusts_definitions: Callable[[], bool] = lambda: True
        """Whether a "no such contract" is to be believed."""
        self.on_escalation: Callable[[Service, Escalation, str], None] = lambda *_: None
        """Called when a service's breaker says that waiting does not help."""
        self.ib: Any = library.IB()
        self.observer = observer = unfailing(observer, lambda: loop_of(self.ib))
        self.ib.MaxSyncedSubAccounts = (
            0  # else it subscribes to each balance twice, and to those of other accounts
        )
        self._tap = Tap(self.ib.wrapper)
        self.wire = WirePacer(
            self.ib,
            self._tap,
            # In dry run nothing leaves that a place should be kept for.
            rules_of(config, 0 if config.orders is OrderMode.DRY_RUN else config.order_reserve),
            clock=clock,
            observer=observer,
            ends=lambda code, text: config.codes.find(code, text, About.REQUEST).effect is Effect.ENDS,
            margin=config.pacing_margin,
        )
        self.services = Services(
            config.breakers,
            config.deadlines,
            clock=clock,
            observer=observer,
            jitter=jitter,
            on_escalation=self._escalated,
        )
        self.requests = Requests(
            clock, observer, self.wire, self.services, patience=config.pacing_patience, codes=config.codes
        )
        self.requests.on_reaction = self.react
        self.cache: Cache[Hashable, Any] = Cache(config.cache)
        """Answers that are still good, by what was asked."""
        self._answers = SharedAnswers()
        self.lines = Lines(config.market_data_lines, clock, observer, patience=config.line_patience)
        self.notices = Notices(clock, observer, config.codes)
        self.book = OrderBook(clock, observer, config.client_id, config.codes)
        self.book.is_held_back = self.wire.holds_order
        # What lists lacked while an order waited for its turn proves nothing.
        self.wire.on_late_order = lambda order_id: self.book.roll.named(OrderId(order_id))
        self.balances: dict[tuple[str, str, str], tuple[str, datetime]] = {}
        self.account = ""
        self.is_read_only = False
        """Whether the Gateway has refused an order because its API is read-only."""
        self._store = None if config.pacing_store is None else PacingStore(Path(config.pacing_store))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_up = self._is_restored = False
        self._highest_id, self._store_trouble = 0, ""
        if config.orders is OrderMode.DRY_RUN:
            keep_orders_back(self.ib.client)
        self._listen()

    # The one owner.

    @property
    def is_up(self) -> bool:
        """Whether a session exists."""
        return self._is_up and bool(self.ib.isConnected())

    def check(self) -> None:
        """Refuse a call that cannot work."""
        self.check_loop()
        if not self.is_up:
            raise NotConnected(
                f"no session with {self.config.host}:{self.config.port}; nothing was sent. Call connect() first, "
                "or use the broker in 'async with'"
            )

    def check_loop(self) -> None:
        """Refuse a call from a loop that does not own the connection, with a WrongLoopError."""
        if self._loop is not None and asyncio.get_running_loop() is not self._loop:
            if self._loop.is_closed():
                raise WrongLoopError(
                    "the event loop that this broker was connected on has ended, and with it the session. Each "
                    "asyncio.run() has a loop of its own: use 'async with' within one, or BlockingBroker"
                )
            raise WrongLoopError(
                "this broker was connected on another event loop, and only that loop reads its socket: a request from "
                "here would be answered, and nobody would read the answer. Call it on the loop that connected it "
                "(asyncio.run_coroutine_threadsafe from another thread), or connect a broker here with another client id"
            )

    def request_id(self) -> int:
        """A fresh id for a request; a session that ended while its turn was awaited has none."""
        self.check()
        self._highest_id = max(self._highest_id, next_request_id(self.ib))
        return self._highest_id

    async def shared(self, key: Hashable, factory: Callable[[], Awaitable[T]]) -> T:
        """Ask a question once, however many ask it at the same time; all that its answer depends on is in the key."""
        return await self._answers.get(key, factory)

    async def in_turn(self, what: str, key: Hashable, factory: Callable[[], Awaitable[T]]) -> T:
        """Ask for what is answered without an id, one at a time; who waits for his turn shares it with his like."""
        return await self._answers.get_later(what, key, factory)

    # Begin and end.

    def adopt_loop(self) -> None:
        """Belong to the loop that runs from now on; there must be no session."""
        running = asyncio.get_running_loop()
        if running is not self._loop:
            self.lines.begin()
        self._loop = running
        adopt_running_loop()
        self.wire.begin()
        self._answers = SharedAnswers()
        if self._store is not None and not self._is_restored:
            saved = self._store.load()
            if saved is not None:
                self.wire.restore(saved)
            self._is_restored = True

    async def open(self) -> None:
        """Open the session once; returns when every start-up answer is in and the account fits."""
        # The library's own start-up draws ids anew: one that was ours must not be taken for ours still.
        self.requests.forget_ended()
        await attempt(self.ib, self.config)
        self.cache.end_session()
        self.is_read_only = False
        # A Gateway that restarted may hand out ids again that we have used: orders must not share one.
        note_order_id(self.ib, max(self._highest_id, self.book.highest_id()))
        try:
            account = self._choose_account()
            check_account(self.config, account)
        except AccountMismatch:
            self.ib.disconnect()
            raise
        self.account = account
        self._is_up = True
        self.observer.on_event(
            Connected(
                at=self.clock.now(),
                host=self.config.host,
                port=self.config.port,
                client_id=self.config.client_id,
                server_version=self.ib.client.serverVersion(),
                account=self.config.shown(self.account),
            )
        )

    def _choose_account(self) -> str:
        accounts = list(self.ib.client.getAccounts())
        # The orders and positions that we know are those of the account that the first session was of.
        asked = self._named_account()
        if asked is None and len(accounts) == 1:
            return str(accounts[0])
        if asked in accounts:
            return str(asked)
        shown = ", ".join(map(self.config.shown, accounts))
        wanted = (
            "no account was named"
            if asked is None
            else f"account {self.config.shown(asked)} is not among them"
        )
        raise AccountMismatch(
            f"the Gateway reports the accounts {shown}, and {wanted}; set `live_account` in "
            "[gateway], in a program of your own IBKRConfig.account, or log in to the account that is meant"
        )

    def _named_account(self) -> str | None:
        return self.config.account or self.config.live_account or self.account or None

    def is_elsewhere(self, order: Any) -> bool:
        """Whether an order is of another account of the login; what goes to a group may be partly of ours."""
        return not order.faGroup and self._is_another(order.account)

    def _is_another(self, account: str) -> bool:
        return account != (self._named_account() or account) and account in self.ib.client.getAccounts()

    def account_or(self, account: str | None) -> str:
        """The account that was asked for, or ours; InvalidInput when the login has no such account."""
        if account is None:
            return self.account
        known = [str(name) for name in self.ib.client.getAccounts()]
        if account not in known:
            shown = self.config.shown
            raise InvalidInput(
                f"no account {shown(str(account))}; this login has {', '.join(map(shown, known))}"
            )
        return account

    def drop(self, why: str, *, is_ours: bool) -> None:
        """End what is open and close the socket; those who wait, and the books, are told why."""
        was_up, self._is_up = self._is_up, False
        self.save_pacing()
        self.requests.fail_all(why)
        self.book.link_lost(NotConnected(why))
        self.notices.forget()
        self.balances.clear()
        if was_up:
            self.ib.disconnect()
        now = self.clock.now()
        self.observer.on_event(Disconnected(at=now) if is_ours else ConnectionLost(at=now, cause=why))

    def react(self, reaction: Reaction) -> None:
        """Do what the error table says, as far as it concerns the limits and what is under way."""
        rule = _HOLDS.get(reaction)
        if rule is not None:
            self.wire.hold(rule)
        elif reaction is Reaction.RESTORED_DATA_LOST:
            self.wire.lose_subscriptions()
            self.requests.lose_data("the Gateway lost its data subscriptions meanwhile; ask again")

    def _escalated(self, service: Service, escalation: Escalation, cause: str) -> None:
        self.on_escalation(service, escalation, cause)

    def save_pacing(self) -> None:
        """Write down what was sent lately, so that a restart does not forget it."""
        if self._store is None:
            return
        try:
            self._store.save(self.wire.saved())
        except ConfigurationError as error:
            self._tell_of_store(str(error))
        else:
            self._tell_of_store("")

    def _tell_of_store(self, trouble: str) -> None:
        """Once for each trouble: a full disk must not keep a session from being sought."""
        if trouble != self._store_trouble:
            self._store_trouble = trouble
            now, name = self.clock.now(), "pacing store"
            words = f"{trouble}; after a restart the limits would not know what was sent lately"
            self.observer.on_event(
                AlarmRaised(at=now, name=name, message=words, lasts=True)
                if trouble
                else AlarmEnded(at=now, name=name, message="it can be written again")
            )

    def _on_closed(self, who: str = "the Gateway closed the connection") -> None:
        if self._is_up:
            self._is_up = False
            self.on_closed(who)

    def _on_disconnected(self) -> None:
        self._on_closed("the library's own disconnect() was called")

    # What the wire says.

    def _listen(self) -> None:
        hear = self._tap.hear
        for message in BY_REQUEST:
            hear(message, self._by_request(message))
        for message, (key, keep) in BY_NAME.items():
            hear(message, self._by_name(message, key, keep=keep))
        hear_history(self.ib, self._on_history)
        keep_summaries_back(self.ib)
        self.ib.client.decoder.parse = give_types
        hear("error", self._on_error)
        hear("connectionClosed", self._on_closed)
        self.ib.disconnectedEvent += self._on_disconnected
        hear("openOrder", self._on_open_order)
        hear("orderStatus", self.book.on_status)
        hear("execDetails", self._on_execution)
        hear("commissionReport", self.book.on_commission)
        hear("updateAccountValue", self._on_balance)

    def _by_request(self, message: str) -> Callable[..., bool]:
        return lambda key, *args: self.requests.on_message(message, key, *args)

    def _by_name(self, message: str, key: str, *, keep: bool) -> Callable[..., bool]:
        is_end = message in ENDS_BY_NAME

        def hearer(*args: Any) -> bool:
            if is_end:
                self.requests.take_end(key, message, args)
            elif (pending := self.requests.get(key)) is not None:
                pending.take(message, args)
            return keep and not is_waited_for(self.ib.wrapper, key)

        return hearer

    def _on_history(self, key: int, fields: list[str]) -> bool:
        return self.requests.get(key) is not None and self.requests.on_message("historicalTable", key, fields)

    def _on_open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        if not self.is_elsewhere(order):
            self.book.on_open_order(order_id, contract, order, state)

    def _on_execution(self, request_id: int, contract: Any, execution: Any) -> bool:
        if not self._is_another(execution.acctNumber):
            self.book.on_execution(request_id, contract, execution)
        return self.requests.on_message("execDetails", request_id, contract, execution)

    def _on_balance(self, key: str, value: str, currency: str, account: str) -> None:
        self.balances[account, key, currency] = (value, self.clock.now())

    def _on_error(self, request_id: int, code: int, text: str, *_: object) -> bool:
        text = redact(text)  # whatever quotes it may be shown
        if request_id == _NO_REQUEST:
            self.notices.on_error(code, text)
            notice = self.config.codes.find(code, text, About.SYSTEM)
            self.react(notice.reaction)
            if notice.reaction in _OUTAGES and notice.farm in {None, Farm.MARKET_DATA}:
                self.on_outage()
            self.on_notice(code, text)
            return False
        if code == _REFUSED_INPUT and _READ_ONLY in text.lower():
            self.is_read_only = True  # a what-if is told so as an order is
        # An order's id may be one that a request of an earlier session had.
        meaning = None if self.requests.get(request_id) else self.book.on_error(request_id, code, text)
        if meaning is not None:
            self.react(meaning.reaction)
            return False
        return self.requests.on_error(request_id, code, text)
