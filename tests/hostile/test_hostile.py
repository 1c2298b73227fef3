"""Each hostile block, under each combination of layers: the time limit holds, no process is left, nothing outside has changed, no secret comes out,
and the supervisor goes on."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hostile.attacks import ATTACKS, source
from sandboxed import running_children

from core.checker.subject import Subject
from core.errors import ModelDiscoveryError
from core.gab.scales import load_scales
from core.sandbox.run import Limits, Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
NANO = load_scales(ROOT / "library" / "scales.yaml")["nano"]
GPT2 = (ROOT / "library" / "designs" / "gpt2" / "gab.py").read_text()
SECONDS = 1.5
LIMITS = Limits(seconds=SECONDS, memory_mb=1200, output_kb=64, file_mb=16)
PATIENT = replace(LIMITS, seconds=30.0)     # for a block that does no harm, on a busy machine
COMBINATIONS = {"all": (), "no bubblewrap": ("bubblewrap",), "no Landlock": ("bubblewrap", "landlock"), "limits and guard": ("bubblewrap", "landlock", "seccomp", "no network")}
SECRET = "sk-verysecret"


def attack(code: str, without: tuple[str, ...], limits: Limits = LIMITS) -> tuple[str, str]:
    """(what came of it, what it printed): loaded, built, and run forward."""
    payload = {"code": code, "scale": asdict(NANO), "reference_code": GPT2, "threads": 1}
    with Sandbox(limits, without=without).open("core.checker.child", payload) as child:
        subject = Subject(child, NANO, None)
        try:
            subject.load_code()
            subject.build()
            subject.hidden(subject.ids(1, 17))
            verdict = "it ran"
        except ModelDiscoveryError as error:
            verdict = str(error)
        return verdict, child.output


@contextmanager
def canary(folder: Path):
    """A folder outside; it must be as it was."""
    folder.mkdir()
    (folder / "kept").write_text("as it was")
    (folder / "secret").write_text(f"{SECRET} in a file")
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in folder.iterdir()}
    types = (ROOT / "core" / "types.py").read_bytes()
    yield
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in folder.iterdir()} == before
    assert (ROOT / "core" / "types.py").read_bytes() == types


@pytest.mark.parametrize("layers", COMBINATIONS)
@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_block_gets_nothing(name: str, layers: str, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    without = COMBINATIONS[layers]
    outside = tmp_path / "outside"
    where, lines = ATTACKS[name]
    lines = lines.replace("OUTSIDE", str(outside)).replace("PARENT", str(os.getpid())).replace("ROOT", str(ROOT))
    with canary(outside):
        started = time.monotonic()
        verdict, printed = attack(source(where, lines), without)
        took = time.monotonic() - started
    assert took < SECONDS + 25, f"{took:.1f} s: {verdict}"
    assert SECRET not in verdict + printed, verdict
    assert len(printed) < 70_000
    assert running_children() == []
    assert attack(source("", ""), without, PATIENT)[0] == "it ran"


def test_there_are_enough_attacks():
    assert len(ATTACKS) >= 60


def test_the_layers_say_what_held():
    with Sandbox(Limits(seconds=20), without=("seccomp",)).open("core.sandbox.probe", {}) as child:
        told = {layer.name: layer.held for layer in child.layers}
        list(child.frames())
    assert told["guard"]
    assert told["limits"]
    assert not told["seccomp"]
