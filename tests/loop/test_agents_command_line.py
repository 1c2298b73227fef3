"""`python -m core agents, guide, design --agents, pause, resume, steer`: through the real SDKs, against a scripted researcher behind the stub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import FakeEngine, FakeSystem
from stub_llm import StubServer
from stub_llm.researcher import Researcher

from core.cli import main
from core.config import Config
from core.types import JobState


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer(Researcher()) as server:
        yield server


@pytest.fixture
def core(server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    for name, value in {"DATA_DIR": str(tmp_path / "data"), "THREADS": "1", "NOISE_FILE": str(tmp_path / "noise.yaml"), **server.environment(tmp_path)}.items():
        monkeypatch.setenv(name, value)

    def run(*args: str) -> tuple[int, str, str]:
        code = main(args)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_an_agent_that_cannot_be_read_is_listed_with_what_is_wrong(core, tmp_path: Path):
    core("agents")
    (tmp_path / "data" / "agent_specs").mkdir()
    (tmp_path / "data" / "agent_specs" / "reviewer.yaml").write_text("name: reviewer\nrole: ]")
    code, out, _ = core("agents")
    assert code == 0
    assert "agent reviewer cannot be read: " in out
    assert "reviewer.yaml:2: " in out
    data = json.loads(core("agents", "list", "--json")[1])
    assert (data["default"], list(data["unreadable"])) == ("builtin", ["agent reviewer"])
    code, _, err = core("agents", "show", "reviewer")
    assert code == 1
    assert "reviewer.yaml:2: " in err


def test_agents_are_listed_shown_and_tried(core, server: StubServer):
    code, out, _ = core("agents")
    assert code == 0
    assert "yes: oai:big" in out
    data = json.loads(core("agents", "list", "--json")[1])
    assert data["default"] == "default"
    assert {a["name"]: a["asks"] for a in data["agents"]}["reviewer"] == ["oai:small", "ant:small"]
    code, out, _ = core("agents", "show", "designer")
    assert "=== designer.yaml" in out
    assert "=== prompts/designer/propose.md" in out
    code, out, _ = core("agents", "test", "designer")
    assert code == 0
    assert "✓ propose" in out
    assert not server.log, "nobody is asked"
    code, out, _ = core("agents", "test", "designer", "--ask")
    assert "My name is Stub." in out
    assert "cost: 1 call, " in out
    assert "$0.00" in out


WRONG = ("agents show", "agents show nobody", "agents test genetic_designer --ask", "agents lessons --off 99", "agents lessons --reword x", "design --explore",
         "design --agents nobody", "pause nope", "resume nope", "steer nope hi", "evolve --agents nobody")


def test_what_cannot_be_done_is_one_line_with_the_mend(core):
    for args in (*(line.split() for line in WRONG), ["guide", " "]):
        code, _, err = core(*args)
        assert code in (1, 2), args
        assert err.startswith("error: "), args
        assert " — " in err, args
        assert len(err.strip().splitlines()) == 1, args


def test_a_session_tells_what_it_cost_pauses_for_a_budget_and_goes_on(core):
    core("budget", "money", "0.01")
    code, out, err = core("design", "--parents", "gpt2", "--agents", "default", "-n", "1", "--explore", "--instructions", "a running mean", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["phase"], found["waiting"]) == ("paused", True)
    assert "budget money" in found["note"]
    core("budget", "money", "5")
    core("guide", "no", "dropout")
    assert core("steer", found["session"], "keep", "it", "small")[0] == 0
    core("pause", found["session"])
    code, out, err = core("resume", found["session"])
    assert code == 0, err
    assert "python -m core release" in out
    assert "calls, " in out
    (lesson,) = json.loads(core("agents", "lessons", "--json")[1])
    assert (lesson["kind"], lesson["text"], lesson["on"]) == ("rule", "no dropout", True)
    assert lesson["uses"], "it was in the prompt"
    assert "OFF rule" in core("agents", "lessons", "--off", str(lesson["id"]))[1]
    assert "never any dropout" in core("agents", "lessons", "--reword", str(lesson["id"]), "never", "any", "dropout")[1]
    assert "OFF" not in core("agents", "lessons", "--on", str(lesson["id"]))[1]
    assert json.loads(core("agents", "lessons", "--json")[1])[0]["text"] == "never any dropout"


def test_a_builtin_session_costs_no_calls(core):
    assert "cost: no calls to language models" in core("design", "--parents", "gpt2,mamba2", "--mode", "crossover", "-n", "1")[1]


def test_a_run_works_with_the_team_that_it_was_given(server: StubServer, tmp_path: Path):
    env = {"DATA_DIR": str(tmp_path / "data"), "THREADS": "1", "NOISE_FILE": str(tmp_path / "noise.yaml"), **server.environment(tmp_path)}
    system = FakeSystem(Config.from_env(env), FakeEngine())
    desk = system.open()
    job = desk.evolve(1, {"nano": 1}, n_proposals=1, agents="default", money=0.001, tokens=10**6)
    worker = system.worker(desk.store, "w")
    worker.run_one(only=job.id)
    (session,) = desk.store.sessions.all()
    assert desk.standing(session.id)[0] == "paused"
    assert f"budget {job.subject}/money" in desk.standing(session.id)[1]
    assert desk.set_budget("money", 5) == [], "it does not wait for this one"
    assert desk.set_budget(f"{job.subject}/money", 2) == [session.id]
    worker.run_one()
    assert desk.queue.newest(job.subject).state is JobState.DONE, desk.queue.newest(job.subject).error
    assert desk.store.sessions.get(session.id).closed_at
    assert (session.designer, session.reviewer, session.team["name"], session.team["coder"]) == ("designer", "reviewer", "default", "coder")
    assert desk.store.calls.spent(run=job.subject).answers >= 3
    desk.store.close()
