"""Documents and questions of what every machine has, each question with where its answer is.

Nothing is downloaded: Python's own sources and help pages, manual pages where there are
some, and the descriptions of installed packages.
"""

import ast
import gzip
import re
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_string
from importlib import metadata
from pathlib import Path
from typing import Final

QUESTIONS: Final = Path(__file__).with_name("questions.tsv")
MANUALS: Final = Path("/usr/share/man")
LONGEST: Final = 2_400
"""Characters of a page that are read: what a page is for stands at its start."""
FAMILY: Final = 12
"""Pages of one family, such as all of one program's subcommands, that are taken."""


@dataclass(frozen=True, slots=True)
class Text:
    """A document of a corpus."""

    name: str
    title: str
    media_type: str
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the document that answers it, and words of the passage; "" for any of it."""

    text: str
    name: str
    phrase: str = ""

    def is_answered(self, document: str, passage: str) -> bool:
        """Tell whether a passage is the one expected."""
        if self.phrase:
            return self.phrase in flat(passage)
        return document == self.name


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts with questions."""

    name: str
    about: str
    texts: tuple[Text, ...]
    questions: tuple[Question, ...]


def corpora(most: int) -> list[Corpus]:
    """Build every corpus there is something for, of at most `most` documents each."""
    found = [_docstrings(most), _manuals(most), _packages(most), _paraphrases()]
    return [one for one in found if len(one.questions) >= min(most, 30)]


def flat(text: str) -> str:
    """Write a text on one line, without the marks of its layout."""
    return re.sub(r"\s+", " ", re.sub(r'["*|]', "", text))


def _docstrings(most: int) -> Corpus:
    """Ask a docstring's first sentence; what is searched is the rest, without its name."""
    pairs: list[tuple[Text, Question]] = []
    seen: set[str] = set()
    for module, name, summary, rest in _documented():
        if summary.lower() in seen:
            continue
        seen.add(summary.lower())
        number = f"fn{len(pairs):05d}"
        text = Text(number, f"{module}.txt", "text/plain", _without(rest, name))
        pairs.append((text, Question(summary, number)))
    return _corpus(
        "docstrings", "Python's library: first sentence → the rest", _spread(pairs, most)
    )


def _documented() -> Iterator[tuple[str, str, str, str]]:
    """Yield module, name, first sentence and rest of every function that is well explained."""
    root = Path(sysconfig.get_path("stdlib"))
    for file in sorted(root.glob("*.py")) + sorted(root.glob("[a-z]*/*.py")):
        family = file.parent.name
        if family in {"test", "idlelib", "lib2to3", "site-packages", "dist-packages", "turtledemo"}:
            continue
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            summary, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
            if 5 <= len(summary.split()) <= 30 and len(rest.split()) >= 25:
                yield file.stem, node.name, flat(summary).strip(), rest


def _manuals(most: int) -> Corpus:
    """Ask a manual page's one-line description; what is searched is the page without its name."""
    pairs: list[tuple[Text, Question]] = []
    families: dict[str, int] = {}
    seen: set[str] = set()
    for file in sorted(MANUALS.glob("man[18]/*.gz")):
        program = file.name.split(".")[0]
        family = re.split(r"[-_]", program)[0]
        if families.get(family, 0) >= FAMILY:
            continue
        page = _manual(file)
        if page is None or page[0].lower() in seen:
            continue
        seen.add(page[0].lower())
        families[family] = families.get(family, 0) + 1
        number = f"man{len(pairs):05d}"
        text = Text(number, f"{number}.txt", "text/plain", _without(page[1], program))
        pairs.append((text, Question(page[0], number)))
    return _corpus("manual pages", "what a program is for → its manual page", _spread(pairs, most))


def _manual(file: Path) -> tuple[str, str] | None:
    """Read a page of manual: its description, and what follows its synopsis."""
    try:
        source = gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
    except (OSError, EOFError):
        return None
    name = re.search(r'^\.S[Hh] +"?NAME"?\n(.*?)(?=^\.S[Hh] )', source, re.MULTILINE | re.DOTALL)
    body = re.search(r'^\.S[Hh] +"?DESCRIPTION"?\n(.*)', source, re.MULTILINE | re.DOTALL)
    if name is None or body is None:
        return None
    _, dash, about = flat(_plain(name[1])).partition(" - ")
    text = _plain(body[1])[:LONGEST]
    return (about.strip(), text) if dash and len(about.split()) >= 3 and len(text) > 200 else None


def _plain(roff: str) -> str:
    """Leave the words of a page's source, and paragraphs."""
    text = re.sub(r'^\.\\".*\n|^\'.*\n', "", roff, flags=re.MULTILINE)
    text = re.sub(r"^\.S[HhSs] +", "\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"^\.(PP|P|LP|TP|IP|Pp|sp|HP)\b.*", "", text, flags=re.MULTILINE)
    text = re.sub(
        r"^\.(B|I|BR|BI|IR|RI|RB|IB|SM|SB|Nd|Nm|Ar|Fl|Xr) +", "", text, flags=re.MULTILINE
    )
    text = re.sub(r"^\..*", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\f(?:\(..|\[\w*\]|.)|\\s[-+]?\d|\\[&/,|^:]|\\\*\(..", "", text)
    text = re.sub(r"\\\((?:aq|cq|oq)", "'", text).replace(r"\(bu", "*").replace(r"\(em", " - ")
    return re.sub(r"\n{3,}", "\n\n", text.replace("\\-", "-").replace("\\e", "\\")).strip()


def _packages(most: int) -> Corpus:
    """Ask a package's summary; what is searched is its description without its name."""
    pairs: list[tuple[Text, Question]] = []
    found = {str(one.metadata["Name"]).lower(): one for one in metadata.distributions()}
    for name, package in sorted(found.items()):
        about = message_from_string(package.read_text("METADATA") or "")
        summary = str(about["Summary"] or "").strip()
        body = str(about["Description"] or about.get_payload())
        body = _without(body.replace(summary, ""), name)[:LONGEST]
        if 4 <= len(summary.split()) <= 30 and len(body) > 400:
            number = f"pkg{len(pairs):05d}"
            text = Text(number, f"{number}.md", "text/markdown", body)
            asked = re.sub(re.escape(name), "it", summary, flags=re.I)
            pairs.append((text, Question(asked, number)))
    return _corpus("packages", "what a package is for → its description", _spread(pairs, most))


def _paraphrases() -> Corpus:
    """Ask the written questions about Python's help pages, each answered by one place."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return Corpus("paraphrases", "", (), ())
    names = _without_copies(topics)
    texts = tuple(Text(name, f"{name}.txt", "text/plain", topics[name]) for name in names)
    whole = {name: flat(topics[name]) for name in names}
    questions: list[Question] = []
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines():
        asked, _, phrase = line.partition("\t")
        homes = [name for name in names if phrase in whole[name]]
        # What another version of Python says in other words cannot be asked of it.
        questions += [Question(asked, homes[0], phrase)] if homes else []
    return Corpus(
        "paraphrases", "questions written by hand → Python's help", texts, tuple(questions)
    )


def _without_copies(topics: dict[str, str]) -> list[str]:
    """Leave out topics that stand whole in others."""
    kept: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for name in sorted(topics, key=lambda one: (-len(topics[one]), one)):
        words = topics[name].split()
        runs = {tuple(words[at : at + 8]) for at in range(len(words) - 7)}
        if len(runs & seen) < len(runs) / 2:
            kept.append(name)
            seen |= runs
    return sorted(kept)


def _without(text: str, name: str) -> str:
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "it", text, flags=re.I)


def _spread(pairs: Sequence[tuple[Text, Question]], most: int) -> Iterable[tuple[Text, Question]]:
    """Take `most` of them, evenly from first to last."""
    step = max(len(pairs) / most, 1.0)
    return [pairs[int(at * step)] for at in range(min(most, len(pairs)))]


def _corpus(name: str, about: str, pairs: Iterable[tuple[Text, Question]]) -> Corpus:
    taken = list(pairs)
    return Corpus(name, about, tuple(one[0] for one in taken), tuple(one[1] for one in taken))
