"""`nexus documents add`: files, folders and URLs, some at a time, each with its own fate."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexus.cli.gathering import MOST_BYTES, gather, items_of
from tests.cli.api_double import Reply, serving
from tests.cli.processes import until_now
from tests.cli.test_run import environment, nexus

PROBLEM = "application/problem+json"


def shown(**more: Any) -> dict[str, Any]:
    return {"id": "doc_1", "title": "a.md", "status": "ready", "passages": 1} | more


def folder(place: Path) -> Path:
    """Make a folder with all that is to be left out of it."""
    root = place / "notes"
    for name, content in {
        "b/a.md": b"# Owls",
        "a.md": b"# Birds",
        ".git/config": b"x",
        ".env": b"KEY=1",
        "node_modules/x/index.js": b"x",
        "photo.png": b"\x89PNG\r\n",
        "empty.txt": b"",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "link.md").symlink_to("a.md")
    return root


def test_a_folder_is_walked_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with (tmp_path / "big.csv").open("wb") as big:
        big.truncate(MOST_BYTES + 1)
    places = [root, tmp_path / "big.csv", tmp_path / "no.md", root / "a.md", root / "b" / "a.md"]
    found = gather([*map(str, places), "https://birds.example/"])
    assert [(one.title, one.source) for one in found.items] == [
        ("notes/a.md", "notes/a.md"),
        ("notes/b/a.md", "notes/b/a.md"),
        # Two of one name would be editions of one document.
        (f"{root}/a.md"[-200:], f"{root}/a.md"),
        (f"{root}/b/a.md"[-200:], f"{root}/b/a.md"),
        ("https://birds.example/", None),
    ]
    assert found.items[-1].file is None
    assert [one.message for one in found.faults] == [
        "big.csv has 50.0 MB, more than the 50 MB a document may have",
        f"{tmp_path}/no.md is not a file",
    ]
    assert +found.skipped == {
        "hidden": 2,
        "folders of caches and builds": 1,
        "links and devices": 1,
        "empty or of a kind that is not read": 2,
    }


def test_a_file_is_known_by_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.md").write_text(name)
    monkeypatch.chdir(tmp_path)

    def sent(*places: str) -> list[tuple[str, str | None]]:
        return [(one.title, one.source) for one in gather(places).items]

    first, other = f"{tmp_path}/a/x.md", f"{tmp_path}/b/x.md"
    assert sent("a/x.md") == sent("./a/x.md") == sent(first) == [("x.md", first)]
    assert sent("b/x.md") == [("x.md", other)]
    assert sent("a/x.md", "b/x.md") == [("a/x.md", first), ("b/x.md", other)]
    assert items_of([Path("a/x.md"), Path("b/x.md")]) == gather(["a/x.md", "b/x.md"]).items
    monkeypatch.chdir("a")
    assert sent("x.md") == [("x.md", first)]


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "notes").mkdir(parents=True)
        (tmp_path / name / "notes" / "x.md").write_text(name)
    places = [f"{tmp_path}/{name}/notes" for name in ("a", "b")]
    assert [one.source for one in gather(places).items] == [f"{one}/x.md" for one in places]


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    root = folder(tmp_path)
    refusal = {"detail": "the document 'x' cannot be read", "hint": "save it as UTF-8"}
    error = {"code": "document_unreachable", "message": "answered 404", "hint": "upload it"}
    answers = {
        "POST /documents": [
            Reply(shown(status="processing"), 202),
            Reply(refusal, 422, PROBLEM),
            Reply(shown(id="doc_2", title="lost", status="failed", error=error), 202),
        ],
        "GET /documents/doc_1": [Reply(shown(status="processing")), Reply(shown())],
        "GET /documents": [
            Reply({"items": [shown(id="doc_2", status="failed", bytes=1, error=error)]})
        ],
    }
    with serving(answers) as api:
        done = nexus(api, tmp_path, "documents", "add", str(root), "http://lost/", "--json")
        assert done.returncode == 1, done.stderr
        said = json.loads(done.stdout)
        assert [one["id"] for one in said["items"]] == ["doc_1"]
        assert {one["hint"] for one in said["errors"]} == {"save it as UTF-8", "upload it"}
        assert said["skipped"]["hidden"] == 2
        assert api.asked.count("POST /documents") == 3

        listed = nexus(api, tmp_path, "documents", "list")
        assert "answered 404" in listed.stdout
        assert "upload it" in listed.stdout


def test_nothing_more_is_sent_to_whoever_does_not_know_the_key(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.md").write_text("# Birds")
    answers = {"POST /documents": [Reply({"detail": "this key is not valid"}, 401, PROBLEM)]}
    with serving(answers) as api:
        done = nexus(api, tmp_path, "documents", "add", str(tmp_path))
    assert done.returncode == 1
    assert "this key is not valid" in done.stderr
    assert len(api.asked) < 200


def test_whoever_leaves_keeps_what_was_sent(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Birds")
    reading = shown(status="processing")
    answers = {"POST /documents": [Reply(reading, 202)], "GET /documents/doc_1": [Reply(reading)]}
    with serving(answers) as api:
        command = [sys.executable, "-m", "nexus", "documents", "add", str(tmp_path / "a.md")]
        process = subprocess.Popen(
            command, env=environment(api, tmp_path), stderr=subprocess.PIPE, text=True
        )
        until_now(lambda: "GET /documents/doc_1" in api.asked)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "nexus: stopped: 1 of 1 documents were sent and are read"
    assert "DELETE /documents/doc_1" not in api.asked
