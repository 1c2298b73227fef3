"""A person's version that cannot be read is told where it is needed, and keeps nothing else from being read; so is a file of prices."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.agents.spec import all_specs, all_teams, get_spec, get_team, may_ask
from core.desk import Desk
from core.errors import ConfigError, UsageError
from core.types import JobState

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "agent_specs"
BROKEN = "name: reviewer\nrole: ]"


@pytest.fixture
def own(desk: Desk) -> Path:
    desk.config.own_specs_dir.mkdir()
    return desk.config.own_specs_dir


def test_a_broken_version_makes_that_agent_unreadable_and_no_other(tmp_path: Path):
    (tmp_path / "reviewer.yaml").write_text(BROKEN)
    (tmp_path / "ranker.yaml").write_text((SHIPPED / "ranker.yaml").read_text().replace("role: ranker", "role: poet"))
    specs = all_specs(SHIPPED, tmp_path)
    assert set(specs.unreadable) == {"reviewer", "ranker"}
    assert {"designer", "coder", "rule_reviewer"} <= set(specs)
    assert "reviewer" not in specs, "the shipped one does not speak in its place"
    with pytest.raises(ConfigError, match=r"reviewer\.yaml:\d+: ") as caught:
        get_spec(specs, "reviewer", "reviewer")
    assert caught.value.mend == "mend the YAML, or take this version away on the page Agents"
    assert may_ask(specs, "reviewer"), "nobody knows"
    assert not may_ask(specs, "rule_reviewer")


@pytest.mark.parametrize("text", ["", "- a", "name: 2020-13-45", "name: !!timestamp z", "name: other\nrole: reviewer\nengine: model\nabout: x\nmodel: {tier: fast}\n", "\x00", "\xe9"])
def test_whatever_stands_in_the_file_is_told(tmp_path: Path, text: str):
    (tmp_path / "reviewer.yaml").write_bytes(text.encode("latin-1"))
    assert "reviewer.yaml" in str(all_specs(SHIPPED, tmp_path).unreadable["reviewer"])


def test_a_broken_prompt_is_its_agents_alone(tmp_path: Path):
    shutil.copy(SHIPPED / "reviewer.yaml", tmp_path)
    (tmp_path / "prompts" / "reviewer").mkdir(parents=True)
    (tmp_path / "prompts" / "reviewer" / "review.md").write_text("ok\n{% for %}")
    specs = all_specs(SHIPPED, tmp_path)
    assert "review.md:2: " in str(specs.unreadable["reviewer"])


def test_a_broken_team_is_told_to_whoever_chooses_it(desk: Desk, own: Path):
    (own / "teams").mkdir()
    (own / "teams" / "mine.yaml").write_text("name: mine\nmembers: [")
    teams = all_teams(SHIPPED, own)
    assert (set(teams), teams.names) == ({"builtin", "default"}, ["builtin", "default", "mine"])
    with pytest.raises(ConfigError, match=r"mine\.yaml:\d+: "):
        get_team(teams, "mine")
    assert "mine.yaml" in desk.team_reach("mine")["team"].lacking
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        desk.start_session(["gpt2"], agents="mine", enqueue=False)
    desk.drop_team("mine")
    assert not desk.teams().unreadable


def test_what_is_shipped_may_still_raise(tmp_path: Path):
    shutil.copytree(SHIPPED, tmp_path / "shipped")
    (tmp_path / "shipped" / "reviewer.yaml").write_text(BROKEN)
    with pytest.raises(ConfigError, match=r"reviewer\.yaml"):
        all_specs(tmp_path / "shipped", tmp_path / "own")


def test_a_team_with_a_broken_agent_is_refused_with_the_file_and_others_work(desk: Desk, own: Path, work):
    (own / "reviewer.yaml").write_text(BROKEN)
    for start in (lambda: desk.start_session(["gpt2"], agents="default"), lambda: desk.evolve(1, {"nano": 1}, agents="default")):
        with pytest.raises(ConfigError, match=r"reviewer\.yaml:\d+: .*"):
            start()
    assert not desk.store.sessions.all()
    first, *others = desk.team_reach("default").values()
    assert "reviewer.yaml" in first.lacking, "told before a key that lacks, which would not mend it"
    assert all("reviewer.yaml" not in reach.lacking for reach in others)
    desk.config = replace(desk.config, keys={"openai": "k" * 20})
    assert desk.default_team() == "builtin", "also where there is a key"
    desk.drop_agent("reviewer")
    assert desk.default_team() == "default"
    (own / "reviewer.yaml").write_text(BROKEN)
    session = desk.start_session(["gpt2"], n_proposals=1, seed=1)
    work()
    assert desk.store.reviews.of(f"{session.id}-1")
    assert not desk.asks_models(session)


def test_a_session_that_needs_a_broken_agent_fails_in_words(desk: Desk, own: Path, work):
    session = desk.start_session(["gpt2"], n_proposals=1, seed=1)
    (own / "rule_reviewer.yaml").write_text("name: [")
    work()
    (job,) = [j for j in desk.queue.all() if j.subject == f"session:{session.id}"]
    assert job.state is JobState.FAILED
    assert "rule_reviewer.yaml" in job.error
    assert desk.asks_models(session), "what cannot be read may"


def test_a_broken_version_is_neither_copied_over_nor_switched_and_an_earlier_one_can_be_restored(desk: Desk, own: Path):
    shipped = desk.agents()["reviewer"].files()
    kept = desk.save_agent("reviewer", {**shipped, "reviewer.yaml": shipped["reviewer.yaml"].replace("max_tokens: 6000", "max_tokens: 5000")})
    (own / "reviewer.yaml").write_text(BROKEN)
    with pytest.raises(UsageError, match="there is an agent reviewer already"):
        desk.copy_agent("rule_reviewer", "reviewer", desk.agents()["rule_reviewer"].files())
    with pytest.raises(ConfigError, match=r"reviewer\.yaml"):
        desk.switch_model("reviewer", "tier:strong")
    assert desk.restore_agent("reviewer", kept.revision) == kept
    assert not desk.agents().unreadable


def test_a_copy_with_another_name_can_be_taken_away(desk: Desk, own: Path):
    shutil.copy(SHIPPED / "reviewer.yaml", own / "reviewer-old copy.yaml")
    assert set(desk.agents().unreadable) == {"reviewer-old copy"}
    for name in ("../agent_specs/reviewer-old copy", "teams/../reviewer-old copy"):
        with pytest.raises(UsageError):
            desk.drop_agent(name)
    desk.drop_agent("reviewer-old copy")
    assert not list(own.glob("*.yaml"))
    assert "reviewer" in desk.agents()
