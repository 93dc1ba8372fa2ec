"""The session as a value: what may be sent, how patiently it is sought, and when a person should hear of it.

Each event gives a new one. It is told the time and reads no clock. The tables are in `ibkeel.ibkr.states`.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkeel.ibkr.codes import Farm
from ibkeel.ibkr.notices import DataFarm
from ibkeel.ibkr.states import SessionEvent, SessionPolicy, SessionState, next_state
from ibkeel.ibkr.windows import ResetWindow, in_window
from ibkeel.resilience import Backoff

_USABLE: Final = frozenset({SessionState.READY, SessionState.DEGRADED})
_LINKED: Final = _USABLE | {SessionState.SYNCING, SessionState.UPSTREAM_LOST}
_SEEKING: Final = frozenset({SessionState.CONNECTING, SessionState.RECONNECTING, SessionState.MAINTENANCE})

# After these an attempt, a sync or a probe that began before speaks of something that is gone.
_BEGINS_ANEW: Final = frozenset(
    {
        SessionEvent.CONNECT_ASKED,
        SessionEvent.HANDSHAKE_DONE,
        SessionEvent.HANDSHAKE_DONE_CUT_OFF,
        SessionEvent.SYNC_FAILED,
        SessionEvent.LINK_LOST,
        SessionEvent.REFUSED_FOR_GOOD,
        SessionEvent.UPSTREAM_LOST,
        SessionEvent.RESTORED_DATA_LOST,
        SessionEvent.RESTORED_DATA_KEPT,
        SessionEvent.PROBES_FAILED,
        SessionEvent.BREAKER_RECONNECT,
        SessionEvent.PORT_RESET,
        SessionEvent.DISCONNECT_ASKED,
        SessionEvent.GIVEN_UP,
    }
)
_ENDS_A_LINK: Final = frozenset(
    {
        SessionEvent.SYNC_FAILED,
        SessionEvent.LINK_LOST,
        SessionEvent.PROBES_FAILED,
        SessionEvent.BREAKER_RECONNECT,
        SessionEvent.PORT_RESET,
    }
)
_FAILED_ATTEMPT: Final = frozenset({SessionEvent.ATTEMPT_FAILED, SessionEvent.ID_IN_USE})
_STOPS: Final = frozenset(
    {SessionEvent.REFUSED_FOR_GOOD, SessionEvent.DISCONNECT_ASKED, SessionEvent.GIVEN_UP}
)
_TROUBLES: Final = _ENDS_A_LINK | _FAILED_ATTEMPT | {SessionEvent.UPSTREAM_LOST}

_NO_LINK: Final = MappingProxyType(
    {
        "farms": (),
        "id_in_use": False,
        "is_cut_off": False,
        "must_resubscribe": False,
        "probe_failures": 0,
        "was_synced": False,
    }
)
_NEW_LINK: Final = MappingProxyType({"id_in_use": False, "must_resubscribe": True, "probe_failures": 0})
_IN_STEP: Final = MappingProxyType(
    {"failures": 0, "cause": "", "must_resubscribe": False, "probe_failures": 0, "was_synced": True}
)
_REMEMBERED: Final[MappingProxyType[SessionEvent, MappingProxyType[str, Any]]] = MappingProxyType(
    {
        SessionEvent.HANDSHAKE_DONE: _NEW_LINK,
        SessionEvent.HANDSHAKE_DONE_CUT_OFF: _NEW_LINK,
        SessionEvent.SYNCED: _IN_STEP,
        SessionEvent.SYNCED_IN_PART: _IN_STEP,
        SessionEvent.UPSTREAM_LOST: MappingProxyType({"is_cut_off": True, "probe_failures": 0}),
        SessionEvent.RESTORED_DATA_LOST: MappingProxyType(
            {"is_cut_off": False, "must_resubscribe": True, "was_synced": False}
        ),
        SessionEvent.RESTORED_DATA_KEPT: MappingProxyType({"is_cut_off": False, "was_synced": False}),
        SessionEvent.ALL_FARMS_WELL: MappingProxyType({"farms": ()}),
        SessionEvent.PROBE_ANSWERED: MappingProxyType({"probe_failures": 0}),
        **dict.fromkeys(_ENDS_A_LINK | _FAILED_ATTEMPT | _STOPS, _NO_LINK),
    }
)
_UNNAMED_FARM: Final = DataFarm(Farm.MARKET_DATA, "unnamed")
_UNNAMED_WINDOW: Final = "reset window"


@attrs.frozen(kw_only=True)
class Session:
    """How far the session is.

    Args:
        policy: How it is sought.
        state: What it is good for.
        since: Since when, in monotonic seconds.
        failures: Losses and failed attempts in a row; those in a reset window do not count.
        probe_failures: Failed probes in a row.
        farms: The broken ones, sorted.
        cause: The last trouble, in words.
        last_lost_at: When a usable session was last lost or asked for, in monotonic seconds; one that did
            not last for `restore_deadline` ended no trouble, and its loss begins none.
        usable_since: When it last became usable, in monotonic seconds.
        window: Name of the reset window that it is in; empty outside of all.
        window_left_at: When the last one ended, in monotonic seconds.
        is_cut_off: Whether the Gateway has said that it lacks its servers, and not yet taken it back.
        id_in_use: Whether the last attempt failed because of the client id.
        must_resubscribe: Whether the next sync has to send all streams again.
        was_synced: Whether the books were compared on this link, and nothing was restored since.
        generation: Rises with every link, and with whatever makes an earlier sync worthless.
    """

    policy: SessionPolicy = attrs.field(factory=SessionPolicy)
    state: SessionState = SessionState.IDLE
    since: float = 0.0
    failures: int = 0
    probe_failures: int = 0
    farms: tuple[DataFarm, ...] = ()
    cause: str = ""
    last_lost_at: float | None = None
    usable_since: float = -math.inf
    window: str = ""
    window_left_at: float | None = None
    is_cut_off: bool = False
    id_in_use: bool = False
    must_resubscribe: bool = False
    was_synced: bool = False
    generation: int = 0

    @property
    def has_link(self) -> bool:
        """Whether there is a socket whose handshake is done."""
        return self.state in _LINKED

    @property
    def wants_link(self) -> bool:
        """Whether attempts are to be made."""
        return self.state in _SEEKING

    @property
    def may_request(self) -> bool:
        """Whether data may be asked for.

        Not while the servers are out of reach, when nothing would answer; not while orders and
        positions are being compared, for an answer might be older than what it is joined with.
        """
        return self.state in _USABLE

    @property
    def may_enter(self) -> bool:
        """Whether an order may open or enlarge a position.

        While a market data farm is broken it may not: which contracts a farm serves is not
        published, so any quote may be old, and a stop may rest on it. Broken history or
        definitions hinder only those requests, and these fail by themselves.
        """
        return not self.entry_refusal

    @property
    def may_exit(self) -> bool:
        """Whether an order may reduce a position.

        Even while the servers are out of reach: the Gateway keeps such an order and sends it when
        they are back. Not before the books have been compared on this link, for the position to be
        reduced is not known for sure.

        Source:
            TWS API, "Intelligent Order Resubmission".
        """
        return self.may_request or (self.state is SessionState.UPSTREAM_LOST and self.was_synced)

    @property
    def may_probe(self) -> bool:
        """Whether the server's time may be asked for."""
        return self.has_link

    @property
    def entry_refusal(self) -> str:
        """Why no position may be opened; empty when one may."""
        if self.state is SessionState.READY:
            return ""
        if self.state is not SessionState.DEGRADED:
            return f"the session is {self.state}" + (f": {self.cause}" if self.cause else "")
        broken = [str(farm) for farm in self.farms if farm.kind is Farm.MARKET_DATA]
        return f"{', '.join(broken)} broken: quotes may be old" if broken else ""

    def cut_off_for(self, now: float) -> float:
        """Seconds for which a session has been wanted and was not usable; 0 when there is nothing amiss."""
        if self.last_lost_at is None or self.state not in _LINKED - _USABLE | _SEEKING:
            return 0.0
        return now - self.last_lost_at

    def is_fresh(self, now: float) -> bool:
        """Whether it is usable, but has yet to last."""
        return self.state in _USABLE and now - self.usable_since < self.policy.restore_deadline

    def doubts_loss(self, now: float) -> bool:
        """Whether the servers have been said to be lost for so long that it is worth asking them."""
        return self.state is SessionState.UPSTREAM_LOST and now - self.since >= self.policy.upstream_patience

    def on(
        self,
        event: SessionEvent,
        now: float,
        *,
        cause: str = "",
        farm: DataFarm | None = None,
        generation: int | None = None,
    ) -> "Session":
        """The session after an event.

        Args:
            event: What happened.
            now: Monotonic seconds.
            cause: In words, for what went wrong.
            farm: Which, for `FARM_BROKEN` and `FARM_WELL`.
            generation: That of the session when the attempt, sync or probe began; the result of an
                older one changes nothing.
        """
        if generation is not None and generation != self.generation:
            return self
        event = self._refined(event, now, farm)
        following = next_state(self.state, event)
        if following is None:
            return self
        if event is SessionEvent.PROBE_ANSWERED and following is self.state and not self.probe_failures:
            return self  # the common case: one for each question that is asked
        was_usable, is_usable = self.state in _USABLE, following in _USABLE
        is_lost = was_usable and not is_usable and not self.is_fresh(now)
        if event is SessionEvent.CONNECT_ASKED:
            base, is_lost = Session(policy=self.policy), True
        else:
            base = attrs.evolve(self, **self._changed(event, now, farm))
        # A notice in the middle of an attempt does not make the attempt worthless.
        is_new = event in _BEGINS_ANEW and (following is not self.state or following is SessionState.SYNCING)
        return attrs.evolve(
            base,
            state=following,
            since=now if is_new or following is not self.state else self.since,
            cause=cause or (str(event) if event in _TROUBLES else base.cause),
            last_lost_at=now if is_lost else base.last_lost_at,
            usable_since=now if is_usable and not was_usable else base.usable_since,
            generation=self.generation + is_new,
        )

    def observe_window(self, window: ResetWindow | None, now: float) -> "Session":
        """The session after a look at the calendar; to be called before each attempt."""
        if not self.has_link and not self.wants_link:
            return self
        if window is None:
            is_in = self.window or self.state is SessionState.MAINTENANCE
            return self.on(SessionEvent.WINDOW_LEFT, now) if is_in else self
        if self.window == window.name and self.state is not SessionState.RECONNECTING:
            return self
        return attrs.evolve(self.on(SessionEvent.WINDOW_ENTERED, now), window=window.name)

    def _refined(self, event: SessionEvent, now: float, farm: DataFarm | None) -> SessionEvent:
        """Events that lead elsewhere because of what is remembered."""
        if event is SessionEvent.HANDSHAKE_DONE and self.is_cut_off:
            return SessionEvent.HANDSHAKE_DONE_CUT_OFF
        if event is SessionEvent.SYNCED and self.farms:
            return SessionEvent.SYNCED_IN_PART
        if event is SessionEvent.FARM_WELL and not self._without(farm):
            return SessionEvent.ALL_FARMS_WELL
        if event is SessionEvent.PROBE_FAILED and self._is_enough(now):
            return SessionEvent.PROBES_FAILED
        return event

    def _is_enough(self, now: float) -> bool:
        """Whether one more failed probe ends the link; without its servers a Gateway may owe an answer."""
        if self.state is SessionState.UPSTREAM_LOST and now - self.since < self.policy.upstream_patience:
            return False
        is_probed = self.state in _USABLE or self.state is SessionState.UPSTREAM_LOST
        return is_probed and self.probe_failures + 1 >= self.policy.probe_failures_before_reconnect

    def _without(self, farm: DataFarm | None) -> tuple[DataFarm, ...]:
        return tuple(other for other in self.farms if other != farm)

    def _changed(self, event: SessionEvent, now: float, farm: DataFarm | None) -> dict[str, Any]:
        changes = dict(_REMEMBERED.get(event, {}))
        if event in _ENDS_A_LINK:
            changes["failures"] = self.failures + 1
        elif event in _FAILED_ATTEMPT:
            changes["failures"] = self.failures + (self.state is not SessionState.MAINTENANCE)
            changes["id_in_use"] = event is SessionEvent.ID_IN_USE
        elif event is SessionEvent.PROBE_FAILED:
            changes["probe_failures"] = self.probe_failures + 1
        elif event is SessionEvent.FARM_BROKEN:
            changes["farms"] = tuple(sorted({*self.farms, farm or _UNNAMED_FARM}, key=str))
        elif event is SessionEvent.FARM_WELL:
            changes["farms"] = self._without(farm)
        elif event is SessionEvent.WINDOW_ENTERED:
            changes["window"] = self.window or _UNNAMED_WINDOW
        elif event is SessionEvent.WINDOW_LEFT:
            changes.update(window="", window_left_at=now, failures=min(self.failures, 1))
        return changes


def next_wait(
    session: Session,
    windows: Iterable[ResetWindow],
    wall: datetime,
    *,
    now: float,
    jitter: float = 0.0,
    backoff: Backoff | None = None,
) -> float | None:
    """Seconds to wait before the next attempt to connect; None when it is time to give up.

    In a reset window the pauses are all alike and nothing is given up. When the client id is in
    use, the wait is long: the Gateway may need that time to forget a session of our own, and
    another id would not see the orders of this one. `backoff` replaces the policy's, for the attempts that a
    caller waits for.
    """
    policy = session.policy
    pause = policy.id_in_use_wait * (1 + policy.id_in_use_spread * jitter) if session.id_in_use else 0.0
    if in_window(wall, windows) is not None:
        return max(pause, policy.window_pause)
    if policy.give_up_after is not None and _sought_for(session, now) >= policy.give_up_after:
        return None
    if not session.failures:
        return 0.0
    wait = (backoff or policy.reconnect).wait(session.failures, jitter=jitter)
    return None if wait is None else max(pause, wait)


def alarm(session: Session, windows: Iterable[ResetWindow], wall: datetime, *, now: float) -> str | None:
    """Why a person should hear of the session now; None when there is no reason, or not yet.

    In a reset window, and for a while after it, there is none. The hours after a weekly login has
    expired are an exception, for only a person can log in; there more patience is shown, though.
    """
    policy, window = session.policy, in_window(wall, windows)
    is_after_window = (
        session.window_left_at is not None and now - session.window_left_at < policy.window_grace
    )
    if is_after_window or (window is not None and not window.needs_login):
        return None
    if session.state is SessionState.DEGRADED:
        return _about_farms(session, now)
    cut_off_for = session.cut_off_for(now)
    is_upstream = session.state is SessionState.UPSTREAM_LOST
    patience = policy.upstream_patience if is_upstream else policy.link_patience
    if window is not None:
        patience = max(patience, policy.window_grace)
    if not cut_off_for or cut_off_for < patience:
        return None
    lasting = "lasting " if session.usable_since > now - cut_off_for else ""
    what = f"the Gateway has no {lasting}link to its servers" if is_upstream else f"no {lasting}session"
    why = (
        f"{window.name}, log in to the Gateway"
        if window is not None
        else session.cause or "no cause is known"
    )
    return f"{what} for {cut_off_for:.0f} s: {why}"


def advice(session: Session) -> str:
    """What to do when a session refuses a request."""
    if session.state is SessionState.IDLE:
        return "call connect() first, or use the broker in 'async with'"
    if session.state is SessionState.STOPPED:
        return "call connect() to begin again"
    if session.state is SessionState.UPSTREAM_LOST:
        passes = (
            "exits and cancels still pass" if session.may_exit else "cancels still pass, exits once they are"
        )
        return f"the Gateway says when its servers are back; {passes}"
    return "it is being sought; ready() waits for it, health() tells how it stands"


def _about_farms(session: Session, now: float) -> str | None:
    seconds = now - session.since
    names = ", ".join(map(str, session.farms))
    return f"broken for {seconds:.0f} s: {names}" if seconds >= session.policy.farm_patience else None


def _sought_for(session: Session, now: float) -> float:
    """Seconds without a session since the last reset window."""
    cut_off_for = session.cut_off_for(now)
    return cut_off_for if session.window_left_at is None else min(cut_off_for, now - session.window_left_at)
