"""Reading a stream in a thread of its own, so that no blocking read can hold up whoever waits: not a stalled line, not one that only pings.

The reader puts what it reads into a queue; the waiting side looks every quarter of a second whether the deadline passed, and yields a `wait` delta,
on which its caller can look whether somebody wants to stop. A cut line's socket is shut down, which wakes a read that blocks on it.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from core.errors import LanguageModelError
from core.llm.base import Answer, Delta

LOOK_S = 0.25


class Line:
    """The connection of one request, as far as it must be cut from outside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._response: Any = None
        self.is_cut = threading.Event()

    def opened(self, response: Any) -> None:
        """`response`: an httpx2.Response whose body is about to be read."""
        with self._lock:
            self._response = response
        if self.is_cut.is_set():
            self.cut()

    def cut(self) -> None:
        self.is_cut.set()
        with self._lock:
            response, self._response = self._response, None
        stream = getattr(response, "extensions", {}).get("network_stream")
        connection = stream.get_extra_info("socket") if stream else None
        if connection is not None:
            with contextlib.suppress(OSError, ValueError):  # it may be closed already
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def done(self) -> None:
        """The body was read to its end: the connection goes back to its pool, and is nobody's to cut."""
        with self._lock:
            self._response = None


def watched(read: Callable[[Line], Iterator[Delta | Answer]], deadline_s: float, tell: Callable[[BaseException], LanguageModelError],
            late: Callable[[], LanguageModelError]) -> Iterator[Delta | Answer]:
    """What `read` yields, with `wait` deltas where nothing comes; raises `late()` at the deadline. Closing the iterator cuts the line."""
    line, items = Line(), queue.SimpleQueue[Any]()
    end = time.monotonic() + deadline_s
    threading.Thread(target=_reader, args=(read, line, items), name="language model", daemon=True).start()
    try:
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise late()
            try:
                item = items.get(timeout=min(left, LOOK_S))
            except queue.Empty:
                yield Delta("wait", "")
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise tell(item)  # alone: the SDK's own error, which a traceback would print, may quote a key
            yield item
    finally:
        line.cut()


def _reader(read: Callable[[Line], Iterator[Delta | Answer]], line: Line, items: queue.SimpleQueue[Any]) -> None:
    try:
        for item in read(line):
            if line.is_cut.is_set():
                return
            items.put(item)
        items.put(None)
    except Exception as error:
        items.put(error)
