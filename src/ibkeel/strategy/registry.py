"""Strategies by name: the built-ins, those registered in code, those that packages offer; and put together."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, reduce
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs

from ibkeel.errors import InvalidInput, UnknownStrategy
from ibkeel.model import Direction, Reason, Signal, from_data
from ibkeel.strategy.protocol import Needs, Strategy, StrategyContext
from ibkeel.strategy.scalp import Scalp
from ibkeel.strategy.vix_regime import VixRegime
from ibkeel.strategy.volume import DailyVolume, Whale
from ibkeel.strategy.walk import nothing
from ibkeel.validators import series

GROUP: Final = "ibkeel.strategies"
"""Entry point group by which an installed package offers strategies."""

Factory = Callable[..., Strategy]
F = TypeVar("F", bound=Factory)
_JOINT: Final = "+"
_NO_PARAMS: Final[Mapping[str, object]] = MappingProxyType({})


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


@attrs.frozen(kw_only=True)
class Confirmed:
    """Says what the first strategy says, if every other one says the same.

    A composition is a strategy itself, so compositions nest.

    Args:
        decides: Its direction, wish and exits are taken.
        confirms: Each must see the same direction.

    Raises:
        InvalidInput: Nothing confirms.
    """

    decides: Strategy
    confirms: tuple[Strategy, ...] = attrs.field(converter=series)

    def __attrs_post_init__(self) -> None:
        if not self.confirms:
            raise InvalidInput("Confirmed.confirms is empty; valid: one strategy or more")

    @property
    def name(self) -> str:
        """The names joined by `+`, the one that decides first."""
        return "+".join(part.name for part in self._parts)

    @property
    def _parts(self) -> tuple[Strategy, ...]:
        return (self.decides, *self.confirms)

    def needs(self) -> Needs:
        """What all of them need together."""
        return reduce(Needs.__or__, (part.needs() for part in self._parts))

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict, with the reasons of everyone who was asked.

        Confidence is that of either being right, were they independent: confirmation adds to it.
        """
        lead = self.decides.decide(context)
        reasons, doubt = list(_named(self.decides, lead)), 1.0 - lead.confidence
        if lead.direction is Direction.NONE:
            return attrs.evolve(lead, reasons=tuple(reasons))
        for part in self.confirms:
            said = part.decide(context)
            reasons += _named(part, said)
            if said.direction is not lead.direction:
                return nothing(*reasons)
            doubt *= 1.0 - said.confidence
        return attrs.evolve(lead, confidence=1.0 - doubt, reasons=tuple(reasons))


def _named(strategy: Strategy, signal: Signal) -> tuple[Reason, ...]:
    """The reasons of a part, under its name."""
    return tuple(attrs.evolve(reason, name=f"{strategy.name}.{reason.name}") for reason in signal.reasons)


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
            InvalidInput: A parameter is unknown, or its value is not valid; or the package that offers the
                strategy cannot be loaded.
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
        except InvalidInput:
            raise
        except Exception as error:  # of whoever wrote it
            raise InvalidInput(
                f"parameters {sorted(params)} do not fit strategy {name!r}: {type(error).__name__}: {error}"
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
                self._factories[name] = factory = _loaded(point)
                return factory
        raise UnknownStrategy(name, self.names())


def _loaded(point: EntryPoint) -> Factory:
    try:
        factory: Factory = point.load()
    except Exception as error:
        raise InvalidInput(
            f"strategy {point.name!r} of an installed package cannot be loaded from {point.value!r}: "
            f"{type(error).__name__}: {error}; mend that package, or uninstall it"
        ) from error
    if not callable(factory):
        raise InvalidInput(
            f"strategy {point.name!r}: {point.value!r} is {factory!r}; valid: a class or function"
        )
    return factory


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
