"""Data sets and tokenizers of the Hub, over its own HTTP protocol, from a server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_stub import StubHub

from core.config import ROOT
from core.verification.training.tokenizer import train_tokenizer

STORIES = [f"tale {i} " + " ".join(f"w{(i * 13 + k * k) % 307}" for k in range(120)) for i in range(240)]
ARTICLES = [f" = Article {i} = \n\n" + f" Text of article {i} , " + "and so on " * 60 + "\n\n = = Part = = \n\n more\n" for i in range(40)]

# What a test asks of a process that knows this server: the Hub's libraries read HF_ENDPOINT once, when they are imported.
SCRIPT = """
import json, sys
from core.config import Config
from core.errors import Cancelled, CorpusError
from core.verification.training.corpus import prepare
def stop_after(n):
    left = [n]
    def report(fraction, note):
        left[0] -= 1
        if left[0] < 0: raise Cancelled("stopped", "")
    return report
for line in sys.stdin:
    ask = json.loads(line)
    config = Config.from_env({**ask.pop("env")})
    stop = ask.pop("stop", None)
    try:
        made = prepare(config=config, **ask, **({} if stop is None else {"report": stop_after(stop)}))
        print(json.dumps({**made.__dict__, "dir": str(made.dir)}), flush=True)
    except Cancelled:
        print(json.dumps({"stopped": True}), flush=True)
    except CorpusError as error:
        print(json.dumps({"error": error.what, "mend": error.mend}), flush=True)
"""


class Asker:
    def __init__(self, hub: StubHub, data: Path) -> None:
        self.hub, self.data = hub, data
        env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        self.child = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env={**env, "HF_ENDPOINT": hub.url, "HF_HOME": str(data / "hf-home"), "PYTHONPATH": str(ROOT)})

    def __call__(self, corpus: str, data: str = "data", key: str = "", vocab_size: int = 300, **more: object) -> dict:
        env = {"DATA_DIR": str(self.data / data), "LIBRARY_DIR": str(self.data / "library"), **({"HF_KEY": key} if key else {})}
        self.child.stdin.write(json.dumps({"corpus": corpus, "vocab_size": vocab_size, "env": env, **more}) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())


def recipes(folder: Path) -> None:
    folder.mkdir(parents=True)
    hubs = {"tales": "dataset: tiny/tales", "pairs": 'dataset: tiny/pairs, template: "Q: {q} A: {a}"', "wiki": "dataset: tiny/wiki, rows: headings", "lines": "dataset: tiny/wiki, rows: lines",
            "gated": "dataset: tiny/gated", "absent": "dataset: tiny/absent", "down": "dataset: tiny/down", "nosub": "dataset: tiny/tales, subset: nope", "nosplit": "dataset: tiny/tales, split: nope",
            "nofield": "dataset: tiny/tales, field: body", "norevision": "dataset: tiny/tales, revision: v9"}
    for name, hub in hubs.items():
        (folder / f"{name}.yaml").write_text(f"title: {name}\nhub: {{{hub}}}\n")
    (folder / "mix.yaml").write_text("title: mix\ntokens: 40000\nmixture: {tales: 3, pairs: 1}\n")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    root = tmp_path_factory.mktemp("hub")
    for repo in ("tales", "gated"):
        folder = root / "served" / "datasets" / "tiny" / repo / "data"
        folder.mkdir(parents=True)
        for n in range(2):
            rows = STORIES[n * 120 : n * 120 + 120]
            pq.write_table(pa.table({"text": rows, "n": list(range(len(rows)))}), folder / f"train-{n:05d}-of-00002.parquet", row_group_size=25)
    for repo, name, text in (("pairs", "train.jsonl", "".join(json.dumps({"q": t, "a": i}) + "\n" for i, t in enumerate(STORIES))), ("wiki", "train.txt", "".join(ARTICLES))):
        folder = root / "served" / "datasets" / "tiny" / repo
        folder.mkdir(parents=True)
        (folder / name).write_text(text)
    models = root / "served" / "models" / "tiny" / "tokens"
    models.mkdir(parents=True)
    tokenizer = train_tokenizer(STORIES, 290)
    tokenizer.add_special_tokens(["<eot>"])
    tokenizer.save(str(models / "tokenizer.json"))
    (models / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<eot>"}))
    recipes(root / "library" / "corpora")
    with StubHub(root / "served", gates={"tiny/gated": "hf_right"}, fails={"tiny/down": 500}) as hub:
        asker = Asker(hub, root)
        yield asker
        asker.child.stdin.close()
        asker.child.wait(20)


def files_of(folder: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(Path(folder).iterdir())}


def test_a_data_set_is_streamed_once_and_then_read_from_here(ask: Asker):
    made = ask("tales")
    assert made["documents"] == 240
    asked = len(ask.hub.asked)
    other = ask("tales", vocab_size=350)
    assert other["hash"] == made["hash"]
    assert other["train_tokens"] < made["train_tokens"]
    assert len(ask.hub.asked) == asked  # another vocabulary asks nobody


@pytest.mark.parametrize("corpus", ["tales", "pairs", "wiki"])
def test_a_stopped_preparation_goes_on_at_the_row_after(ask: Asker, corpus: str):
    whole = ask(corpus, data="whole")
    stops = 0
    while ask(corpus, data="stopped", stop=1 + stops % 3, commit_bytes=7000).get("stopped"):
        stops += 1
    made = ask(corpus, data="stopped")
    assert stops > 3
    assert files_of(made["dir"]) == files_of(whole["dir"])


def test_a_mixture_keeps_its_shares_of_tokens(ask: Asker):
    made = ask("mix")
    assert made["train_tokens"] == pytest.approx(40_000, rel=0.02)
    assert made["sources"]["tales"] / made["train_tokens"] == pytest.approx(0.75, abs=0.02)
    larger = ask("mix:200K")
    assert larger["hash"] != made["hash"]
    assert "the sources had no more" in larger["notes"][0]


def test_rows_that_are_lines_are_gathered(ask: Asker):
    assert ask("wiki")["documents"] == 40
    assert ask("lines")["documents"] > 10


def test_the_key_opens_a_gate(ask: Asker):
    shut = ask("gated")
    assert "tiny/gated" in shut["error"]
    assert "behind a gate (HTTP 401)" in shut["error"]
    assert "HF_KEY" in shut["mend"]
    assert "hf_wrong" not in json.dumps(ask("gated", key="hf_wrong"))
    assert ask("gated", key="hf_right")["documents"] == 240


@pytest.mark.parametrize(("name", "words"), [
    ("absent", "none of that name, or not for everybody (HTTP 401)"), ("down", "answered HTTP 500"), ("nosub", "'nope' not found. Available: ['default']"),
    ("nosplit", "Bad split: nope. Available splits: ['train']"), ("nofield", 'row 1: no "body" among text'), ("norevision", "no such revision (HTTP 404)")])
def test_what_is_wrong_with_a_data_set_is_said(ask: Asker, name: str, words: str):
    answer = ask(name)
    assert words in answer["error"]
    assert "the data set tiny/" in answer["error"]
    assert answer["mend"]


def test_a_tokenizer_of_the_hub_ends_texts_with_its_own_token(ask: Asker):
    made = ask("tales", tokenizer="tiny/tokens")
    assert made["tokenizer"] == "tiny/tokens"
    assert made["end_id"] == 290
    assert made["hash"] == ask("tales")["hash"]
    small = ask("tales", tokenizer="tiny/tokens", vocab_size=280)
    assert small["error"] == "tokenizer mismatch: tiny/tokens has 291 tokens, the scale's vocabulary 280"
    assert "HTTP 401" in ask("tales", tokenizer="tiny/none")["error"]


def test_a_hub_that_cannot_be_reached_is_named(tmp_path: Path):
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "core", "data", "prepare", "tinystories", "--json"], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "the data set roneneldan/TinyStories: the Hub at http://127.0.0.1:9 cannot be reached" in json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr
