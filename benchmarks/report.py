"""The report of a run, as Markdown: the machine, every engine's figures, every target."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from benchmarks.contestants import PEERS
from benchmarks.figures import UNITS, short, spread
from benchmarks.ratios import figures_of, ratios
from benchmarks.records import NEXUS, Book
from benchmarks.shapes import Sizes
from benchmarks.targets import Verdict, judge


def title_of(engine: str) -> str:
    """Name an engine as its makers do."""
    return "Nexus" if engine == NEXUS else PEERS[engine].title


def render_report(book: Book, sizes: Sizes) -> str:
    """Write the whole report."""
    machine = ", ".join(f"{name} {value}" for name, value in book.machine.items())
    parts = ["# Measured", f"On: {machine}.", *_noise(book, sizes)]
    comparison = list(_comparison(book, sizes))
    if comparison:
        parts += ["## Engines side by side", table(ENGINES, comparison), MEMORY]
    alone = list(_alone(book))
    if alone:
        parts += ["## Nexus alone", table(ALONE, alone)]
    verdicts = [
        (
            one.workload.upper(),
            one.database,
            one.target,
            one.measured,
            _verdict(one),
        )
        for one in sorted(judge(book, sizes), key=lambda one: (one.database, one.workload))
    ]
    if verdicts:
        parts += ["## Targets", table(TARGETS, verdicts)]
    return "\n\n".join(parts) + "\n"


ENGINES: Final = (
    "workload",
    "database",
    "engine",
    "median (range)",
    "client saw",
    "Nexus ÷ it",
    "memory",
)
ALONE: Final = ("workload", "database", "figure", "median (range)")
TARGETS: Final = ("workload", "database", "target", "measured", "")
MEMORY: Final = (
    "Memory is the highest sum over an engine's processes: PSS, which shares out common "
    "pages, and in brackets RSS, which counts them in every process. A PostgreSQL server is left out."
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _verdict(one: Verdict) -> str:
    """Say whether a target is met and by how much; of nothing there is no how much."""
    word = "met" if one.is_met else "**not met**"
    if one.room in (0.0, float("inf")):
        return word
    return f"{word}, by {short(max(one.room, 1 / one.room))} ×"


def _noise(book: Book, sizes: Sizes) -> Iterator[str]:
    """Say how much the same work of the floor differed between rounds: less means nothing."""
    for workload in ("w1", "w2"):
        found = list(figures_of(book, sizes, "floor", ("sqlite", workload)).values())
        if len(found) > 1:
            middle = spread(found)
            share = (middle.high - middle.low) / middle.median
            yield (
                f"Noise: the floor's {UNITS[workload].title} was {middle} {UNITS[workload].unit} "
                f"over {middle.count} rounds, a spread of {share:.0%}."
            )


def _comparison(book: Book, sizes: Sizes) -> Iterator[list[str]]:
    engines = list(dict.fromkeys(one.engine for one in book.records))
    for place in dict.fromkeys((one.database, one.workload) for one in book.records):
        database, workload = place
        for engine in engines if workload in UNITS else ():
            found = list(figures_of(book, sizes, engine, place).values())
            if not found:
                continue
            against = ratios(book, sizes, (NEXUS, engine), place) if engine != NEXUS else []
            seen = figures_of(book, sizes, engine, place, clock="seen_seconds")
            unit = UNITS[workload]
            yield [
                f"{workload.upper()} {unit.title}",
                database,
                title_of(engine),
                f"{spread(found)} {unit.unit}",
                short(spread(list(seen.values())).median) if seen else "",
                str(spread(against)) if against else "",
                _memory(book, engine, place),
            ]


def _memory(book: Book, engine: str, place: tuple[str, str]) -> str:
    shared, counted = (
        list(book.values(engine, *place, name).values()) for name in ("pss_mb", "rss_mb")
    )
    return f"{max(shared):,.0f} MB ({max(counted):,.0f})" if shared and counted else ""


def _alone(book: Book) -> Iterator[list[str]]:
    places = dict.fromkeys((one.database, one.workload) for one in book.records)
    for database, workload in places:
        if workload in UNITS:
            continue
        records = book.select(NEXUS, database, workload)
        for name in dict.fromkeys(name for one in records for name in one.figures):
            found = list(book.values(NEXUS, database, workload, name).values())
            yield [workload.upper(), database, name.replace("_", " "), str(spread(found))]
