"""Trading hours of the past, as a schedule."""

from datetime import datetime
from typing import Any, Final

from ibkeel.sim.values import SimContract, SimSession
from ibkeel.sim.wiretime import compact, parse_zone
from ibkeel.sim.world import World

__all__ = ["schedule_values"]

_EXTENDED: Final = ("04:00:00", "20:00:00")  # of stocks; see the venue's trading hours


def schedule_values(
    world: World, contract: SimContract, start: datetime, end: datetime, *, rth: bool
) -> dict[str, Any]:
    """The sessions of a span, as the wire tells them, in the contract's time zone."""
    zone = parse_zone(contract.timezone)
    first, last = (at.astimezone(zone).date() for at in (start, end))
    extended = contract.sec_type == "STK" and not rth
    rows = [
        _row(each, contract.timezone, extended=extended)
        for each in world.market.sessions(first, last)
        if each.opens_at < end
    ]
    whole = (rows[0]["start"], rows[-1]["end"]) if rows else (_text(start, zone.key), _text(end, zone.key))
    return {
        "start": whole[0],
        "end": whole[1],
        "time_zone": world.settings.zone,
        "sessions": rows,
    }


def _row(session: SimSession, zone: str, *, extended: bool) -> dict[str, str]:
    if extended:
        opens, closes = (f"{session.day:%Y%m%d}-{clock}" for clock in _EXTENDED)
    else:
        opens, closes = _text(session.opens_at, zone), _text(session.closes_at, zone)
    return {"start": opens, "end": closes, "day": compact(session.day)}


def _text(at: datetime, zone: str) -> str:
    return f"{at.astimezone(parse_zone(zone)):%Y%m%d-%H:%M:%S}"
