"""Option prices and volatilities that a client asks for, from figures of its own."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.market.pricer import greeks, implied_volatility, price
from ibkeel.sim.services.contracts import cancels, resolve
from ibkeel.sim.values import SimContract
from ibkeel.sim.world import Handler, Rejection, World

_CUSTOM: Final = 53  # tick type of what a client asked to have computed
_LEAST: Final = 1e-6  # beyond these the sums leave what a float can hold
_MOST: Final = 1e9
_SECONDS_A_YEAR: Final = 365.0 * 86_400.0
_Solve = Callable[[SimContract, float, float, float], tuple[float, float] | None]


def _solve_volatility(
    contract: SimContract, value: float, spot: float, years: float
) -> tuple[float, float] | None:
    """Volatility and price, given the price."""
    iv = implied_volatility(contract.right, value, spot, contract.strike, years)
    return None if iv is None else (iv, value)


def _solve_price(contract: SimContract, iv: float, spot: float, years: float) -> tuple[float, float] | None:
    """Volatility and price, given the volatility."""
    if not _LEAST <= iv <= _MOST or years <= 0:
        return None
    return iv, price(contract.right, spot, contract.strike, years, iv)


def _is_usable(known: float | None, spot: float | None) -> bool:
    """Whether there is something to compute with."""
    return bool(known) and math.isfinite(known or 0.0) and _LEAST <= (spot or 0.0) <= _MOST


def _calculator(given: str, solve: _Solve) -> Handler:
    def calculate(world: World, client: Client, values: dict[str, Any]) -> None:
        request_id = values["request_id"]
        contract = resolve(world, values)
        known, spot = values[given], values["underlying_price"]
        if contract.sec_type != "OPT" or not _is_usable(known, spot):
            # Unverified code and text.
            raise Rejection(
                321, "Error validating request.-'bE' : cause - An option and two prices are needed"
            )

        def answer(now: datetime) -> None:
            years = _years(world, contract, now)
            solved = solve(contract, known, spot, years)
            client.reply("option_computation", **_shown(contract, request_id, solved, spot, years))

        world.answer(client, request_id, world.settings.latency.local, answer)

    return calculate


def _years(world: World, contract: SimContract, now: datetime) -> float:
    """Time to the close of the last session."""
    last = contract.last_trading_day or contract.expiry
    assert last is not None, "an option has an expiry"
    sessions = world.market.sessions(last, last)
    return (sessions[0].closes_at - now).total_seconds() / _SECONDS_A_YEAR if sessions else 0.0


def _shown(
    contract: SimContract, request_id: int, solved: tuple[float, float] | None, spot: float, years: float
) -> dict[str, Any]:
    """What the wire says; without a solution every figure is `not computed`."""
    head = {"request_id": request_id, "type": _CUSTOM, "underlying_price": spot}
    if solved is None:
        return head
    iv, value = solved
    found = greeks(contract.right, spot, contract.strike, years, iv)
    return {
        **head,
        "iv": iv,
        "price": value,
        "dividends": 0.0,
        "delta": found.delta,
        "gamma": found.gamma,
        "vega": found.vega,
        "theta": found.theta,
    }


HANDLERS: Final[Mapping[str, Handler]] = {
    "implied_volatility": _calculator("option_price", _solve_volatility),
    "option_price": _calculator("volatility", _solve_price),
    "cancel_implied_volatility": cancels("implied_volatility"),
    "cancel_option_price": cancels("option_price"),
}
