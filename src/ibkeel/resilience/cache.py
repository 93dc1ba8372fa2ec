"""What was answered before, and for how long that may be believed.

A refusal is remembered like an answer, for a shorter time: to ask again for a contract that does
not exist costs as much as the first time.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from enum import StrEnum
from typing import Generic, TypeVar

import attrs

from ibkeel.errors import CircuitOpen, InvalidInput, RequestFailed
from ibkeel.validators import count, from_zero, seconds

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class CacheKind(StrEnum):
    """Kinds of answer, each with a lifetime of its own."""

    DEFINITIONS = "definitions"
    CHAINS = "chains"
    BARS = "bars"


def _kept(instance: "Lifetime", _: object, value: float | None) -> None:
    if value is not None and not instance.fresh <= value < math.inf:
        raise InvalidInput(
            f"Lifetime.kept is {value!r} s; valid: finite and at least fresh, {instance.fresh} s, or None"
        )


@attrs.frozen(kw_only=True)
class Lifetime:
    """For how long an answer is good.

    Args:
        fresh: Seconds in which it is as good as a new one.
        kept: Seconds in which it may be shown as old; None: no longer than it is fresh.
        negative: Seconds for which a refusal is remembered; 0: not at all.
        ends_with_session: Whether a new session makes it worthless.

    Raises:
        InvalidInput: A figure is out of range.
    """

    fresh: float = attrs.field(validator=seconds)
    kept: float | None = attrs.field(default=None, validator=_kept)
    negative: float = attrs.field(default=600.0, validator=from_zero)
    ends_with_session: bool = False

    @property
    def longest(self) -> float:
        """Seconds after which the answer is forgotten."""
        return self.fresh if self.kept is None else self.kept


_ONE_DAY = 86_400.0


@attrs.frozen(kw_only=True)
class CachePolicy:
    """How long each kind of answer is good, and how many are kept.

    Args:
        definitions: Contracts; what they are may change overnight, when the Gateway restarts.
        chains: Expiries and strikes of an underlying.
        bars: Historical bars, of which the last one grows.
        most: How many answers and refusals are kept; whatever was not looked at for longest goes first.

    Raises:
        InvalidInput: `most` is below 1.
    """

    definitions: Lifetime = attrs.field(factory=lambda: Lifetime(fresh=_ONE_DAY, ends_with_session=True))
    chains: Lifetime = attrs.field(factory=lambda: Lifetime(fresh=_ONE_DAY))
    bars: Lifetime = attrs.field(factory=lambda: Lifetime(fresh=60.0, kept=900.0, negative=60.0))
    most: int = attrs.field(default=4096, validator=count)

    def of(self, kind: CacheKind) -> Lifetime:
        """How long one kind of answer is good."""
        lifetime: Lifetime = getattr(self, kind)
        return lifetime


@attrs.frozen(kw_only=True)
class Fresh(Generic[V]):
    """An answer as good as a new one.

    Args:
        value: The answer.
        age: Seconds since it came.
    """

    value: V
    age: float


@attrs.frozen(kw_only=True)
class Stale(Generic[V]):
    """An answer that is no longer fresh: fit to be shown with its age, not to be acted upon.

    Args:
        value: The answer.
        age: Seconds since it came.
    """

    value: V
    age: float


@attrs.frozen(kw_only=True)
class Refused:
    """A refusal that is still remembered.

    Args:
        error_type: Its type.
        message: Its message.
        code: The Gateway's number, if there was one.
        age: Seconds since it came.
        wait: Seconds until asking again is worth while.
    """

    error_type: type[RequestFailed]
    message: str
    code: int | None
    age: float
    wait: float

    def as_error(self) -> RequestFailed:
        """The refusal again, as a new error to be raised."""
        return self.error_type(self.message, code=self.code)


@attrs.frozen
class _Refusal:
    error_type: type[RequestFailed]
    message: str
    code: int | None


@attrs.frozen
class _Entry(Generic[V]):
    content: V | _Refusal
    came_at: float
    lifetime: Lifetime

    def ends_at(self) -> float:
        lasts = self.lifetime.negative if isinstance(self.content, _Refusal) else self.lifetime.longest
        return self.came_at + lasts

    def seen(self, now: float) -> "Fresh[V] | Stale[V] | Refused":
        content, age = self.content, now - self.came_at
        if isinstance(content, _Refusal):
            return Refused(
                error_type=content.error_type,
                message=content.message,
                code=content.code,
                age=age,
                wait=self.ends_at() - now,
            )
        is_fresh = now < self.came_at + self.lifetime.fresh
        return Fresh(value=content, age=age) if is_fresh else Stale(value=content, age=age)


class Cache(Generic[K, V]):
    """Remembers answers and refusals by key. It knows no clock: each call is told the time.

    Values are handed out as they are, so they must not be changed.

    Args:
        policy: How long each kind of answer is good, and how many are kept.

    Examples:
        >>> cache = Cache[str, int]()
        >>> cache.put("SPY", 756733, now=0.0, kind=CacheKind.DEFINITIONS)
        >>> cache.get("SPY", now=60.0)
        Fresh(value=756733, age=60.0)
        >>> cache.get("SPY", now=86_400.0) is None
        True
    """

    def __init__(self, policy: CachePolicy | None = None) -> None:
        self.policy = policy or CachePolicy()
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now: float) -> Fresh[V] | Stale[V] | Refused | None:
        """What is remembered; None when nothing is.

        Args:
            key: As it was put.
            now: Monotonic seconds.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.ends_at():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry.seen(now)

    def put(self, key: K, value: V, now: float, *, kind: CacheKind) -> None:
        """Remember an answer, in place of whatever was remembered.

        Args:
            key: What was asked.
            value: The answer.
            now: Monotonic seconds.
            kind: Says how long it is good.
        """
        self._remember(key, _Entry(value, now, self.policy.of(kind)))

    def refuse(self, key: K, error: RequestFailed, now: float, *, kind: CacheKind) -> None:
        """Remember a refusal, in place of whatever was remembered.

        Args:
            key: What was asked.
            error: Its type, message and code are kept, the rest is not.
            now: Monotonic seconds.
            kind: Says how long it is remembered.

        Raises:
            InvalidInput: It is `CircuitOpen`, which says nothing about what was asked.
        """
        if isinstance(error, CircuitOpen):
            raise InvalidInput(f"{error} is no answer; remember the errors that the service sent")
        lifetime = self.policy.of(kind)
        if lifetime.negative:
            self._remember(key, _Entry(_Refusal(type(error), str(error), error.code), now, lifetime))
        else:
            self.forget(key)

    def forget(self, key: K) -> None:
        """Remember nothing of one key, be there anything or not."""
        self._entries.pop(key, None)

    def end_session(self) -> None:
        """Forget what does not outlive a session, answers and refusals."""
        self._entries = OrderedDict(
            (key, entry) for key, entry in self._entries.items() if not entry.lifetime.ends_with_session
        )

    def forget_kind(self, kind: CacheKind) -> None:
        """Forget all answers and refusals of one kind, and of those that share its lifetime."""
        lifetime = self.policy.of(kind)
        for key in [key for key, entry in self._entries.items() if entry.lifetime is lifetime]:
            del self._entries[key]

    def clear(self) -> None:
        """Remember nothing."""
        self._entries.clear()

    def _remember(self, key: K, entry: _Entry[V]) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > self.policy.most:
            self._entries.popitem(last=False)
