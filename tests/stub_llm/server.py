"""The server: one thread a connection, chunked streams, and each fault where it belongs."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from stub_llm.faults import STATUS, Chance, Faults
from stub_llm.wires import asked, events, orphaned, sse
from stub_llm.words import Asked, Call, Reply, Tally

Script = Callable[[Asked], Reply]
KEYS = {"OPENAI_API_KEY": "sk-stub-openai-0123456789abcdef", "ANTHROPIC_API_KEY": "sk-ant-stub-fedcba9876543210", "TOGETHER_API_KEY": "tgp_stub_0011223344556677"}
ROUTES = {"/v1/chat/completions": "chat", "/v1/responses": "responses", "/v1/messages": "messages"}
HTML = b"<!DOCTYPE html><html><head><title>Sign in to the guest network</title></head><body>hello</body></html>"
PROVIDERS = """\
providers:
  oai: {{label: OpenAI, wire: responses, base_url: "{root}/v1", key: openai, schema: true, effort: true, cache: true, stall_s: {stall_s}, tiers: {{strong: big, fast: small}}}}
  ant: {{label: Anthropic, wire: messages, base_url: "{root}", key: anthropic, schema: true, effort: true, cache: true, stall_s: {stall_s}, tiers: {{strong: big, fast: small}}}}
  chat: {{label: Together, wire: chat, base_url: "{root}/v1", key: together, temperature: true, stall_s: {stall_s}}}
  home: {{label: a server at home, wire: chat, base_url: "{root}/v1", free: true, temperature: true, schema: true, stall_s: {stall_s}}}
  replay: {{wire: replay, free: true, temperature: true, schema: true}}
"""
PRICES = """\
prices:
  "oai:*": {input: 2, cached: 0.2, output: 10}
  "ant:*": {input: 3, cached: 0.3, cache_write: 3.75, output: 15}
  "chat:known*": {input: 1, output: 2}
"""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up, or that was killed, is nothing to print."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class StubServer:
    """`retry_after`: of the fault of that name, in seconds. `pause_s`: between events, for those who want to be in the middle of a stream."""

    def __init__(self, script: Script | str = "hello", faults: Sequence[str | None] | Chance = (), retry_after: float = 3600, pause_s: float = 0.0) -> None:
        self.script: Script = script if callable(script) else lambda _: Reply(script)
        self.faults = Faults(faults)
        self.retry_after = retry_after
        self.pause_s = pause_s
        self.log: list[Asked] = []
        self.headers: dict[str, dict[str, str]] = {}   # of the last request on each wire
        self.tally = Tally()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": self}))

    @property
    def root(self) -> str:
        """Of the messages wire; the two others begin at `base_url`."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def base_url(self) -> str:
        return f"{self.root}/v1"

    def environment(self, directory: Path, stall_s: float = 0.4) -> dict[str, str]:
        """Variables for a process that shall use this server: its providers, prices and keys; files go into `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "providers.yaml").write_text(PROVIDERS.format(root=self.root, stall_s=stall_s))
        (directory / "prices.yaml").write_text(PRICES)
        return {"PROVIDERS_FILE": str(directory / "providers.yaml"), "PRICES_FILE": str(directory / "prices.yaml"), **KEYS}

    def __enter__(self) -> StubServer:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="stub", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def note(self, wire: str, body: dict[str, Any], key: str) -> Asked:
        with self._lock:
            one = asked(wire, body, key, len(self.log) + 1)
            self.log.append(one)
        return one


class _Handler(BaseHTTPRequestHandler):
    stub: StubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers.get("x-api-key") or (self.headers.get("authorization") or "").removeprefix("Bearer ")
        self.stub.headers[ROUTES[self.path]] = dict(self.headers)
        one = self.stub.note(ROUTES[self.path], body, key)
        fault = self.stub.faults.next()
        try:
            self._answer(one, fault)
        except OSError:  # the caller hung up
            self.close_connection = True

    def _answer(self, one: Asked, fault: str | None) -> None:
        if fault in STATUS:
            self._refuse(one, fault)
        elif orphaned(one.body):
            self._refuse(one, "no_tools")
        elif fault == "html":
            self._whole(200, "text/html; charset=utf-8", HTML)
        elif fault == "not_streamed":
            self._whole(200, "application/json", b'{"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}')
        elif fault == "redirect":
            self._whole(307, "text/plain", b"", {"location": self.path})
        elif fault == "silent_headers":
            self.stub.stopping.wait(30)
            self.close_connection = True
        else:
            self._stream(one, _twisted(self.stub.script(one), fault), fault)

    def _refuse(self, one: Asked, fault: str) -> None:
        status, code, words = STATUS[fault]
        error = {"type": code, "code": code, "message": words.format(key=one.key)}
        headers = {"retry-after": str(self.stub.retry_after)} if fault == "retry_after" else {}
        self._whole(status, "application/json", json.dumps({"type": "error", "error": error}).encode(), headers)

    def _whole(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, one: Asked, reply: Reply, fault: str | None) -> None:
        self.stub.tally.began(one.input_tokens)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        all_events = list(events(one, reply))
        middle = max(2, len(all_events) // 2)
        for n, event in enumerate(all_events):
            if n == middle and fault and self._goes_wrong(one, fault):
                return
            self.stub.tally.said(event[2])
            self._chunk(sse(event))
            if self.stub.pause_s:
                self.stub.stopping.wait(self.stub.pause_s)
        self._chunk(b"")

    def _goes_wrong(self, one: Asked, fault: str) -> bool:
        """Whether that was the end of it."""
        if fault == "cut":
            self._chunk(b"")
        elif fault == "broken":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault in ("stall", "pings"):
            while not self.stub.stopping.wait(0.05 if fault == "pings" else 30):
                self._chunk(b"event: ping\ndata: {\"type\": \"ping\"}\n\n" if one.wire == "messages" else b": ping\n\n")
            self.close_connection = True
        elif fault == "bad_chunk":
            self._chunk(b"event: content_block_delta\ndata: {\"type\": \"content_bl\n\n")
            return False
        elif fault == "error_event":
            error = {"type": "overloaded_error", "code": "overloaded_error", "message": f"Overloaded; you are {one.key}"}
            self._chunk(sse(("error", {"type": "error", "error": error}, "")))
            self._chunk(b"")
        else:
            return False
        return True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _twisted(reply: Reply, fault: str | None) -> Reply:
    if fault == "empty":
        return Reply()
    if fault == "bad_arguments":
        return replace(reply, calls=tuple(Call(c.name, '{"oops": ', c.id) for c in reply.calls) or (Call("look", '{"oops": '),))
    if fault == "refused":
        return Reply("I will not.", finish="refused")
    if fault == "length":
        return replace(reply, finish="length")
    return reply
