"""The tables of a report, as Markdown."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.contestants import PEERS
from benchmarks.figures import UNITS, figure, spread
from benchmarks.records import NEXUS, Book
from benchmarks.shapes import Sizes


def render(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def title_of(engine: str) -> str:
    """Name an engine as its makers do."""
    return "Nexus" if engine == NEXUS else PEERS[engine].title


def ratios(book: Book, sizes: Sizes, pair: tuple[str, str], place: tuple[str, str]) -> list[float]:
    """Divide one engine's figures by another's, round by round.

    Args:
        pair: the engine above and the one below the line.
        place: database and workload.
    """
    above, below = (_figures(book, sizes, engine, place) for engine in pair)
    return [above[turn] / below[turn] for turn in sorted(above.keys() & below.keys())]


def _figures(book: Book, sizes: Sizes, engine: str, place: tuple[str, str]) -> dict[int, float]:
    database, workload = place
    found = book.values(engine, database, workload, "seconds")
    return {turn: figure(workload, seconds, sizes) for turn, seconds in found.items()}


def _rows(book: Book, sizes: Sizes) -> Iterator[list[str]]:
    places = dict.fromkeys((one.database, one.workload) for one in book.records)
    for place in places:
        database, workload = place
        if workload not in UNITS:
            continue
        unit = UNITS[workload]
        for engine in dict.fromkeys(one.engine for one in book.records):
            found = _figures(book, sizes, engine, place)
            if not found:
                continue
            against = ratios(book, sizes, (NEXUS, engine), place)
            ratio = str(spread(against)) if against and engine != NEXUS else ""
            value = f"{spread(list(found.values()))} {unit.unit}"
            memory = list(book.values(engine, database, workload, "rss_mb").values())
            shown = f"{max(memory):,.0f} MB" if memory else ""
            name = f"{workload.upper()} {unit.title}"
            yield [name, database, title_of(engine), value, ratio, shown]


def render_comparison(book: Book, sizes: Sizes) -> str:
    """Show what every engine took: medians, their spread, and Nexus divided by each peer."""
    head = ["workload", "database", "engine", "median (lowest to highest)", "Nexus ÷ it", "RSS"]
    return render(head, _rows(book, sizes))
