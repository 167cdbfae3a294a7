"""How much text each model takes: as the settings say, as a server told, as it is listed, else assumed.

One for each process, in the model book. A model's window is found out when a request is long
enough for it to matter; what a server tells when it refuses one is kept until the process ends.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from nexus.llm.counting import tokens_in
from nexus.llm.naming import ModelName
from nexus.llm.overflow import Overflow

ASSUMED: Final = 32_768
"""Of a model that nobody knows; a smaller one says so when it refuses the first long request."""
OLLAMA: Final = 4_096
"""What Ollama gives a model on most machines. It cuts what is longer without a word."""
ANSWER: Final = 8_192
"""Left free for an answer without a cap of its own, where a quarter of the window is more."""
LEAST: Final = 512
HALVED: Final = 0.6
MOST_FACTOR: Final = 4.0
LOOK_EVERY_SECONDS: Final = 60.0
WORTH_COMPARING: Final = 1_000
"""Tokens of a request from which on the provider's count says something about the estimate."""

Look = Callable[[], Awaitable[int | None]]


@dataclass(slots=True)
class Window:
    """How many tokens one model takes, question and answer together.

    `factor` mends the estimate of this model's tokens: it grows as the provider counts more.
    `look` asks the server itself, where that can be done. `counts_answer`: the server refuses a question that leaves no room for the longest answer.
    """

    link: ModelName
    is_own: bool = False
    said: int | None = None
    factor: float = 1.0
    counts_answer: bool = False
    look: Look | None = field(default=None, repr=False)
    _told: int | None = None
    _found: int | None = None
    _look_after: float = 0.0

    @property
    def tokens(self) -> int:
        """Return its size as far as it is known."""
        if self._told is not None:
            return self._told
        if self._found is None:
            self._found = self.said or self._listed()
        return self._found

    async def find_out(self) -> None:
        """Ask the server for it, if it can be asked, and from time to time again."""
        if self.look is None or self.said or time.monotonic() < self._look_after:
            return
        found = await self.look()
        if found is not None:
            self._found = max(found, LEAST)
            self._look_after = time.monotonic() + LOOK_EVERY_SECONDS

    @property
    def cuts_silently(self) -> bool:
        """Tell whether its server may cut a request that is too long instead of refusing it."""
        return self.link.provider == "ollama"

    def room(self, most_answered: int | None) -> int:
        """Return how many tokens a question may have whose answer may have so many."""
        if most_answered is None:
            return self.tokens - min(self.tokens // 4, ANSWER)
        most = self.tokens * 3 // 4 if self.counts_answer else self.tokens // 2
        return self.tokens - min(most_answered, most)

    def count(self, text: str) -> int:
        """Estimate the tokens of a text for this model, upwards."""
        return int(tokens_in(text) * self.factor) + 1

    def learn(self, overflow: Overflow, tokens: int) -> bool:
        """Take in why a request of so many estimated tokens was refused; False: nothing new.

        Where the server tells no numbers, so much as was asked is too much.
        """
        before = (self.tokens, self.factor, self.counts_answer)
        if overflow.asked and tokens:
            self._compare(overflow.asked, tokens)
        most = overflow.window
        if most is None:
            most = int(min(self.tokens, overflow.asked or tokens) * HALVED)
        self._told = min(max(most, LEAST), self.tokens)
        self.counts_answer |= bool(overflow.asked and overflow.asked < self.tokens)
        return (self.tokens, self.factor, self.counts_answer) != before

    def hear(self, counted: int, tokens: int) -> None:
        """Compare what the provider counted of a request with the estimate of it."""
        if tokens >= WORTH_COMPARING and tokens < counted <= tokens * MOST_FACTOR:
            self._compare(counted, tokens)

    def _compare(self, counted: int, tokens: int) -> None:
        mended = self.factor * counted / tokens
        self.factor = min(max(self.factor, mended * 1.02), MOST_FACTOR)

    def _listed(self) -> int:
        if self.link.provider == "ollama":
            return OLLAMA
        listed = None if self.is_own else listed_window(self.link)
        return listed or ASSUMED


def listed_window(link: ModelName) -> int | None:
    """Look a model's window up in the list that comes with genai-prices."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(link.model, None, link.provider, None)
    except LookupError:
        return None
    return found.context_window


@dataclass(slots=True)
class Windows:
    """The windows of all models; `said` are those the settings name, by provider."""

    said: Mapping[str, int]
    _known: dict[ModelName, Window] = field(default_factory=dict)

    def of(self, link: ModelName, *, is_own: bool, look: Look | None = None) -> Window:
        """Return the one window of a model, whatever chains it is part of."""
        if link not in self._known:
            self._known[link] = Window(link, is_own, self.said.get(link.provider), look=look)
        return self._known[link]
