"""Folders of deleted projects go from every machine, slowly, and no others."""

import os
import time
from pathlib import Path

from nexus.orchestrator.folders import folder_of
from nexus.orchestrator.sweeping import YOUNG_SECONDS, Sweep
from nexus.orchestrator.value_files import folder_of_values
from tests.support.rig import WORKSPACE, Rig, plan, task


def folders_of(rig: Rig, project: str) -> list[Path]:
    data = rig.settings.data
    return [folder_of(data, WORKSPACE, project), folder_of_values(data, WORKSPACE, project)]


def left_behind(rig: Rig, project: str) -> list[Path]:
    """Make a project's folders as its work leaves them, with something in each."""
    folders = folders_of(rig, project)
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "a file").write_text("something")
    return folders


def aged(folders: list[Path]) -> None:
    """Make folders look as if nobody had touched them for more than an hour."""
    then = time.time() - YOUNG_SECONDS - 60
    for folder in folders:
        os.utime(folder, (then, then))


async def test_what_a_deletion_left_on_another_machine_is_swept(rig: Rig) -> None:
    engine, sweep = rig.parts.engine, Sweep(rig.settings.data)
    deleted = await rig.create(plan(task("one", "quick")))
    living = await rig.create(plan(task("one", "quick")))
    gone, kept = left_behind(rig, deleted), left_behind(rig, living)
    unknown = left_behind(rig, "prj_of_another_installation")
    aged(kept + unknown)
    await engine.run(lambda turn: engine.delete(turn, WORKSPACE, deleted))

    assert await sweep.go_on(engine) == 0
    assert all(folder.is_dir() for folder in gone + kept + unknown)
    assert await sweep.go_on(engine) == 0  # at the end: it begins anew

    aged(gone)
    assert await sweep.go_on(engine) == 1
    assert not any(folder.exists() for folder in gone)
    assert all((folder / "a file").exists() for folder in kept + unknown)
