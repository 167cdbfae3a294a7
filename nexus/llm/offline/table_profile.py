"""A table's figures from its text: rows, missing values, distributions, groups, correlations.

This file's source is what the data agent runs in the sandbox, so it keeps to plain functions that
run on CPython without packages and on Monty, a subset of Python. It is never imported to compute.
"""

import math

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", ".")
"""Cells that hold nothing, in lower case; every one of them is counted as missing."""

MAX_COLUMNS = 60
MAX_GROUPS = 12


def parse(text: str, delimiter: str) -> list[list[str]]:
    """Split delimited text into rows of cells, honouring double quotes."""
    rows: list[list[str]] = []
    pending = ""
    for line in text.split("\n"):
        line = pending + "\n" + line if pending else line
        # An odd number of quotes leaves a cell open: it goes on in the next line.
        pending = line if line.count('"') % 2 else ""
        if not pending and line.strip():
            rows.append(cells_of(line, delimiter))
    if pending:
        rows.append([cell.strip() for cell in pending.split(delimiter)])
    return rows


def cells_of(line: str, delimiter: str) -> list[str]:
    """Split one line at the delimiters that stand outside quotes."""
    cells: list[str] = []
    cell = ""
    for part in line.split(delimiter):
        cell = cell + delimiter + part if cell else part
        if cell.count('"') % 2 == 0:
            cells.append(unquoted(cell.strip()))
            cell = ""
    return cells


def unquoted(cell: str) -> str:
    """Take the quotes off a quoted cell."""
    if len(cell) > 1 and cell.startswith('"') and cell.endswith('"'):
        return cell[1:-1].replace('""', '"').strip()
    return cell


def sniff(text: str) -> str:
    """Choose the delimiter that the first line uses most."""
    first = text.split("\n", 1)[0]
    return max([",", ";", "\t", "|"], key=lambda mark: first.count(mark))


def number(cell: str, comma: bool) -> float | None:
    """Read a cell as a finite number, or give None; `comma` says that it is the decimal mark."""
    plain = cell.replace(",", ".") if comma else cell
    if "_" in plain:
        return None
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if value - value == 0 else None


def middle(values: list[float]) -> float:
    """Give the median of a list that is not empty."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def describe(values: list[float]) -> dict[str, float | None]:
    """Count, mean, sample standard deviation, minimum, median and maximum."""
    n = len(values)
    if not n:
        return {"n": 0}
    mean = math.fsum(values) / n
    spread = math.fsum([(value - mean) ** 2 for value in values])
    return {
        "n": n,
        "sum": math.fsum(values),
        "mean": mean,
        "sd": math.sqrt(spread / (n - 1)) if n > 1 else None,
        "min": min(values),
        "median": middle(values),
        "max": max(values),
    }


def split(labels: list[str | None], values: list[float | None]) -> dict[str, list[float]]:
    """Gather the numbers of each label, leaving out rows where either is missing."""
    groups: dict[str, list[float]] = {}
    for label, value in zip(labels, values, strict=False):
        if label is not None and value is not None:
            groups.setdefault(label, []).append(value)
    return groups


def explained(groups: dict[str, list[float]]) -> float:
    """Share of the variance that lies between the groups (eta squared), from 0 to 1."""
    everything = [value for values in groups.values() for value in values]
    if len(everything) < 3 or len(groups) < 2:
        return 0.0
    mean = math.fsum(everything) / len(everything)
    total = math.fsum([(value - mean) ** 2 for value in everything])
    between = math.fsum([len(v) * (math.fsum(v) / len(v) - mean) ** 2 for v in groups.values()])
    return between / total if total > 0 else 0.0


def correlate(left: list[float | None], right: list[float | None]) -> dict[str, float] | None:
    """Pearson's r over the rows where both numbers are there, with their count."""
    pairs = [(a, b) for a, b in zip(left, right, strict=False) if a is not None and b is not None]
    n = len(pairs)
    if n < 3:
        return None
    mean_a = math.fsum([a for a, b in pairs]) / n
    mean_b = math.fsum([b for a, b in pairs]) / n
    top = math.fsum([(a - mean_a) * (b - mean_b) for a, b in pairs])
    low_a = math.fsum([(a - mean_a) ** 2 for a, b in pairs])
    low_b = math.fsum([(b - mean_b) ** 2 for a, b in pairs])
    if low_a <= 0 or low_b <= 0:
        return None
    return {"r": top / math.sqrt(low_a * low_b), "n": n}


def named(name: str, focus: list[str]) -> bool:
    """Tell whether the question speaks of a column, or of a label, in whatever ending."""
    for part in name.lower().replace("_", " ").replace("-", " ").split():
        for word in focus:
            shared = max(3, min(len(part), len(word)) - 1)
            close = abs(len(part) - len(word)) <= 3
            if close and len(part) >= 3 and part[:shared] == word[:shared]:
                return True
    return False


def is_period(values: list[float]) -> bool:
    """Tell whether whole numbers look like calendar years."""
    return all(value == int(value) and 1500 <= value <= 2200 for value in values)


def is_identifier(values: list[float]) -> bool:
    """Tell whether whole numbers only count the rows."""
    if len(values) < 10 or not all(value == int(value) for value in values):
        return False
    return len(set(values)) == len(values) and max(values) - min(values) == len(values) - 1


def sort_columns(
    names: list[str], columns: list[list[str | None]], comma: bool
) -> tuple[dict[str, list[float | None]], dict[str, list[str | None]], list[str]]:
    """Part the columns into measures (numbers), categories (few labels) and the rest."""
    measures: dict[str, list[float | None]] = {}
    categories: dict[str, list[str | None]] = {}
    others: list[str] = []
    for name, cells in zip(names, columns, strict=False):
        present = [cell for cell in cells if cell is not None]
        numbers = [None if cell is None else number(cell, comma) for cell in cells]
        values = [value for value in numbers if value is not None]
        labels = len(set(present))
        numeric = len(values) > 0 and len(values) == len(present)
        few = 2 <= labels <= MAX_GROUPS and labels * 2 <= len(present)
        if few and (not numeric or is_period(values)):
            categories[name] = cells
        elif numeric and not is_identifier(values):
            measures[name] = numbers
        else:
            others.append(name)
    return measures, categories, others


def group(labels: list[str | None], measures: dict[str, list[float | None]]) -> dict[str, object]:
    """Describe every measure within each label, labels in order of size and name."""
    sizes: dict[str, int] = {}
    for label in labels:
        if label is not None:
            sizes[label] = sizes.get(label, 0) + 1
    order = sorted(sizes, key=lambda label: (-sizes[label], label))
    figures = {}
    for name, values in measures.items():
        groups = split(labels, values)
        figures[name] = {label: describe(groups.get(label, [])) for label in order}
    return {"sizes": {label: sizes[label] for label in order}, "figures": figures}


def rank(
    categories: dict[str, list[str | None]],
    measures: dict[str, list[float | None]],
    focus: list[str],
) -> tuple[list[str], dict[str, tuple[bool, float]]]:
    """Order the categories: those the question names, then by the variance they explain."""
    shares: dict[str, tuple[bool, float]] = {}
    for name, labels in categories.items():
        found = [explained(split(labels, values)) for values in measures.values()]
        mentioned = named(name, focus) or any(
            named(label, focus) for label in labels if label is not None
        )
        shares[name] = (mentioned, math.fsum(found) / len(found) if found else 0.0)
    order = sorted(categories, key=lambda name: (-shares[name][0], -shares[name][1], name))
    return order, {name: shares[name] for name in order}


def cross(first: list[str | None], second: list[str | None]) -> list[str | None]:
    """Label each row by both categories, where both are known."""
    return [
        None if a is None or b is None else a + " / " + b
        for a, b in zip(first, second, strict=False)
    ]


def worth_crossing(first: list[str | None], second: list[str | None]) -> bool:
    """Tell whether two categories together still make a table that can be read at a glance."""
    return len(set(first) - {None}) * len(set(second) - {None}) <= MAX_GROUPS


def profile(text: str, focus: list[str]) -> dict[str, object]:
    """Compute everything the report needs from a table's text; `focus`: words of the question."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    delimiter = sniff(text)
    comma = delimiter == ";"
    rows = parse(text, delimiter)
    if len(rows) < 2:
        return {"rows": 0, "columns": rows[0] if rows else []}
    names: list[str] = []
    for at, name in enumerate(rows[0][:MAX_COLUMNS]):
        name = name or "column " + str(at + 1)
        names.append(name + " (" + str(at + 1) + ")" if name in names else name)
    columns: list[list[str | None]] = []
    for at in range(len(names)):
        cells = [row[at] if at < len(row) else "" for row in rows[1:]]
        columns.append([None if cell.lower() in MISSING else cell for cell in cells])
    measures, categories, others = sort_columns(names, columns, comma)
    order, shares = rank(categories, measures, focus)
    crossed: dict[str, object] = {}
    few = len(order) > 1 and worth_crossing(categories[order[0]], categories[order[1]])
    if few and (shares[order[1]][0] or shares[order[1]][1] >= 0.05):
        crossed = group(cross(categories[order[0]], categories[order[1]]), measures)
    pairs: list[dict[str, object]] = []
    listed = list(measures)
    for at, left in enumerate(listed[:12]):
        for right in listed[at + 1 : 12]:
            found = correlate(measures[left], measures[right])
            if found is not None:
                pairs.append({"left": left, "right": right, "r": found["r"], "n": found["n"]})
    return {
        "rows": len(rows) - 1,
        "columns": rows[0],
        "missing": {
            n: sum([1 for c in cells if c is None])
            for n, cells in zip(names, columns, strict=False)
        },
        "incomplete_rows": sum([1 for cells in zip(*columns, strict=False) if None in cells]),
        "uneven_rows": sum([1 for row in rows[1:] if len(row) != len(rows[0])]),
        "repeated_rows": len(rows) - 1 - len({"\n".join(row) for row in rows[1:]}),
        "measures": {
            name: describe([v for v in values if v is not None])
            for name, values in measures.items()
        },
        "others": others,
        "categories": {
            name: {"named": told, "explained": share} for name, (told, share) in shares.items()
        },
        "groups": {name: group(categories[name], measures) for name in order[:4]},
        "crossed": {"by": order[:2], "groups": crossed} if crossed else None,
        "correlations": pairs,
    }
