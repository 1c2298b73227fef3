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

from core.cli import main
from core.errors import ConfigError, LanguageModelError
from core.llm.base import Request, Turn
from core.llm.catalogue import load_catalogue
from core.llm.price import load_prices
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


SECRET = "gsk_abcdefghijklmnopqrstuvwxyz012345"
MISTAKES = {
    f"key: {SECRET}": "write the NAME of the variable",
    "key: 9f8e7d6c5b4a39281706f5e4d3c2b1a0": "write the NAME of the variable",       # nothing about it looks like a key
    "key: A9F8E7D6C5B4A39281706F5E4D3C2B1A0": "write the NAME of the variable",
    "key: 123456789012345678": "give a text",
    f"{SECRET}: key": "is not known",
    f"label: [{SECRET}]": "is no str",
    f"models: {{{SECRET}: 3}}": "holds something",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_key_written_into_the_providers_file_is_not_quoted(tmp_path, mistake, monkeypatch, capfd):
    path = tmp_path / "providers.yaml"
    path.write_text(f"providers:\n  groq: {{wire: chat, base_url: 'https://x/v1', {mistake}}}\n")
    with pytest.raises(ConfigError, match=MISTAKES[mistake]) as raised:
        load_catalogue(path)
    assert "providers.groq" in raised.value.what
    monkeypatch.setenv("PROVIDERS_FILE", str(path))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    main(["models"])
    said = str(raised.value) + repr(raised.value) + repr(raised.value.__cause__) + "".join(capfd.readouterr())
    assert not [word for word in (SECRET, "9f8e7d6c", "A9F8E7D6", "123456789012345678") if word in said]


@pytest.mark.parametrize("address", [f"http://me:{SECRET}@127.0.0.1:1/v1", "https://hunter2secret@x/v1"])
def test_an_address_with_a_password_is_refused_and_not_quoted(tmp_path, address):
    path = tmp_path / "providers.yaml"
    path.write_text(f"providers:\n  groq: {{wire: chat, free: true, base_url: '{address}'}}\n")
    with pytest.raises(ConfigError, match="has a name or a password in it") as raised:
        load_catalogue(path)
    assert SECRET not in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_what_stands_behind_the_question_mark_of_an_address_is_not_shown(serve, tmp_path):
    served = serve()
    path = tmp_path / "providers.yaml"
    path.write_text("providers:\n  far: {wire: chat, free: true, base_url: 'http://127.0.0.1:1/v1?api-key=hunter2secret'}\n")
    far = load_catalogue(path)
    served.caller.catalogue = far
    with pytest.raises(LanguageModelError, match=r"cannot be reached at http://127\.0\.0\.1:1/v1") as raised:
        served.caller.ask("far:m", Request((Turn("user", "hi"),)), key="k", on_delta=served.deltas.append)
    assert "hunter2" not in str(raised.value) + str(served.deltas) + str(served.store.calls.recent(9))


def test_a_price_that_quotes_a_key_is_told_without_it(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(f"prices: {{'a:b': {{input: {SECRET}, output: 1}}}}")
    with pytest.raises(ConfigError, match=r"prices.a:b.input '\[key\]' is no price"):
        load_prices(path)
