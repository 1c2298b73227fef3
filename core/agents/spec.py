"""Agents are files: one YAML in agent_specs/ each, prompts in agent_specs/prompts/<agent>/<step>.md (Jinja, StrictUndefined, sandboxed).

A person's own versions lie in a second folder (DATA_DIR/agent_specs), laid over the shipped one: `core/agents/editing.py`.
"""

from __future__ import annotations

import difflib
import hashlib
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from core.agents import settings
from core.agents.settings import Check
from core.agents.versions import Versions, lay_over
from core.errors import ConfigError, UsageError
from core.llm.scrub import no_keys
from core.quick_yaml import parsed
from core.types import Json

ROLES = ("designer", "reviewer", "ranker", "coder", "debugger", "observer", "librarian")
REQUIRED = ("name", "role", "engine", "about")
OPTIONAL = ("model", "parameters", "tools", "limits", "settings")
MODEL = ("tier", "name", "fallback")                 # one of the first two; fallback: models to turn to, in this order
PARAMETERS: dict[str, type | tuple[type, ...]] = {"max_tokens": int, "temperature": (int, float), "effort": str, "deadline_s": (int, float)}
LIMITS = {"tool_calls": 8, "repairs": 2}
TEAM = ("name", "about", "members", "rounds", "accept")


@dataclass(frozen=True)
class AgentSpec:
    name: str
    role: str                        # one of ROLES
    engine: str                      # which program runs it: "model" for a language model, or e.g. "genetic"
    about: str                       # what it is, as it introduces itself
    settings: Json                   # of its engine
    prompts: Path
    models: tuple[str, ...] = ()     # "tier:strong" or "provider:model", the first that answers
    parameters: Json = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=lambda: dict(LIMITS))
    revision: str = ""               # of YAML and prompts together: 12 hex digits of their SHA-256

    def render(self, step: str, **values: Any) -> str:
        """The prompt (or text) of a step. A missing file or an undefined name is an error, never an empty string."""
        path = self.prompts / f"{step}.md"
        try:
            return _environment().from_string(path.read_text(encoding="utf-8")).render(**values).strip()
        except OSError as error:
            raise ConfigError(f"{self.name}: prompt {path} cannot be read: {error.strerror}", "restore the file") from error
        except TemplateError as error:
            raise ConfigError(f"{path}:{line_in_template(error)}: {error}", "mend the template") from error

    def files(self) -> dict[str, str]:
        """The YAML and every prompt, by the path below agent_specs/."""
        folder = self.prompts.parent.parent
        paths = [folder / f"{self.name}.yaml", *sorted(self.prompts.glob("*.md"))]
        return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}

    @property
    def steps(self) -> list[str]:
        return sorted(p.stem for p in self.prompts.glob("*.md"))


@dataclass(frozen=True)
class TeamSpec:
    """Which agents work together in a session, by role."""

    name: str
    about: str
    members: Mapping[str, str]       # role → agent's name
    rounds: int                      # of review and revision, at most
    accept: float                    # the rating from which a proposal is taken as it is, 0–5


def load_specs(shipped: Path) -> dict[str, AgentSpec]:
    """By name. Raises ConfigError for the first that cannot be read; a folder that is not there holds none."""
    return {spec.name: spec for spec in map(read_spec, sorted(shipped.glob("*.yaml")))}


def load_teams(shipped: Path) -> dict[str, TeamSpec]:
    return {team.name: team for team in map(_read_team, sorted((shipped / "teams").glob("*.yaml")))}


def all_specs(shipped: Path, own: Path) -> Versions[AgentSpec]:
    """A person's versions laid over the shipped agents."""
    return lay_over(load_specs(shipped), own, read_spec)


def all_teams(shipped: Path, own: Path) -> Versions[TeamSpec]:
    return lay_over(load_teams(shipped), own / "teams", _read_team)


def may_ask(specs: Versions[AgentSpec], name: str) -> bool:
    """Whether an agent asks a language model; one that cannot be read may."""
    return name in specs.unreadable or (name in specs and specs[name].engine == "model")


def get_spec(specs: Versions[AgentSpec], name: str, role: str = "") -> AgentSpec:
    """Raises UsageError for one that is not there or of another role, ConfigError for one that cannot be read."""
    specs.refuse_unreadable(name)
    spec = specs.get(name)
    if spec is None or role not in ("", spec.role):
        fitting = sorted(s.name for s in specs.values() if role in ("", s.role))
        raise UsageError(f"there is no {role or 'agent'} {name!r}", f"choose one of {', '.join(fitting) or 'none: agent_specs is empty'}")
    return spec


def get_team(teams: Versions[TeamSpec], name: str) -> TeamSpec:
    """Raises UsageError for one that is not there, ConfigError for one that cannot be read."""
    teams.refuse_unreadable(name)
    if name not in teams:
        raise UsageError(f"there is no team {name!r}", f"choose one of {', '.join(teams) or 'none: agent_specs/teams is empty'}")
    return teams[name]


@no_keys()
def read_spec(path: Path) -> AgentSpec:
    """Raises ConfigError naming file and key; every prompt is compiled, so that a broken one is told now."""
    text = _text(path)
    data = _mapping(path, text)
    _known(path, data, (*REQUIRED, *OPTIONAL))
    for key in REQUIRED:
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise ConfigError(f"agent spec {path} lacks {key}", f"{', '.join(REQUIRED)} are texts that must be there")
    if data["role"] not in ROLES:
        raise ConfigError(f"agent spec {path}: role {data['role']!r} is unknown", f"use one of {', '.join(ROLES)}")
    name = data["name"]
    if name != path.stem:
        raise ConfigError(f"agent spec {path}: its name is {name!r}", f"name the file {name}.yaml, or the agent {path.stem}")
    models = _models(path, data.get("model"))
    if data["engine"] == "model" and not models:
        raise ConfigError(f"agent spec {path}: engine model without a model", "add model: {tier: strong}, or model: {name: 'provider:model'}")
    prompts = path.parent / "prompts" / name
    return AgentSpec(name, data["role"], data["engine"], data["about"].strip(), _settings(path, data), prompts, models, _checked(path, data, "parameters", settings.PARAMETERS),
                     tuple(_list(path, data, "tools")), {**LIMITS, **_checked(path, data, "limits", settings.LIMITS)}, _revision(text, prompts))


def line_in_template(error: BaseException) -> int | str:
    """Where in the template an error arose: of its syntax, or while it was rendered."""
    frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return getattr(error, "lineno", None) or (frames[-1] if frames else "?")


# ------------------------------------------------------------------------------------------------ reading, checked


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False)


def _revision(text: str, prompts: Path) -> str:
    digest = hashlib.sha256(text.encode())
    for path in sorted(prompts.glob("*.md")):
        prompt = _text(path)
        try:
            _parsed(prompt)
        except TemplateError as error:
            raise ConfigError(f"{path}:{getattr(error, 'lineno', '?')}: {error}", "mend the template") from error
        digest.update(f"\x1f{path.name}\x1f{prompt}".encode())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=256)
def _parsed(prompt: str) -> None:
    """Raises TemplateError. Pages read all specs at every run, and prompts seldom change."""
    _environment().parse(prompt)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "restore the file, as UTF-8 text") from error


def _mapping(path: Path, text: str) -> Json:
    try:
        data = parsed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}:{mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the YAML") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} is no mapping", "write `key: value` lines")
    return data


def _known(path: Path, data: Mapping[str, Any], known: Collection[str], where: str = "") -> None:
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            raise ConfigError(f"{path}: {where}{key!r} is unknown", f"did you mean {near[0]}?" if near else f"use {', '.join(known)}")


def _part(path: Path, data: Json, key: str) -> Json:
    part = data.get(key) or {}
    if not isinstance(part, dict):
        raise ConfigError(f"{path}: {key} is no mapping", f"write {key}: {{name: value}}")
    return part


def _list(path: Path, data: Json, key: str) -> list[str]:
    part = data.get(key) or []
    if not isinstance(part, list) or not all(isinstance(item, str) for item in part):
        raise ConfigError(f"{path}: {key} is no list of names", f"write {key}: [name, name]")
    return part


def _models(path: Path, data: Any) -> tuple[str, ...]:
    if data is None:
        return ()
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: model is no mapping", "write model: {tier: strong}, or model: {name: 'provider:model'}")
    _known(path, data, MODEL, "model: ")
    if ("tier" in data) == ("name" in data):
        raise ConfigError(f"{path}: model needs either tier or name", "write model: {tier: strong}, or model: {name: 'provider:model'}")
    key, name = next((key, data[key]) for key in ("tier", "name") if key in data)
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{path}: model: {key} is {name!r}", "write model: {tier: strong}, or model: {name: 'provider:model'}")
    first = f"tier:{name}" if key == "tier" else name
    return (first, *_list(path, data, "fallback"))


def _checked(path: Path, data: Json, part_name: str, known: Mapping[str, Check]) -> Json:
    part = _part(path, data, part_name)
    if part and not known:
        raise ConfigError(f"{path}: {part_name}: a {data['role']} of engine {data['engine']} has none", f"take {', '.join(map(str, part))} out")
    _known(path, part, known, f"{part_name}: ")
    for key, value in part.items():
        _right(path, f"{part_name}: {key}", value, known[key])
    return part


def _right(path: Path, what: str, value: Any, check: Check) -> None:
    if wanted := check(value):
        raise ConfigError(f"{path}: {what} is {value!r}", f"give {wanted}")


def _settings(path: Path, data: Json) -> Json:
    """Of its engine; those of an engine that is not known are left to whoever tries it."""
    program = (data["role"], data["engine"])
    known = settings.SETTINGS.get(program)
    found = _part(path, data, "settings") if known is None else _checked(path, data, "settings", known)
    missing = [name for name in settings.NEEDED.get(program, ()) if name not in found]
    if missing:
        raise ConfigError(f"{path}: settings: {missing[0]} is missing", "take it from the shipped agent")
    return found


@no_keys()
def _read_team(path: Path) -> TeamSpec:
    data = _mapping(path, _text(path))
    _known(path, data, TEAM)
    members = _part(path, data, "members")
    _known(path, members, ROLES, "members: ")
    missing = [role for role in ("designer", "reviewer", "coder") if role not in members]
    if missing:
        raise ConfigError(f"{path}: no {missing[0]} among the members", f"name an agent for each of designer, reviewer, coder; {', '.join(ROLES[3:])} and ranker may be left out")
    if data.get("name") != path.stem:
        raise ConfigError(f"{path}: its name is {data.get('name')!r}", f"name it {path.stem}, as the file")
    for role, member in members.items():
        if not isinstance(member, str):
            raise ConfigError(f"{path}: members: {role} is {member!r}", "give the name of an agent")
    rounds, accept = data.get("rounds", 1), data.get("accept", 3.0)
    _right(path, "rounds", rounds, settings.ROUNDS)
    _right(path, "accept", accept, settings.ACCEPT)
    return TeamSpec(path.stem, str(data.get("about", "")).strip(), members, rounds, float(accept))
