"""Whatever the Gateway, the network and the calendar do, in whatever order: the session keeps its promises.

The model is the world: whether there is a socket, whether the servers behind the Gateway can be
reached, which farms are broken, whether what we know was compared with the venue since. It feeds
only what can happen in that world, so nothing may be impossible; and it knows no table.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ibkeel.ibkr.codes import Farm
from ibkeel.ibkr.notices import DataFarm
from ibkeel.ibkr.session import Session
from ibkeel.ibkr.states import SessionEvent, SessionPolicy, SessionState
from ibkeel.ibkr.windows import DEFAULT_WINDOWS
from ibkeel.resilience import Backoff

E, S = SessionEvent, SessionState
PROBES = 2
PATIENCE = 20
POLICY = SessionPolicy(
    reconnect=Backoff(attempts=None), probe_failures_before_reconnect=PROBES, upstream_patience=PATIENCE
)
NIGHT = DEFAULT_WINDOWS[0]
FARMS = [DataFarm(Farm.MARKET_DATA, "usfarm"), DataFarm(Farm.HISTORY, "ushmds")]


class SessionMachine(RuleBasedStateMachine):
    """A Gateway that does what it likes, a shell that reports it, and a person who asks."""

    def __init__(self):
        super().__init__()
        self.now = 0
        self.session = Session(policy=POLICY)
        self.wanted = False
        self.is_night = False
        self.era = 0  # rises when what a sync found out is worth nothing any more
        self.syncs = []  # (generation, era) in which it began
        self.probes = []
        self.cut_socket()

    @initialize()
    def ask_for_a_session(self):
        self.ask()

    # The world.

    def cut_socket(self):
        self.socket = False
        self.era += 1
        self.cut_off = False
        self.synced = False
        self.known = False  # the positions, since the link or the servers came back
        self.broken = set()

    def tell(self, event, **more):
        before = self.session
        self.session = before.on(event, self.now, **more)
        assert self.session.generation >= before.generation

    def heard(self):
        """Notices arrive on a socket, or in the middle of an attempt to get one."""
        return self.wanted

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds):
        self.now += seconds
        self.session = self.session.observe_window(NIGHT if self.is_night else None, self.now)

    @rule()
    def turn_day_and_night(self):
        self.is_night = not self.is_night

    @rule()
    def ask(self):
        self.tell(E.CONNECT_ASKED)
        self.wanted = True

    @rule()
    def disconnect(self):
        self.tell(E.DISCONNECT_ASKED)
        self.wanted = False
        self.cut_socket()
        assert self.session.state is S.STOPPED

    @precondition(lambda self: self.wanted and not self.socket)
    @rule(event=st.sampled_from([E.ATTEMPT_FAILED, E.ID_IN_USE]))
    def fail_to_connect(self, event):
        self.cut_socket()
        self.tell(event)

    @precondition(lambda self: self.wanted and not self.socket)
    @rule()
    def shake_hands(self):
        self.socket = True
        self.tell(E.HANDSHAKE_DONE, generation=self.session.generation)
        assert self.session.must_resubscribe

    @precondition(lambda self: self.wanted and not self.socket)
    @rule(event=st.sampled_from([E.REFUSED_FOR_GOOD, E.GIVEN_UP]))
    def stop_trying(self, event):
        self.tell(event)
        self.wanted = False
        self.cut_socket()

    @precondition(lambda self: self.session.state is S.SYNCING)
    @rule()
    def begin_sync(self):
        self.syncs.append((self.session.generation, self.era))

    @precondition(lambda self: self.syncs)
    @rule(works=st.sampled_from([True, True, False]))
    def end_sync(self, works):
        """Results may come late, of a sync that began on another link or before the data were lost."""
        begun, era = self.syncs.pop(0)
        if era == self.era and self.synced:
            return  # a second result of the same sync
        counts = era == self.era

        self.tell(E.SYNCED if works else E.SYNC_FAILED, generation=begun)

        if counts and works:
            self.synced = self.known = True
        elif counts:
            self.cut_socket()

    @rule(late=st.booleans(), farms=st.sets(st.sampled_from(FARMS)))
    def come_up(self, late, farms):
        """The usual way in one step, for else most stories would never get there."""
        if not self.wanted:
            self.ask()
        if not self.socket:
            self.shake_hands()
        if self.cut_off:
            self.restore_the_servers(E.RESTORED_DATA_LOST)
        if self.session.state is S.SYNCING:
            for farm in sorted(farms, key=str):
                self.break_a_farm(farm)
            self.begin_sync()
            if late:
                self.restore_the_servers(E.RESTORED_DATA_KEPT)
                self.begin_sync()
            while self.syncs:
                self.end_sync(works=True)
            assert self.session.may_request

    @precondition(lambda self: self.socket)
    @rule(event=st.sampled_from([E.LINK_LOST, E.PORT_RESET]))
    def lose_the_link(self, event):
        self.cut_socket()
        self.tell(event)

    @rule()
    def hear_a_late_loss(self):
        """A socket that is gone already reports it once more."""
        if not self.socket and self.session.state is not S.IDLE:
            before = self.session
            self.tell(E.LINK_LOST)
            assert self.session == before

    @precondition(heard)
    @rule()
    def cut_off_the_servers(self):
        self.cut_off, self.synced = True, False
        self.era += 1
        self.tell(E.UPSTREAM_LOST)

    @precondition(heard)
    @rule(event=st.sampled_from([E.RESTORED_DATA_LOST, E.RESTORED_DATA_KEPT]))
    def restore_the_servers(self, event):
        self.cut_off = self.synced = self.known = False
        self.era += 1
        self.tell(event)

    @precondition(heard)
    @rule(farm=st.sampled_from(FARMS))
    def break_a_farm(self, farm):
        self.broken.add(farm)
        self.tell(E.FARM_BROKEN, farm=farm)

    @precondition(heard)
    @rule(farm=st.sampled_from(FARMS))
    def mend_a_farm(self, farm):
        self.broken.discard(farm)
        self.tell(E.FARM_WELL, farm=farm)

    @precondition(lambda self: self.session.may_probe)
    @rule()
    def send_a_probe(self):
        self.probes.append(self.session.generation)

    @precondition(lambda self: self.probes)
    @rule(answered=st.booleans())
    def end_a_probe(self, answered):
        had_link = self.session.has_link

        self.tell(E.PROBE_ANSWERED if answered else E.PROBE_FAILED, generation=self.probes.pop(0))

        if had_link and not self.session.has_link:
            assert not answered
            self.cut_socket()

    @precondition(lambda self: self.socket)
    @rule()
    def hear_the_breaker(self):
        cures = self.session.may_request
        self.tell(E.BREAKER_RECONNECT)
        assert self.session.has_link is not cures
        if cures:
            self.cut_socket()

    # The promises.

    @invariant()
    def there_is_a_link_exactly_when_there_is_a_socket(self):
        assert self.session.has_link is self.socket
        assert self.session.wants_link is (self.wanted and not self.socket)

    @invariant()
    def nothing_is_asked_of_servers_out_of_reach_or_before_a_sync(self):
        assert self.session.may_request is (self.socket and self.synced and not self.cut_off)

    @invariant()
    def an_entry_needs_all_that_it_rests_on(self):
        serves = not any(farm.kind is Farm.MARKET_DATA for farm in self.broken)
        usable = self.socket and self.synced and not self.cut_off
        assert self.session.may_enter is (usable and serves)
        assert (self.session.state is S.READY) is (usable and not self.broken)

    @invariant()
    def an_exit_is_kept_back_only_when_it_could_not_go_or_the_position_is_not_known(self):
        assert self.session.may_exit is (self.socket and self.known)

    @invariant()
    def what_is_broken_is_remembered_and_nothing_else(self):
        assert set(self.session.farms) == self.broken
        assert self.session.is_cut_off is self.cut_off
        assert self.session.failures >= 0
        assert self.session.probe_failures < PROBES or self.session.state is S.UPSTREAM_LOST

    @invariant()
    def maintenance_is_for_those_without_a_link(self):
        if self.session.state is S.MAINTENANCE:
            assert not self.socket
            assert self.session.window

    @invariant()
    def no_time_lies_ahead(self):
        assert self.session.since <= self.now
        assert self.session.cut_off_for(self.now) >= 0


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
