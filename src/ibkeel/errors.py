"""Every exception that ibkeel raises on purpose.

    IbkeelError
    ├── InvalidInput (ValueError)         a value was refused before anything was sent
    │   ├── ConfigurationError            in a file, an option or the environment
    │   ├── UnknownStrategy               no strategy of that name is registered
    │   └── WireError                     bytes that are not the Gateway's protocol
    ├── WrongLoopError (RuntimeError)     called from a loop that does not own the connection
    ├── Stalled (RuntimeError)            virtual time: all tasks wait for each other
    ├── ConnectionFailure (ConnectionError)
    │   ├── GatewayUnreachable            nobody listens on host and port
    │   ├── GatewayMute                   the port is open, the API does not answer
    │   ├── ClientIdInUse                 error 326
    │   │   └── AnotherProcess            on this machine, found by a lock before anything was sent
    │   ├── UnsupportedVersion            the Gateway is older than the client can talk to
    │   └── NotConnected                  no session, or it ended while a request was open
    ├── RequestFailed                     a request ended without a value
    │   ├── RequestTimeout (TimeoutError) no answer within the deadline
    │   ├── CircuitOpen                   the service keeps failing, so it was not called
    │   ├── PacingExceeded                a documented limit was hit
    │   ├── NotEntitled                   no market data subscription, or no permission
    │   │   └── CompetingSession          another session of the same user takes the data
    │   ├── UnknownContract               no such contract (error 200)
    │   ├── AmbiguousContract             more than one contract fits
    │   ├── DataUnavailable
    │   │   ├── NoData                    the Gateway has nothing for that range
    │   │   └── QuoteUnavailable          the wanted fields did not arrive
    │   ├── GatewayRejected               any other error code that ends a request
    │   └── OrderRejected                 the venue refused an order
    ├── SafetyRefused                     a rule about money or accounts said no; nothing was sent
    │   ├── AccountMismatch               port, account and order mode do not fit together
    │   └── OrderRefused                  an order breaks a rule of ours
    │       └── GatesShut                 one or several gates, each named with value and limit
    └── JournalError                      the journal could not be read or written
        ├── JournalInUse                  another process writes it
        ├── UnreadableRecord              what is stored under a number is no record
        └── UnwritableRecord              a record holds what cannot be written as data

Messages say what was asked, what came, what is valid and what to do next; attributes carry the
objects.
"""

from datetime import datetime

from typing_extensions import override

__all__ = [
    "AccountMismatch",
    "AmbiguousContract",
    "AnotherProcess",
    "CircuitOpen",
    "ClientIdInUse",
    "CompetingSession",
    "ConfigurationError",
    "ConnectionFailure",
    "DataUnavailable",
    "GatesShut",
    "GatewayMute",
    "GatewayRejected",
    "GatewayUnreachable",
    "IbkeelError",
    "InvalidInput",
    "JournalError",
    "JournalInUse",
    "NoData",
    "NotConnected",
    "NotEntitled",
    "OrderRefused",
    "OrderRejected",
    "PacingExceeded",
    "QuoteUnavailable",
    "RequestFailed",
    "RequestTimeout",
    "SafetyRefused",
    "Stalled",
    "UnknownContract",
    "UnknownStrategy",
    "UnreadableRecord",
    "UnsupportedVersion",
    "UnwritableRecord",
    "WireError",
    "WrongLoopError",
]


class IbkeelError(Exception):
    """Root of every error that ibkeel raises on purpose."""

    @override
    def __reduce__(self) -> tuple[object, ...]:
        """As it is: a process that sends what cannot be made again ends its pool."""
        return type(self).__new__, (type(self),), {**vars(self), "args": self.args}


class InvalidInput(IbkeelError, ValueError):
    """A value was refused before anything was sent."""


class ConfigurationError(InvalidInput):
    """A file, an option or an environment variable holds something that cannot be used."""


class UnknownStrategy(InvalidInput):
    """No strategy of that name is registered.

    Args:
        name: What was asked for.
        known: The registered names.
    """

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"unknown strategy {name!r}; registered: {', '.join(sorted(known))}; one of your own needs an "
            "installed package with an entry point in the group 'ibkeel.strategies'"
        )
        self.name, self.known = name, known


class WireError(InvalidInput):
    """Bytes or fields that are not the Gateway's protocol."""


class WrongLoopError(IbkeelError, RuntimeError):
    """A call came from an event loop that does not own the connection."""


class Stalled(IbkeelError, RuntimeError):
    """On virtual time: every task waits, no timer is set, so nothing can ever happen again."""


class ConnectionFailure(IbkeelError, ConnectionError):
    """No session with the Gateway."""

    is_fault = True
    """Whether the link or the Gateway is at fault, as a circuit breaker counts it."""


class GatewayUnreachable(ConnectionFailure):
    """Nobody listens on that host and port."""


class GatewayMute(ConnectionFailure):
    """The port is open, but the API does not answer."""


class ClientIdInUse(ConnectionFailure):
    """Another session holds the client id (error 326)."""


class AnotherProcess(ClientIdInUse):
    """A program on this machine holds the client id already; nothing was sent.

    Args:
        message: Who holds it, and what to do.
        pid: Its process id; None when it is not known.
        since: When it took the client id, aware, in UTC; None when it is not known.
    """

    def __init__(self, message: str, *, pid: int | None, since: datetime | None) -> None:
        super().__init__(message)
        self.pid, self.since = pid, since


class UnsupportedVersion(ConnectionFailure):
    """The Gateway and the client have no protocol version in common."""


class NotConnected(ConnectionFailure):
    """There is no session, or it ended while the request was open."""


class RequestFailed(IbkeelError):
    """A request ended without a value.

    Args:
        message: What was asked, what came, what to do next.
        code: The Gateway's error code, or None when it sent none.
        is_fault: Whether the link or the Gateway is at fault, as a circuit breaker counts it; by
            default what the type says.
    """

    is_fault: bool = False
    is_unsent: bool = False
    """Of an order that was to be placed: whether it failed before its first byte left."""

    def __init__(self, message: str, *, code: int | None = None, is_fault: bool | None = None) -> None:
        super().__init__(message)
        self.code = code
        if is_fault is not None:
            self.is_fault = is_fault

    def with_fault(self, is_fault: bool) -> "RequestFailed":
        """The same error, said to be or not to be a fault of the link or the Gateway."""
        self.is_fault = is_fault
        return self


class RequestTimeout(RequestFailed, TimeoutError):
    """No answer within the deadline; the server-side cancel was sent."""

    is_fault = True


class CircuitOpen(RequestFailed):
    """A service keeps failing, so it was not called; nothing was sent.

    Args:
        service: Name of the service.
        wait: Seconds until a call may pass again, as a probe.
        cause: The failure that opened the circuit, by type and message.
    """

    def __init__(self, service: str, *, wait: float, cause: str) -> None:
        super().__init__(f"{service} is not called for another {wait:.1f} s: {cause}")
        self.service, self.wait, self.cause = service, wait, cause


class PacingExceeded(RequestFailed):
    """A documented limit of the Gateway was hit."""


class NotEntitled(RequestFailed):
    """No market data subscription, or no permission, for what was asked."""


class CompetingSession(NotEntitled):
    """Another session of the same user takes the data; when it ends, they come again."""


class UnknownContract(RequestFailed):
    """The Gateway knows no such contract (error 200)."""


class AmbiguousContract(RequestFailed):
    """More than one contract fits the description."""


class DataUnavailable(RequestFailed):
    """The request was good, but there is nothing to return."""


class NoData(DataUnavailable):
    """The Gateway has no data for the range that was asked for."""


class QuoteUnavailable(DataUnavailable):
    """The fields that were wanted did not arrive."""


class GatewayRejected(RequestFailed):
    """The Gateway ended a request with an error that has no type of its own."""


class OrderRejected(RequestFailed):
    """The Gateway or the venue refused an order."""


class SafetyRefused(IbkeelError):
    """A rule about money or accounts said no, and nothing was sent."""


class AccountMismatch(SafetyRefused):
    """Port, account and order mode do not fit together."""


class OrderRefused(SafetyRefused):
    """An order breaks one of our own rules."""


class GatesShut(OrderRefused):
    """Gates that an order must pass were shut; nothing was sent.

    Args:
        contract: What the order was for.
        refusals: One for each gate; see `ibkeel.orders.GateRefusal`.
    """

    def __init__(self, contract: object, refusals: "tuple[object, ...]") -> None:
        super().__init__(f"no order for {contract}: {'; '.join(map(str, refusals))}")
        self.contract, self.refusals = contract, refusals


class JournalError(IbkeelError):
    """The journal could not be read or written."""


class JournalInUse(JournalError):
    """A program on this machine writes that journal already, and a journal has one writer.

    Args:
        message: Who writes it, and what to do.
        pid: Its process id; None when it is not known.
        since: When it opened the journal, aware, in UTC; None when it is not known.
    """

    def __init__(self, message: str, *, pid: int | None, since: datetime | None) -> None:
        super().__init__(message)
        self.pid, self.since = pid, since


class UnreadableRecord(JournalError):
    """What the journal holds under a number is no record; those before and after it can be read.

    Args:
        message: Which one, and what is wrong with it.
        seq: Its number.
    """

    def __init__(self, message: str, *, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


class UnwritableRecord(JournalError):
    """A record holds what cannot be written as data; nothing was written, and it never can be.

    Args:
        message: What it holds, in text that can be written itself.
        record: The record.
    """

    def __init__(self, message: str, *, record: object) -> None:
        super().__init__(message)
        self.record = record
