"""Texts as token files: END d₁ END d₂ … END, memory-mapped when they are read. Several sources are mixed by their share of the tokens."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.verification.training.corpus import Report
from core.verification.training.index import Index
from core.verification.training.recipes import Recipe
from core.verification.training.steps import Pulse, durable, scanned, write_whole
from core.verification.training.streams import Spot, Stream
from core.verification.training.tokenizer import Encoder

BYTES_PER_TOKEN = 4.8        # English under 32,000 tokens has about 4.5: enough is read for a budget of tokens, and a little more
BATCH = 2**20                # bytes of text tokenized at once
TURN, TURNS = 2**18, 400     # … and with a budget of tokens, or several sources: at most TURN bytes, in at least so many batches


@dataclass
class Packed:
    """How far the training text is written; lists hold one value a source."""

    spots: list[Spot]
    numbers: list[int]               # documents passed
    pending: list[int]               # … since the last batch
    share: list[int]                 # tokens
    ended: list[bool]
    tokens: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, index: Index, n: int) -> Packed:
        found = index.get("packed", None)
        return cls(**found) if found else cls([[] for _ in range(n)], [0] * n, [0] * n, [0] * n, [False] * n)

    def move(self, source: int, spot: Spot) -> None:
        self.spots[source] = spot
        self.numbers[source] += self.pending[source]
        self.pending[source] = 0


def pack_held_out(folder: Path, split: str, texts: Iterable[str], encoder: Encoder) -> int:
    """A held-out split, and beside it where each document starts, and its bytes. Its tokens."""
    starts, sizes, n = [], [], 1
    with (folder / f"{split}.bin").open("wb") as sink:
        sink.write(np.asarray([encoder.end_id], encoder.dtype).tobytes())
        for batch in _batched(texts):
            for text, ids in zip(batch, encoder(batch), strict=True):
                starts.append(n)
                sizes.append(len(text.encode()))
                n += len(ids)
                sink.write(ids.tobytes())
        durable(sink)
    write_whole(folder / f"{split}.json", json.dumps({"starts": starts, "bytes": sizes}).encode())
    return n


def pack_training(
    path: Path, recipe: Recipe, index: Index, streams: Sequence[Stream], encoder: Encoder, report: Report, commit_bytes: int,
) -> None:
    """The training text, from where the index says it is. Whichever source is furthest below its share of tokens is read next."""
    at = Packed.of(index, len(streams))
    if not at.tokens:
        path.write_bytes(np.asarray([encoder.end_id], encoder.dtype).tobytes())
        at.tokens = 1
    os.truncate(path, at.tokens * np.dtype(encoder.dtype).itemsize)
    goal, total, pulse = recipe.tokens or float("inf"), index.total()[1], Pulse(commit_bytes)
    most = _turn_bytes(recipe, total)
    turns = [_turns(index, stream, source, at, most) for source, stream in enumerate(streams)]
    with path.open("ab") as sink:
        while at.tokens < goal and not all(at.ended):
            source = min((s for s in range(len(turns)) if not at.ended[s]), key=lambda s: (at.share[s] / recipe.components[s].weight, s))
            texts = next(turns[source], None)
            if texts is None:
                at.ended[source] = True
                continue
            made = np.concatenate(encoder(texts))
            sink.write(made.tobytes())
            size = sum(len(t.encode()) for t in texts)
            at.tokens, at.bytes, at.share[source] = at.tokens + len(made), at.bytes + size, at.share[source] + len(made)
            pulse.add(size)
            if pulse.due():
                _keep(sink, index, at)
                report(0.6 + 0.4 * min(1.0, at.tokens / goal if recipe.tokens else at.bytes / total), f"writing tokens: {at.tokens / 1e6:,.1f} million")
        _keep(sink, index, at)


def _keep(sink: BinaryIO, index: Index, at: Packed) -> None:
    durable(sink)
    index.commit(packed=asdict(at))


def _turn_bytes(recipe: Recipe, total: int) -> float:
    """Small enough that a budget, and each source's share of it, are met within a percent."""
    if len(recipe.components) == 1 and not recipe.tokens:
        return BATCH
    return min(TURN, (recipe.tokens * BYTES_PER_TOKEN or total) / TURNS)


def _turns(index: Index, stream: Stream, source: int, at: Packed, most: float) -> Iterator[list[str]]:
    """Batches of training documents; `at` says where the next one starts."""
    texts, size, spot = [], 0, at.spots[source]
    for document, split, after in scanned(index, stream, source, at.spots[source], at.numbers[source]):
        at.pending[source] += 1
        spot = after
        if split is None:
            texts.append(document)
            size += len(document)
        if spot is not None and size >= most:
            at.move(source, spot)
            yield texts
            texts, size = [], 0
    if texts:
        at.move(source, spot)
        yield texts


def _batched(texts: Iterable[str]) -> Iterator[list[str]]:
    held, size = [], 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= BATCH:
            yield held
            held, size = [], 0
    if held:
        yield held
