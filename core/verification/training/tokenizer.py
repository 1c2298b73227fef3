"""Tokenizers: byte-level BPE trained here, or anybody's from the Hub. What every token file is written with. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.errors import CorpusError

END = "<|endoftext|>"        # token 0 of ours: between documents, and before the first
ENDS = (END, "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>", "[SEP]")  # what others call it, where their configuration does not say
SMALLEST = 257               # the bytes, and END


def train_tokenizer(documents: Sequence[str], vocab_size: int):
    """Byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; on bytes as in GPT-2): every text has tokens, none is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if vocab_size < SMALLEST:
        raise CorpusError(f"a vocabulary of {vocab_size} cannot hold the 256 bytes and the end of a text", f"give a vocab_size of at least {SMALLEST}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def token_dtype(vocab_size: int) -> type[np.unsignedinteger]:
    return np.uint16 if vocab_size <= 2**16 else np.uint32


class Encoder:
    """texts → the ids of a token file, each text closed by the end id. Words that look like special tokens are plain text here."""

    def __init__(self, tokenizer_file: Path, end_id: int, vocab_size: int) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.end_id = end_id
        self.dtype = token_dtype(vocab_size)

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [np.asarray([*found.ids, self.end_id], self.dtype) for found in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def check_fetched(name: str, tokenizer_file: Path, settings_file: Path | None, vocab_size: int) -> int:
    """The end-of-text id of a tokenizer from the Hub. Raises CorpusError where it does not fit the scale, or names no end of a text."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
    except Exception as error:  # the library raises bare Exceptions for any file it cannot read
        raise CorpusError(f"tokenizer {name}: its tokenizer.json cannot be read ({error})", "choose another one, or leave it out to train one here") from error
    ids = tokenizer.get_vocab(with_added_tokens=True)
    size = max(ids.values(), default=0) + 1
    if size > vocab_size:
        raise CorpusError(f"tokenizer mismatch: {name} has {size:,} tokens, the scale's vocabulary {vocab_size:,}",
                          f"set the scale's vocab_size to {size} or more, or choose a smaller tokenizer")
    named = _named_end(settings_file)
    found = next((token for token in (named, *ENDS) if token and token in ids), None)
    if found is None:
        raise CorpusError(f"tokenizer {name} names no end-of-text token", f"choose one whose tokenizer_config.json has an eos_token, or that has one of {', '.join(ENDS)}")
    return ids[found]


def _named_end(settings_file: Path | None) -> str | None:
    if settings_file is None:
        return None
    try:
        named = json.loads(settings_file.read_text(encoding="utf-8")).get("eos_token")
    except (OSError, ValueError, AttributeError) as error:
        raise CorpusError(f"{settings_file} cannot be read: {error}", "remove it and try again") from error
    return named.get("content") if isinstance(named, dict) else named
