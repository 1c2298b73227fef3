"""Corpora by name: one YAML file each, in `library/corpora/` or a person's own in `DATA_DIR/corpora.d/` (which win). Loads neither torch nor datasets.

    title, what, source, licence, url     for people; title is required
    tokens: 100000000                     how many to prepare; absent or 0: all there are
    and exactly one of
    builtin: python_docs                  text that every Python carries
    path: texts                           a file or folder beside the YAML; with field: or template: for JSONL and Parquet
    hub: {dataset: owner/name, subset: …, split: train, field: text, template: "Q: {q}", rows: documents|lines|headings, revision: …, files: …}
    mixture: {name: weight, …}            other corpora, by share of the training tokens

`smollm:3B` names the corpus with another number of tokens; it is another corpus, with another hash.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.config import Config
from core.errors import CorpusError, DesignError
from core.gab.located import Lines, read_located

DEFAULT = "python_docs"
ROWS = ("documents", "lines", "headings")
AMOUNT = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)([kmbt]?)", re.IGNORECASE)
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True)
class Builtin:
    name: str


@dataclass(frozen=True)
class Files:
    """A text, JSONL or Parquet file, or a folder of them. `field` or `template` say which of a row's fields are the text."""

    path: Path
    field: str = "text"
    template: str = ""


@dataclass(frozen=True)
class Hub:
    """A data set of the Hugging Face Hub. `rows`: each row is a document; or a line, gathered to documents; or a line under WikiText's headings."""

    dataset: str
    subset: str = ""
    split: str = "train"
    field: str = "text"
    template: str = ""
    rows: str = "documents"
    revision: str = ""
    files: str = ""


Origin = Builtin | Files | Hub


@dataclass(frozen=True)
class Component:
    name: str
    origin: Origin
    weight: float = 1.0              # share of the training tokens; all of a corpus's add up to 1


@dataclass(frozen=True)
class Recipe:
    name: str
    title: str
    components: tuple[Component, ...]
    tokens: int = 0                  # of training text to prepare; 0: all
    what: str = ""
    source: str = ""
    licence: str = ""
    url: str = ""
    file: Path | None = None         # None for a path that a person gave

    @property
    def kind(self) -> str:
        """builtin, files, hub or mixture."""
        origins = {type(c.origin) for c in self.components}
        return "mixture" if len(self.components) > 1 else {Builtin: "builtin", Files: "files", Hub: "hub"}[origins.pop()]


def recipe_files(config: Config) -> dict[str, Path]:
    """name → YAML; a person's own file hides the library's of the same name."""
    found: dict[str, Path] = {}
    for folder in (config.library_dir / "corpora", config.data_dir / "corpora.d"):
        found |= {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return dict(sorted(found.items()))


def resolve(corpus: str | None, config: Config, tokens: int = 0) -> Recipe:
    """The recipe of a name (with :AMOUNT or not), of a path, or the default for None. Raises CorpusError for what is neither."""
    name, _, amount = (corpus or DEFAULT).partition(":")
    file = recipe_files(config).get(name)
    if file is not None:
        recipe = read_recipe(file, config)
        wanted = tokens or (parse_amount(amount) if amount else 0)
        return _sized(recipe, wanted) if wanted else recipe
    path = Path(corpus or DEFAULT).expanduser().resolve()
    if not path.exists():
        raise CorpusError(f"the corpus {corpus} does not exist: neither a name nor a file or folder", _meant(name, config))
    return Recipe(path.name, path.name, (Component(path.name, Files(path)),), tokens)


def parse_amount(text: str) -> int:
    """2500000, 2.5M, 3B or 3e9, in tokens."""
    match = AMOUNT.fullmatch(text.strip().replace("_", "").replace(",", ""))
    amount = float(match[1]) * UNITS[match[2].lower()] if match else 0.0
    number = int(amount) if math.isfinite(amount) else 0
    if number <= 0:
        raise CorpusError(f"{text!r} is no number of tokens", "give for instance 20M, 3B or 500000")
    return number


def _sized(recipe: Recipe, tokens: int) -> Recipe:
    named = next((f"{tokens // size:g}{unit.upper()}" for unit, size in reversed(UNITS.items()) if tokens % size == 0 and tokens >= size), str(tokens))
    name = recipe.name if tokens == recipe.tokens else f"{recipe.name}:{named}"
    return replace(recipe, name=name, tokens=tokens)


def _meant(name: str, config: Config) -> str:
    known = list(recipe_files(config))
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, 2, 0.6)
    return (f"did you mean {' or '.join(near)}? " if near else "") + f"give a text file, a folder, or one of {', '.join(known)}"


# ------------------------------------------------------------------------------------------------------ reading


def read_recipe(file: Path, config: Config) -> Recipe:
    """Raises CorpusError naming file, line and key."""
    data, lines = _located(file)
    say = _Complaint(file, lines)
    known = {"title", "what", "source", "licence", "url", "tokens", "builtin", "path", "field", "template", "hub", "mixture"}
    say.unknown(data, known, ())
    if not NAME.fullmatch(file.stem):
        raise CorpusError(f"{file}: {file.stem!r} is no name for a corpus", "name the file in small letters, digits, _ - and .")
    for key in ("title", "what", "source", "licence", "url", "field", "template"):
        say.text(data, key, (), required=key == "title")
    tokens = data.get("tokens", 0)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise say(("tokens",), f"tokens is {tokens!r}", "give a whole number; 0 for all")
    origins = [key for key in ("builtin", "path", "hub", "mixture") if key in data]
    if len(origins) != 1:
        raise say((origins[1],) if origins else ("title",), f"{' and '.join(origins) or 'no origin'} given", "give exactly one of builtin, path, hub, mixture")
    if (data.keys() & {"field", "template"}) and origins != ["path"]:
        raise say((("field" if "field" in data else "template"),), f"field and template belong to path, not to {origins[0]}", "put them inside hub: {…}")
    if origins == ["mixture"]:
        components = _mixture(file, data["mixture"], config, say)
    else:
        components = (Component(file.stem, _origin(origins[0], data, file, say)),)
    words = {key: " ".join(data.get(key, "").split()) for key in ("title", "what", "source", "licence", "url")}
    return Recipe(file.stem, components=components, tokens=tokens, file=file, **words)


def _located(file: Path) -> tuple[dict[str, Any], Lines]:
    try:
        return read_located(file, "give a corpus's title and one of builtin, path, hub, mixture")
    except DesignError as error:
        raise CorpusError(error.what, error.mend) from error


class _Complaint:
    """An error at a key: `raise say(("hub", "field"), what, mend)`."""

    def __init__(self, file: Path, lines: Lines) -> None:
        self.file = file
        self.lines = lines

    def __call__(self, place: tuple[str, ...], what: str, mend: str) -> CorpusError:
        return CorpusError(f"{self.file}:{self.lines.get(place, self.lines.get(place[:1], 1))}: {what}", mend)

    def unknown(self, data: Mapping[str, Any], known: set[str], above: tuple[str, ...]) -> None:
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                raise self((*above, str(key)), f"unknown key {key!r}", f"did you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(known))}")

    def text(self, data: Mapping[str, Any], key: str, above: tuple[str, ...], required: bool = False) -> None:
        value = data.get(key)
        if (value is None and (required or key in data)) or (value is not None and not (isinstance(value, str) and value.strip())):
            raise self((*above, key) if key in data else above, f"{key} is {value!r}" if key in data else f"{key} is missing", "give words")


def _origin(kind: str, data: Mapping[str, Any], file: Path, say: _Complaint) -> Origin:
    if kind == "builtin":
        if data["builtin"] != DEFAULT:
            raise say(("builtin",), f"there is no built-in {data['builtin']!r}", f"use {DEFAULT}")
        return Builtin(DEFAULT)
    if kind == "path":
        say.text(data, "path", (), required=True)
        return Files((file.parent / Path(data["path"]).expanduser()).resolve(), data.get("field", "text"), data.get("template", ""))
    hub = data["hub"]
    if not isinstance(hub, dict):
        raise say(("hub",), f"hub is {hub!r}", "give a mapping with dataset: owner/name")
    say.unknown(hub, set(Hub.__dataclass_fields__), ("hub",))
    for key in Hub.__dataclass_fields__:
        say.text(hub, key, ("hub",), required=key == "dataset")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub["dataset"]):
        raise say(("hub", "dataset"), f"{hub['dataset']!r} is no data set's id", "give owner/name as on its page")
    if hub.get("rows", ROWS[0]) not in ROWS:
        raise say(("hub", "rows"), f"rows is {hub['rows']!r}", f"use one of {', '.join(ROWS)}")
    if "template" in hub and not re.search(r"\{\w+\}", hub["template"]):
        raise say(("hub", "template"), f"the template {hub['template']!r} names no field", "write fields in braces: \"Question: {question}\"")
    return Hub(**hub)


def _mixture(file: Path, data: Any, config: Config, say: _Complaint) -> tuple[Component, ...]:
    if not isinstance(data, dict) or len(data) < 2:
        raise say(("mixture",), f"mixture is {data!r}", "give two corpora or more, name: weight")
    files, made = recipe_files(config), []
    for name, weight in data.items():
        place = ("mixture", str(name))
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
            raise say(place, f"the weight of {name} is {weight!r}", "give a positive number")
        if name not in files or name == file.stem:
            raise say(place, f"there is no corpus {name!r}" if name != file.stem else f"{name} mixes itself", _meant(str(name), config))
        if "mixture" in _located(files[name])[0]:
            raise say(place, f"{name} is a mixture itself", "name its components here")
        origin = read_recipe(files[name], config).components[0].origin
        twin = next((other for other, same, _ in made if same == origin or (isinstance(same, Hub) and isinstance(origin, Hub) and replace(same, rows=origin.rows) == origin)), None)
        if twin is not None:
            raise say(place, f"{name} and {twin} are the same texts", "name them once, with one weight")
        made.append((name, origin, float(weight)))
    total = sum(weight for *_, weight in made)
    return tuple(Component(name, origin, weight / total) for name, origin, weight in made)
