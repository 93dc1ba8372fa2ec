"""What is private in a transcript, hidden the same way each time it is said.

Hidden are account ids, names that people gave (order references, models, groups, operators) and large
amounts of account values. Whatever the tables do not know is hidden unless it is a number.
"""

import re
from collections.abc import Iterable
from typing import Final

import attrs

from ibkeel.sim.transcripts.values import Entry, Form, Label

# Source: IB's account windows; live, paper and advisor accounts, with a letter behind for a group of all.
_ACCOUNT: Final = re.compile(r"(?<![A-Za-z0-9])(?:D[UFI][A-Z]?|[UFI])\d{4,9}[A-Z]?(?![A-Za-z0-9])")
_NUMBER: Final = re.compile(r"[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?|")
_ACCOUNTS: Final = frozenset(
    {"account", "accounts", "clearing_account", "customer_account", "dn_clearing_account"}
)
_NAMES: Final = frozenset(
    {
        "algo_id",
        "dn_settling_firm",
        "ext_operator",
        "fa_group",
        "fa_profile",
        "group",
        "mifid_decision_algo",
        "mifid_decision_maker",
        "mifid_execution_algo",
        "mifid_execution_trader",
        "misc_options",
        "model_code",
        "order_ref",
        "settling_firm",
        "soft_dollar_name",
        "soft_dollar_value",
        "submitter",
        "white_branding_id",
    }
)
_FAMILY: Final = "codes.code"
_PUBLIC: Final = frozenset({"", "0", "All", "IB"})
_AMOUNTS: Final = frozenset({"account_summary", "account_update_multi", "account_value"})
_LARGE: Final = 100.0
SHORTEST: Final = 4
"""Letters of a name that is looked for within other texts."""


class Redactor:
    """Hides what is private in entries, one after the other; what it saw before it knows again.

    Args:
        hidden: Further texts to hide wherever they are said, such as a surname.
    """

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        self._aliases: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._known: re.Pattern[str] | None = None
        for text in hidden:
            self._alias(text, "name")

    def entry(self, entry: Entry) -> Entry:
        """The same entry without what is private."""
        match entry.form:
            case Form.BYTES:
                return attrs.evolve(entry, payload=b"?" * len(entry.payload))
            case Form.HELLO:
                return attrs.evolve(
                    entry, payload=self._scrubbed(entry.payload.decode("latin-1")).encode("latin-1")
                )
            case Form.MESSAGE:
                return attrs.evolve(entry, payload=self._message(entry))
            case _:
                return entry

    def _message(self, entry: Entry) -> bytes:
        labels = entry.labels
        if labels is None:
            labels = tuple(Label(name="", text=text, is_beyond=True) for text in entry.texts[1:])
        for label in labels:
            self._learn(label)
        return entry.payload_with(self._shown(label, entry.name) for label in labels)

    def _learn(self, label: Label) -> None:
        """Find aliases for what this field says, so that its other fields hide it too."""
        kind = _kind(label)
        for part in label.text.split(",") if kind else ():
            if part not in _PUBLIC:
                self._alias(part, kind)

    def _shown(self, label: Label, message: str) -> str:
        if _kind(label):
            return ",".join(self._aliases.get(part, part) for part in label.text.split(","))
        if label.is_beyond:
            return label.text if _NUMBER.fullmatch(label.text) else self._alias(label.text, "text")
        if message in _AMOUNTS and label.name == "value":
            return self._scrubbed(_rounded(label.text))
        return self._scrubbed(label.text)

    def _scrubbed(self, text: str) -> str:
        """A text without the accounts and names within it."""
        if self._known is not None:
            text = self._known.sub(lambda found: self._aliases[found[0]], text)
        return _ACCOUNT.sub(lambda found: self._account(found[0]), text)

    def _account(self, text: str) -> str:
        return text if text in self._aliases.values() else self._alias(text, "account")

    def _alias(self, text: str, kind: str) -> str:
        if text not in self._aliases:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            self._aliases[text] = _alias_of(text, kind, number)
            longest_first = sorted((each for each in self._aliases if len(each) >= SHORTEST), key=len)[::-1]
            self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        return self._aliases[text]


def _kind(label: Label) -> str:
    """What a field names; empty when it is nothing private."""
    name = label.name.rpartition(".")[2]
    if name in _ACCOUNTS:
        return "account"
    return "name" if name in _NAMES or label.name == _FAMILY else ""


def _alias_of(text: str, kind: str, number: int) -> str:
    if kind != "account":
        return f"{kind}-{number}"
    return f"{'DU' if text.startswith('D') else 'U'}{number:07}"


def _rounded(text: str) -> str:
    """A large amount becomes a round one, in the same form."""
    if (
        not text
        or not _NUMBER.fullmatch(text)
        or not any(map(str.isdigit, text))
        or abs(float(text)) < _LARGE
    ):
        return text
    return "100000.00" if "." in text else "100000"
