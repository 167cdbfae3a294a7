"""What a review says of an output: a finding for every acceptance criterion, with evidence.

Pure; written by the qa agent, read by the engine, shown to who revises the output.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from nexus.domain.citing import NOWHERE, cite

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)]
MAX_TOLD: Final = 5
MOST_FINDINGS: Final = 50
MOST_LOST: Final = 10
LEAST_EVIDENCE: Final = 4
"""Characters; "ok" and "yes" show nothing."""


class Finding(BaseModel):
    """Whether one criterion is met, what in the output shows it, and what would mend it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    criterion: Words
    met: Annotated[bool, Field(strict=True)]
    evidence: Words
    fix: Words = ""

    def line(self) -> str:
        """Say on one line what was found and what would mend it."""
        mend = f" To mend: {self.fix}" if self.fix else ""
        return " ".join(f"{self.criterion.rstrip('.')}: {self.evidence}{mend}".split())

    @property
    def is_shown(self) -> bool:
        """Tell whether the evidence can be any: no mere word of praise, nor the criterion again."""
        evidence, criterion = (
            " ".join(one.split()).casefold().rstrip(".") for one in (self.evidence, self.criterion)
        )
        return len(evidence) >= LEAST_EVIDENCE and evidence != criterion


class Verdict(BaseModel):
    """A review's whole answer; an output is accepted if every criterion is met, and only then."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    accepted: Annotated[bool, Field(strict=True)]
    findings: tuple[Finding, ...] = Field(min_length=1, max_length=MOST_FINDINGS)

    @property
    def unmet(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if not one.met)


def criteria_of(acceptance: Sequence[str], title: str) -> tuple[str, ...]:
    """Name what an output is judged by: the task's criteria, else that it does what was asked."""
    given = tuple(one.strip() for one in acceptance if one.strip())
    return given or (f"The output does what the task \u201c{title}\u201d asks for.",)


def problems_of(verdict: Verdict, criteria: Sequence[str]) -> list[str]:
    """List why a verdict cannot be used, one sentence each."""
    wrong: list[str] = []
    judged = [one.criterion for one in verdict.findings]
    for number, criterion in enumerate(criteria, 1):
        times = judged.count(criterion)
        if times != 1:
            wrong.append(f"criterion {number} has {times} findings; give exactly one")
    if set(judged) - set(criteria):
        wrong.append("a finding is about no criterion of the task")
    if any(not one.is_shown for one in verdict.findings):
        wrong.append("a finding has no evidence: quote the words, or say what is not there")
    if any(not one.fix for one in verdict.unmet):
        wrong.append("a criterion that is not met has no fix: say what would put it right")
    if verdict.accepted == bool(verdict.unmet):
        wrong.append("accepted must be true if every criterion is met, and only then")
    return wrong


def with_lost_citations(verdict: Verdict, citations: Mapping[str, str]) -> Verdict:
    """Reject an output that cites what nobody was shown; `citations` has "" for such marks."""
    lost = [cite(mark) for mark, source in citations.items() if not source]
    if not lost:
        return verdict
    more = f" and {len(lost) - MOST_LOST} more" if len(lost) > MOST_LOST else ""
    finding = Finding(
        criterion="Every citation points to a source.",
        met=False,
        evidence=f"The output cites {', '.join(lost[:MOST_LOST])}{more}: {NOWHERE}.",
        fix="Cite what passages, searches and pages give in `cite`, exactly as it stands there, "
        "or leave the claim out.",
    )
    return Verdict(accepted=False, findings=(*verdict.findings[: MOST_FINDINGS - 1], finding))


def told(verdict: Verdict) -> str:
    """Say in one line what was not met."""
    unmet = verdict.unmet
    parts = [f"{one.criterion.rstrip('.')}: {one.fix or one.evidence}" for one in unmet[:MAX_TOLD]]
    more = f"; and {len(unmet) - MAX_TOLD} more" if len(unmet) > MAX_TOLD else ""
    return "; ".join(parts) + more


def with_findings(output: str, verdict: Verdict) -> str:
    """Write an output that was not accepted as it is handed over: with what was found."""
    lines = [
        f"- **Not met:** {_line(one.criterion)} Found: {_line(one.evidence)} To mend: {_line(one.fix)}"
        for one in verdict.unmet
    ]
    head = "## Findings of the review\n\nThis output was not accepted; it is handed over as it is."
    return "\n\n".join((output.rstrip(), head, "\n".join(lines)))


def _line(text: str) -> str:
    return f"{' '.join(text.split()).rstrip('.')}."
