"""A table's profile as Markdown: key figures in sentences, then tables, then how it was computed.

Reads what `table_profile.py` printed; every figure in the text is one of its figures, rounded.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from nexus.llm.offline.figures import decimals_for, name_and_unit, number, readable, table, written
from nexus.llm.offline.profiling import Profile
from nexus.llm.offline.researching import listed

MAX_KEY_FIGURES: Final = 9
SEPARATOR: Final = " / "
MAX_MEASURES: Final = 12
CLEAR_SHARE: Final = 0.02
"""Groups whose largest mean is less than this much above the smallest are told as alike."""

STRONG: Final = 0.5
"""Correlations weaker than this are left to the table."""

Figures = Mapping[str, JsonValue]


def report_table(profile: Profile) -> str:
    """Write the section of one table, without a heading of its own."""
    figures, name = profile.figures, profile.table.file.rsplit("/", 1)[-1]
    if profile.failure:
        return f"No figures for `{name}`: the program that reads it failed ({profile.failure})."
    rows = number(figures.get("rows")) or 0
    columns = _list(figures, "columns")
    if not rows:
        return f"`{name}` holds no rows of data under its header."
    parts = [
        f"`{name}` has {rows:,.0f} rows and {len(columns)} columns. {_missing(figures)}",
        *_key_figures(figures),
        *_group_tables(figures),
        _all_rows(figures),
        _method(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def _missing(figures: Figures) -> str:
    missing = {n: c for n, v in _map(figures, "missing").items() if (c := number(v))}
    if not missing:
        return "No value is missing."
    told = ", ".join(f"{count:,.0f} in {readable(name)}" for name, count in missing.items())
    rows = number(figures.get("incomplete_rows")) or 0
    sentence = f"Missing values: {told}; {rows:,.0f} rows lack at least one value."
    uneven = number(figures.get("uneven_rows")) or 0
    return sentence + (
        f" {uneven:,.0f} rows have more or fewer cells than the header." if uneven else ""
    )


def _key_figures(figures: Figures) -> list[str]:
    lines: list[str] = []
    groups = list(_map(figures, "groups").items())
    within = _within(figures)
    if groups:
        lines = _compared(groups[0][0], _as_map(groups[0][1]))[:4]
        lines += within[:4]
    named = [(n, g) for n, g in groups[1:] if _map(_map(figures, "categories"), n).get("named")]
    if named and not within:
        lines += _compared(named[0][0], _as_map(named[0][1]))[:3]
    lines = lines[: MAX_KEY_FIGURES - 1] + _correlated(figures)
    if not lines:
        lines = [_overall(name, _as_map(v)) for name, v in _measures(figures)]
    return ["### Key figures", "\n".join(f"- {line}" for line in lines)] if lines else []


def _compared(category: str, grouped: Figures) -> list[str]:
    """Order the groups by their mean, one sentence a measure, clearest difference first."""
    lines: list[tuple[float, str]] = []
    for measure, within in _map(grouped, "figures").items():
        described = {label: _as_map(value) for label, value in _as_map(within).items()}
        means = _means(described)
        if len(means) > 1:
            line = _comparison((readable(category), measure), means, described)
            low, high = min(means.values()), max(means.values())
            lines.append((-(high - low) / (max(abs(low), abs(high)) or 1), line))
    return [line for _, line in sorted(lines)]


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
    crossed = _map(figures, "crossed")
    by = [str(name) for name in _list(crossed, "by")]
    groups = _map(crossed, "groups")
    pairs: dict[str, dict[str, str]] = {}
    for label in _map(groups, "sizes"):
        outer, _, inner = label.rpartition(SEPARATOR)
        pairs.setdefault(outer, {})[inner] = label
    inners = {inner for pair in pairs.values() for inner in pair}
    if len(inners) != 2 or any(len(pair) != 2 for pair in pairs.values()):
        return []
    return [
        line
        for measure, measured in _map(groups, "figures").items()
        if (line := _set_against((by[0], measure), pairs, _as_map(measured)))
    ]


def _set_against(
    names: tuple[str, str], pairs: Mapping[str, Mapping[str, str]], measured: Figures
) -> str:
    """Say which of two labels has the higher mean when it is the same one everywhere."""
    by, measure = names
    means = _means({label: _as_map(value) for label, value in measured.items()})
    if any(label not in means for pair in pairs.values() for label in pair.values()):
        return ""
    leaders = {max(pair, key=lambda inner: means[pair[inner]]) for pair in pairs.values()}
    if len(leaders) != 1:
        return ""
    high = leaders.pop()
    name, unit = name_and_unit(measure)
    unit = f" {unit}" if unit else ""
    decimals = decimals_for(list(means.values()))
    told = []
    for outer, pair in sorted(pairs.items()):
        low = next(inner for inner in pair if inner != high)
        above, below = written(means[pair[high]], decimals), written(means[pair[low]], decimals)
        told.append(f"{outer} {high} {above}{unit}, {low} {below}{unit}")
    return f"Within every {readable(by)}, mean {name} is higher for {high}: {'; '.join(told)}."


def _correlated(figures: Figures) -> list[str]:
    pairs = [_as_map(pair) for pair in _list(figures, "correlations")]
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


def _group_tables(figures: Figures) -> list[str]:
    parts: list[str] = []
    for at, (category, grouped) in enumerate(_map(figures, "groups").items()):
        if at == 0 or _map(_map(figures, "categories"), category).get("named"):
            parts += _group_table(f"By {readable(category)}", [category], _as_map(grouped))
    crossed = _map(figures, "crossed")
    if crossed:
        by = [str(name) for name in _list(crossed, "by")]
        title = "By " + " and ".join(readable(name) for name in by)
        parts += _group_table(title, by, _map(crossed, "groups"))
    return parts


def _group_table(title: str, by: Sequence[str], grouped: Figures) -> list[str]:
    """Set mean ± standard deviation of every measure for each group."""
    within = dict(list(_map(grouped, "figures").items())[:MAX_MEASURES])
    sizes = _map(grouped, "sizes")
    if not within:
        rows = [[label, written(size)] for label, size in sizes.items()]
        return [f"### {title}", table([readable(by[0]).capitalize(), "rows"], rows)]
    columns = []
    for measured in within.values():
        described = [_as_map(_as_map(measured).get(label)) for label in sizes]
        decimals = decimals_for([number(d.get("mean")) for d in described])
        columns.append([_mean_and_sd(d, decimals) for d in described])
    rows = [
        [label, written(size), *(column[at] for column in columns)]
        for at, (label, size) in enumerate(sizes.items())
    ]
    header = [" / ".join(readable(name) for name in by).capitalize(), "rows"]
    return [
        f"### {title}",
        "Mean ± standard deviation.",
        table([*header, *(readable(name) for name in within)], rows),
    ]


def _mean_and_sd(d: Figures, decimals: int) -> str:
    if number(d.get("mean")) is None:
        return "–"
    spread = number(d.get("sd"))
    return written(d.get("mean"), decimals) + (
        f" ± {written(spread, decimals)}" if spread is not None else ""
    )


def _all_rows(figures: Figures) -> str:
    rows = []
    for name, value in _measures(figures):
        d = _as_map(value)
        decimals = decimals_for([number(d.get("mean"))])
        rows.append(
            [readable(name), written(d.get("n"))]
            + [written(d.get(key), decimals) for key in ("mean", "sd", "min", "median", "max")]
        )
    if not rows:
        return ""
    header = ["Measure", "n", "mean", "std. dev.", "min", "median", "max"]
    return f"### Over all rows\n\n{table(header, rows)}"


def _method(figures: Figures) -> str:
    others = [readable(str(name)) for name in _list(figures, "others")]
    text = (
        "*How computed: by a Python program over the whole file. Rows without a value are left out of "
        "the figures for that measure only; n counts the values used; the standard deviation is the "
        "sample's (n − 1)."
    )
    return text + (f" Not summarised: {', '.join(others[:10])}.*" if others else "*")


def _measures(figures: Figures) -> list[tuple[str, JsonValue]]:
    return list(_map(figures, "measures").items())[:MAX_MEASURES]


def _as_map(value: JsonValue) -> Figures:
    return value if isinstance(value, dict) else {}


def _map(figures: Figures, name: str) -> Figures:
    return _as_map(figures.get(name))


def _list(figures: Figures, name: str) -> list[JsonValue]:
    value = figures.get(name)
    return value if isinstance(value, list) else []
