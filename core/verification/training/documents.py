"""Documents out of text: what every Python carries, and files of text, JSONL and Parquet. Read as a stream; loads no torch.

A stream gives (document, place): the place is where the next document starts, so that reading can go on there; None inside a row that is cut.
Documents are at most about MAX_DOCUMENT characters, and nothing longer than a row (a row group, for Parquet) is held.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import string
import sys
import sysconfig
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import CorpusError

TEXT_SUFFIXES = (".txt", ".md", ".rst", ".tex", ".py")
SUFFIXES = (*TEXT_SUFFIXES, ".jsonl", ".parquet", *(f"{s}.gz" for s in (".txt", ".jsonl")))
MIN_DOCSTRING = 60           # characters: shorter ones are mostly signatures
CHUNK = 2000                 # bytes, about: how a text without headings is cut, at blank lines
MAX_DOCUMENT = 2**20         # bytes: longer ones are cut at a line
LINE = 4 * CHUNK             # bytes: longer lines are read, and may be cut, in pieces
LOOK = 2**22                 # bytes of a text in which WikiText's headings must show
HEADING = re.compile(rb"^ = [^=\s](.*[^=\s])? = *\r?\n?$")  # WikiText's first-level headings

Place = list[int]            # where in a file: [byte or row, line]
Found = Iterator[tuple[str, Place | None]]


def builtin_documents() -> list[str]:
    """`pydoc_data.topics` and the standard library's docstrings, one document a topic and a module; sorted, so the same everywhere.

    Another Python release has other texts, and so another hash.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    found = [topics[name] for name in sorted(topics)]
    root = Path(sysconfig.get_paths()["stdlib"])
    skip = {"site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__", "pydoc_data", "ensurepip", "turtledemo"}
    for path in sorted(root.rglob("*.py")):
        if not skip & set(path.relative_to(root).parts):
            texts = [t for t in _docstrings(path) if len(t) >= MIN_DOCSTRING and t not in seen]
            seen.update(texts)
            if texts:
                found.append("\n\n".join(texts))
    return found


def _docstrings(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # the standard library keeps some broken files on purpose
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield text


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"


# ------------------------------------------------------------------------------------------------------ files


def text_files(path: Path) -> list[Path]:
    """A file, or those of a folder that hold text, sorted. Raises CorpusError."""
    if not path.exists():
        raise CorpusError(f"the corpus {path} does not exist", "give a text file or a folder of text files")
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.name.lower().endswith(SUFFIXES) and p.is_file())
    if not found:
        raise CorpusError(f"the folder {path} holds no text", f"put files ending in {', '.join(SUFFIXES)} there")
    return found


def file_documents(path: Path, start: Place, row: RowText) -> Found:
    """The documents of one file from a place on. Raises CorpusError naming the file, and where in it."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        yield from _parquet(path, start, row)
        return
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
            if name.removesuffix(".gz").endswith(".jsonl"):
                yield from _jsonl(path, stream, start, row)
            else:
                headings = has_headings(stream)
                for raw, place in cut(_lines(stream, start), headings):
                    yield _decoded(path, raw, place), place
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"{path} is broken: {error}", "fetch or compress it again") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}", "make it readable") from error


def _decoded(path: Path, raw: bytes, place: Place) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = place[0] - len(raw) + error.start
        raise CorpusError(f"{path} is not UTF-8: byte {byte} is {raw[error.start]:#04x}", "convert it: iconv -t utf-8") from None


def _lines(stream: BinaryIO, start: Place) -> Iterator[tuple[bytes, Place]]:
    """Lines, the very long ones in pieces that never cut a character."""
    stream.seek(start[0])
    at, held = start[0], b""
    while piece := stream.readline(LINE):
        piece, held = held + piece, b""
        if not piece.endswith(b"\n"):
            keep = _whole(piece)
            piece, held = piece[:keep], piece[keep:]
        at += len(piece)
        yield piece, [at, 0]
    if held:
        yield held, [at + len(held), 0]


def _whole(piece: bytes) -> int:
    """Where the last whole UTF-8 character ends; all of it where the end is no UTF-8 at all."""
    for back in range(1, min(4, len(piece)) + 1):
        byte = piece[-back]
        if byte < 0x80 or byte >= 0xC0:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(piece) - back if width > back else len(piece)
    return len(piece)


def has_headings(stream: BinaryIO) -> bool:
    """Whether a text is WikiText: eight articles or more begin in its first 4 MB."""
    stream.seek(0)
    n, left = 0, LOOK
    while n < 8 and left > 0 and (line := stream.readline(LINE)):
        left -= len(line)
        n += bool(line.startswith(b" = ") and HEADING.match(line))
    return n >= 8


def in_passages(path: Path) -> bool:
    """Whether a file's documents are passages of it: text that `cut` takes apart where nobody wrote headings."""
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith(TEXT_SUFFIXES) or path.stat().st_size <= 2 * CHUNK:
        return False
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        return not has_headings(stream)


def cut(lines: Iterable[tuple[bytes, Place]], headings: bool) -> Iterator[tuple[bytes, Place]]:
    """WikiText's articles where its headings are, else pieces of about 2,000 bytes cut at blank lines (at any line, from 8,000 on)."""
    held: list[bytes] = []
    size, before = 0, [0, 0]
    for line, place in lines:
        if headings and size and line.startswith(b" = ") and HEADING.match(line):
            yield b"".join(held), before
            held, size = [], 0
        held.append(line)
        size += len(line)
        before = place
        if size >= MAX_DOCUMENT or (not headings and size >= CHUNK and (size >= 4 * CHUNK or not line.strip())):
            yield b"".join(held), place
            held, size = [], 0
    if size:
        yield b"".join(held), before


def split(text: str) -> list[str]:
    """The documents of a text, as of a file that holds it."""
    raw = text.encode()
    lines = [(line, [0, 0]) for line in raw.splitlines(keepends=True)]
    headings = sum(bool(HEADING.match(line)) for line, _ in lines) >= 8
    return [piece.decode() for piece, _ in cut(lines, headings) if piece.strip()]


def _jsonl(path: Path, stream: BinaryIO, start: Place, row: RowText) -> Found:
    stream.seek(start[0])
    at, number = start
    for line in stream:
        at, number = at + len(line), number + 1
        if line.strip():
            try:
                text = row(json.loads(line))
            except UnicodeDecodeError as error:
                raise CorpusError(f"{path}:{number} is not UTF-8: byte {at - len(line) + error.start} is {line[error.start]:#04x}", "convert it: iconv -t utf-8") from None
            except (ValueError, LookupError, RecursionError) as error:
                said = error.args[0] if isinstance(error, LookupError) else f"no JSON on this line ({error})"
                raise CorpusError(f"{path}:{number}: {said}", f"one object a line, with its text under {' and '.join(row.names)}") from None
            yield from pieces(text, [at, number])


def _parquet(path: Path, start: Place, row: RowText) -> Found:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = [name for name in names if name in row.names] or names
            at = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                if at + size > start[0]:
                    rows = (r for batch in file.iter_batches(256, [group], wanted) for r in batch.to_pylist())
                    for number, found in enumerate(rows, at + 1):
                        if number > start[0]:
                            yield from pieces(_of_row(path, number, found, row), [number, 0])
                at += size
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{path} is broken: {str(error).splitlines()[0]}", "fetch or write it again") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or str(error).splitlines()[0]}", "make it readable, or fetch it again") from error


def _of_row(path: Path, number: int, found: Mapping[str, Any], row: RowText) -> str:
    try:
        return row(found)
    except LookupError as error:
        raise CorpusError(f"{path}, row {number}: {error.args[0]}", "name the field that holds the text in the corpus's YAML: field: …") from None


# ------------------------------------------------------------------------------------------------------ rows


@dataclass(frozen=True)
class RowText:
    """A row's text: one field of it, or a template filled with several."""

    field: str = "text"
    template: str = ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, name, _, _ in string.Formatter().parse(self.template) if name) if self.template else (self.field,)

    def __call__(self, row: Mapping[str, Any]) -> str:
        """Raises LookupError saying what is missing."""
        if not isinstance(row, Mapping):
            raise LookupError(f"no object with a \"{self.names[0]}\" but {json.dumps(row, default=str)[:40]}")
        for name in self.names:
            if name not in row:
                raise LookupError(f"no \"{name}\" among {', '.join(map(str, row)) or 'no fields'}")
            if not isinstance(row[name], (str, int, float)) and row[name] is not None:
                raise LookupError(f"\"{name}\" is no text but {type(row[name]).__name__}")
        found = self.template.format_map({n: "" if row[n] is None else row[n] for n in self.names}) if self.template else row[self.field]
        return sound("" if found is None else str(found))


def sound(text: str) -> str:
    """Without half characters (lone surrogates, which JSON can spell and UTF-8 cannot)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def pieces(text: str, place: Place) -> Found:
    """A row's text, the very long ones in pieces of at most MAX_DOCUMENT characters; the last one has the place."""
    for i in range(0, max(1, len(text)), MAX_DOCUMENT):
        yield text[i : i + MAX_DOCUMENT], place if i + MAX_DOCUMENT >= len(text) else None
