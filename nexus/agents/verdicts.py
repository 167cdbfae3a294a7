"""From what a model wrote to a verdict: its schema, its reading from text, its checks.

Pure; called by the reviewer. Lenient in form (fences, prose around it, numbers as text),
strict in substance: every criterion judged once, with evidence.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from nexus.domain.verdict import Verdict, problems_of
from nexus.llm.cleaning import clean

SUBMIT: Final = "submit_verdict"
MAX_BRACES: Final = 20
MAX_PROBLEMS: Final = 10
WRAPPERS: Final = (SUBMIT, "verdict", "arguments", "parameters", "function")

VERDICT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "findings": {
            "type": "array",
            "description": "one for each criterion",
            "items": {
                "type": "object",
                "properties": {
                    "criterion": {"type": "integer", "description": "its number"},
                    "met": {"type": "boolean"},
                    "evidence": {"type": "string", "description": "words of the submission"},
                    "fix": {"type": "string", "description": "what would put it right"},
                },
                "required": ["criterion", "met", "evidence"],
            },
        },
        "accepted": {"type": "boolean", "description": "true if every criterion is met"},
    },
    "required": ["findings", "accepted"],
}


class NoVerdict(Exception):
    """What a model wrote is no verdict that can be used; the text tells it what to mend."""


def read_text(text: str) -> dict[str, Any]:
    """Find the verdict in an answer given as text.

    Raises:
        NoVerdict: there is none.
    """
    for found in _objects_in(text):
        if "findings" in _unwrap(found):
            return found
    raise NoVerdict(f"No verdict was found in the answer. Call {SUBMIT}, or answer with JSON only.")


def build_verdict(draft: Mapping[str, Any], criteria: Sequence[str]) -> Verdict:
    """Check a draft and put the criteria's words in the place of their numbers.

    Raises:
        NoVerdict: listing every problem.
    """
    given: dict[str, Any] = {**_unwrap(draft)}
    findings = given.get("findings")
    if isinstance(findings, list):
        given["findings"] = [_named(one, criteria) for one in findings]
    try:
        verdict = Verdict.model_validate(clean(given))
    except ValidationError as wrong:
        problems = [f"{_place(error['loc'])}: {error['msg']}" for error in wrong.errors()]
    else:
        problems = problems_of(verdict, criteria)
        if not problems:
            return verdict
    listed = "\n".join(f"- {one[:300]}" for one in problems[:MAX_PROBLEMS])
    raise NoVerdict(
        f"The verdict cannot be used:\n{listed}\nSend the whole verdict again, corrected."
    )


def _named(finding: object, criteria: Sequence[str]) -> object:
    """Name the criterion of a finding in its own words, whether it came as number or as text."""
    if not isinstance(finding, Mapping):
        return finding
    told = finding.get("criterion")
    number = told if isinstance(told, int) else _number_in(str(told))
    if number is not None and 1 <= number <= len(criteria):
        return {**finding, "criterion": criteria[number - 1]}
    level = {" ".join(one.split()): one for one in criteria}
    return {**finding, "criterion": level.get(" ".join(str(told).split()), str(told))}


def _number_in(text: str) -> int | None:
    found = re.fullmatch(r"\s*(?:criterion\s*)?#?(\d{1,3})[.:)]?\s*", text, re.IGNORECASE)
    return int(found[1]) if found else None


def _objects_in(text: str) -> Iterator[dict[str, Any]]:
    for brace in islice(re.finditer("{", text), MAX_BRACES):
        try:
            value, _ = json.JSONDecoder().raw_decode(text[brace.start() :])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _unwrap(draft: Mapping[str, Any]) -> Mapping[str, Any]:
    while "findings" not in draft:
        inner = next((draft[name] for name in WRAPPERS if name in draft), None)
        if isinstance(inner, str):
            inner = next(_objects_in(inner), None)
        if not isinstance(inner, Mapping):
            return draft
        draft = inner
    return draft


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location).lstrip(".")
