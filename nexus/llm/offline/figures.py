"""Figures as a reader wants them: rounded sensibly, named readably, set in Markdown tables."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

MAX_MEASURES: Final = 12

Figures = Mapping[str, JsonValue]
"""What the program printed, or a part of it."""

SYMBOLS: Final = "mm cm m km g kg mg t s ms min h l ml ha"
UNITS: Final = {
    **{symbol: symbol for symbol in SYMBOLS.split()},
    **{code: code.upper() for code in ("usd", "eur", "gbp")},
    "pct": "%",
    "percent": "%",
    "c": "°C",
    "celsius": "°C",
    "hz": "Hz",
    "kwh": "kWh",
    "mwh": "MWh",
    "w": "W",
    "kw": "kW",
    "mw": "MW",
}
"""Endings of column names that are units, after an underscore."""


def number(value: JsonValue) -> float | None:
    """Take a JSON value as a number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def decimals_for(values: Sequence[float | None]) -> int:
    """Choose one number of decimals for a column of figures: about three or four digits."""
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return 0
    largest = max(sizes)
    if largest >= 1_000:
        return 0
    if largest >= 10:
        return 1
    return 2 if largest >= 1 else min(6, 2 - math.floor(math.log10(largest)))


def written(value: JsonValue, decimals: int | None = None) -> str:
    """Write a figure with thousands separated; an absent one as a dash."""
    figure = number(value)
    if figure is None:
        return "–"
    if decimals is None:
        decimals = 0 if figure == int(figure) else decimals_for([figure])
    return f"{figure:,.{decimals}f}"


def readable(column: str) -> str:
    """Name a column as a sentence would: `bill_length_mm` is "bill length (mm)"."""
    name, unit = name_and_unit(column)
    return f"{name} ({unit})" if unit else name


def name_and_unit(column: str) -> tuple[str, str]:
    """Part a column's name from the unit it ends with, if any."""
    parts = [part for part in re.split(r"[_\s]+", column.strip()) if part]
    if len(parts) > 1 and parts[-1].casefold() in UNITS and "_" in column:
        return " ".join(parts[:-1]), UNITS[parts[-1].casefold()]
    return " ".join(parts) or column, ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set a Markdown table: the first column to the left, figures to the right."""
    lines = [
        "| " + " | ".join(cell(name) for name in header) + " |",
        "| --- |" + " ---: |" * (len(header) - 1),
    ]
    return "\n".join([*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in rows)])


def cell(text: str) -> str:
    """Make text safe inside a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def as_map(value: JsonValue) -> Figures:
    """Take a JSON value as an object; an empty one when it is not."""
    return value if isinstance(value, dict) else {}


def map_of(figures: Figures, name: str) -> Figures:
    """Take the object of that name."""
    return as_map(figures.get(name))


def list_of(figures: Figures, name: str) -> list[JsonValue]:
    """Take the list of that name."""
    value = figures.get(name)
    return value if isinstance(value, list) else []


def measures_of(figures: Figures) -> list[tuple[str, JsonValue]]:
    """List the measures a report shows, with their figures."""
    return list(map_of(figures, "measures").items())[:MAX_MEASURES]
