"""`nexus approvals`: list (also without a word more), show, approve, reject. Answering needs a key with the scope `approve`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nexus.cli.options import AsJson, DataDir, Url, connect
from nexus.cli.screen import emit, say, show_table
from nexus.cli.show.wording import ago

ANY_STATUS = "all"

app = typer.Typer(
    help="Questions to a person: list, show, approve, reject.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
ApprovalId = Annotated[str, typer.Argument(metavar="ID", help="The approval's id.")]
Comment = Annotated[
    str | None, typer.Option("--comment", metavar="TEXT", help="Kept with the answer.")
]


@app.callback()
def list_pending(
    context: typer.Context, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None
) -> None:
    """Questions to a person: without a command, those that wait for an answer."""
    if context.invoked_subcommand is None:
        list_approvals(as_json=as_json, data_dir=data_dir, url=url)


@app.command("list")
def list_approvals(
    status: Annotated[
        str,
        typer.Option(
            "--status", metavar="STATE", help="pending, approved, rejected, expired or all."
        ),
    ] = "pending",
    project: Annotated[
        str | None, typer.Option("--project", metavar="ID", help="Only those of this project.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """List questions, newest first; only those without an answer, unless told otherwise."""
    wanted = None if status == ANY_STATUS else status
    with connect(data_dir, url) as client:
        found = client.items("/approvals", status=wanted, project_id=project)
    if as_json:
        emit({"items": found})
        return
    rows = [
        (each["id"], each["status"], ago(each["created_at"]), each["question"]) for each in found
    ]
    show_table(("id", "status", "asked", "question"), rows, "nobody asks anything")


@app.command()
def show(
    approval_id: ApprovalId, as_json: AsJson = False, data_dir: DataDir = None, url: Url = None
) -> None:
    """Show a question, what it is about, and its answer."""
    with connect(data_dir, url) as client:
        found = client.get(f"/approvals/{approval_id}")
    if as_json:
        emit(found)
        return
    for line in _lines(found):
        typer.echo(line)


@app.command()
def approve(
    approval_id: ApprovalId,
    comment: Comment = None,
    value: Annotated[
        str | None,
        typer.Option(
            "--value", metavar="JSON", help="What the call came to; it is not made again."
        ),
    ] = None,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Let an interrupted call be made again, or say with --value what it came to."""
    body: dict[str, Any] = {"decision": "approve", "comment": comment}
    if value is not None:
        body["value"] = _read_json(value)
    _decide(approval_id, body, data_dir, url)


@app.command()
def reject(
    approval_id: ApprovalId, comment: Comment = None, data_dir: DataDir = None, url: Url = None
) -> None:
    """Do not let it be made again; the agent is told so, with the comment."""
    _decide(approval_id, {"decision": "reject", "comment": comment}, data_dir, url)


def _decide(approval_id: str, body: dict[str, Any], data_dir: Path | None, url: str | None) -> None:
    with connect(data_dir, url) as client:
        decided = client.post(f"/approvals/{approval_id}", body)
    say(f"{approval_id} is {decided['status']}")


def _read_json(text: str) -> Any:
    """Read a value as JSON; what is not JSON is a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _lines(approval: dict[str, Any]) -> list[str]:
    lines = [approval["question"], f"status: {approval['status']}"]
    names = ("project_id", "task_id", "subtask_id")
    lines += [f"{name.removesuffix('_id')}: {approval[name]}" for name in names if approval[name]]
    call = approval["call"]
    if call:
        lines.append(f"call: {call['name']} {call['arguments']}")
        lines.append(f"begun: {call['begun_at']}")
    lines.append(f"asked: {approval['created_at']}")
    decision = approval["decision"]
    if decision:
        lines.append(f"answer: {decision['decision']} at {approval['decided_at']}")
        if decision["comment"]:
            lines.append(f"comment: {decision['comment']}")
        if decision["value"] is not None:
            lines.append(f"value: {json.dumps(decision['value'], ensure_ascii=False)}")
    return lines
