"""`nexus projects budget` as a process, against recorded answers."""

from pathlib import Path
from typing import Any

from tests.cli.api_double import Reply, serving
from tests.cli.test_run import nexus

PROJECT: dict[str, Any] = {
    "id": "prj_1",
    "budget": {"max_cost_usd": "0.01", "max_tokens": 5_000, "max_seconds": None, "max_calls": None},
    "usage": {
        "requests": 3,
        "input_tokens": 1_300,
        "output_tokens": 60,
        "cost_usd": "0.0126",
        "unpriced_requests": 1,
    },
}
RAISED: dict[str, Any] = {**PROJECT, "budget": {**PROJECT["budget"], "max_cost_usd": "5.00"}}


def test_a_budget_is_shown_beside_what_is_spent(tmp_path: Path) -> None:
    with serving({"GET /projects/prj_1": [Reply(PROJECT)]}) as api:
        shown = nexus(api, tmp_path, "projects", "budget", "prj_1")

    assert shown.returncode == 0, shown.stderr
    assert "0.01" in shown.stdout
    assert "0.0126, and 1 calls of unknown price" in shown.stdout
    assert "1,360" in shown.stdout
    assert "max_seconds" not in shown.stdout


def test_named_limits_change_and_the_others_stay(tmp_path: Path) -> None:
    answers = {"GET /projects/prj_1": [Reply(PROJECT)], "PATCH /projects/prj_1": [Reply(RAISED)]}
    with serving(answers) as api:
        raised = nexus(api, tmp_path, "projects", "budget", "prj_1", "--max-cost-usd", "5")
        nexus(api, tmp_path, "projects", "budget", "prj_1", "--none")

    assert raised.returncode == 0, raised.stderr
    assert "5.00" in raised.stdout
    assert api.bodies == [
        {"budget": {**PROJECT["budget"], "max_cost_usd": "5"}},
        {"budget": None},
    ]
