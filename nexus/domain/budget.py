"""What a project may spend, and what it has spent: pure sums and their limits.

Read by the ledger in `orchestrator/transitions/`, which alone decides whether a call begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from nexus.domain.money import to_pico, to_usd
from nexus.domain.seam import Json

WARNING_SHARE: Final = Decimal("0.8")
US_PER_SECOND: Final = 1_000_000


class Limit(StrEnum):
    """The limits a budget can have, by the names of the API."""

    COST = "max_cost_usd"
    TOKENS = "max_tokens"
    SECONDS = "max_seconds"
    CALLS = "max_calls"


@dataclass(frozen=True, slots=True)
class Sums:
    """Amounts in whole units: pico-dollars, tokens, microseconds, model calls."""

    cost_pico_usd: int = 0
    tokens: int = 0
    us: int = 0
    calls: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.cost_pico_usd + other.cost_pico_usd,
            self.tokens + other.tokens,
            self.us + other.us,
            self.calls + other.calls,
        )

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(
            self.cost_pico_usd - other.cost_pico_usd,
            self.tokens - other.tokens,
            self.us - other.us,
            self.calls - other.calls,
        )

    def of(self, limit: Limit) -> int:
        """The amount that a limit is about."""
        return {
            Limit.COST: self.cost_pico_usd,
            Limit.TOKENS: self.tokens,
            Limit.SECONDS: self.us,
            Limit.CALLS: self.calls,
        }[limit]


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits by name, in the units of `Sums`, each above zero; at least one."""

    limits: Mapping[Limit, int]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self | None:
        """Read what the API takes and the database keeps; None if it limits nothing."""
        found: dict[Limit, int] = {}
        for limit in Limit:
            value = document.get(limit.value)
            if value is not None:
                found[limit] = _units(limit, Decimal(str(value)))
        return cls(found) if found else None

    def document(self) -> dict[str, Json]:
        """Write it as the database keeps it."""
        return {limit.value: shown(limit, most) for limit, most in self.limits.items()}

    def reached(self, sums: Sums) -> list[Limit]:
        """List the limits at which these sums have arrived."""
        return [limit for limit, most in self.limits.items() if sums.of(limit) >= most]

    def nearly_reached(self, sums: Sums) -> list[Limit]:
        """List the limits of which four fifths are used up."""
        return [
            limit for limit, most in self.limits.items() if sums.of(limit) >= most * WARNING_SHARE
        ]


def _units(limit: Limit, amount: Decimal) -> int:
    if limit is Limit.COST:
        return to_pico(amount)
    return max(1, int(amount * US_PER_SECOND)) if limit is Limit.SECONDS else int(amount)


def every_limit(budget: Budget | None) -> dict[str, Json]:
    """Write all limits as the API shows them; null: no such limit."""
    return {**{limit.value: None for limit in Limit}, **(budget.document() if budget else {})}


def shown(limit: Limit, amount: int) -> str | int | float:
    """Write an amount in the unit of its limit: dollars as a decimal string, seconds, counts."""
    if limit is Limit.COST:
        return to_usd(amount)
    return amount / US_PER_SECOND if limit is Limit.SECONDS else amount


def words(limit: Limit, amount: int) -> str:
    """Write an amount for a person: `$0.0102`, `1,200 tokens`, `90 s`, `12 calls`."""
    if limit is Limit.COST:
        return f"${to_usd(amount)}"
    if limit is Limit.SECONDS:
        return f"{amount / US_PER_SECOND:,.0f} s"
    return f"{amount:,} {'tokens' if limit is Limit.TOKENS else 'calls'}"
