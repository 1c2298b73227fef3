"""What the three wires share: an SDK's client without its own retries, the raw stream of events, a deadline, and telling what went wrong.

The SDKs send the request and know the errors of their providers. The stream is decoded here and not by them: one of them passes over events that it does
not know and both take a clean end for an answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

from core.llm.base import Answer, Delta, Finish, Request, ToolCall, Usage
from core.llm.catalogue import Card, Entry
from core.llm.declined import Declined
from core.llm.faults import Teller, body_text
from core.llm.scrub import Scrubber
from core.llm.watch import Line, watched
from core.types import Json

HOME = ("127.0.0.1", "localhost", "::1")
PAGE_BYTES = 4096
MOST_TOKENS = 10**12
LARGEST = 64 * 2**20  # bytes of one answer's stream: no honest one is near it


class Wire:
    """One provider over HTTP. Safe to share between threads."""

    kind: ClassVar[str]

    def __init__(self, entry: Entry, key: str = "", key_variable: str = "", scrub: Scrubber | None = None) -> None:
        self.name = entry.name
        self.entry = entry
        self._key = key
        self._key_variable = key_variable
        self._scrub = scrub or Scrubber([key] if key else [])
        self._lock = threading.Lock()
        self._made: Any = None
        self._declined = Declined()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def stream(self, model: str, request: Request) -> Iterator[Delta | Answer]:
        teller = Teller(self.entry, model, self._key_variable, self._scrub)
        card = self.entry.about(model)
        return watched(lambda line: self._read(line, model, request, card, teller), request.deadline_s, teller.tell, lambda: teller.late(request.deadline_s))

    def close(self) -> None:
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    # ------------------------------------------------------------------------------------------ what a wire says

    def _client(self, options: Json) -> Any:
        raise NotImplementedError

    def _send(self, client: Any, model: str, request: Request, card: Card) -> Any:
        """The SDK's call, as a context manager of a streaming response."""
        raise NotImplementedError

    def _parse(self, events: Iterator[tuple[str, Json]], got: Gathering, teller: Teller) -> Iterator[Delta | Answer]:
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------ inside

    def _read(self, line: Line, model: str, request: Request, card: Card, teller: Teller) -> Iterator[Delta | Answer]:
        with self._sent(model, request, card) as sent:
            response = sent.http_response
            line.opened(response)
            content_type = response.headers.get("content-type", "")
            if "event-stream" not in content_type:
                raise teller.web_page(content_type, _beginning(response))
            for item in self._parse(_events(response.iter_bytes()), Gathering(model, request, teller), teller):
                if isinstance(item, Answer):
                    line.done()
                yield item

    @contextmanager
    def _sent(self, model: str, request: Request, card: Card) -> Iterator[Any]:
        """The open response. A part that the model refuses by name is left out, and the request sent again: a refusal costs nothing."""
        with ExitStack() as stack:
            while True:
                asked, way = self._declined.without(model, request, card)
                try:
                    sent = stack.enter_context(self._send(self._client_(), model, asked, way))
                    break
                except Exception as error:
                    status = getattr(error, "status_code", None)
                    if status not in (400, 422) or not self._declined.learn(model, body_text(error), asked, way):
                        raise
            yield sent

    def _client_(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._client({"base_url": self.entry.base_url, "max_retries": 0, "http_client": self._http()})
            return self._made

    def _http(self) -> Any:
        """Proxies of the environment are for the world outside, not for a server at home; a redirect would carry the key elsewhere."""
        import httpx2

        timeout = httpx2.Timeout(self.entry.stall_s, connect=self.entry.connect_s)
        return httpx2.Client(timeout=timeout, follow_redirects=False, trust_env=urlsplit(self.entry.base_url).hostname not in HOME)


def _beginning(response: Any) -> str:
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > PAGE_BYTES:
            break
    return body[:PAGE_BYTES].decode("utf-8", "replace")


def _events(chunks: Iterator[bytes]) -> Iterator[tuple[str, Json]]:
    """Server-sent events (WHATWG HTML, 9.2) as (event, data); ends at `[DONE]`. Data that is no JSON object raises ValueError."""
    name, data = "", []
    for line in _lines(chunks):
        if line:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                name = value.decode("utf-8")
            elif field == b"data":
                data.append(value)
            continue
        if data:
            text = b"\n".join(data).decode("utf-8")
            if text.startswith("[DONE]"):
                yield "done", {}
                return
            body = json.loads(text)
            if not isinstance(body, dict):
                raise ValueError(f"an event is {text[:60]!r}")
            yield name, body
        name, data = "", []


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    waiting, total = bytearray(), 0
    for chunk in chunks:
        total += len(chunk)
        if total > LARGEST:
            raise ValueError("it does not end")
        waiting += chunk
        if b"\n" not in chunk:
            continue
        *whole, rest = waiting.split(b"\n")
        waiting = bytearray(rest)
        yield from (bytes(line.removesuffix(b"\r")) for line in whole)
    if waiting:
        yield bytes(waiting)




class Gathering:
    """An answer as it grows."""

    def __init__(self, model: str, sent: Request, teller: Teller) -> None:
        self.model = model
        self.sent = sent
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[Any, dict[str, str]] = {}
        self.opaque: list[Json] = []
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self._teller = teller

    def say(self, text: str) -> Iterator[Delta]:
        if self._words(text):
            self.text.append(text)
            yield Delta("text", text)

    def think(self, text: str) -> Iterator[Delta]:
        if self._words(text):
            self.reasoning.append(text)
            yield Delta("reasoning", text)

    def call(self, at: Any, ident: str = "", name: str = "", arguments: str = "") -> Iterator[Delta]:
        ident, name, arguments = self._words(str(ident) if isinstance(ident, int) else ident), self._words(name), self._words(arguments)
        call = self.calls.setdefault(at, {"id": "", "name": "", "arguments": ""})
        first = not call["name"] and bool(name)
        call["id"] = call["id"] or ident
        call["name"] = call["name"] or name
        call["arguments"] += arguments
        if first or arguments:
            yield Delta("call", arguments, call["name"] if first else "")

    def _words(self, text: Any) -> str:
        """Servers that are only nearly compatible send lists and objects where a text belongs."""
        if not isinstance(text, str):
            raise self._teller.cut(f"holds {str(text)[:60]!r} where a text belongs")
        return text

    def answer(self) -> Answer:
        """Raises StreamCut for one that is not whole, or says nothing at all."""
        if self.finish is None:
            raise self._teller.cut("ended without a reason: it was cut off")
        text, reasoning = "".join(self.text), "".join(self.reasoning)
        if not text.strip() and not self.calls and self.finish in (Finish.STOP, Finish.CALLS):
            raise self._teller.cut("is empty")
        usage = self.usage
        if usage is None or not usage.input + usage.output:
            usage = estimated(self.sent, text + reasoning + "".join(c["arguments"] for c in self.calls.values()))
        calls: tuple[ToolCall, ...] = ()
        for n, c in enumerate(self.calls.values()):
            ident = c["id"] if c["id"] and c["id"] not in {other.id for other in calls} else f"{c['id'] or 'call'}_{n}"
            calls += (ToolCall(ident, c["name"], c["arguments"] or "{}"),)
        finish = Finish.CALLS if calls and self.finish is Finish.STOP else self.finish
        return Answer(text, finish, usage, str(self.model), reasoning, calls, tuple(self.opaque))


def count(value: Any) -> int:
    """Tokens as a server counts them: some write words, or nonsense."""
    try:
        return min(max(int(value or 0), 0), MOST_TOKENS)
    except (TypeError, ValueError, OverflowError):
        return 0


def estimated(sent: Request, received: str) -> Usage:
    """Where a server counts nothing: no token is less than a byte, so this is at most too much."""
    body = json.dumps(sent.to_dict(), ensure_ascii=False).encode("utf-8", "replace")
    return Usage(len(body), len(received.encode("utf-8", "replace")), estimated=True)
