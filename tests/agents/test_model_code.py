"""Code from language models, and sessions under faults, kills and budgets: through the real SDKs, against a scripted researcher behind the stub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from stub_llm import Chance
from stub_llm.researcher import FAULTS, Researcher

from core.replay import exported
from core.types import MONEY, TOKENS, JobState, Status

ROOT = Path(__file__).resolve().parents[2]

ROOT = Path(__file__).resolve().parents[2]


# ----------------------------------------------------------------------------------------------------- code


@pytest.mark.slow
def test_a_unit_that_was_never_written_right_does_not_pass_for_the_design(lab):
    found = lab(Researcher(faults=[FAULTS[0]], stubborn=["syntax"]), real=True)
    session = found.session()
    found.work()
    design = found.desk.store.designs.get(f"{session.id}-1")
    assert design.status is Status.FAILED
    made = found.desk.store.implementations.newest(design.id)
    assert "not written yet, known units stand in for: gated_mean1" in made.code
    assert not made.check.passed


@pytest.mark.slow
def test_a_coder_that_gives_up_keeps_what_passed_and_goes_on_from_there(lab):
    researcher = Researcher(faults=[FAULTS[8]], stubborn=["reads ahead"])
    found = lab(researcher, real=True)
    session = found.session()
    found.work()
    design = found.desk.store.designs.get(f"{session.id}-1")
    assert design.status is Status.FAILED
    calls = [a for a in found.server.log if "PyTorch units" in a.system]
    assert len(calls) == 6                                                            # attempts are limited
    researcher.stubborn = ()
    found.desk.implement(design.id)
    found.work()
    assert found.desk.store.designs.get(design.id).status is Status.IMPLEMENTED


def test_the_observers_remark_is_worked_in_once(lab):
    researcher = Researcher(remarks={"gated_mean1": "the gate is missing"})
    found = lab(researcher)
    found.session()
    found.work()
    asked = [a.turns[-1][1] for a in found.server.log if "You write PyTorch units" in a.system]
    assert len(asked) == 2
    assert "the gate is missing" in asked[1]


# ----------------------------------------------------------------------------------------------------- faults, kills, budgets


def test_a_spent_budget_pauses_and_a_top_up_goes_on(lab):
    found = lab(money=0.02)
    session = found.session(n_proposals=2, n_implement=0)
    found.work()
    assert found.said(session, "phase")[-1]["phase"] == "paused"
    assert found.desk.queue.all()[0].state is JobState.DONE
    granted, spent, reserved = found.left(MONEY)
    assert spent <= granted
    assert reserved == 0
    found.desk.set_budget(MONEY, 5.0)
    found.desk.go_on(session.id)
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at


@pytest.mark.slow
def test_fifty_sessions_under_faults_lose_nothing_and_keep_to_the_budget(lab):
    found = lab(faults=Chance(0.1, seed=3), money=20.0)
    sessions = [found.session(n_proposals=1, n_implement=1) for _ in range(50)]
    found.work()
    assert not [job.error for job in found.desk.queue.all(limit=100) if job.state is not JobState.DONE], "no person is needed"
    assert all(found.desk.store.sessions.get(s.id).closed_at for s in sessions)
    assert all(found.desk.store.designs.get(f"{s.id}-1").status is Status.IMPLEMENTED for s in sessions)
    assert sum(map(bool, found.server.faults.happened)) > 10
    for account in (MONEY, TOKENS):
        granted, spent, reserved = found.left(account)
        assert 0 < spent <= granted
        assert reserved == 0
    written = b"".join(p.read_bytes() for p in found.system.config.data_dir.rglob("*") if p.is_file())
    assert not [key for key in found.system.config.keys.values() if str.__str__(key).encode() in written]
    answered = [c for s in sessions for c in found.desk.store.calls.of_stream(f"session:{s.id}") if c.answer]
    assert len({c.key for c in answered}) == len(answered)                            # no step was paid twice once its answer was stored


KILLED = """
import os, sys
sys.path[:0] = [{root!r}, {tests!r}]
from core.config import Config
from fakes import FakeEngine, FakeSystem
system = FakeSystem(Config.from_env(), FakeEngine())
desk = system.open()
print("ready", flush=True)
system.worker(desk.store, "killed").run_one()
"""


@pytest.mark.slow
def test_a_worker_killed_in_mid_stream_loses_one_answer_at_most(lab, tmp_path: Path):
    import os
    import time

    found = lab(pause_s=0.03)
    session = found.session(n_implement=0)
    env = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "LEASE_S": "1", **found.server.environment(tmp_path, stall_s=2)}
    child = subprocess.Popen([sys.executable, "-c", KILLED.format(root=str(ROOT), tests=str(ROOT / "tests"))], env=env, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(found.server.log) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    child.kill()
    child.wait()
    before = [c.key for c in found.desk.store.calls.of_stream(f"session:{session.id}") if c.answer]
    assert before
    found.work()
    assert found.desk.store.sessions.get(session.id).closed_at
    after = [c.key for c in found.desk.store.calls.of_stream(f"session:{session.id}") if c.answer]
    assert len(set(after)) == len(after)
    assert set(before) <= set(after)
    ends = [e["message"] for e in found.said(session, "message_end") if not e.get("cut")]
    assert len(set(ends)) == len(ends)                                                # each message is complete once


def test_a_session_is_replayed_from_its_record_without_a_call(lab, tmp_path: Path):
    found = lab(Researcher(ratings=(2.0, 4.0)))
    session = found.session(n_proposals=2)
    found.work()
    (tmp_path / "session.json").write_text(json.dumps(exported(found.desk.store, session)))
    asked = len(found.server.log)
    again = found.system.replay(tmp_path / "session.json")
    assert len(found.server.log) == asked
    assert again.closed_at
    first, second = found.desk.store.designs.of_session(session.id), found.desk.store.designs.of_session(again.id)
    assert [d.title for d in second] == [d.title for d in first]
    assert [d.rating for d in second] == [d.rating for d in first]
    code = [found.desk.store.implementations.newest(d.id).code for d in (first[-1], second[-1]) if found.desk.store.implementations.newest(d.id)]
    assert len(set(code)) <= 1
