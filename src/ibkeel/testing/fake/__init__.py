"""A broker without a Gateway."""

from ibkeel.testing.fake.broker import FakeBroker
from ibkeel.testing.fake.troubles import KINDS, Call

__all__ = ["KINDS", "Call", "FakeBroker"]
