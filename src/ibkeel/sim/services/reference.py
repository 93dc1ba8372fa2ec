"""What a Gateway knows by heart: symbols, price increments, exchanges, codes of the account."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client
from ibkeel.sim.disorder import Service
from ibkeel.sim.values import SimContract
from ibkeel.sim.world import Handler, Rejection, World

_CENT: Final = 26  # the rule of US stocks: one cent at every price
_OWN_RULES: Final = 90_000_000  # ids above are our own: the tick in millionths
_MOST_SYMBOLS: Final = 16
_DEPTH_EXCHANGES: Final = (
    ("ARCA", "STK", "Deep2"),
    ("ISLAND", "STK", "Deep2"),
    ("NASDAQ", "STK", "Deep2"),
    ("NYSE", "STK", "Deep"),
)
_COMPONENTS: Final = ((0, "ARCA", "P"), (1, "ISLAND", "Q"), (2, "NYSE", "N"), (3, "CBOE", "C"))


def _matching_symbols(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, pattern = values["request_id"], values["pattern"].strip().upper()
    interval = world.settings.limits.symbol_search
    if world.pacing.repeated(world.now().timestamp(), ("symbols",), interval):
        world.counters.violated("symbol_search", client.client_id)
        text = f"Only one search for symbols is allowed in {interval:g} s"
        raise Rejection(322, f"Error processing request.-'cC' : cause - {text}")

    def answer(_now: datetime) -> None:
        rows = [
            _sample(world, each) for each in world.market.underlyings() if pattern and _matches(each, pattern)
        ]
        client.reply("symbol_samples", request_id=request_id, rows=rows[:_MOST_SYMBOLS])

    latency = world.settings.latency.definitions
    world.answer(client, request_id, latency, answer, needs=Service.DEFINITIONS)


def _matches(contract: SimContract, pattern: str) -> bool:
    """By the beginning of the symbol, or of a word of the name."""
    words = re.split(r"\W+", contract.long_name.upper())
    return contract.symbol.startswith(pattern) or any(word.startswith(pattern) for word in words)


def _sample(world: World, contract: SimContract) -> dict[str, Any]:
    has_options = bool(world.market.option_classes(contract.con_id))
    return {
        "con_id": contract.con_id,
        "symbol": contract.symbol,
        "sec_type": contract.sec_type,
        "primary_exchange": contract.primary_exchange or contract.exchange,
        "currency": contract.currency,
        "derivatives": [{"sec_type": "OPT"}] if has_options else [],
        "description": contract.long_name,
    }


def rule_of(contract: SimContract) -> int:
    """The id of the rule for a contract's prices, which have one tick here, however high they are."""
    return _CENT if contract.min_tick == 0.01 else _OWN_RULES + round(contract.min_tick * 1e6)  # noqa: PLR2004 - a cent


def _tick(rule_id: int) -> float | None:
    if rule_id == _CENT:
        return 0.01
    return (rule_id - _OWN_RULES) / 1e6 if rule_id > _OWN_RULES else None


def _market_rule(world: World, client: Client, values: dict[str, Any]) -> None:
    rule_id = values["rule_id"] or 0

    def answer(_now: datetime) -> None:
        tick = _tick(rule_id)
        if tick is None:
            # Unverified code and text; the message carries no request id to answer to.
            raise Rejection(321, f"Error validating request.-'cF' : cause - Invalid market rule id {rule_id}")
        client.reply("market_rule", rule_id=rule_id, increments=[{"low_edge": 0.0, "increment": tick}])

    world.answer(client, -1, world.settings.latency.local, answer)


def _smart_components(world: World, client: Client, values: dict[str, Any]) -> None:
    rows = [{"bit": bit, "exchange": exchange, "letter": letter} for bit, exchange, letter in _COMPONENTS]
    _tell(world, client, "smart_components", request_id=values["request_id"], rows=rows)


def _depth_exchanges(world: World, client: Client, _values: dict[str, Any]) -> None:
    rows = [
        {"exchange": exchange, "sec_type": sec_type, "service": service, "agg_group": 1}
        for exchange, sec_type, service in _DEPTH_EXCHANGES
    ]
    _tell(world, client, "depth_exchanges", rows=rows)


def _news_providers(world: World, client: Client, _values: dict[str, Any]) -> None:
    _tell(world, client, "news_providers", providers=())


def _family_codes(world: World, client: Client, _values: dict[str, Any]) -> None:
    _tell(world, client, "family_codes", codes=[{"account": world.account, "code": ""}])


def _user_info(world: World, client: Client, values: dict[str, Any]) -> None:
    _tell(world, client, "user_info", request_id=values["request_id"], white_branding_id="")


def _tell(world: World, client: Client, name: str, *, request_id: int = -1, **values: Any) -> None:
    def answer(_now: datetime) -> None:
        client.reply(name, request_id=request_id, **values)

    world.answer(client, request_id, world.settings.latency.local, answer)


def _ignore(_world: World, _client: Client, _values: dict[str, Any]) -> None:
    """News bulletins: there are none."""


HANDLERS: Final[Mapping[str, Handler]] = {
    "matching_symbols": _matching_symbols,
    "market_rule": _market_rule,
    "smart_components": _smart_components,
    "depth_exchanges": _depth_exchanges,
    "news_providers": _news_providers,
    "news_bulletins": _ignore,
    "cancel_news_bulletins": _ignore,
    "family_codes": _family_codes,
    "user_info": _user_info,
}
