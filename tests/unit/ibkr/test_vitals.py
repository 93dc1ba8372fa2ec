from datetime import UTC, datetime, timedelta

from ibkeel.ibkr.pending import Outcome, Vitals
from ibkeel.resilience import RequestKind

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_what_failed_before_the_clock_was_set_back_is_not_the_latest():
    vitals = Vitals()
    vitals.note(RequestKind.QUOTE, Outcome(at=AT, subject="SPY", error="RequestTimeout"), 0.0)

    vitals.note(RequestKind.HISTORY, Outcome(at=AT - HOUR, subject="SPY"), 0.2)

    assert vitals.failed(RequestKind.QUOTE, RequestKind.HISTORY) is None
    assert vitals.answered(RequestKind.QUOTE, RequestKind.HISTORY) == Outcome(at=AT - HOUR, subject="SPY")
