"""Durations, spend and marks of states, the same wherever a run is shown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

MARKS: Final = {
    "pending": ("○", "dim"),
    "queued": ("◌", "dim"),
    "running": ("●", "cyan"),
    "waiting": ("◔", "yellow"),
    "paused": ("◔", "yellow"),
    "planning": ("●", "cyan"),
    "planned": ("○", "default"),
    "succeeded": ("✔", "green"),
    "failed": ("✘", "red"),
    "cancelled": ("⊘", "yellow"),
    "skipped": ("⊘", "dim"),
}
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400


def duration(seconds: float) -> str:
    """Write a duration: `3.2 s`, `47 s`, `4 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"


def ago(text: str) -> str:
    """Write how long ago a time of the API was, in its largest unit: `5 min`, `3 h`, `12 d`."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()
    if seconds < MINUTE:
        return "now"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min"
    return f"{seconds // HOUR:.0f} h" if seconds < DAY else f"{seconds // DAY:,.0f} d"


def money(usd: Decimal) -> str:
    """Write dollars to the cent, small sums to a hundredth of one."""
    return f"${usd:.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def spent(usd: Decimal, unpriced: int) -> str:
    """Write what was spent: `$0.0123`, `$0.0123 and 2 calls of unknown price`."""
    if not unpriced:
        return money(usd)
    unknown = f"{counted(unpriced, 'call')} of unknown price"
    return f"{money(usd)} and {unknown}" if usd else unknown


def expected(estimate: Mapping[str, Any]) -> str:
    """Write what a plan will roughly take: `about 7 model calls, 21,000 tokens, $0.0123`."""
    tokens = estimate["input_tokens"] + estimate["output_tokens"]
    cost = estimate["cost_usd"]
    spend = "at an unknown price" if cost is None else money(Decimal(cost))
    return f"about {estimate['calls']:,} model calls, {tokens:,} tokens, {spend}"


def shown(path: Path) -> str:
    """Write a path the short way when it lies below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 task`, `1,204 tasks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def one_line(text: str, limit: int) -> str:
    """Fold text into one line of at most `limit` characters."""
    folded = " ".join(text.split())
    return folded if len(folded) <= limit else f"{folded[: limit - 1]}…"
