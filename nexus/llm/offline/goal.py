"""A goal taken apart: what it asks, what it wants computed, and how the result should look.

Called by the planner and by whoever needs a title. Works on any text; never fails.
"""

import re
from dataclasses import dataclass
from typing import Final

from nexus.llm.offline.words import sentences, shorten, stem, tokens, word_set

DELIVERABLES: Final = (
    "analysis|answer|article|assessment|brief|briefing|comparison|document|dossier|essay|factsheet|"
    "guide|handout|introduction|leaflet|letter|memo|note|outline|overview|page|paper|piece|post|"
    "presentation|profile|proposal|report|review|story|study|summary|survey|text|write-up"
)
ABOUT: Final = re.compile(
    rf"\b(?:{DELIVERABLES})s?\b[^.?!;:]{{0,160}}?\s(?:on|about|describing|explaining|comparing|über|sur|sobre)\s+"
    r"(?P<subject>[^.?!;:]+)",
    re.IGNORECASE,
)
OF: Final = re.compile(rf"\b(?:{DELIVERABLES})s?\s+of\s+(?P<subject>[^.?!;:]+)", re.IGNORECASE)
"""The weaker form: an overview of something; but also the guides of a museum, so it comes second."""

MAKING: Final = word_set(
    "write prepare draft create make produce compile compose generate build deliver summarise summarize "
    "report explain describe give show tell present assemble develop design analyse analyze research "
    "investigate find compare review outline please provide"
)
FORM: Final = word_set(
    "write keep quote cite use format include avoid add end start begin limit mention address structure "
    "put attach leave name close finish open illustrate"
)
COUNTING: Final = frozenset(
    stem(word)
    for word in word_set(
        "average averages calculate chart compute computed correlation correlations count counts csv data "
        "dataset deviation distribution figures histogram median number numbers percent "
        "percentage spreadsheet statistics statistical sum table tables tabulate total totals trend "
        "trends"
    )
)
LIST_MARK: Final = re.compile(r"^\s*(?:[-*•+]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+")
MAX_TITLE: Final = 110


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal's sentences by kind, each as written.

    `aspects` are to be researched, `figures` computed, `form` obeyed in writing.
    """

    subject: str
    aspects: tuple[str, ...]
    figures: tuple[str, ...]
    form: tuple[str, ...]


def read_goal(goal: str) -> Goal:
    """Sort the sentences of a goal; the sentence that names the deliverable is part of the form."""
    said = _sentences(goal)
    aspects: list[str] = []
    figures: list[str] = []
    form: list[str] = []
    for at, sentence in enumerate(said):
        words = tokens(sentence)
        lead = next((word for word in words if word not in ("please", "and", "then", "also")), "")
        if (ABOUT.search(sentence) or OF.search(sentence)) and lead in MAKING:
            form.append(sentence)
        elif {stem(word) for word in words} & COUNTING:
            figures.append(sentence)
        elif at and lead in FORM:
            form.append(sentence)
        else:
            aspects.append(sentence)
    return Goal(read_subject(goal), tuple(aspects), tuple(figures), tuple(form))


def _sentences(goal: str) -> list[str]:
    """Split by lines where these are a list or paragraphs, then by sentences."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*•+#]|\(?\d{1,2}[.)])\s)", goal):
        plain = LIST_MARK.sub("", block.strip().lstrip("#").strip())
        found += [s for s in sentences(plain) if re.search(r"\w", s)]
    return found


def read_subject(goal: str) -> str:
    """Name what a goal is about, in its own words, fit for a title."""
    for pattern in (ABOUT, OF):
        for sentence in _sentences(goal):
            if match := pattern.search(sentence):
                return title_of(match["subject"])
    first = next(iter(_sentences(goal)), goal.strip())
    words = first.split()
    while len(words) > 3 and words[0].casefold().strip(",") in MAKING | {
        "me",
        "us",
        "and",
        "the",
        "out",
    }:
        words = words[1:]
    return title_of(" ".join(words)) or "Report"


def title_of(text: str) -> str:
    """Make a title of a phrase: cut side clauses, first letter large, no full stop."""
    phrase = re.split(
        r",? (?:with|using|based on|including|from the (?:data|documents)|so that|and (?:tell|say|show|give|explain|find)|that (?:covers|includes|uses))\b",
        text.strip(),
    )[0]
    phrase = shorten(re.sub(r"[#*_`<>\[\]|]+", " ", phrase), MAX_TITLE).rstrip(".,;: ")
    return phrase[:1].upper() + phrase[1:]


def heading_of(sentence: str) -> str:
    """Make a section heading of a sentence of the goal; a question stays a question."""
    phrase = re.sub(r"[#*_`<>\[\]|]+", " ", LIST_MARK.sub("", sentence)).strip()
    words = phrase.split()
    if len(words) > 2 and words[0].casefold() in MAKING | {"please"} and not phrase.endswith("?"):
        words = words[1:]
    phrase = shorten(" ".join(words), 140).rstrip(".,;: ")
    return phrase[:1].upper() + phrase[1:]
