"""The drivers measure a whole Nexus and a peer, at sizes that only show that they run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.contestants import PEERS, Task, run_peer
from benchmarks.graphs import measure_graph
from benchmarks.installation import Installation, install
from benchmarks.services import serve_model
from benchmarks.shapes import SMALL
from benchmarks.size import measure_size


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A whole Nexus on SQLite with one worker."""
    folder = tmp_path_factory.mktemp("bench")
    with (
        serve_model(folder) as model_url,
        install(folder / "nexus", f"sqlite:///{folder / 'nexus.db'}", model_url) as made,
    ):
        made.start_worker()
        yield made


def test_nexus_is_measured_from_commit_to_commit(installation: Installation) -> None:
    with installation.client() as client:
        for workload in ("w2", "w5"):
            figures = measure_graph(installation, client, workload, SMALL)
            assert 0 < figures["seconds"] < figures["seen_seconds"]


def test_progress_is_watched_while_a_project_runs(installation: Installation) -> None:
    with installation.client() as client:
        figures = measure_size(installation, client, 20)
    assert figures["ms_a_task"] > 0
    assert figures["worker_rss_after_mb"] > 0


def test_a_peer_says_how_long_it_took(tmp_path: Path) -> None:
    folder = tmp_path / "floor"
    task = Task("w3", folder, f"sqlite:///{folder / 'floor.db'}", "", "", small=True)
    figures = run_peer(PEERS["floor"], task)
    assert figures["seconds"] >= 1.0
    assert figures["rss_mb"] > 0
