"""What a plan will take, before it is executed."""

from typing import Any

from nexus.domain.estimating import assumptions, count_tokens, forecast
from nexus.domain.plan import Plan

TOOLS = {"content": 0, "research": 5}


def plan(*tasks: dict[str, Any]) -> Plan:
    listed = [{"title": task["key"], **task} for task in tasks]
    return Plan.model_validate({"phases": [{"key": "p", "title": "P", "tasks": listed}]})


def test_tools_documents_and_inputs_make_conversations_longer() -> None:
    plain = forecast(plan({"key": "a", "agent": "content"}), "Goal", TOOLS, has_documents=False)
    assert plain.load.calls == 1
    tooled = forecast(plan({"key": "a", "agent": "research"}), "Goal", TOOLS, has_documents=False)
    assert tooled.load.calls == 3
    assert tooled.load.input_tokens > 3 * plain.load.input_tokens
    read = forecast(plan({"key": "a", "agent": "content"}), "Goal", TOOLS, has_documents=True)
    assert read.load.input_tokens > plain.load.input_tokens
    fed = plan(
        {"key": "a", "agent": "content"}, {"key": "b", "agent": "content", "depends_on": ["a"]}
    )
    assert forecast(fed, "Goal", TOOLS, has_documents=False).load.input_tokens == (
        2 * plain.load.input_tokens + 800
    )


def test_code_of_ones_own_is_not_guessed_at() -> None:
    made = forecast(plan({"key": "a", "agent": "geocode"}), "Goal", TOOLS, has_documents=False)
    assert (made.load.calls, made.own_code) == (0, 1)
    assert any("code of yours" in said for said in assumptions(made))


def test_ten_thousand_tasks_are_counted() -> None:
    many = plan(*({"key": f"t{n}", "agent": "content"} for n in range(10_000)))
    assert forecast(many, "Goal", TOOLS, has_documents=False).load.calls == 10_000


def test_tokens_are_rounded_up() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde", "ありがとう", "\ud800")] == [
        0,
        1,
        1,
        2,
        4,
        1,
    ]
