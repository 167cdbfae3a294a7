"""The program behind the table tools; its text is run in the sandbox or in a process of its own.

It imports nothing of Nexus. What it is asked is data of a model: the files are read first,
then DuckDB is locked, so that a query reaches no file, no network and no setting.
"""

import csv
import json
import math
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from warnings import simplefilter

READERS: Final = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".txt": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
    ".parquet": "read_parquet",
}
MOST_ROWS: Final = 200
MOST_SAVED: Final = 1_000_000
MOST_CELL: Final = 1_000
MOST_SHOWN: Final = 60_000
SAMPLE: Final = 5
MOST_POINTS: Final = {"bar": 60, "pie": 12, "line": 20_000, "scatter": 20_000, "histogram": 200_000}
MOST_SERIES: Final = 12
SETTINGS: Final = {
    "threads": 1,
    "memory_limit": "1GB",
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
}
LOCKS: Final = ("SET enable_external_access = false", "SET lock_configuration = true")

Series = list[tuple[str, list[Any]]]


class Refused(Exception):
    """What is asked cannot be done; the words are for the model."""


def open_tables(tables: dict[str, str]) -> Any:
    """Open a database of the tables (name to file) and lock it."""
    database = import_module("duckdb").connect(":memory:", config=SETTINGS)
    for name, path in tables.items():
        reader = READERS.get(Path(path).suffix.lower())
        if reader is None:
            raise Refused(f"{path}: only {', '.join(READERS)} can be read as a table")
        if not Path(path).is_file():
            raise Refused(f"{path}: there is no such file; list_files shows what there is")
        getattr(database, reader)(path).create(name)
    for lock in LOCKS:
        database.execute(lock)
    return database


def plain(value: Any) -> Any:
    """Return a value of DuckDB as JSON has it; what JSON lacks becomes text."""
    if value is None or isinstance(value, bool | int | str):
        return value if not isinstance(value, str) else value[:MOST_CELL]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value[:MOST_ROWS]]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return str(value)[:MOST_CELL]


def profile(request: dict[str, Any]) -> dict[str, Any]:
    """Say what a table holds: its columns with their figures, and its first rows."""
    database = open_tables(request["tables"])
    name = next(iter(request["tables"]))
    table = database.table(name)
    summary = database.execute("SUMMARIZE FROM query_table(?)", [name])
    heads = [column[0] for column in summary.description]
    columns = []
    for row in summary.fetchall():
        told = dict(zip(heads, row, strict=True))
        columns.append(
            {
                "name": told["column_name"],
                "type": told["column_type"],
                "missing_percent": plain(told["null_percentage"]),
                "distinct_about": plain(told["approx_unique"]),
                "min": plain(told["min"]),
                "max": plain(told["max"]),
                "mean": plain(told["avg"]),
                "median": plain(told["q50"]),
            }
        )
    first = [[plain(value) for value in row] for row in table.limit(SAMPLE).fetchall()]
    return {
        "table": name,
        "rows": table.count("*").fetchall()[0][0],
        "columns": columns,
        "first_rows": first,
    }


def query(request: dict[str, Any]) -> dict[str, Any]:
    """Run SQL; show the first rows, and save all of them as CSV where a file is named."""
    result, heads = answered(request)
    answer: dict[str, Any] = {"tables": request["tables"], "columns": heads}
    if request["output"]:
        rows = result.fetchmany(MOST_SAVED + 1)
        if len(rows) > MOST_SAVED:
            raise Refused(f"the result has more than {MOST_SAVED:,} rows, too many to save")
        save(rows, heads, request["output"])
        answer["saved"] = {"path": request["output"], "rows": len(rows)}
        rows = rows[: MOST_ROWS + 1]
    else:
        rows = result.fetchmany(MOST_ROWS + 1)
    shown, size = [], 0
    for row in rows[:MOST_ROWS]:
        cells = [plain(value) for value in row]
        size += len(json.dumps(cells))
        if size > MOST_SHOWN:
            break
        shown.append(cells)
    answer["rows"] = shown
    if len(shown) < len(rows):
        answer["remark"] = f"only the first {len(shown)} rows are shown: aggregate, or use LIMIT"
    return answer


def answered(request: dict[str, Any]) -> tuple[Any, list[str]]:
    """Run the request's SQL; return what its last statement gives, and its column names."""
    database = open_tables(request["tables"])
    result = database.execute(request["sql"])
    if not result.description:
        raise Refused("the query gives no rows; end it with a SELECT")
    return result, [column[0] for column in result.description]


def save(rows: list[Any], heads: list[str], output: str) -> None:
    """Write rows as CSV."""
    place = Path(output)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heads)
        writer.writerows(rows)


def draw(request: dict[str, Any]) -> dict[str, Any]:
    """Draw the rows of a query as PNG: the first column along x, every other one a series."""
    result, heads = answered(request)
    kind, most = request["kind"], MOST_POINTS[request["kind"]]
    rows = result.fetchmany(most + 1)
    if not rows:
        raise Refused("the query gives no rows, so there is nothing to draw")
    if len(rows) > most:
        raise Refused(f"a {kind} chart takes at most {most:,} rows: aggregate, or use LIMIT")
    columns = [list(column) for column in zip(*rows, strict=True)]
    if kind != "histogram" and len(columns) < 2:
        raise Refused("give two columns or more: the first goes along x, the others are drawn")
    if len(columns) > MOST_SERIES + 1:
        raise Refused(f"at most {MOST_SERIES} series can be told apart: select fewer columns")
    paint(request, heads, columns)
    return {"path": request["output"], "rows": len(rows), "series": heads[kind != "histogram" :]}


def paint(request: dict[str, Any], heads: list[str], columns: list[list[Any]]) -> None:
    """Paint columns of values and write the picture."""
    simplefilter("ignore")  # letters that a font lacks are no news to the model
    figure = import_module("matplotlib.figure").Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    series = list(zip(heads, columns, strict=True))
    PAINTERS[request["kind"]](axes, series)
    if request["kind"] != "pie":
        axes.grid(alpha=0.3)
        axes.set_xlabel(heads[0])
        if axes.get_legend_handles_labels()[1][1:]:
            axes.legend()
        else:
            axes.set_ylabel(heads[-1] if heads[1:] else "rows")
    axes.set_title(request["title"])
    place = Path(request["output"])
    place.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(place, format="png", dpi=110)


def histogram(axes: Any, series: Series) -> None:
    """Draw how the values of every column are spread."""
    for head, values in series:
        axes.hist(numbers(head, values), bins=30, alpha=0.7, label=head)


def pie(axes: Any, series: Series) -> None:
    """Draw the shares of the second column, named by the first."""
    axes.pie(numbers(*series[1]), labels=[str(one) for one in series[0][1]], autopct="%1.1f%%")


def line(axes: Any, series: Series, **style: str) -> None:
    """Draw every column but the first as a line."""
    along = series[0][1]
    is_measured = all(isinstance(one, int | float | Decimal | date) for one in along)
    for head, values in series[1:]:
        x = along if is_measured else [str(one) for one in along]
        axes.plot(x, numbers(head, values), label=head, **(style or {"marker": "."}))
    turn(axes, along)


def scatter(axes: Any, series: Series) -> None:
    """Draw every column but the first as points."""
    line(axes, series, marker="o", linestyle="none")


def bar(axes: Any, series: Series) -> None:
    """Draw the bars of every column but the first, side by side."""
    along, width = series[0][1], 0.8 / len(series[1:])
    for at, (head, values) in enumerate(series[1:]):
        places = [number - 0.4 + width * (at + 0.5) for number in range(len(along))]
        axes.bar(places, numbers(head, values), width, label=head)
    axes.set_xticks(range(len(along)), [str(one) for one in along])
    turn(axes, along)


def turn(axes: Any, along: list[Any]) -> None:
    """Turn the words along x where they are many."""
    if len(along) > 8:
        axes.tick_params(axis="x", rotation=45)


PAINTERS: Final = {
    "histogram": histogram,
    "pie": pie,
    "line": line,
    "scatter": scatter,
    "bar": bar,
}


def numbers(head: str, values: list[Any]) -> list[float]:
    """Return a column as numbers; what is missing leaves a gap."""
    found = []
    for value in values:
        if isinstance(value, timedelta):
            found.append(value.total_seconds())
        elif value is None:
            found.append(math.nan)
        elif isinstance(value, int | float | Decimal):
            found.append(float(value))
        else:
            raise Refused(f"the column {head!r} holds {value!r:.60}, which is not a number")
    return found


def main(text: str) -> None:
    """Do what a request (JSON) asks and print the reply: `{"value": …}` or `{"refused": …}`."""
    request = json.loads(text)
    act = {"profile": profile, "query": query, "draw": draw}[request["act"]]
    reply: dict[str, Any]
    try:
        reply = {"value": act(request)}
    except Refused as refused:
        reply = {"refused": str(refused)}
    except (import_module("duckdb").Error, ValueError, OSError, ImportError) as wrong:
        reply = {"refused": f"{type(wrong).__name__}: {wrong}"[:2_000]}
    sys.stdout.write(f"\n{json.dumps(reply, default=str)}\n")
