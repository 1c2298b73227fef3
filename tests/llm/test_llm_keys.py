"""No key leaves: not into the database, an event, an error, a log, a page or a child process, whatever a server echoes."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest
from llm_setting import WIRES
from stub_llm import Reply
from stub_llm.server import KEYS

from core.errors import LanguageModelError
from core.llm.scrub import HIDDEN, Scrubber

ECHOES = ["unauthorized", "forbidden", "error_event", "unauthorized", "error_event", "forbidden", None]


def test_nothing_that_is_written_holds_a_key(serve, tmp_path, capfd):
    said: list[str] = []
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    levels = {name: logging.getLogger(name).level for name in ("", "openai", "anthropic", "httpx2", "httpcore2")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        served = serve(lambda asked: Reply(f"your key is {asked.key}, I think", reasoning=f"{asked.key}? "), ECHOES * 3)
        for n, model in enumerate(WIRES * 5):
            try:
                answer = served.ask(model, key=f"k{n}", stream="session:a")
            except LanguageModelError as error:
                said += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
            else:
                said += [str(answer), f"your key is {HIDDEN}, I think"]
                assert answer.text == f"your key is {HIDDEN}, I think"
            for delta in served.deltas:
                served.store.events.append("session:a", "delta", "x", {"text": delta.text})
            said += ["".join(d.text for d in served.deltas if d.kind == kind) for kind in ("text", "reasoning", "restart")]
            served.deltas.clear()
        said += [repr(served.config), str(served.config), repr(served.caller.__dict__), repr(served.caller._reach.__dict__)]
    finally:
        logging.getLogger().removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert served.server.faults.happened.count("unauthorized") >= 3
    assert any(HIDDEN in words for words in said)
    served.store.close()
    written = {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".yaml"}
    assert any(p.endswith(".db") for p in written)
    everything = [*written.items(), ("said", "\n".join(said).encode()), ("log", log.getvalue().encode()), ("terminal", "".join(capfd.readouterr()).encode())]
    for key in KEYS.values():
        assert not [where for where, what in everything if key.encode() in what], key


def test_a_child_process_of_the_sandbox_has_no_key(monkeypatch):
    from core.sandbox.forge import environment

    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    assert not set(KEYS.values()) & set(environment(1).values())


def test_a_key_in_pieces_is_held_back_until_it_is_whole():
    secret = "sk-abcdefghijkl"
    scrub = Scrubber([secret])
    for size in range(1, 12):
        pieces = scrub.pieces()
        text = f"one {secret} two sk-abc three {secret[:-1]}"
        out = "".join(pieces.feed(text[at:at + size]) for at in range(0, len(text), size)) + pieces.rest()
        assert out == f"one {HIDDEN} two sk-abc three {secret[:-1]}"


@pytest.mark.parametrize("text", ["Incorrect API key provided: sk-proj-****************abcd.", "authorization: Bearer eyJhbGciOi.J9xx-yy"])
def test_what_looks_like_a_key_is_hidden_in_errors(text):
    assert HIDDEN in Scrubber()(text)
    assert "abcd" not in Scrubber()(text)
    assert "eyJ" not in Scrubber()(text)


def test_words_that_some_servers_take_for_a_key_do_not_blot_out_text():
    assert Scrubber(["none", "x", ""])("none of these") == "none of these"


def test_a_key_is_found_in_a_url_and_in_json():
    scrub = Scrubber(['sk/with"odd+signs'])
    assert scrub('?key=sk%2Fwith%22odd%2Bsigns {"k": "sk/with\\"odd+signs"} sk/with"odd+signs') == f'?key={HIDDEN} {{"k": "{HIDDEN}"}} {HIDDEN}'


def test_pages_and_the_desk_load_no_sdk():
    done = subprocess.run([sys.executable, "-c", "import sys, core.desk, core.llm.caller, core.talk\n"
                           "print([m for m in ('openai', 'anthropic', 'httpx2', 'torch', 'transformers') if m in sys.modules])"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
