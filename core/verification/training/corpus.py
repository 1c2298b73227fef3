"""A corpus made ready: documents deduplicated and split, a tokenizer trained, token files written; cached by content. Loads no torch.

    DATA_DIR/corpora/<key>/  meta.json  tokenizer.json  train.bin  valid.bin  test.bin  valid.json

The test split is written and never read here: it is kept for a last word.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core.config import Config
from core.errors import CorpusError
from core.types import sha256_text
from core.verification.training.documents import builtin_documents, python_version, read_documents

BUILDER = 1                  # raise it when what is written below changes
VALID, TEST = 0.08, 0.04     # of the text: small corpora need a share large enough for a steady score
MAX_HELD_OUT = 16 * 2**20    # bytes of each held-out split; large corpora need no more
END = "<|endoftext|>"        # token 0: between documents, and before the first
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class PreparedCorpus:
    name: str
    hash: str                        # of the documents, whatever the tokenizer
    dir: Path
    vocab_size: int
    tokenizer_hash: str
    train_tokens: int
    valid_tokens: int
    train_bytes: int
    documents: int

    @property
    def bytes_per_token(self) -> float:
        """Of the training text."""
        return self.train_bytes / self.train_tokens


def prepare(corpus: str | None, vocab_size: int, config: Config, report: Report = lambda fraction, note: None) -> PreparedCorpus:
    """The built-in corpus, or a person's file or folder, with a byte-level BPE of `vocab_size`. Raises CorpusError."""
    root = config.data_dir / "corpora"
    key, documents = _key(corpus, vocab_size)
    target = root / key
    if not (target / "meta.json").is_file():
        report(0.0, "reading the corpus")
        root.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=root, prefix="making-"))
        try:
            _write(scratch, documents(), _name(corpus), vocab_size, report)
            os.replace(scratch, target)
        except OSError as error:
            if not (target / "meta.json").is_file():  # unless another process was quicker
                raise CorpusError(f"the corpus cannot be written to {root}: {error.strerror or error}", "free some space and try again") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    meta = json.loads((target / "meta.json").read_text())
    return PreparedCorpus(dir=target, **meta)


def _name(corpus: str | None) -> str:
    return Path(corpus).name if corpus else "python docs"


def _key(corpus: str | None, vocab_size: int) -> tuple[str, Callable[[], Sequence[str]]]:
    """The cache's name for the corpus, and how to get its documents."""
    if corpus is None:  # parsing the standard library takes seconds; its version says as much
        return f"python-docs-{python_version()}-v{vocab_size}-b{BUILDER}", builtin_documents
    documents = read_documents(Path(corpus))
    return f"{_hash(documents)[:16]}-v{vocab_size}-b{BUILDER}", lambda: documents


def _hash(documents: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(sha256_text(document).encode())
    return digest.hexdigest()


def _write(target: Path, documents: Sequence[str], name: str, vocab_size: int, report: Report) -> None:
    from tokenizers import Tokenizer

    train, valid, test = split_documents(deduplicated(documents))
    report(0.2, "training the tokenizer")
    tokenizer = train_tokenizer(train, vocab_size)
    tokenizer.save(str(target / "tokenizer.json"))
    report(0.6, "writing tokens")
    counts = {}
    for split, texts in (("train", train), ("valid", valid), ("test", test)):
        counts[split] = _write_tokens(target, split, texts, Tokenizer.from_file(str(target / "tokenizer.json")), vocab_size)
    meta = asdict(PreparedCorpus(
        name=name, hash=_hash(documents), dir=target, vocab_size=vocab_size, tokenizer_hash=sha256_text((target / "tokenizer.json").read_text()),
        train_tokens=counts["train"], valid_tokens=counts["valid"], train_bytes=sum(len(d.encode()) for d in train), documents=len(documents)))
    del meta["dir"]
    (target / "meta.json").write_text(json.dumps(meta, indent=1))


def deduplicated(documents: Sequence[str]) -> list[str]:
    """Each text once, whatever its white space."""
    seen: set[str] = set()
    kept = []
    for document in documents:
        squeezed = " ".join(document.split())
        if squeezed and squeezed not in seen:
            seen.add(squeezed)
            kept.append(document.strip())
    return kept


def split_documents(documents: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """(train, valid, test). Documents are ordered by their hash; the first ones are held out, so that adding text moves few."""
    ordered = sorted(documents, key=sha256_text)
    total = sum(len(d.encode()) for d in ordered)
    if len(ordered) < 3 or total < 20_000:
        raise CorpusError(f"the corpus has {total:,} bytes in {len(ordered)} documents: too little to train on and hold out",
                          "give at least 20,000 bytes in three documents (blank lines separate them)")
    valid, rest = _take(ordered, min(VALID * total, MAX_HELD_OUT))
    test, train = _take(rest, min(TEST * total, MAX_HELD_OUT))
    return train, valid, test


def _take(documents: Sequence[str], size: float) -> tuple[list[str], list[str]]:
    """At least one document and `size` bytes, never all."""
    taken, n = 0, 0
    while n < len(documents) - 1 and (taken < size or n == 0):
        taken += len(documents[n].encode())
        n += 1
    return list(documents[:n]), list(documents[n:])


def train_tokenizer(documents: Sequence[str], vocab_size: int):
    """Byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; on bytes as in GPT-2): every text has tokens, none is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def _write_tokens(target: Path, split: str, documents: Sequence[str], tokenizer, vocab_size: int) -> int:
    """END d₁ END d₂ … END. For the held-out splits also where each document starts, and its bytes."""
    dtype = np.uint16 if vocab_size <= 2**16 else np.uint32
    starts, n = [], 1
    with (target / f"{split}.bin").open("wb") as sink:
        sink.write(np.zeros(1, dtype).tobytes())
        for encoding in (e for i in range(0, len(documents), 256) for e in tokenizer.encode_batch(documents[i : i + 256], add_special_tokens=False)):
            starts.append(n)
            sink.write(np.asarray([*encoding.ids, 0], dtype).tobytes())
            n += len(encoding.ids) + 1
    if split != "train":
        (target / f"{split}.json").write_text(json.dumps({"starts": starts, "bytes": [len(d.encode()) for d in documents]}))
    return n
