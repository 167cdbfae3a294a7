"""The command line: `python -m benchmarks.memory [--quick] [--out FOLDER] [--database …]`."""

import argparse
import asyncio
import json
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.memory import quality, speed
from benchmarks.memory.corpora import Corpus, corpora
from benchmarks.memory.growth import Made
from benchmarks.memory.place import Remembering, open_place
from benchmarks.memory.report import Measured, render
from benchmarks.records import describe_machine
from benchmarks.services import Databases
from benchmarks.site import DURABLE
from tests.support.chroma import ChromaServer
from tests.support.migrated import migrate
from tests.support.places import ROOT
from tests.support.postgres import run_postgres

SIZES: Final = (1_000, 10_000, 100_000)
SEARCHES: Final = 220


def main() -> None:
    """Measure, print the report, and write it where it is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer documents, up to 1,000 passages"
    )
    parser.add_argument("--out", type=Path, help="a folder for the results as files")
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql", "both"), default="both", help="default: both"
    )
    parser.add_argument("--only", choices=("quality", "speed"), help="one half of it")
    given = parser.parse_args()
    folder = ROOT / ".bench" / f"memory-{os.getpid()}"
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        chroma = ChromaServer(folder / "chroma")
        stack.callback(chroma.stop)
        chroma.start()
        kinds = ("sqlite", "postgresql") if given.database == "both" else (given.database,)
        server = None
        if "postgresql" in kinds:
            server = stack.enter_context(run_postgres(folder / "postgres", DURABLE))
        databases = Databases(folder, server)
        measured = Measured(describe_machine())
        urls = {kind: databases.fresh(kind, f"memory_{kind}") for kind in kinds}
        for kind, url in urls.items():
            migrate(url, folder / kind)
        asyncio.run(_measure(urls, folder, chroma, given, measured))
    sys.stdout.write(render(measured))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "memory.json").write_text(json.dumps(measured.plain(), indent=1) + "\n")
        (given.out / "memory.md").write_text(render(measured))


async def _measure(
    urls: dict[str, str],
    folder: Path,
    chroma: ChromaServer,
    given: argparse.Namespace,
    measured: Measured,
) -> None:
    found = corpora(60 if given.quick else 500)
    measured.about = {one.name: one.about for one in found}
    model = Remembering()
    for kind, url in urls.items():
        async with open_place(url, folder / kind, chroma, model) as place:
            for corpus in found if given.only != "speed" else ():
                sys.stderr.write(f"{kind}: {corpus.name}\n")
                filled, asked = await quality.measure(place, kind, corpus)
                measured.filled.append(filled)
                measured.asked += asked
    if given.only != "quality":
        await _pace(urls, folder, chroma, found, (model, given.quick), measured)


async def _pace(
    urls: dict[str, str],
    folder: Path,
    chroma: ChromaServer,
    found: list[Corpus],
    how: tuple[Remembering, bool],
    measured: Measured,
) -> None:
    model, is_quick = how
    every = [question.text for corpus in found for question in corpus.questions]
    questions = every[:: max(len(every) // SEARCHES, 1)][:SEARCHES]
    if not model.known:
        texts = [text.content[:900] for corpus in found for text in corpus.texts]
        await model.embed(texts[:: max(len(texts) // 500, 1)])
    made = Made(model)
    made.learn(every)
    for kind, url in urls.items():
        async with open_place(url, folder / kind, chroma, made) as place:
            sys.stderr.write(f"{kind}: speed\n")
            sizes = SIZES[:1] if is_quick else SIZES
            measured.paces += await speed.measure(place, made, kind, sizes, questions)


if __name__ == "__main__":
    main()
