"""The suites of library/probes.yaml. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from core.errors import ConfigError, UsageError
from core.quick_yaml import parsed
from core.types import Json, sha256_text
from core.verification.probes.tasks import TASKS, get_task

GENERATION = 1                       # of the generators and the trainer: results of another are not taken for the same
DEPTH = 2


@dataclass(frozen=True)
class Probe:
    """One task at one level of difficulty, with the model and the training that it is given."""

    suite: str
    task: str                        # as the suite calls it
    kind: str                        # of tasks.TASKS
    level: str
    settings: Mapping[str, Any]      # all of the task's
    test: Mapping[str, Any]          # the same on fresh data; longer ones where the probe asks for extrapolation
    width: int
    steps: int                       # at most, at each learning rate
    batch: int                       # rows
    lrs: Sequence[float]
    state: int                       # numbers a channel that a block may carry along
    depth: int = DEPTH
    ease: Mapping[str, Any] | None = None  # all settings of every other batch in training, where the hard ones alone would be too hard to begin with

    @property
    def key(self) -> tuple[str, str]:
        return self.task, self.level

    @property
    def chance(self) -> float:
        return get_task(self.kind).chance(dict(self.test))

    @property
    def hash(self) -> str:
        return sha256_text(json.dumps([GENERATION, {k: v for k, v in asdict(self).items() if v is not None}], sort_keys=True))


@dataclass(frozen=True)
class Suite:
    name: str
    about: str
    probes: tuple[Probe, ...]

    @property
    def hash(self) -> str:
        return sha256_text("".join(p.hash for p in self.probes))

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.task for p in self.probes))

    def only(self, tasks: Sequence[str]) -> tuple[Probe, ...]:
        """All probes, or those of the tasks named. Raises UsageError naming an unknown one."""
        unknown = [name for name in tasks if name not in self.tasks]
        if unknown:
            raise UsageError(f"suite {self.name} has no task {unknown[0]!r}", f"its tasks are {', '.join(self.tasks)}")
        return tuple(p for p in self.probes if not tasks or p.task in tasks)


OWN = ("width", "steps", "batch", "lrs", "state")


def load_suites(path: Path) -> dict[str, Suite]:
    """In the file's order. Raises ConfigError naming file, suite, task and key."""
    try:
        data = parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "restore it") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}:{mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the YAML") from None
    if not isinstance(data, dict) or not isinstance(data.get("suites"), dict) or not isinstance(data.get("defaults"), dict):
        raise ConfigError(f"{path} holds no suites", "two mappings, defaults and suites")
    return {str(name): _suite(path, str(name), entry, data["defaults"]) for name, entry in data["suites"].items()}


def get_suite(suites: Mapping[str, Suite], name: str) -> Suite:
    if name not in suites:
        raise UsageError(f"there is no suite {name!r}", f"use one of {', '.join(suites)}")
    return suites[name]


def _suite(path: Path, name: str, entry: Any, defaults: Json) -> Suite:
    where = f"{path}: suite {name}"
    if not isinstance(entry, dict) or not isinstance(entry.get("tasks"), dict) or not entry["tasks"]:
        raise ConfigError(f"{where} has no tasks", "give about and tasks")
    probes = [probe for task, own in entry["tasks"].items() for probe in _probes(f"{where}: {task}", name, str(task), own, defaults)]
    return Suite(name, " ".join(str(entry.get("about", "")).split()), tuple(probes))


def _probes(where: str, suite: str, task: str, own: Any, defaults: Json) -> list[Probe]:
    own = own if isinstance(own, dict) else {}
    kind = own.get("task", task)
    if kind not in TASKS:
        raise ConfigError(f"{where}: there is no task {kind!r}", f"the tasks are {', '.join(TASKS)}")
    levels = own.get("levels") or {"": {}}
    found = []
    for level, entry in levels.items():
        given = {**defaults, **{k: v for k, v in own.items() if k not in ("task", "levels")}, **(entry or {})}
        model = {key: given.pop(key) for key in OWN if key in given}
        test, ease = given.pop("test", {}), given.pop("ease", {})
        for key, value in (("test", test), ("ease", ease)):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}: {key} is {value!r}", "give the settings that differ, such as {length: 96}")
        _check_numbers(where, model)
        settings, tested, easier = (_settings(where, kind, {**given, **changes}) for changes in ({}, test, ease))
        found.append(Probe(suite, task, kind, str(level), settings, tested, **{**model, "lrs": tuple(model["lrs"])}, ease=easier if ease else None))
    return found


def _settings(where: str, kind: str, given: Json) -> Json:
    """All of the task's settings, tried out on one row."""
    try:
        settings = TASKS[kind].full(given)
        TASKS[kind].batch(np.random.default_rng(0), 1, settings)
    except UsageError as error:
        raise ConfigError(f"{where}: {error.what}", error.mend) from None
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise ConfigError(f"{where}: these settings do not fit together: {given} ({error})", "give more length, or fewer pairs or tokens") from None
    return settings


def _check_numbers(where: str, model: Json) -> None:
    missing = [key for key in OWN if key not in model]
    if missing:
        raise ConfigError(f"{where}: {missing[0]!r} is missing", f"a task has {', '.join(OWN)}, or takes them from defaults")
    for key in ("width", "steps", "batch", "state"):
        if not isinstance(model[key], int) or isinstance(model[key], bool) or model[key] < 1:
            raise ConfigError(f"{where}: {key} is {model[key]!r}", "give a whole number from 1")
    if not isinstance(model["lrs"], list) or not model["lrs"] or not all(isinstance(lr, float) and 0 < lr < 1 for lr in model["lrs"]):
        raise ConfigError(f"{where}: lrs is {model['lrs']!r}", "give a list of learning rates such as [5.0e-4, 2.0e-3]")
