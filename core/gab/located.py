"""YAML with the line of each key, for messages that say where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from core.errors import DesignError
from core.quick_yaml import LOADER, parsed

Lines = dict[tuple[str, ...], int]   # path of keys → line, from 1


def read_located(path: Path, mend: str) -> tuple[dict[str, Any], Lines]:
    """A mapping and its lines. Raises DesignError naming file and line, also for a node that contains itself through an alias."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, LOADER)
    except (OSError, UnicodeDecodeError) as error:
        raise DesignError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}", mend) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DesignError(f"{path}:{mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the YAML") from None
    if not isinstance(node, yaml.MappingNode):
        raise DesignError(f"{path} holds no mapping", mend)
    lines: Lines = {}
    _walk(path, node, (), lines, ())
    try:
        return parsed(text), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DesignError(f"{path}:{mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the YAML") from None


def _walk(path: Path, node: yaml.Node, place: tuple[str, ...], lines: Lines, above: tuple[int, ...]) -> None:
    if id(node) in above:
        raise DesignError(f"{path}:{lines[place]}: {'.'.join(place)} contains itself: a cycle of units", "write the unit out where the alias (*) stands")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            where = (*place, str(key.value))
            lines[where] = key.start_mark.line + 1
            _walk(path, value, where, lines, (*above, id(node)))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _walk(path, value, place, lines, (*above, id(node)))
