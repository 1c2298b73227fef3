"""A person's own versions of agents: YAML and prompts in DATA_DIR/agent_specs, laid over the shipped ones.

A version is read (and tried, by whoever saves it) in a folder of its own first; only then do its files take their places, one atomic move each and the
YAML last, so that an agent is never half there. A name whose YAML is missing is no agent: prompts left behind by a crash do nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from core.agents.spec import AgentSpec, TeamSpec, load_teams, read_spec
from core.errors import ConfigError, ModelDiscoveryError, UsageError
from core.types import Json

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
LARGEST = 200_000    # characters of one file


def write_spec(folder: Path, name: str, files: Mapping[str, str], accept: Callable[[AgentSpec], object] = lambda _: None) -> AgentSpec:
    """Put the version into `folder`; `files` as `AgentSpec.files` gives them. Raises ConfigError naming file, line and key, and changes nothing then."""
    _refuse_paths(name, files)
    with tempfile.TemporaryDirectory(prefix="spec-") as scratch:
        try:
            _put(Path(scratch), files)
            accept(read_spec(Path(scratch) / f"{name}.yaml"))
        except ModelDiscoveryError as error:  # the files as a person knows them
            what, mend = (text.replace(f"{scratch}{os.sep}", "").removeprefix("agent spec ") for text in (error.what, error.mend))
            raise type(error)(_with_line(what, name, files[f"{name}.yaml"]), mend) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _put(folder, dict(sorted(files.items(), key=lambda pair: pair[0].endswith(".yaml"))))
        for path in (folder / "prompts" / name).glob("*.md"):
            if str(path.relative_to(folder)) not in files:
                path.unlink()
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}", "make DATA_DIR writable, or free some space; what you wrote is still in the form") from error
    return read_spec(folder / f"{name}.yaml")


def write_team(folder: Path, name: str, data: Json) -> TeamSpec:
    """Put a team into `folder`/teams. Raises ConfigError naming file and key, and changes nothing then."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a team", "use small letters, digits and underscores, a letter first")
    text = yaml.safe_dump({"name": name, **data}, sort_keys=False, allow_unicode=True)
    with tempfile.TemporaryDirectory(prefix="team-") as scratch:
        _put(Path(scratch), {f"teams/{name}.yaml": text})
        try:
            team = load_teams(Path(scratch))[name]
        except ConfigError as error:
            raise ConfigError(error.what.replace(f"{scratch}{os.sep}", ""), error.mend) from None
    try:
        _put(folder, {f"teams/{name}.yaml": text})
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}", "make DATA_DIR writable, or free some space") from error
    return team


def remove_spec(folder: Path, name: str) -> bool:
    """Take the person's version away, so that the shipped one counts again. Whether there was one. A file that a person named as no agent may be called has no prompts."""
    _refuse_folders(name)
    there = _unlink(folder / f"{name}.yaml")
    if NAME.fullmatch(name):
        shutil.rmtree(folder / "prompts" / name, ignore_errors=True)
    return there


def remove_team(folder: Path, name: str) -> bool:
    """Take the person's team away. Whether there was one."""
    _refuse_folders(name)
    return _unlink(folder / "teams" / f"{name}.yaml")


def _unlink(path: Path) -> bool:
    there = path.is_file()
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be removed: {error.strerror or error}", "make DATA_DIR writable, or remove it by hand") from error
    return there


def _put(folder: Path, files: Mapping[str, str]) -> None:
    for relative, text in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)


def _refuse_paths(name: str, files: Mapping[str, str]) -> None:
    """Nothing is written but the agent's own YAML and prompts."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of an agent", "use small letters, digits and underscores, a letter first")
    prompt = re.compile(rf"prompts/{name}/[a-z0-9_]+\.md")
    wrong = [path for path in files if path != f"{name}.yaml" and not prompt.fullmatch(path)]
    if wrong or f"{name}.yaml" not in files:
        raise UsageError(f"{wrong[0] if wrong else 'a version without YAML'} is no part of the agent {name}", f"it consists of {name}.yaml and prompts/{name}/STEP.md")
    for path, text in files.items():
        if len(text) > LARGEST or "\0" in text:
            raise UsageError(f"{path} has {len(text):,} characters", f"at most {LARGEST:,}, and text only")


def _refuse_folders(name: str) -> None:
    if Path(f"{name}.yaml").name != f"{name}.yaml":
        raise UsageError(f"{name!r} is no name of a file", "leave folders out")


def _with_line(what: str, name: str, text: str) -> str:
    """`designer.yaml: limits: …` with the line of what it names, where that can be found."""
    if not what.startswith(f"{name}.yaml: "):
        return what
    words = [word for pair in re.findall(r"'([^']+)'|(\w+)(?: is|:)", what.removeprefix(f"{name}.yaml: ")) for word in pair if word]
    lines = [n for word in reversed(words) for n, row in enumerate(text.splitlines(), 1) if re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", row)]
    return what.replace(f"{name}.yaml: ", f"{name}.yaml:{lines[0]}: ", 1) if lines else what
