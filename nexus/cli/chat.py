"""`nexus chat AGENT [MESSAGE]`: one message and its answer, or a conversation line by line."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from nexus.cli.options import AsJson, DataDir, Url, connect
from nexus.cli.screen import emit, say

if TYPE_CHECKING:
    from nexus.cli.api.client import ApiClient

PROMPT: Final = "> "
INTERRUPTED: Final = 130


def chat(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Whom to speak to.")],
    message: Annotated[
        str | None,
        typer.Argument(metavar="[MESSAGE]", help="What to say; without it, line by line."),
    ] = None,
    conversation: Annotated[
        str | None, typer.Option("--conversation", metavar="ID", help="Go on with this one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Model, from this message on.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
) -> None:
    """Speak to an agent; without a message, line by line until Ctrl-D."""
    body: dict[str, Any] = {}
    ending: dict[str, Any] = {}
    if conversation:
        body["conversation_id"] = conversation
    if model:
        body["model"] = model
    with connect(data_dir, url) as client:
        try:
            for words in _lines() if message is None else (message,):
                ending = _say(client, agent, {**body, "message": words}, as_json=as_json)
                body = {"conversation_id": ending["conversation_id"]}
        except KeyboardInterrupt:
            say(f"an answer that was asked for is still made; {_how_to_go_on(agent, body)}")
            raise typer.Exit(INTERRUPTED) from None
    if message is not None and ending["status"] != "succeeded":
        raise typer.Exit(1)
    if message is None and "conversation_id" in body:
        say(_how_to_go_on(agent, body))


def _lines() -> Iterator[str]:
    """Read what the person says; a prompt is shown on a terminal alone."""
    prompt = PROMPT if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        if line.strip():
            yield line


def _say(client: "ApiClient", agent: str, body: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Send a message, show what comes, and return the exchange."""
    ending: dict[str, Any] = {}
    words = _Words()
    for event, data in client.converse(f"/agents/{quote(agent, safe='')}/chat", body):
        ending = data
        if as_json:
            continue
        if event == "model.delta":
            words.hear(data)
        elif event == "tool.called":
            say(f"{agent} called {data['name']}: {data['outcome']}")
        elif event == "message.started" and data["left_out"]:
            say(f"{data['left_out']} older messages are not shown to {agent} any more")
    if as_json:
        emit(ending)
    elif ending.get("answer") is not None:
        words.finish(ending["answer"])
    else:
        _show_failure(ending)
    return ending


@dataclass(slots=True)
class _Words:
    """What is written of an answer while it comes; what was missed on the way comes at the end."""

    call: tuple[str, int] | None = None
    written: str = ""

    def hear(self, delta: dict[str, Any]) -> None:
        """Write the next words of the call that is heard now; after a gap no more of it."""
        call = (delta["data"]["call"], delta["attempt"])
        text, offset = delta["data"]["text"], delta["data"]["offset"]
        if call != self.call or offset == 0:
            self._end_line()
            self.call, self.written = call, ""
        if offset == len(self.written):
            self._write(text)

    def finish(self, answer: str) -> None:
        """Write what is missing of the answer; all of it, if what was heard was something else."""
        if not answer.startswith(self.written):
            self._end_line()
            self.written = ""
        self._write(answer[len(self.written) :])
        self._end_line()

    def _write(self, text: str) -> None:
        self.written += text
        sys.stdout.write(text)
        sys.stdout.flush()

    def _end_line(self) -> None:
        if self.written and not self.written.endswith("\n"):
            sys.stdout.write("\n")


def _show_failure(ending: dict[str, Any]) -> None:
    error = ending.get("error")
    if not error:
        say("the answer was stopped")
        return
    say(error["message"])
    if error["hint"]:
        say(f"  {error['hint']}")


def _how_to_go_on(agent: str, body: dict[str, Any]) -> str:
    if "conversation_id" not in body:
        return "nothing was said before"
    return f"go on with: nexus chat {agent} --conversation {body['conversation_id']}"
