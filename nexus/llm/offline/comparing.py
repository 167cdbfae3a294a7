"""Key figures in sentences: groups compared, totals, what rises and falls together.

Every figure told is one that `table_profile.py` printed, rounded.
"""

from collections.abc import Mapping
from typing import Final

from nexus.llm.offline.figures import (
    Figures,
    as_map,
    decimals_for,
    list_of,
    map_of,
    measures_of,
    name_and_unit,
    number,
    readable,
    written,
)
from nexus.llm.offline.words import listed

MAX_KEY_FIGURES: Final = 9
SEPARATOR: Final = " / "
CLEAR_SHARE: Final = 0.02
"""Groups whose largest mean is less than this much above the smallest are told as alike."""

STRONG: Final = 0.5
"""Correlations weaker than this are left to the table."""

ADDITIVE: Final = frozenset(
    [
        "amount",
        "cases",
        "costs",
        "count",
        "income",
        "quantity",
        "revenue",
        "sales",
        "sold",
        "total",
        "units",
    ]
)
CURRENCIES: Final = frozenset(["USD", "EUR", "GBP"])
"""Measures so named, or in such units, have totals that mean something."""


def key_figures(figures: Figures) -> list[str]:
    """Write the key figures, most telling first: groups compared, then what rises together."""
    lines: list[str] = []
    groups = list(map_of(figures, "groups").items())
    within = _within(figures)
    if groups:
        lines = _totals(groups[0][0], as_map(groups[0][1]))[:2]
        lines += _compared(groups[0][0], as_map(groups[0][1]))[:4]
        lines += within[:4]
    named = [(n, g) for n, g in groups[1:] if map_of(map_of(figures, "categories"), n).get("named")]
    if named and not within:
        lines += _compared(named[0][0], as_map(named[0][1]))[:3]
    lines = lines[: MAX_KEY_FIGURES - 1] + _correlated(figures)
    if not lines:
        lines = [_overall(name, as_map(v)) for name, v in measures_of(figures)]
    return lines


def _compared(category: str, grouped: Figures) -> list[str]:
    """Order the groups by their mean, one sentence a measure, clearest difference first."""
    lines: list[tuple[float, str]] = []
    for measure, within in map_of(grouped, "figures").items():
        described = {label: as_map(value) for label, value in as_map(within).items()}
        means = _means(described)
        if len(means) > 1:
            line = _comparison((readable(category), measure), means, described)
            low, high = min(means.values()), max(means.values())
            lines.append((-(high - low) / (max(abs(low), abs(high)) or 1), line))
    return [line for _, line in sorted(lines)]


def _totals(category: str, grouped: Figures) -> list[str]:
    """Say the totals of what may be added up, groups in order; a length or a mass may not."""
    lines = []
    for measure, within in map_of(grouped, "figures").items():
        name, unit = name_and_unit(measure)
        if not (ADDITIVE & set(name.casefold().split()) or unit in CURRENCIES):
            continue
        sums = {
            n: t
            for n, d in as_map(within).items()
            if (t := number(as_map(d).get("sum"))) is not None
        }
        decimals = (
            0 if all(t == int(t) for t in sums.values()) else decimals_for(list(sums.values()))
        )
        told = [
            f"{label} ({written(sums[label], decimals)}{f' {unit}' if unit else ''})"
            for label in sorted(sums, key=lambda label: (-sums[label], label))
        ]
        if len(told) > 1:
            lines.append(
                f"Total {name} by {readable(category)} is highest for {told[0]}, followed by {listed(told[1:])}."
            )
    return lines


def _means(described: Mapping[str, Figures]) -> dict[str, float]:
    found = {label: number(d.get("mean")) for label, d in described.items()}
    return {label: mean for label, mean in found.items() if mean is not None}


def _comparison(
    names: tuple[str, str], means: Mapping[str, float], described: Mapping[str, Figures]
) -> str:
    by, measure = names
    name, unit = name_and_unit(measure)
    order = sorted(means, key=lambda label: (-means[label], label))
    decimals = decimals_for(list(means.values()))
    unit = f" {unit}" if unit else ""
    told = [
        f"{label} ({written(means[label], decimals)}{unit}, n = {written(described[label].get('n'))})"
        for label in order
    ]
    top, bottom = means[order[0]], means[order[-1]]
    if top - bottom <= CLEAR_SHARE * max(abs(top), abs(bottom)):
        return f"Mean {name} is much the same for every {by}: {', '.join(told)}."
    return f"Mean {name} is highest for {told[0]}, followed by {listed(told[1:])}."


def _within(figures: Figures) -> list[str]:
    """Compare the two labels of the second category inside each label of the first."""
    crossed = map_of(figures, "crossed")
    by = [str(name) for name in list_of(crossed, "by")]
    groups = map_of(crossed, "groups")
    pairs: dict[str, dict[str, str]] = {}
    for label in map_of(groups, "sizes"):
        outer, _, inner = label.rpartition(SEPARATOR)
        pairs.setdefault(outer, {})[inner] = label
    inners = {inner for pair in pairs.values() for inner in pair}
    if len(inners) != 2 or any(len(pair) != 2 for pair in pairs.values()):
        return []
    lines = [
        _set_against((by[0], measure), pairs, as_map(measured))
        for measure, measured in map_of(groups, "figures").items()
    ]
    return [line for _, line in sorted(line for line in lines if line[1])]


def _set_against(
    names: tuple[str, str], pairs: Mapping[str, Mapping[str, str]], measured: Figures
) -> tuple[float, str]:
    """Say which of two labels has the higher mean, when it is the same one everywhere.

    Returns:
        Minus the mean relative difference, to sort by, and the sentence, empty if there is none.
    """
    by, measure = names
    means = _means({label: as_map(value) for label, value in measured.items()})
    if any(label not in means for pair in pairs.values() for label in pair.values()):
        return 0.0, ""
    leaders = {max(pair, key=lambda inner: means[pair[inner]]) for pair in pairs.values()}
    if len(leaders) != 1:
        return 0.0, ""
    high = leaders.pop()
    name, unit = name_and_unit(measure)
    unit = f" {unit}" if unit else ""
    decimals = decimals_for(list(means.values()))
    told, shares = [], []
    for outer, pair in sorted(pairs.items()):
        low = next(inner for inner in pair if inner != high)
        above, below = means[pair[high]], means[pair[low]]
        shares.append((above - below) / (max(abs(above), abs(below)) or 1))
        told.append(
            f"{outer} {high} {written(above, decimals)}{unit}, "
            f"{low} {written(below, decimals)}{unit}"
        )
    line = f"Within every {readable(by)}, mean {name} is higher for {high}: {'; '.join(told)}."
    return -sum(shares) / len(shares), line


def _correlated(figures: Figures) -> list[str]:
    pairs = [as_map(pair) for pair in list_of(figures, "correlations")]
    best = max(pairs, key=lambda pair: abs(number(pair.get("r")) or 0), default={})
    r = number(best.get("r")) or 0
    if abs(r) < STRONG:
        return []
    left, right = (name_and_unit(str(best[side]))[0] for side in ("left", "right"))
    course = "rise and fall together" if r > 0 else "run against each other"
    return [
        f"Over all rows, {left} and {right} {course} (correlation r = {r:.2f}, n = {written(best.get('n'))})."
    ]


def _overall(measure: str, d: Figures) -> str:
    name, unit = name_and_unit(measure)
    unit = f" {unit}" if unit else ""
    decimals = decimals_for([number(d.get("mean"))])
    return (
        f"{name.capitalize()}: mean {written(d.get('mean'), decimals)}{unit}, from "
        f"{written(d.get('min'))} to {written(d.get('max'))}{unit} (n = {written(d.get('n'))})."
    )
