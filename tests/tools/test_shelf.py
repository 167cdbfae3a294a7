"""Documents are put into a folder that hostile code writes too."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from nexus.tools.shelf import Shelf

CONTENT = b"species,mass\nadelie,3700\n"
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    made.mkdir()
    return made


def _put(folder: Path) -> None:
    shelf = Shelf()
    assert not shelf.has(folder, "data.csv", DIGEST)
    shelf.put(folder, "data.csv", CONTENT)
    assert shelf.has(folder, "data.csv", DIGEST)
    assert (folder / "documents").is_dir()
    assert not (folder / "documents").is_symlink()
    file = folder / "documents" / "data.csv"
    assert not file.is_symlink()
    assert file.read_bytes() == CONTENT


def test_a_document_is_put_in_place(folder: Path) -> None:
    _put(folder)


def test_a_symlink_in_place_of_the_folder_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data.csv").write_bytes(CONTENT)
    (folder / "documents").symlink_to(outside)
    (outside / "data.csv").write_bytes(b"theirs")

    _put(folder)

    assert (outside / "data.csv").read_bytes() == b"theirs"
    assert [one.name for one in outside.iterdir()] == ["data.csv"]


def test_a_symlink_in_place_of_the_file_is_neither_read_nor_written(
    folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(CONTENT)
    (folder / "documents").mkdir()
    (folder / "documents" / "data.csv").symlink_to(outside)

    _put(folder)
    (folder / "documents" / "data.csv").write_bytes(b"changed by an agent")

    assert outside.read_bytes() == CONTENT


def test_a_hard_link_is_replaced_and_not_written_through(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "theirs"
    outside.write_bytes(b"theirs")
    (folder / "documents").mkdir()
    (folder / "documents" / "data.csv").hardlink_to(outside)

    _put(folder)

    assert outside.read_bytes() == b"theirs"


@pytest.mark.parametrize("obstacle", ["folder", "pipe", "file for the folder"])
def test_whatever_stands_in_the_way_is_replaced(folder: Path, obstacle: str) -> None:
    if obstacle == "file for the folder":
        (folder / "documents").write_text("in the way")
    else:
        (folder / "documents").mkdir()
        if obstacle == "folder":
            (folder / "documents" / "data.csv" / "deep").mkdir(parents=True)
        else:
            os.mkfifo(folder / "documents" / "data.csv")

    _put(folder)


def test_a_file_that_was_changed_is_noticed_with_its_times_set_back(folder: Path) -> None:
    shelf = Shelf()
    shelf.put(folder, "data.csv", CONTENT)
    file = folder / "documents" / "data.csv"
    before = file.stat()
    for _ in range(3):
        assert shelf.has(folder, "data.csv", DIGEST)
    file.write_bytes(CONTENT.replace(b"3700", b"9999"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert not shelf.has(folder, "data.csv", DIGEST)
