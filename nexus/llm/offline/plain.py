"""What the offline model says for agents whose work needs judgement: what there is, and the limits."""

from nexus.llm.offline.conversation import Conversation
from nexus.llm.offline.label import LABEL
from nexus.llm.offline.reply import Reply
from nexus.llm.offline.researching import research
from nexus.llm.offline.writing import assemble

NEEDED = (
    "A language model is needed for this: set a provider's key, such as GROQ_API_KEY, OPENAI_API_KEY or "
    "ANTHROPIC_API_KEY, or name a local one in NEXUS_MODEL."
)


def refuse_code(talk: Conversation) -> Reply:
    """Say plainly that no program is written."""
    title = talk.prompt.title or "Program"
    return Reply(
        text=f"## {title}\n\n{LABEL}\n\nNo program was written: rules cannot write programs. {NEEDED}\n\n"
        f"### Not found\n\n- The program itself."
    )


def answer_plainly(talk: Conversation, tools: frozenset[str]) -> Reply:
    """Serve an agent the rules do not know: put its inputs together, or quote what bears on its task."""
    if talk.prompt.inputs:
        return Reply(text=f"{assemble(talk.prompt)}\n{NEEDED}\n")
    reply = research(talk, tools)
    return reply if reply.calls else Reply(text=f"{reply.text}\n\n{NEEDED}")
