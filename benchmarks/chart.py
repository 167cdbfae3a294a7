"""The report's picture: a bar for each engine at each workload, as an SVG of plain shapes."""

from collections.abc import Iterator
from html import escape
from typing import Final

from benchmarks.figures import UNITS, short, spread
from benchmarks.ratios import figures_of
from benchmarks.records import NEXUS, Book
from benchmarks.report import title_of
from benchmarks.shapes import Sizes

WIDTH: Final = 760
LABEL: Final = 230
BAR: Final = 400
ROW: Final = 20
OURS: Final = "#2563eb"
THEIRS: Final = "#94a3b8"

Bars = list[tuple[str, float]]


def draw(book: Book, sizes: Sizes, database: str) -> str:
    """Draw W1 to W5 on one database; each workload has a scale of its own."""
    groups = [(workload, _bars(book, sizes, database, workload)) for workload in UNITS]
    shapes: list[str] = []
    top = 30
    for workload, bars in groups:
        if bars:
            shapes += _group(workload, bars, top)
            top += ROW * (len(bars) + 2)
    title = f'<text x="8" y="18" font-weight="bold">Medians on {escape(database)}</text>'
    style = 'font-family="sans-serif" font-size="12" fill="#334155"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" {style}>',
            f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>',
            title,
            *shapes,
            "</svg>\n",
        ]
    )


def _bars(book: Book, sizes: Sizes, database: str, workload: str) -> Bars:
    engines = dict.fromkeys(one.engine for one in book.records)
    found = {
        engine: list(figures_of(book, sizes, engine, (database, workload)).values())
        for engine in engines
    }
    bars = [(engine, spread(values).median) for engine, values in found.items() if values]
    return sorted(bars, key=lambda bar: bar[1], reverse=UNITS[workload].more_is_better)


def _group(workload: str, bars: Bars, top: int) -> Iterator[str]:
    unit = UNITS[workload]
    better = "more" if unit.more_is_better else "less"
    heading = escape(f"{workload.upper()} {unit.title}: {unit.unit}, {better} is better")
    yield f'<text x="8" y="{top + 14}" font-weight="bold">{heading}</text>'
    most = max(value for _, value in bars)
    for at, (engine, value) in enumerate(bars, start=1):
        y = top + at * ROW
        colour = OURS if engine == NEXUS else THEIRS
        long = max(1.0, BAR * value / most)
        yield f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{escape(title_of(engine))}</text>'
        yield f'<rect x="{LABEL}" y="{y + 3}" width="{long:.1f}" height="14" fill="{colour}"/>'
        yield f'<text x="{LABEL + long + 6:.1f}" y="{y + 14}">{short(value)}</text>'
