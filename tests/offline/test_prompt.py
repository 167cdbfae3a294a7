"""The tagged prompt, read back."""

from nexus.llm.offline.prompt import Excerpt, Source, read_prompt

USER = """<goal>
Compare &lt;goal> tags.
</goal>
<task key="report" title="A &quot;title&quot;">
Write it.
</task>
<acceptance>
- It is short.
- It is true.
</acceptance>
<inputs>
<input task="one">
First, with &lt;/input> in it.

| a | b |
</input>
<input task="two">
Second
</input>
</inputs>
<documents>
- documents/a b.csv | title: Table / A | text/csv | 12 bytes | id: doc_1
- documents/notes.md | title: Notes | text/markdown | 99 bytes | id: doc_2
</documents>
<passages>
<passage title="Notes" locator="Start" document="doc_2">
A passage.
</passage>
</passages>"""


def test_every_section_is_read() -> None:
    prompt = read_prompt("You are the content agent of Nexus.\nMore.", USER)
    assert prompt.agent == "content"
    assert prompt.goal == "Compare <goal> tags."
    assert (prompt.title, prompt.instructions) == ('A "title"', "Write it.")
    assert prompt.acceptance == ("It is short.", "It is true.")
    assert prompt.inputs == (("one", "First, with </input> in it.\n\n| a | b |"), ("two", "Second"))
    assert prompt.tables == (Source("documents/a b.csv", "Table / A", "text/csv"),)
    assert [text.file for text in prompt.texts] == ["documents/notes.md"]
    assert prompt.excerpts == (Excerpt("A passage.", "Notes", "Start"),)


def test_text_without_tags_is_the_goal() -> None:
    prompt = read_prompt("You are the geo-coder agent of Nexus.", "  Where is Torgersen?  ")
    assert (prompt.agent, prompt.goal) == ("geo-coder", "Where is Torgersen?")
    assert prompt.question == "Where is Torgersen?"


def test_agents_are_listed_for_the_manager() -> None:
    prompt = read_prompt(
        "", "<goal>\nx\n</goal>\n<agents>\n- data: counts\n- qa: checks\n</agents>"
    )
    assert prompt.agents == ("data", "qa")
