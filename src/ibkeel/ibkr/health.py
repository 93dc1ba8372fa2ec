"""Health in tiers, each with its verdict, its evidence and what to do about it."""

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ibkeel.errors import (
    AccountMismatch,
    ClientIdInUse,
    ConnectionFailure,
    GatewayMute,
    GatewayRejected,
    GatewayUnreachable,
    PacingExceeded,
    RequestFailed,
    UnsupportedVersion,
)
from ibkeel.ibkr.config import OrderMode
from ibkeel.ibkr.keeper import Keeper
from ibkeel.ibkr.link import Link
from ibkeel.ibkr.pending import Outcome
from ibkeel.ibkr.pulse import CLOCK_LIMIT, YIELD, Beat, Pulse
from ibkeel.ibkr.services import loop_time
from ibkeel.ibkr.session import advice
from ibkeel.ibkr.states import SessionState
from ibkeel.model import Grade, Health, HealthCheck, OrderState
from ibkeel.resilience import BreakerState, RequestKind

_DATA: Final = (RequestKind.QUOTE, RequestKind.HISTORY)
_ORDERS: Final = (RequestKind.ORDERS,)
_RECENT: Final = 300.0
_SKEW: Final = 2.0  # seconds that clocks may differ
_SET_CLOCKS: Final = (
    "turn on network time on both machines: ages of quotes, schedules and end-of-day exits go wrong by as much; on a "
    "simulated Gateway run the bot with --follow-gateway-clock"
)
_READ_ONLY: Final = "untick 'Read-Only API' in the Gateway's API settings"
_TRY: Final = "ask again: the next request tries whether it is well"
_HALF_OPEN: Final = (
    "the connection is half open or the Gateway hangs: a second failed probe opens it anew; if that does not "
    "help, restart the Gateway"
)
_PACED: Final = "explain_pacing() says what this program's own messages wait for"
_SEE: Final = "the error that its caller got says what to do"
_SILENT: Final = "wait: the Gateway may lack its servers without saying so; check its network if it lasts"
_OF_DATA: Final = MappingProxyType(
    {
        "CompetingSession": (Grade.DEGRADED, "end the other session of this user, which takes the data"),
        "NotEntitled": (Grade.DEGRADED, "subscribe to the data in Client Portal, or ask for delayed data"),
        "RequestTimeout": (Grade.DOWN, "see the tiers above: if they are well, a data farm is not"),
        "NoData": (Grade.OK, ""),
        "UnknownContract": (Grade.OK, ""),
        "AmbiguousContract": (Grade.OK, ""),
        "QuoteUnavailable": (Grade.DEGRADED, "is the market open?"),
    }
)

_REMEDIES: Final = {
    GatewayUnreachable: "start the Gateway, and check host and port, and that the API is enabled in its settings",
    GatewayMute: "look at the Gateway's window: a login, a dialog or the trusted addresses may wait for you",
    ClientIdInUse: "end the other program, or wait a minute if it has just ended; do not take another id",
    UnsupportedVersion: "update the Gateway",
    AccountMismatch: "make port, account and IBKRConfig.orders fit together",
}


async def take_health(link: Link, keeper: Keeper, pulse: Pulse, deadline: float) -> Health:
    """Look at every tier; one round trip is made when there is a link.

    Where the Gateway has said nothing yet of what lies behind it, its servers are asked for a sign: that it
    tells whoever connects while it is cut off is unverified.
    """
    link.check_loop()
    examination = _Examination(link, keeper, pulse)
    beat, failure, has_sign = None, None, None
    if keeper.session.has_link:
        try:
            beat = await pulse.beat(deadline)
        except (RequestFailed, ConnectionFailure) as error:
            failure = error
        if beat is not None and not link.notices.checks():
            has_sign = await pulse.has_sign()
    checks = (
        *examination.link_tiers(),
        *examination.probe_tier(beat, failure),
        *examination.sign_tier(has_sign=has_sign),
        *examination.further_tiers(),
    )
    return Health(
        checks=tuple(checks),
        round_trip=None if beat is None else beat.seconds,
        latencies=link.requests.vitals.latencies(),
        entry_refusal=keeper.session.entry_refusal,
        is_read_only=link.is_read_only,
        utc_offset=link.book.roll.utc_offset,
    )


def clock_check(beat: Beat, now: datetime) -> HealthCheck:
    """Whether this machine's clock and the Gateway's agree."""
    if beat.off <= _SKEW:
        grade, said, remedy = (
            Grade.OK,
            f"this machine and the Gateway agree: {beat.server_time:%H:%M:%S} UTC",
            "",
        )
    else:
        grade = Grade.DOWN if beat.off > CLOCK_LIMIT else Grade.DEGRADED
        said, remedy = beat.skew, _SET_CLOCKS
    return HealthCheck(name="clock", grade=grade, evidence=said, at=now, remedy=remedy)


class _Examination:
    """One look at everything."""

    def __init__(self, link: Link, keeper: Keeper, pulse: Pulse) -> None:
        self._link, self._keeper, self._pulse = link, keeper, pulse
        self._now = link.clock.now()

    def _check(self, name: str, grade: Grade, evidence: str, remedy: str = "") -> HealthCheck:
        return HealthCheck(name=name, grade=grade, evidence=evidence, at=self._now, remedy=remedy)

    # The link.

    def link_tiers(self) -> Iterator[HealthCheck]:
        session, config = self._keeper.session, self._link.config
        where = f"{config.host}:{config.port}"
        failure = self._keeper.last_failure
        if session.has_link:
            yield self._check("port", Grade.OK, f"{where} accepted the connection")
            yield self._check("handshake", Grade.OK, f"client id {config.client_id} is logged on")
        elif failure is None or isinstance(failure, GatewayUnreachable):
            evidence = str(failure or f"there is no link to {where}")
            remedy = _REMEDIES[GatewayUnreachable] if failure else advice(session)
            yield self._check("port", Grade.DOWN, evidence, remedy)
        else:
            yield self._check("port", Grade.OK, f"{where} accepts connections")
            yield self._check("handshake", Grade.DOWN, str(failure), _remedy(failure))
        yield self._session()

    def _session(self) -> HealthCheck:
        session = self._keeper.session
        cause = f": {session.cause}" if session.cause else ""
        grade = {SessionState.READY: Grade.OK, SessionState.DEGRADED: Grade.DEGRADED}.get(
            session.state, Grade.DEGRADED if session.state is SessionState.SYNCING else Grade.DOWN
        )
        remedy = ""
        if session.state is SessionState.UPSTREAM_LOST:
            remedy = "wait: the Gateway itself has no link to its servers; check the network if it lasts"
        elif session.state is SessionState.MAINTENANCE:
            remedy = "wait: it is the hour of the Gateway's restart or of the servers' reset"
        elif not session.has_link:
            remedy = advice(session)
        return self._check("session", grade, f"{session.state}{cause}", remedy)

    # The round trip.

    def probe_tier(self, beat: Beat | None, failure: Exception | None) -> Iterator[HealthCheck]:
        if beat is not None:
            evidence = f"the Gateway said {beat.server_time:%H:%M:%S} UTC in {beat.seconds:.3f} s"
            yield self._check("server time", Grade.OK, evidence)
            yield clock_check(beat, self._now)
        elif isinstance(failure, PacingExceeded):  # nothing was sent
            yield self._check("server time", Grade.DEGRADED, str(failure), _PACED)
        elif failure is not None:
            remedy = _SET_CLOCKS if isinstance(failure, GatewayRejected) else _HALF_OPEN
            yield self._check("server time", Grade.DOWN, str(failure), remedy)

    # What lies beyond.

    def sign_tier(self, *, has_sign: bool | None) -> Iterator[HealthCheck]:
        if has_sign:
            yield self._check("upstream", Grade.OK, "the servers answered")
        elif has_sign is not None:
            yield self._check("upstream", Grade.DOWN, "no word of the servers, and none from them", _SILENT)

    def further_tiers(self) -> Iterator[HealthCheck]:
        yield from self._link.notices.checks()
        yield from self._data_path()
        yield from self._order_path()
        yield from self._services()
        yield from self._loop()

    def _data_path(self) -> Iterator[HealthCheck]:
        vitals = self._link.requests.vitals
        answered, failed = vitals.answered(*_DATA), vitals.failed(*_DATA)
        if failed is not None and (answered is None or failed.at > answered.at):
            known = _OF_DATA.get(failed.error)
            grade, remedy = known or (Grade.DEGRADED, _SEE)
            yield HealthCheck(
                name="data path", grade=grade, evidence=_told(failed), at=failed.at, remedy=remedy
            )
        elif answered is not None:
            evidence = f"{answered.subject} was answered"
            yield HealthCheck(name="data path", grade=Grade.OK, evidence=evidence, at=answered.at)

    def _order_path(self) -> Iterator[HealthCheck]:
        link = self._link
        if link.config.orders is OrderMode.DRY_RUN:
            yield self._check("order path", Grade.OK, "orders is DRY_RUN: none is sent")
            return
        unknown = [row.client_order_id for row in link.book.open_reports() if row.state is OrderState.UNKNOWN]
        failed, answered = link.requests.vitals.failed(*_ORDERS), link.requests.vitals.answered(*_ORDERS)
        if link.is_read_only:
            yield self._check(
                "order path", Grade.DOWN, "the Gateway refuses orders: its API is read-only", _READ_ONLY
            )
        elif unknown:
            evidence = f"nobody knows what became of {', '.join(unknown[:5])}"
            yield self._check("order path", Grade.DEGRADED, evidence, "read open_orders() and executions()")
        elif failed is not None and (answered is None or failed.at > answered.at):
            # A plain no, as to a what-if order, is an answer too.
            grade, remedy = (Grade.OK, "") if failed.is_answer else (Grade.DEGRADED, _SEE)
            yield HealthCheck(
                name="order path", grade=grade, evidence=_told(failed), at=failed.at, remedy=remedy
            )
        elif answered is not None:
            evidence = f"{answered.subject} were answered"
            yield HealthCheck(name="order path", grade=Grade.OK, evidence=evidence, at=answered.at)

    def _services(self) -> Iterator[HealthCheck]:
        for breaker in self._link.services:
            if breaker.state is not BreakerState.CLOSED:
                evidence = f"its circuit is {breaker.state}: {breaker.cause or 'it was opened by hand'}"
                wait = breaker.breaker.wait(loop_time())
                remedy = f"wait: in {wait:.0f} s one request may try whether it is well" if wait else _TRY
                yield self._check(f"service {breaker.name}", Grade.DEGRADED, evidence, remedy)

    def _loop(self) -> Iterator[HealthCheck]:
        if self._pulse.blocked:
            at, seconds = self._pulse.blocked[-1]
            is_recent = abs((self._now - at).total_seconds()) < _RECENT
            yield HealthCheck(
                name="loop",
                grade=Grade.DEGRADED if is_recent else Grade.OK,
                evidence=f"it did not run for about {seconds:.0f} s, so nothing was read",
                at=at,
                remedy=YIELD,
            )


def _remedy(failure: Exception) -> str:
    return next((text for kind, text in _REMEDIES.items() if isinstance(failure, kind)), "")


def _told(outcome: Outcome) -> str:
    code = "" if outcome.code is None else f", code {outcome.code}"
    return f"{outcome.subject} ended in {outcome.error}{code}"
