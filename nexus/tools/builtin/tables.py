"""The tools over tables: what a file holds, SQL over files, a chart of what SQL gives."""

import re
from pathlib import PurePosixPath
from typing import Final, Literal

from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.files import split_path
from nexus.tools.scope import ToolScope
from nexus.tools.spec import Caution, tool
from nexus.tools.tables.running import Request, run_over

MOST_FILES: Final = 20
MOST_SQL: Final = 50_000


@tool(effect=Effect.READ, caution=Caution.STORED)
async def profile_table(scope: ToolScope, file: str) -> Json:
    """Say what a table file (CSV, TSV, JSON, Parquet) holds: rows, columns with their figures, samples."""
    return await run_over(scope, Request("profile", _tables([file]), {}))


@tool(effect=Effect.IDEMPOTENT, caution=Caution.STORED)
async def query_table(
    scope: ToolScope, sql: str, files: list[str], save_as: str | None = None
) -> Json:
    """Run SQL (DuckDB) over table files (CSV, TSV, JSON, Parquet) of the project's folder.

    Each file is a table named like it: `documents/sales 2024.csv` is `sales_2024`. The first
    200 rows are returned; `save_as` (a .csv path) keeps all of them as a file.
    """
    output = None if save_as is None else _output(save_as, ".csv")
    return await run_over(scope, Request("query", _tables(files), {"sql": _sql(sql)}, output))


@tool(effect=Effect.IDEMPOTENT)
async def draw_chart(
    scope: ToolScope,
    path: str,
    kind: Literal["bar", "line", "scatter", "histogram", "pie"],
    sql: str,
    files: list[str],
    title: str = "",
) -> Json:
    """Draw the result of SQL over table files as a PNG picture at `path`.

    The first column goes along x, every other column is a series of numbers; a histogram
    takes columns of numbers only. Files are tables as in query_table; `files` may be empty.
    """
    more: dict[str, Json] = {"sql": _sql(sql), "kind": kind, "title": title[:200]}
    return await run_over(scope, Request("draw", _tables(files), more, _output(path, ".png")))


def _sql(sql: str) -> str:
    if not sql.strip():
        raise ToolRefused("the query is empty")
    if len(sql) > MOST_SQL:
        raise ToolRefused(f"the query has {len(sql)} characters; at most {MOST_SQL} are taken")
    return sql


def _output(path: str, ending: str) -> str:
    names = split_path(path)
    if not names or not names[-1].lower().endswith(ending):
        raise ToolRefused(f"{path!r} does not end in {ending}")
    return "/".join(names)


def _tables(files: list[str]) -> dict[str, str]:
    """Name a table for every file, each name once."""
    if len(files) > MOST_FILES:
        raise ToolRefused(f"{len(files)} files are too many; at most {MOST_FILES} are taken")
    tables: dict[str, str] = {}
    for file in files:
        path = "/".join(split_path(file))
        if re.search(r"[*?\[\]]", path):
            raise ToolRefused(f"{file!r}: name one file, without wildcards")
        stem = re.sub(r"\W+", "_", PurePosixPath(path).stem).strip("_")[:60] or "table"
        base = f"t_{stem}" if stem[0].isdigit() else stem
        name, number = base, 1
        while name.lower() in {taken.lower() for taken in tables}:
            number += 1
            name = f"{base}_{number}"
        tables[name] = path
    return tables
