"""YAML as `yaml.safe_load` reads it, by the C parser where PyYAML has it: ten times as quick, and opening a design tree reads some dozens of files."""

from __future__ import annotations

from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parsed(text: str) -> Any:
    """Raises yaml.YAMLError, with `problem_mark` where it knows the place."""
    try:
        return yaml.load(text, Loader=LOADER)  # a safe loader: no objects
    except (ValueError, AttributeError, RecursionError) as error:  # PyYAML lets them through: the 45th of a month, a tag that its value does not fit, brackets without end
        raise yaml.YAMLError(f"it holds a value that cannot be read: {error}") from error
