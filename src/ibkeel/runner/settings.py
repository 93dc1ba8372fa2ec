"""What is wrong with a configuration: with one value, from what TOML or the environment says; or with values together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError, InvalidInput, UnknownStrategy
from ibkeel.model import mask_account
from ibkeel.runner.config import BotConfig
from ibkeel.strategy import default_registry
from ibkeel.telemetry import redact

if TYPE_CHECKING:
    from tree_sitter import Node

ACCOUNTS = ("gateway.live_account",)
"""Keys of account ids: masked, and still told apart."""
_OFF: Final = "off"
"""What a file says for None, which TOML does not have."""

_WORDS: Final = {
    Decimal: "a number",
    bool: "true or false",
    dict: "a table",
    float: "a number",
    int: "a whole number",
    str: "a text",
    tuple: "a list of texts",
}
_TRUTHS: Final = {"true": True, "false": False}


@attrs.frozen(kw_only=True)
class ConfigurationProblem:
    """One thing that is wrong with a configuration.

    Args:
        key: Dotted, such as `runner.interval`; empty when it concerns the file as a whole.
        value: What was given, as it is shown: account ids masked.
        valid: What is wrong with it and what is valid, in words.
        origin: `bot.toml:12`, the name of a variable of the environment, or `default`.
    """

    key: str
    value: str = ""
    valid: str
    origin: str

    @classmethod
    def of(cls, key: str, value: object, valid: str, origin: str) -> "ConfigurationProblem":
        """A problem with a value, fit to be shown."""
        shown = mask_account(value) if key in ACCOUNTS and isinstance(value, str) else redact(repr(value))
        return cls(key=key, value=shown, valid=redact(valid), origin=origin)

    @override
    def __str__(self) -> str:
        if not self.key:
            return f"{self.origin}: {self.valid}"
        return f"{self.key} = {self.value} ({self.origin}): {self.valid}"


def refuse(problems: Iterable[ConfigurationProblem]) -> None:
    """Refuse a configuration that has problems, with a ConfigurationError; several are told on a line each."""
    found = tuple(map(str, problems))
    if len(found) > 1:
        found = (f"{len(found)} problems in the configuration", *found)
    if found:
        raise ConfigurationError("\n  ".join(found))


_TABLES = ("table", "table_array_element")


_KEYS = ("bare_key", "quoted_key")


def lines_of(text: str) -> dict[str, int]:
    r"""Line of each key, by its dotted path; a table's own line too.

    Examples:
        >>> lines_of("[runner]\ninterval = 60")
        {'runner': 1, 'runner.interval': 2}
    """
    try:
        import tree_sitter_toml
        from tree_sitter import Language, Parser
    except ImportError:
        raise ConfigurationError("reading a file needs tree-sitter-toml; install 'ibkeel[bot]'") from None

    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode())
    lines: dict[str, int] = {}
    for node in tree.root_node.children:
        _enter(node, "", lines)
    return lines


def checked(attribute: "attrs.Attribute[Any]", value: object) -> Any:
    """The value, text where the environment says it, in its field's type, once its validator has let it pass."""
    kind, is_optional = _kind_of(attribute.type)
    if is_optional and value == _OFF:
        return None
    try:
        converted = _converted(kind, value)
    except ConfigurationError as error:
        words = f'{error}, nor "{_OFF}"' if is_optional else str(error)
        raise ConfigurationError(words) from None
    if attribute.validator is not None:
        attribute.validator(None, attribute, converted)
    return converted


def _enter(node: "Node", section: str, lines: dict[str, int]) -> None:
    if node.type != "pair" and node.type not in _TABLES:
        return
    named = next(child for child in node.children if child.type in {*_KEYS, "dotted_key"})
    path = ".".join(filter(None, (section, _path(named))))
    lines.setdefault(path, node.start_point[0] + 1)
    if node.type in _TABLES:
        for child in node.children:
            _enter(child, path, lines)


def _path(node: "Node") -> str:
    if node.type in _KEYS:
        return (node.text or b"").decode().strip("\"'")
    return ".".join(_path(child) for child in node.children if child.type in {*_KEYS, "dotted_key"})


def _kind_of(annotation: Any) -> tuple[Any, bool]:
    """The type proper, and whether None is one of its values."""
    if get_origin(annotation) is not UnionType:
        return annotation, False
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0], True


def _converted(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Mapping:
        if not isinstance(value, dict):
            raise _unfit(dict, value)
        return value
    if get_origin(kind) is tuple:
        return _texts(value)
    if kind is bool:
        return _truth(value)
    if kind in _WORDS:
        return _scalar(kind, value)
    try:
        return kind(value)
    except ValueError:
        valid = ", ".join(getattr(member, "value", "") for member in kind)
        raise ConfigurationError(f"valid: {valid}") from None


def _unfit(kind: type, value: object) -> ConfigurationError:
    return ConfigurationError(f"{value!r} is not {_WORDS[kind]}")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise _unfit(tuple, value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    raise _unfit(bool, value)


def _scalar(kind: type[Any], value: Any) -> Any:
    """Numbers may come as text from the environment; TOML's own types are not bent."""
    fits = isinstance(value, kind) or (kind in {float, Decimal} and isinstance(value, int | float))
    text = value if isinstance(value, str) and kind is not str else str(value)
    if (fits or isinstance(value, str)) and not isinstance(value, bool):
        try:
            number = value if kind is str else kind(text)
        except (ValueError, InvalidOperation):
            raise _unfit(kind, value) from None
        if not (isinstance(number, Decimal) and not number.is_finite()):
            return number
    raise _unfit(kind, value)


# Source: TWS API, "Initial Setup": default socket ports. Any other port says nothing.
_PORTS: Final[Mapping[int, str]] = {4001: "LIVE", 4002: "PAPER", 7496: "LIVE", 7497: "PAPER"}


@attrs.frozen(kw_only=True)
class Clash:
    """Settings that are good one by one and not together.

    Args:
        key: The one to change, dotted.
        value: What it is.
        others: Keys that it is held against; of a key with a problem of its own nothing is said.
        valid: What is wrong, and what is valid.
    """

    key: str
    value: object
    others: tuple[str, ...] = ()
    valid: str


Found = Iterator[Clash]


def clashes(config: BotConfig) -> tuple[Clash, ...]:
    """Everything in a configuration that does not fit together."""
    return tuple(clash for rule in _RULES for clash in rule(config))


def _two_yeses(config: BotConfig) -> Found:
    gateway = config.gateway
    if gateway.orders == "LIVE" and not gateway.live_account:
        yield Clash(
            key="gateway.live_account",
            value=gateway.live_account,
            others=("gateway.orders",),
            valid="orders is LIVE, which also needs live_account, the account's id (or IBKEEL_GATEWAY__LIVE_ACCOUNT)",
        )


def _port_fits(config: BotConfig) -> Found:
    gateway = config.gateway
    trades = _PORTS.get(gateway.port, gateway.orders)
    if gateway.orders not in {"DRY_RUN", trades}:
        mine = [str(port) for port, mode in _PORTS.items() if mode == gateway.orders]
        yield Clash(
            key="gateway.port",
            value=gateway.port,
            others=("gateway.orders",),
            valid=f"that port is of {trades} trading and orders is {gateway.orders}; valid: {' or '.join(mine)}, or a "
            "port of your own",
        )


def _entries_stop_before_positions_are_closed(config: BotConfig) -> Found:
    runner = config.runner
    if runner.entries_stop_before_close < runner.flatten_before_close:
        yield Clash(
            key="runner.entries_stop_before_close",
            value=runner.entries_stop_before_close,
            others=("runner.flatten_before_close",),
            valid=f"entries must stop before positions are closed; valid: {runner.flatten_before_close:g} or more",
        )


def _one_trade_fits_into_a_day(config: BotConfig) -> Found:
    risk = config.risk
    if risk.risk_fraction > risk.max_daily_loss:
        yield Clash(
            key="risk.risk_fraction",
            value=risk.risk_fraction,
            others=("risk.max_daily_loss",),
            valid=f"one trade may lose more than a day; valid: up to {risk.max_daily_loss:g}",
        )


def _limited_greeks_are_read(config: BotConfig) -> Found:
    if config.runner.greeks_interval is not None:
        return
    for figure, limit in config.risk.exposure.set_limits():
        yield Clash(
            key="runner.greeks_interval",
            value=None,
            others=(f"risk.max_{figure}",),
            valid=f"{figure} is limited to {limit:g} and would never be known: every entry would be refused; "
            "valid: 1 or more seconds",
        )
        return


def strategy_clashes(config: BotConfig) -> Found:
    """What is wrong with the strategy's name or settings, as far as the registry knows it."""
    named = config.strategy
    try:
        yield from _wrong(named.name, named.params, "strategy.params")
    except UnknownStrategy as error:
        yield Clash(key="strategy.name", value=named.name, valid=str(error))


def _wrong(name: str, params: Mapping[str, object], at: str) -> list[Clash]:
    error = _refusal(name, params)
    return [] if error is None else _one_by_one(name, params, at) or [_misfit(at, dict(params), error)]


def _refusal(name: str, params: Mapping[str, object]) -> InvalidInput | None:
    try:
        default_registry().create(name, params)
    except UnknownStrategy:
        raise
    except InvalidInput as error:
        return error
    return None


def _one_by_one(name: str, params: Mapping[str, object], at: str) -> list[Clash]:
    """What is wrong with each setting, beside those that are good; nothing when that is not where the fault is."""
    parts = {
        key: _wrong(key, value, f"{at}.{key}")
        for key, value in params.items()
        if key != name and key in name.split("+") and isinstance(value, Mapping)
    }
    if _refusal(name, {}) is not None:  # it needs some, and would refuse each alone for want of the others
        return [clash for found in parts.values() for clash in found]
    good: dict[str, object] = {}
    wrong: dict[str, list[Clash]] = {}
    for key in [*params] * len(params):  # what is good may be so only beside one that comes later
        if key not in good and (error := _refusal(name, {**good, key: params[key]})):
            wrong[key] = parts.get(key) or [_misfit(f"{at}.{key}", params[key], error)]
        else:
            good[key] = params[key]
    return [clash for key, found in wrong.items() if key not in good for clash in found]


def _misfit(key: str, value: object, error: InvalidInput) -> Clash:
    return Clash(key=key, value=value, others=("strategy.params", "strategy.name"), valid=str(error))


_RULES: Final[tuple[Callable[[BotConfig], Found], ...]] = (
    _two_yeses,
    _port_fits,
    _entries_stop_before_positions_are_closed,
    _one_trade_fits_into_a_day,
    _limited_greeks_are_read,
)
