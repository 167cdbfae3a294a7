"""The report of a run as Markdown: what was found, how quickly, and how documents went in."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.memory.quality import WAYS, Asked, Filled, recall, reciprocal
from benchmarks.memory.speed import Pace
from benchmarks.report import table

TITLES = {
    "words": "words alone",
    "meaning": "vectors alone",
    "fused": "fused by rank",
    "weighed": "fused and weighed",
    "reranked": "fused and reranked",
}


@dataclass(slots=True)
class Measured:
    """Everything of one run."""

    machine: dict[str, Any]
    about: dict[str, str] = field(default_factory=dict)
    filled: list[Filled] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    paces: list[Pace] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def render(measured: Measured) -> str:
    """Write the report."""
    machine = ", ".join(f"{name} {value}" for name, value in measured.machine.items())
    parts = ["# Memory, measured", f"On: {machine}."]
    if measured.asked:
        parts += ["## What is found", METHOD]
        for title, halves in (("not used for tuning", (1,)), ("all", (0, 1))):
            head = ["corpus", "database", "questions", *(TITLES[way] for way in WAYS)]
            parts += [
                f"Questions {title}: recall@5 / MRR@10.",
                table(head, _found(measured, halves)),
            ]
    if measured.filled:
        head = [
            "corpus",
            "database",
            "documents",
            "passages",
            "hopeless questions refused",
            "others answered",
        ]
        parts += [HOPELESS, table(head, _filled(measured))]
        parts += [INGESTION, table(["corpus", "documents/s", "passages/s"], _pace_in(measured))]
    if measured.paces:
        head = ["passages", "database", "search p50 / p99 ms", "Chroma alone", "ratio at p50"]
        parts += [
            "## How quickly",
            SPEED,
            table([*head, "added/s", "Chroma alone"], _paces(measured)),
        ]
    return "\n\n".join(parts) + "\n"


METHOD = (
    "Every figure goes through Nexus' own ingestion, its database and a Chroma server. Fused and "
    "weighed is what a search returns, reranked what it returns with `NEXUS_RERANK_MODEL=local`; the "
    "other orders are asked of the same parts."
)
HOPELESS = "Questions about nothing that is there, most off the subject and some nonsense:"
INGESTION = "Reading, cutting, embedding and storing, one document at a time:"
SPEED = (
    "Both sides embed the question with the same model and return eight passages; they take turns. "
    "Passages beyond the corpora are made of real sentences, with vectors made of real ones. "
    "Adding leaves embedding out on both sides."
)


def _found(measured: Measured, halves: Sequence[int]) -> Iterator[list[str]]:
    for database in dict.fromkeys(one.database for one in measured.asked):
        whole = [one for one in measured.asked if one.database == database]
        whole = [one for one in whole if one.number % 2 in halves]
        for corpus in [*dict.fromkeys(one.corpus for one in whole), ""]:
            own = [one for one in whole if corpus in ("", one.corpus)]
            figures = [f"{recall(own, way):.3f} / {reciprocal(own, way):.3f}" for way in WAYS]
            yield [corpus or "**all**", database, str(len(own)), *figures]


def _filled(measured: Measured) -> Iterator[list[str]]:
    for one in measured.filled:
        numbers = [f"{one.documents:,}", f"{one.passages:,}"]
        shares = [f"{one.refused:.0%}", f"{one.answered:.1%}"]
        yield [one.corpus, one.database, *numbers, *shares]


def _pace_in(measured: Measured) -> Iterator[list[str]]:
    for one in measured.filled:
        # The second database is given vectors that are known already.
        if one.database == measured.filled[0].database:
            rates = one.documents / one.seconds, one.passages / one.seconds
            yield [one.corpus, *(f"{rate:.1f}" for rate in rates)]


def _paces(measured: Measured) -> Iterator[list[str]]:
    for one in measured.paces:
        yield [
            f"{one.passages:,}",
            one.database,
            f"{one.ours[0]:.1f} / {one.ours[1]:.1f}",
            f"{one.raw[0]:.1f} / {one.raw[1]:.1f}",
            f"{one.ours[0] / one.raw[0]:.2f}",
            f"{one.ours_added:,.0f}",
            f"{one.raw_added:,.0f}",
        ]
