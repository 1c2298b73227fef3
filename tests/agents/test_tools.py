"""The tools of agents: what a model asks for wrongly is told to it as text, and what it may cost is bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.build import BuildSystem
from core.config import ROOT, Config
from core.gab.references import load_references
from core.toolbox import LONGEST, NAMES, Tools


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    system = BuildSystem(Config.from_env({"DATA_DIR": str(tmp_path / "data"), "THREADS": "1"}))
    desk = system.open()
    yield system._toolbox(desk, "nano")
    desk.store.close()


@pytest.mark.parametrize("arguments", ["[" * 3000, '{"a":' * 3000, "{", "\ud800", '{"id": 1}', "[]", "{}"])
@pytest.mark.parametrize("name", ["read_design", "count_costs", "no such tool"])
def test_arguments_that_are_none_are_told_as_text(tools, name, arguments):
    said = tools.run(name, arguments)
    assert said
    assert len(said) <= LONGEST


def test_what_a_code_costs_is_counted_before_it_is_a_design(tools):
    gpt2 = next(r for r in load_references(ROOT / "library") if r.slug == "gpt2")
    said = tools.run("count_costs", json.dumps({"code": gpt2.code}))
    known = tools.run("costs", '{"id": "gpt2"}').splitlines()[0]
    assert said.rpartition(",")[0] == known.rpartition(",")[0], "the same as is counted for a design; the memory of a process is the machine's"
    assert said.startswith("nano: ")
    for wrong in ("import torch\nclass GAB(", "x = 1", "raise ValueError(3)", "raise SystemExit"):
        assert tools.run("count_costs", json.dumps({"code": wrong})).startswith("error: ")
    assert "count_costs" in NAMES
