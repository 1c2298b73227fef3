"""`python -m core ask`, `models`, and BuildModel."""

from __future__ import annotations

import json

import pytest
from stub_llm import Reply

from core.cli import main
from core.errors import ConfigError
from core.talk import BuildModel


@pytest.fixture
def surroundings(serve, tmp_path, monkeypatch):
    served = serve(lambda asked: Reply("Stub, at your service.", reasoning="a name? "))
    for name, value in {"DATA_DIR": str(tmp_path / "data"), **served.server.environment(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return served


def test_ask_streams_the_answer_and_tells_what_it_took(surroundings, capsys):
    assert main(["ask", "--model", "oai:big", "--system", "be brief", "what is your name?"]) == 0
    out, err = capsys.readouterr()
    assert out == "Stub, at your service.\n"
    assert "tokens in" in err
    assert "$0.00" in err
    assert surroundings.server.log[0].system == "be brief"


def test_ask_in_json(surroundings, capsys):
    assert main(["ask", "--json", "what is your name?"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["text"], said["finish"], said["tries"]) == ("Stub, at your service.", "stop", 1)
    assert said["money"] > 0
    assert surroundings.server.log[0].wire == "responses", "tier:strong is the first provider's that has a key"


@pytest.mark.parametrize("wrong", [["ask", ""], ["ask", "--model", "nobody:x", "hi"], ["ask", "--max-tokens", "0", "hi"]])
def test_wrong_words_are_told_without_a_traceback(surroundings, capsys, wrong):
    assert main(wrong) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_models_lists_providers_keys_and_prices(surroundings, capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "in OPENAI_API_KEY" in out
    assert "strong big (2, 10" in out
    assert "tier:strong is oai:big" in out


def test_a_model_in_two_lines(surroundings):
    llm = BuildModel()
    assert llm("what is your name?") == "Stub, at your service."
    assert llm("what is your name?") == "Stub, at your service."
    assert llm.spent().answers == 2
    llm.close()


def test_without_a_key_it_says_what_would_do(surroundings, monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOGETHER_API_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match="there is no key"):
        BuildModel()


def test_the_doctor_says_who_can_be_asked(surroundings):
    from core.config import Config
    from core.doctor import _models

    assert "OpenAI (OPENAI_API_KEY)" in _models(Config.from_env())[0].words
    assert "sk-" not in str(_models(Config.from_env()))
