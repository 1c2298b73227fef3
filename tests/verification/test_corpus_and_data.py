"""Corpora are read, split and cached the same way each time; bad ones are named."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from core.config import Config
from core.errors import CorpusError
from core.verification.training.corpus import PreparedCorpus, prepare
from core.verification.training.data import Windows
from core.verification.training.documents import builtin_documents, split

TEXT = "\n\n".join(f"Paragraph {i}. " + "The method returns a value, and the value is a string. " * 12 for i in range(120))


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_a_corpus_is_made_once_and_is_the_same_again(text_file: Path, config: Config, tmp_path: Path):
    first = prepare(str(text_file), 400, config)
    made = (first.dir / "train.bin").stat().st_mtime_ns
    assert prepare(str(text_file), 400, config) == first
    assert (first.dir / "train.bin").stat().st_mtime_ns == made
    other = prepare(str(text_file), 400, Config.from_env({"DATA_DIR": str(tmp_path / "other")}))
    assert (other.hash, other.tokenizer_hash, other.train_tokens) == (first.hash, first.tokenizer_hash, first.train_tokens)
    assert (other.dir / "train.bin").read_bytes() == (first.dir / "train.bin").read_bytes()
    assert prepare(str(text_file), 300, config).hash == first.hash


SPLITS = ("train", "valid", "test", "watch")


def texts_of(made: PreparedCorpus) -> dict[str, list[str]]:
    """split → its documents, decoded from the token files."""
    tokenizer = Tokenizer.from_file(str(made.dir / "tokenizer.json"))
    found = {}
    for name in SPLITS:
        ids = np.fromfile(made.dir / f"{name}.bin", np.uint16 if made.vocab_size <= 2**16 else np.uint32)
        assert ids[0] == ids[-1] == made.end_id
        bounds = np.flatnonzero(ids == made.end_id)
        found[name] = [tokenizer.decode(ids[a + 1 : b].tolist(), skip_special_tokens=False) for a, b in itertools.pairwise(bounds)]
    return found


def jsonl(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_tokens_decode_to_the_documents_and_splits_do_not_overlap(text_file: Path, config: Config):
    made = prepare(str(text_file), 400, config)
    found = texts_of(made)
    everything = [t for split in found.values() for t in split]
    assert sorted(everything) == sorted({t.strip() for t in split(TEXT)})
    assert len(set(everything)) == len(everything) == made.documents
    sizes = {name: len(np.fromfile(made.dir / f"{name}.bin", np.uint16)) for name in SPLITS}
    assert sizes == {"train": made.train_tokens, "valid": made.valid_tokens, "test": made.test_tokens, "watch": made.watch_tokens}
    assert made.train_bytes == sum(len(t.encode()) for t in found["train"])
    for name in SPLITS[1:]:
        index = json.loads((made.dir / f"{name}.json").read_text())
        assert index["bytes"] == [len(t.encode()) for t in found[name]]
        assert index["starts"][0] == 1


def test_duplicates_go_whatever_their_white_space(tmp_path: Path, config: Config):
    texts = [f"story {i}: " + "once upon a time " * 40 for i in range(60)]
    again = [t.replace(" ", "  \n") for t in texts[:30]]
    made = prepare(str(jsonl(tmp_path / "a.jsonl", [*texts, " ", *again])), 300, config)
    assert made.documents == 60
    assert sorted(t for split in texts_of(made).values() for t in split) == sorted(t.strip() for t in texts)


def test_the_split_depends_on_texts_alone(tmp_path: Path, config: Config):
    texts = [f"document {i} " * 100 for i in range(100)]
    one, other = (texts_of(prepare(str(jsonl(tmp_path / f"{n}.jsonl", order)), 300, config)) for n, order in enumerate((texts, texts[::-1])))
    assert all(one[name] == other[name] for name in SPLITS[1:])
    assert set(one["train"]) == set(other["train"])
    assert len(one["train"]) > 80
    assert len(one["valid"]) > len(one["test"]) > 0
    assert 0 < sum(map(len, one["watch"])) < 64 * 1024


def test_words_that_look_like_the_end_of_a_text_do_not_end_it(tmp_path: Path, config: Config):
    texts = [f"entry {i} <|endoftext|> goes on " * 30 for i in range(40)]
    found = texts_of(prepare(str(jsonl(tmp_path / "a.jsonl", texts)), 300, config))
    assert sorted(t for split in found.values() for t in split) == sorted(t.strip() for t in texts)


def test_the_builtin_corpus_is_there_offline():
    documents = builtin_documents()
    assert sum(map(len, documents)) > 1_500_000
    assert any("lambda" in d for d in documents)


def test_wikitext_is_split_into_its_articles(real_data: Path):
    documents = split((real_data / "text" / "wikitext2-valid.txt").read_text())
    assert 50 < len(documents) < 80
    assert all(" = " in d[:200] for d in documents[1:])


@pytest.mark.parametrize(("content", "words"), [
    (None, "does not exist"), (b"", "is empty"), (b"  \n\n ", "is empty"), (b"too short", "too little to train on"),
    (b"fine " * 9000 + b"\xff\xfe", r"not UTF-8: byte 45000 is 0xff")])
def test_a_bad_corpus_is_named(tmp_path: Path, config: Config, content: bytes | None, words: str):
    path = tmp_path / "corpus.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=words) as caught:
        prepare(str(path), 300, config)
    assert "corpus" in str(caught.value)
    assert caught.value.mend
    assert not [p for p in (config.data_dir / "corpora").glob("*") if p.suffix != ".lock"]


def test_a_folder_without_text_and_a_broken_line_are_named(tmp_path: Path, config: Config):
    (tmp_path / "folder").mkdir()
    with pytest.raises(CorpusError, match="holds no text"):
        prepare(str(tmp_path / "folder"), 300, config)
    (tmp_path / "folder" / "a.jsonl").write_text('{"text": "fine"}\n{"no": 1}\n')
    with pytest.raises(CorpusError, match=r"a\.jsonl:2"):
        prepare(str(tmp_path / "folder"), 300, config)


def test_a_batch_is_a_function_of_its_step(tmp_path: Path):
    np.arange(5000, dtype=np.uint16).tofile(tmp_path / "t.bin")
    a, b = (Windows(tmp_path / "t.bin", 5000, 50, seed=3) for _ in range(2))
    for step in (7, 0, 30, 7):
        assert (a.batch(step, 4) == b.batch(step, 4)).all()
    rows = a.batch(0, 8)
    assert rows.shape == (8, 51)
    assert (np.diff(rows, axis=1) == 1).all()
    assert not (Windows(tmp_path / "t.bin", 5000, 50, seed=4).batch(0, 8) == rows).all()


def test_an_epoch_shows_each_window_once(tmp_path: Path):
    np.arange(5000, dtype=np.uint16).tofile(tmp_path / "t.bin")
    windows = Windows(tmp_path / "t.bin", 5000, 50, seed=0)
    starts = np.concatenate([windows.batch(i, 1)[:, 0] for i in range(windows.per_epoch)])
    assert len(set(starts.tolist())) == windows.per_epoch


def test_too_few_tokens_for_a_context_are_named(tmp_path: Path):
    np.arange(100, dtype=np.uint16).tofile(tmp_path / "t.bin")
    with pytest.raises(CorpusError, match="100 training tokens"):
        Windows(tmp_path / "t.bin", 5000, 50, seed=0)
