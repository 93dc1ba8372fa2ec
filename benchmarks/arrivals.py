"""Who asks when, and how fast it could go: reckoned apart from every limiter."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final

from ibkeel.resilience import Lane, Request

__all__ = [
    "HISTORY_LIMITS",
    "burst",
    "histories",
    "history_bound",
    "history_breaches",
    "optimum",
    "over_limit",
    "steady",
]

PHASE: Final = 0.55
HISTORY_LIMITS: Final = (
    # key of a request (None: not counted), limit, seconds, whether BID_ASK counts twice
    (lambda request: request.identity or None, 1, 15.0, False),
    (lambda request: (request.subject, request.feed), 5, 2.0, True),
    (lambda _: "", 60, 600.0, True),
)


def burst(number: int) -> list[float]:
    """All at once, from idle."""
    return [PHASE] * number


def steady(number: int, rate: float) -> list[float]:
    """One after another, from idle."""
    return [PHASE + place / rate for place in range(number)]


def optimum(arrivals: Sequence[float], limit: int, seconds: float) -> float:
    """From the first arrival to the last grant, as fast as a sliding window allows."""
    grants: list[float] = []
    for place, at in enumerate(arrivals):
        earliest = grants[place - limit] + seconds if place >= limit else at
        grants.append(max(at, earliest))
    return grants[-1] - arrivals[0]


def over_limit(times: Iterable[float], limit: int, seconds: float) -> int:
    """Arrivals at the receiver that were one too many in the window that they end."""
    window: deque[float] = deque()
    breaches = 0
    for at in times:
        while window and at - window[0] >= seconds:
            window.popleft()
        window.append(at)
        breaches += len(window) > limit
    return breaches


def histories() -> dict[str, list[Request]]:
    """Workloads that each have another of the historical rules as their narrow place."""
    return {
        "all together": [
            _history(place % 37, place, "BID_ASK" if place % 5 == 0 else "TRADES") for place in range(300)
        ],
        "with repeats": [_history(place % 20, place % 60, "TRADES") for place in range(240)],
        "identical": [_history(0, 0, "TRADES") for _ in range(20)]
        + [_history(n, n, "TRADES") for n in range(1, 36)],
        "one contract": [_history(0, place, "TRADES") for place in range(45)],
    }


def _history(subject: int, identity: int, feed: str) -> Request:
    return Request(
        kind="history",
        lane=Lane.HISTORY,
        subject=f"S{subject}",
        feed=feed,
        identity=f"S{subject} {identity} {feed}",
    )


def _weight(request: Request, *, twice: bool) -> int:
    return 2 if twice and request.feed == "BID_ASK" else 1


def history_bound(requests: Sequence[Request]) -> float:
    """Seconds that no schedule can beat: the slowest of the rules, each taken alone."""
    worst = 0.0
    for key_of, limit, seconds, twice in HISTORY_LIMITS:
        weights: Counter[object] = Counter()
        for request in requests:
            weights[key_of(request)] += _weight(request, twice=twice)
        heaviest = max(weights.values())
        worst = max(worst, (-(-heaviest // limit) - 1) * seconds)
    return worst


def history_breaches(received: Sequence[tuple[float, Request]]) -> int:
    """Requests that broke any historical rule as the receiver counts."""
    breaches = 0
    for key_of, limit, seconds, twice in HISTORY_LIMITS:
        windows: dict[object, deque[tuple[float, int]]] = {}
        for at, request in received:
            window = windows.setdefault(key_of(request), deque())
            while window and at - window[0][0] >= seconds:
                window.popleft()
            window.append((at, _weight(request, twice=twice)))
            breaches += sum(weight for _, weight in window) > limit
    return breaches
