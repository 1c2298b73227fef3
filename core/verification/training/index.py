"""What is known of a corpus's documents while it is made, in one SQLite file: which are repeats, which are held out, and how far each step is.

The memory used does not grow with the corpus. A step commits together with the place it has reached, so a process killed at any moment leaves
an index that the next one goes on from. Nothing here knows texts beyond the held-out ones.

    seen   one row a distinct text (white space aside): its hash, where it is (source, number in it), its bytes
    skip   what a reader of a source leaves out: repeats (split 0) and held-out documents (1 valid, 2 test, 3 watch)
    held   the held-out texts (and, for a while, those the tokenizer is trained on: split 0), in the order of their hashes
    state  key → JSON
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import CorpusError

VALID, TEST = 0.08, 0.04     # of the text: small corpora need a share large enough for a steady score
WATCH = 0.03
MAX_HELD_OUT = 16 * 2**20    # bytes of each held-out split; large corpora need no more
MAX_WATCH = 64 * 2**10       # it is scored many times in a training
MIN_BYTES, MIN_DOCUMENTS = 20_000, 4
SPLITS = {"valid": 1, "test": 2, "watch": 3}
NUMBERS = {**SPLITS, "sample": 0}
SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (hash BLOB PRIMARY KEY, source INTEGER, number INTEGER, bytes INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS skip (source INTEGER, number INTEGER, split INTEGER, PRIMARY KEY (source, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (split INTEGER, hash BLOB, text TEXT, PRIMARY KEY (split, hash)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT);
"""


class Index:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000; PRAGMA temp_store=FILE;" + SCHEMA)
        self.db.execute("BEGIN")

    def close(self) -> None:
        """What was not committed is forgotten."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        self.db.close()

    def commit(self, **state: Any) -> None:
        """Everything since the last commit, and these states, or nothing."""
        for key, value in state.items():
            self.db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, json.dumps(value)))
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")

    def get(self, key: str, default: Any) -> Any:
        row = self.db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    # ------------------------------------------------------------------------------------------ documents

    def add(self, source: int, number: int, text: str, size: int) -> bool:
        """Whether the text is new, whatever its white space."""
        if self.db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", (text_hash(text), source, number, size)).rowcount:
            return True
        self.db.execute("INSERT OR REPLACE INTO skip VALUES (?, ?, 0)", (source, number))
        return False

    def total(self) -> tuple[int, int]:
        """(documents, bytes)"""
        return self.db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM seen").fetchone()

    def hold_out(self) -> None:
        """Mark valid, test and watch. Documents are ordered by their hash; the first ones are held out, so that adding text moves few. Raises CorpusError."""
        n, total = self.total()
        if n < MIN_DOCUMENTS or total < MIN_BYTES:
            raise CorpusError(f"the corpus has {total:,} bytes in {n} documents: too little to train on and hold out",
                              f"give at least {MIN_BYTES:,} bytes in {MIN_DOCUMENTS} documents (blank lines separate them)")
        self.db.execute("DELETE FROM skip WHERE split > 0")
        rows = self.db.execute("SELECT source, number, bytes FROM seen ORDER BY hash")
        left = n
        for split, share, most in (("valid", VALID, MAX_HELD_OUT), ("test", TEST, MAX_HELD_OUT)):
            left -= self._mark(split, rows, min(share * total, most), left - (4 - SPLITS[split]))
        self._mark_watch(min(WATCH * total, MAX_WATCH))

    def _mark(self, split: str, rows: Iterator[tuple[int, int, int]], size: float, most: int) -> int:
        """At least one document and `size` bytes, never more than `most` documents."""
        taken, n = 0, 0
        while n < most and (taken < size or n == 0):
            source, number, length = next(rows)
            self.db.execute("INSERT INTO skip VALUES (?, ?, ?)", (source, number, SPLITS[split]))
            taken += length
            n += 1
        return n

    def _mark_watch(self, size: float) -> None:
        """Of what is left, the next ones that fit; the next one where none does."""
        rows = self.db.execute("SELECT s.source, s.number, s.bytes FROM seen s LEFT JOIN skip k ON k.source = s.source AND k.number = s.number AND k.split > 0 "
                               "WHERE k.split IS NULL ORDER BY s.hash LIMIT 2000").fetchall()
        chosen: list[tuple[int, int]] = []
        for source, number, length in rows[: max(1, len(rows) - 1)]:
            if length <= size:
                chosen.append((source, number))
                size -= length
        for source, number in chosen or [rows[0][:2]]:
            self.db.execute("INSERT INTO skip VALUES (?, ?, ?)", (source, number, SPLITS["watch"]))

    def keep_text(self, split: int, text: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", (split, text_hash(text), text))

    def texts(self, split: str) -> Iterator[str]:
        """The held-out texts of a split, in a fixed order that no source leads."""
        for (text,) in self.db.execute("SELECT text FROM held WHERE split = ? ORDER BY hash", (NUMBERS[split],)):
            yield text

    def forget(self, split: str) -> None:
        self.db.execute("DELETE FROM held WHERE split = ?", (NUMBERS[split],))


class Skips:
    """number → split, for one source read in order; a page of the table at a time."""

    PAGE = 20_000

    def __init__(self, index: Index, source: int) -> None:
        self.index = index
        self.source = source
        self.start, self.page = -1, {}

    def __getitem__(self, number: int) -> int | None:
        """None: to be read. 0: a repeat. Else the split it is held out for."""
        if not self.start <= number < self.start + self.PAGE or self.start < 0:
            self.start = number
            self.page = dict(self.index.db.execute("SELECT number, split FROM skip WHERE source = ? AND number >= ? AND number < ?",
                                                   (self.source, number, number + self.PAGE)))
        return self.page.get(number)


def text_hash(text: str) -> bytes:
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).digest()


def chain(before: str, text: str) -> str:
    """The hash of a sequence of documents from that of all but the last, so that a process can go on with it (Merkle–Damgård)."""
    return hashlib.sha256(before.encode() + hashlib.sha256(text.encode()).digest()).hexdigest()
