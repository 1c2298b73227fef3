"""A corpus made ready: documents deduplicated and split, a tokenizer, token files; cached by what it is made of. Loads no torch.

    DATA_DIR/corpora/<key>/  meta.json  tokenizer.json  {train,valid,test,watch}.bin  {valid,test,watch}.json

`valid` alone is scored for the result; `watch` during training; `test` is written and stays locked, for a last word.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.config import Config
from core.errors import CorpusError
from core.verification.training.recipes import Recipe, resolve

BUILDER = 2                  # raise it when what is written changes
META = "meta.json"
COMMIT_BYTES = 16 * 2**20    # of text between two commits, and about what a kill costs
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class PreparedCorpus:
    name: str
    hash: str                        # of the documents in their order, whatever the tokenizer
    dir: Path
    vocab_size: int
    tokenizer_hash: str
    train_tokens: int
    valid_tokens: int
    train_bytes: int
    documents: int
    test_tokens: int = 0
    watch_tokens: int = 0
    end_id: int = 0                  # the token between documents, and before the first; 0 for tokenizers trained here
    tokenizer: str = ""              # its id on the Hub; "" when trained here
    sources: Mapping[str, int] = field(default_factory=dict)  # component → its training tokens
    notes: tuple[str, ...] = ()      # what a reader should know: a component that gave less than its share

    @property
    def bytes_per_token(self) -> float:
        """Of the training text."""
        return self.train_bytes / self.train_tokens


def prepare(
    corpus: str | None, vocab_size: int, config: Config, report: Report = lambda fraction, note: None, tokenizer: str = "", tokens: int = 0,
    commit_bytes: int = COMMIT_BYTES,
) -> PreparedCorpus:
    """A corpus by name (None: the built-in one), or a person's file or folder, in tokens of a vocabulary of `vocab_size`.

    `tokenizer` is an id on the Hub; "" trains a byte-level BPE on the corpus. `tokens` (0: as the corpus says) bounds the training text.
    `report(fraction, note)` may raise to stop: whatever stops it, calling again goes on where it was, to the same bytes. Raises CorpusError.
    """
    recipe = resolve(corpus, config, tokens)
    root = config.data_dir / "corpora"
    target = root / corpus_key(recipe, vocab_size, tokenizer)
    if not (target / META).is_file():
        from core.verification.training.making import Maker

        report(0.0, "reading the corpus")
        with _disk(root), _alone(root, target.name, report):
            if not (target / META).is_file():
                part = root / f"{target.name}.part"
                try:
                    Maker(recipe, vocab_size, tokenizer, config, part, report, commit_bytes).make()
                except CorpusError:
                    if recipe.kind in ("builtin", "files"):  # its texts are at fault: mended, they are another corpus
                        shutil.rmtree(part, ignore_errors=True)
                    raise
                os.replace(part, target)
    return load_prepared(target)


def load_prepared(folder: Path) -> PreparedCorpus:
    meta = read_meta(folder)
    return PreparedCorpus(dir=folder, **{**meta, "notes": tuple(meta["notes"])})


def read_meta(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{folder / META} cannot be read: {error}", f"remove {folder}: it is made again") from error


def corpus_key(recipe: Recipe, vocab_size: int, tokenizer: str = "") -> str:
    """The folder's name: readable, and another one whenever what is written would be."""
    return corpus_keys(recipe, [(vocab_size, tokenizer)])[0]


def corpus_keys(recipe: Recipe, kinds: Sequence[tuple[int, str]]) -> list[str]:
    """The same for several vocabularies, (size, tokenizer) each; its files are looked at once."""
    from core.verification.training.streams import stamp

    told = stamp(recipe)
    slug = re.sub(r"[^a-zA-Z0-9._-]+", "-", recipe.name)[:40].strip("-.") or "corpus"
    facts = {tokenizer: hashlib.sha256(json.dumps([BUILDER, told, tokenizer], sort_keys=True).encode()).hexdigest()[:12] for _, tokenizer in kinds}
    return [f"{slug}-{facts[tokenizer]}-v{vocab_size}" for vocab_size, tokenizer in kinds]


@contextlib.contextmanager
def _alone(root: Path, key: str, report: Report) -> Iterator[None]:
    """One process at a time makes a corpus; the lock goes with its process, however that ends."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{key}.lock"
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                report(0.0, "another process prepares this corpus")
                time.sleep(0.3)
        yield
        path.unlink(missing_ok=True)  # only after success: who waits for it finds the corpus made


@contextlib.contextmanager
def _disk(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = f"the disk is full: the corpus cannot be written to {root}" if full else f"the corpus cannot be written to {root}: {error.strerror or error}"
        raise CorpusError(what, "free some space and try again: what is prepared is kept, and it goes on from there") from error
    except sqlite3.OperationalError as error:
        raise CorpusError(f"the corpus's index under {root} cannot be written: {error}", "free some space and try again: it goes on from there") from error
