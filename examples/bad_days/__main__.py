"""Writes the page: `python -m bad_days`, in `examples`."""

from bad_days.page import PAGE, day_of, written
from ibkeel.sim import Scenario

PAGE.write_text(written([day_of(name) for name in Scenario.names()]), encoding="utf-8")
