"""Where documents come from: text that every Python carries, or a person's file or folder. Loads no torch."""

from __future__ import annotations

import ast
import json
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.errors import CorpusError

TEXT_SUFFIXES = (".txt", ".md", ".rst", ".tex", ".py", ".jsonl")
MIN_DOCSTRING = 60           # characters: shorter ones are mostly signatures
CHUNK = 2000                 # characters, about: how a text without headings is cut, at blank lines
HEADING = re.compile(r"^ = [^=].*[^=] = *$", re.MULTILINE)  # WikiText's first-level headings


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


def read_documents(path: Path) -> list[str]:
    """The documents of a text file or a folder of them. Raises CorpusError naming the file, and where in it."""
    if not path.exists():
        raise CorpusError(f"the corpus {path} does not exist", "give a text file or a folder of text files")
    files = sorted(p for p in path.rglob("*") if p.suffix in TEXT_SUFFIXES and p.is_file()) if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"the folder {path} holds no text", f"put files ending in {', '.join(TEXT_SUFFIXES)} there")
    found = [document for file in files for document in _of_file(file)]
    if not any(d.strip() for d in found):
        raise CorpusError(f"the corpus {path} is empty", "give text")
    return found


def _of_file(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}", "convert it: iconv -t utf-8") from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}", "make it readable") from error
    return list(_of_jsonl(path, text)) if path.suffix == ".jsonl" else split(text)


def _of_jsonl(path: Path, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise CorpusError(f"{path}:{number}: no JSON object with a \"text\" ({error!r})", "one object a line, with its text under \"text\"") from None


def split(text: str) -> list[str]:
    """WikiText's articles where its headings are, else pieces of about 2,000 characters cut at blank lines."""
    starts = [m.start() for m in HEADING.finditer(text)]
    if len(starts) >= 8:
        return [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True) if text[a:b].strip()]
    return list(_gathered(re.split(r"\n\s*\n", text)))


def _gathered(paragraphs: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    for paragraph in paragraphs:
        for i in range(0, max(1, len(paragraph)), 4 * CHUNK):  # a text without blank lines is cut all the same
            held.append(paragraph[i : i + 4 * CHUNK])
            if sum(map(len, held)) >= CHUNK:
                yield "\n\n".join(held)
                held = []
    if held and any(p.strip() for p in held):
        yield "\n\n".join(held)


def python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
