"""What the offline data agent does: run one program per table, then report its figures."""

from typing import Final

from nexus.llm.offline.conversation import Conversation
from nexus.llm.offline.label import LABEL
from nexus.llm.offline.profiling import Profile, read_profile, write_program
from nexus.llm.offline.prompt import Prompt, Source
from nexus.llm.offline.reply import Reply, ToolCall
from nexus.llm.offline.reporting import report_table
from nexus.llm.offline.words import STOPWORDS, tokens

MAX_TABLES: Final = 20


def analyse(talk: Conversation, tools: dict[str, str]) -> Reply:
    """Compute first, report then. `tools` maps names to descriptions."""
    prompt = talk.prompt
    tables = _tables_meant(prompt)
    answers = talk.asked("run_python")
    if tables and "run_python" in tools and not answers:
        focus = _telling(f"{prompt.question} {prompt.goal}")
        return Reply(
            calls=tuple(
                ToolCall("run_python", {"code": write_program(t, focus, tools["run_python"])})
                for t in tables
            )
        )
    lines = [f"## {prompt.title or 'Figures'}", LABEL]
    if not tables:
        lines.append(
            "No table was at hand, so nothing was computed. Missing: a CSV file with the data."
        )
    elif not answers:
        lines.append("Nothing was computed: no tool that runs Python was offered for this task.")
    else:
        lines += _sections([read_profile(t, a) for t, a in zip(tables, answers, strict=False)])
    return Reply(text="\n\n".join(lines))


def _tables_meant(prompt: Prompt) -> tuple[Source, ...]:
    """Take the tables that the task names; all of them when it names none."""
    named = [t for t in prompt.tables if t.file in prompt.instructions]
    return tuple(named or prompt.tables)[:MAX_TABLES]


def _telling(text: str) -> list[str]:
    """List the words, as written, that a column's name may answer to."""
    words = (word for word in tokens(text) if len(word) > 2 and word not in STOPWORDS)
    return list(dict.fromkeys(words))


def _sections(profiles: list[Profile]) -> list[str]:
    if len(profiles) == 1:
        return [report_table(profiles[0])]
    return [
        f"### {profile.table.title}\n\n" + report_table(profile).replace("\n### ", "\n#### ")
        for profile in profiles
    ]
