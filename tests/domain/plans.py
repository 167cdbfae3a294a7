"""Random plans for property tests."""

from typing import Any

from hypothesis import strategies as st

from nexus.domain.plan import Plan

AGENTS = frozenset({"echo"})
REVIEWED: list[dict[str, Any]] = [{"review": True}, {"review": True, "on_rejection": "deliver"}]


@st.composite
def plan_documents(draw: st.DrawFn, *, most_tasks: int = 9, forward: bool = True) -> Plan:
    """Draw a plan; with `forward` its dependencies run from earlier to later, so no cycle is."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    while sum(sizes) > most_tasks:
        sizes.pop()
    keys = [f"t{n}" for n in range(sum(sizes))]
    phases: list[dict[str, Any]] = []
    at = 0
    for number, size in enumerate(sizes):
        tasks = []
        for _ in range(size):
            among = keys[:at] if forward else keys
            after = draw(st.lists(st.sampled_from(among), max_size=3, unique=True)) if among else []
            task = {"key": keys[at], "title": "T", "agent": "echo", "depends_on": after}
            review = draw(st.sampled_from([{}, {}, *REVIEWED]))
            tasks.append(task | review)
            at += 1
        phases.append(
            {
                "key": f"p{number}",
                "title": "P",
                "execution": draw(st.sampled_from(["sequential", "parallel"])),
                "tasks": tasks,
            }
        )
    execution = draw(st.sampled_from(["sequential", "parallel"]))
    return Plan.model_validate({"execution": execution, "phases": phases})
