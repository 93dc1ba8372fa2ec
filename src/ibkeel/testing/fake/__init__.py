"""A broker without a Gateway."""

from ibkeel.testing.fake.broker import FakeBroker
from ibkeel.testing.fake.script import KINDS, Call

__all__ = ["KINDS", "Call", "FakeBroker"]
