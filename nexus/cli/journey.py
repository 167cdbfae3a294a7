"""One attended run: documents, plan, consent, execution, deliverable. Used by `nexus run`."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nexus.cli.screen import remarks, say, show_error
from nexus.cli.show.deliverable import hand_over, read_deliverable
from nexus.cli.show.follow import Follower
from nexus.cli.show.tree import plan_tree
from nexus.cli.show.wording import expected
from nexus.cli.uploads import upload_all
from nexus.errors import NexusError, PermanentFailure

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient
    from nexus.cli.show.board import Board


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run, checked before anything is started."""

    goal: str
    files: list[Path]
    plan: dict[str, Any] | None
    model: str | None
    asks: bool
    detach: bool
    output: Path | None
    budget: dict[str, Any]


class Journey:
    """Takes a wish to its deliverable; `leave` is what to do when the user goes away."""

    def __init__(self, client: "ApiClient", data: Path, wish: Wish) -> None:
        self._client = client
        self._data = data
        self._wish = wish
        self._project_id: str | None = None

    def travel(self) -> int:
        """Go all the way; return the exit code."""
        follower = self._create()
        if self._wish.detach and not self._wish.asks:
            return self._detach()
        if not follower.follow(is_planned, leaves_a_trace=False).has_ended:
            if not self._consent(follower):
                return 1
            self._client.post(f"/projects/{self._project_id}/execute")
            if self._wish.detach:
                return self._detach()
            follower.follow(self._is_left_alone)
        return self._arrive()

    def leave(self, *, cancel: bool) -> None:
        """Cancel what runs on an installation of our own; elsewhere say how to come back."""
        if self._project_id is None:
            say("interrupted")
        elif cancel:
            say("interrupted: cancelling the project")
            with suppress(NexusError):
                self._client.post(f"/projects/{self._project_id}/cancel")
        else:
            say(f"it goes on without you; watch it with: nexus projects watch {self._project_id}")

    def _create(self) -> Follower:
        wish = self._wish
        body: dict[str, Any] = {"goal": wish.goal}
        if wish.files:
            body["document_ids"] = [each["id"] for each in upload_all(self._client, wish.files)]
        if wish.plan is not None:
            body["plan"] = wish.plan
        if wish.model:
            body["model"] = wish.model
        if wish.budget:
            body["budget"] = wish.budget
        if wish.detach and not wish.asks:
            body["auto_execute"] = True
        project = self._client.post("/projects", body)
        self._project_id = project["id"]
        say(f"project {project['id']} is {project['status']}")
        return Follower(self._client, project, remarks())

    def _consent(self, follower: Follower) -> bool:
        """Show the plan; ask when there is somebody to ask."""
        shown = self._client.get(f"/projects/{self._project_id}/plan")
        remarks().print(plan_tree(shown["plan"], f"Plan: {follower.board.name}"))
        if shown.get("estimate"):
            say(expected(shown["estimate"]))
        if not self._wish.asks or typer.confirm("Run this plan?", default=True, err=True):
            return True
        say(f"not started; start it later with: nexus projects execute {self._project_id}")
        return False

    def _is_left_alone(self, board: "Board") -> bool:
        """Tell whether nothing will move the project but a larger budget; say what else it waits for."""
        if board.status != "waiting":
            return False
        asked = self._client.items(
            "/approvals", status="pending", project_id=self._project_id, limit=1
        )
        if asked:
            say("it waits for your answer; see: nexus approvals")
        return not asked

    def _detach(self) -> int:
        say(f"started; watch it with: nexus projects watch {self._project_id}")
        typer.echo(self._project_id)
        return 0

    def _arrive(self) -> int:
        """Hand over what there is; the exit code is 0 only for success."""
        project = self._client.get(f"/projects/{self._project_id}")
        if project["plan_version"]:
            place = self._wish.output or self._data / "deliverables" / f"{project['id']}.md"
            hand_over(read_deliverable(self._client, project["id"]), project["name"], place)
        if project["status"] == "succeeded":
            return 0
        show_error(failure_of(project))
        return 1


def is_planned(board: "Board") -> bool:
    """Tell whether the manager has done its part."""
    return board.status != "planning"


def failure_of(project: dict[str, Any]) -> NexusError:
    """Turn a project that did not succeed into the error to show."""
    if project["status"] == "waiting":
        return PermanentFailure(
            "the project has used up its budget and waits; this is what there is",
            hint=f"go on with: nexus projects budget {project['id']} and a higher limit, then "
            f"nexus projects resume {project['id']}",
        )
    error = project.get("error") or {}
    words = error.get("message")
    what = {"failed": "failed", "planned": "was not planned anew"}.get(project["status"])
    return PermanentFailure(
        f"the project {what}{': ' + words if words else ''}"
        if what
        else f"the project was {project['status']}",
        hint=error.get("hint") or f"look closer with: nexus projects show {project['id']}",
    )
