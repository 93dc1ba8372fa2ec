"""How patiently a session is sought, what to do meanwhile, and when a person should hear of it."""

from collections.abc import Iterable
from datetime import datetime

from ibkeel.ibkr.session import Session
from ibkeel.ibkr.states import SessionState
from ibkeel.ibkr.windows import ResetWindow, in_window
from ibkeel.resilience import Backoff


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
    return "it is being sought; watch health(), or call connect() to wait for it"


def _about_farms(session: Session, now: float) -> str | None:
    seconds = now - session.since
    names = ", ".join(map(str, session.farms))
    return f"broken for {seconds:.0f} s: {names}" if seconds >= session.policy.farm_patience else None


def _sought_for(session: Session, now: float) -> float:
    """Seconds without a session since the last reset window."""
    cut_off_for = session.cut_off_for(now)
    return cut_off_for if session.window_left_at is None else min(cut_off_for, now - session.window_left_at)
