"""Kill -9 of workers that read documents, at seeded points between the database and Chroma.

Documents come, change and go meanwhile. Whenever anybody looks, each is whole or absent;
in the end the database and Chroma hold the same passages, those of what is there.
"""

import signal
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from nexus.memory.link import Link
from nexus.memory.passages import DOCUMENTS, Space
from nexus.memory.vectors import Vectors
from nexus.orchestrator.documents import NewDocument
from tests.chaos.fault import Figures, fault, require
from tests.chaos.world import WORKSPACE, World
from tests.support.chroma import ChromaServer

DEATHS: Final = 20
SHORT_DEATHS: Final = 3
DEATH_SECONDS: Final = 30.0
SIZES: Final = (3, 70, 140)
"""Passages of a document; they are stored 64 at a time."""
POINTS: Final = (
    "stage.done",
    "put.done",
    "discard.done",
    "drop.done",
    "claim.committed",
    "settle.before_commit",
    "settle.committed",
)
OF_REMOVAL: Final = ("discard.done", "drop.done")
KEPT: Final = "first"
"""The document that is read before anybody dies and never removed: its next edition leaves
passages to remove."""


@dataclass
class Shelf:
    """What there should be: the passages of each document, by edition."""

    world: World
    sizes: dict[str, dict[int, int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    made: int = 0

    async def add(self, name: str) -> None:
        """Add a document, or its next edition."""
        size = self.world.random.choice(SIZES)
        self.made += 1
        lines = [f"# Part {n}\n{name} {self.made} says {n}." for n in range(size)]
        content = "\n".join(lines).encode()
        digest = sha256(content).hexdigest()
        new = NewDocument(WORKSPACE, f"{name}.md", "text/markdown", content, digest, name)
        engine = self.world.parts.engine
        document_id = await engine.run(lambda turn: engine.add_document(turn, new))
        editions = self.sizes.setdefault(document_id, {})
        editions[len(editions) + 1] = size
        self.names[name] = document_id

    async def remove(self, name: str) -> None:
        """Remove a document."""
        document_id = self.names.pop(name)
        del self.sizes[document_id]
        engine = self.world.parts.engine
        await engine.run(lambda turn: engine.remove_document(turn, WORKSPACE, document_id))

    async def change(self) -> None:
        """Add, change or remove something."""
        known = sorted(self.names)
        what = self.world.random.choice(("add", "add", "change", "remove")) if known else "add"
        if what == "add":
            await self.add(f"doc{self.made}")
        else:
            name = self.world.random.choice(known)
            await (self.remove(name) if what == "remove" and name != KEPT else self.add(name))

    async def look(self) -> None:
        """Require that every document anybody can see is whole."""
        rows = await self.world.rows(
            "SELECT d.id, d.edition, count(*) AS passages FROM documents d JOIN passages p "
            "ON p.document_id = d.id AND p.edition = d.edition GROUP BY d.id, d.edition"
        )
        for row in rows:
            whole = self.sizes[row["id"]][row["edition"]]
            require(row["passages"] == whole, f"{row} is seen, {whole} passages are whole")

    async def is_ready(self) -> bool:
        """Tell whether everything has been read."""
        rows = await self.world.rows("SELECT id, status, edition, coming FROM documents")
        return {row["id"] for row in rows} == self.sizes.keys() and all(
            row["status"] == "ready" and row["edition"] == row["coming"] for row in rows
        )

    async def stored(self) -> set[str]:
        """Name every passage in the database, seen or not."""
        return {row["id"] for row in await self.world.rows("SELECT id FROM passages")}


async def _die(world: World, shelf: Shelf) -> str:
    """Have a worker die at a point; it has something to do at each of them."""
    point = world.random.choice(POINTS)
    worker = world.spawn_worker(NEXUS_FAILPOINTS=f"{point}=kill@1")
    for _ in range(2):
        await shelf.change()
    await shelf.add(f"doc{shelf.made}")  # else all there is may have been removed again
    if point in OF_REMOVAL:
        await shelf.add(KEPT)
    await world.until(
        lambda: not worker.is_alive, within=DEATH_SECONDS, what=f"a worker to die at {point}"
    )
    world.interruptions += 1
    code = worker.process.returncode
    require(code == -signal.SIGKILL, f"armed with {point}, it ended with {code}: {worker.log}")
    await shelf.look()
    return point


async def _agree(world: World, shelf: Shelf, vectors: Vectors) -> None:
    """Wait until the database and Chroma hold the passages of what is there, and nothing else."""
    (row,) = await world.rows("SELECT DISTINCT embedding FROM passages")
    space = Space(WORKSPACE, DOCUMENTS, row["embedding"])
    wanted = sum(editions[max(editions)] for editions in shelf.sizes.values())

    async def is_same() -> bool:
        kept = set(await vectors.page(space, 0))
        return len(kept) == wanted and kept == await shelf.stored()

    await world.until(is_same, what="the database and Chroma to agree")


@fault(
    "kill-ingesting",
    row="kill -9 while documents are read, changed and removed: each is whole or absent",
    runs=5,
    limit_seconds=300,
    short_databases=("sqlite",),
)
async def kill_ingesting(world: World) -> Figures:
    chroma = ChromaServer(world.folder / "chroma")
    world.settings["NEXUS_CHROMA_URL"] = chroma.start()
    link = Link(lambda: chroma.url)
    try:
        shelf = Shelf(world)
        await shelf.add(KEPT)
        worker = await world.start_worker()
        await world.until(shelf.is_ready, what="the first document to be read")
        world.kill(worker)
        deaths = [
            await _die(world, shelf) for _ in range(SHORT_DEATHS if world.is_short else DEATHS)
        ]
        worker = await world.start_worker()
        await world.until(shelf.is_ready, what="every document to be read")
        await shelf.look()
        world.kill(worker)
        await world.start_worker()
        await _agree(world, shelf, Vectors(link, world.database.installation_id))
        await world.end_members()
    finally:
        await link.close()
        chroma.stop()
    return {
        "deaths": len(deaths),
        "points": len(set(deaths)),
        "editions": shelf.made,
        "documents": len(shelf.sizes),
        "passages": len(await shelf.stored()),
    }
