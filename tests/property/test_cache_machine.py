"""Whatever is put, refused, looked up and forgotten, in whatever order: a list remembers the same.

Time is in whole seconds. The model is a list, the most lately used last.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ibkeel.errors import NoData
from ibkeel.resilience import Cache, CacheKind, CachePolicy, Fresh, Lifetime, Refused, Stale

MOST = 3
#                         fresh kept negative, ends with the session
LIFE = {
    CacheKind.DEFINITIONS: (20, 20, 6, True),
    CacheKind.CHAINS: (15, 15, 0, False),
    CacheKind.BARS: (5, 12, 4, False),
}
POLICY = CachePolicy(
    most=MOST,
    **{
        kind.value: Lifetime(fresh=fresh, kept=kept, negative=negative, ends_with_session=ends)
        for kind, (fresh, kept, negative, ends) in LIFE.items()
    },
)
KEYS = st.sampled_from("abcd")
KINDS = st.sampled_from(CacheKind)


class CacheMachine(RuleBasedStateMachine):
    """One cache and one list."""

    def __init__(self):
        super().__init__()
        self.now = 0
        self.cache = Cache(POLICY)
        self.rows = []  # (key, value or None when it was refused, came at, kind)
        self.values = 0

    def drop(self, key):
        self.rows = [row for row in self.rows if row[0] != key]

    def add(self, row):
        self.drop(row[0])
        self.rows = [*self.rows, row][-MOST:]

    @rule(seconds=st.integers(0, 4))
    def wait(self, seconds):
        self.now += seconds

    @rule(key=KEYS, kind=KINDS)
    def put(self, key, kind):
        self.values += 1
        self.cache.put(key, self.values, self.now, kind=kind)
        self.add((key, self.values, self.now, kind))

    @rule(key=KEYS, kind=KINDS)
    def refuse(self, key, kind):
        self.cache.refuse(key, NoData(f"{key} at {self.now}"), self.now, kind=kind)
        self.drop(key)
        if LIFE[kind][2]:
            self.add((key, None, self.now, kind))

    @rule(key=KEYS)
    def get(self, key):
        seen = self.cache.get(key, self.now)

        row = next((row for row in self.rows if row[0] == key), None)
        expected = None if row is None else self.expected(*row)
        assert seen == expected
        self.drop(key)
        if expected is not None:
            self.rows.append(row)

    def expected(self, key, value, came_at, kind):
        age = self.now - came_at
        fresh, kept, negative, _ = LIFE[kind]
        if value is None:
            said = Refused(
                error_type=NoData, message=f"{key} at {came_at}", code=None, age=age, wait=negative - age
            )
            return said if age < negative else None
        if age < fresh:
            return Fresh(value=value, age=age)
        return Stale(value=value, age=age) if age < kept else None

    @rule(keys=st.permutations("abcd"))
    def look_at_one_and_crowd_out_another(self, keys):
        *kept, newcomer = keys
        for key in kept:
            self.put(key, CacheKind.CHAINS)
        self.get(kept[0])
        self.put(newcomer, CacheKind.CHAINS)
        for key in keys:
            self.get(key)

    @rule(key=KEYS)
    def forget(self, key):
        self.cache.forget(key)
        self.drop(key)

    @rule()
    def end_session(self):
        self.cache.end_session()
        self.rows = [row for row in self.rows if not LIFE[row[3]][3]]

    @invariant()
    def it_is_as_long_as_the_list_and_never_longer_than_allowed(self):
        assert len(self.cache) == len(self.rows) <= MOST


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
