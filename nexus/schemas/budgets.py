"""A project's budget as the API takes and shows it."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

from nexus.schemas.strictness import Reply, Request

MOST_USD = Decimal(1_000_000)


def _is_number(value: object) -> object:
    """Take dollars as a number or as text, so that no cent is lost on the way; nothing else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("dollars are a decimal number, as text or as a number")
    return Decimal(str(value)) if isinstance(value, int | float) else value


Dollars = Annotated[
    Decimal,
    Field(gt=0, le=MOST_USD, decimal_places=12, strict=False),
    BeforeValidator(_is_number),
]


class BudgetWanted(Request):
    """What a project may spend; a limit left out or null does not hold."""

    max_cost_usd: Dollars | None = Field(
        None, description="Dollars. Calls of unknown price are not counted, and said to be so."
    )
    max_tokens: Annotated[int, Field(gt=0, le=10**15)] | None = Field(
        None, description="Tokens sent and received."
    )
    max_seconds: Annotated[float, Field(gt=0, le=10**9)] | None = Field(
        None, description="Seconds of planning and running; waiting and pauses do not count."
    )
    max_calls: Annotated[int, Field(gt=0, le=10**12)] | None = Field(
        None, description="Model calls."
    )


class Budget(Reply):
    """What a project may spend; null: no such limit."""

    max_cost_usd: str | None = Field(description="Dollars, a decimal number.")
    max_tokens: int | None = Field(description="Tokens sent and received.")
    max_seconds: float | None = Field(
        description="Seconds of planning and running; waiting and pauses do not count."
    )
    max_calls: int | None = Field(description="Model calls.")
