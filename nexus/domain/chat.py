"""A conversation of a person with one agent: what it holds, and how much of it is shown again.

Pure; the API decides with it what the next prompt has, the worker writes the prompt.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MOST_HISTORY: Final = 32_000
"""Characters of earlier messages and answers that go into a prompt."""
MOST_SHOWN: Final = 100
"""Earlier exchanges that are looked at for it."""
MOST_ANSWER_SHOWN: Final = 16_000
"""Characters of one earlier answer; a longer one is cut, and said to be."""
MOST_ANSWER: Final = 1_000_000
"""Characters of an answer: what a conversation holds is shown many at a time."""
WITHHELD: Final = frozenset({"ask_person", "save_memory"})
"""Tools that no agent has in a conversation: the person is there already, and notes are of projects."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message of a person and the agent's answer."""

    message: str
    answer: str


@dataclass(frozen=True, slots=True)
class Chat:
    """What an agent is told of the conversation before the newest message.

    `history` is in order; `left_out` counts older exchanges that did not fit.
    """

    history: tuple[Exchange, ...] = ()
    left_out: int = 0


def length_shown(message: int, answer: int) -> int:
    """Say how many characters an exchange takes in a prompt, given those of its two sides."""
    return message + min(answer, MOST_ANSWER_SHOWN)


def count_fitting(lengths: Iterable[int]) -> int:
    """Say how many exchanges fit into a prompt; `lengths` are as shown, the newest first."""
    left, fitting = MOST_HISTORY, 0
    for length in lengths:
        left -= length
        if left < 0 or fitting == MOST_SHOWN:
            break
        fitting += 1
    return fitting


def as_shown(answer: str) -> str:
    """Cut an earlier answer that is too long, and say so."""
    if len(answer) <= MOST_ANSWER_SHOWN:
        return answer
    cut = f"[cut: the first {MOST_ANSWER_SHOWN:,} of {len(answer):,} characters]"
    return f"{answer[:MOST_ANSWER_SHOWN]}\n{cut}"
