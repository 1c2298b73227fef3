"""Providers and models as library/providers.yaml tells of them: where they are, which key they take, what is particular about a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from core.config import KEYS, NAMED
from core.errors import ConfigError, UsageError
from core.llm.scrub import no_keys

WIRES = ("chat", "responses", "messages", "local", "replay")
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
LONGEST_S = 86_400.0    # of any wait on a line
LONGEST_WORD = 16       # without a _; what is longer is no variable's name but most likely the key itself


@dataclass(frozen=True)
class Card:
    """What is particular about a model. 0 means: not known here, the provider will say."""

    temperature: bool = False        # takes one
    schema: bool = False             # holds to a JSON schema by itself
    tools: bool = True
    effort: bool = False             # takes an effort of reasoning
    summary: bool = False            # of its reasoning is asked for, and streams (with Anthropic: it may think as much as it sees fit)
    hidden: bool = False             # may reason out of sight: what was not seen of a cut answer may have been paid all the same
    cache: bool = False              # parts of the prompt are marked for the provider's cache
    context: int = 0                 # tokens, prompt and answer
    max_output: int = 0              # tokens
    limit_name: str = "max_tokens"   # of the answer's limit, on the chat wire


@dataclass(frozen=True)
class Entry:
    """One provider."""

    name: str
    wire: str
    label: str = ""                  # as a person calls it
    base_url: str = ""
    key: str = ""                    # of Config.keys, or the variable that holds it; "" needs none
    free: bool = False               # runs on one's own machine: money is 0, not unknown
    stall_s: float = 300.0           # silence on the line that means it is dead
    connect_s: float = 10.0
    card: Card = field(default_factory=Card)
    models: tuple[tuple[str, Mapping[str, Any]], ...] = ()   # (pattern, what differs from `card`); the first that fits
    tiers: Mapping[str, str] = field(default_factory=dict)

    def about(self, model: str) -> Card:
        return next((replace(self.card, **changes) for pattern, changes in self.models if fnmatchcase(model, pattern)), self.card)

    @property
    def at(self) -> str:
        """Its address as it may be shown: without what stands behind a ?, where some put a key."""
        return self.base_url.partition("?")[0]


@dataclass(frozen=True)
class Catalogue:
    path: Path
    entries: Mapping[str, Entry]

    def split(self, model: str) -> tuple[Entry, str]:
        """`openai:gpt-5.5` → its entry and `gpt-5.5`. What stands behind the first colon may have colons of its own."""
        name, colon, rest = model.partition(":")
        if not colon or not rest:
            raise UsageError(f"{model!r} names no model", "write provider:model, for instance openai:gpt-5.5 or tier:strong")
        if name not in self.entries:
            raise UsageError(f"provider {name!r} of {model!r} is unknown", f"use one of {', '.join(self.entries)}, or add it to {self.path}")
        return self.entries[name], rest

    def is_free(self, model: str) -> bool:
        """Whether a model that was asked once costs nothing; one of a provider that is no longer here may."""
        entry = self.entries.get(model.partition(":")[0])
        return entry is not None and entry.free

    def with_key(self, keys: Mapping[str, str]) -> list[Entry]:
        """Those that can be asked, as far as keys decide; those that need none are among them where they have tiers."""
        return [e for e in self.entries.values() if (e.key and keys.get(e.key)) or (not e.key and e.tiers)]

    def of_tier(self, tier: str, keys: Mapping[str, str]) -> list[str]:
        """The models of a tier, the first provider's first. Raises ConfigError when none can be asked."""
        known = {name for e in self.entries.values() for name in e.tiers}
        if tier not in known:
            raise UsageError(f"tier {tier!r} is unknown", f"use one of {', '.join(sorted(known))}, or name it in {self.path}")
        found = [f"{e.name}:{e.tiers[tier]}" for e in self.with_key(keys) if tier in e.tiers]
        if not found:
            raise ConfigError(f"no language model of tier {tier} can be asked: there is no key", self.how_to_get_one())
        return found

    def resolve(self, models: str | Sequence[str], keys: Mapping[str, str]) -> list[str]:
        """Names as they are asked, in order: tiers become the models of every provider that has a key."""
        found: list[str] = []
        for name in [models] if isinstance(models, str) else models:
            found += self.of_tier(name.partition(":")[2], keys) if name.startswith("tier:") else [name]
        for name in found:
            self.split(name)
        return list(dict.fromkeys(found))

    def how_to_get_one(self) -> str:
        keys = list(dict.fromkeys(KEYS.get(e.key, (e.key,))[-1] for e in self.entries.values() if e.key and e.tiers))
        servers = [e.name for e in self.entries.values() if not e.key and e.base_url]
        return (f"set {' or '.join(keys)}, or start a local server and name it ({', '.join(f'{s}:MODEL' for s in servers)}); "
                "docs/models.md tells how")


# ------------------------------------------------------------------------------------------------------ reading


@no_keys()
def load_catalogue(path: Path) -> Catalogue:
    """Raises ConfigError naming the entry and the key of the file; never quotes what stands under `key`, nor an address with a password in it."""
    data = load_yaml(path)
    providers = data.get("providers")
    if set(data) != {"providers"} or not isinstance(providers, dict) or not providers:
        raise ConfigError(f"{path}: it must hold one key, providers, with an entry a provider", "compare it with the library/providers.yaml that is shipped")
    return Catalogue(path, {str(name): _entry(path, str(name), body) for name, body in providers.items()})


def load_yaml(path: Path) -> dict[str, Any]:
    """A mapping; raises ConfigError with file and line."""
    import yaml

    from core.quick_yaml import parsed

    try:
        data = parsed(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "restore it, or name another file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where} is not YAML: {getattr(error, 'problem', None) or error}", "mend that line") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds no mapping", "compare it with the file that is shipped")
    return data


def _entry(path: Path, name: str, body: Any) -> Entry:
    where = f"{path}: providers.{name}"
    if not isinstance(body, dict):
        raise ConfigError(f"{where} is no mapping", "give it a wire")
    cards = {f.name: f.type for f in fields(Card)}
    known = {f.name: f.type for f in fields(Entry) if f.name not in ("name", "card", "models", "tiers")}
    own = {k: v for k, v in body.items() if k in known}
    card = {k: v for k, v in body.items() if k in cards}
    unknown = set(body) - set(own) - set(card) - {"models", "tiers"}
    if unknown:
        raise ConfigError(f"{where}.{min(map(str, unknown))} is not known", f"use {', '.join([*known, *cards, 'models', 'tiers'])}")
    _typed(where, own, known)
    _typed(where, card, cards)
    if own.get("wire") not in WIRES:
        raise ConfigError(f"{where}.wire {own.get('wire')!r} is unknown", f"use one of {', '.join(WIRES)}")
    _address(where, own)
    if own.get("key") and own["key"] not in KEYS and not _is_variable(own["key"]):   # it may well be the key itself: it is not quoted
        raise ConfigError(f"{where}.key is neither one of {', '.join(KEYS)} nor the name of an environment variable",
                          "write the NAME of the variable that holds the key, in capitals, for instance GROQ_API_KEY; the key itself never belongs into this file")
    return Entry(name, **{"label": name, **own}, card=Card(**card), models=_models(where, body.get("models", {}), cards), tiers=_tiers(where, body.get("tiers", {})))


def _models(where: str, body: Any, cards: Mapping[str, Any]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    if not isinstance(body, dict):
        raise ConfigError(f"{where}.models is no mapping", "pattern: {what differs}")
    for pattern, changes in body.items():
        if not isinstance(changes, dict) or set(changes) - set(cards):
            raise ConfigError(f"{where}.models.{pattern} holds something that is not known", f"use {', '.join(cards)}")
        _typed(f"{where}.models.{pattern}", changes, cards)
    return tuple((str(pattern), dict(changes)) for pattern, changes in body.items())


def _tiers(where: str, body: Any) -> Mapping[str, str]:
    if not isinstance(body, dict) or not all(isinstance(v, str) for v in body.values()):
        raise ConfigError(f"{where}.tiers is no mapping from a tier's name to a model's", "for instance strong: NAME")
    return {str(k): v for k, v in body.items()}


def _is_variable(name: str) -> bool:
    return NAMED.fullmatch(f"key: {name}") is not None and ("_" in name or len(name) <= LONGEST_WORD)


def _address(where: str, own: Mapping[str, Any]) -> None:
    text = str(own.get("base_url", ""))
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what refuses one that is no number
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if own["wire"] in ("chat", "responses", "messages") and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ConfigError(f"{where}.base_url is missing, or no http address", "give the server's address")
    if "@" in text:
        raise ConfigError(f"{where}.base_url has a name or a password in it, which every message about the server would show",
                          "leave out what stands before the @, and name under key the variable that holds the password")


def _typed(where: str, values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raises ConfigError where a value is of another type than the field, or no sensible number."""
    allowed = {"bool": bool, "int": int, "float": (int, float), "str": str}
    for key, value in values.items():
        kind = allowed[types[key]]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            said = "" if key == "key" else f" {value!r}"
            raise ConfigError(f"{where}.{key}{said} is no {types[key]}", f"give {WANTED[types[key]]}")
        if types[key] == "float" and not (isfinite(value) and 0 < value <= LONGEST_S):
            raise ConfigError(f"{where}.{key} is {value}", f"give seconds, more than 0 and at most {LONGEST_S:.0f}")
        if types[key] == "int" and value < 0:
            raise ConfigError(f"{where}.{key} is {value}", "give a number of tokens; 0 where it is not known")
        if key == "limit_name" and value not in LIMIT_NAMES:
            raise ConfigError(f"{where}.{key} {value!r} is unknown", f"use {' or '.join(LIMIT_NAMES)}")


WANTED = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}
