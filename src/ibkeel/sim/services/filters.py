"""Which executions a client wants to be told about."""

from datetime import date, datetime, timedelta
from typing import Any, Final

from ibkeel.errors import WireError
from ibkeel.sim.values import Execution
from ibkeel.sim.wire import parse_instant, parse_zone
from ibkeel.sim.world import World

_SIDES: Final = {"BUY": "BOT", "SELL": "SLD", "BOT": "BOT", "SLD": "SLD"}
_MOST_DAYS: Final = 7  # the longest trade log of a TWS


def is_wanted(world: World, execution: Execution, values: dict[str, Any], now: datetime) -> bool:
    """Whether an execution is of the days asked for and passes the filter; empty fields pass all."""
    zone = parse_zone(world.settings.timezone)
    day = execution.at.astimezone(zone).date()
    if not _is_of_days(day, values, now.astimezone(zone).date(), world.settings.execution_days):
        return False
    since = _since(world, values["time"])
    contract = execution.contract
    asked = (
        (values["client_id"] or 0, execution.client_id),
        (values["account"], execution.account),
        (values["symbol"], contract.symbol),
        (values["sec_type"], contract.sec_type),
        (values["exchange"], execution.exchange),
        (_SIDES.get(values["side"].upper(), values["side"]), execution.side),
    )
    passes = all(not wanted or wanted == value for wanted, value in asked)
    return passes and (since is None or execution.at >= since)


def _is_of_days(day: date, values: dict[str, Any], today: date, days: int) -> bool:
    """By the dates or the number of days that newer clients send, else by the Gateway's habit."""
    dates = [row["date"] for row in values.get("dates") or ()]
    if dates:
        return f"{day:%Y%m%d}" in dates
    wanted = values.get("last_days")
    span = days if wanted is None or wanted < 1 else min(wanted, _MOST_DAYS)
    return day > today - timedelta(days=span)


def _since(world: World, text: str) -> datetime | None:
    """The filter's time; one that cannot be read filters nothing (unverified)."""
    try:
        return parse_instant(text, world.settings.timezone)
    except WireError:
        return None
