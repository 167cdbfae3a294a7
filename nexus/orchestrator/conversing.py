"""What a claimed `chat` subtask is about: the message, what was said before, what it may use.

Called by the runner before the agent starts; the same at every attempt, so that replay meets
the same prompt.
"""

import json
from typing import Final

from nexus.domain.chat import Chat, Exchange, as_shown
from nexus.domain.consent import Policy
from nexus.domain.seam import Effect
from nexus.domain.text import dumps
from nexus.domain.work import Brief, TaskBrief
from nexus.errors import Fenced
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.material import Chosen, Material, find_documents
from nexus.orchestrator.transitions.calls import still_held

TASK_KEY: Final = "message"
INTERRUPTED: Final = (
    "this call was interrupted and may have taken effect; in a conversation it is not made again: "
    "say so, and let the person look"
)


def read_chat(claimed: Claimed) -> Transaction[Material]:
    """Read the material of a `chat` subtask.

    Raises:
        Fenced: its conversation is gone.
    """
    rows = yield Query(
        "SELECT c.id, c.model, c.document_ids, m.number, m.text, m.shown_from, m.left_out, "
        "m.created_at, EXISTS (SELECT 1 FROM memories r WHERE r.workspace = c.workspace "
        "AND r.created_at < m.created_at) "
        "FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.subtask_id = $1",
        (claimed.held.subtask_id,),
    )
    if not rows:
        raise Fenced(f"the conversation of {claimed.held.subtask_id} is gone")
    conversation_id, model, listed, number, text, shown_from, left_out, said_at, known = rows[0]
    history = yield from _history(conversation_id, shown_from, number)
    document_ids = None if listed is None else tuple(json.loads(listed))
    chosen = Chosen(claimed.workspace, text, model, document_ids, Policy.OUTWARD, said_at)
    at_hand = yield from find_documents(chosen)
    brief = Brief(
        goal=text,
        task=TaskBrief(TASK_KEY, "", claimed.agent),
        instructions=text,
        chat=Chat(history, left_out),
        recalls=bool(known) and document_ids != (),
    )
    return Material(brief, model, document_ids, at_hand, conversation_id=conversation_id)


def _history(
    conversation_id: str, shown_from: int, number: int
) -> Transaction[tuple[Exchange, ...]]:
    rows: list[Row] = yield Query(
        "SELECT m.text, s.output FROM messages m JOIN subtasks s ON s.id = m.subtask_id "
        "WHERE m.conversation_id = $1 AND m.number >= $2 AND m.number < $3 "
        "AND s.status = 'succeeded' ORDER BY m.number",
        (conversation_id, shown_from, number),
    )
    return tuple(Exchange(text, as_shown(output or "")) for text, output in rows)


def read_said(subtask_id: str) -> Transaction[str]:
    """Join what the person has written in the conversation of a `chat` subtask."""
    rows = yield Query(
        "SELECT m.text FROM messages m WHERE m.conversation_id = "
        "(SELECT conversation_id FROM messages WHERE subtask_id = $1) ORDER BY m.number DESC LIMIT 1000",
        (subtask_id,),
    )
    return "\n".join(row[0] for row in rows)


def refuse_interrupted(claimed: Claimed) -> Transaction[None]:
    """Let unsafe calls that lost their result come to a refusal: there is nobody to ask.

    Raises:
        Fenced: the claim is not held any more.
    """
    if claimed.held not in (yield from still_held([claimed.held])):
        raise Fenced(f"the claim on {claimed.held.subtask_id} is not held any more")
    yield Query(
        "UPDATE journal SET status = 'rejected', outcome = 'interrupted', result = $2, "
        "recorded_at = NOW_US() "
        "WHERE subtask_id = $1 AND status = 'begun' AND effect = $3 AND claim < $4",
        (
            claimed.held.subtask_id,
            dumps({"error": INTERRUPTED}),
            Effect.UNSAFE.value,
            claimed.held.claim,
        ),
    )
