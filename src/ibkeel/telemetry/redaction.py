"""What must not be shown, masked; and what others said, fit to be printed."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import attrs

from ibkeel.model import mask_account

# Live, paper and advisor accounts. Source: IB's account windows (U, DU, F, DF, and I for
# sub-accounts; newer paper accounts have a third letter); real ones have six to eight digits.
_ACCOUNT: Final = re.compile(r"(?<![A-Za-z0-9])(?:D[UFI][A-Z]?|[UFI])\d{5,9}(?![A-Za-z0-9])")
# What may be long begins only where a chain of words does: a search from each of its words takes as many squared.
_SECRET: Final = re.compile(
    r"""(?ix)
    (?<![a-z0-9])(?<![a-z0-9][_-])((?:[a-z0-9]+[_-])*(?:token|secret|password|passwd|api[_-]?key|webhook(?:[_-]?url)?|credential)s?)
    (["']?\s*[=:]\s*["']?)
    (?!\*\*\*)([^\s"',;&}]+)
    """
)
_AUTHORIZATION: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_ADDRESS: Final = re.compile(r"(?<![a-zA-Z0-9+.-])([0-9+.-]*)([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s\"'<>]+)")
# Whatever is masked has one of these in it; most of what is told has not.
_SUSPECT: Final = re.compile(r"(?i)[=:]|\d{5}|bearer|basic")
_SHORT: Final = 200
# Hosts whose path is itself the secret. Source: each service's page on incoming webhooks.
_WEBHOOK_HOSTS: Final = (
    "discord.com",
    "discordapp.com",
    "hooks.slack.com",
    "api.telegram.org",
    "hc-ping.com",
    "outlook.office.com",
    "webhook.office.com",
)

# What is addressed otherwise is a notification service, as apprise writes them: its host, too, is a key.
_SHOWN_SCHEMES: Final = frozenset({"http://", "https://", "ws://", "wss://", "file://", "tcp://"})


def _masked_address(match: re.Match[str]) -> str:
    before, scheme, rest = match.groups()
    if scheme.lower() not in _SHOWN_SCHEMES:
        return f"{before}{scheme}***"
    authority, slash, path = rest.partition("/")
    credentials, at, host = authority.rpartition("@")
    shown = f"***@{host}" if at and credentials else host
    plain = host.partition(":")[0].lower()
    is_webhook = any(plain == known or plain.endswith(f".{known}") for known in _WEBHOOK_HOSTS)
    if slash and (is_webhook or "webhook" in path.lower()):
        return f"{before}{scheme}{shown}/***"
    return f"{before}{scheme}{shown}{slash}{path}"


def redact(text: str) -> str:
    """The same text with account ids and secrets masked.

    Masked are account ids, passwords and tokens that follow their name, authorization headers,
    credentials in addresses, the paths of webhook addresses and whole addresses of notification
    services in apprise's form. Redacting twice changes nothing.

    Args:
        text: Anything that is about to be logged or shown.

    Examples:
        >>> redact("order for DU1234567 refused")
        'order for DU***67 refused'
        >>> redact("https://hooks.slack.com/services/T0/B0/x")
        'https://hooks.slack.com/***'
    """
    if _SUSPECT.search(text) is None:
        return text
    return _remembered(text) if len(text) <= _SHORT else _masked(text)


def _masked(text: str) -> str:
    text = _ADDRESS.sub(_masked_address, text)
    text = _AUTHORIZATION.sub(r"\1 ***", text)
    text = _SECRET.sub(r"\1\2***", text)
    return _ACCOUNT.sub(lambda match: mask_account(match[0]), text)


_remembered: Final = lru_cache(maxsize=2048)(_masked)  # the same few names are shown again and again


def _redacted(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(redact, texts))


def masked(_: type, fields: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    """For `field_transformer` of attrs: every text of a record is redacted when the record is made.

    So no sink, page or representation can show what the record does not hold.
    """
    converters: dict[Any, Any] = {str: redact, tuple[str, ...]: _redacted}
    return [
        field.evolve(converter=converters[field.type])
        if field.converter is None and field.type in converters
        else field
        for field in fields
    ]


def printable(text: str) -> str:
    """The same text with every character escaped that a terminal would obey instead of showing."""
    if text.isprintable():  # as nearly always
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
