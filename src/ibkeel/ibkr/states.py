"""The states of a session, which event leads from which to which, as tables, and how patient it is.

An event that is neither in `TRANSITIONS` nor in `IGNORED` for the present state means that two parts
of the program disagree about the world: it raises, and is never taken for harmless.
"""

import math
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkeel.errors import ConfigurationError, IbkeelError
from ibkeel.resilience import Backoff
from ibkeel.validators import number, optional, whole


class SessionState(StrEnum):
    """How far the session is, and what it is good for."""

    IDLE = "idle"
    """Nobody has asked for a session yet."""
    CONNECTING = "connecting"
    """The first attempt is under way."""
    SYNCING = "syncing"
    """There is a link; open orders, fills and ended orders are being compared."""
    READY = "ready"
    """Everything works, as far as anybody knows."""
    DEGRADED = "degraded"
    """Everything works, save what comes from a broken data farm."""
    UPSTREAM_LOST = "upstream lost"
    """There is a link to the Gateway, which has none to its servers."""
    RECONNECTING = "reconnecting"
    """There is no link; attempts follow each other with growing waits."""
    MAINTENANCE = "maintenance"
    """There is no link, at an hour at which that is normal; attempts follow each other patiently."""
    STOPPED = "stopped"
    """There is no link, and none is tried until somebody asks."""


class SessionEvent(StrEnum):
    """What can happen to a session."""

    CONNECT_ASKED = "connect asked"
    HANDSHAKE_DONE = "handshake done"
    HANDSHAKE_DONE_CUT_OFF = "handshake done, upstream lost"
    """Made by `Session.on` of `HANDSHAKE_DONE`, when 1100 or 2110 came before it."""
    SYNCED = "synced"
    SYNCED_IN_PART = "synced, a farm broken"
    """Made by `Session.on` of `SYNCED`, while a farm is broken."""
    SYNC_FAILED = "sync failed"
    LINK_LOST = "link lost"
    """The socket was closed, and not by us."""
    ATTEMPT_FAILED = "attempt failed"
    ID_IN_USE = "client id in use"
    """An attempt failed with 326: another session, or what is left of our own."""
    REFUSED_FOR_GOOD = "attempt refused for good"
    """No wait will help: the version or the account does not fit."""
    UPSTREAM_LOST = "1100, 2110"
    RESTORED_DATA_LOST = "1101"
    RESTORED_DATA_KEPT = "1102"
    FARM_BROKEN = "farm broken"
    FARM_WELL = "farm well, others broken"
    ALL_FARMS_WELL = "all farms well"
    PROBE_FAILED = "probe failed"
    PROBE_ANSWERED = "probe answered"
    PROBES_FAILED = "too many probes failed"
    """Made by `Session.on` of `PROBE_FAILED`, when so many in a row are enough."""
    BREAKER_RECONNECT = "breaker says reconnect"
    PORT_RESET = "1300"
    """The Gateway drops the link because its port was changed."""
    WINDOW_ENTERED = "reset window entered"
    WINDOW_LEFT = "reset window left"
    DISCONNECT_ASKED = "disconnect asked"
    GIVEN_UP = "given up"


class ImpossibleEvent(IbkeelError, RuntimeError):
    """A fault in ibkeel: an event came in a state in which it cannot happen."""

    def __init__(self, state: SessionState, event: SessionEvent) -> None:
        super().__init__(
            f"internal error: '{event}' ({event.name}) cannot happen while the session is '{state}' ({state.name}); "
            "nothing was changed. Please report this"
        )
        self.state, self.event = state, event


_S = SessionState


_E = SessionEvent


# Source: TWS API, "System Message Codes": 1100, 1101, 1102, 1300, 2110 and the farms' notices. What the
# rest leads to is ours. A row that stays in its state is there because the session remembers something.
TRANSITIONS: Final = MappingProxyType(
    {
        (_S.IDLE, _E.CONNECT_ASKED): _S.CONNECTING,
        (_S.IDLE, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.CONNECTING, _E.HANDSHAKE_DONE): _S.SYNCING,
        (_S.CONNECTING, _E.HANDSHAKE_DONE_CUT_OFF): _S.UPSTREAM_LOST,
        (_S.CONNECTING, _E.ATTEMPT_FAILED): _S.RECONNECTING,
        (_S.CONNECTING, _E.ID_IN_USE): _S.RECONNECTING,
        (_S.CONNECTING, _E.REFUSED_FOR_GOOD): _S.STOPPED,
        (_S.CONNECTING, _E.UPSTREAM_LOST): _S.CONNECTING,
        (_S.CONNECTING, _E.RESTORED_DATA_LOST): _S.CONNECTING,
        (_S.CONNECTING, _E.RESTORED_DATA_KEPT): _S.CONNECTING,
        (_S.CONNECTING, _E.FARM_BROKEN): _S.CONNECTING,
        (_S.CONNECTING, _E.FARM_WELL): _S.CONNECTING,
        (_S.CONNECTING, _E.ALL_FARMS_WELL): _S.CONNECTING,
        (_S.CONNECTING, _E.WINDOW_ENTERED): _S.CONNECTING,
        (_S.CONNECTING, _E.WINDOW_LEFT): _S.CONNECTING,
        (_S.CONNECTING, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.CONNECTING, _E.GIVEN_UP): _S.STOPPED,
        (_S.SYNCING, _E.SYNCED): _S.READY,
        (_S.SYNCING, _E.SYNCED_IN_PART): _S.DEGRADED,
        (_S.SYNCING, _E.SYNC_FAILED): _S.RECONNECTING,
        (_S.SYNCING, _E.LINK_LOST): _S.RECONNECTING,
        (_S.SYNCING, _E.REFUSED_FOR_GOOD): _S.STOPPED,
        (_S.SYNCING, _E.UPSTREAM_LOST): _S.UPSTREAM_LOST,
        (_S.SYNCING, _E.RESTORED_DATA_LOST): _S.SYNCING,
        (_S.SYNCING, _E.RESTORED_DATA_KEPT): _S.SYNCING,
        (_S.SYNCING, _E.FARM_BROKEN): _S.SYNCING,
        (_S.SYNCING, _E.FARM_WELL): _S.SYNCING,
        (_S.SYNCING, _E.ALL_FARMS_WELL): _S.SYNCING,
        (_S.SYNCING, _E.PORT_RESET): _S.RECONNECTING,
        (_S.SYNCING, _E.WINDOW_ENTERED): _S.SYNCING,
        (_S.SYNCING, _E.WINDOW_LEFT): _S.SYNCING,
        (_S.SYNCING, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.READY, _E.LINK_LOST): _S.RECONNECTING,
        (_S.READY, _E.UPSTREAM_LOST): _S.UPSTREAM_LOST,
        (_S.READY, _E.RESTORED_DATA_LOST): _S.SYNCING,
        (_S.READY, _E.RESTORED_DATA_KEPT): _S.SYNCING,
        (_S.READY, _E.FARM_BROKEN): _S.DEGRADED,
        (_S.READY, _E.PROBE_FAILED): _S.READY,
        (_S.READY, _E.PROBE_ANSWERED): _S.READY,
        (_S.READY, _E.PROBES_FAILED): _S.RECONNECTING,
        (_S.READY, _E.BREAKER_RECONNECT): _S.RECONNECTING,
        (_S.READY, _E.PORT_RESET): _S.RECONNECTING,
        (_S.READY, _E.WINDOW_ENTERED): _S.READY,
        (_S.READY, _E.WINDOW_LEFT): _S.READY,
        (_S.READY, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.DEGRADED, _E.LINK_LOST): _S.RECONNECTING,
        (_S.DEGRADED, _E.UPSTREAM_LOST): _S.UPSTREAM_LOST,
        (_S.DEGRADED, _E.RESTORED_DATA_LOST): _S.SYNCING,
        (_S.DEGRADED, _E.RESTORED_DATA_KEPT): _S.SYNCING,
        (_S.DEGRADED, _E.FARM_BROKEN): _S.DEGRADED,
        (_S.DEGRADED, _E.FARM_WELL): _S.DEGRADED,
        (_S.DEGRADED, _E.ALL_FARMS_WELL): _S.READY,
        (_S.DEGRADED, _E.PROBE_FAILED): _S.DEGRADED,
        (_S.DEGRADED, _E.PROBE_ANSWERED): _S.DEGRADED,
        (_S.DEGRADED, _E.PROBES_FAILED): _S.RECONNECTING,
        (_S.DEGRADED, _E.BREAKER_RECONNECT): _S.RECONNECTING,
        (_S.DEGRADED, _E.PORT_RESET): _S.RECONNECTING,
        (_S.DEGRADED, _E.WINDOW_ENTERED): _S.DEGRADED,
        (_S.DEGRADED, _E.WINDOW_LEFT): _S.DEGRADED,
        (_S.DEGRADED, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.UPSTREAM_LOST, _E.LINK_LOST): _S.RECONNECTING,
        (_S.UPSTREAM_LOST, _E.RESTORED_DATA_LOST): _S.SYNCING,
        (_S.UPSTREAM_LOST, _E.RESTORED_DATA_KEPT): _S.SYNCING,
        (_S.UPSTREAM_LOST, _E.FARM_BROKEN): _S.UPSTREAM_LOST,
        (_S.UPSTREAM_LOST, _E.FARM_WELL): _S.UPSTREAM_LOST,
        (_S.UPSTREAM_LOST, _E.ALL_FARMS_WELL): _S.UPSTREAM_LOST,
        (_S.UPSTREAM_LOST, _E.PROBE_FAILED): _S.UPSTREAM_LOST,
        (_S.UPSTREAM_LOST, _E.PROBE_ANSWERED): _S.UPSTREAM_LOST,
        (_S.UPSTREAM_LOST, _E.PROBES_FAILED): _S.RECONNECTING,
        (_S.UPSTREAM_LOST, _E.PORT_RESET): _S.RECONNECTING,
        (_S.UPSTREAM_LOST, _E.WINDOW_ENTERED): _S.UPSTREAM_LOST,
        (_S.UPSTREAM_LOST, _E.WINDOW_LEFT): _S.UPSTREAM_LOST,
        (_S.UPSTREAM_LOST, _E.REFUSED_FOR_GOOD): _S.STOPPED,
        (_S.UPSTREAM_LOST, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.RECONNECTING, _E.HANDSHAKE_DONE): _S.SYNCING,
        (_S.RECONNECTING, _E.HANDSHAKE_DONE_CUT_OFF): _S.UPSTREAM_LOST,
        (_S.RECONNECTING, _E.ATTEMPT_FAILED): _S.RECONNECTING,
        (_S.RECONNECTING, _E.ID_IN_USE): _S.RECONNECTING,
        (_S.RECONNECTING, _E.REFUSED_FOR_GOOD): _S.STOPPED,
        (_S.RECONNECTING, _E.UPSTREAM_LOST): _S.RECONNECTING,
        (_S.RECONNECTING, _E.RESTORED_DATA_LOST): _S.RECONNECTING,
        (_S.RECONNECTING, _E.RESTORED_DATA_KEPT): _S.RECONNECTING,
        (_S.RECONNECTING, _E.FARM_BROKEN): _S.RECONNECTING,
        (_S.RECONNECTING, _E.FARM_WELL): _S.RECONNECTING,
        (_S.RECONNECTING, _E.ALL_FARMS_WELL): _S.RECONNECTING,
        (_S.RECONNECTING, _E.WINDOW_ENTERED): _S.MAINTENANCE,
        (_S.RECONNECTING, _E.WINDOW_LEFT): _S.RECONNECTING,
        (_S.RECONNECTING, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.RECONNECTING, _E.GIVEN_UP): _S.STOPPED,
        (_S.MAINTENANCE, _E.HANDSHAKE_DONE): _S.SYNCING,
        (_S.MAINTENANCE, _E.HANDSHAKE_DONE_CUT_OFF): _S.UPSTREAM_LOST,
        (_S.MAINTENANCE, _E.ATTEMPT_FAILED): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.ID_IN_USE): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.REFUSED_FOR_GOOD): _S.STOPPED,
        (_S.MAINTENANCE, _E.UPSTREAM_LOST): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.RESTORED_DATA_LOST): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.RESTORED_DATA_KEPT): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.FARM_BROKEN): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.FARM_WELL): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.ALL_FARMS_WELL): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.WINDOW_ENTERED): _S.MAINTENANCE,
        (_S.MAINTENANCE, _E.WINDOW_LEFT): _S.RECONNECTING,
        (_S.MAINTENANCE, _E.DISCONNECT_ASKED): _S.STOPPED,
        (_S.MAINTENANCE, _E.GIVEN_UP): _S.STOPPED,
        (_S.STOPPED, _E.CONNECT_ASKED): _S.CONNECTING,
        (_S.STOPPED, _E.DISCONNECT_ASKED): _S.STOPPED,
    }
)


_WITHOUT_LINK: Final = (_S.IDLE, _S.CONNECTING, _S.RECONNECTING, _S.MAINTENANCE, _S.STOPPED)


_AT_REST: Final = (_S.IDLE, _S.STOPPED)


# What comes late, comes twice or tells nothing new. Everything else that is not above is a fault.
IGNORED: Final = MappingProxyType(
    {
        _E.CONNECT_ASKED: frozenset(
            {
                _S.CONNECTING,
                _S.SYNCING,
                _S.READY,
                _S.DEGRADED,
                _S.UPSTREAM_LOST,
                _S.RECONNECTING,
                _S.MAINTENANCE,
            }
        ),
        _E.SYNCED: frozenset({_S.UPSTREAM_LOST, _S.RECONNECTING, _S.MAINTENANCE, _S.STOPPED}),
        _E.SYNCED_IN_PART: frozenset({_S.UPSTREAM_LOST, _S.RECONNECTING, _S.MAINTENANCE, _S.STOPPED}),
        _E.SYNC_FAILED: frozenset({_S.UPSTREAM_LOST, _S.RECONNECTING, _S.MAINTENANCE, _S.STOPPED}),
        # The attempt reports its own end; a socket that we close ourselves reports one too.
        _E.LINK_LOST: frozenset({_S.CONNECTING, _S.RECONNECTING, _S.MAINTENANCE, _S.STOPPED}),
        _E.ATTEMPT_FAILED: frozenset({_S.STOPPED}),
        _E.ID_IN_USE: frozenset({_S.STOPPED}),
        _E.REFUSED_FOR_GOOD: frozenset({_S.STOPPED}),
        # The Gateway repeats 1100 for as long as the loss lasts.
        _E.UPSTREAM_LOST: frozenset({*_AT_REST, _S.UPSTREAM_LOST}),
        _E.RESTORED_DATA_LOST: frozenset(_AT_REST),
        _E.RESTORED_DATA_KEPT: frozenset(_AT_REST),
        _E.FARM_BROKEN: frozenset(_AT_REST),
        _E.FARM_WELL: frozenset(_AT_REST),
        # Farms that were never broken say that they are well at every start.
        _E.ALL_FARMS_WELL: frozenset({*_AT_REST, _S.READY}),
        _E.PROBE_FAILED: frozenset({*_WITHOUT_LINK, _S.SYNCING}),
        _E.PROBE_ANSWERED: frozenset({*_WITHOUT_LINK, _S.SYNCING}),
        # A new link to the same Gateway mends no loss behind it, and a sync finds out by itself.
        _E.BREAKER_RECONNECT: frozenset({*_WITHOUT_LINK, _S.SYNCING, _S.UPSTREAM_LOST}),
        _E.PORT_RESET: frozenset(_WITHOUT_LINK),
        _E.WINDOW_ENTERED: frozenset(_AT_REST),
        _E.WINDOW_LEFT: frozenset(_AT_REST),
        _E.GIVEN_UP: frozenset({_S.STOPPED}),
    }
)


def next_state(state: SessionState, event: SessionEvent) -> SessionState | None:
    """Where an event leads; None when it is to be ignored."""
    following = TRANSITIONS.get((state, event))
    if following is None and state not in IGNORED.get(event, ()):
        raise ImpossibleEvent(state, event)
    return following


def _seconds(least: float) -> Any:
    return number(
        f"a finite number from {least:g}", lambda value: least <= value < math.inf, ConfigurationError
    )


_optional_seconds: Final = optional(_seconds(0))
_count: Final = whole("a whole number from 1", lambda value: value >= 1, ConfigurationError)


@attrs.frozen(kw_only=True)
class SessionPolicy:
    """How a session that was lost is sought, and how long each trouble may last before a person hears of it.

    Args:
        reconnect: Waits between attempts; a loss counts as the first failure.
        id_in_use_wait: Least seconds to wait when the client id is in use; never is another id tried.
        id_in_use_spread: Jitter lengthens that wait by up to this fraction.
        window_pause: Seconds between attempts in a reset window.
        window_grace: After a reset window, seconds in which nobody is alarmed; also how long a
            session may be gone after the weekly login expired.
        link_patience: Seconds without a usable session before an alarm; one that is lost again within
            `restore_deadline` ends no trouble.
        upstream_patience: Seconds that the Gateway may lack its servers before an alarm; from then
            on failed probes lead to a new connection, too.
        farm_patience: Seconds that a data farm may be broken before an alarm.
        probe_failures_before_reconnect: So many failed probes in a row end the link.
        restore_deadline: Seconds in which a stream that was sent again must tick.
        stream_silence: Seconds without a tick after which a stream that used to tick, and whose market
            is open, is taken for dead; more for one that ticks seldom.
        sync_deadline: Seconds that a sync may take.
        give_up_after: Seconds without a session, reset windows apart, after which no more is
            tried; None means never.

    Raises:
        ConfigurationError: A figure is out of range.
    """

    reconnect: Backoff = attrs.field(factory=lambda: Backoff(first=1.0, factor=2.0, cap=60.0, attempts=None))
    id_in_use_wait: float = attrs.field(default=30.0, validator=_seconds(1))
    id_in_use_spread: float = attrs.field(default=1.0, validator=_seconds(0))
    window_pause: float = attrs.field(default=20.0, validator=_seconds(1))
    window_grace: float = attrs.field(default=300.0, validator=_seconds(0))
    link_patience: float = attrs.field(default=60.0, validator=_seconds(0))
    upstream_patience: float = attrs.field(default=120.0, validator=_seconds(0))
    farm_patience: float = attrs.field(default=300.0, validator=_seconds(0))
    probe_failures_before_reconnect: int = attrs.field(default=2, validator=_count)
    restore_deadline: float = attrs.field(default=30.0, validator=_seconds(1))
    stream_silence: float = attrs.field(default=60.0, validator=_seconds(1))
    sync_deadline: float = attrs.field(default=30.0, validator=_seconds(1))
    give_up_after: float | None = attrs.field(default=None, validator=_optional_seconds)
