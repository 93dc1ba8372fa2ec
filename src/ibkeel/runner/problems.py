"""What is wrong with a configuration: each problem with its key, value, origin and what is valid."""

from collections.abc import Iterable

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError
from ibkeel.model import mask_account
from ibkeel.telemetry import redact

__all__ = ["ACCOUNTS", "ConfigurationProblem", "refuse"]

ACCOUNTS = ("gateway.live_account",)
"""Keys of account ids: masked, and still told apart."""


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
    """Refuse a configuration that has problems, all of them in one sentence.

    Raises:
        ConfigurationError: There is at least one.
    """
    found = tuple(problems)
    if found:
        raise ConfigurationError("; ".join(map(str, found)))
