"""What the services share: contracts between the wire and the market, legs of combos, streams.

A combo of two legs or more is filled at what its legs cost together.
"""

import re
from typing import Any, Final

import attrs

from ibkeel.sim.client import Client
from ibkeel.sim.values import ContractPattern, SimContract, SimLeg
from ibkeel.sim.venue.hours import has_ended
from ibkeel.sim.wire import compact
from ibkeel.sim.world import Handler, Rejection, World, error_321

NO_DEFINITION: Final = "No security definition has been found for the request"
_RIGHTS: Final = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_EXPIRY: Final = re.compile(r"(\d{4})-?(\d{2})(?:-?(\d{2}))?")

_ACTIONS: Final = ("BUY", "SELL")
_FEWEST: Final = 2

NOT_FOUND: Final = (300, "Can't find EId with tickerId:")


def pattern_from(values: dict[str, Any]) -> ContractPattern:
    """What a client sent to name a contract, dialects folded.

    A right of `?` or `0` is none; an expiry keeps its date or month only.
    """
    names = attrs.fields_dict(ContractPattern)
    texts = {name: values[name] for name in names if values.get(name) is not None}
    expiry = _EXPIRY.match(str(texts.get("expiry", "")))
    return ContractPattern(
        **{
            **texts,
            "expiry": "".join(part or "" for part in expiry.groups()) if expiry else "",
            "right": _RIGHTS.get(str(texts.get("right", "")).upper(), ""),
        }
    )


def resolve(world: World, values: dict[str, Any], *, has_expired: bool = False) -> SimContract:
    """The one contract that a request means; one that has ended only with `has_expired`."""
    found = find(world, pattern_from(values))
    if not has_expired:
        found = existing(world, found)
    if not found:
        raise Rejection(200, NO_DEFINITION)
    if len(found) > 1:
        # Unverified text; the code is documented for ambiguous contracts as well.
        raise Rejection(200, "The contract description specified is ambiguous")
    return found[0]


def find(world: World, pattern: ContractPattern) -> list[SimContract]:
    """Every contract that fits; an id that is known decides alone."""
    if pattern.con_id:
        known = world.market.by_con_id(pattern.con_id)
        return [] if known is None else [known]
    if not (pattern.symbol or pattern.local_symbol):
        return []
    return list(world.market.find(pattern))


def existing(world: World, contracts: list[SimContract]) -> list[SimContract]:
    """Those that have not ended: an option exists until its last trading day is over."""
    now = world.now()
    return [each for each in contracts if not has_ended(each, now)]


def contract_values(contract: SimContract, *, exchange: str | None = None) -> dict[str, Any]:
    """The contract fields of a reply, by name; at another exchange than the contract's own where one is given."""
    is_option = contract.sec_type == "OPT"
    return {
        "con_id": contract.con_id,
        "symbol": contract.symbol,
        "sec_type": contract.sec_type,
        # Seen in ib_insync's option_chain.ipynb.
        "expiry": compact(contract.last_trading_day or contract.expiry),
        "strike": contract.strike,
        "right": contract.right,
        "multiplier": str(contract.multiplier) if is_option else "",
        "exchange": contract.exchange if exchange is None else exchange,
        "primary_exchange": contract.primary_exchange,
        "currency": contract.currency,
        "local_symbol": contract.local_symbol or contract.symbol,
        "trading_class": contract.trading_class,
    }


def ordered(world: World, values: dict[str, Any]) -> tuple[SimContract, tuple[SimLeg, ...]]:
    """The contract that an order names, and the legs of it when it is a combo; refused when that cannot be."""
    if values["sec_type"] != "BAG":
        return resolve(world, values), ()
    legs = tuple(_leg(world, row) for row in values["order_combo_legs"])
    if len(legs) < _FEWEST:
        raise error_321("bF", "A combo has two legs at least")
    bag = SimContract(
        con_id=0,
        symbol=values["symbol"] or legs[0].contract.symbol,
        sec_type="BAG",
        exchange=values["exchange"] or "SMART",
        currency=values["currency"] or "USD",
    )
    return bag, legs


def permission(contract: SimContract) -> str:
    """What a Gateway says without live data for a contract (seen in public logs)."""
    return (
        f"No market data permissions for {contract.primary_exchange or contract.exchange} {contract.sec_type}"
    )


def cancels(kind: str, error: tuple[int, str] | None = None) -> Handler:
    """A handler that ends a stream of a kind.

    For an id that has none it answers with `error`, code and beginning of the text, or, without it, not at all.
    """

    def cancel(world: World, client: Client, values: dict[str, Any]) -> None:
        request_id = values["request_id"]
        if not world.end_stream(client, kind, request_id) and error is not None:
            code, text = error
            raise Rejection(code, f"{text}{request_id}")

    return cancel


def _leg(world: World, row: dict[str, Any]) -> SimLeg:
    contract = world.market.by_con_id(row["con_id"] or 0)
    if contract is None or has_ended(contract, world.now()):
        raise Rejection(200, NO_DEFINITION)
    action, ratio = str(row["action"]).upper(), row["ratio"] or 0
    if action not in _ACTIONS or ratio < 1:
        raise error_321("bF", "Invalid combo leg")
    return SimLeg(contract=contract, action=action, ratio=ratio)
