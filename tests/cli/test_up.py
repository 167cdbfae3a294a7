"""The whole stack as a user starts it: `nexus up`, and `nexus run` on a machine where nothing runs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from nexus.locations import read_services
from tests.cli.processes import children_of, is_alive, until_now

PLAN = {
    "phases": [
        {
            "key": "only",
            "title": "Only",
            "tasks": [{"key": "answer", "title": "An answer", "agent": "research"}],
        }
    ]
}


def offline(data: Path) -> dict[str, str]:
    """An environment without keys of anybody's, over a data directory."""
    return {**os.environ, "NEXUS_DATA_DIR": str(data), "NEXUS_MODEL": "offline"}


def descendants(pid: int) -> list[int]:
    """Every process below one."""
    children = children_of(pid)
    return children + [each for child in children for each in descendants(child)]


def test_up_answers_restarts_what_dies_and_ends_with_everything(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "nexus", "up", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=offline(data),
    )
    assert process.stderr is not None
    block = []
    for line in process.stderr:
        block.append(line.strip())
        if line.strip().startswith("Stop"):
            break
    services = read_services(data)
    assert services is not None, block
    assert f"API     {services.api_url}" in block
    assert "Model   offline" in block
    report = subprocess.run(
        [sys.executable, "-m", "nexus", "doctor", "--json"],
        stdout=subprocess.PIPE,
        check=False,
        env=offline(data),
    )
    states = {each["subject"]: each["state"] for each in json.loads(report.stdout)["findings"]}
    assert report.returncode == 0
    assert states["database"] == states["redis"] == states["model"] == states["running"] == "ok"
    children = children_of(process.pid)
    assert len(children) >= 3
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    told = [process.stderr.readline() for _ in children]
    assert all("starting it again in 0.5 s" in line for line in told), told
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert read_services(data) is None


def test_run_brings_its_own_stack_and_takes_it_away(tmp_path: Path) -> None:
    data, plan = tmp_path / "data", tmp_path / "plan.json"
    plan.write_text(json.dumps(PLAN))
    process = subprocess.Popen(
        [sys.executable, "-m", "nexus", "run", "Answer this", "--plan", str(plan), "--yes"],
        stdout=subprocess.PIPE,
        text=True,
        env=offline(data),
    )
    until_now(lambda: process.poll() is not None or read_services(data) is not None)
    family = descendants(process.pid)
    assert family
    deliverable, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert deliverable.startswith("# Deliverable: Answer this\n")
    assert not any(is_alive(pid) for pid in family)
    assert read_services(data) is None


def test_run_told_to_end_takes_its_stack_away(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "nexus", "run", "Answer this", "--yes"],
        stderr=subprocess.PIPE,
        env=offline(data),
    )
    until_now(lambda: process.poll() is not None or read_services(data) is not None)
    family = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not any(is_alive(pid) for pid in family)
    assert read_services(data) is None
