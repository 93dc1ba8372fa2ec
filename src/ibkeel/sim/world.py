"""What every service of the Gateway shares: market, venue, clock, agenda, clients, counters."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol

from ibkeel.clock import Clock
from ibkeel.sim.client import Agenda, Client, Stream, Ticket
from ibkeel.sim.counters import GatewayCounters, Pacing
from ibkeel.sim.disorder import PLAIN, Disorder, Service, Treatment
from ibkeel.sim.faults import ClockSkew
from ibkeel.sim.settings import GatewaySettings
from ibkeel.sim.values import (
    Commission,
    Execution,
    Market,
    OrderError,
    SimContract,
    SimOrder,
    SimPosition,
    SimSession,
    VenueEvent,
)
from ibkeel.sim.venue import MarginPreview, PortfolioRow

_logger: Final = logging.getLogger("ibkeel.sim")
_DAY: Final = timedelta(days=1)
_LAG: Final = timedelta(seconds=1)  # a clock that is further back was set back


class Exchange(Protocol):
    """The venue that the Gateway asks: it matches orders and keeps the accounts."""

    def submit(self, order: SimOrder, at: datetime) -> Sequence[VenueEvent]:
        """Take a new order, or a modification of a live one."""
        ...

    def cancel(self, client_id: int, order_id: int, at: datetime) -> Sequence[VenueEvent]:
        """Cancel an order."""
        ...

    def cancel_all(self, at: datetime) -> Sequence[VenueEvent]:
        """Cancel every order of every client."""
        ...

    def exercise(
        self,
        contract: SimContract,
        quantity: int,
        *,
        client_id: int,
        order_id: int,
        at: datetime,
        account: str,
    ) -> Sequence[VenueEvent]:
        """Exercise options that are held."""
        ...

    def advance(self, at: datetime) -> Sequence[VenueEvent]:
        """Match everything against the market of that instant."""
        ...

    def next_event(self, after: datetime) -> datetime | None:
        """First instant at which `advance` may do something; None: never."""
        ...

    def objection(self, order: SimOrder, at: datetime) -> OrderError | None:
        """Why an order that is only asked about could not be placed; None for no reason."""
        ...

    def preview(self, order: SimOrder, at: datetime) -> MarginPreview:
        """The account before and after an order that is not placed."""
        ...

    def open_orders(self, client_id: int | None = None) -> Sequence[SimOrder]:
        """Live orders, of one client or of all."""
        ...

    def completed_orders(self) -> Sequence[SimOrder]:
        """Orders that have ended, in the order in which they did."""
        ...

    def executions(self) -> Sequence[tuple[Execution, Commission]]:
        """Every fill, oldest first."""
        ...

    def positions(self) -> Sequence[SimPosition]:
        """What the accounts hold."""
        ...

    def portfolio(self, at: datetime, account: str) -> Sequence[PortfolioRow]:
        """Positions of an account at the market's prices."""
        ...

    def account_values(self, at: datetime, account: str) -> Sequence[tuple[str, str, str]]:
        """Key, value and currency of each value of an account."""
        ...


class Rejection(Exception):
    """A request that gets an error code for its answer; `rule` names the limit that it breaks, for the count."""

    def __init__(self, code: int, text: str, *, rule: str = "") -> None:
        super().__init__(text)
        self.code, self.text, self.rule = code, text, rule


def error_321(place: str, cause: str) -> Rejection:
    """Error 321, in the words of a Gateway, which has a name for each place where it looks at a request."""
    return Rejection(321, f"Error validating request.-'{place}' : cause - {cause}")


def error_322(place: str, cause: str, *, rule: str = "") -> Rejection:
    """Error 322, in the same words."""
    return Rejection(322, f"Error processing request.-'{place}' : cause - {cause}", rule=rule)


class World:
    """The state behind all sessions.

    Args:
        market: Where quotes, bars and definitions come from.
        venue: Where orders go.
        accounts: Account ids that clients see.
        clock: Wall time.
        settings: Limits and habits.
    """

    def __init__(
        self,
        *,
        market: Market,
        venue: Exchange,
        accounts: tuple[str, ...],
        clock: Clock,
        settings: GatewaySettings,
    ) -> None:
        self.market, self.venue, self.accounts = market, venue, accounts
        self.settings = settings
        self.counters = GatewayCounters()
        self.agenda = Agenda()
        self.clients: dict[int, Client] = {}  # started ones by client id, in order of starting
        self.matching: Ticket | None = None
        self.order_ids: dict[int, int] = {}  # the highest seen by client id
        self.pacing = Pacing(settings.limits)
        self.disorder = Disorder()
        self.memory = venue  # what the Gateway knew when it lost sight of orders and account
        self.unacknowledged: set[tuple[int, int]] = set()  # orders, by client id and order id
        self._treatment = PLAIN  # of the request that is being served
        # For the upstream to come back; whether each is an order.
        self._waiting: list[tuple[bool, Callable[[datetime], None]]] = []
        self._clock = clock
        self._reached: datetime | None = None
        self._set_back = timedelta()  # by so much was the clock, all in all
        self._ids_from: int | None = None  # ids were set back, and the venue is not asked
        self._session: SimSession | None = None  # the one that was open when last asked

    def now(self) -> datetime:
        """The present instant; never before that of an action which has run, and on from there if the clock is set back."""
        now, reached = self._clock.now() + self._set_back, self._reached
        if reached is None or now > reached:
            return now
        if reached - now > _LAG:
            self._set_back += reached - now
        return reached

    def reach(self, at: datetime) -> datetime:
        """Note that the instant of an action has come, though the clock may lag a little."""
        reached = self._reached
        if reached is None or at > reached:
            self._reached = reached = max(self.now(), at)
        return reached

    def shown(self, now: datetime) -> datetime:
        """What the Gateway's own clock shows."""
        return now + timedelta(seconds=sum(fault.seconds for fault in self.disorder.every(ClockSkew)))

    @property
    def books(self) -> Exchange:
        """Orders and account as the Gateway knows them: while reports wait, as they were before (unverified)."""
        return self.memory if self.disorder.holding else self.venue

    def is_entitled(self, client: Client) -> bool:
        """Whether a client gets live data."""
        disorder = self.disorder
        return self.settings.is_entitled and not (disorder.lasting and disorder.is_delayed(client.client_id))

    def session_at(self, at: datetime) -> SimSession | None:
        """The regular session that is open at that instant."""
        session = self._session
        if session is None or not session.opens_at <= at < session.closes_at:
            around = self.market.sessions(at.date() - _DAY, at.date() + _DAY)
            self._session = next((each for each in around if each.opens_at <= at < each.closes_at), None)
        return self._session

    def answer(
        self,
        client: Client,
        request_id: int,
        seconds: float,
        action: Callable[[datetime], None],
        *,
        needs: Service | None = None,
    ) -> Ticket:
        """Plan the answer to a request; it is dropped when the client has gone, unless it is about an order.

        Args:
            client: Who asked.
            request_id: Id for errors.
            seconds: Latency.
            action: Sends the answer.
            needs: What must be within reach by then. Without it orders wait until it is, and other
                requests get no answer.
        """

        def run(now: datetime, *, has_waited: bool = False) -> None:
            if needs is not None and self.disorder.blocks(needs):
                if needs is Service.ORDERS:
                    self._waiting.append((True, partial(run, has_waited=True)))
            elif client.is_open or has_waited or (needs is Service.ORDERS and not client.is_forgotten):
                with self.supervised(client, request_id):
                    action(now)

        at = self.now() + timedelta(seconds=seconds + self._treatment.delay)
        return Ticket(at, run) if self._treatment.is_unanswered else self.agenda.add(at, run)

    def steps(
        self, client: Client, request_id: int, action: Callable[[datetime], None]
    ) -> Callable[[datetime], None]:
        """What a stream does at each of its steps; nothing, when the client has gone."""

        def run(now: datetime) -> None:
            if client.is_open:
                try:
                    action(now)
                except Exception as error:  # noqa: BLE001 - `_failed` logs and counts it
                    self._failed(client, request_id, error)

        return run

    @contextmanager
    def treating(self, treatment: Treatment) -> Iterator[None]:
        """Serve a request in a way of its own: answers planned inside follow it."""
        self._treatment = treatment
        try:
            yield
        finally:
            self._treatment = PLAIN

    def report(self, action: Callable[[datetime], None], now: datetime) -> None:
        """Send what the venue reports, or keep it until the upstream is back."""
        if self.disorder.holding:
            self._waiting.append((False, action))
        else:
            action(now)

    def deliver_waiting(self, now: datetime) -> None:
        """Do, in order, what waited for the upstream."""
        waiting, self._waiting = self._waiting, []
        for _, action in waiting:
            action(now)

    def lose_orders(self) -> None:
        """Never send those that wait."""
        self._waiting = [each for each in self._waiting if not each[0]]

    def forget_waiting(self) -> None:
        """Never do what waits."""
        self._waiting.clear()

    @contextmanager
    def supervised(self, client: Client, request_id: int) -> Iterator[None]:
        """Turn what goes wrong inside into an error for the client, a log record and a count."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - `_failed` logs and counts it
            self._failed(client, request_id, error)

    def _failed(self, client: Client, request_id: int, error: Exception) -> None:
        """One broken answer must not end the other sessions; nothing is hidden by this."""
        if isinstance(error, Rejection):
            if error.rule:
                self.counters.violated(error.rule, client.client_id)
            if not self._treatment.is_unanswered:
                client.error(request_id, error.code, error.text, at=self.now())
            return
        _logger.error("request %d of %s failed", request_id, client.title, exc_info=error)
        self.counters.failures += 1
        text = f"Server error when reading an API client request: {error!r}"
        client.error(request_id, 320, text, at=self.now())

    def release(self, client: Client) -> None:
        """Take back everything that a client holds."""
        for request_id in tuple(client.subscriptions):
            self.end_subscription(client, request_id)
        for kind, request_id in tuple(client.streams):
            self.end_stream(client, kind, request_id)
        if self.clients.get(client.client_id) is client:
            del self.clients[client.client_id]

    def end_subscription(self, client: Client, request_id: int) -> bool:
        """End a market data request and free its line; False when there is none."""
        subscription = client.subscriptions.pop(request_id, None)
        if subscription is None:
            return False
        subscription.stop()
        if subscription.holds_line:
            self.counters.line_closed()
        return True

    def open_stream(self, client: Client, stream: Stream) -> Stream:
        """Begin what goes on until it is cancelled; the stream."""
        if (stream.kind, stream.request_id) in client.streams:
            raise error_322("bW", "Duplicate ticker id")
        if stream.holds_line:
            self.take_line()
        if stream.holds_history:
            self.counters.history_opened()
        client.streams[stream.kind, stream.request_id] = stream
        return stream

    def end_stream(self, client: Client, kind: str, request_id: int) -> bool:
        """End a stream and free its line; False when there is none."""
        stream = client.streams.pop((kind, request_id), None)
        if stream is None:
            return False
        stream.stop()
        if stream.holds_line:
            self.counters.line_closed()
        if stream.holds_history:
            self.counters.history_closed()
        return True

    def running(self, kind: str) -> int:
        """Streams of a kind, of all clients."""
        return sum(key[0] == kind for client in self.clients.values() for key in client.streams)

    def take_line(self) -> None:
        """Use a market data line."""
        lines = self.settings.market_data_lines
        if lines is not None and self.counters.open_lines >= lines:
            raise Rejection(101, "Max number of tickers has been reached", rule="market_data_lines")
        self.counters.line_opened()

    def forget_streams(self, client: Client) -> None:
        """End market data and updates of histories, as if they had never been asked for."""
        for stream in (*client.market_streams(), *client.followed()):
            self.end_stream(client, stream.kind, stream.request_id)
        for request_id in tuple(client.subscriptions):
            self.end_subscription(client, request_id)

    def roll_back_ids(self) -> None:
        """Forget the ids of orders that the venue never saw, so that they are issued again."""
        self.order_ids = {}
        for order in (*self.venue.open_orders(), *self.venue.completed_orders()):
            known = self.order_ids.get(order.client_id, 0)
            self.order_ids[order.client_id] = max(known, order.order_id)

    def begin_ids_at(self, number: int) -> None:
        """Issue ids from there on, though live orders may bear them."""
        self.order_ids, self._ids_from = {}, number

    def next_order_id(self, client_id: int) -> int:
        """The first order id that the client may use: above all it has used."""
        if self._ids_from is not None:
            return max(self.order_ids.get(client_id, 0) + 1, self._ids_from)
        live = [order.order_id for order in self.venue.open_orders(client_id)]
        return max([self.order_ids.get(client_id, 0), *live]) + 1


Handler = Callable[[World, Client, dict[str, Any]], None]
"""Serves one kind of request: decides, and plans its answer."""
