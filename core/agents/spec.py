"""Agents are files: one YAML in agent_specs/ each, prompts in agent_specs/prompts/<agent>/<step>.md (Jinja, StrictUndefined, sandboxed)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from core.errors import ConfigError, UsageError
from core.types import Json

ROLES = ("designer", "reviewer", "coder")
REQUIRED = ("name", "role", "engine", "about")


@dataclass(frozen=True)
class AgentSpec:
    name: str
    role: str                        # designer, reviewer or coder
    engine: str                      # which program runs it, e.g. "genetic"
    about: str                       # what it is, as it introduces itself
    settings: Json
    prompts: Path

    def render(self, step: str, **values: Any) -> str:
        """The prompt (or text) of a step. A missing file or an undefined name is an error, never an empty string."""
        path = self.prompts / f"{step}.md"
        environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False)
        try:
            return environment.from_string(path.read_text(encoding="utf-8")).render(**values).strip()
        except OSError as error:
            raise ConfigError(f"{self.name}: prompt {path} cannot be read: {error.strerror}", "restore the file") from error
        except TemplateError as error:
            raise ConfigError(f"{path}:{getattr(error, 'lineno', '?')}: {error}", "mend the template") from error


def load_specs(folder: Path) -> dict[str, AgentSpec]:
    specs = [_load(path, folder) for path in sorted(folder.glob("*.yaml"))]
    return {spec.name: spec for spec in specs}


def get_spec(specs: dict[str, AgentSpec], name: str, role: str) -> AgentSpec:
    spec = specs.get(name)
    if spec is None or spec.role != role:
        fitting = sorted(s.name for s in specs.values() if s.role == role)
        raise UsageError(f"there is no {role} {name!r}", f"choose one of {', '.join(fitting) or 'none: agent_specs is empty'}")
    return spec


def _load(path: Path, folder: Path) -> AgentSpec:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"agent spec {path} cannot be read: {error}", "mend the YAML") from error
    if not isinstance(data, dict) or any(not isinstance(data.get(key), str) for key in REQUIRED):
        raise ConfigError(f"agent spec {path} lacks one of {', '.join(REQUIRED)}", "each is a text")
    if data["role"] not in ROLES:
        raise ConfigError(f"agent spec {path}: role {data['role']!r} is unknown", f"use one of {', '.join(ROLES)}")
    name = data["name"]
    return AgentSpec(name, data["role"], data["engine"], data["about"].strip(), data.get("settings") or {}, folder / "prompts" / name)
