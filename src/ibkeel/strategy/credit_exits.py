"""When a structure that was sold for a credit is to be bought back: pure rules.

`due_exits` judges what was bought; here a gain is a part of the credit, and a loss a multiple of it.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Reason
from ibkeel.strategy.exits import ExitRule


@attrs.frozen(kw_only=True)
class CreditExitPolicy:
    """What ends a position that was sold; each rule may be None, for never.

    Args:
        take_profit_fraction: Of the credit, in (0, 1]: 0.5 buys back at half of it or less.
        stop_multiple: Loss as a multiple of the credit, above 0: 2 buys back at three times the credit or more.
        min_dte: Calendar days to expiry, at least 0: it is bought back on the first day with so many left, or fewer.

    Raises:
        InvalidInput: A figure is out of its domain.
    """

    take_profit_fraction: float | None = 0.5
    stop_multiple: float | None = 2.0
    min_dte: int | None = 21

    def __attrs_post_init__(self) -> None:
        if self.take_profit_fraction is not None and not 0 < self.take_profit_fraction <= 1:
            raise InvalidInput(
                f"CreditExitPolicy.take_profit_fraction is {self.take_profit_fraction}; valid: in (0, 1], or None"
            )
        if self.stop_multiple is not None and not self.stop_multiple > 0:
            raise InvalidInput(f"CreditExitPolicy.stop_multiple is {self.stop_multiple}; valid: > 0, or None")
        if self.min_dte is not None and self.min_dte < 0:
            raise InvalidInput(f"CreditExitPolicy.min_dte is {self.min_dte}; valid: 0 or more, or None")


@attrs.frozen(kw_only=True)
class CreditFacts:
    """What is known of a sold structure when its exits are looked at.

    Args:
        credit: What it brought, per share, above 0.
        debit: What buying it back costs now, per share; None while a leg has no quote.
        expiry: Of the leg that expires first.
        today: Trading date.

    Raises:
        InvalidInput: It brought nothing.
    """

    credit: Decimal
    debit: Decimal | None = None
    expiry: date
    today: date

    def __attrs_post_init__(self) -> None:
        if not self.credit > 0:
            raise InvalidInput(
                f"CreditFacts.credit is {self.credit}; valid: above 0, what the structure brought"
            )

    @property
    def dte(self) -> int:
        """Calendar days to expiry."""
        return (self.expiry - self.today).days

    @property
    def gain(self) -> float | None:
        """As a fraction of the credit, below 0 for a loss; None while nobody knows."""
        return None if self.debit is None else float(1 - self.debit / self.credit)


def due_credit_exits(policy: CreditExitPolicy, facts: CreditFacts) -> tuple[tuple[ExitRule, Reason], ...]:
    """Every rule that ends the position now, the most urgent first; empty when it may stay.

    Without a price neither loss nor profit is judged; the days to expiry are, always.

    Args:
        policy: What ends it.
        facts: What is known of it.

    Examples:
        >>> facts = CreditFacts(
        ...     credit=Decimal("1.20"), debit=Decimal("0.55"), expiry=date(2026, 2, 20), today=date(2026, 1, 20)
        ... )
        >>> [(rule.value, f"{reason.value:.2f}") for rule, reason in due_credit_exits(CreditExitPolicy(), facts)]
        [('take_profit', '0.54')]
    """
    return (*_by_price(policy, facts), *_by_days(policy, facts))


def _by_price(policy: CreditExitPolicy, facts: CreditFacts) -> Iterator[tuple[ExitRule, Reason]]:
    if facts.debit is None or facts.gain is None:
        return
    # Compared as decimals: at exactly half of the credit the profit is reached.
    if policy.stop_multiple is not None:
        limit = facts.credit * (1 + Decimal(str(policy.stop_multiple)))
        if facts.debit >= limit:
            yield ExitRule.STOP, Reason("gain", facts.gain, f"above {-policy.stop_multiple:g}")
    if policy.take_profit_fraction is not None:
        limit = facts.credit * (1 - Decimal(str(policy.take_profit_fraction)))
        if facts.debit <= limit:
            yield ExitRule.TAKE_PROFIT, Reason("gain", facts.gain, f"below {policy.take_profit_fraction:g}")


def _by_days(policy: CreditExitPolicy, facts: CreditFacts) -> Iterator[tuple[ExitRule, Reason]]:
    if policy.min_dte is not None and facts.dte <= policy.min_dte:
        yield ExitRule.EXPIRY, Reason("dte", float(facts.dte), f"above {policy.min_dte}")
