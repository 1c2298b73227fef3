"""A store, a caller and a stub server that belong together; everything waits for fractions of a second only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stub_llm import Chance, StubServer

from core.config import Config
from core.llm.base import Answer, Delta, Request, Turn
from core.llm.caller import Caller, Policy
from core.store import Store
from core.types import MONEY, TOKENS

QUICK = Policy(first_wait_s=0.02, longest_wait_s=0.05, look_s=0.05, breaker_rest_s=0.2, budget_wait_s=0.3, least_answer=64)
WIRES = ("oai:big", "ant:big", "chat:known")


def request(words: str = "what is your name?", **options: Any) -> Request:
    return Request((Turn("system", "be brief"), Turn("user", words)), **{"max_tokens": 500, "deadline_s": 5.0, **options})


@dataclass
class Served:
    server: StubServer
    config: Config
    store: Store
    caller: Caller
    deltas: list[Delta] = field(default_factory=list)

    def ask(self, models: str | Sequence[str] = "oai:big", words: str = "what is your name?", key: str = "k", **options: Any) -> Answer:
        about = {k: options.pop(k) for k in ("on_delta", "check_cancel", "stream", "run", "design", "author", "revision") if k in options}
        return self.caller.ask(models, request(words, **options), key=key, **{"on_delta": self.deltas.append, **about})

    @property
    def shown(self) -> str:
        """The text on the screen: what was said since the last restart."""
        last = max((n for n, d in enumerate(self.deltas) if d.kind == "restart"), default=-1)
        return "".join(d.text for d in self.deltas[last + 1:] if d.kind == "text")

    @property
    def restarts(self) -> list[str]:
        return [d.text for d in self.deltas if d.kind == "restart"]

    def left(self, account: str = MONEY) -> tuple[float, float]:
        found = self.store.ledger.account(account)
        return found.spent, found.reserved


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    with ExitStack() as stack:

        def make(script: Any = "Hello, my name is Stub the Great.", faults: Sequence[str | None] | Chance = (), money: float | None = 1.0,
                 tokens: float | None = 1_000_000, policy: Policy = QUICK, stall_s: float | None = None, retry_after: float = 3600, pause_s: float = 0.0,
                 config: Config | None = None) -> Served:
            server = stack.enter_context(StubServer(script, faults, retry_after, pause_s))
            silent = isinstance(faults, Chance) or {"stall", "pings", "silent_headers"} & {*faults}
            env = server.environment(tmp_path, stall_s or (0.3 if silent else 5.0))      # a busy machine must not look like a silent server
            base = {"DATA_DIR": str(tmp_path / "data")} if config is None else {"DATA_DIR": str(config.data_dir), "DATABASE_URL": config.database_url}
            config = Config.from_env({**base, **env})
            store = Store.open(config, migrate=True)
            stack.callback(store.close)
            for account, amount in ((MONEY, money), (TOKENS, tokens)):
                if amount is not None:
                    store.ledger.grant(account, amount, "test")
            caller = Caller.open(config, store, policy)
            stack.callback(caller.close)
            return Served(server, config, store, caller)

        yield make
