"""Records of sessions that are damaged; whole ones are in test_model_sessions.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.build import BuildSystem
from core.config import Config
from core.errors import ModelDiscoveryError, UsageError

SETTINGS = {"mode": "mutation", "parents": ["gpt2"], "n_proposals": 1, "n_implement": 0, "instructions": "", "seed": 1, "gate": "auto", "scale": "nano", "designer": "designer",
            "reviewer": "reviewer", "team": {}}


@pytest.mark.parametrize(("wrong", "words"), [
    ({"team": None}, "settings.team is 'None'"), ({"mode": "zz"}, "settings.mode is 'zz', not one of"), ({"n_proposals": "three"}, "settings.n_proposals"), ({"team": []}, "settings.team"),
    ({"parents": "gpt2"}, "settings.parents"), ({"parents": ["nope"]}, "nope"), ({"scale": "huge"}, "huge"), ({"colour": "red"}, "settings.colour is not known"),
    ({"gate": []}, "settings.gate"), ({"seed": True}, "settings.seed")])
def test_a_damaged_record_is_refused_with_what_is_wrong(tmp_path: Path, wrong, words):
    system, path = BuildSystem(Config.from_env({"DATA_DIR": str(tmp_path / "data"), "THREADS": "1"})), tmp_path / "session.json"
    path.write_text(json.dumps({"format": 1, "session": "x", "answers": {}, "settings": {**SETTINGS, **wrong}}))
    with pytest.raises(ModelDiscoveryError, match=words):
        system.replay(path)
    for answers, settings in (({"a": 5}, SETTINGS), ({"a": {"text": "x"}}, SETTINGS), ({}, {})):
        path.write_text(json.dumps({"format": 1, "session": "x", "answers": answers, "settings": settings}))
        with pytest.raises(UsageError, match=r"the answer to a is none|settings.mode is missing"):
            system.replay(path)
    assert BuildSystem(system.config).open().store.sessions.all() == []
