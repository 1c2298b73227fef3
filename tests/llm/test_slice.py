from __future__ import annotations

import pytest
from stub_llm import StubServer

from core.config import Config
from core.llm.base import Request, Turn
from core.llm.caller import Caller, Policy
from core.store import Store


@pytest.mark.parametrize("model", ["oai:big", "ant:big", "chat:known", "home:x"])
def test_asks(tmp_path, model):
    with StubServer("Hello there, my name is Stub the Great.") as server:
        config = Config.from_env({"DATA_DIR": str(tmp_path / "d"), **server.environment(tmp_path)})
        store = Store.open(config, migrate=True)
        store.ledger.grant("money", 1, "p")
        store.ledger.grant("tokens", 100000, "p")
        caller = Caller.open(config, store, Policy(first_wait_s=0.01))
        seen = []
        answer = caller.ask(model, Request((Turn("system", "be brief"), Turn("user", "name?")), max_tokens=1000), key="a", on_delta=seen.append)
        print(answer, caller.spent(), store.ledger.account("money"), store.ledger.account("tokens"), server.tally)
        assert "".join(d.text for d in seen) == answer.text
        assert caller.ask(model, Request((Turn("system", "be brief"), Turn("user", "name?")), max_tokens=1000), key="a") == answer
        assert len(server.log) == 1
