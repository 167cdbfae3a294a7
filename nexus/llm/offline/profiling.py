"""Programs that profile a table, for `run_python`, and what they print, read back.

The program is the source of `table_profile.py` with a reading line that suits the sandbox.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import JsonValue

from nexus.llm.offline.conversation import ToolAnswer, read_json
from nexus.llm.offline.prompt import Source

MAX_FOCUS_WORDS: Final = 200
READING: Final = """\
try:
    with open({path}, encoding="utf-8") as file:
        text = file.read()
except UnicodeDecodeError:
    with open({path}, encoding="latin-1") as file:
        text = file.read()"""
"""Tables that are not UTF-8 are mostly of Western Europe; a wrong letter harms no figure."""


@cache
def _program() -> str:
    return files("nexus.llm.offline").joinpath("table_profile.py").read_text("utf-8")


def write_program(table: Source, focus: list[str], description: str) -> str:
    """Write the program for one table.

    Args:
        focus: words of the question in small letters, used to choose what to group by.
        description: the run_python tool's own, which says how its Python reads files.
    """
    path = json.dumps(table.file)
    if "read_text(path)" in description:
        reading = f"text = read_text({path})"
    else:
        reading = READING.format(path=path)
    words = json.dumps(focus[:MAX_FOCUS_WORDS])
    return f"import json\n{_program()}\n\n{reading}\nprint(json.dumps(profile(text, {words})))\n"


@dataclass(frozen=True, slots=True)
class Profile:
    """What the program found about one table, or why there is nothing."""

    table: Source
    figures: dict[str, JsonValue]
    failure: str = ""


def read_profile(table: Source, answer: ToolAnswer) -> Profile:
    """Read the figures out of the tool's answer, whatever its exact shape."""
    value = answer.value
    printed = value
    if isinstance(value, dict):
        printed = value.get("stdout") or value.get("output") or value.get("result") or ""
    lines = printed.strip().splitlines() if isinstance(printed, str) else []
    for line in reversed(lines):
        figures = read_json(line)
        if isinstance(figures, dict) and "rows" in figures:
            return Profile(table, figures)
    if isinstance(printed, dict) and "rows" in printed:
        return Profile(table, printed)
    return Profile(table, {}, _failure(value))


def _failure(value: JsonValue) -> str:
    """Say in one line why a run gave no figures: the last line of what it complained of."""
    if isinstance(value, dict):
        for name in ("stderr", "remark", "error", "message", "stdout"):
            told = value.get(name)
            if isinstance(told, str) and told.strip():
                return told.strip().splitlines()[-1][:300]
        if value.get("timed_out"):
            return "it ran out of time"
        return "it printed nothing"
    return str(value).strip().splitlines()[-1][:300] if str(value).strip() else "it printed nothing"
