"""One stream of documents for each kind of origin, all alike: `documents(start)` gives (text, place to go on from). Loads no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Protocol

from core.config import Config
from core.types import Json
from core.verification.training.documents import RowText, builtin_documents, file_documents, in_passages, python_version, text_files
from core.verification.training.recipes import Builtin, Component, Files, Hub, Origin, Recipe

Spot = list[int]             # where a stream goes on; [] is its start


class Stream(Protocol):
    """Documents in an order that is the same each time. A place of None is none to stop at."""

    total: int               # bytes of text, about; 0 where nobody knows

    def documents(self, start: Spot) -> Iterator[tuple[str, Spot | None]]: ...

    def flush(self) -> None:
        """Make what was fetched so far durable: whoever commits a place calls this first."""
        ...

    def close(self) -> None: ...


class BuiltinStream:
    def __init__(self) -> None:
        self.texts = builtin_documents()
        self.total = sum(map(len, self.texts))

    def documents(self, start: Spot) -> Iterator[tuple[str, Spot | None]]:
        for number in range(start[0] if start else 0, len(self.texts)):
            yield self.texts[number], [number + 1]

    def flush(self) -> None: ...

    def close(self) -> None: ...


class FilesStream:
    """A file, or the files of a folder one after the other."""

    def __init__(self, origin: Files) -> None:
        self.files = text_files(origin.path)
        self.row = RowText(origin.field, origin.template)
        self.total = sum(path.stat().st_size * (3 if path.suffix in (".gz", ".parquet") else 1) for path in self.files)

    def documents(self, start: Spot) -> Iterator[tuple[str, Spot | None]]:
        first, *inside = start or [0, 0, 0]
        for n in range(first, len(self.files)):
            for text, place in file_documents(self.files[n], inside if n == first else [0, 0], self.row):
                yield text, None if place is None else [n, *place]

    def flush(self) -> None: ...

    def close(self) -> None: ...


def open_stream(component: Component, config: Config, wait: Callable[[], None]) -> Stream:
    """`wait` is called while another process reads the same data set off the Hub; it may raise to stop."""
    if isinstance(component.origin, Builtin):
        return BuiltinStream()
    if isinstance(component.origin, Files):
        return FilesStream(component.origin)
    from core.verification.training.hub import HubStream

    return HubStream(component.origin, config, wait)


def stamp(recipe: Recipe) -> Json:
    """What a prepared corpus must be of to be used again: cheap to know, and other whenever a text may be. Raises CorpusError for files that are not there."""
    return {"tokens": recipe.tokens, "components": [[c.weight, type(c.origin).__name__, _identity(c)] for c in recipe.components]}


def _identity(component: Component) -> Json:
    origin = component.origin
    if isinstance(origin, Builtin):
        return {"python": python_version()}
    if isinstance(origin, Files):
        facts = [(os.path.relpath(p, origin.path), (s := p.stat()).st_size, s.st_mtime_ns) for p in text_files(origin.path)]
        return {"files": facts, "field": origin.field, "template": origin.template}
    return asdict(origin)


def in_passages_of(origin: Origin) -> bool:
    """Whether its documents are passages of longer texts, so that a held-out one may be of a text that others were taken from."""
    if isinstance(origin, Files):
        return any(in_passages(path) for path in text_files(origin.path))
    return isinstance(origin, Hub) and origin.rows == "lines"
