"""How models spell plans: other names for fields, titles for keys, numbers for dependencies.

Pure; called when a draft is made a plan. Changes the form alone: what depends on what, who
does it and what is to be done stay as they were written.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nexus.domain.plan import Execution
from nexus.llm.cleaning import clean_text

ALIASES: Final = {
    "name": "title",
    "task": "title",
    "id": "key",
    "description": "instructions",
    "details": "instructions",
    "prompt": "instructions",
    "dependencies": "depends_on",
    "depends": "depends_on",
    "needs": "depends_on",
    "acceptance_criteria": "acceptance",
    "criteria": "acceptance",
    "assigned_to": "agent",
    "role": "agent",
}
UNKEYED: Final = re.compile(r"[^A-Za-z0-9_.-]+")
AGENT_WORD: Final = re.compile(r"[\s_-]*agent$", re.IGNORECASE)
YES: Final = frozenset({"true", "yes", "1"})
MOST_KEY: Final = 64

Draft = dict[str, Any]


@dataclass(slots=True)
class Spelling:
    """Mends one draft; `agents` are the names that may stand as `agent`."""

    agents: frozenset[str]
    _keys: dict[str, str] = field(default_factory=dict)  # as written, in lower case: the key

    def mend(self, draft: Mapping[str, Any]) -> Draft:
        """Return the draft as phases of tasks, every one with a key and a title."""
        mended = dict(draft)
        if "phases" not in mended and isinstance(mended.get("tasks"), list):
            mended = {**mended, **_one_phase(mended["tasks"])}
        phases = mended.get("phases")
        if not isinstance(phases, list):
            return mended
        mended["phases"] = [self._phase(one, at) for at, one in enumerate(phases, start=1)]
        self._relink(mended["phases"])
        return mended

    def _phase(self, phase: object, at: int) -> object:
        if not isinstance(phase, Mapping):
            return phase
        mended = _renamed(phase)
        mended["title"] = _title(mended, f"Phase {at}")
        mended["key"] = _key(mended.get("key") or mended["title"], f"phase-{at}")
        tasks = mended.get("tasks")
        if isinstance(tasks, list):
            mended["tasks"] = [self._task(one) for one in tasks]
        return mended

    def _task(self, task: object) -> object:
        if not isinstance(task, Mapping):
            return task
        mended = _renamed(task)
        at = len(self._keys) + 1
        mended["title"] = _title(mended, f"Task {at}")
        written = mended.get("key")
        key = _key(written or mended["title"], f"task-{at}")
        if written in (None, ""):
            key = self._fresh(key)
        mended["key"] = key
        for name in (written, mended["title"], key):
            self._keys.setdefault(str(name).strip().casefold(), key)
        if isinstance(mended.get("agent"), str):
            mended["agent"] = self._agent(mended["agent"])
        _mend_review(mended)
        for name in ("depends_on", "acceptance"):
            if isinstance(mended.get(name), str):
                mended[name] = [mended[name]] if mended[name].strip() else []
        return mended

    def _relink(self, phases: Sequence[object]) -> None:
        """Write dependencies by key where they were named by title, or a key was respelt."""
        for phase in phases:
            tasks = phase.get("tasks") if isinstance(phase, dict) else None
            for task in tasks if isinstance(tasks, list) else ():
                named = task.get("depends_on") if isinstance(task, dict) else None
                if isinstance(named, list):
                    keys = [self._keys.get(str(one).strip().casefold(), str(one)) for one in named]
                    task["depends_on"] = list(dict.fromkeys(keys))

    def _agent(self, name: str) -> str:
        known = {one.casefold(): one for one in self.agents}
        plain = name.strip().casefold()
        return known.get(plain) or known.get(AGENT_WORD.sub("", plain)) or name.strip()

    def _fresh(self, key: str) -> str:
        taken = set(self._keys.values())
        number, wanted = 2, key
        while wanted in taken:
            wanted, number = f"{key}-{number}", number + 1
        return wanted


def _one_phase(tasks: Sequence[object]) -> Draft:
    """Make a phase of a flat list; where nothing depends on anything, the last task gathers all."""
    listed = [_renamed(task) if isinstance(task, Mapping) else task for task in tasks]
    dicts = [task for task in listed if isinstance(task, dict)]
    if len(dicts) > 1 and not any(task.get("depends_on") for task in dicts):
        for at, task in enumerate(dicts, start=1):
            task["key"] = task.get("key") or f"task-{at}"
        dicts[-1]["depends_on"] = [task["key"] for task in dicts[:-1]]
    phase = {"key": "work", "title": "Work", "execution": Execution.PARALLEL, "tasks": listed}
    return {"phases": [phase]}


def _renamed(part: Mapping[str, Any]) -> Draft:
    """Give fields their own names, where those are not taken."""
    renamed = {str(name).strip().casefold().replace(" ", "_"): v for name, v in part.items()}
    for alias, name in ALIASES.items():
        if alias in renamed and renamed.get(name) in (None, ""):
            renamed[name] = renamed.pop(alias)
    return renamed


def _mend_review(task: Draft) -> None:
    """Write a review as yes or no; what is not reviewed cannot be rejected."""
    wish = task.get("review")
    if isinstance(wish, str):
        task["review"] = wish.strip().casefold() in YES
    if not task.get("review"):
        task.pop("on_rejection", None)


def _title(part: Draft, otherwise: str) -> str:
    for name in ("title", "key", "instructions"):
        words = " ".join(clean_text(str(part.get(name) or "")).split())
        if words:
            return words if len(words) <= 200 else f"{words[:199]}…"
    return otherwise


def _key(wish: object, otherwise: str) -> str:
    return UNKEYED.sub("-", str(wish)).strip("-")[:MOST_KEY].strip("-") or otherwise
