"""Conversations: a message queues the subtask that answers it; they are stopped and go.

A transaction locks the conversation before the subtask that answers in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.domain.chat import MOST_SHOWN, count_fitting, length_shown
from nexus.domain.ids import new_id
from nexus.domain.states import SUBTASK_TERMINAL, SubtaskKind
from nexus.domain.text import clean, dumps
from nexus.errors import Conflict, NotFound
from nexus.models.writing import Many, Query, Row, Transaction
from nexus.orchestrator.creating import check_documents
from nexus.orchestrator.newborn import CHAT_ATTEMPTS, CHAT_TIMEOUT_SECONDS, NewSubtask
from nexus.orchestrator.queueing import announce_subtasks
from nexus.orchestrator.transitions.closing import INSERT_SUBTASK
from nexus.orchestrator.transitions.subtasks import cancel_answers
from nexus.orchestrator.turn import Turn

KEPT_US: Final = 30 * 24 * 3_600 * 1_000_000
"""A conversation goes when nothing was said in it for so long."""
FORGOTTEN_A_SWEEP: Final = 50
OVER: Final = [state.value for state in SUBTASK_TERMINAL]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to an agent; `model` and `document_ids` hold from now on, None leaves them."""

    workspace: str
    agent: str
    text: str
    conversation_id: str | None = None
    model: str | None = None
    document_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that was taken: the subtask that answers it, and what its prompt leaves out."""

    conversation_id: str
    subtask_id: str
    number: int
    left_out: int


def take_message(turn: Turn, new: NewMessage) -> Transaction[Queued]:
    """Keep a message and queue its answer.

    Raises:
        NotFound: the agent has no such conversation in this workspace.
        Conflict: it is still answering the message before.
        InvalidInput: it names unknown documents.
    """
    yield from check_documents(new.workspace, new.document_ids, "message")
    if new.conversation_id is None:
        conversation_id, number, shown_from, left_out = (yield from _begin(new)), 1, 1, 0
    else:
        conversation_id = new.conversation_id
        number, shown_from, left_out = yield from _go_on(new, conversation_id)
    made = NewSubtask(
        SubtaskKind.CHAT,
        new.agent,
        new.workspace,
        max_attempts=CHAT_ATTEMPTS,
        timeout_seconds=CHAT_TIMEOUT_SECONDS,
    )
    yield Many(INSERT_SUBTASK, [made.row()])
    yield Query(
        "INSERT INTO messages (subtask_id, workspace, conversation_id, number, text, shown_from, "
        "left_out, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, NOW_US())",
        (made.id, new.workspace, conversation_id, number, clean(new.text), shown_from, left_out),
    )
    yield from announce_subtasks(turn, [made.id])
    return Queued(conversation_id, made.id, number, left_out)


def _begin(new: NewMessage) -> Transaction[str]:
    conversation_id = new_id("cnv")
    yield Query(
        "INSERT INTO conversations (id, workspace, agent, model, document_ids, created_at, "
        "updated_at) VALUES ($1, $2, $3, $4, $5, NOW_US(), NOW_US())",
        (conversation_id, new.workspace, new.agent, new.model, _listed(new.document_ids)),
    )
    return conversation_id


def _go_on(new: NewMessage, conversation_id: str) -> Transaction[tuple[int, int, int]]:
    """Return the new message's number, the first exchange its prompt shows, how many it does not."""
    yield from lock_conversation(new.workspace, new.agent, conversation_id)
    if (yield from _open_answers(conversation_id)):
        raise Conflict(
            "the agent is still answering the message before",
            code="message_under_way",
            hint="wait for its answer, or stop it with POST …/cancel",
        )
    yield Query(
        "UPDATE conversations SET model = COALESCE($2, model), "
        "document_ids = COALESCE($3, document_ids), updated_at = NOW_US() WHERE id = $1",
        (conversation_id, new.model, _listed(new.document_ids)),
    )
    rows = yield Query(
        "SELECT COALESCE(max(m.number), 0), count(CASE WHEN s.status = 'succeeded' THEN 1 END) "
        "FROM messages m JOIN subtasks s ON s.id = m.subtask_id WHERE m.conversation_id = $1",
        (conversation_id,),
    )
    last, answered = rows[0]
    newest = yield Query(
        "SELECT m.number, length(m.text), length(s.output) FROM messages m "
        "JOIN subtasks s ON s.id = m.subtask_id "
        "WHERE m.conversation_id = $1 AND s.status = 'succeeded' ORDER BY m.number DESC LIMIT $2",
        (conversation_id, MOST_SHOWN),
    )
    fitting = count_fitting(length_shown(row[1], row[2] or 0) for row in newest)
    shown_from = newest[fitting - 1][0] if fitting else last + 1
    return last + 1, shown_from, answered - fitting


def lock_conversation(workspace: str, agent: str, conversation_id: str) -> Transaction[None]:
    """Lock a conversation of an agent in this workspace.

    Raises:
        NotFound: there is none.
    """
    rows = yield Query(
        "SELECT id FROM conversations WHERE id = $1 AND workspace = $2 AND agent = $3 FOR UPDATE",
        (conversation_id, workspace, agent),
    )
    if not rows:
        raise no_conversation()


def no_conversation() -> NotFound:
    """Build the one answer for a conversation that this workspace does not have with the agent."""
    return NotFound(
        "no such conversation with this agent", hint="POST /agents/{name}/chat begins one"
    )


def stop_answer(turn: Turn, workspace: str, agent: str, conversation_id: str) -> Transaction[str]:
    """Stop the answer under way; no effect of it begins after the commit. Return its subtask.

    Raises:
        NotFound: no such conversation.
        Conflict: nothing is under way in it.
    """
    yield from lock_conversation(workspace, agent, conversation_id)
    found = yield from _open_answers(conversation_id)
    if not found:
        raise Conflict(
            "nothing is being answered in this conversation",
            code="nothing_under_way",
            hint="the last answer is there already: GET the conversation",
        )
    yield from cancel_answers(turn, found)
    return found[0]


def remove_conversation(
    turn: Turn, workspace: str, agent: str, conversation_id: str
) -> Transaction[None]:
    """Stop what is under way in a conversation and delete all of it.

    Raises:
        NotFound: no such conversation.
    """
    yield from lock_conversation(workspace, agent, conversation_id)
    yield from _remove(turn, [conversation_id])


def forget_conversations(turn: Turn) -> Transaction[int]:
    """Delete some of the conversations nothing was said in for `KEPT_US`; return how many."""
    rows = yield Query(
        "SELECT id FROM conversations WHERE updated_at < NOW_US() - $1 ORDER BY updated_at LIMIT $2",
        (KEPT_US, FORGOTTEN_A_SWEEP),
    )
    if not rows:
        return 0
    old: list[Row] = yield Query(
        "SELECT id FROM conversations WHERE id IN EACH($1) AND updated_at < NOW_US() - $2 "
        "ORDER BY id FOR UPDATE",
        ([row[0] for row in rows], KEPT_US),
    )
    yield from _remove(turn, [row[0] for row in old])
    return len(old)


def _remove(turn: Turn, conversation_ids: Sequence[str]) -> Transaction[None]:
    ids = list(conversation_ids)
    rows = yield Query("SELECT subtask_id FROM messages WHERE conversation_id IN EACH($1)", (ids,))
    subtasks = sorted(row[0] for row in rows)
    yield from cancel_answers(turn, subtasks)
    yield Query("DELETE FROM journal WHERE subtask_id IN EACH($1)", (subtasks,))
    yield Query("DELETE FROM subtasks WHERE id IN EACH($1)", (subtasks,))
    yield Query("DELETE FROM messages WHERE conversation_id IN EACH($1)", (ids,))
    # So that every machine sweeps its folders away.
    yield Query(
        "INSERT INTO deleted_projects (id, workspace, deleted_at) "
        "SELECT id, workspace, NOW_US() FROM conversations WHERE id IN EACH($1)",
        (ids,),
    )
    yield Query("DELETE FROM conversations WHERE id IN EACH($1)", (ids,))


def _open_answers(conversation_id: str) -> Transaction[list[str]]:
    rows = yield Query(
        "SELECT s.id FROM messages m JOIN subtasks s ON s.id = m.subtask_id "
        "WHERE m.conversation_id = $1 AND NOT s.status IN EACH($2)",
        (conversation_id, OVER),
    )
    return [row[0] for row in rows]


def _listed(document_ids: tuple[str, ...] | None) -> str | None:
    return None if document_ids is None else dumps(list(document_ids))
