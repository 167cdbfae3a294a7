"""The figures in the data agent's output are those of the file, computed independently."""

import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pydantic_monty
import pytest

from nexus.domain.plan import PlanTask
from nexus.llm.offline.conversation import ToolAnswer
from nexus.llm.offline.figures import decimals_for, readable, written
from nexus.llm.offline.label import LABEL
from nexus.llm.offline.profiling import read_profile, write_program
from nexus.llm.offline.prompt import Source
from nexus.llm.offline.reporting import report_table
from nexus.llm.offline.table_profile import parse, profile
from tests.offline.line import EXAMPLE, World, run_task

PENGUINS = EXAMPLE / "penguins.csv"
MEASURES = {"bill_length_mm": 1, "bill_depth_mm": 1, "flipper_length_mm": 1, "body_mass_g": 0}
TASK = PlanTask(
    key="data", title="Figures", agent="data", instructions="Compare the species and the sexes."
)
TABLE = Source("documents/penguins.csv", "Penguins", "text/csv")


def rows() -> list[dict[str, str]]:
    with PENGUINS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values(measure: str, **where: str) -> list[float]:
    return [
        float(row[measure])
        for row in rows()
        if row[measure] != "NA" and all(row[name] == wanted for name, wanted in where.items())
    ]


def test_the_example_is_whole() -> None:
    assert len(rows()) == 344
    assert sum("NA" in row.values() for row in rows()) == 11


async def test_figures_by_species_and_sex_are_those_of_the_file(tmp_path: Path) -> None:
    text = await run_task(World.of(tmp_path, [PENGUINS]), "Species and sexes", TASK)
    assert "`penguins.csv` has 344 rows and 8 columns" in text
    assert "11 rows lack at least one value" in text
    assert text.count(LABEL) == 1
    for species in ("Adelie", "Chinstrap", "Gentoo"):
        cells = []
        for measure, decimals in MEASURES.items():
            found = values(measure, species=species)
            mean, spread = statistics.fmean(found), statistics.stdev(found)
            cells.append(f"{mean:,.{decimals}f} ± {spread:,.{decimals}f}")
            assert (
                f"{species} ({mean:,.{decimals}f} {measure.rsplit('_', 1)[1]}, n = {len(found)})"
                in text
            )
        size = sum(row["species"] == species for row in rows())
        assert f"| {species} | {size} | {' | '.join(cells)} |" in text
        for sex in ("male", "female"):
            mass = values("body_mass_g", species=species, sex=sex)
            assert f"{species} {sex} {statistics.fmean(mass):,.0f} g" in text or sex == "female"
            spread = statistics.stdev(mass)
            assert f"| {statistics.fmean(mass):,.0f} ± {spread:,.0f} |" in text


async def test_overall_figures_and_correlation_are_those_of_the_file(tmp_path: Path) -> None:
    text = await run_task(World.of(tmp_path, [PENGUINS]), "Species and sexes", TASK)
    for measure, decimals in MEASURES.items():
        found = values(measure)
        figures = [
            statistics.fmean(found),
            statistics.stdev(found),
            min(found),
            statistics.median(found),
            max(found),
        ]
        whole = all(figure == int(figure) for figure in figures[2:])
        places = [decimals] * 2 + [0 if whole else decimals] * 3
        told = " | ".join(f"{f:,.{p}f}" for f, p in zip(figures, places, strict=True))
        assert f"| {readable(measure)} | {len(found)} | {told} |" in text
    flipper, mass = values("flipper_length_mm"), values("body_mass_g")
    assert f"r = {statistics.correlation(flipper, mass):.2f}, n = 342" in text


@pytest.mark.parametrize("description", ["Runs Python.", "Monty: read_text(path) reads a file."])
def test_both_sandboxes_compute_the_same(tmp_path: Path, description: str) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / TABLE.file).write_bytes(PENGUINS.read_bytes())
    plain = write_program(TABLE, ["sex"], "Runs Python.")
    done = subprocess.run(
        [sys.executable, "-I", "-c", plain],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = pydantic_monty.CollectString()
    mount = pydantic_monty.MountDir(host_path=tmp_path, virtual_path="/workspace", mode="read-only")
    with mount, pydantic_monty.Monty() as pool, pool.checkout() as session:
        session.feed_run(
            write_program(TABLE, ["sex"], description),
            print_callback=printed,
            mount=mount,
            external_lookup={"read_text": lambda path: (tmp_path / path).read_text("utf-8")},
        )
    assert json.loads(str(printed.output)) == json.loads(done.stdout)


def test_quotes_semicolons_and_decimal_commas() -> None:
    assert parse('a,"b, ""c""\nd"\r\n', ",") == [["a", 'b, "c"\nd']]
    found = profile("town;price\nA;1,5\nB;2,5\nA;3,5\nB;4,5\n", [])
    assert found["measures"] == {
        "price": {
            "n": 4,
            "sum": 12.0,
            "mean": 3.0,
            "sd": pytest.approx(1.29, abs=0.01),
            "min": 1.5,
            "median": 3.0,
            "max": 4.5,
        }
    }
    assert list(json.loads(json.dumps(found["groups"]))) == ["town"]


@pytest.mark.parametrize(
    "text", ["", "\n", "a,b\n", "a\n\n", ",\n,\n", "a,a\n1,2\n3\n", '"', "x\n" * 3]
)
def test_odd_tables_are_reported(text: str) -> None:
    figures = json.dumps(profile(text, []))
    answer = ToolAnswer("run_python", {}, {"stdout": figures, "stderr": "", "exit_code": 0}, False)
    assert report_table(read_profile(TABLE, answer)).startswith("`penguins.csv` h")


@pytest.mark.parametrize(
    "value",
    [
        {"stdout": "", "stderr": "Traceback\nMemoryError", "exit_code": 1},
        "MemoryError",
        {"error": "MemoryError"},
    ],
)
def test_a_failed_program_is_told(value: dict[str, str | int] | str) -> None:
    told = report_table(
        read_profile(
            TABLE,
            ToolAnswer("run_python", {}, dict(value) if isinstance(value, dict) else value, True),
        )
    )
    assert told == "No figures for `penguins.csv`: the program that reads it failed (MemoryError)."


async def test_without_a_table_or_a_tool_it_says_so(tmp_path: Path) -> None:
    assert "No table was at hand" in await run_task(World(tmp_path), "Count", TASK)
    world = World.of(tmp_path, [PENGUINS], tools=())
    assert "no tool that runs Python" in await run_task(world, "Count", TASK)


def test_figures_are_rounded_as_a_reader_wants_them() -> None:
    assert [written(v, decimals_for([v])) for v in (5076.02, 217.19, 3.14159, 0.01234)] == [
        "5,076",
        "217.2",
        "3.14",
        "0.0123",
    ]
    assert readable("bill_length_mm") == "bill length (mm)"
