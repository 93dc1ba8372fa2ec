"""Looks at the venue's own book: what a bot holds, what works for it, and for how long something has been wrong."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from benchmarks.campaign_vigil import STOPS, NotedVenue
from benchmarks.days_life import Ears, Life
from benchmarks.days_market import DaysMarket
from benchmarks.days_plan import ENDS_BEFORE
from ibkeel.clock import Clock
from ibkeel.sim.values import Execution, SimOrder

__all__ = ["DEADLINE", "LOOK", "Bot", "Vigil"]

LOOK = 2.0
"""Seconds between two looks while the market is open."""
DEADLINE = 45.0
"""Good seconds that something may be wrong, and nobody be told."""
_UNHEARD = 60.0
"""More of them after what no bot is told of: what others trade is found by a look once a minute."""
_LONG = 300.0  # good seconds that a position may be bare though somebody was told
_ABOUT = 10.0
_STALL = 240.0
_SETTLES = 60.0
_CYCLES = 4


@attrs.define(kw_only=True, eq=False)
class _Wrong:
    """Something that is wrong: since when, for how many good seconds, and how many alarms there were before."""

    since: datetime
    alarms: int
    good: float = 0.0


@attrs.define(kw_only=True, eq=False)
class Bot:
    """What is known of one bot from outside.

    Args:
        client_id: Its own.
        ears: What it told.
    """

    client_id: int
    ears: Ears
    life: Life | None = None
    clear_at: datetime | None = None
    """Until when a trouble may last."""
    good: float = 0.0
    """Seconds that it had a good link, all together."""
    at: list[datetime] = attrs.field(factory=list)
    goods: list[float] = attrs.field(factory=list)
    bought: Counter[int] = attrs.field(factory=Counter)
    wrong: "dict[tuple[str, int], _Wrong]" = attrs.field(factory=dict)
    waits: float = 0.0
    """Good seconds within a session since a cycle began."""
    cycles: int = 0

    def good_at(self, at: datetime) -> float:
        """Its good seconds up to an instant."""
        found = bisect_right(self.at, at)
        return self.goods[found - 1] if found else 0.0


@attrs.frozen(kw_only=True)
class _Book:
    """The venue's book at an instant: positions by contract, and orders that sell."""

    held: Counter[int]
    sells: tuple[SimOrder, ...]
    live: dict[tuple[int, int], SimOrder]


class Vigil:
    """Watches a venue and the bots on it.

    Args:
        venue: Whom to watch.
        market: Its sessions.
        clock: The right one.
        bots: Whom to watch.
        acted: When a person last did something with a contract.
        trace: Told what is seen, in words.
    """

    def __init__(
        self,
        venue: NotedVenue,
        market: DaysMarket,
        clock: Clock,
        bots: Sequence[Bot],
        acted: Mapping[int, datetime],
        trace: Callable[[str], None],
    ) -> None:
        self._venue, self._market, self._clock = venue, market, clock
        self._bots, self._acted, self._trace = bots, acted, trace
        self._traded: dict[int, dict[int, datetime]] = defaultdict(dict)
        self._happened = -1
        self._seen = 0
        self._book = _Book(held=Counter(), sells=(), live={})
        self.wrongs: dict[str, list[str]] = defaultdict(list)
        self.long_bare: list[str] = []

    def look(self, seconds: float) -> None:
        """Look once.

        Args:
            seconds: Since the last look.
        """
        now = self._clock.now()
        if self._happened != self._venue.happened:
            self._happened = self._venue.happened
            self._read()
        for bot in self._bots:
            is_good = _is_good(bot, now)
            bot.good += seconds if is_good else 0.0
            bot.at.append(now)
            bot.goods.append(bot.good)
            present = dict(self._found(bot, now))
            for key in [key for key in bot.wrong if key not in present]:
                self._trace(f"MENDED {key} after {bot.wrong[key].good:g} good seconds")
                del bot.wrong[key]
            for key, words in present.items():
                self._note(bot, key, words, seconds if is_good else 0.0)
            self._mind_cycles(bot, now, seconds, is_good=is_good)

    def ends_session(self, day: int) -> None:
        """The market has closed: what ends with the session is gone, or somebody was told."""
        closes_at = self._market.sessions_of_run()[day].closes_at
        begins = closes_at - timedelta(seconds=ENDS_BEFORE)
        for bot in self._bots:
            life = bot.life
            if (
                life is None
                or life.plan.runner["end_of_day"] == "hold"
                or life.plan.manners in {"wishes", "whims"}
            ):
                continue
            has_time = bot.good_at(closes_at) - bot.good_at(begins) >= ENDS_BEFORE / 2
            was_told = any(at >= begins for at, _ in bot.ears.alarms) or any(
                at >= begins and (held is None or held > 0) for at, held in bot.ears.closed
            )
            left = [con_id for con_id in bot.bought if self._is_held_by(bot, con_id)]
            if left and has_time and not was_told:
                self.wrongs["left_open"].append(
                    f"bot {bot.client_id} left {left} on day {day}, and told nobody"
                )

    def _read(self) -> None:
        for fill, _ in self._venue.executions()[self._seen :]:
            self._seen += 1
            self._take(fill)
        orders = self._venue.open_orders()
        self._book = _Book(
            held=Counter({row.contract.con_id: int(row.quantity) for row in self._venue.positions()}),
            sells=tuple(row for row in orders if row.action == "SELL"),
            live={(row.client_id, row.order_id): row for row in orders},
        )

    def _take(self, fill: Execution) -> None:
        self._traded[fill.contract.con_id][fill.client_id] = fill.at
        for bot in self._bots:
            if bot.client_id == fill.client_id:
                bot.bought[fill.contract.con_id] += int(fill.quantity) * (1 if fill.side == "BOT" else -1)

    def is_flat(self, bot: Bot) -> bool:
        """Whether a bot holds nothing and no entry of its works."""
        self._read()
        return not any(self._is_held_by(bot, con_id) for con_id in bot.bought) and not any(
            row.client_id == bot.client_id and row.action == "BUY" for row in self._book.live.values()
        )

    def _is_held_by(self, bot: Bot, con_id: int) -> bool:
        return bot.bought[con_id] > 0 and self._book.held[con_id] > 0

    def _found(self, bot: Bot, now: datetime) -> Iterable[tuple[tuple[str, int], str]]:
        """What is wrong now."""
        if self._is_trading(now):
            for con_id in bot.bought:
                if self._is_held_by(bot, con_id):
                    held, covered = self._book.held[con_id], self._covered(con_id)
                    if covered < held:
                        yield ("bare", con_id), f"{held} of {con_id} held, {covered} covered"
        own = [row for row in self._book.sells if row.client_id == bot.client_id]
        for con_id in {row.contract.con_id for row in own}:
            selling = self._units(row for row in own if row.contract.con_id == con_id)
            held = max(self._book.held[con_id], 0)
            if selling > held:
                yield ("excess", con_id), f"{held} of {con_id} held, orders for {selling} work"

    def _covered(self, con_id: int) -> int:
        return self._units(
            row
            for row in self._book.sells
            if row.contract.con_id == con_id and (row.order_type in STOPS or row.order_type == "MKT")
        )

    def _units(self, orders: Iterable[SimOrder]) -> int:
        """Contracts that orders can sell; of a family one fills, and only what its entry has filled."""
        units: dict[str, float] = {}
        for order in orders:
            parent = self._book.live.get((order.client_id, order.parent_id)) if order.parent_id else None
            left = order.quantity - order.filled if parent is None else self._left_of_family(parent)
            family = (
                f"child of {order.client_id}/{order.parent_id}" if order.parent_id else str(order.perm_id)
            )
            key = order.oca_group or family
            units[key] = max(units.get(key, 0.0), left)
        return int(sum(units.values()))

    def _left_of_family(self, parent: SimOrder) -> float:
        own = (
            row
            for row in self._book.sells
            if (row.client_id, row.parent_id) == (parent.client_id, parent.order_id)
        )
        return parent.filled - sum(row.filled for row in own)

    def _note(self, bot: Bot, key: tuple[str, int], words: str, seconds: float) -> None:
        if key not in bot.wrong:
            bot.wrong[key] = _Wrong(since=self._clock.now(), alarms=len(bot.ears.alarms))
            self._trace(f"WRONG {key} bot {bot.client_id}: {words}")
        wrong = bot.wrong[key]
        before, after = wrong.good, wrong.good + seconds
        wrong.good = after
        was_told = len(bot.ears.alarms) > wrong.alarms
        limit = DEADLINE + (_UNHEARD if self._is_unheard(bot, key[1], wrong.since) else 0.0)
        if before < limit <= after and not was_told:
            now = self._clock.now()
            self.wrongs[key[0]].append(
                f"bot {bot.client_id}, {now:%d %H:%M:%S}: {words}, and nobody was told"
            )
        if before < _LONG <= after:
            self.long_bare.append(f"{key[0]}: bot {bot.client_id}, {self._clock.now():%d %H:%M:%S}: {words}")

    def _is_unheard(self, bot: Bot, con_id: int, since: datetime) -> bool:
        """Whether somebody else traded the contract, or wanted to, about when it began or later."""
        others = [at for client_id, at in self._traded[con_id].items() if client_id != bot.client_id]
        others += filter(None, (self._acted.get(con_id),))
        return any(at >= since - timedelta(seconds=_ABOUT) for at in others)

    def _mind_cycles(self, bot: Bot, now: datetime, seconds: float, *, is_good: bool) -> None:
        if bot.cycles != len(bot.ears.cycles) or bot.life is None or bot.life.is_dead:
            bot.cycles, bot.waits = len(bot.ears.cycles), 0.0
            return
        interval = bot.life.plan.runner["interval"]
        if is_good and self._is_cycling(now + bot.life.clock.ahead, interval):
            before = bot.waits
            bot.waits += seconds
            limit = _CYCLES * interval + _STALL
            if before < limit <= bot.waits:
                self.wrongs["stalled"].append(
                    f"bot {bot.client_id}, {now:%d %H:%M:%S}: no cycle for {limit:g} s"
                )

    def _is_cycling(self, at: datetime, interval: float) -> bool:
        return any(
            session.opens_at + timedelta(seconds=interval)
            < at
            < session.closes_at - timedelta(seconds=ENDS_BEFORE)
            for session in self._market.sessions_of_run()
        )

    def _is_trading(self, at: datetime) -> bool:
        """Whether the market is open, and has been for a minute."""
        return any(
            session.opens_at + timedelta(seconds=_SETTLES) <= at < session.closes_at
            for session in self._market.sessions_of_run()
        )


def _is_good(bot: Bot, now: datetime) -> bool:
    return bot.life is not None and bot.life.is_up and (bot.clear_at is None or now > bot.clear_at)
