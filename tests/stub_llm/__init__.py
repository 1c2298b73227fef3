"""A language model's server on this machine: it speaks chat completions, responses and messages, and goes wrong on demand.

    def script(asked: Asked) -> Reply: ...
    with StubServer(script, faults=["cut", None, "stall"]) as server:
        config = Config.from_env({"DATA_DIR": str(tmp_path / "data"), **server.environment(tmp_path)})
        # providers oai (responses), ant (messages) and chat with keys and prices; home (chat) with neither; tier:strong is oai:big, then ant:big

`script` is the researcher behind it: given what was asked, whatever the wire, it says what to answer. `faults` are taken one a request, in order (None: none),
or are `Chance(rate, seed)`. `server.log` is what was asked, `server.tally` what a provider would bill.
"""

from stub_llm.faults import FAULTS, PAID, Chance, Faults
from stub_llm.server import StubServer
from stub_llm.words import Asked, Call, Reply, Tally

__all__ = ["FAULTS", "PAID", "Asked", "Call", "Chance", "Faults", "Reply", "StubServer", "Tally"]
