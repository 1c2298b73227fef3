"""What another process does in the tests: python actor.py KEY MODEL WORDS, with the surroundings in its environment. Prints the answer's text."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.config import Config
from core.llm.base import Request, Turn
from core.llm.caller import Caller, Policy
from core.store import Store

if __name__ == "__main__":
    key, model, words = sys.argv[1:]
    config = Config.from_env()
    caller = Caller.open(config, Store.open(config), Policy(first_wait_s=0.02, look_s=0.05))
    asking = Request((Turn("system", "be brief"), Turn("user", words)), max_tokens=500, deadline_s=20.0)
    print("asking", flush=True)
    print(caller.ask(model, asking, key=key, stream="s", on_delta=lambda d: print("delta", flush=True) if d.kind == "text" else None).text, flush=True)
