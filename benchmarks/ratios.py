"""Figures of engines divided by each other, round by round."""

from benchmarks.figures import figure
from benchmarks.records import Book
from benchmarks.shapes import Sizes


def figures_of(
    book: Book, sizes: Sizes, engine: str, place: tuple[str, str], *, clock: str = "seconds"
) -> dict[int, float]:
    """Return an engine's figure in each round.

    Args:
        place: database and workload.
        clock: `seen_seconds` for what a client of Nexus saw.
    """
    database, workload = place
    found = book.values(engine, database, workload, clock)
    return {turn: figure(workload, seconds, sizes) for turn, seconds in found.items()}


def ratios(book: Book, sizes: Sizes, pair: tuple[str, str], place: tuple[str, str]) -> list[float]:
    """Divide one engine's figures by another's of the same round.

    Args:
        pair: the engine above and the one below the line.
        place: database and workload.
    """
    above, below = (figures_of(book, sizes, engine, place) for engine in pair)
    return [above[turn] / below[turn] for turn in sorted(above.keys() & below.keys())]
