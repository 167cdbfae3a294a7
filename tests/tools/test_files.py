"""File tools stay beneath the project's folder, whatever is in it."""

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from nexus.errors import ToolRefused
from nexus.tools.files import WRITE_BYTES, list_files, read_file, write_file

OUTSIDE = [
    "/etc/passwd",
    "../other/prj_2/notes.txt",
    "a/../../other/prj_2/notes.txt",
    "..",
    "./..",
    "a/b/../../..",
    "~/x",
    "\\\\server\\share",
    "x\0y",
    "a" * 300,
    "/".join("d" * 60),
    "x" * 5000,
    "",
    ".",
    "\udcff\ud800",
    ".nexus-partial-1",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leads_outside_is_refused(folder: Path, path: str) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    with pytest.raises(ToolRefused):
        read_file(folder, path)
    with pytest.raises(ToolRefused):
        write_file(folder, path, b"x")
    assert {entry.name for entry in folder.iterdir()} == {"a"}


@pytest.mark.parametrize("path", ["link", "dir/notes.txt", "dir/new.txt", "loop", "dangling"])
def test_symlinks_are_not_followed(folder: Path, path: str) -> None:
    other = folder.parents[1] / "other" / "prj_2"
    (folder / "link").symlink_to(other / "notes.txt")
    (folder / "dir").symlink_to(other)
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to(other / "made.txt")
    with pytest.raises(ToolRefused):
        read_file(folder, path)
    with pytest.raises(ToolRefused):
        write_file(folder, path, b"overwritten")
    with pytest.raises(ToolRefused):
        list_files(folder, "dir")
    assert [file.name for file in other.iterdir()] == ["notes.txt"]
    assert (other / "notes.txt").read_text() == "canary-other"
    assert {note.kind for note in list_files(folder)[0]} == {"other"}


def test_pipes_devices_and_directories_are_refused_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "directory").mkdir()
    for name in ("pipe", "directory"):
        with pytest.raises(ToolRefused):
            read_file(folder, name)
        with pytest.raises(ToolRefused):
            write_file(folder, name, b"x")


def test_a_race_of_symlinks_never_leads_outside(folder: Path) -> None:
    other = folder.parents[1] / "other" / "prj_2"
    (folder / "real").mkdir()
    (folder / "real" / "notes.txt").write_text("mine")
    (folder / "away").symlink_to(other)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for one, two in (
                ("real", "here"),
                ("here", "real"),
                ("away", "here"),
                ("here", "away"),
            ):
                # A writer may make `here` between the look and the move.
                with suppress(OSError):
                    if (folder / one).exists() and not (folder / two).exists():
                        (folder / one).rename(folder / two)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[bytes] = set()
    try:
        for turn in range(600):
            try:
                seen.add(read_file(folder, "here/notes.txt").data)
                write_file(folder, f"here/w{turn % 3}", b"x")
            except ToolRefused:
                continue
    finally:
        over.set()
        swapping.join()
    assert seen <= {b"mine"}
    assert [file.name for file in other.iterdir()] == ["notes.txt"]


def test_what_is_written_is_read_again(folder: Path) -> None:
    write_file(folder, "a/b/é.txt", "grüße".encode())
    write_file(folder, "a/b/é.txt", b"second")
    content = read_file(folder, "./a//b/é.txt")
    assert (content.data, content.size, content.is_truncated) == (b"second", 6, False)
    listed, has_more = list_files(folder)
    assert [(note.path, note.kind) for note in listed] == [
        ("a", "directory"),
        ("a/b", "directory"),
        ("a/b/é.txt", "file"),
    ]
    assert not has_more
    assert [note.path for note in list_files(folder, "a/b")[0]] == ["a/b/é.txt"]


def test_sizes_are_capped(folder: Path) -> None:
    (folder / "big").write_bytes(b"x" * 300_000)
    content = read_file(folder, "big")
    assert (len(content.data), content.size, content.is_truncated) == (262_144, 300_000, True)
    with pytest.raises(ToolRefused, match="too much"):
        write_file(folder, "huge", b"x" * (WRITE_BYTES + 1))
    for number in range(1_050):
        (folder / f"n{number}").touch()
    listed, has_more = list_files(folder)
    assert (len(listed), has_more) == (1_000, True)


def test_a_write_that_fails_leaves_no_part_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(folder, "kept", b"first")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolRefused, match="disk is full"):
        write_file(folder, "kept", b"second")
    assert (folder / "kept").read_bytes() == b"first"
    assert [entry.name for entry in folder.iterdir()] == ["kept"]


def test_refusals_name_no_path_of_the_machine(folder: Path) -> None:
    with pytest.raises(ToolRefused) as refused:
        read_file(folder, "missing.txt")
    assert "list_files" in refused.value.message
    assert str(folder) not in refused.value.message
