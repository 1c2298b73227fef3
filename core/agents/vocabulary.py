"""The library's units as a language model is told of them: one line each, by kind."""

from __future__ import annotations

from core.gab.units import UnitInfo, UnitLibrary


def vocabulary(library: UnitLibrary) -> list[dict]:
    """[{"kind", "units": [{"name", "doc", "slots", "config", "reads", "writes"}]}]"""
    kinds = dict.fromkeys(library.info(name).kind for name in library.names())
    return [{"kind": kind, "units": [_unit(library.info(name)) for name in library.names(kind)]} for kind in kinds]


def _unit(info: UnitInfo) -> dict:
    slots = ", ".join(f"{slot}: {s.kind}{' (optional)' if s.optional else ''}" for slot, s in info.slots.items())
    config = ", ".join(f"{name}={value!r}" for name, value in info.config.items())
    return {"name": info.name, "doc": info.doc.splitlines()[0], "slots": slots, "config": config, "reads": ", ".join(info.reads), "writes": ", ".join(info.writes)}
