"""Make a corpus, in steps that a kill at any moment only delays: each commits what it wrote together with the place it had reached.

    scan      every document once: repeats found, all hashed; then valid, test and watch are chosen
    sample    every document again: held-out texts kept, a bounded sample taken, the tokenizer trained on it (or fetched)
    hold out  valid, test and watch as tokens, in the order of their hashes
    pack      the rest as tokens, in the order of the sources; several are mixed by their share of tokens
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from core.config import Config
from core.errors import CorpusError
from core.types import sha256_text
from core.verification.training.corpus import META, PreparedCorpus, Report
from core.verification.training.documents import CHUNK
from core.verification.training.index import MAX_HELD_OUT, SPLITS, Index, chain, text_hash
from core.verification.training.pack import BYTES_PER_TOKEN, Packed, pack_held_out, pack_training
from core.verification.training.recipes import Recipe
from core.verification.training.steps import Pulse, scanned, write_whole
from core.verification.training.streams import Stream, in_passages_of, open_stream
from core.verification.training.tokenizer import SMALLEST, Encoder, check_fetched, train_tokenizer

SAMPLE = 32 * 2**20          # bytes of text that the tokenizer is trained on, spread over the whole corpus
INDEX = "index.sqlite"


class Maker:
    def __init__(self, recipe: Recipe, vocab_size: int, tokenizer: str, config: Config, folder: Path, report: Report, commit_bytes: int) -> None:
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
                self.streams = [open_stream(c, self.config, lambda: self.report(0.0, "another process reads this data set")) for c in self.recipe.components]
                self._scan()
                self._sample()
                encoder = Encoder(self.folder / "tokenizer.json", end_id, self.vocab_size)
                self._hold_out(encoder)
                pack_training(self.folder / "train.bin", self.recipe, self.index, self.streams, encoder, self.report, self.commit_bytes)
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
        stream, digest, pulse = self.streams[source], self.index.get("hash", ""), Pulse(self.commit_bytes)
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

    def _sample(self) -> None:
        if self.index.get("sampled", False):
            return
        for source in range(len(self.streams)):
            self._sample_source(source)
        if not self.tokenizer:
            sample = list(self.index.texts("sample"))
            self.report(0.55, f"training the tokenizer on {sum(map(len, sample)) / 1e6:,.0f} MB")
            write_whole(self.folder / "tokenizer.json", train_tokenizer(sample, self.vocab_size).to_str(pretty=True).encode())
            self.index.forget("sample")
        self.index.commit(sampled=True)

    def _sample_source(self, source: int) -> None:
        at = self.index.get(f"sample{source}", {"spot": [], "number": 0, "bytes": 0, "taken": 0})
        total, pulse = self.index.get(f"scan{source}", {})["bytes"], Pulse(self.commit_bytes)
        below = int(min(1.0, SAMPLE / self.index.total()[1]) * 2**64)  # of the other half of the hash than the one that holds out
        for document, split, spot in scanned(self.index, self.streams[source], source, at["spot"], at["number"]):
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
        write_whole(self.folder / "tokenizer.json", file.read_bytes())
        return end_id

    # ------------------------------------------------------------------------------------------ the end

    def _hold_out(self, encoder: Encoder) -> None:
        if self.index.get("held_out", None) is None:
            self.report(0.6, "writing the held-out documents")
            self.index.commit(held_out={split: pack_held_out(self.folder, split, self.index.texts(split), encoder) for split in SPLITS})

    def _finish(self, end_id: int) -> None:
        at, held = Packed.of(self.index, len(self.streams)), self.index.get("held_out", {})
        names = [c.name for c in self.recipe.components]
        made = PreparedCorpus(
            name=self.recipe.name, hash=self.index.get("hash", ""), dir=self.folder, vocab_size=self.vocab_size,
            tokenizer_hash=sha256_text((self.folder / "tokenizer.json").read_text(encoding="utf-8")), train_tokens=at.tokens, valid_tokens=held["valid"],
            train_bytes=at.bytes, documents=self.index.total()[0], test_tokens=held["test"], watch_tokens=held["watch"], end_id=end_id,
            tokenizer=self.tokenizer, sources=dict(zip(names, at.share, strict=True)), notes=tuple(self._notes(at)))
        meta = asdict(made)
        del meta["dir"]
        write_whole(self.folder / META, json.dumps(meta, indent=1).encode())

    def _notes(self, at: Packed) -> Iterator[str]:
        if self.recipe.tokens and at.tokens < self.recipe.tokens:
            yield f"{at.tokens:,} training tokens: the sources had no more ({self.recipe.tokens:,} were asked for)"
        for component in self.recipe.components:
            if in_passages_of(component.origin):
                yield (f"{component.name}: text without headings, cut into passages of about {CHUNK:,} bytes: what is held out are passages that were not trained on, "
                       "of files that others were taken from")
        for component, share in zip(self.recipe.components, at.share, strict=True):
            if len(at.share) > 1 and abs(share / at.tokens - component.weight) > 0.02 * component.weight + 0.002:
                yield f"{component.name} is {share / at.tokens:.1%} of the tokens, {component.weight:.1%} was asked for"
