"""Make a corpus, in steps that a kill at any moment only delays: each commits what it wrote together with the place it had reached.

    scan      every document once: repeats found, all hashed; then valid, test and watch are chosen
    sample    every document again: held-out texts kept, a bounded sample taken, the tokenizer trained on it (or fetched)
    hold out  valid, test and watch as tokens, in the order of their hashes
    pack      the rest as tokens, in the order of the sources; several are mixed by their share of tokens
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.config import Config
from core.errors import CorpusError
from core.types import sha256_text
from core.verification.training.corpus import COMMIT_BYTES, META, PreparedCorpus, Report
from core.verification.training.index import MAX_HELD_OUT, SPLITS, Index, Skips, chain, text_hash
from core.verification.training.recipes import Recipe
from core.verification.training.streams import Spot, Stream, open_stream
from core.verification.training.tokenizer import SMALLEST, Encoder, check_fetched, train_tokenizer

BYTES_PER_TOKEN = 4.8        # English under 32,000 tokens has about 4.5: enough is read for a budget of tokens, and a little more
SAMPLE = 32 * 2**20          # bytes of text that the tokenizer is trained on, spread over the whole corpus
BATCH = 2**20                # bytes of text tokenized at once
TURNS = 400                  # of one component after the other, when several are mixed: bytes at once, at most TURN
TURN = 2**18
COMMIT_S = 2.0               # … or so many seconds
INDEX = "index.sqlite"


class Maker:
    def __init__(self, recipe: Recipe, vocab_size: int, tokenizer: str, config: Config, folder: Path, report: Report,
                 commit_bytes: int = COMMIT_BYTES) -> None:
        self.recipe = recipe
        self.vocab_size = vocab_size
        self.tokenizer = tokenizer
        self.config = config
        self.folder = folder
        self.report = report
        self.commit_bytes = commit_bytes

    def make(self) -> None:
        """The folder, complete: meta.json is written last. Raises CorpusError, OSError, sqlite3.Error."""
        if not (self.folder / META).is_file():
            if self.vocab_size < SMALLEST:
                raise CorpusError(f"a vocabulary of {self.vocab_size} cannot hold the 256 bytes and the end of a text", f"give at least {SMALLEST}")
            self.folder.mkdir(parents=True, exist_ok=True)
            end_id = self._fetched() if self.tokenizer else 0
            self.index = Index(self.folder / INDEX)
            self.streams: list[Stream] = []
            try:
                self.streams = [open_stream(c, self.config) for c in self.recipe.components]
                self._scan()
                self._sample()
                encoder = Encoder(self.folder / "tokenizer.json", end_id, self.vocab_size)
                self._hold_out(encoder)
                self._pack(encoder)
                self._finish(end_id)
            finally:
                for stream in self.streams:
                    stream.close()
                self.index.close()
        for left in self.folder.glob(f"{INDEX}*"):
            left.unlink()

    # ------------------------------------------------------------------------------------------ scan

    def _scan(self) -> None:
        if self.index.get("scanned", False):
            return
        wanted = self._bytes_wanted()
        for source, component in enumerate(self.recipe.components):
            self._scan_source(source, int(component.weight * wanted))
        self.index.hold_out()
        self.index.commit(scanned=True)

    def _bytes_wanted(self) -> float:
        """Enough for the budget of tokens and what is held out; 0 for all."""
        need = self.recipe.tokens * BYTES_PER_TOKEN
        return min(need / 0.85, need + 2.1 * MAX_HELD_OUT)

    def _scan_source(self, source: int, quota: int) -> None:
        """Up to `quota` bytes of new text; 0 for all there is."""
        at = self.index.get(f"scan{source}", {"spot": [], "number": 0, "bytes": 0, "done": False})
        if at["done"]:
            return
        stream, digest, pulse = self.streams[source], self.index.get("hash", ""), _Pulse(self.commit_bytes)
        for text, spot in stream.documents(at["spot"]):
            document = text.strip()
            if document:
                size = len(document.encode())
                if self.index.add(source, at["number"], document, size):
                    digest = chain(digest, document)
                    at["bytes"] += size
                at["number"] += 1
                pulse.add(size)
            if spot is None:
                continue
            at["spot"] = spot
            if quota and at["bytes"] >= quota:
                break
            if pulse.due():
                stream.flush()
                self.index.commit(**{f"scan{source}": at, "hash": digest})
                self._say("reading", source, at["bytes"], quota or stream.total, 0.0, 0.45)
        if at["number"] == 0:
            raise CorpusError(f"the corpus {self.recipe.components[source].name} is empty", "give text")
        at["done"] = True
        stream.flush()
        self.index.commit(**{f"scan{source}": at, "hash": digest})

    def _say(self, doing: str, source: int, done: float, total: float, low: float, high: float) -> None:
        share = self.recipe.components[source].weight
        before = sum(c.weight for c in self.recipe.components[:source])
        fraction = before + share * min(1.0, done / total if total else 0.5)
        name = f" {self.recipe.components[source].name}" if len(self.recipe.components) > 1 else ""
        self.report(low + (high - low) * fraction, f"{doing}{name}: {done / 1e6:,.0f} MB" + (f" of about {total / 1e6:,.0f}" if total else ""))

    # ------------------------------------------------------------------------------------------ sample

    def _documents(self, source: int, spot: Spot, number: int) -> Iterator[tuple[str, int | None, Spot | None]]:
        """(document, what it is held out for or 0 for a repeat, spot) of what was scanned, from a document on."""
        last, skips = self.index.get(f"scan{source}", {})["number"], Skips(self.index, source)
        if number >= last:
            return
        for text, after in self.streams[source].documents(spot):
            document = text.strip()
            if document:
                yield document, skips[number], after
                number += 1
                if number >= last:
                    return
        raise CorpusError(f"the corpus {self.recipe.components[source].name} became shorter while it was prepared", "try again when nothing changes it")

    def _sample(self) -> None:
        if self.index.get("sampled", False):
            return
        for source in range(len(self.streams)):
            self._sample_source(source)
        if not self.tokenizer:
            sample = list(self.index.texts("sample"))
            self.report(0.55, f"training the tokenizer on {sum(map(len, sample)) / 1e6:,.0f} MB")
            _write(self.folder / "tokenizer.json", train_tokenizer(sample, self.vocab_size).to_str(pretty=True).encode())
            self.index.forget("sample")
        self.index.commit(sampled=True)

    def _sample_source(self, source: int) -> None:
        at = self.index.get(f"sample{source}", {"spot": [], "number": 0, "bytes": 0, "taken": 0})
        total, pulse = self.index.get(f"scan{source}", {})["bytes"], _Pulse(self.commit_bytes)
        below = int(min(1.0, SAMPLE / self.index.total()[1]) * 2**64)  # of the other half of the hash than the one that holds out
        for document, split, spot in self._documents(source, at["spot"], at["number"]):
            size = len(document)
            if split:
                self.index.keep_text(split, document)
            elif split is None and not self.tokenizer and at["taken"] < 1.1 * SAMPLE and int.from_bytes(text_hash(document)[8:]) < below:
                self.index.keep_text(0, document)
                at["taken"] += size
            at["number"], at["bytes"] = at["number"] + 1, at["bytes"] + size
            pulse.add(size)
            if spot is not None:
                at["spot"] = spot
                if pulse.due():
                    self.index.commit(**{f"sample{source}": at})
                    self._say("choosing what is held out and sampled", source, at["bytes"], total, 0.45, 0.55)
        self.index.commit(**{f"sample{source}": at})

    def _fetched(self) -> int:
        """The tokenizer of the Hub, put into the folder; its end-of-text id."""
        from core.verification.training.hub import fetch_tokenizer

        file, settings = fetch_tokenizer(self.tokenizer, self.config)
        end_id = check_fetched(self.tokenizer, file, settings, self.vocab_size)
        _write(self.folder / "tokenizer.json", file.read_bytes())
        return end_id

    # ------------------------------------------------------------------------------------------ tokens

    def _hold_out(self, encoder: Encoder) -> None:
        """END d₁ END d₂ … END; beside it where each document starts, and its bytes."""
        if self.index.get("held_out", None):
            return
        self.report(0.6, "writing the held-out documents")
        counts = {}
        for split in SPLITS:
            starts, sizes, n = [], [], 1
            with (self.folder / f"{split}.bin").open("wb") as sink:
                sink.write(np.asarray([encoder.end_id], encoder.dtype).tobytes())
                for texts in _batched(self.index.texts(split)):
                    for text, ids in zip(texts, encoder(texts), strict=True):
                        starts.append(n)
                        sizes.append(len(text.encode()))
                        n += len(ids)
                        sink.write(ids.tobytes())
                _durable(sink)
            _write(self.folder / f"{split}.json", json.dumps({"starts": starts, "bytes": sizes}).encode())
            counts[split] = n
        self.index.commit(held_out=counts)

    def _pack(self, encoder: Encoder) -> None:
        """The training text. Whichever component is furthest below its share of tokens is read next."""
        path, width = self.folder / "train.bin", np.dtype(encoder.dtype).itemsize
        at = Packed.from_json(self.index.get("packed", None), len(self.streams))
        if not at.tokens:
            path.write_bytes(np.asarray([encoder.end_id], encoder.dtype).tobytes())
            at.tokens = 1
        os.truncate(path, at.tokens * width)
        turns = [self._turns(source, at) for source in range(len(self.streams))]
        goal, pulse = self.recipe.tokens or float("inf"), _Pulse(self.commit_bytes)
        _, total = self.index.total()
        with path.open("ab") as sink:
            while at.tokens < goal and not all(at.ended):
                source = min((s for s in range(len(turns)) if not at.ended[s]), key=lambda s: (at.share[s] / self.recipe.components[s].weight, s))
                texts = next(turns[source], None)
                if texts is None:
                    at.ended[source] = True
                    continue
                made = encoder(texts)
                sink.write(np.concatenate(made).tobytes() if made else b"")
                n, size = sum(map(len, made)), sum(len(t.encode()) for t in texts)
                at.tokens, at.bytes, at.documents, at.share[source] = at.tokens + n, at.bytes + size, at.documents + len(texts), at.share[source] + n
                pulse.add(size)
                if pulse.due():
                    self._keep(sink, at)
                    fraction = at.tokens / goal if self.recipe.tokens else at.bytes / total
                    self.report(0.6 + 0.4 * min(1.0, fraction), f"writing tokens: {at.tokens / 1e6:,.1f} million")
            self._keep(sink, at)

    def _keep(self, sink: BinaryIO, at: Packed) -> None:
        _durable(sink)
        self.index.commit(packed=asdict(at))

    def _turns(self, source: int, at: Packed) -> Iterator[list[str]]:
        """Batches of training documents; `at` says where the next one starts."""
        most, texts, size = self._turn_bytes(), [], 0
        for document, split, spot in self._documents(source, at.spots[source], at.numbers[source]):
            at.pending[source] += 1
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

    def _turn_bytes(self) -> float:
        if len(self.streams) == 1:
            return BATCH
        return min(TURN, (self.recipe.tokens * BYTES_PER_TOKEN or self.index.total()[1]) / TURNS)

    # ------------------------------------------------------------------------------------------ the end

    def _finish(self, end_id: int) -> None:
        at, held = Packed.from_json(self.index.get("packed", None), len(self.streams)), self.index.get("held_out", {})
        n, _ = self.index.total()
        names = [c.name for c in self.recipe.components]
        made = PreparedCorpus(
            name=self.recipe.name, hash=self.index.get("hash", ""), dir=self.folder, vocab_size=self.vocab_size,
            tokenizer_hash=sha256_text((self.folder / "tokenizer.json").read_text(encoding="utf-8")), train_tokens=at.tokens, valid_tokens=held["valid"],
            train_bytes=at.bytes, documents=n, test_tokens=held["test"], watch_tokens=held["watch"], end_id=end_id, tokenizer=self.tokenizer,
            sources=dict(zip(names, at.share, strict=True)), notes=tuple(self._notes(at)))
        meta = asdict(made)
        del meta["dir"]
        _write(self.folder / META, json.dumps(meta, indent=1).encode())

    def _notes(self, at: Packed) -> Iterator[str]:
        if self.recipe.tokens and at.tokens < self.recipe.tokens:
            yield f"{at.tokens:,} training tokens: the sources had no more ({self.recipe.tokens:,} were asked for)"
        for component, share in zip(self.recipe.components, at.share, strict=True):
            if len(at.share) > 1 and abs(share / at.tokens - component.weight) > 0.02 * component.weight + 0.002:
                yield f"{component.name} is {share / at.tokens:.1%} of the tokens, {component.weight:.1%} was asked for"


@dataclass
class Packed:
    """How far the training text is written; lists hold one value a component."""

    spots: list[Spot]
    numbers: list[int]               # documents passed
    pending: list[int]               # … since the last batch
    share: list[int]                 # tokens
    ended: list[bool]
    tokens: int = 0
    bytes: int = 0
    documents: int = 0

    @classmethod
    def from_json(cls, data: dict | None, n: int) -> Packed:
        return cls(**data) if data else cls([[] for _ in range(n)], [0] * n, [0] * n, [0] * n, [False] * n)

    def move(self, source: int, spot: Spot) -> None:
        self.spots[source] = spot
        self.numbers[source] += self.pending[source]
        self.pending[source] = 0


class _Pulse:
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


def _batched(texts: Iterator[str]) -> Iterator[list[str]]:
    held, size = [], 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= BATCH:
            yield held
            held, size = [], 0
    if held:
        yield held


def _durable(sink: BinaryIO) -> None:
    sink.flush()
    os.fsync(sink.fileno())


def _write(path: Path, data: bytes) -> None:
    """The whole file, or none."""
    scratch = path.with_name(f"{path.name}.tmp")
    with scratch.open("wb") as sink:
        sink.write(data)
        _durable(sink)
    os.replace(scratch, path)
