"""Tables are profiled, queried and drawn, wherever code runs, and a query reaches nothing else."""

import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.seam import Json
from nexus.errors import ToolRefused
from nexus.tools.fetch.fetcher import Fetcher
from nexus.tools.registry import tools
from nexus.tools.sandbox.bubblewrap import BubblewrapSandbox
from nexus.tools.sandbox.contract import Caps, Sandbox
from nexus.tools.sandbox.monty import MontySandbox
from nexus.tools.scope import Equipment, ToolScope
from nexus.tools.searcher import Searcher
from nexus.tools.tables.inside import open_tables

SALES = "city,sold,price,day\nOslo,3,1.50,2026-01-01\nRome,5,,2026-01-02\nOslo,4,2.50,2026-01-03\n"


@pytest.fixture(params=["bubblewrap", "monty"])
def scope(request: pytest.FixtureRequest, folder: Path, binary: Path) -> ToolScope:
    """A project's folder with a table, where code runs in each of the sandboxes."""
    caps = Caps(seconds=30)
    sandbox: Sandbox = MontySandbox(caps)
    if request.param == "bubblewrap":
        sandbox = BubblewrapSandbox(binary, caps)
    (folder / "documents").mkdir()
    (folder / "documents" / "sales 2026.csv").write_text(SALES)
    memory: Any = None
    return ToolScope(
        "mine", "prj_1", folder, None, Equipment(memory, sandbox, Fetcher(), Searcher())
    )


async def call(scope: ToolScope, name: str, **arguments: Json) -> Any:
    return await tools()[name].call(scope, arguments, "key-1")


async def test_a_profile_says_what_a_table_holds(scope: ToolScope) -> None:
    told = await call(scope, "profile_table", file="documents/sales 2026.csv")
    assert (told["table"], told["rows"]) == ("sales_2026", 3)
    columns = {column["name"]: column for column in told["columns"]}
    assert list(columns) == ["city", "sold", "price", "day"]
    assert (columns["sold"]["min"], columns["sold"]["max"]) == ("3", "5")
    assert float(columns["price"]["missing_percent"]) == pytest.approx(33.33, abs=0.01)
    assert told["first_rows"][0] == ["Oslo", 3, 1.5, "2026-01-01"]


async def test_a_query_joins_files_and_keeps_its_rows(scope: ToolScope) -> None:
    (scope.folder / "people.json").write_text('[{"city": "Oslo", "people": 700}]')
    told = await call(
        scope,
        "query_table",
        sql="SELECT s.city, sum(sold) AS sold, any_value(people) AS people "
        "FROM sales_2026 s LEFT JOIN people USING (city) GROUP BY 1 ORDER BY 1",
        files=["documents/sales 2026.csv", "people.json"],
        save_as="out/cities.csv",
    )
    assert told["columns"] == ["city", "sold", "people"]
    assert told["rows"] == [["Oslo", 7, 700], ["Rome", 5, None]]
    assert told["saved"] == {"path": "out/cities.csv", "rows": 2}
    saved = (scope.folder / "out/cities.csv").read_text()
    assert saved.split() == ["city,sold,people", "Oslo,7,700", "Rome,5,"]


async def test_long_results_are_cut_and_say_so(scope: ToolScope) -> None:
    told = await call(scope, "query_table", sql="SELECT range FROM range(100000)", files=[])
    assert len(told["rows"]) == 200
    assert "only the first 200 rows" in told["remark"]


@pytest.mark.parametrize("kind", ["bar", "line", "scatter", "histogram", "pie"])
async def test_a_chart_is_a_picture_of_a_query(scope: ToolScope, kind: str) -> None:
    sql = "SELECT city, sum(sold) AS sold FROM sales_2026 GROUP BY 1 ORDER BY 1"
    told = await call(
        scope,
        "draw_chart",
        path=f"charts/{kind}.png",
        kind=kind,
        sql="SELECT sold FROM sales_2026" if kind == "histogram" else sql,
        files=["documents/sales 2026.csv"],
        title="Sold",
    )
    assert (told["path"], told["series"]) == (f"charts/{kind}.png", ["sold"])
    width, height, pixels = painted(scope.folder / "charts" / f"{kind}.png")
    assert (width, height) == (990, 550)
    assert len(set(pixels)) > 20  # shades of axes, letters and bars, not one empty page


def painted(picture: Path) -> tuple[int, int, bytes]:
    """Return width, height and the packed pixels of a PNG."""
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    size = (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
    packed, at = b"", 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    return (*size, zlib.decompress(packed))


@pytest.mark.parametrize(
    ("sql", "files", "why"),
    [
        ("SELECT nothing FROM sales_2026", ["documents/sales 2026.csv"], "nothing"),
        ("SELECT FROM WHERE", [], "Parser Error"),
        ("SELECT 1", ["missing.csv"], "no such file"),
        ("SELECT 1", ["../../other/prj_2/notes.csv"], "goes up"),
        ("SELECT 1", ["/etc/passwd"], "relative path"),
        ("SELECT 1", ["documents/*.csv"], "without wildcards"),
        ("SELECT 1", ["link.csv"], "link.csv"),
        ("SELECT 1", ["notes.xlsx"], "notes.xlsx"),
        ("", [], "empty"),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_words(
    scope: ToolScope, sql: str, files: list[str], why: str
) -> None:
    (scope.folder / "link.csv").symlink_to(scope.folder.parents[2] / "secret.key")
    (scope.folder / "notes.xlsx").write_text("x")
    given: list[Json] = [*files]
    with pytest.raises(ToolRefused, match=why):
        await call(scope, "query_table", sql=sql, files=given)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{data}/secret.key')",
        "SELECT * FROM '{data}/secret.key'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('documents/*')",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO 'planted.csv'",
        "COPY (SELECT 1) TO '{data}/planted.csv'",
        "EXPORT DATABASE 'planted'",
        "ATTACH '{data}/planted.db' AS planted",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET temp_directory = '{data}'",
        "CREATE SECRET s (TYPE s3)",
        "CREATE PERSISTENT SECRET s (TYPE http)",
        "SELECT * FROM request",
        "SELECT getenv('GROQ_API_KEY')",
    ],
)
def test_a_query_reaches_nothing_but_its_tables(
    folder: Path, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of DuckDB alone, without the wall of the sandbox around it."""
    monkeypatch.setenv("GROQ_API_KEY", "canary-key")
    monkeypatch.chdir(folder)
    (folder / "table.csv").write_text("a\n1\n")
    data = folder.parents[2]
    before = sorted(data.rglob("*"))
    database = open_tables({"t": "table.csv"})
    assert database.execute("SELECT a FROM t").fetchall() == [(1,)]
    with pytest.raises(import_module("duckdb").Error) as refused:
        database.execute(sql.replace("{data}", str(data))).fetchall()
    assert "canary" not in str(refused.value)
    assert sorted(data.rglob("*")) == before


async def test_a_query_without_an_end_is_ended(
    folder: Path, binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: Any = None
    for sandbox in (BubblewrapSandbox(binary, Caps(seconds=3)), MontySandbox()):
        monkeypatch.setattr("nexus.tools.tables.running.SECONDS", 3.0)
        scope = ToolScope(
            "mine", "prj_1", folder, None, Equipment(memory, sandbox, Fetcher(), Searcher())
        )
        endless = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i % 7 FROM n) SELECT max(i) FROM n"
        )
        with pytest.raises(ToolRefused, match="ended after 3 seconds"):
            await call(scope, "query_table", sql=endless, files=[])
