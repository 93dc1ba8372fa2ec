"""Option prices and volatilities from a client's own figures; exercise, and the choice to let options lapse."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.market.options import greeks, implied_volatility, intrinsic, price
from ibkeel.sim.services.account import chosen_accounts
from ibkeel.sim.services.contracts import cancels, resolve
from ibkeel.sim.services.orders import check_writable, publish
from ibkeel.sim.values import SimContract
from ibkeel.sim.world import Handler, World, error_321, error_322

_CUSTOM: Final = 53  # tick type of what a client asked to have computed
_LEAST: Final = 1e-6  # beyond these the sums leave what a float can hold
_MOST: Final = 1e9
_SECONDS_A_YEAR: Final = 365.0 * 86_400.0
_EXERCISE, _LAPSE = 1, 2
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
            raise error_321("bE", "An option and two prices are needed")

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
    return {**head, "iv": iv, "price": value, "dividends": 0.0, **attrs.asdict(found)}


def _exercise(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, quantity = values["request_id"], values["quantity"] or 0
    check_writable(world)
    account = chosen_accounts(world, values["account"])[0]
    contract = resolve(world, {**values, "primary_exchange": ""})
    # The codes and texts of refusals are unverified.
    if contract.sec_type != "OPT" or values["action"] not in {_EXERCISE, _LAPSE} or quantity < 1:
        raise error_322("bQ", "An option, an action of 1 or 2 and a quantity are needed")

    def answer(now: datetime) -> None:
        held = _held(world, contract, account)
        if held < quantity:
            raise error_322("bQ", f"The position is {held:g}, not {quantity}")
        if values["action"] == _LAPSE:
            return  # options here never exercise themselves, so there is nothing to prevent
        if not values["override"] and not _is_in_the_money(world, contract, now):
            raise error_322("bQ", "The option is out of the money; override to exercise it")
        publish(
            world,
            world.venue.exercise(
                contract,
                quantity,
                client_id=client.client_id,
                order_id=request_id,
                at=now,
                account=account,
            ),
            now,
        )

    latency = world.settings.latency.orders
    world.answer(client, request_id, latency, answer, needs=Service.ORDERS)


def _held(world: World, contract: SimContract, account: str) -> float:
    mine = (account, contract.con_id)
    held = (each for each in world.venue.positions() if (each.account, each.contract.con_id) == mine)
    return sum(position.quantity for position in held)


def _is_in_the_money(world: World, contract: SimContract, now: datetime) -> bool:
    underlying = world.market.by_con_id(contract.under_con_id)
    last = None if underlying is None else world.market.quote(underlying, now).last
    return last is not None and intrinsic(contract.right, last, contract.strike) > 0


HANDLERS: Final[Mapping[str, Handler]] = {
    "implied_volatility": _calculator("option_price", _solve_volatility),
    "option_price": _calculator("volatility", _solve_price),
    "cancel_implied_volatility": cancels("implied_volatility"),
    "cancel_option_price": cancels("option_price"),
    "exercise_options": _exercise,
}
