"""A small client of the HTTP API: JSON in and out, deadlines, errors of our own."""

import json
import math
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from nexus.cli.api.problems import problem_from
from nexus.errors import NexusError, ServiceMissing

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
UPLOAD_SECONDS: Final = 300.0
SILENCE_SECONDS: Final = 45.0
"""Event streams carry a sign of life every 15 s; three missed means the line is dead."""
RECONNECT_SECONDS: Final = 60.0
"""How long a followed project may be out of reach before following ends."""
PAGE: Final = 200
ENDINGS: Final = frozenset({"message.answered", "message.failed", "message.cancelled"})
"""The event after which the stream of an answer ends."""
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})

Document = dict[str, Any]


class ApiClient:
    """Asks one installation with one key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        try:
            host = httpx2.URL(self.url).host
        except httpx2.InvalidURL as wrong:
            raise ServiceMissing(
                f"{url!r} is not an address: {wrong}", hint="correct NEXUS_URL or --url"
            ) from wrong
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            # A proxy of the environment is for the world, not for this machine.
            trust_env=host not in LOCAL_HOSTS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **parameters: str | int | None) -> Document:
        """Read one document."""
        return self._json(self._ask("GET", path, params=_given(parameters)))

    def text(self, path: str, media_type: str) -> str:
        """Read a representation that is not JSON."""
        return self._ask("GET", path, headers={"Accept": media_type}).text

    def items(
        self, path: str, limit: int | None = None, **parameters: str | None
    ) -> list[Document]:
        """Read a list page by page, to its end or to `limit` items."""
        found: list[Document] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=min(PAGE, limit or PAGE), cursor=cursor, **parameters)
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor or (limit is not None and len(found) >= limit):
                return found[:limit]

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Document:
        """Send a document or nothing; a POST that is repeated on the way is carried out once."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self._json(self._ask("POST", path, json=body, headers=headers))

    def patch(self, path: str, body: Mapping[str, Any]) -> Document:
        """Change one thing."""
        return self._json(self._ask("PATCH", path, json=body))

    def upload(
        self,
        path: str,
        file: Path,
        media_type: str | None,
        fields: Mapping[str, str] | None = None,
    ) -> Document:
        """Send a file as the part `file` of a form, with more parts beside it."""
        with file.open("rb") as content:
            part = (file.name, content, media_type) if media_type else (file.name, content)
            return self._send_form(path, files={"file": part}, data=fields)

    def submit(self, path: str, fields: Mapping[str, str]) -> Document:
        """Send a form without a file."""
        return self._send_form(path, data=fields)

    def _send_form(self, path: str, **parts: Any) -> Document:
        answer = self._ask(
            "POST",
            path,
            headers={"Idempotency-Key": uuid.uuid4().hex},
            timeout=httpx2.Timeout(UPLOAD_SECONDS, connect=CONNECT_SECONDS),
            **parts,
        )
        return self._json(answer)

    def delete(self, path: str, **parameters: str | None) -> None:
        """Delete one thing."""
        self._ask("DELETE", path, params=_given(parameters))

    def events(self, project_id: str, after: int) -> Iterator[Document]:
        """Follow a project's events from `after` on, across reconnects, without a gap.

        Ends when the server ends the stream; whether the project has ended too is the caller's
        question to a fresh progress.

        Raises:
            ServiceMissing: the API stayed out of reach for a minute.
        """
        lost_since: float | None = None
        while True:
            try:
                for event in self._stream(project_id, after):
                    lost_since = None
                    after = event["seq"]
                    yield event
                return
            except ServiceMissing:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > RECONNECT_SECONDS:
                    raise
                time.sleep(0.5)

    def _stream(self, project_id: str, after: int) -> Iterator[Document]:
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=SILENCE_SECONDS)
        try:
            with self._http.stream(
                "GET",
                f"/projects/{project_id}/events",
                params={"after": after, "deltas": "false"},
                headers={"Accept": "text/event-stream"},
                timeout=timeout,
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise problem_from(answer)
                for message in httpx2.EventSource(answer):
                    # Messages without an id (streamed tokens) are not part of the history.
                    if message.id and message.data:
                        event = message.json()
                        if isinstance(event, dict) and event.get("seq", 0) > after:
                            yield event
        except httpx2.TransportError as lost:
            raise self._unreachable(lost) from lost

    def converse(self, path: str, body: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
        """Send a message to an agent and follow the answer: events by name, the ending last.

        A line that breaks is taken up again: the same message is not said twice.

        Raises:
            ServiceMissing: the API is out of reach, or stayed so for a minute on the way.
        """
        key, seen = uuid.uuid4().hex, set[str]()
        heard_at = -math.inf
        while True:
            try:
                for name, data in self._answer(path, body, key):
                    heard_at = time.monotonic()
                    mark = f"{name} {json.dumps(data, sort_keys=True)}"
                    if mark not in seen:
                        seen.add(mark)
                        yield name, data
                    if name in ENDINGS:
                        return
            except ServiceMissing:
                if time.monotonic() - heard_at > RECONNECT_SECONDS:
                    raise
            time.sleep(0.5)

    def _answer(
        self, path: str, body: Mapping[str, Any], key: str
    ) -> Iterator[tuple[str, Document]]:
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=SILENCE_SECONDS)
        headers = {"Accept": "text/event-stream", "Idempotency-Key": key}
        try:
            with self._http.stream(
                "POST", path, json=body, headers=headers, timeout=timeout
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise problem_from(answer)
                for message in httpx2.EventSource(answer):
                    data = message.json() if message.data else None
                    if isinstance(data, dict):
                        yield message.event, data
        except httpx2.TransportError as lost:
            raise self._unreachable(lost) from lost

    def _ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.TransportError as lost:
            raise self._unreachable(lost) from lost
        if answer.is_success:
            return answer
        raise problem_from(answer)

    def _json(self, answer: httpx2.Response) -> Document:
        try:
            body = answer.json() if answer.content else {}
        except ValueError:
            body = None
        if isinstance(body, dict):
            return body
        raise ServiceMissing(
            f"what answers at {self.url} is not Nexus", hint="check NEXUS_URL or --url"
        )

    def _unreachable(self, lost: httpx2.TransportError) -> NexusError:
        if isinstance(lost, httpx2.TimeoutException):
            what = f"{self.url} did not answer in time"
        elif isinstance(lost, httpx2.ConnectError):
            what = f"nothing answers at {self.url}"
        else:
            what = f"the connection to {self.url} broke ({type(lost).__name__})"
        return ServiceMissing(what, hint="start Nexus with `nexus up`, or check NEXUS_URL or --url")


def _given(parameters: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in parameters.items() if value is not None}
