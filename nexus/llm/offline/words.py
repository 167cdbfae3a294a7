"""Words of a text: tokens, stems, sentences. Every rule of the offline model reads text through here.

Knows English endings a little and no other language; other scripts are compared by character
pairs. Never calls a service or a dictionary.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final


def word_set(text: str) -> frozenset[str]:
    """Make a set of the words of a line."""
    return frozenset(text.split())


STOPWORDS: Final = word_set(
    """a about above after again against all also an and any are as at be because been before being
    below between both but by can cannot could did do does doing done down during each either etc ever
    every few for from further get give gives given had has have having he her here hers him his how i
    if in into is it its itself just least less let like made make makes many may me might more most
    much must my neither no nor not of off on once one only onto or other our out over own per please
    same say says she should since so some such take taken takes tell tells than that the their them then there these they this those
    three through to too two under until up upon us use used using very via was we were what when
    where whether which while who whom whose why will with within without would you your come comes go goes know known took
    aus auf bei das dass dem den der des die ein eine einem einen einer eines für ist im in mit nicht
    oder sich sie sind und von wie wird zu zum zur
    au aux avec ce ces cette dans de des du elle en est et il ils la le les leur mais ne ou par pas
    pour que qui se son sont sur un une
    al con del el es las lo los más no para por su una y"""
)
"""Words that say nothing of a subject; English first, with the commonest of three other languages."""

SHORTENED: Final = word_set(
    "al approx ca cf dr e.g eds etc fig figs i.e inc jr mr mrs ms no nos prof resp sp spp sr st viz vs"
)
"""Abbreviations whose full stop ends no sentence."""

NUMBERS: Final = "no one two three four five six seven eight nine ten eleven twelve"

WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts written without spaces between words: Thai, Lao, Japanese, Chinese."""

ENDING: Final = re.compile(r"([.!?…]+[\"'”’)\]]*)(?=\s)|([。！？]+[」』”]*)")
OPENING: Final = re.compile(r"[\s\"'“‘(\[]*[^\W_a-z]")


def tokens(text: str) -> list[str]:
    """List the words of a text in lower case; unspaced scripts give pairs of characters."""
    found: list[str] = []
    for word in WORD.findall(text.casefold()):
        if UNSPACED.fullmatch(word) and len(word) > 1:
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            found.append(word)
    return found


def stem(word: str) -> str:
    """Cut the commonest English endings, so that `measured` meets `measurement` and `measures`."""
    word = re.sub(r"['’]s?$", "", word)
    if not word.isascii() or len(word) < 4:
        return word
    for ending, instead in (
        ("ements", ""),
        ("ement", ""),
        ("ations", "at"),
        ("ation", "at"),
        ("ities", ""),
        ("ity", ""),
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("ings", ""),
        ("ing", ""),
        ("edly", ""),
        ("ed", ""),
        ("ly", ""),
        ("s", ""),
    ):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def subjects(text: str) -> list[str]:
    """List the stems of the words that say something, in order, each once."""
    return list(
        dict.fromkeys(
            stem(word)
            for word in tokens(text)
            if word not in STOPWORDS
            and (len(word) > 1 or not word.isascii())
            and not word.isdigit()
        )
    )


def spoken(text: str, wanted: Iterable[str]) -> list[str]:
    """List the words of a text, as written, whose stems are among `wanted`; each stem once."""
    left = dict.fromkeys(wanted)
    found = []
    for word in WORD.findall(text):
        root = stem(word.casefold())
        if root in left and word.casefold() not in STOPWORDS:
            found.append(word)
            del left[root]
    return found


def sentences(text: str) -> list[str]:
    """Split running text into sentences; white space inside a sentence becomes single spaces."""
    text = " ".join(text.split())
    found: list[str] = []
    start = 0
    for match in ENDING.finditer(text):
        if match.group(1) and not _ends(text, start, match):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Tell whether the stop closes a sentence: not an abbreviation, an initial, or mid-sentence."""
    before = text[start : match.start()].rsplit(" ", 1)[-1].lstrip("([\"'“").casefold()
    if match.group(1) == "." and (before in SHORTENED or re.fullmatch(r"[^\W\d_]", before)):
        return False
    return OPENING.match(text, match.end()) is not None


def shorten(text: str, limit: int) -> str:
    """Cut a text to at most `limit` characters at a word, with an ellipsis when something was cut."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    if " " in cut[limit // 2 :]:
        cut = cut.rsplit(" ", 1)[0]
    return cut.rstrip(" ,;:.–—-") + "…"


def in_words(count: int) -> str:
    """Write small counts as words."""
    small = NUMBERS.split()
    return small[count] if 0 <= count < len(small) else f"{count:,}"


def listed(items: Sequence[str]) -> str:
    """Join items as a sentence does: a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
