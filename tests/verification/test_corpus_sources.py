"""Where corpora come from: names and their YAML, files of every kind, and what each one's faults are called."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from core.build import BuildSystem
from core.cli import main
from core.config import ROOT, Config
from core.desk import Desk
from core.errors import Cancelled, CorpusError
from core.types import JobState
from core.verification.training.corpus import prepare
from core.verification.training.documents import MAX_DOCUMENT
from core.verification.training.recipes import parse_amount, recipe_files, resolve
from core.verification.training.shelf import corpus_name, shelf
from core.verification.training.tokenizer import check_fetched, train_tokenizer

STORIES = [f"story {i}: " + " ".join(f"word{(i * 7 + k) % 211}" for k in range(150)) for i in range(80)]


def own(config: Config, name: str, text: str) -> Path:
    folder = config.data_dir / "corpora.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    return folder / f"{name}.yaml"


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


# ------------------------------------------------------------------------------------------------------ names


def test_every_shipped_corpus_is_valid_and_says_what_it_is(config: Config):
    names = set(recipe_files(config))
    assert {"python_docs", "smollm", "fineweb_edu", "tinystories", "babylm_10m", "babylm_100m", "wikitext2", "wikitext103"} <= names
    for name in names:
        recipe = resolve(name, config)
        assert recipe.title, name
        assert recipe.source, name
        assert recipe.licence, name
        assert recipe.url.startswith("https://"), name
        assert sum(c.weight for c in recipe.components) == pytest.approx(1.0)
    assert {c.name for c in resolve("smollm", config).components} >= {"fineweb_edu_dedup", "cosmopedia_v2", "python_edu"}


def test_a_name_may_say_how_many_tokens(config: Config):
    assert resolve("smollm:3B", config).tokens == 3 * 10**9
    assert resolve("smollm:2500K", config).name == "smollm:2500K"
    assert resolve("smollm", config, tokens=20_000_000).name == "smollm:20M"
    assert parse_amount("1e6") == 1_000_000
    for wrong in ("much", "0", "-3", "3X"):
        with pytest.raises(CorpusError, match="no number of tokens"):
            parse_amount(wrong)


def test_an_unknown_name_is_told_what_may_have_been_meant(config: Config):
    with pytest.raises(CorpusError, match=r"smolm does not exist.*did you mean smollm"):
        resolve("smolm", config)


def test_a_person_s_own_file_hides_the_library_s(config: Config, tmp_path: Path):
    (tmp_path / "mine.txt").write_text("\n\n".join(STORIES))
    own(config, "tinystories", f"title: mine\npath: {tmp_path / 'mine.txt'}\n")
    own(config, "broken", "title: x\n")
    assert resolve("tinystories", config).title == "mine"
    found = {s.name: s for s in shelf(config, {})}
    assert found["tinystories"].kind == "files"
    assert "broken.yaml:1" in found["broken"].problem
    assert found["python_docs"].kind == "builtin"


@pytest.mark.parametrize(("yaml", "words"), [
    ("what: x\nbuiltin: python_docs\n", "title is missing"), ("title: x\n", r":1: no origin given"), ("title: x\nbuiltin: python_docs\npath: y\n", ":3: builtin and path given"),
    ("title: x\nhbu: {}\n", r":2: unknown key 'hbu' — did you mean hub"), ("title: x\ntokens: many\nbuiltin: python_docs\n", ":2: tokens is 'many'"),
    ("title: x\nhub:\n  dataset: a b\n", r":3: 'a b' is no data set's id"), ("title: x\nhub:\n  dataset: a/b\n  feild: t\n", ":4: unknown key 'feild' — did you mean field"),
    ("title: x\nhub: {dataset: a/b, rows: pages}\n", "rows is 'pages' — use one of documents, lines, headings"), ("title: x\nmixture:\n  tinystories: 1\n", "two corpora or more"),
    ("title: x\nmixture:\n  tinystories: 1\n  tinystorys: 1\n", ":4: there is no corpus 'tinystorys' — did you mean tinystories"),
    ("title: x\nmixture:\n  tinystories: 1\n  smollm: 1\n", ":4: smollm is a mixture itself"), ("title: x\nmixture:\n  tinystories: 1\n  wikitext2: -1\n", ":4: the weight of wikitext2 is -1"),
    ("title: x\nmixture: {babylm_10m: 1, twin: 1}\n", "twin and babylm_10m are the same texts"), ("title: [x\n", "yaml:")])
def test_a_wrong_key_is_named_with_its_line(config: Config, yaml: str, words: str):
    own(config, "twin", "title: x\nhub: {dataset: BabyLM-community/BabyLM-2026-Strict-Small}\n")
    file = own(config, "wrong", yaml)
    with pytest.raises(CorpusError, match=words) as caught:
        resolve("wrong", config)
    assert str(file) in str(caught.value)
    assert caught.value.mend


def test_a_job_names_a_corpus_so_that_another_process_finds_it(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert corpus_name("a.txt", config) == str((tmp_path / "a.txt").resolve())
    assert corpus_name("python_docs", config) is corpus_name(None, config) is None
    assert corpus_name("smollm:3B", config) == "smollm:3B"


def test_the_desk_prepares_a_corpus_and_says_for_which_scales_it_is_ready(desk: Desk, work: Callable[[], int], tmp_path: Path):
    (tmp_path / "mine.txt").write_text("\n\n".join(STORIES))
    own(desk.config, "mine", f"title: mine\npath: {tmp_path / 'mine.txt'}\n")
    job = desk.prepare_corpus("mine", "nano")
    assert work() == 1
    done = desk.queue.get(job.id)
    assert done.state is JobState.DONE
    assert done.result["train_tokens"] > 1000
    assert next(s for s in desk.corpora() if s.name == "mine").prepared == ("nano",)
    desk.prepare_corpus("mine", "nano")
    assert work() == 1


def test_the_command_line_lists_shows_and_prepares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "mine.txt").write_text("\n\n".join(STORIES))

    def core(*words: str) -> tuple[int, str]:
        code, out = main(["data", *words]), capsys.readouterr()
        return code, out.out + out.err

    assert core("prepare", str(tmp_path / "mine.txt"), "--vocab", "300")[0] == 0
    code, out = core("prepare", str(tmp_path / "mine.txt"), "--scale", "nano", "--json")
    made = json.loads(out)
    assert code == 0
    assert made["vocab_size"] == 2048
    assert {p.name for p in Path(made["dir"]).iterdir()} >= {"train.bin", "valid.bin", "test.bin", "watch.bin", "valid.json", "test.json", "watch.json", "tokenizer.json"}
    listed = {row["name"]: row for row in json.loads(core("list", "--json")[1])}
    assert listed["mine.txt"]["prepared"] == ["nano"]
    assert "HuggingFaceTB/smollm-corpus cosmopedia-v2 train (15.0%)" in core("show", "smollm")[1]
    for wrong, words in (("prepare",), "prepare of what"), (("show", "smolm"), "did you mean smollm"), (("prepare", "smollm", "--tokens", "many"), "no number of tokens"):
        code, out = core(*wrong)
        assert code in (1, 2)
        assert words in out


# ------------------------------------------------------------------------------------------------------ files


def test_the_same_texts_make_the_same_tokens_from_every_kind_of_file(tmp_path: Path, config: Config):
    lines = "".join(json.dumps({"text": t, "n": i}) + "\n" for i, t in enumerate(STORIES))
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pq.write_table(pa.table({"n": list(range(80)), "text": STORIES}), tmp_path / "a.parquet", row_group_size=17)
    made = [prepare(str(tmp_path / name), 300, config) for name in ("a.jsonl", "a.jsonl.gz", "a.parquet")]
    assert len({m.hash for m in made}) == 1
    assert len({m.dir for m in made}) == 3
    assert (made[0].dir / "train.bin").read_bytes() == (made[1].dir / "train.bin").read_bytes() == (made[2].dir / "train.bin").read_bytes()


def test_a_row_s_text_may_be_any_field_or_several(tmp_path: Path, config: Config):
    (tmp_path / "qa.jsonl").write_text("".join(json.dumps({"q": t, "a": None if i == 3 else i}) + "\n" for i, t in enumerate(STORIES)))
    own(config, "qa", f"title: x\npath: {tmp_path / 'qa.jsonl'}\ntemplate: 'Q: {{q}} A: {{a}}'\n")
    own(config, "q", f"title: x\npath: {tmp_path / 'qa.jsonl'}\nfield: q\n")
    qa, q = prepare("qa", 300, config), prepare("q", 300, config)
    assert qa.train_bytes > q.train_bytes
    assert q.documents == qa.documents == 80


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.jsonl", b'{"text": "fine"}\n{"text": \n', r"a\.jsonl:2: no JSON on this line"), ("a.jsonl", b'{"text": "fine"}\n{"no": 1}\n', r'a\.jsonl:2: no "text" among no'),
    ("a.jsonl", b'{"text": ["x"]}\n', r'a\.jsonl:1: "text" is no text but list'), ("a.jsonl", b'[1]\n', r'a\.jsonl:1: no object with a "text"'),
    ("a.jsonl", b'{"text": "ok"}\n{"text": "\xff"}\n', r"a\.jsonl:2 is not UTF-8: byte 25 is 0xff"), ("a.jsonl.gz", b"no gzip", r"a\.jsonl\.gz is broken"),
    ("a.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 2000)[:-20], r"a\.jsonl\.gz is broken"), ("a.parquet", b"PAR1 no", r"a\.parquet is broken"), ("a.jsonl", b"\n\n", "is empty")])
def test_a_broken_file_is_named_with_the_place(tmp_path: Path, config: Config, name: str, content: bytes, words: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=words):
        prepare(str(tmp_path / name), 300, config)


def test_a_missing_field_of_a_parquet_file_is_named(tmp_path: Path, config: Config):
    pq.write_table(pa.table({"body": STORIES}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r'a\.parquet, row 1: no "text" among body'):
        prepare(str(tmp_path / "a.parquet"), 300, config)


def test_very_long_lines_and_documents_are_cut_and_nothing_is_lost(tmp_path: Path, config: Config):
    text = "".join(chr(0x4E00 + i % 5000) for i in range(40_000))  # three bytes each, no space, no line
    (tmp_path / "a.txt").write_text(text)
    made = prepare(str(tmp_path / "a.txt"), 300, config)
    tokenizer = Tokenizer.from_file(str(made.dir / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text[:500]).ids) == text[:500]
    assert sum(sum(json.loads((made.dir / f"{s}.json").read_text())["bytes"]) for s in ("valid", "test", "watch")) + made.train_bytes == 120_000
    rows = ["x" * (MAX_DOCUMENT + 5), *STORIES, "half \ud83d a character"]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in rows))
    assert prepare(str(tmp_path / "b.jsonl"), 300, config).documents == len(rows) + 1


def test_a_folder_of_wikitext_and_shakespeare_works(real_data: Path, config: Config):
    made = prepare(str(real_data / "text"), 512, config)
    assert made.documents > 500
    assert made.train_bytes > 2_500_000
    assert made.watch_tokens > 5_000


# ------------------------------------------------------------------------------------------------------ stopped and gone on


class Stop:
    """A report that stops the work at its n-th word."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, fraction: float, note: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stopped", "")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(STORIES * 2))
    (folder / "b.jsonl").write_text("".join(json.dumps({"text": t[::-1]}) + "\n" for t in STORIES))
    pq.write_table(pa.table({"text": [t.upper() for t in STORIES]}), folder / "c.parquet", row_group_size=9)
    return folder


def test_stopped_at_every_word_it_goes_on_to_the_same_bytes(texts: Path, config: Config, tmp_path: Path):
    whole = prepare(str(texts), 300, Config.from_env({"DATA_DIR": str(tmp_path / "whole")}), commit_bytes=9000)
    stops = 0
    while True:
        try:
            made = prepare(str(texts), 300, config, Stop(1 + stops % 4), commit_bytes=9000)
            break
        except Cancelled:
            stops += 1
    assert stops > 10
    assert files_of(made.dir) == files_of(whole.dir)


@pytest.mark.slow
def test_killed_at_random_moments_it_goes_on_to_the_same_bytes(texts: Path, config: Config, tmp_path: Path):
    script = ("import sys; from core.config import Config; from core.verification.training.corpus import prepare; print('ready', flush=True)\n"
              "prepare(sys.argv[1], 300, Config.from_env({'DATA_DIR': sys.argv[2]}), commit_bytes=3000)")
    whole = prepare(str(texts), 300, Config.from_env({"DATA_DIR": str(tmp_path / "whole")}))
    for wait in (0.02, 0.05, 0.08, 0.12, 0.2, 0.03):
        child = subprocess.Popen([sys.executable, "-c", script, str(texts), str(config.data_dir)], cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
        child.stdout.readline()
        try:
            child.wait(wait)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    made = prepare(str(texts), 300, config)
    assert files_of(made.dir) == files_of(whole.dir)
    assert not list((config.data_dir / "corpora").glob("*.part"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("file", ["train.bin", "valid.bin", "watch.json.tmp", "tokenizer.json.tmp", "meta.json.tmp"])
def test_a_full_disk_is_said_and_what_is_prepared_is_kept(texts: Path, config: Config, tmp_path: Path, file: str):
    with pytest.raises(Cancelled):
        prepare(str(texts), 300, config, Stop(2), commit_bytes=9000)
    (part,) = (config.data_dir / "corpora").glob("*.part")
    (part / file).symlink_to("/dev/full")
    with pytest.raises(CorpusError, match="the disk is full") as caught:
        prepare(str(texts), 300, config)
    assert "goes on from there" in caught.value.mend
    (part / file).unlink()
    made = prepare(str(texts), 300, config)
    assert files_of(made.dir) == files_of(prepare(str(texts), 300, Config.from_env({"DATA_DIR": str(tmp_path / "whole")})).dir)


# ------------------------------------------------------------------------------------------------------ tokenizers


def test_a_tokenizer_must_fit_the_scale_and_name_the_end_of_a_text(tmp_path: Path):
    file, settings = tmp_path / "tokenizer.json", tmp_path / "tokenizer_config.json"
    tokenizer = train_tokenizer(STORIES, 400)
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.save(str(file))
    size = tokenizer.get_vocab_size()
    assert check_fetched("a/b", file, None, size) == 0
    settings.write_text(json.dumps({"eos_token": {"content": "</s>"}}))
    assert check_fetched("a/b", file, settings, size) == size - 1
    with pytest.raises(CorpusError, match=f"tokenizer mismatch: a/b has {size} tokens, the scale's vocabulary 300"):
        check_fetched("a/b", file, settings, 300)
    file.write_text("{}")
    with pytest.raises(CorpusError, match="cannot be read"):
        check_fetched("a/b", file, settings, size)


def test_a_vocabulary_too_small_for_the_bytes_is_named(texts: Path, config: Config):
    with pytest.raises(CorpusError, match="a vocabulary of 100 cannot hold"):
        BuildSystem(config).prepare_corpus(str(texts), 100, lambda fraction, note: None)
