"""One agent in one conversation: what cannot be used is told to the model, so often and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from stub_llm import Reply

from core.agents.dialog import Dialog
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec
from core.errors import Unusable, UsageError
from core.llm.base import Schema

REVIEW = Schema("review", {"type": "object", "properties": {"rating": {"type": "number", "minimum": 0, "maximum": 5}, "reasons": {"type": "array", "items": {"type": "string"}}},
                           "required": ["rating", "reasons"], "additionalProperties": False})


class NoTools:
    def offered(self, names):
        return ()

    def run(self, name, arguments):
        raise AssertionError(name)


def conversation(served, model: str = "oai:big") -> Conversation:
    spec = AgentSpec("critic", "reviewer", "model", "a critic", {}, Path(), (model,), {"max_tokens": 300, "deadline_s": 5.0})
    events: list = []
    dialog = Dialog(lambda kind, author, data: events.append((kind, data)), lambda: ())
    setting = Setting(served.caller, dialog, "session:x", NoTools(), lambda: None, lambda: None, lambda *_: None, lambda role: ())
    return Conversation(spec, setting, "x-1/review1", "x-1", lambda: Opening("be strict", "review this"))


def taken(value: dict) -> float:
    if not value["reasons"]:
        raise UsageError("there is no reason", "give one")
    return value["rating"]


@pytest.mark.parametrize("model", ["oai:big", "chat:known"])
def test_the_model_is_told_what_was_wrong_and_mends_it(serve, model: str):
    texts = iter(["four of five", '{"rating": 7, "reasons": ["x"]}', '{"rating": 4, "reasons": ["x"]}'])
    served = serve(lambda asked: Reply(next(texts)))
    assert conversation(served, model).object(REVIEW, taken) == 4
    told = [a.last for a in served.server.log]
    assert "not readable" in told[1]
    assert "7 is greater than the maximum" in told[2]
    assert conversation(served, model).object(REVIEW, taken) == 4                      # had again: from the record
    assert len(served.server.log) == 3


def test_what_the_asker_refuses_is_told_too(serve):
    texts = iter(['{"rating": 0, "reasons": []}', '{"rating": 1, "reasons": ["x"]}'])
    served = serve(lambda asked: Reply(next(texts)))
    assert conversation(served).object(REVIEW, taken) == 1
    assert "there is no reason" in served.server.log[1].last


def test_after_two_repairs_it_gives_up(serve):
    served = serve("four of five")
    with pytest.raises(Unusable, match="critic gave no usable review in 3 answers"):
        conversation(served).object(REVIEW, taken)
    assert len(served.server.log) == 3


def test_a_refusal_is_not_repaired(serve):
    served = serve("x", ["refused"])
    with pytest.raises(Unusable, match="refused to answer critic"):
        conversation(served, "ant:big").object(REVIEW, taken)
    assert len(served.server.log) == 1
