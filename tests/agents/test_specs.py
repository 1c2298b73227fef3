"""Numbers and names in a spec that make no sense are told when it is read, with file and key; nothing of it reaches a session."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.agents.spec import load_specs, load_teams, read_spec
from core.build import BuildSystem
from core.config import Config
from core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]

SENSELESS = [
    ("coder", "attempts: 6 ", "attempts: six ", "settings: attempts is 'six'"),
    ("coder", "attempts: 6 ", "attempts: 0 ", "settings: attempts is 0"),
    ("coder", "attempts: 6 ", "attempts: 1.5 ", "settings: attempts is 1.5"),
    ("coder", "attempts: 6 ", "atempts: 6 ", "did you mean attempts"),
    ("coder", "[gla, pre_norm]", "5", "settings: examples is 5"),
    ("reviewer", "{temperature: 0.9}", "3", "settings: stuck is 3"),
    ("reviewer", "{temperature: 0.9}", "{temperature: hot}", "settings: stuck"),
    ("reviewer", "{temperature: 0.9}", "{models: 'oai:big'}", "settings: stuck"),
    ("reviewer", "{temperature: 0.9}", "{models: [5]}", "settings: stuck"),
    ("reviewer", "{temperature: 0.9}", "{colour: red}", "settings: stuck"),
    ("reviewer", "max_tokens: 6000", "max_tokens: 0", "parameters: max_tokens is 0"),
    ("reviewer", "max_tokens: 6000", "max_tokens: true", "parameters: max_tokens is True"),
    ("reviewer", "deadline_s: 600", "deadline_s: 0", "parameters: deadline_s is 0"),
    ("reviewer", "deadline_s: 600", "deadline_s: .inf", "parameters: deadline_s is inf"),
    ("reviewer", "temperature: 0.3", "temperature: .nan", "parameters: temperature is nan"),
    ("reviewer", "temperature: 0.3", "temperature: 99", "parameters: temperature is 99"),
    ("reviewer", "effort: low", "effort: banana", "parameters: effort is 'banana'"),
    ("reviewer", "repairs: 2", "repairs: 1000", "limits: repairs is 1000"),
    ("reviewer", "{tier: fast}", "{tier: null}", "model: tier is None"),
    ("reviewer", "{tier: fast}", "{name: [a]}", "model: name is"),
    ("genetic_designer", "attempts: 40", "attempts: -1", "settings: attempts is -1"),
    ("genetic_designer", "{graft: 3, stack: 2}", "{graft: 0, stack: 0}", "settings: crossover"),
    ("genetic_designer", "{graft: 3, stack: 2}", "{marry: 1}", "settings: crossover"),
    ("genetic_designer", "  attempts: 40", "  #attempts: 40", "settings: attempts is missing"),
    ("genetic_designer", "swap: 4, ", "", "swap must be there"),
    ("rule_reviewer", "novelty: 0.4", "novelty: .nan", "settings: weights"),
    ("compose_coder", "engine: compose", "engine: compose\nsettings: {speed: 3}", "has none"),
    ("designer", "parameters:", "settings: {zzz: 3}\nparameters:", "has none"),
    ("designer", "{tier: strong}", "{name: [gsk_abcdefghijklmnopqrstuvwxyz]}", r"model: name is \['\[key\]'\]"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    copied = tmp_path_factory.mktemp("specs") / "agent_specs"
    shutil.copytree(ROOT / "agent_specs", copied)
    return copied


@pytest.mark.parametrize(("name", "before", "after", "words"), SENSELESS)
def test_what_makes_no_sense_is_told_with_file_and_key(folder, name, before, after, words):
    path = folder / f"{name}.yaml"
    right = path.read_text()
    assert before in right
    path.write_text(right.replace(before, after, 1))
    try:
        with pytest.raises(ConfigError, match=words) as raised:
            read_spec(path)
    finally:
        path.write_text(right)
    assert f"{name}.yaml" in raised.value.what
    assert raised.value.mend


@pytest.mark.parametrize(("line", "words"), [("rounds: true", "rounds is True"), ("rounds: 0", "rounds is 0"), ("accept: .nan", "accept is nan"), ("accept: true", "accept is True"),
                                             ("members: {designer: 5, reviewer: reviewer, coder: coder}", "members: designer is 5")])
def test_a_team_that_makes_no_sense_is_told_with_file_and_key(tmp_path, line, words):
    (tmp_path / "teams").mkdir()
    rest = "" if line.startswith("members") else "members: {designer: designer, reviewer: reviewer, coder: coder}\n"
    (tmp_path / "teams" / "t.yaml").write_text(f"name: t\n{rest}{line}\n")
    with pytest.raises(ConfigError, match=words) as raised:
        load_teams(tmp_path)
    assert "t.yaml" in raised.value.what


def test_a_senseless_version_is_not_saved_and_its_line_is_told(tmp_path):
    desk = BuildSystem(Config.from_env({"DATA_DIR": str(tmp_path / "data"), "THREADS": "1"})).open()
    shipped = desk.agents()["coder"].files()
    for before, after, words in (("attempts: 6", "attempts: six", r"coder\.yaml:10: settings: attempts is 'six'"), ("[gla, pre_norm]", "[nope]", "there is no unit 'nope'")):
        with pytest.raises(ConfigError, match=words):
            desk.save_agent("coder", {path: text.replace(before, after) for path, text in shipped.items()})
    assert not desk.is_own("coder")
    desk.store.close()


def test_every_shipped_spec_makes_sense():
    assert load_specs(ROOT / "agent_specs")
