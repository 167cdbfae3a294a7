"""The pieces of a streamed Chat Completion, put together to the reply they would have been whole.

Called by `llm/direct.py`; knows the wire form and nothing else.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

Fields = dict[str, Any]
HEAD: Final = ("id", "created", "model", "system_fingerprint", "service_tier")


@dataclass(slots=True)
class Assembly:
    """What has come so far of one reply."""

    finish: str | None = None
    usage: Fields | None = None
    pieces: int = 0
    _head: Fields = field(default_factory=dict)
    _texts: dict[str, list[str]] = field(default_factory=dict)
    _rest: Fields = field(default_factory=dict)
    _calls: dict[object, Fields] = field(default_factory=dict)

    def add(self, piece: object) -> tuple[str, bool]:
        """Take one piece; return its words, and whether it carries anything of the reply.

        Raises:
            ValueError, TypeError, AttributeError: it is none.
        """
        if not isinstance(piece, dict):
            raise ValueError("a piece of a stream is no object")
        self.pieces += 1
        for name in HEAD:
            if piece.get(name) is not None:
                self._head.setdefault(name, piece[name])
        self.usage = _usage_in(piece) or self.usage
        text, carries = "", False
        for choice in piece.get("choices") or ():
            if not choice.get("index"):
                self.finish = choice.get("finish_reason") or self.finish
                delta = choice.get("delta") or {}
                text += delta.get("content") or ""
                carries = self._take(delta) or carries
        return text, carries

    def _take(self, delta: Fields) -> bool:
        carries = False
        for name, value in delta.items():
            if name == "tool_calls":
                for call in value or ():
                    self._take_call(call)
            elif isinstance(value, str) and name != "role":
                self._texts.setdefault(name, []).append(value)
            elif isinstance(value, list):
                self._rest[name] = [*self._rest.get(name, ()), *value]
            elif value is not None:
                self._rest[name] = value
            carries = carries or bool(value and name != "role")
        return carries

    def _take_call(self, piece: Fields) -> None:
        """Add to a tool call: the one of its index, of its id, or the latest."""
        place = piece.get("index")
        if place is None:
            place = piece.get("id") or next(reversed(self._calls), 0)
        call = self._calls.setdefault(place, {"function": {"arguments": ""}})
        for name in ("id", "type"):
            if piece.get(name):
                call.setdefault(name, piece[name])
        function = piece.get("function") or {}
        if function.get("name"):
            call["function"].setdefault("name", function["name"])
        arguments = function.get("arguments")
        if arguments is not None:
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            call["function"]["arguments"] += text

    def whole(self) -> Fields:
        """Return the reply as a server that does not stream would have sent it."""
        message: Fields = {**self._rest, "role": "assistant", "content": None}
        message.update({name: "".join(texts) for name, texts in self._texts.items()})
        if self._calls:
            message["tool_calls"] = list(self._calls.values())
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self.usage,
        }


def _usage_in(piece: Fields) -> Fields | None:
    """Find the counts, which Groq also sends in a place of its own."""
    used = piece.get("usage") or (piece.get("x_groq") or {}).get("usage")
    return used if isinstance(used, dict) else None
