"""`nexus documents add`: what of a folder is sent, and that one bad file stops no other."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexus.cli.gathering import Wanted, gather
from nexus.errors import InvalidInput
from tests.cli.api_double import Reply, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "notes"
    for name in ("a.md", "deep/b.txt", "photo.png", ".git/c.md", "node_modules/d.md", ".env"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("Penguins swim.")
    (root / "link.md").symlink_to(root / "a.md")
    return root


def test_a_folder_is_gone_through_and_the_rest_is_counted(folder: Path) -> None:
    found = gather(["https://birds.example/x", str(folder), str(folder / "a.md")])
    assert [one.name for one in found.wanted] == [
        "https://birds.example/x",
        "notes/a.md",
        "notes/deep/b.txt",
        "a.md",
    ]
    assert found.wanted[0] == Wanted("https://birds.example/x")
    assert found.skipped == 1


def test_what_is_not_there_is_said_before_anything_is_sent(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"missing\.md is not a file"):
        gather([str(folder), str(folder / "missing.md")])


def document(name: str, **fields: Any) -> dict[str, Any]:
    shown = {"id": "doc_1", "title": name, "status": "ready", "passages": 3, "error": None}
    return {**shown, **fields}


def test_one_that_cannot_be_read_is_named_and_the_others_are_added(tmp_path: Path) -> None:
    for name in ("good.md", "bad.md"):
        (tmp_path / name).write_text("Penguins swim.")
    error = {"message": "it is damaged", "hint": "save it again"}
    answers = {
        "POST /documents": [
            Reply(document("good.md"), 202),
            Reply(document("bad.md", id="doc_2", status="failed", error=error), 202),
        ]
    }
    with serving(answers) as api:
        done = subprocess.run(
            [sys.executable, "-m", "nexus", "documents", "add", "--json", "good.md", "bad.md"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "NEXUS_URL": api.url, "NEXUS_API_KEY": "k"},
        )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert len(told["items"]) == 1
    (failed,) = told["failed"]
    assert "it is damaged" in failed["message"]
    assert failed["hint"] == "save it again"
