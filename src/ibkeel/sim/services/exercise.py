"""Exercise of options, and the choice to let them lapse."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.account import check_account
from ibkeel.sim.services.contracts import resolve
from ibkeel.sim.services.orders import publish
from ibkeel.sim.values import SimContract
from ibkeel.sim.world import Handler, Rejection, World

_EXERCISE, _LAPSE = 1, 2
_REFUSED: Final = "Error processing request.-'bQ' : cause - "


def _exercise(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, quantity = values["request_id"], values["quantity"] or 0
    check_account(world, values["account"])
    contract = resolve(world, {**values, "primary_exchange": ""})
    # The codes and texts of refusals are unverified.
    if contract.sec_type != "OPT" or values["action"] not in {_EXERCISE, _LAPSE} or quantity < 1:
        raise Rejection(322, f"{_REFUSED}An option, an action of 1 or 2 and a quantity are needed")

    def answer(now: datetime) -> None:
        held = _held(world, contract)
        if held < quantity:
            raise Rejection(322, f"{_REFUSED}The position is {held:g}, not {quantity}")
        if values["action"] == _LAPSE:
            return  # options here never exercise themselves, so there is nothing to prevent
        if not values["override"] and not _is_in_the_money(world, contract, now):
            raise Rejection(322, f"{_REFUSED}The option is out of the money; override to exercise it")
        publish(
            world,
            world.venue.exercise(contract, quantity, client_id=client.client_id, order_id=request_id, at=now),
            now,
        )

    latency = world.settings.latency.orders
    world.answer(client, request_id, latency, answer, needs=Service.ORDERS)


def _held(world: World, contract: SimContract) -> float:
    positions = (each for each in world.venue.positions() if each.contract.con_id == contract.con_id)
    return sum(position.quantity for position in positions)


def _is_in_the_money(world: World, contract: SimContract, now: datetime) -> bool:
    underlying = world.market.by_con_id(contract.under_con_id)
    last = None if underlying is None else world.market.quote(underlying, now).last
    if last is None:
        return False
    return last > contract.strike if contract.right == "C" else last < contract.strike


HANDLERS: Final[Mapping[str, Handler]] = {"exercise_options": _exercise}
