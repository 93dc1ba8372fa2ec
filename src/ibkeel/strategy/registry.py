"""Strategies by name: the built-ins, those registered in code, those that packages offer."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs

from ibkeel.errors import InvalidInput, UnknownStrategy
from ibkeel.model import from_data
from ibkeel.strategy.composition import Confirmed
from ibkeel.strategy.daily_volume import DailyVolume
from ibkeel.strategy.protocol import Strategy
from ibkeel.strategy.scalp import Scalp
from ibkeel.strategy.vix_regime import VixRegime
from ibkeel.strategy.whale import Whale

GROUP: Final = "ibkeel.strategies"
"""Entry point group by which an installed package offers strategies."""

Factory = Callable[..., Strategy]
F = TypeVar("F", bound=Factory)
_JOINT: Final = "+"
_NO_PARAMS: Final[Mapping[str, object]] = MappingProxyType({})


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


class Registry:
    """Names and the factories behind them.

    Args:
        factories: What is known from the start.
        discover: Where installed packages offer more; read when a name is not known here.
    """

    def __init__(
        self,
        factories: Mapping[str, Factory] = MappingProxyType({}),
        *,
        discover: Callable[[], Iterable[EntryPoint]] = _installed,
    ) -> None:
        self._factories = dict(factories)
        self._discover = discover

    def register(self, name: str) -> Callable[[F], F]:
        """Decorator that registers a class or function under a name.

        Raises:
            InvalidInput: The name is taken by something else.
        """

        def add(factory: F) -> F:
            known = self._factories.get(name)
            if known is not None and known is not factory:
                raise InvalidInput(f"strategy {name!r} is registered already, as {known!r}")
            self._factories[name] = factory
            return factory

        return add

    def names(self) -> tuple[str, ...]:
        """Every name, sorted, those of installed packages included."""
        return tuple(sorted({*self._factories, *(point.name for point in self._discover())}))

    def create(self, name: str, params: Mapping[str, object] = _NO_PARAMS) -> Strategy:
        """A strategy with the given parameters.

        Args:
            name: As registered; or several names joined by `+`: the first decides, the others confirm.
            params: Parameters by name; those left out have their defaults. For names joined by `+`,
                the parameters of each, by its name.

        Raises:
            UnknownStrategy: No strategy of that name.
            InvalidInput: A parameter is unknown, or its value is not valid.
        """
        if _JOINT in name and name not in self._factories:
            return self._composed(name.split(_JOINT), params)
        factory = self._factories.get(name) or self._offered(name)
        if isinstance(factory, type) and attrs.has(factory):
            kind: type[Any] = factory
            strategy: Strategy = from_data(dict(params), kind)
            return strategy
        try:
            return factory(**params)
        except TypeError as error:
            raise InvalidInput(
                f"parameters {sorted(params)} do not fit strategy {name!r}: {error}"
            ) from error

    def _composed(self, names: list[str], params: Mapping[str, object]) -> Strategy:
        strange = sorted(set(params) - set(names))
        if strange or not all(isinstance(own, Mapping) for own in params.values()):
            raise InvalidInput(
                f"parameters {strange or sorted(params)} do not fit {_JOINT.join(names)!r}; "
                f"valid: one table each for {', '.join(names)}"
            )
        given = {part: dict(own) for part, own in params.items() if isinstance(own, Mapping)}
        lead, *others = (self.create(part, given.get(part, {})) for part in names)
        return Confirmed(decides=lead, confirms=tuple(others))

    def _offered(self, name: str) -> Factory:
        for point in self._discover():
            if point.name == name:
                factory: Factory = point.load()
                self._factories[name] = factory
                return factory
        raise UnknownStrategy(name, self.names())


@cache
def default_registry() -> Registry:
    """The registry that the runner and the command line use."""
    return Registry({"daily_volume": DailyVolume, "scalp": Scalp, "vix_regime": VixRegime, "whale": Whale})


def register(name: str) -> Callable[[F], F]:
    """Decorator that registers a strategy in the default registry.

    Raises:
        InvalidInput: The name is taken by something else.
    """
    return default_registry().register(name)
