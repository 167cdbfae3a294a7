"""Records become figures, ratios, verdicts and pictures."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.chart import draw
from benchmarks.crash import read_witnesses, run_again
from benchmarks.figures import figure, short, spread
from benchmarks.ratios import ratios
from benchmarks.records import Book, Record, percentile, read_book
from benchmarks.report import render_report
from benchmarks.shapes import WHOLE
from benchmarks.targets import judge


def _book() -> Book:
    """Three rounds in which a chain takes Nexus half as long as LangGraph."""
    book = Book({"processors": 2})
    for turn, seconds in enumerate((0.2, 0.4, 0.1)):
        book.records += [
            Record("nexus", "sqlite", "w1", turn, {"seconds": seconds}),
            Record("langgraph", "sqlite", "w1", turn, {"seconds": 2 * seconds}),
            Record("nexus", "sqlite", "w6-restart", turn, {"again": 0.0 if turn else 1.0}),
        ]
    return book


@pytest.mark.parametrize(
    ("workload", "seconds", "value"),
    [("w1", 0.2, 1.0), ("w2", 0.502, 1_000.0), ("w3", 1.2, 1.2), ("w5", 0.5, 5.0)],
)
def test_seconds_become_the_figure_of_a_workload(
    workload: str, seconds: float, value: float
) -> None:
    assert figure(workload, seconds, WHOLE) == pytest.approx(value)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios(_book(), WHOLE, ("nexus", "langgraph"), ("sqlite", "w1")) == [0.5, 0.5, 0.5]


def test_a_target_is_met_by_the_median_and_a_limit_of_none_by_every_round() -> None:
    verdicts = {(one.workload, one.target): one for one in judge(_book(), WHOLE)}
    assert verdicts["w1", "≤ 1.00 × langgraph"].is_met
    assert verdicts["w1", "≤ 1.00 × langgraph"].room == pytest.approx(2.0)
    assert not verdicts["w6-restart", "finished tasks run again ≤ 0"].is_met


def test_the_report_says_what_is_met_and_what_is_not() -> None:
    text = render_report(_book(), WHOLE)
    assert "| LangGraph, sync | 2.00 (1.00 to 4.00) ms a task |  | 0.5 (0.5 to 0.5) |" in text
    assert "| met, by 2.00 × |" in text
    assert "| **not met** |" in text


def test_the_picture_is_whole() -> None:
    root = ElementTree.fromstring(draw(_book(), WHOLE, "sqlite"))
    assert [element.text for element in root.iter() if element.text == "Nexus"]


def test_records_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    _book().write(tmp_path / "results.json")
    assert read_book(tmp_path / "results.json") == _book()


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(at) for at in range(1, 101)]
    assert percentile(values, 0.99) == 99.0
    assert percentile([3.0], 0.99) == 3.0


def test_figures_have_three_digits() -> None:
    assert [short(value) for value in (1234.5, 12.34, 1.234, 0.1234)] == [
        "1,234",
        "12.3",
        "1.23",
        "0.123",
    ]
    assert spread([1.0, 3.0, 2.0]).median == 2.0


def test_what_was_finished_and_began_again_is_found(tmp_path: Path) -> None:
    log = tmp_path / "witness"
    log.write_text("a 1.0\nb 1.5\na 3.0\nb 3.5\n")
    assert run_again(read_witnesses(log), ["a"], killed=2.0) == ["a"]
    assert run_again(read_witnesses(log), ["a"], killed=3.2) == []
