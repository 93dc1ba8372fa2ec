"""Contracts between the wire and the market."""

import re
from typing import Any, Final

import attrs

from ibkeel.sim.values import ContractPattern, SimContract
from ibkeel.sim.wiretime import compact
from ibkeel.sim.world import Rejection, World

NO_DEFINITION: Final = "No security definition has been found for the request"
_RIGHTS: Final = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_EXPIRY: Final = re.compile(r"(\d{4})-?(\d{2})(?:-?(\d{2}))?")


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


def resolve(world: World, values: dict[str, Any]) -> SimContract:
    """The one contract that a request means.

    Raises:
        Rejection: None fits, or more than one.
    """
    found = find(world, pattern_from(values))
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


def contract_values(contract: SimContract, *, exchange: str | None = None) -> dict[str, Any]:
    """The contract fields of a reply, by name.

    Args:
        contract: The contract.
        exchange: Exchange to show instead of the contract's own.
    """
    is_option = contract.sec_type == "OPT"
    return {
        "con_id": contract.con_id,
        "symbol": contract.symbol,
        "sec_type": contract.sec_type,
        "expiry": compact(contract.expiry),
        "strike": contract.strike,
        "right": contract.right,
        "multiplier": str(contract.multiplier) if is_option else "",
        "exchange": contract.exchange if exchange is None else exchange,
        "primary_exchange": contract.primary_exchange,
        "currency": contract.currency,
        "local_symbol": contract.local_symbol or contract.symbol,
        "trading_class": contract.trading_class,
    }
