"""A table's profile as Markdown: key figures in sentences, then tables, then how it was computed.

Reads what `table_profile.py` printed; every figure in the text is one of its figures, rounded.
"""

from collections.abc import Sequence

from pydantic import JsonValue

from nexus.llm.offline.comparing import key_figures
from nexus.llm.offline.figures import (
    MAX_MEASURES,
    Figures,
    as_map,
    decimals_for,
    list_of,
    map_of,
    measures_of,
    number,
    readable,
    table,
    written,
)
from nexus.llm.offline.profiling import Profile


def report_table(profile: Profile) -> str:
    """Write the section of one table, without a heading of its own."""
    figures, name = profile.figures, profile.table.file.rsplit("/", 1)[-1]
    if profile.failure:
        return f"No figures for `{name}`: the program that reads it failed ({profile.failure})."
    rows = number(figures.get("rows")) or 0
    columns = list_of(figures, "columns")
    if not rows:
        return f"`{name}` holds no rows of data under its header."
    parts = [
        f"`{name}` has {rows:,.0f} rows and {len(columns)} columns. {_missing(figures)}",
        _listed_key_figures(figures),
        *_group_tables(figures),
        _all_rows(figures),
        _method(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def _listed_key_figures(figures: Figures) -> str:
    lines = "\n".join(f"- {line}" for line in key_figures(figures))
    return f"### Key figures\n\n{lines}" if lines else ""


def _missing(figures: Figures) -> str:
    missing = {n: c for n, v in map_of(figures, "missing").items() if (c := number(v))}
    if not missing:
        return "No value is missing."
    told = ", ".join(f"{count:,.0f} in {readable(name)}" for name, count in missing.items())
    rows = number(figures.get("incomplete_rows")) or 0
    sentence = f"Missing values: {told}; {rows:,.0f} rows lack at least one value."
    uneven = number(figures.get("uneven_rows")) or 0
    return sentence + (
        f" {uneven:,.0f} rows have more or fewer cells than the header." if uneven else ""
    )


def _group_tables(figures: Figures) -> list[str]:
    parts: list[str] = []
    for at, (category, grouped) in enumerate(map_of(figures, "groups").items()):
        if at == 0 or map_of(map_of(figures, "categories"), category).get("named"):
            parts += _group_table(f"By {readable(category)}", [category], as_map(grouped))
    crossed = map_of(figures, "crossed")
    if crossed:
        by = [str(name) for name in list_of(crossed, "by")]
        title = "By " + " and ".join(readable(name) for name in by)
        parts += _group_table(title, by, map_of(crossed, "groups"))
    return parts


def _group_table(title: str, by: Sequence[str], grouped: Figures) -> list[str]:
    """Set mean ± standard deviation of every measure for each group."""
    within = dict(list(map_of(grouped, "figures").items())[:MAX_MEASURES])
    sizes = map_of(grouped, "sizes")
    if not within:
        rows = [[label, written(size)] for label, size in sizes.items()]
        return [f"### {title}", table([readable(by[0]).capitalize(), "rows"], rows)]
    columns = []
    for measured in within.values():
        described = [as_map(as_map(measured).get(label)) for label in sizes]
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
    for name, value in measures_of(figures):
        d = as_map(value)
        decimals = decimals_for([number(d.get("mean"))])
        rows.append(
            [readable(name), written(d.get("n"))]
            + [written(d.get(key), decimals) for key in ("mean", "sd")]
            + _plainly([d.get(key) for key in ("min", "median", "max")], decimals)
        )
    if not rows:
        return ""
    header = ["Measure", "n", "mean", "std. dev.", "min", "median", "max"]
    return f"### Over all rows\n\n{table(header, rows)}"


def _plainly(values: Sequence[JsonValue], decimals: int) -> list[str]:
    """Write values of the file itself: whole numbers stay whole."""
    whole = all((found := number(value)) is not None and found == int(found) for value in values)
    return [written(value, 0 if whole else decimals) for value in values]


def _method(figures: Figures) -> str:
    others = [readable(str(name)) for name in list_of(figures, "others")]
    text = (
        "*How computed: by a Python program over the whole file. Rows without a value are left out of "
        "the figures for that measure only; n counts the values used; the standard deviation is the "
        "sample's (n − 1)."
    )
    return text + (f" Not summarised: {', '.join(others[:10])}.*" if others else "*")
