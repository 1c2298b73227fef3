"""A language model in one line, within the budgets and on record like every other call.

    from model_discovery import BuildModel
    llm = BuildModel()                       # the first provider that has a key; or BuildModel("openai:gpt-5.5"), BuildModel("ollama:qwen3:8b")
    print(llm("what is your name?"))
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from core.build import BuildSystem
from core.config import Config
from core.llm.base import Answer, Delta, Request, Turn
from core.llm.caller import Caller
from core.llm.catalogue import load_catalogue
from core.types import Spent

BEST = "tier:strong"


class BuildModel:
    """`models`: one name or several to fall back to, `provider:model` or `tier:NAME`. Calling it again continues nothing: each call stands alone."""

    def __init__(self, models: str | Sequence[str] = BEST, config: Config | None = None) -> None:
        self.config = config or Config.from_env()
        self.models = load_catalogue(self.config.providers_file).resolve(models, self.config.keys)
        self._desk = BuildSystem(self.config).open()
        self._caller = Caller.open(self.config, self._desk.store)
        self._stream = f"ask:{secrets.token_hex(4)}"
        self._asked = 0

    def __call__(self, words: str, system: str = "") -> str:
        turns = (*([Turn("system", system)] if system else []), Turn("user", words))
        return self.ask(Request(turns)).text

    def ask(self, request: Request, on_delta: Callable[[Delta], None] = lambda _: None) -> Answer:
        self._asked += 1
        return self._caller.ask(self.models, request, key=f"{self._stream}/{self._asked}", stream=self._stream, author="you", on_delta=on_delta)

    def spent(self) -> Spent:
        """Of all that was asked here."""
        return self._caller.spent(stream=self._stream)

    def close(self) -> None:
        self._caller.close()
        self._desk.store.close()
