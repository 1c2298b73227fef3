"""The ladder of scales, from one YAML file. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import yaml

from core.errors import ConfigError, UsageError
from core.quick_yaml import parsed
from core.types import Scale

KINDS = {"int": int, "float": (int, float), "str": str}
POSITIVE = ("n_layers", "d_model", "context", "vocab_size", "tokens", "batch_tokens", "lr", "tolerance", "eval_tokens")
CHOICES = {"optimizer": ("adamw", "muon"), "schedule": ("cosine", "wsd"), "precision": ("auto", "float32", "bfloat16"), "compile": ("auto", "on", "off")}


def load_scales(path: Path) -> dict[str, Scale]:
    """In the file's order, cheapest first. Raises ConfigError naming file, scale and key."""
    try:
        data = parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "restore it, or set SCALES_FILE") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}:{mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the YAML") from None
    if not isinstance(data, dict) or not data:
        raise ConfigError(f"{path} holds no scales", "one mapping of a name to its settings")
    return {str(name): _scale(path, str(name), entry) for name, entry in data.items()}


def get_scale(scales: Mapping[str, Scale], name: str) -> Scale:
    if name not in scales:
        raise UsageError(f"there is no scale {name!r}", f"use one of {', '.join(scales)}")
    return scales[name]


def _scale(path: Path, name: str, entry: Any) -> Scale:
    if not isinstance(entry, dict):
        raise ConfigError(f"{path}: scale {name} is no mapping", "give n_layers, d_model, context, vocab_size, tokens, batch_tokens and lr")
    known = {f.name: f for f in fields(Scale) if f.name != "name"}
    unknown = sorted(set(entry) - set(known))
    missing = [n for n, f in known.items() if f.default is MISSING and n not in entry]
    if unknown or missing:
        what = "; ".join([f"unknown key {k!r}" for k in unknown] + [f"{k!r} is missing" for k in missing])
        raise ConfigError(f"{path}: scale {name}: {what}", f"the keys are {', '.join(known)}")
    for key, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, KINDS[str(known[key].type)]) or (not isinstance(value, str) and value < 0):
            raise ConfigError(f"{path}: scale {name}: {key} is {value!r}", f"give a {known[key].type}" if known[key].type == "str" else f"give a positive {known[key].type}")
        if key in CHOICES and value not in CHOICES[key]:
            raise ConfigError(f"{path}: scale {name}: {key} is {value!r}", f"use one of {', '.join(CHOICES[key])}")
        if key in POSITIVE and not value > 0:
            raise ConfigError(f"{path}: scale {name}: {key} is {value!r}", "give a positive number")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{path}: scale {name}: {key} is {value!r}", "give a finite number")
    scale = Scale(name=name, **entry)
    if scale.batch_tokens % scale.context or scale.tokens < scale.batch_tokens:
        raise ConfigError(f"{path}: scale {name}: batch_tokens {scale.batch_tokens} and context {scale.context}, tokens {scale.tokens} do not fit",
                          "a batch holds whole contexts, and tokens at least one batch")
    return scale
