"""Which corpora there are, and for which scales they are prepared. For screens and the command line: loads no torch, no datasets, and reads no text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import Config
from core.errors import CorpusError
from core.types import Scale
from core.verification.training.corpus import META, corpus_keys, read_meta
from core.verification.training.recipes import DEFAULT, Builtin, Files, Hub, Recipe, recipe_files, resolve


@dataclass(frozen=True)
class Shelved:
    """A corpus as a list shows it."""

    name: str
    title: str
    kind: str                        # builtin, files, hub, mixture; broken where its YAML is
    tokens: int                      # prepared unless a person says otherwise; 0: all there are
    what: str = ""
    source: str = ""
    licence: str = ""
    url: str = ""
    file: str = ""                   # its YAML; "" for files that a person gave by path
    parts: tuple[str, ...] = ()      # where its texts come from, in words
    prepared: tuple[str, ...] = ()   # scales it is ready for
    unfinished: tuple[str, ...] = () # scales for which making it was stopped half-way
    problem: str = ""


def shelf(config: Config, scales: Mapping[str, Scale]) -> list[Shelved]:
    """Every corpus with a name, then what else was prepared (by path, or with another number of tokens)."""
    named = [_named(name, config, scales) for name in recipe_files(config)]
    made = list(prepared(config))
    found = {(f["name"], f["hash"]): f for f in made if f["name"] not in {s.name for s in named}}
    others = [Shelved(f["name"], "prepared by path or size", "files" if set(f["sources"]) == {f["name"]} else "hub", f["train_tokens"],
                      prepared=tuple(s.name for s in scales.values() if any(_fits(g, f, s) for g in made))) for f in found.values()]
    return named + others


def shelved(corpus: str | None, config: Config, scales: Mapping[str, Scale]) -> Shelved:
    """One corpus, by name or path. Raises CorpusError."""
    return _shelved(resolve(corpus, config), config, scales)


def corpus_name(corpus: str | None, config: Config) -> str | None:
    """How a job names a corpus, so that a worker elsewhere on this machine finds it; None for the default. Raises CorpusError for what is not there."""
    if not corpus:
        return None
    recipe = resolve(corpus, config)
    if recipe.file is None:
        return str(Path(corpus).expanduser().resolve())
    return None if recipe.name == DEFAULT else recipe.name


def prepared(config: Config) -> Iterable[dict[str, Any]]:
    """The meta.json of every corpus made ready, with its folder; a broken one is left out."""
    for meta in sorted((config.data_dir / "corpora").glob(f"*/{META}")):
        if meta.parent.suffix != ".part":
            try:
                yield {**read_meta(meta.parent), "dir": str(meta.parent)}
            except CorpusError:  # it is made again when it is asked for
                continue


def _fits(meta: Mapping[str, Any], like: Mapping[str, Any], scale: Scale) -> bool:
    return (meta["name"], meta["hash"], meta["vocab_size"], meta["tokenizer"]) == (like["name"], like["hash"], scale.vocab_size, scale.tokenizer)


def _named(name: str, config: Config, scales: Mapping[str, Scale]) -> Shelved:
    try:
        return _shelved(resolve(name, config), config, scales)
    except CorpusError as error:  # one broken file must not hide the others
        return Shelved(name, name, "broken", 0, file=str(recipe_files(config)[name]), problem=str(error))


def _shelved(recipe: Recipe, config: Config, scales: Mapping[str, Scale]) -> Shelved:
    root = config.data_dir / "corpora"
    keys = dict(zip(scales, corpus_keys(recipe, [(scale.vocab_size, scale.tokenizer) for scale in scales.values()]), strict=True))
    ready = tuple(name for name, key in keys.items() if (root / key / META).is_file())
    return Shelved(
        recipe.name, recipe.title, recipe.kind, recipe.tokens, recipe.what, recipe.source, recipe.licence, recipe.url, str(recipe.file or ""),
        tuple(_words(c.origin) + (f" ({c.weight:.1%})" if len(recipe.components) > 1 else "") for c in recipe.components), ready,
        tuple(name for name, key in keys.items() if name not in ready and (root / f"{key}.part").is_dir()))


def _words(origin: Builtin | Files | Hub) -> str:
    if isinstance(origin, Hub):
        return " ".join(p for p in (origin.dataset, origin.subset, origin.split, origin.revision) if p)
    return str(origin.path) if isinstance(origin, Files) else "the Python installation"
