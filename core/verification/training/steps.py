"""What the steps of making a corpus share: when to commit, how to write, and how to read again what was scanned."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from core.errors import CorpusError
from core.verification.training.index import Index, Skips
from core.verification.training.streams import Spot, Stream

COMMIT_S = 2.0               # between two commits, at most about


class Pulse:
    """Whether enough text has passed, or time, to commit."""

    def __init__(self, commit_bytes: int) -> None:
        self.most, self.size, self.since = commit_bytes, 0, time.monotonic()

    def add(self, size: int) -> None:
        self.size += size

    def due(self) -> bool:
        if self.size < self.most and time.monotonic() - self.since < COMMIT_S:
            return False
        self.size, self.since = 0, time.monotonic()
        return True


def scanned(index: Index, stream: Stream, source: int, spot: Spot, number: int) -> Iterator[tuple[str, int | None, Spot | None]]:
    """(document, what it is held out for or 0 for a repeat, spot) of what was scanned of a source, from its document `number` at `spot` on."""
    last, skips = index.get(f"scan{source}", {})["number"], Skips(index, source)
    if number >= last:
        return
    for text, after in stream.documents(spot):
        document = text.strip()
        if document:
            yield document, skips[number], after
            number += 1
            if number >= last:
                return
    raise CorpusError("a source of the corpus became shorter while it was prepared", "try again when nothing changes it")


def durable(sink: BinaryIO) -> None:
    sink.flush()
    os.fsync(sink.fileno())


def write_whole(path: Path, data: bytes) -> None:
    """The whole file, or none."""
    scratch = path.with_name(f"{path.name}.tmp")
    with scratch.open("wb") as sink:
        sink.write(data)
        durable(sink)
    os.replace(scratch, path)
