"""Every route of the API, the scope it needs, and what a sound request to it carries."""

from dataclasses import dataclass
from typing import Any

from tests.api.client import plan_of

SAMPLE_FILE = {"file": ("note.txt", b"A note.", "text/plain")}


@dataclass(frozen=True)
class Route:
    """A route, the scope it needs, and what a sound request to it carries."""

    scope: str
    body: dict[str, Any] | None = None
    files: dict[str, Any] | None = None


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/projects"): Route("read"),
    ("POST", "/projects"): Route("write", {"goal": "Write"}),
    ("GET", "/projects/{project_id}"): Route("read"),
    ("PATCH", "/projects/{project_id}"): Route("write", {"name": "Other"}),
    ("DELETE", "/projects/{project_id}"): Route("write"),
    ("POST", "/projects/{project_id}/execute"): Route("execute"),
    ("POST", "/projects/{project_id}/pause"): Route("execute"),
    ("POST", "/projects/{project_id}/resume"): Route("execute"),
    ("POST", "/projects/{project_id}/cancel"): Route("execute"),
    ("POST", "/projects/{project_id}/retry"): Route("execute"),
    ("POST", "/projects/{project_id}/replan"): Route("execute"),
    ("PUT", "/projects/{project_id}/plan"): Route("write", plan_of("page")),
    ("GET", "/projects/{project_id}/plan"): Route("read"),
    ("GET", "/projects/{project_id}/progress"): Route("read"),
    ("GET", "/projects/{project_id}/events"): Route("read"),
    ("GET", "/projects/{project_id}/diagnosis"): Route("read"),
    ("GET", "/projects/{project_id}/deliverable"): Route("read"),
    ("GET", "/projects/{project_id}/artifacts"): Route("read"),
    ("GET", "/projects/{project_id}/artifacts/{path:path}"): Route("read"),
    ("GET", "/approvals"): Route("read"),
    ("GET", "/approvals/{approval_id}"): Route("read"),
    ("POST", "/approvals/{approval_id}"): Route("approve", {"decision": "approve"}),
    ("GET", "/projects/{project_id}/tasks"): Route("read"),
    ("GET", "/tasks/{task_id}"): Route("read"),
    ("GET", "/tasks/{task_id}/subtasks"): Route("read"),
    ("GET", "/subtasks/{subtask_id}/journal"): Route("read"),
    ("GET", "/documents"): Route("read"),
    ("POST", "/documents"): Route("write", files=SAMPLE_FILE),
    ("GET", "/documents/{document_id}"): Route("read"),
    ("DELETE", "/documents/{document_id}"): Route("write"),
    ("POST", "/memory/search"): Route("read", {"query": "penguins"}),
    ("GET", "/memory"): Route("read"),
    ("POST", "/memory"): Route("write", {"title": "Colour", "text": "The door is green."}),
    ("GET", "/memory/{memory_id}"): Route("read"),
    ("PATCH", "/memory/{memory_id}"): Route("write", {"title": "Other"}),
    ("DELETE", "/memory/{memory_id}"): Route("write"),
    ("GET", "/memory/{memory_id}/changes"): Route("read"),
    ("GET", "/agents"): Route("read"),
    ("POST", "/agents"): Route(
        "write", {"name": "scribe", "description": "Writes.", "prompt": "Write."}
    ),
    ("GET", "/agents/{name}"): Route("read"),
    ("DELETE", "/agents/{name}"): Route("write"),
    ("POST", "/agents/{name}/chat"): Route("execute", {"message": "Hello"}),
    ("GET", "/agents/{name}/chat/{conversation_id}"): Route("read"),
    ("POST", "/agents/{name}/chat/{conversation_id}/cancel"): Route("execute"),
    ("DELETE", "/agents/{name}/chat/{conversation_id}"): Route("write"),
    ("GET", "/keys"): Route("admin"),
    ("POST", "/keys"): Route("admin", {"name": "robot"}),
    ("DELETE", "/keys/{key_id}"): Route("admin"),
}
TENANT_ROUTES = [route for route in ROUTES if "{" in route[1]]
