"""The usual structures, each held to what its name says."""

from itertools import pairwise

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right, Side, Stock
from ibkeel.options.structures import Leg, Structure

_WORDS = {Right.CALL: "call", Right.PUT: "put"}


def _one(name: str) -> str:
    """The name with its article."""
    return f"an {name}" if name.startswith("iron") else f"a {name}"


def _alike(name: str, options: tuple[Option, ...], *fields: str) -> None:
    """Refuse options that differ where they must not."""
    for field in ("underlying", "trading_class", "multiplier", "currency", *fields):
        seen = sorted({str(getattr(option, field)) for option in options})
        if len(seen) > 1:
            raise InvalidInput(f"{_one(name)} takes options of one {field}, not {' and '.join(seen)}")


def _is(name: str, right: Right, *options: Option) -> None:
    for option in options:
        if option.right is not right:
            raise InvalidInput(f"{_one(name)} takes a {_WORDS[right]} here, not {option}")


def _ascending(name: str, *options: Option) -> None:
    if any(low.strike >= high.strike for low, high in pairwise(options)):
        shown = ", ".join(f"{option.strike:f}" for option in options)
        raise InvalidInput(f"{_one(name)} takes ascending strikes; got {shown}")


def _structure(name: str, *signed: tuple[Option | Stock, int]) -> Structure:
    """Legs from contracts and signed ratios."""
    return Structure(
        name=name,
        legs=tuple(
            Leg(contract=contract, side=Side.BUY if ratio > 0 else Side.SELL, ratio=abs(ratio))
            for contract, ratio in signed
        ),
    )


def vertical(*, long: Option, short: Option) -> Structure:
    """Two strikes of one right and expiry: one bought, one sold.

    Raises:
        InvalidInput: Right, expiry, class or multiplier differ, or the strikes do not.
    """
    _alike("vertical", (long, short), "right", "expiry")
    if long.strike == short.strike:
        raise InvalidInput(f"a vertical takes two strikes; both are {long.strike:f}")
    mood = "bull" if long.strike < short.strike else "bear"
    return _structure(f"{mood} {_WORDS[long.right]} spread", (long, 1), (short, -1))


def _across_time(name: str, near: Option, far: Option) -> None:
    _alike(name, (near, far), "right")
    if near.expiry >= far.expiry:
        raise InvalidInput(
            f"{_one(name)} sells the nearer expiry and buys the later; got {near.expiry} and {far.expiry}"
        )


def calendar(*, near: Option, far: Option) -> Structure:
    """One strike and right, two expiries: the near one sold, the far one bought.

    Raises:
        InvalidInput: Strike, right, class or multiplier differ, or the near one is not nearer.
    """
    _across_time("calendar", near, far)
    _alike("calendar", (near, far), "strike")
    return _structure(f"{_WORDS[near.right]} calendar", (near, -1), (far, 1))


def diagonal(*, near: Option, far: Option) -> Structure:
    """One right, two strikes and two expiries: the near one sold, the far one bought.

    Raises:
        InvalidInput: Right, class or multiplier differ, the strikes do not, or the near one is not
            nearer.
    """
    _across_time("diagonal", near, far)
    if near.strike == far.strike:
        raise InvalidInput(f"a diagonal takes two strikes; both are {near.strike:f}: that is a calendar")
    return _structure(f"{_WORDS[near.right]} diagonal", (near, -1), (far, 1))


def _call_and_put(name: str, call: Option, put: Option) -> None:
    _alike(name, (call, put), "expiry")
    _is(name, Right.CALL, call)
    _is(name, Right.PUT, put)


def _held(side: Side) -> tuple[str, int]:
    """Its word, and the sign of what is held."""
    side = Side(side)
    return "long" if side is Side.BUY else "short", side.sign


def straddle(*, call: Option, put: Option, side: Side = Side.BUY) -> Structure:
    """Call and put of one strike and expiry, both bought or both sold.

    Raises:
        InvalidInput: They are not a call and a put, or strike, expiry, class or multiplier differ.
    """
    _call_and_put("straddle", call, put)
    _alike("straddle", (call, put), "strike")
    word, sign = _held(side)
    return _structure(f"{word} straddle", (call, sign), (put, sign))


def strangle(*, call: Option, put: Option, side: Side = Side.BUY) -> Structure:
    """A put and a call of a higher strike, of one expiry, both bought or both sold.

    Raises:
        InvalidInput: They are not a call and a put, the put's strike is not the lower one, or
            expiry, class or multiplier differ.
    """
    _call_and_put("strangle", call, put)
    _ascending("strangle", put, call)
    word, sign = _held(side)
    return _structure(f"{word} strangle", (put, sign), (call, sign))


def butterfly(*, low: Option, middle: Option, high: Option, side: Side = Side.BUY) -> Structure:
    """Three strikes of one right and expiry, 1 to -2 to 1; with uneven wings it is a broken one.

    Raises:
        InvalidInput: Right, expiry, class or multiplier differ, or the strikes do not ascend.
    """
    _alike("butterfly", (low, middle, high), "right", "expiry")
    _ascending("butterfly", low, middle, high)
    is_even = middle.strike - low.strike == high.strike - middle.strike
    kind = "butterfly" if is_even else "broken-wing butterfly"
    word, sign = _held(side)
    return _structure(f"{word} {_WORDS[low.right]} {kind}", (low, sign), (middle, -2 * sign), (high, sign))


def _iron(name: str, puts: tuple[Option, Option], calls: tuple[Option, Option]) -> Structure:
    _alike(name, (*puts, *calls), "expiry")
    _is(name, Right.PUT, *puts)
    _is(name, Right.CALL, *calls)
    _ascending(name, *puts)
    _ascending(name, *calls)
    return _structure(name, (puts[0], 1), (puts[1], -1), (calls[0], -1), (calls[1], 1))


def iron_condor(*, long_put: Option, short_put: Option, short_call: Option, long_call: Option) -> Structure:
    """A put spread below a call spread, the inner strikes sold: usually for a credit.

    Raises:
        InvalidInput: The strikes do not ascend in the order of the arguments, rights are mixed up,
            or expiry, class or multiplier differ.
    """
    _ascending("iron condor", short_put, short_call)
    return _iron("iron condor", (long_put, short_put), (short_call, long_call))


def iron_fly(*, long_put: Option, short_put: Option, short_call: Option, long_call: Option) -> Structure:
    """An iron condor whose two sold options share their strike.

    Raises:
        InvalidInput: The sold strikes differ, the bought ones are not outside, rights are mixed up,
            or expiry, class or multiplier differ.
    """
    _alike("iron fly", (short_put, short_call), "strike")
    return _iron("iron fly", (long_put, short_put), (short_call, long_call))


def _check_stock(name: str, stock: Stock, option: Option) -> None:
    if (stock.symbol, stock.currency) != (option.underlying, option.currency):
        raise InvalidInput(f"{_one(name)} takes options on {stock} in {stock.currency}, not {option}")


def covered_call(*, stock: Stock, call: Option) -> Structure:
    """A call sold against the shares that it may call away.

    Raises:
        InvalidInput: It is no call, or on another underlying.
    """
    _is("covered call", Right.CALL, call)
    _check_stock("covered call", stock, call)
    return _structure("covered call", (stock, call.multiplier), (call, -1))


def collar(*, stock: Stock, put: Option, call: Option) -> Structure:
    """Shares between a put bought below and a call sold above.

    Raises:
        InvalidInput: They are not a put and a call of a higher strike, are on another underlying, or
            expiry, class or multiplier differ.
    """
    _call_and_put("collar", call, put)
    _check_stock("collar", stock, call)
    _ascending("collar", put, call)
    return _structure("collar", (stock, call.multiplier), (put, 1), (call, -1))
